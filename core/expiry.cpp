#include "core/expiry.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/deadline.h"

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

/// Notices of entries that have ended before, in this process or another. How many were tried.
std::size_t make_notices(Store& store, const ExpiryOptions& options, std::uint64_t now,
                         FirstError& first) {
  const auto ended = store.queue().ended();
  if (!ended) return first.note(ended.error()), 0;
  std::size_t tried = 0;
  for (const EndedEntry& one : *ended) {
    if (tried >= options.most) break;
    const auto claim = store.queue().claim_ended(one);
    if (!claim) {
      // One that cannot be read is told of by whoever lists the queue.
      const Code code = claim.error().code;
      if (code != Code::kForged && code != Code::kMalformed && code != Code::kUnsupported)
        first.note(claim.error());
    } else if (*claim) {
      ++tried;
      first.note(end_with_notice(store, **claim, one.ending, options.notice, now));
    }
  }
  return tried;
}

/// What is to be done about the entries of one moment.
struct Plan {
  std::map<std::string, Sighting> seen;
  std::vector<std::string> forgotten;
  std::vector<std::pair<std::string, Ending>> confirmed;
};

Plan plan_for(Store& store, const std::vector<QueueEntry>& entries,
              std::map<std::string, Sighting> before, std::uint64_t expire, const Now& now) {
  Plan plan;
  for (const QueueEntry& entry : entries) {
    const auto due = due_ending(entry, store.queue().progress(entry.id), expire, now.time);
    if (!due) continue;  // what was seen before counts no more
    const auto sighting = before.find(entry.id);
    const bool same = sighting != before.end() && sighting->second.ending == *due;
    if (!same) {
      plan.seen[entry.id] = {*due, now.boot_time, now.boot_id};
    } else if (is_confirmed(sighting->second, *due, now)) {
      plan.confirmed.emplace_back(entry.id, *due);
    }
    if (sighting != before.end()) before.erase(sighting);
  }
  // Not due any more, or not in the queue.
  for (const auto& [entry, sighting] : before) plan.forgotten.push_back(entry);
  return plan;
}

/// All in one transaction: it costs one sync, or none when there is nothing new.
Status note_sightings(Store& store, const Plan& plan) {
  if (plan.seen.empty() && plan.forgotten.empty()) return {};
  return store.state().together([&]() -> Status {
    for (const auto& [entry, sighting] : plan.seen)
      if (const auto set = store.state().set_sighting(entry, sighting); !set) return set;
    for (const std::string& entry : plan.forgotten)
      if (const auto done = store.state().forget_sighting(entry); !done) return done;
    return {};
  });
}

Status give_up(Store& store, const std::string& id, Ending ending, const NoticeOptions& options,
               std::uint64_t now) {
  const auto claim = store.queue().claim(id);
  if (!claim) return claim.error();
  if (!*claim) return {};
  if (const auto done = store.queue().finish(**claim, ending, now); !done) return done;
  (void)store.state().forget_sighting(id);
  return end_with_notice(store, **claim, ending, options, now);
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
  return before.ending == due && Observation{before.boot_id, before.boot_time}.is_confirmed(now);
}

Status tend_queue(Store& store, const ExpiryOptions& options, const Now& now) {
  FirstError first;
  std::size_t tried = make_notices(store, options, now.time, first);
  if (now.boot_id == kNoBoot) return first.status();
  const auto entries = store.queue().list();
  if (!entries) return entries.error();
  auto sightings = store.state().sightings();
  if (!sightings) return sightings.error();
  const Plan plan = plan_for(store, *entries, std::move(*sightings), options.expire, now);
  first.note(note_sightings(store, plan));
  for (const auto& [entry, ending] : plan.confirmed) {
    if (tried++ >= options.most) break;
    first.note(give_up(store, entry, ending, options.notice, now.time));
  }
  return first.status();
}

}  // namespace p2pmail::core
