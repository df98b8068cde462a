// The other side's offers: consider, take, check every byte, commit together, answer each once.
#include <algorithm>
#include <utility>

#include "core/receipt.h"
#include "net/session_parts.h"

namespace p2pmail::net {

using core::Code;
using core::Error;

void Session::reply(Verb verb, std::uint64_t number, std::uint64_t index, std::uint64_t credit) {
  Message out;
  out.verb = verb;
  out.number = number;
  out.index = index;
  out.credit = credit;
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
  const core::TreeVerifier verifier(receiving.root, receiving.size);
  if (!verifier.check_block(0, letter))
    return drop(number, Error{Code::kForged, "the letter does not fit its root"});
  if (auto status = receiving.letter->write(0, letter); !status)
    return drop(number, status.error());
  complete(number, receiving);
}

bool Session::Coming::take(const Message& piece, std::uint64_t size) {
  if (blocks.empty() || piece.index != blocks.front() || piece.offset != offset) return false;
  const auto all = core::block_size(size, piece.index);
  if (piece.body.size() != std::min<std::uint64_t>(kPiece, all - offset)) return false;
  offset += piece.body.size();
  if (offset < all) return true;
  offset = 0;
  blocks.pop_front();
  return true;
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

// What an earlier transfer left on the disk, a block at a time; and whatever other conversations that
// bring the same letter have changed meanwhile.
void Session::recall() {
  if (in_transfer_ == 0) return;
  const auto number = in_transfer_;
  Receiving& receiving = *receiving_.at(number);
  const auto more = receiving.letter->recall();
  if (!more) return drop(number, more.error());
  is_working_ = *more;
  advance(number, receiving);
}

// Asks for what comes next: hash lists, the letter itself, more blocks.
void Session::advance(std::uint64_t number, Receiving& receiving) {
  auto& transfer = receiving.letter->transfer();
  note_progress(receiving.root, transfer.done(), receiving.size, receiving.noted, false);
  if (transfer.complete()) return complete(number, receiving);
  if (transfer.known() > 0) {
    if (!receiving.taken) reply(Verb::kTake, number);
    receiving.taken = true;
    request_blocks(number, receiving);
  }
  if (!receiving.want) request_hashes(number, receiving);
}

void Session::request_hashes(std::uint64_t number, Receiving& receiving) {
  auto& transfer = receiving.letter->transfer();
  std::uint64_t list = 0;
  if (!transfer.verifier().needs_groups()) {
    // While what is on the disk is looked through, the lists come one by one: a conversation in which
    // nothing comes for long would end.
    if (transfer.recalled() < transfer.known()) return;
    const auto known = transfer.known_groups();
    const auto next = receiving.asked.empty() ? 0 : *receiving.asked.rbegin();
    const bool soon = receiving.coming.blocks.empty() ||
                      next + kHashesAhead >= known * core::kGroupLeaves;
    if (known == core::group_count(receiving.size) || !soon) return;
    list = known + 1;
  }
  // A list that was asked for and did not fit has ended it: this one was not asked for yet.
  if (list < receiving.next_want) return;
  receiving.want = list;
  receiving.next_want = list + 1;
  reply(Verb::kWant, number, list);
}

// Neighbours in one message.
void Session::request_blocks(std::uint64_t number, Receiving& receiving) {
  auto& transfer = receiving.letter->transfer();
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  while (receiving.asked.size() < receiving.window) {
    const auto index = transfer.choose(receiving.asked);
    if (!index) break;
    transfer.ask(*index);
    if (receiving.coming.blocks.empty()) receiving.block_since = now_;
    receiving.coming.blocks.push_back(*index);
    receiving.asked.insert(*index);
    if (count > 0 && *index != first + count) {
      reply(Verb::kCredit, number, first, count);
      count = 0;
    }
    if (count++ == 0) first = *index;
  }
  if (count > 0) reply(Verb::kCredit, number, first, count);
}

void Session::handle_hashes(const Message& message) {
  const auto found = receiving_.find(message.number);
  if (found == receiving_.end() || found->second->complete) {
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
  auto& verifier = receiving.letter->transfer().verifier();
  const bool fits = message.index == 0 ? verifier.set_groups(message.body)
                                       : verifier.set_leaves(message.index - 1, message.body);
  if (!fits) return drop(message.number, Error{Code::kForged, "hashes that do not fit the root"});
  if (in_transfer_ == message.number) advance(message.number, receiving);
}

void Session::handle_block(const Message& message) {
  const auto found = receiving_.find(message.number);
  if (found == receiving_.end() || found->second->complete) {
    const auto dropped = dropped_.find(message.number);
    if (dropped == dropped_.end() ||
        !dropped->second.coming.take(message, dropped->second.size))
      return violation("a block of nothing");
    return;
  }
  Receiving& receiving = *found->second;
  const auto before = receiving.coming.blocks.size();
  if (!receiving.coming.take(message, receiving.size))
    return violation("a piece that was not asked for, or not now");
  if (receiving.block.empty()) receiving.block.reserve(core::kBlockSize);
  core::append(receiving.block, message.body);
  if (receiving.coming.blocks.size() == before) return;
  receiving.asked.erase(message.index);
  const core::Bytes block = std::exchange(receiving.block, {});
  take_block(message.number, receiving, message.index, block);
}

void Session::take_block(std::uint64_t number, Receiving& receiving, std::uint64_t index,
                         const core::Bytes& block) {
  auto& transfer = receiving.letter->transfer();
  // Another conversation may have brought it meanwhile.
  if (!transfer.has(index)) {
    if (!transfer.verifier().check_block(index, block)) {
      transfer.give_back(index);
      return drop(number, Error{Code::kForged, "a block that does not fit the root"});
    }
    if (auto status = receiving.letter->write(index, block); !status) {
      transfer.give_back(index);
      return drop(number, status.error());
    }
  }
  const auto took = now_ - receiving.block_since;
  if (took <= kQuickBlock) receiving.window = std::min(receiving.window + 1, kMostCredit);
  if (took >= kSlowBlock && receiving.window > 1) --receiving.window;
  receiving.block_since = now_;
  advance(number, receiving);
}

// What it has in flight is let pass unread.
void Session::let_pass(std::uint64_t number, Receiving& receiving) {
  if (receiving.inlined || (receiving.coming.blocks.empty() && !receiving.want)) return;
  dropped_[number] =
      Dropped{receiving.size, std::move(receiving.coming), receiving.want.has_value()};
  if (dropped_.size() > kMaxDropped) dropped_.erase(dropped_.begin());
  receiving.give_back();
}

// Letters of ours to receive that another conversation has made whole.
void Session::complete_shared() {
  if (in_transfer_ == 0) return;
  Receiving& receiving = *receiving_.at(in_transfer_);
  if (receiving.letter->transfer().complete()) advance(in_transfer_, receiving);
}

void Session::complete(std::uint64_t number, Receiving& receiving) {
  receiving.complete = true;
  let_pass(number, receiving);
  ++ready_;
  if (receiving.inlined) ready_bytes_ += receiving.size;
  if (in_transfer_ == number) in_transfer_ = 0;
  activate();
  if (ready_ >= kMaxReady || ready_bytes_ >= kMaxReadyBytes) flush();
}

// Refuses a letter that was accepted before.
void Session::drop(std::uint64_t number, const Error& why) {
  const auto found = receiving_.find(number);
  Receiving& receiving = *found->second;
  let_pass(number, receiving);
  note(Event::Kind::kFailed, receiving.root, why);
  receiving_.erase(found);
  if (in_transfer_ == number) in_transfer_ = 0;
  refuse(number, why);
  if (!ended_) activate();
}

void Session::flush() {
  if (!ended_) complete_shared();
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
