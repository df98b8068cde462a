// The other side's offers: consider, take, check every byte, commit together, answer each once.
#include <algorithm>

#include "core/receipt.h"
#include "net/session_parts.h"

namespace p2pmail::net {

using core::Code;
using core::Error;

void Session::reply(Verb verb, std::uint64_t number, std::uint64_t value) {
  Message out;
  out.verb = verb;
  out.number = number;
  (verb == Verb::kCredit ? out.credit : out.index) = value;
  control_.push_back(std::move(out));
}

void Session::refuse(std::uint64_t number, const Error& why) {
  control_.push_back(error_message(number, why));
  count_needless_offer();
}

// Considering an envelope costs key agreements, so that junk must come to an end.
void Session::count_needless_offer() {
  if (++needless_ > kMaxNeedless) violation("too many offers for nothing");
}

void Session::handle_offer(const Message& message) {
  if (bye_heard_) return violation("an offer after bye");
  if (message.number <= last_number_) return violation("numbers do not ascend");
  if (receiving_.size() >= kMaxOpenOffers) return violation("too many open offers");
  if (!message.inlined && open_bulk() >= kBulkWindow)
    return violation("too many open offers of larger letters");
  last_number_ = message.number;
  if (on_its_way(message.root))
    return refuse(message.number, Error{Code::kBusy, "this letter is on its way already"});
  if (ended_) return;
  const auto envelope = core::ByteView(message.body).first(message.envelope_size);
  auto considered = mailbox_.consider(*caller_, envelope, message.admission);
  if (!considered) return refuse(message.number, considered.error());
  if (auto* stored = std::get_if<core::StoredAlready>(&*considered)) {
    answer(message.number, {}, std::move(stored->receipt));
    return count_needless_offer();
  }
  auto& taken = std::get<core::TakeIt>(*considered);
  if (taken.root != message.root || taken.size != message.size)
    return refuse(message.number, Error{Code::kForged, "the offer is not what its envelope says"});
  accept(message, std::move(taken));
}

// Each holds the keys of its letter in locked pages of their own, of which a process has a bounded
// number.
std::size_t Session::open_bulk() const {
  std::size_t count = 0;
  for (const auto& [number, receiving] : receiving_) count += receiving->inlined ? 0 : 1;
  return count;
}

// The mailbox only knows letters that were committed, so that one offered twice in a row is
// committed first.
bool Session::on_its_way(const core::Root& root) {
  const auto same = [&root](const auto& one) { return one.second->root == root; };
  const auto found = std::find_if(receiving_.begin(), receiving_.end(), same);
  if (found == receiving_.end()) return false;
  if (!found->second->complete) return true;
  flush();
  return false;
}

void Session::accept(const Message& offer, core::TakeIt taken) {
  last_progress_ = now_;
  auto fresh = std::make_unique<Receiving>(offer.root, offer.size);
  fresh->letter = std::move(taken.letter);
  fresh->inlined = offer.inlined;
  Receiving& receiving = *fresh;
  receiving_[offer.number] = std::move(fresh);
  if (!offer.inlined) return activate();
  accept_inline(offer.number, receiving, core::ByteView(offer.body).subspan(offer.envelope_size));
}

void Session::accept_inline(std::uint64_t number, Receiving& receiving, core::ByteView letter) {
  if (!receiving.verifier->check_block(0, letter))
    return drop(number, Error{Code::kForged, "the letter does not fit its root"});
  if (auto status = receiving.letter->write(0, letter); !status)
    return drop(number, status.error());
  complete(number, receiving);
}

// One bulk letter at a time: the others wait for their take.
void Session::activate() {
  if (in_transfer_ != 0) return;
  for (auto& [number, receiving] : receiving_) {
    if (receiving->inlined || receiving->complete) continue;
    in_transfer_ = number;
    return advance(number, *receiving);
  }
}

// Asks for what comes next: hash lists, the letter itself, more blocks.
void Session::advance(std::uint64_t number, Receiving& receiving) {
  if (!receiving.want) request_hashes(number, receiving);
  if (receiving.groups_known == 0) return;
  if (!receiving.taken) {
    receiving.taken = true;
    reply(Verb::kTake, number, 0);
  }
  const auto known = std::min(core::block_count(receiving.size),
                              receiving.groups_known * core::kGroupLeaves);
  const auto limit = std::min(known, receiving.block + kBlockCredit);
  if (limit <= receiving.granted) return;
  reply(Verb::kCredit, number, limit - receiving.granted);
  receiving.granted = limit;
}

void Session::request_hashes(std::uint64_t number, Receiving& receiving) {
  const auto groups = core::group_count(receiving.size);
  if (receiving.verifier->needs_groups()) {
    receiving.want = 0;
  } else if (receiving.groups_known < groups &&
             receiving.block + kHashesAhead >= receiving.groups_known * core::kGroupLeaves) {
    if (!receiving.verifier->needs_leaves(receiving.groups_known)) {
      ++receiving.groups_known;  // a letter of one block needs no lists at all
      return;
    }
    receiving.want = receiving.groups_known + 1;
  }
  if (receiving.want) reply(Verb::kWant, number, *receiving.want);
}

void Session::handle_hashes(const Message& message) {
  const auto found = receiving_.find(message.number);
  if (found == receiving_.end()) {
    const auto dropped = dropped_.find(message.number);
    if (dropped == dropped_.end() || !dropped->second.hashes)
      return violation("hashes of nothing");
    dropped->second.hashes = false;
    return;
  }
  Receiving& receiving = *found->second;
  if (!receiving.want || *receiving.want != message.index)
    return violation("hashes that were not asked for");
  receiving.want.reset();
  const bool fits = message.index == 0
                        ? receiving.verifier->set_groups(message.body)
                        : receiving.verifier->set_leaves(message.index - 1, message.body);
  if (!fits) return drop(message.number, Error{Code::kForged, "hashes that do not fit the root"});
  if (message.index > 0) ++receiving.groups_known;
  advance(message.number, receiving);
}

void Session::handle_block(const Message& message) {
  const auto found = receiving_.find(message.number);
  if (found == receiving_.end()) {
    const auto dropped = dropped_.find(message.number);
    if (dropped == dropped_.end() || dropped->second.blocks == 0)
      return violation("a block of nothing");
    --dropped->second.blocks;
    return;
  }
  Receiving& receiving = *found->second;
  if (receiving.complete || message.index != receiving.block)
    return violation("a block out of order");
  if (message.index >= receiving.granted) return violation("a block beyond its credit");
  ++receiving.block;
  if (!receiving.verifier->check_block(message.index, message.body))
    return drop(message.number, Error{Code::kForged, "a block that does not fit the root"});
  if (auto status = receiving.letter->write(message.index, message.body); !status)
    return drop(message.number, status.error());
  if (receiving.block == core::block_count(receiving.size))
    return complete(message.number, receiving);
  advance(message.number, receiving);
}

void Session::complete(std::uint64_t number, Receiving& receiving) {
  receiving.complete = true;
  receiving.verifier.reset();
  ++ready_;
  if (receiving.inlined) ready_bytes_ += receiving.size;
  if (in_transfer_ == number) in_transfer_ = 0;
  activate();
  if (ready_ >= kMaxReady || ready_bytes_ >= kMaxReadyBytes) flush();
}

// Refuses a letter that was accepted before; what it has in flight is let pass unread.
void Session::drop(std::uint64_t number, const Error& why) {
  const auto found = receiving_.find(number);
  const Receiving& receiving = *found->second;
  if (!receiving.inlined)
    dropped_[number] =
        Dropped{receiving.granted - receiving.block, receiving.want.has_value()};
  note(Event::Kind::kFailed, receiving.root, why);
  receiving_.erase(found);
  if (in_transfer_ == number) in_transfer_ = 0;
  refuse(number, why);
  if (!ended_) activate();
}

void Session::flush() {
  if (ended_ || ready_ == 0) return;
  ready_ = 0;
  ready_bytes_ = 0;
  std::vector<std::pair<std::uint64_t, core::Root>> names;
  std::vector<std::unique_ptr<core::IncomingLetter>> letters;
  for (auto at = receiving_.begin(); at != receiving_.end();) {
    if (!at->second->complete) {
      ++at;
      continue;
    }
    names.emplace_back(at->first, at->second->root);
    letters.push_back(std::move(at->second->letter));
    at = receiving_.erase(at);
  }
  auto receipts = mailbox_.commit(std::move(letters));
  for (std::size_t i = 0; i < names.size() && !ended_; ++i) {
    if (i < receipts.size()) {
      answer(names[i].first, names[i].second, std::move(receipts[i]));
    } else {
      answer(names[i].first, names[i].second, Error{Code::kBug, "a letter without an answer"});
    }
  }
}

// `root` is all zero for a letter that was here before: that is no news.
void Session::answer(std::uint64_t number, const core::Root& root,
                     core::Result<core::Bytes> receipt) {
  if (receipt && (receipt->empty() || receipt->size() > core::kMaxReceipt))
    receipt = Error{Code::kBug, "a receipt of an impossible size"};
  if (!receipt) {
    note(Event::Kind::kFailed, root, receipt.error());
    return refuse(number, receipt.error());
  }
  Message out;
  out.verb = Verb::kStored;
  out.number = number;
  if (*receipt != receipt_said_) receipt_said_ = out.body = std::move(*receipt);
  control_.push_back(std::move(out));
  if (root != core::Root{}) note(Event::Kind::kReceived, root, {});
}

}  // namespace p2pmail::net
