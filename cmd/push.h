// Pushing what `send` has just queued, and waiting for its receipts.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cmd/env.h"
#include "core/queue.h"

namespace p2pmail::cmd {

/// A queued letter for one recipient, and what has become of it.
struct Outstanding {
  core::QueueEntry entry;
  bool delivered = false;
  std::string why;  // in words, when not delivered; not cleaned
};
using AllOutstanding = std::vector<Outstanding>;

[[nodiscard]] bool all_delivered(const AllOutstanding& all);
/// One attempt for everybody who has not got it yet, also to oneself. Whoever cannot be reached is
/// noted, never an error.
[[nodiscard]] core::Status push_once(Env& env, AllOutstanding& all);
/// A running `serve` may have been quicker: then the entry is gone without us.
void look_again(core::Store& store, AllOutstanding& all);
/// Pushes again with growing pauses until all are delivered, the time is over, or env.stop.
[[nodiscard]] core::Status wait_for_receipts(Env& env, AllOutstanding& all,
                                             std::chrono::milliseconds patience);

}  // namespace p2pmail::cmd
