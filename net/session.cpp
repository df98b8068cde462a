#include "net/session.h"

#include "net/session_parts.h"

namespace p2pmail::net {

using core::Code;
using core::Error;

Session::Session(core::Mailbox& mailbox, Options options, std::uint64_t now)
    : mailbox_(mailbox), options_(std::move(options)), started_(now), last_heard_(now), last_progress_(now), now_(now) {
  if (options_.role == Role::kDialer) say_hello();
}

Session::~Session() = default;

void Session::say_hello() {
  Message hello;
  hello.verb = Verb::kHello;
  hello.credit = kMaxOpenOffers;
  if (!options_.nameless) hello.body = mailbox_.card();
  control_.push_back(std::move(hello));
  hello_said_ = true;
}

void Session::receive(core::ByteView head, core::Bytes body, std::uint64_t now) {
  if (ended_) return;
  now_ = last_heard_ = now;
  auto message = decode_message(head, std::move(body));
  if (!message) return fail(message.error(), true);
  dispatch(*message);
  if (!ended_ && control_.size() > kMaxControl) violation("answers are not fetched");
}

// A refusal, an offer that is not taken or a question keeps a conversation alive only for a while: whoever
// sends nothing but these would hold our letters as long as he likes.
void Session::dispatch(Message& message) {
  const bool is_progress = message.verb != Verb::kError && message.verb != Verb::kOffer &&
                           message.verb != Verb::kAsk;
  if (is_progress) last_progress_ = now_;
  if (message.verb == Verb::kError && message.number == 0) return handle_error(message);
  if (message.verb == Verb::kHello) return handle_hello(message);
  if (!caller_) return violation("no hello");
  switch (message.verb) {
    case Verb::kOffer: return handle_offer(message);
    case Verb::kHashes: return handle_hashes(message);
    case Verb::kBlock: return handle_block(message);
    case Verb::kTake: return handle_take(message);
    case Verb::kWant: return handle_want(message);
    case Verb::kCredit: return handle_credit(message);
    case Verb::kStored: return handle_stored(message);
    case Verb::kError: return handle_refusal(message);
    case Verb::kAsk: return handle_ask(message);
    case Verb::kTold: return handle_told(message);
    case Verb::kBye: return handle_bye();
    case Verb::kHello: return;  // answered above
  }
}

void Session::handle_hello(const Message& message) {
  if (caller_) return violation("a second hello");
  if (message.body.empty()) {
    if (options_.role == Role::kDialer) return violation("a hello without a card");
    caller_ = core::Caller{options_.transport, {}, {}};
  } else {
    auto met = mailbox_.meet(options_.transport, message.body);
    if (!met) return fail(met.error(), true);
    if (options_.expected && met->identity != *options_.expected)
      return fail(Error{Code::kForged, "another identity answers there"}, true);
    caller_ = *met;
    peer_card_ = message.body;
  }
  caller_->network = options_.network;
  window_ = std::min<std::uint64_t>(kOfferWindow, message.credit);
  if (!hello_said_) say_hello();
  note(Event::Kind::kMet, {}, {});
}

void Session::handle_error(const Message& message) {
  fail(error_of(message.kind, message.text).in("the other side ended the conversation"), false);
}

void Session::handle_bye() {
  if (bye_heard_) return violation("a second bye");
  if (!receiving_.empty()) return violation("bye before its offers were answered");
  bye_heard_ = true;
  if (bye_said_ && control_.empty()) ended_ = true;
}

void Session::tick(std::uint64_t now) {
  if (ended_) return;
  const auto since = [now](std::uint64_t then) { return now > then ? now - then : 0; };
  if (!caller_) {
    if (since(started_) > kHelloSeconds) fail(Error{Code::kTimeout, "no hello came"}, true);
    return;
  }
  bool bulk = in_transfer_ != 0;
  for (const auto& [number, sending] : sending_) bulk = bulk || sending->taken;
  if (since(last_heard_) > (bulk ? kBulkIdleSeconds : kIdleSeconds))
    fail(Error{Code::kTimeout, "nothing came for too long"}, true);
  if (since(last_progress_) > kNoProgressSeconds)
    fail(Error{Code::kTimeout, "this leads nowhere"}, true);
}

void Session::wake() { exhausted_ = false; }

void Session::lost(const Error& why) { fail(why, false); }

void Session::violation(const std::string& why) {
  fail(Error{Code::kMalformed, "protocol: " + why}, true);
}

void Session::fail(const Error& why, bool tell) {
  if (ended_) return;
  ended_ = true;
  failure_ = why;
  control_.clear();
  receiving_.clear();
  dropped_.clear();
  if (tell) control_.push_back(error_message(0, why));
  give_up_letters(why);
  give_up_questions(why);
}

// Before meeting, nothing says that the letters are at fault: with another place to try they only
// go back, so that the next conversation can have them.
void Session::give_up_letters(const Error& why) {
  auto offered = std::move(sending_);
  auto waiting = std::move(waiting_);
  sending_.clear();
  waiting_.clear();
  if (!caller_ && !options_.last_chance) return;
  for (auto& [number, sending] : offered) give_up(std::move(sending), why, Event::Kind::kFailed);
  for (auto& sending : waiting) give_up(std::move(sending), why, Event::Kind::kFailed);
}

void Session::note(Event::Kind kind, const core::Root& root, const Error& error) {
  if (events_.size() >= kMaxEvents) return;
  Event event;
  event.kind = kind;
  event.root = root;
  event.error = error;
  events_.push_back(std::move(event));
}

void Session::note_progress(const core::Root& root, std::uint64_t done, std::uint64_t total,
                            std::uint64_t& noted, bool outgoing) {
  if (done < total && done < noted + kProgressStep) return;
  if (total <= core::kBlockSize || noted == total || events_.size() >= kMaxEvents) return;
  noted = done;
  Event event;
  event.kind = Event::Kind::kProgress;
  event.root = root;
  event.done = done;
  event.total = total;
  event.outgoing = outgoing;
  events_.push_back(std::move(event));
}

std::optional<Event> Session::next_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Message Session::make_bye() {
  bye_said_ = true;
  if (bye_heard_) ended_ = true;
  return Message{};
}

std::optional<Frames> Session::next(Bulk bulk) {
  is_working_ = has_bulk_ = false;
  if (control_.empty() && !ended_) recall();
  if (!control_.empty()) {
    Message message = std::move(control_.front());
    control_.pop_front();
    // Filled in here, so that many refusals do not keep many copies of the card.
    if (message.verb == Verb::kError && message.kind == Kind::kUnknownPrekey)
      message.body = mailbox_.card();
    if (control_.empty() && bye_said_ && bye_heard_) ended_ = true;
    return encode_message(std::move(message));
  }
  if (ended_) return std::nullopt;
  auto message = next_hashes();
  if (!message && !ended_) message = next_question();
  if (!message && !ended_) message = next_offer();
  if (!message && !ended_ && bulk == Bulk::kWanted) message = next_piece();
  if (!message && !ended_ && may_say_bye()) message = make_bye();
  if (message) return encode_message(std::move(*message));
  has_bulk_ = bulk == Bulk::kNotNow && has_piece();
  // Reading a letter of ours may have ended the conversation: the last word is in control_ then.
  return control_.empty() ? std::nullopt : next(bulk);
}

}  // namespace p2pmail::net
