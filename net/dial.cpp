#include "net/dial.h"

#include <algorithm>
#include <algorithm>
#include <memory>

#include "net/conversation.h"

namespace p2pmail::net {
namespace {

using core::Code;
using core::Error;
using std::chrono::milliseconds;

constexpr milliseconds kRest{100};  // the longest that a stop or a bound goes unnoticed

struct Running {
  std::size_t index;
  std::unique_ptr<Conversation> conversation;
};

enum class End { kNo, kStopped, kTooLate, kBroken };

End must_end(const DialOptions& options, Clock::time_point started) {
  if (options.stop != nullptr && *options.stop) return End::kStopped;
  const bool bounded = options.total.count() > 0;
  return bounded && Clock::now() - started > options.total ? End::kTooLate : End::kNo;
}

Error error_of_end(End end) {
  if (end == End::kStopped) return Error{Code::kTimeout, "interrupted"};
  if (end == End::kTooLate) return Error{Code::kTimeout, "not done in time"};
  return Error{Code::kUnavailable, "cannot wait for the network"};
}

/// True when nobody has anything to do without waiting.
bool step_all(std::vector<Running>& running, std::vector<DialOutcome>& outcomes,
              const std::function<void(std::size_t, const Event&)>& on_event) {
  bool idle = true;
  for (auto& [index, conversation] : running) {
    conversation->step(Clock::now(), [&, at = index](const Event& event) {
      if (on_event) on_event(at, event);
    });
    idle = idle && !conversation->busy();
    if (conversation->finished()) outcomes[index] = conversation->outcome();
  }
  std::erase_if(running, [](const Running& one) { return one.conversation->finished(); });
  // The next round begins with another one: whoever is first has what a limit lets through.
  if (!running.empty()) std::rotate(running.begin(), running.begin() + 1, running.end());
  return idle;
}

void end_all(std::vector<Running>& running, std::vector<DialOutcome>& outcomes, End end,
             const std::function<void(std::size_t, const Event&)>& on_event) {
  for (auto& [index, conversation] : running) {
    if (end == End::kStopped) {
      conversation->interrupt();
    } else {
      conversation->abort(error_of_end(end), [&, at = index](const Event& event) {
        if (on_event) on_event(at, event);
      });
    }
    outcomes[index] = conversation->outcome();
  }
  running.clear();
}

[[nodiscard]] bool wait_for(std::vector<Running>& running, Throttle& throttle,
                            milliseconds timeout) {
  Poller poller;
  for (auto& one : running)
    if (one.conversation->throttled()) timeout = std::min(timeout, throttle.wait(Clock::now()));
  for (auto& one : running) one.conversation->add_to(poller);
  return poller.wait(timeout).has_value();
}

}  // namespace

std::vector<DialOutcome> dial(core::Mailbox& mailbox, const core::AgreeSecret& own,
                              const std::vector<Target>& targets, const DialOptions& options,
                              const std::function<void(std::size_t, const Event&)>& on_event) {
  Context context;
  Throttle throttle(options.limit_rate);
  std::vector<DialOutcome> outcomes(targets.size());
  std::vector<Running> running;
  std::size_t next = 0;
  const auto started = Clock::now();
  const std::size_t at_once = std::max<std::size_t>(1, options.at_once);
  while (next < targets.size() || !running.empty()) {
    End end = must_end(options, started);
    for (; end == End::kNo && next < targets.size() && running.size() < at_once; ++next)
      running.push_back({next, std::make_unique<Conversation>(context, mailbox, own, throttle,
                                                              targets[next], options.connect)});
    if (end == End::kNo) {
      const bool idle = step_all(running, outcomes, on_event);
      const auto rest = idle && !running.empty() ? kRest : milliseconds(0);
      const bool waited = wait_for(running, throttle, rest);
      if (waited) continue;
      end = End::kBroken;
    }
    end_all(running, outcomes, end, on_event);
    for (; next < targets.size(); ++next) outcomes[next].error = error_of_end(end);
  }
  return outcomes;
}

}  // namespace p2pmail::net
