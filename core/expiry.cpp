#include "core/expiry.h"

#include <map>
#include <string>

namespace p2pmail::core {
namespace {

constexpr std::array<std::uint8_t, 16> kNoBoot{};

class FirstError {
 public:
  void note(const Status& done) {
    if (status_ && !done) status_ = done;
  }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  Status status_;
};

/// Notices of entries that have ended before, in this process or another.
Status make_notices(Store& store, const NoticeOptions& options, std::uint64_t now) {
  const auto ended = store.queue().ended();
  if (!ended) return ended.error();
  FirstError first;
  for (const EndedEntry& one : *ended) {
    const auto claim = store.queue().claim_ended(one);
    if (!claim) {
      // One that cannot be read is told of by whoever lists the queue.
      const Code code = claim.error().code;
      if (code != Code::kForged && code != Code::kMalformed && code != Code::kUnsupported)
        first.note(claim.error());
    } else if (*claim) {
      first.note(end_with_notice(store, **claim, one.ending, options, now));
    }
  }
  return first.status();
}

Status give_up(Store& store, const QueueEntry& entry, Ending ending, const NoticeOptions& options,
               std::uint64_t now) {
  const auto claim = store.queue().claim(entry.id);
  if (!claim) return claim.error();
  if (!*claim) return {};
  if (const auto done = store.queue().finish(**claim, ending, now); !done) return done;
  (void)store.state().forget_sighting(entry.id);
  return end_with_notice(store, **claim, ending, options, now);
}

Status look_at(Store& store, const QueueEntry& entry, const Sighting* before,
               const ExpiryOptions& options, const Now& now) {
  const auto due =
      due_ending(entry, store.queue().progress(entry.id), options.expire, now.time);
  if (!due) return before == nullptr ? Status{} : store.state().forget_sighting(entry.id);
  if (before == nullptr || before->ending != *due)
    return store.state().set_sighting(entry.id, {*due, now.boot_time, now.boot_id});
  if (!is_confirmed(*before, *due, now)) return {};
  return give_up(store, entry, *due, options.notice, now.time);
}

}  // namespace

std::optional<Ending> due_ending(const QueueEntry& entry, const Progress& progress,
                                 std::uint64_t expire, std::uint64_t now) {
  if (progress.refusals >= kFinalRefusals && progress.refused_since + kFinalPeriod <= now)
    return Ending::kFailed;
  if (entry.time + expire <= now) return Ending::kExpired;
  return std::nullopt;
}

bool is_confirmed(const Sighting& before, Ending due, const Now& now) {
  if (before.ending != due || before.boot_id == kNoBoot || now.boot_id == kNoBoot) return false;
  const bool same = before.boot_id == now.boot_id;
  return now.boot_time >= (same ? before.boot_time : 0) + kSightingGap;
}

Status tend_queue(Store& store, const ExpiryOptions& options, const Now& now) {
  FirstError first;
  first.note(make_notices(store, options.notice, now.time));
  if (now.boot_id == kNoBoot) return first.status();
  const auto entries = store.queue().list();
  if (!entries) return entries.error();
  auto sightings = store.state().sightings();
  if (!sightings) return sightings.error();
  for (const QueueEntry& entry : *entries) {
    const auto before = sightings->find(entry.id);
    const bool known = before != sightings->end();
    first.note(look_at(store, entry, known ? &before->second : nullptr, options, now));
    if (known) sightings->erase(before);
  }
  // Of entries that have left the queue.
  for (const auto& [entry, sighting] : *sightings) first.note(store.state().forget_sighting(entry));
  return first.status();
}

}  // namespace p2pmail::core
