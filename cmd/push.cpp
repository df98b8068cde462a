#include "cmd/push.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include "cmd/delivery.h"
#include "cmd/format.h"
#include "cmd/progress.h"
#include "cmd/relays.h"
#include "core/post_office.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Status;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kFirstRetry{1};
constexpr std::chrono::seconds kLastRetry{30};

/// Targets for what is outstanding; who cannot be dialed is noted.
std::vector<net::Target> targets_for(core::Store& store, AllOutstanding& all) {
  std::vector<net::Target> targets;
  for (auto& one : all) {
    if (one.ended() || one.entry.recipient == store.identity()) continue;
    auto peer = peer_of(store, one.entry.recipient);
    net::Target target = peer && *peer ? target_of(**peer) : net::Target{};
    if (target.places.empty()) {
      one.why = "listens nowhere that is known; waits until fetched";
    } else {
      targets.push_back(std::move(target));
    }
  }
  return targets;
}

void note_outcomes(Env& env, AllOutstanding& all, const std::vector<net::Target>& targets,
                   const std::vector<net::DialOutcome>& outcomes, core::Backoff backoff) {
  core::Store& store = env.store();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    for (auto& one : all) {
      if (one.ended() || one.entry.recipient != targets[i].identity) continue;
      const auto& error = outcomes[i].error;
      if (error) one.why = "cannot be reached: " + error->context;
      if (error) note_unreached(store, {one.entry.id}, *error, env.clock().time, backoff);
      // A refusal of this very letter says more than how the conversation ended.
      if (outcomes[i].reached) one.why = store.queue().progress(one.entry.id).last_error;
    }
  }
}

/// How long several dialings together may take.
class Bound {
 public:
  explicit Bound(std::chrono::milliseconds total) : total_(total) {}
  /// For net::DialOptions, where 0 is no bound.
  [[nodiscard]] std::chrono::milliseconds left() const {
    if (total_.count() == 0) return total_;
    const auto gone = std::chrono::floor<std::chrono::milliseconds>(Clock::now() - started_);
    return std::max(total_ - gone, std::chrono::milliseconds{1});
  }

 private:
  std::chrono::milliseconds total_;
  Clock::time_point started_ = Clock::now();
};

/// Leaves what could not be delivered at relays, and asks them about what was left there before.
/// Whoever was reached has said himself what is to be said.
Status visit_relays(Env& env, AllOutstanding& all, const std::set<core::IdentityKey>& reached,
                    const Bound& bound) {
  core::Store& store = env.store();
  std::vector<core::QueueEntry> entries;
  for (const auto& one : all) {
    const auto& to = one.entry.recipient;
    if (one.ended() || to == store.identity() || reached.contains(to) || env.stopped()) continue;
    auto entry = store.queue().load(one.entry.id);
    if (entry) entries.push_back(std::move(*entry));
  }
  auto round = RelayRound::plan(env, entries);
  if (!round) return round.error();
  if (round->empty()) return {};
  carry_out(env, *round, bound.left());
  look_again(store, all);
  for (auto& one : all)
    if (!one.ended()) one.why = store.queue().progress(one.entry.id).last_error;
  return {};
}

void pause(const core::QueueWatch& watch, std::chrono::milliseconds most) {
  pollfd item{watch.fd(), POLLIN, 0};
  if (poll(&item, 1, static_cast<int>(most.count())) <= 0) return;
  std::array<char, 4096> discarded;
  while (read(watch.fd(), discarded.data(), discarded.size()) > 0) continue;
}

}  // namespace

bool all_ended(const AllOutstanding& all) {
  return std::all_of(all.begin(), all.end(), [](const auto& one) { return one.ended(); });
}

