// What send, fetch and serve share: whom to dial where, and an honest note of what did not work.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cmd/env.h"
#include "core/post_office.h"
#include "core/queue.h"
#include "core/store.h"
#include "net/dial.h"

namespace p2pmail::cmd {

/// Clock, header policy and free space as this run has them.
[[nodiscard]] core::PostOffice::Options post_office_options(Env& env);

/// How much work for stamps this run is ready for; it says so when it begins.
[[nodiscard]] core::StampWork stamp_work(Env& env);

/// Stop, limits and bound as this run has them. `total`: for everything, 0 = no bound.
[[nodiscard]] net::DialOptions dial_options(const Env& env, std::chrono::milliseconds total);

/// An option --limit-rate in the place of the setting; empty = not given. kUsage.
[[nodiscard]] core::Status take_limit_rate(Env& env, const std::string& text);

/// The same for --max-size.
[[nodiscard]] core::Status take_max_size(Env& env, const std::string& text);

/// Every place where a device of the peer says that it listens, global addresses first. Private
/// addresses and names count, because the user accepted the peer; onion names do not yet.
[[nodiscard]] net::Target target_of(const core::Peer& peer);

/// The peer behind a queue entry; nullopt when nothing at all is known.
[[nodiscard]] core::Result<std::optional<core::Peer>> peer_of(core::Store& store,
                                                              const core::IdentityKey& identity);

/// Notes that an attempt failed: for those of these entries that were due, or, with kStays, for all.
void note_unreached(core::Store& store, const std::vector<std::string>& entries,
                    const core::Error& why, std::uint64_t now,
                    core::Backoff backoff = core::Backoff::kGrows);

/// True once the entry has reached its terminal state, whoever brought that about.
[[nodiscard]] bool is_gone(core::Store& store, const std::string& entry);

/// kMalformed for the first damaged queue file, if any, with the command that removes it.
[[nodiscard]] core::Status check_damage(const std::vector<core::DamagedEntry>& damaged);

/// The queue's upkeep (core/expiry.h) as the settings have it. `on_mail` = empty: notices are put
/// into the inbox and not announced.
[[nodiscard]] core::Status tend_queue(Env& env,
                                      std::function<void(const core::NewMail&)> on_mail = {});

/// Ends streams of large letters that no mail names any longer (core/blob_upkeep.h).
[[nodiscard]] core::Status tend_blobs(Env& env);

/// A word for how a letter ended, in text and JSON.
[[nodiscard]] const char* word_of(core::Ending ending);

}  // namespace p2pmail::cmd
