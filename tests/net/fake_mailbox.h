// A mailbox in memory for the tests of net/: cards, envelopes and receipts are toy structures, but
// letters have real hash trees, and every refusal can be asked for.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/crypto.h"
#include "core/mailbox.h"
#include "core/tree.h"

namespace p2pmail::net {

template <class FixedType>
FixedType fixed(std::uint8_t fill) {
  FixedType out;
  out.bytes.fill(fill);
  return out;
}

inline core::Bytes some_bytes(std::size_t size, std::uint8_t seed = 1) {
  core::Bytes out(size);
  for (std::size_t i = 0; i < size; ++i)
    out[i] = static_cast<std::uint8_t>(seed + i * 7 + (i >> 8));
  return out;
}

class FakeMailbox : public core::Mailbox {
 public:
  /// A queued letter, and what became of it.
  struct Letter {
    core::IdentityKey to;
    core::Root root;
    core::Bytes data;
    std::vector<core::Digest> leaves;
    bool claimed = false;
    bool delivered = false;
    int envelopes = 0;
    std::vector<core::Error> failures;
    std::optional<core::Error> envelope_error;
    std::optional<core::Error> read_error;
  };

  /// A letter that conversations bring, alone or together.
  struct Arrival {
    Arrival(const core::Root& name, std::uint64_t size)
        : root(name), transfer(name, size), data(static_cast<std::size_t>(size)) {}
    [[nodiscard]] core::Bytes block(std::uint64_t index) const {
      return core::to_bytes(core::ByteView(data).subspan(
          index * core::kBlockSize, core::block_size(data.size(), index)));
    }
    /// One that is too large to come.
    Arrival(const core::Root& name, std::uint64_t size, core::Bytes nothing)
        : root(name), transfer(name, size), data(std::move(nothing)) {}
    core::Root root;
    core::Transfer transfer;
    core::Bytes data;
  };

  explicit FakeMailbox(std::uint8_t name)
      : identity(fixed<core::IdentityKey>(name)), transport(fixed<core::TransportKey>(name)) {}

  std::shared_ptr<Letter> queue(const core::IdentityKey& to, core::Bytes data) {
    auto letter = std::make_shared<Letter>();
    core::TreeHasher hasher;
    hasher.update(data);
    letter->root = hasher.finish();
    letter->leaves = hasher.leaves();
    letter->to = to;
    letter->data = std::move(data);
    letters.push_back(letter);
    return letter;
  }
  [[nodiscard]] core::Bytes make_card(std::uint8_t with_version) const {
    core::Bytes out = {with_version};
    core::append(out, identity);
    core::append(out, transport);
    return out;
  }
  [[nodiscard]] core::Bytes make_envelope(const Letter& letter) {
    core::Bytes out = {known_versions[letter.to]};
    core::append(out, letter.root);
    std::array<std::uint8_t, 8> size{};
    core::put_be<std::uint64_t>(size.data(), letter.data.size());
    core::append(out, size);
    core::append(out, filler);
    return out;
  }
  static core::Bytes receipt_for(const core::Root& root) {
    core::Bytes out = core::to_bytes(core::bytes_of("receipt"));
    core::append(out, root);
    return out;
  }

  core::Bytes card() override { return make_card(version); }
  core::Result<core::Caller> meet(const core::TransportKey& from, core::ByteView card) override;
  std::vector<std::unique_ptr<core::OutgoingLetter>> outgoing(const core::Caller& caller,
                                                              std::size_t max) override;
  core::Result<core::Considered> consider(const core::Caller& caller,
                                          core::ByteView envelope,
                                          core::ByteView admission) override;
  std::vector<core::Result<core::Bytes>> commit(
      std::vector<std::unique_ptr<core::IncomingLetter>> incoming) override;

  bool knows(const core::IdentityKey& other) override { return friends.contains(other); }

