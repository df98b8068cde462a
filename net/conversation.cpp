#include "net/conversation.h"

#include <set>

namespace p2pmail::net {
namespace {

using core::Code;
using core::Error;

// Messages in one round, so that one conversation does not keep the others waiting.
constexpr int kRound = 64;
constexpr std::chrono::seconds kLastWords{3};  // for an other side that does not read
constexpr std::chrono::milliseconds kNextPlace{250};  // RFC 8305, section 5
const Error kNoAnswer{Code::kUnavailable, "no answer in time"};
constexpr std::size_t kMarkBatch = 64;
constexpr int kMarkRounds = 1024;

}  // namespace

core::Status Pump::run(Session& session, Throttle& throttle, const Send& send,
                       const AskRoom& ask_room) {
  more_ = throttled_ = has_bulk_ = false;
  for (int i = 0; i < kRound; ++i) {
    const Room room = ask_room();
    if (room == Room::kNone) return {};
    const bool slow = room == Room::kAll && throttle.wait(Clock::now()).count() > 0;
    const bool all = room == Room::kAll && !slow;
    if (!held_) held_ = session.next(all ? Session::Bulk::kWanted : Session::Bulk::kNotNow);
    if (!held_) {
      more_ = session.is_working();
      has_bulk_ = session.has_bulk();
      throttled_ = slow && has_bulk_;
      return {};
    }
    const auto size = wire_size(*held_);
    const auto sent = send(*held_);
    if (!sent) {
      held_.reset();
      return sent.error();
    }
    if (!*sent) return {};
    throttle.spend(size);
    held_.reset();
  }
  more_ = true;
  return {};
}

bool Pump::finished(const Session& session, Clock::time_point now) {
  if (!session.done()) return false;
  if (!done_since_) done_since_ = now;
  return (!blocked() && !more()) || now - *done_since_ > kLastWords;
}

Conversation::Conversation(Context& context, core::Mailbox& mailbox, const core::AgreeSecret& own,
                           Throttle& throttle, Target target, std::chrono::milliseconds connect)
    : context_(context),
      mailbox_(target.mailbox != nullptr ? *target.mailbox : mailbox),
      own_(own),
      throttle_(throttle),
      target_(std::move(target)),
      connect_(connect) {}

std::optional<core::IdentityKey> Conversation::identity() const {
  if (met()) return session_->caller()->identity;
  return target_.identity;
}

void Conversation::wake() {
  if (session_) session_->wake();
  busy_ = true;
}

void Conversation::add_to(Poller& poller) {
  if (finished_) return;
  if (dealer_) poller.add(*dealer_, pump_.blocked(), pump_.has_bulk() && !pump_.throttled());
  for (Attempt& attempt : attempts_) poller.add(attempt.dealer, false);
}

void Conversation::start_places(Clock::time_point now) {
  const auto due = [&] { return attempts_.empty() || now - last_start_ >= kNextPlace; };
  for (; next_place_ < target_.places.size() && due(); ++next_place_) {
    const auto& place = target_.places[next_place_];
    auto dealer = Dealer::connect(context_, place.endpoint, place.transport,
                                  target_.nameless ? nullptr : &own_);
    if (!dealer) {
      outcome_.error = dealer.error().in(place.endpoint.text());
      continue;
    }
    attempts_.push_back({next_place_, now, std::move(*dealer)});
    last_start_ = now;
  }
}

bool Conversation::reach(Clock::time_point now) {
  for (std::size_t i = 0; i < attempts_.size();) {
    Attempt& attempt = attempts_[i];
    auto trouble = attempt.dealer.trouble();
    if (!trouble && now - attempt.started > connect_) trouble = kNoAnswer;
    if (trouble) {
      outcome_.error = trouble->in(target_.places[attempt.place].endpoint.text());
      attempts_.erase(attempts_.begin() + static_cast<std::ptrdiff_t>(i));
    } else if (!dealer_ && attempt.dealer.connected()) {
      place_ = attempt.place;
      place_started_ = attempt.started;
      dealer_.emplace(std::move(attempt.dealer));
      attempts_.erase(attempts_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  if (!dealer_) start_places(now);
  if (dealer_ || !is_last()) return true;
  if (!outcome_.error) outcome_.error = Error{Code::kUnavailable, "no known place to dial"};
  return false;
}

void Conversation::start_session(Clock::time_point now) {
  Session::Options options;
  options.role = Session::Role::kDialer;
  options.transport = target_.places[place_].transport;
  options.expected = target_.identity;
  options.push = target_.push;
  options.nameless = target_.nameless;
  options.last_chance = is_last();
  session_.emplace(mailbox_, options, seconds_of(now));
  pump_ = Pump();
}

void Conversation::step(Clock::time_point now, const OnEvent& on_event) {
  if (finished_) return;
  busy_ = false;
  if (!met() && !reach(now)) return conclude(on_event);
  if (!dealer_) return;
  const auto trouble = dealer_->trouble();
  if (!session_) start_session(now);
  exchange(now, on_event);
  if (met()) attempts_.clear();
  if (finished_ || !dealer_) return;
  if (trouble && !busy_) return broken(*trouble, on_event);
  if (!met() && now - place_started_ > connect_) broken(kNoAnswer, on_event);
}

core::Status Conversation::receive(Clock::time_point now) {
  for (int i = 0; i < kRound; ++i) {
    auto frames = dealer_->receive();
    if (!frames) return frames.error();
    if (!*frames) {
      session_->flush();
      return {};
    }
    session_->receive((*frames)->head, std::move((*frames)->body), seconds_of(now));
  }
  busy_ = true;
  return {};
}

void Conversation::exchange(Clock::time_point now, const OnEvent& on_event) {
  auto status = receive(now);
  if (status && !busy_) session_->tick(seconds_of(now));
  if (status)
    status = pump_.run(
        *session_, throttle_, [this](Frames& frames) { return dealer_->send(frames); },
        [this] { return dealer_->takes_bulk() ? Pump::Room::kAll : Pump::Room::kSmall; });
  report(on_event);
  if (!status) return broken(status.error(), on_event);
  if (!pump_.finished(*session_, now)) return;
  if (!session_->failure()) return conclude(on_event);
  // The last word, if any, is on its way; it may take the time that a goodbye takes.
  dealer_->finish();
  broken(*session_->failure(), on_event);
}

// After meeting this is the end; before, the next place gets its chance.
void Conversation::broken(const Error& why, const OnEvent& on_event) {
  const bool was_met = met();
  const bool last = is_last();
  outcome_.error = why.in(target_.places[place_].endpoint.text());
  if (session_) {
    session_->lost(*outcome_.error);
    marked_ = marked_ || was_met || last;
    report(on_event);
  }
  if (was_met) return conclude(on_event);
  session_.reset();
  dealer_.reset();
  busy_ = true;
  if (last) conclude(on_event);
}

void Conversation::abort(const Error& why, const OnEvent& on_event) {
  if (finished_) return;
  outcome_.error = why;
  if (session_) {
    session_->lost(why);
    marked_ = marked_ || met() || is_last();
    report(on_event);
  }
  conclude(on_event);
}

void Conversation::interrupt() {
  if (finished_) return;
  outcome_.error = Error{Code::kTimeout, "interrupted"};
  if (met()) outcome_.card = session_->peer_card();
  finished_ = true;
  session_.reset();
  dealer_.reset();
  attempts_.clear();
}

void Conversation::conclude(const OnEvent& on_event) {
  finished_ = true;
  if (session_) {
    report(on_event);
    outcome_.card = session_->peer_card();
    // A regular end: our bye may still be in the pipe.
    if (session_->done() && !session_->failure()) {
      outcome_.error.reset();
      dealer_->finish();
    }
  }
  session_.reset();
  dealer_.reset();
  attempts_.clear();
  if (!outcome_.reached && outcome_.error) mark_unreached(*outcome_.error);
}

// Without a session nobody told the letters; the queue wants to show why, and to wait longer.
void Conversation::mark_unreached(const Error& why) {
  if (marked_ || !target_.push || !target_.identity) return;
  core::Caller caller;
  caller.identity = *target_.identity;
  if (!target_.places.empty()) caller.transport = target_.places.back().transport;
  std::set<core::Root> seen;
  for (int round = 0; round < kMarkRounds; ++round) {
    bool news = false;
    for (auto& letter : mailbox_.outgoing(caller, kMarkBatch)) {
      if (!seen.insert(letter->root()).second) continue;
      letter->failed(why);
      news = true;
    }
    if (!news) return;
  }
}

void Conversation::report(const OnEvent& on_event) {
  while (auto event = session_->next_event()) {
    if (event->kind == Event::Kind::kMet) outcome_.reached = true;
    if (event->kind == Event::Kind::kDelivered) ++outcome_.delivered;
    if (event->kind == Event::Kind::kReceived) ++outcome_.received;
    if (on_event) on_event(*event);
  }
}

}  // namespace p2pmail::net
