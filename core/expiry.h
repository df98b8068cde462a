// When a letter is given up: the queue's upkeep, run by whoever works on the queue.
//
//   expired  it waits for longer than the setting says, since the time in its entry
//   failed   the recipient's device has refused it for good (is_final in core/queue.h) kFinalRefusals
//            times in a row, the first of them kFinalPeriod ago; who could not be reached meanwhile
//            neither counts nor breaks the row
//
// A clock that jumps must destroy nothing, so the deadline has to be seen passed twice, with at least
// an hour of running machine (CLOCK_BOOTTIME) between, in which nobody saw it not passed. Another
// boot's clock says nothing about this one's: after a reboot a whole hour must pass. Without a boot id
// nothing is given up. The copy in .Sent is never touched.
#pragma once

#include <optional>

#include "core/keys.h"
#include "core/notice.h"
#include "core/store.h"

namespace p2pmail::core {

inline constexpr std::uint64_t kFinalRefusals = 3;
inline constexpr std::uint64_t kFinalPeriod = 86400;     // seconds

struct ExpiryOptions {
  std::uint64_t expire = 30 * 86400;  // seconds
  NoticeOptions notice;
  /// Notices of one run: each is synced by itself, and a node has more to do. The next run goes on.
  std::size_t most = 100;
};

/// What the entry's deadline asks for by this clock; nullopt = it goes on waiting.
[[nodiscard]] std::optional<Ending> due_ending(const QueueEntry& entry, const Progress& progress,
                                               std::uint64_t expire, std::uint64_t now);
/// Whether an earlier sighting of the same deadline confirms the one of now.
[[nodiscard]] bool is_confirmed(const Sighting& before, Ending due, const Now& now);

/// Notes and forgets sightings, ends what is confirmed, and makes the notices that are due, also
/// those that an earlier run could not make. Entries that somebody sends at this moment are left.
/// Does as much as can be done and answers the first error.
[[nodiscard]] Status tend_queue(Store& store, const ExpiryOptions& options, const Now& now);

}  // namespace p2pmail::core