Status push_once(Env& env, AllOutstanding& all, core::Backoff backoff,
                 std::chrono::milliseconds total) {
  core::Store& store = env.store();
  const Bound bound(total);
  auto options = post_office_options(env);
  options.backoff = backoff;
  for (const auto& one : all) {
    if (!one.ended()) options.only.insert(one.entry.id);
  }
  core::PostOffice post_office(store, std::move(options));
  const bool to_self = std::any_of(all.begin(), all.end(), [&store](const auto& one) {
    return !one.ended() && one.entry.recipient == store.identity();
  });
  if (to_self) {
    if (auto delivered = post_office.deliver_to_self(); !delivered) return delivered;
  }
  const auto targets = targets_for(store, all);
  std::vector<net::DialOutcome> outcomes;
  if (!targets.empty()) {
    Progress progress(env);
    outcomes = net::dial(post_office, store.device().transport, targets,
                         dial_options(env, bound.left()),
                         [&progress](std::size_t, const auto& event) { progress.take(event); });
  }
  for (auto& one : all) {
    if (!one.ended() && post_office.delivered().contains(one.entry.id))
      one.ending = core::Ending::kDelivered;
  }
  note_outcomes(env, all, targets, outcomes, backoff);
  std::set<core::IdentityKey> reached;
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (outcomes[i].reached) reached.insert(*targets[i].identity);
  return visit_relays(env, all, reached, bound);
}

void look_again(core::Store& store, AllOutstanding& all) {
  for (auto& one : all) {
    if (one.ended() || !is_gone(store, one.entry.id)) continue;
    const auto end = store.state().end_of(one.entry.id);
    one.lost = !end || !*end;
    if (!one.lost) one.ending = (*end)->ending;
  }
}

namespace {

const char* state_of(const Outstanding& one, const std::string& held) {
  if (one.ending) return word_of(*one.ending);
  if (one.lost) return "unknown";
  return held.empty() ? "queued" : "relayed";
}

}  // namespace

// JSON, per recipient: {"id", "recipient", "address", "state" ("delivered" | "queued" | "relayed" |
// "cancelled" | "expired" | "failed" | "unknown" | "handed-over"), "reason"}
void say_deliveries(Env& env, const Names& names, const AllOutstanding& all) {
  for (const auto& one : all) {
    const std::string who = names.label(one.entry.recipient);
    const std::string held = one.ended() ? "" : text_of(held_by(env, names, one.entry));
    const std::string state = state_of(one, held);
    std::string why = one.ended() ? "" : core::clean_line(one.why);
    if (!held.empty()) why = "held by " + held;
    if (env.json) {
      env.print(json_line("delivery", {{"id", core::to_hex(one.entry.message)},
                                       {"recipient", who},
                                       {"address", address_of(one.entry.recipient)},
                                       {"state", state},
                                       {"reason", why}}));
    } else if (!env.quiet && (env.verbose || env.out_is_terminal)) {
      env.print(who + ": " + state + (why.empty() ? "" : " (" + why + ")") + "\n");
    }
  }
}

Status wait_for_receipts(Env& env, AllOutstanding& all, std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  auto watch = core::QueueWatch::create(env.store().queue().directory());
  if (!watch) return watch.error();
  std::chrono::milliseconds retry = kFirstRetry;
  auto next_try = Clock::now() + retry;
  while (true) {
    look_again(env.store(), all);
    if (all_ended(all) || env.stopped() || Clock::now() >= deadline) return {};
    if (Clock::now() >= next_try) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
      auto pushed = push_once(env, all, core::Backoff::kGrows,
                              std::max(left, std::chrono::milliseconds{1}));
      if (!pushed) return pushed;
      retry = std::min<std::chrono::milliseconds>(2 * retry, kLastRetry);
      next_try = Clock::now() + retry;
      continue;
    }
    const auto left = std::min(deadline, next_try) - Clock::now();
    const auto most = std::chrono::ceil<std::chrono::milliseconds>(left);
    pause(*watch, std::clamp<std::chrono::milliseconds>(most, std::chrono::milliseconds{1},
                                                        std::chrono::milliseconds{500}));
  }
}

}  // namespace p2pmail::cmd
