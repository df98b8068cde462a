// One dialed conversation: tries the places of a target in order, then runs a session over the
// first that answers. Never waits: whoever owns it polls and calls step(). Used by dial and node.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "core/mailbox.h"
#include "net/dial.h"
#include "net/session.h"
#include "net/socket.h"
#include "net/throttle.h"

namespace p2pmail::net {

using Clock = std::chrono::steady_clock;

/// The time as sessions want it.
[[nodiscard]] inline std::uint64_t seconds_of(Clock::time_point now) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
}

/// Moves a session's messages out, as many as the pipe takes; what did not fit is kept.
class Pump {
 public:
  enum class Room { kNone, kSmall, kAll };  // kSmall: not for pieces of blocks
  /// Takes the body when it answers true.
  using Send = std::function<core::Result<bool>(Frames&)>;
  using AskRoom = std::function<Room()>;
  /// `room` is asked before each message, which is made only then.
  [[nodiscard]] core::Status run(Session& session, Throttle& throttle, const Send& send,
                                 const AskRoom& room);
  [[nodiscard]] bool blocked() const { return held_.has_value(); }
  /// The last run stopped at its bound, not because there was nothing left.
  [[nodiscard]] bool more() const { return more_; }
  /// The last run left a piece of a block that the throttle did not let through.
  [[nodiscard]] bool throttled() const { return throttled_; }
  [[nodiscard]] bool has_bulk() const { return has_bulk_; }
  /// The session is done, and its last words are out or had their time.
  [[nodiscard]] bool finished(const Session& session, Clock::time_point now);

 private:
  std::optional<Frames> held_;
  bool more_ = false;
  bool throttled_ = false;
  bool has_bulk_ = false;
  std::optional<Clock::time_point> done_since_;
};

class Conversation {
 public:
  using OnEvent = std::function<void(const Event&)>;
  /// Context, mailbox, key and throttle must outlive it.
  Conversation(Context& context, core::Mailbox& mailbox, const core::AgreeSecret& own,
               Throttle& throttle, Target target, std::chrono::milliseconds connect);

  void add_to(Poller& poller);
  /// One round: what came, what is to go, what time says.
  void step(Clock::time_point now, const OnEvent& on_event);
  /// Another step has something to do without waiting.
  [[nodiscard]] bool busy() const { return !finished_ && (busy_ || pump_.more()); }
  [[nodiscard]] bool throttled() const { return !finished_ && pump_.throttled(); }
  [[nodiscard]] bool finished() const { return finished_; }
  /// Ends it; the letters are marked failed.
  void abort(const core::Error& why, const OnEvent& on_event);
  /// Ends it because we were told to stop: the letters go back as they were.
  void interrupt();
  void wake();
  /// Who is there, or who is meant to be.
  [[nodiscard]] std::optional<core::IdentityKey> identity() const;
  [[nodiscard]] const Target& target() const { return target_; }
  [[nodiscard]] const DialOutcome& outcome() const { return outcome_; }

 private:
  /// A place that is being tried, and is not the one we talk to.
  struct Attempt {
    std::size_t place;
    Clock::time_point started;
    Dealer dealer;
  };
  /// Tries the places, each a moment after the one before (RFC 8305): false when none is left.
  [[nodiscard]] bool reach(Clock::time_point now);
  void start_places(Clock::time_point now);
  [[nodiscard]] bool is_last() const {
    return attempts_.empty() && next_place_ >= target_.places.size();
  }
  [[nodiscard]] bool met() const { return session_ && session_->caller(); }
  void start_session(Clock::time_point now);
  [[nodiscard]] core::Status receive(Clock::time_point now);
  void exchange(Clock::time_point now, const OnEvent& on_event);
  void broken(const core::Error& why, const OnEvent& on_event);
  void conclude(const OnEvent& on_event);
  void report(const OnEvent& on_event);
  void mark_unreached(const core::Error& why);

  Context& context_;
  core::Mailbox& mailbox_;
  const core::AgreeSecret& own_;
  Throttle& throttle_;
  Target target_;
  std::chrono::milliseconds connect_;
  std::vector<Attempt> attempts_;
  std::size_t next_place_ = 0;
  Clock::time_point last_start_{};
  std::size_t place_ = 0;  // of dealer_
  Clock::time_point place_started_{};
  std::optional<Dealer> dealer_;  // the place that answered first
  std::optional<Session> session_;
  Pump pump_;
  DialOutcome outcome_;
  bool marked_ = false;  // the letters of this target know why they were not sent
  bool busy_ = true;
  bool finished_ = false;
};

}  // namespace p2pmail::net
