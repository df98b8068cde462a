// Pushing what is queued, waiting for its receipts, and saying what has become of it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cmd/env.h"
#include "cmd/names.h"
#include "core/queue.h"

namespace p2pmail::cmd {

/// A queued letter for one recipient, and what has become of it.
struct Outstanding {
  core::QueueEntry entry;
  std::optional<core::Ending> ending;  // nullopt: it waits, or is lost
  bool lost = false;                   // it left the queue, and nobody recorded how
  std::string why;                     // in words, when not delivered; not cleaned
  [[nodiscard]] bool ended() const { return ending.has_value() || lost; }
  [[nodiscard]] bool delivered() const { return ending == core::Ending::kDelivered; }
};
using AllOutstanding = std::vector<Outstanding>;

/// None of them waits any more.
[[nodiscard]] bool all_ended(const AllOutstanding& all);
/// One attempt for everybody who has not got it yet, also to oneself; then at the relays of whoever
/// could not be reached. Whoever cannot be reached is noted, never an error. kStays for an attempt out
/// of turn, which must not put off the next one. After `total` (0 = no bound but those of each
/// conversation) what is under way is broken off; a letter that was begun goes on another time.
[[nodiscard]] core::Status push_once(Env& env, AllOutstanding& all,
                                     core::Backoff backoff = core::Backoff::kGrows,
                                     std::chrono::milliseconds total = {});
/// A running `serve` may have been quicker, or `queue cancel`: then the entry is gone without us.
void look_again(core::Store& store, AllOutstanding& all);
/// What has become of them, a line or object ("delivery") each; lines only for people.
void say_deliveries(Env& env, const Names& names, const AllOutstanding& all);
/// Pushes again with growing pauses until all are delivered, the time is over, or env.stop.
[[nodiscard]] core::Status wait_for_receipts(Env& env, AllOutstanding& all,
                                             std::chrono::milliseconds patience);

}  // namespace p2pmail::cmd
