// Our side of a conversation: claim, offer, send what was taken, note the answers.
#include <algorithm>

#include "core/envelope.h"
#include "net/session_parts.h"

namespace p2pmail::net {

using core::Code;
using core::Error;

void Session::Sending::start_anew() {
  taken = false;
  ranges.clear();
  ahead = asked = offset = next_want = noted = 0;
  want.reset();
}

void Session::Sending::next_block() {
  offset = 0;
  --ahead;
  ++ranges.front().first;
  if (--ranges.front().count == 0) ranges.pop_front();
}

// False when the mailbox has nothing that this conversation has not tried.
bool Session::claim() {
  core::Caller caller;
  if (caller_) {
    caller = *caller_;
  } else {
    caller.transport = options_.transport;
    caller.identity = *options_.expected;
  }
  for (auto& letter : mailbox_.outgoing(caller, kClaimed)) {
    auto sending = std::make_unique<Sending>();
    sending->root = letter->root();
    sending->size = letter->size();
    sending->letter = std::move(letter);
    if (tried_.contains(sending->root)) continue;
    if (sending->size == 0 || sending->size > core::kMaxLetterSize) {
      give_up(std::move(sending), Error{Code::kBug, "a queued letter of an impossible size"},
              Event::Kind::kFailed);
      continue;
    }
    waiting_.push_back(std::move(sending));
  }
  return !waiting_.empty();
}

bool Session::fits_window(const Sending& sending) const {
  if (sending.inlined())
    return inline_in_flight_ == 0 || inline_in_flight_ + sending.size <= kInlineWindow;
  std::size_t bulk = 0;
  for (const auto& [number, other] : sending_) bulk += other->inlined() ? 0 : 1;
  return bulk < kBulkWindow;
}

core::Result<Message> Session::make_offer(Sending& sending) {
  auto envelope = sending.letter->envelope();
  if (!envelope) return envelope.error();
  if (envelope->empty() || envelope->size() > core::kMaxEnvelope)
    return Error{Code::kBug, "an envelope of an impossible size"};
  auto admission = sending.letter->admission();
  if (!admission) return admission.error();
  if (admission->size() > core::kMaxAdmission)
    return Error{Code::kBug, "an admission of an impossible size"};
  Message offer;
  offer.admission = std::move(*admission);
  offer.verb = Verb::kOffer;
  offer.root = sending.root;
  offer.size = sending.size;
  offer.inlined = sending.inlined();
  offer.envelope_size = envelope->size();
  offer.body = std::move(*envelope);
  if (offer.inlined) {
    offer.body.resize(offer.body.size() + sending.size);
    auto status = sending.letter->read(0, core::ByteSpan(offer.body).subspan(offer.envelope_size));
    if (!status) return status.error();
  }
  return offer;
}

std::optional<Message> Session::next_offer() {
  // A nameless caller can only give: there is nothing that could be for him.
  const bool aimed = caller_ ? options_.role == Role::kDialer || !caller_->is_nobody()
                             : options_.role == Role::kDialer && options_.expected;
  if (!options_.push || bye_said_ || !aimed) return std::nullopt;
  while (sending_.size() < window_) {
    if (waiting_.empty() && (exhausted_ || !claim())) {
      exhausted_ = true;
      return std::nullopt;
    }
    const auto chosen = std::find_if(waiting_.begin(), waiting_.end(),
                                     [this](const auto& one) { return fits_window(*one); });
    if (chosen == waiting_.end()) return std::nullopt;
    auto sending = std::move(*chosen);
    waiting_.erase(chosen);
    if (!make_ready(sending)) {
      is_working_ = true;
      return std::nullopt;
    }
    auto offer = make_offer(*sending);
    if (!offer) {
      give_up(std::move(sending), offer.error(), Event::Kind::kFailed);
      continue;
    }
    offer->number = next_number_++;
    if (offer->inlined) inline_in_flight_ += sending->size;
    sending->start_anew();
    sending_[offer->number] = std::move(sending);
    return std::move(*offer);
  }
  return std::nullopt;
}

std::optional<Message> Session::next_hashes() {
  for (auto& [number, sending] : sending_) {
    if (!sending->want) continue;
    const auto index = *sending->want;
    sending->want.reset();
    auto list = index == 0 ? sending->letter->groups() : sending->letter->leaves(index - 1);
    if (!list || list->empty()) {
      fail(list ? Error{Code::kBug, "an empty hash list"} : list.error(), true);
      return std::nullopt;
    }
    Message out;
    out.verb = Verb::kHashes;
    out.number = number;
    out.index = index;
    out.body = std::move(*list);
    return out;
  }
  return std::nullopt;
}

bool Session::has_piece() const {
  return std::ranges::any_of(sending_, [](const auto& one) { return one.second->ahead > 0; });
}

std::optional<Message> Session::next_piece() {
  for (auto& [number, sending] : sending_) {
    if (sending->ahead == 0) continue;
    auto& range = sending->ranges.front();
    const auto size = core::block_size(sending->size, range.first);
    Message out;
    out.verb = Verb::kBlock;
    out.number = number;
    out.index = range.first;
    out.offset = sending->offset;
    out.body.resize(std::min<std::uint64_t>(kPiece, size - out.offset));
    const auto at = range.first * core::kBlockSize + out.offset;
    if (auto status = sending->letter->read(at, out.body); !status) {
      // There is no verb to take back an offer: the conversation ends, and the letters stay queued.
      fail(status.error(), true);
      return std::nullopt;
    }
    // That the other side takes them is life: on a slow link a block takes minutes.
    last_heard_ = std::max(last_heard_, now_);
    last_progress_ = std::max(last_progress_, now_);
    sending->offset += out.body.size();
    if (sending->offset == size) sending->next_block();
    // Receivers ask in order, so that this counts what they had before, too.
    note_progress(sending->root, at + out.body.size(), sending->size, sending->noted, true);
    return out;
  }
  return std::nullopt;
}

bool Session::may_say_bye() const {
  if (!caller_ || bye_said_ || !sending_.empty() || !waiting_.empty()) return false;
  if (!asked_.empty() || !questions_.empty() || !questions_taken_) return false;
  return exhausted_ || !options_.push || caller_->is_nobody();
}

void Session::handle_take(const Message& message) {
  const auto found = sending_.find(message.number);
  if (found == sending_.end() || found->second->inlined() || found->second->taken)
    return violation("takes what was not offered");
  found->second->taken = true;
}

// Each list is asked for once, in ascending order, and the next only after an answer: whoever asks again
// only wants us to read our disk.
void Session::handle_want(const Message& message) {
  const auto found = sending_.find(message.number);
  if (found == sending_.end()) return violation("wants hashes of what was not offered");
  Sending& sending = *found->second;
  const auto groups = core::group_count(sending.size);
  const bool is_there = core::block_count(sending.size) > 1 && message.index <= groups &&
                        (message.index > 0 || groups > 1);
  if (!is_there || sending.want || message.index < sending.next_want)
    return violation("wants hashes that are not due");
  sending.next_want = message.index + 1;
  sending.want = message.index;
}

// No block is asked for twice in one offer, so that nobody makes us read for ever.
void Session::handle_credit(const Message& message) {
  const auto found = sending_.find(message.number);
  if (found == sending_.end() || !found->second->taken) return violation("credit for nothing");
  Sending& sending = *found->second;
  const auto blocks = core::block_count(sending.size);
  if (message.index >= blocks || message.credit > blocks - message.index)
    return violation("credit beyond the end");
  if (sending.ahead + message.credit > kMaxAsked || sending.asked + message.credit > blocks)
    return violation("too much credit");
  sending.ahead += message.credit;
  sending.asked += message.credit;
  sending.ranges.push_back({message.index, message.credit});
}

void Session::handle_stored(const Message& message) {
  const auto found = sending_.find(message.number);
  if (found == sending_.end()) return violation("stored what was not offered");
  if (!message.body.empty()) receipt_heard_ = message.body;
  if (receipt_heard_.empty()) return violation("stored without a receipt");
  auto sending = std::move(found->second);
  sending_.erase(found);
  if (sending->inlined()) inline_in_flight_ -= sending->size;
  if (auto status = sending->letter->delivered(receipt_heard_); !status)
    return give_up(std::move(sending), status.error(), Event::Kind::kFailed);
  if (sending->letter->has_twin()) wake();
  note_progress(sending->root, sending->size, sending->size, sending->noted, true);
  note(Event::Kind::kDelivered, sending->root, {});
}

void Session::handle_refusal(const Message& message) {
  const auto found = sending_.find(message.number);
  if (found == sending_.end()) {
    const auto question = asked_.find(message.number);
    if (question == asked_.end()) return violation("refuses what was not offered");
    question->second->answered(error_of(message.kind, message.text));
    asked_.erase(question);
    return;
  }
  auto sending = std::move(found->second);
  sending_.erase(found);
  if (sending->inlined()) inline_in_flight_ -= sending->size;
  if (message.kind == Kind::kUnknownPrekey && offer_again(sending, message)) return;
  if (message.kind == Kind::kStamp) return offer_stamped(std::move(sending));
  give_up(std::move(sending), error_of(message.kind, message.text), Event::Kind::kRefused);
}

// With the card that came along the mailbox knows newer prekeys; one more try, never two.
bool Session::offer_again(std::unique_ptr<Sending>& sending, const Message& message) {
  if (sending->rewrapped) return false;
  const auto met = mailbox_.meet(options_.transport, message.body);
  if (!met || met->identity != caller_->identity) return false;
  sending->rewrapped = true;
  waiting_.push_front(std::move(sending));
  return true;
}

void Session::offer_stamped(std::unique_ptr<Sending> sending) {
  if (const auto wanted = sending->letter->want_stamp(); !wanted)
    return give_up(std::move(sending), wanted.error(), Event::Kind::kRefused);
  waiting_.push_front(std::move(sending));
}

// What is not ready goes behind the others, which may be.
bool Session::make_ready(std::unique_ptr<Sending>& sending) {
  const auto ready = sending->letter->work();
  if (ready && *ready) return true;
  if (ready) {
    waiting_.push_back(std::move(sending));
  } else {
    give_up(std::move(sending), ready.error(), Event::Kind::kRefused);
  }
  return false;
}

void Session::give_up(std::unique_ptr<Sending> sending, const Error& why, Event::Kind kind) {
  tried_.insert(sending->root);
  sending->letter->failed(why);
  note(kind, sending->root, why);
}

}  // namespace p2pmail::net