  std::set<core::IdentityKey> friends;
  core::IdentityKey identity;
  core::TransportKey transport;
  std::uint8_t version = 0;                                // of our prekeys
  std::map<core::IdentityKey, std::uint8_t> known_versions;  // of others' prekeys
  core::Bytes filler;                                      // makes envelopes larger
  std::vector<std::shared_ptr<Letter>> letters;
  std::map<core::Root, core::Bytes> stored;
  std::vector<std::size_t> commits;                        // how many letters each had
  std::size_t considered = 0;
  std::size_t incoming_alive = 0;
  std::map<core::Root, std::shared_ptr<Arrival>> arrivals;
  bool keeps = false;  // blocks of letters that stop coming
  std::map<core::Root, std::map<std::uint64_t, core::Bytes>> left;
  std::size_t written = 0;  // blocks
  std::function<std::optional<core::Error>(const core::Root&)> refuse;
  std::optional<core::Error> write_error;
  std::optional<core::Error> commit_error;

 private:
  class Outgoing;
  class Incoming;
};

class FakeMailbox::Outgoing : public core::OutgoingLetter {
 public:
  Outgoing(FakeMailbox& box, std::shared_ptr<Letter> letter)
      : box_(box), letter_(std::move(letter)) {
    letter_->claimed = true;
  }
  ~Outgoing() override { letter_->claimed = false; }
  const core::Root& root() const override { return letter_->root; }
  std::uint64_t size() const override { return letter_->data.size(); }
  core::Result<core::Bytes> envelope() override {
    ++letter_->envelopes;
    if (letter_->envelope_error) return *letter_->envelope_error;
    return box_.make_envelope(*letter_);
  }
  core::Status read(std::uint64_t offset, core::ByteSpan out) override {
    if (letter_->read_error) return *letter_->read_error;
    core::check(offset + out.size() <= letter_->data.size());
    std::copy_n(letter_->data.begin() + static_cast<std::ptrdiff_t>(offset), out.size(),
                out.begin());
    return {};
  }
  core::Result<core::Bytes> groups() override {
    return core::Error{core::Code::kBug, "no letter here has so many blocks"};
  }
  core::Result<core::Bytes> leaves(std::uint64_t) override {
    core::Bytes out;
    for (const auto& leaf : letter_->leaves) core::append(out, leaf);
    return out;
  }
  core::Status delivered(core::ByteView receipt) override {
    if (core::to_bytes(receipt) != receipt_for(letter_->root))
      return core::Error{core::Code::kForged, "not a receipt for this letter"};
    letter_->delivered = true;
    return {};
  }
  void failed(const core::Error& why) override { letter_->failures.push_back(why); }

 private:
  FakeMailbox& box_;
  std::shared_ptr<Letter> letter_;
};

class FakeMailbox::Incoming : public core::IncomingLetter {
 public:
  Incoming(FakeMailbox& box, std::shared_ptr<Arrival> arrival)
      : box_(box), arrival_(std::move(arrival)) {
    ++box_.incoming_alive;
  }
  ~Incoming() override {
    --box_.incoming_alive;
    auto& transfer = arrival_->transfer;
    if (arrival_.use_count() > 2 || transfer.complete()) return;
    // The last: what came is left for a later offer.
    for (std::uint64_t i = 0; i < transfer.blocks(); ++i)
      if (box_.keeps && transfer.has(i)) box_.left[root()][i] = arrival_->block(i);
    box_.arrivals.erase(root());
  }
  core::Transfer& transfer() override { return arrival_->transfer; }
  core::Status write(std::uint64_t index, core::ByteView block) override {
    if (box_.write_error) return *box_.write_error;
    core::check(!arrival_->transfer.has(index));
    put(index, block);
    ++box_.written;
    return {};
  }
  core::Result<bool> recall() override {
    auto& transfer = arrival_->transfer;
    const auto at = transfer.recalled();
    if (at >= transfer.known()) return false;
    const auto found = box_.left[root()].find(at);
    if (found != box_.left[root()].end() && transfer.verifier().check_block(at, found->second))
      put(at, found->second);
    transfer.set_recalled(at + 1);
    return true;
  }
  void store() { box_.stored[root()] = arrival_->data; }
  [[nodiscard]] const core::Root& root() const { return arrival_->root; }

