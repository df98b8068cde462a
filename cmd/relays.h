// Relays, as whoever sends uses them: letters for people who cannot be reached are left at their
// relays, and relays are asked what became of those.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "cmd/env.h"
#include "cmd/names.h"
#include "core/errand.h"
#include "core/queue.h"
#include "net/dial.h"

namespace p2pmail::cmd {

/// Errands for one round of dialing, an errand and a target for each relay. Holds a claim for each
/// letter, so that it is bounded: what does not fit has its turn in a later round.
class RelayRound {
 public:
  /// Of these entries those that wait at a relay are asked for, and those that wait nowhere are left
  /// at the recipient's relays; an entry that somebody else is sending is passed over. What relays
  /// hold of entries that have ended is withdrawn. `on_mail` hears of notices of delivery that were
  /// asked for.
  [[nodiscard]] static core::Result<RelayRound> plan(
      Env& env, const std::vector<core::QueueEntry>& entries,
      std::function<void(const core::NewMail&)> on_mail = {});
  /// They point into this object, which must outlive their conversations.
  [[nodiscard]] std::vector<net::Target> targets(Env& env) const;
  [[nodiscard]] bool empty() const { return errands_.empty(); }
  /// The conversation of this errand has ended; one errand less.
  void ended(const core::Mailbox* errand, bool reached);

 private:
  /// The same machine under another name, or at other places, is another errand: what one card says
  /// of a relay must not decide about the letters for others.
  using Key = std::tuple<core::IdentityKey, core::TransportKey, std::string>;
  [[nodiscard]] core::Status add(Env& env, const core::QueueEntry& entry);
  [[nodiscard]] core::Status withdraw_ended(Env& env);
  core::Errand& errand_to(Env& env, const core::Relay& relay);
  std::function<void(const core::NewMail&)> on_mail_;
  std::map<Key, std::unique_ptr<core::Errand>> errands_;
  std::size_t letters_ = 0;
};

/// Dials a round to its end, at most for `total` (0 = no bound but those of each conversation).
void carry_out(Env& env, RelayRound& round, std::chrono::milliseconds total);
/// Where a letter waits. A relay that the recipient does not name any more, or that has been silent,
/// does not count.
struct HeldBy {
  std::string relay;  // label
  std::uint64_t since = 0;
  std::uint64_t until = 0;
};
[[nodiscard]] std::vector<HeldBy> held_by(Env& env, const Names& names,
                                          const core::QueueEntry& entry);
/// "carol until 2026-12-01 12:00", or empty.
[[nodiscard]] std::string text_of(const std::vector<HeldBy>& held);
/// Our own record asks for the stamps that the settings say, and names our relays as their newest cards
/// do.
[[nodiscard]] core::Status keep_record(Env& env);
/// Upkeep of what we hold for others: ends, and what a crash left.
[[nodiscard]] core::Status tidy_relays(Env& env);

}  // namespace p2pmail::cmd
