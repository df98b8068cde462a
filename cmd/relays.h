// Relays, as whoever sends uses them: letters for people who cannot be reached are left at their
// relays, and relays are asked what became of those.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cmd/env.h"
#include "core/errand.h"
#include "core/queue.h"
#include "net/dial.h"

namespace p2pmail::cmd {

/// Errands for one round of dialing, an errand and a target for each relay.
class RelayRound {
 public:
  /// Of these entries those that wait at a relay are asked for, and those that wait nowhere are left
  /// at the recipient's relays; an entry that somebody else is sending is passed over.
  /// `on_mail` hears of notices of delivery that were asked for.
  [[nodiscard]] static core::Result<RelayRound> plan(
      Env& env, const std::vector<core::QueueEntry>& entries,
      std::function<void(const core::NewMail&)> on_mail = {});
  /// They point into this object, which must outlive their conversations.
  [[nodiscard]] std::vector<net::Target> targets() const;
  [[nodiscard]] bool empty() const { return errands_.empty(); }
  /// One errand of it less, once its conversation has ended.
  void drop(const core::Mailbox* errand);

 private:
  [[nodiscard]] core::Status add(Env& env, const core::QueueEntry& entry);
  core::Errand& errand_to(Env& env, const core::Relay& relay);
  std::function<void(const core::NewMail&)> on_mail_;
  std::map<core::TransportKey, std::unique_ptr<core::Errand>> errands_;
};

/// Where a letter waits, by the relays' names: "carol until 2026-12-01 12:00", or empty.
[[nodiscard]] std::string held_by(Env& env, const std::string& entry);
/// Our own record asks for the stamps that the settings say, and names our relays as their newest cards
/// do.
[[nodiscard]] core::Status keep_record(Env& env);
/// Upkeep of what we hold for others, and of what we know of our own letters at relays: ends, and what a
/// crash left.
[[nodiscard]] core::Status tidy_relays(Env& env);

}  // namespace p2pmail::cmd