 private:
  void put(std::uint64_t index, core::ByteView block) {
    std::copy(block.begin(), block.end(),
              arrival_->data.begin() + static_cast<std::ptrdiff_t>(index * core::kBlockSize));
    arrival_->transfer.got(index);
  }
  FakeMailbox& box_;
  std::shared_ptr<Arrival> arrival_;
};

inline core::Result<core::Caller> FakeMailbox::meet(const core::TransportKey& from,
                                                    core::ByteView card) {
  core::Caller caller;
  if (card.size() != 65) return core::Error{core::Code::kMalformed, "not a card"};
  std::copy_n(card.begin() + 1, 32, caller.identity.bytes.begin());
  std::copy_n(card.begin() + 33, 32, caller.transport.bytes.begin());
  if (caller.transport != from) return core::Error{core::Code::kForged, "another transport key"};
  caller.device.bytes = caller.identity.bytes;
  known_versions[caller.identity] = card[0];
  return caller;
}

inline std::vector<std::unique_ptr<core::OutgoingLetter>> FakeMailbox::outgoing(
    const core::Caller& caller, std::size_t max) {
  std::vector<std::unique_ptr<core::OutgoingLetter>> out;
  for (auto& letter : letters) {
    if (out.size() >= max) break;
    if (letter->to != caller.identity || letter->claimed || letter->delivered) continue;
    if (letter->failures.empty()) out.push_back(std::make_unique<Outgoing>(*this, letter));
  }
  return out;
}

inline core::Result<core::Considered> FakeMailbox::consider(const core::Caller&,
                                                            core::ByteView envelope,
                                                            core::ByteView) {
  ++considered;
  if (envelope.size() < 41) return core::Error{core::Code::kMalformed, "not an envelope"};
  if (envelope[0] != version) return core::Error{core::Code::kUnknownPrekey, "an old prekey"};
  core::TakeIt taken;
  std::copy_n(envelope.begin() + 1, 32, taken.root.bytes.begin());
  taken.size = core::get_be<std::uint64_t>(envelope.data() + 33);
  if (refuse)
    if (auto why = refuse(taken.root)) return *why;
  if (stored.contains(taken.root))
    return core::Considered(core::StoredAlready{receipt_for(taken.root)});
  auto& arrival = arrivals[taken.root];
  // Nobody brings it: it is there, and was not stored.
  if (!arrival || arrival.use_count() == 1) {
    if (taken.size > (std::uint64_t{1} << 30)) {
      arrival = std::make_shared<Arrival>(taken.root, taken.size, core::Bytes());
    } else {
      arrival = std::make_shared<Arrival>(taken.root, taken.size);
    }
    if (left.contains(taken.root)) arrival->transfer.set_recalled(0);
  }
  taken.letter = std::make_unique<Incoming>(*this, arrival);
  return core::Considered(std::move(taken));
}

inline std::vector<core::Result<core::Bytes>> FakeMailbox::commit(
    std::vector<std::unique_ptr<core::IncomingLetter>> incoming) {
  commits.push_back(incoming.size());
  std::vector<core::Result<core::Bytes>> out;
  for (auto& letter : incoming) {
    core::check(static_cast<Incoming&>(*letter).transfer().complete());
    if (commit_error) {
      out.emplace_back(*commit_error);
      continue;
    }
    auto& fake = static_cast<Incoming&>(*letter);
    fake.store();
    out.emplace_back(receipt_for(fake.root()));
  }
  return out;
}

}  // namespace p2pmail::net
