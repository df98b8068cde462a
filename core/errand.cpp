#include "core/errand.h"

#include <fmt/format.h>

#include "core/address.h"
#include "core/ticket.h"

namespace p2pmail::core {
namespace {

constexpr std::uint64_t kLongestHold = 366 * 86400;  // seconds; whatever a relay promises

}  // namespace

/// A queue entry on its way to the relay.
class Errand::Left : public OutgoingLetter {
 public:
  Left(Errand& errand, Slot& slot)
      : errand_(errand),
        slot_(slot),
        claim_(slot.claim),
        ephemeral_(make_agree_pair()),  // a fresh one each time: envelopes cannot be linked
        stream_(stream_of(errand.store_, claim_->entry)) {
    slot_.is_out = true;
  }
  ~Left() override { slot_.is_out = false; }

  const Root& root() const override { return claim_->entry.root; }
  std::uint64_t size() const override { return claim_->entry.size; }
  Result<Bytes> envelope() override;
  Result<Bytes> admission() override;
  Result<bool> work() override;
  Status read(std::uint64_t offset, ByteSpan out) override { return stream_.read(offset, out); }
  Result<Bytes> groups() override { return stream_.groups(); }
  Result<Bytes> leaves(std::uint64_t group) override { return stream_.leaves(group); }
  Status delivered(ByteView held) override;
  void failed(const Error& why) override;
  bool has_twin() const override {
    return std::ranges::any_of(errand_.letters_, [this](const Slot& slot) {
      return !slot.is_out && !slot.has_ended && slot.claim->entry.root == root();
    });
  }

 private:
  [[nodiscard]] Result<Card> card_of(const IdentityKey& recipient) const;
  Errand& errand_;
  Slot& slot_;
  std::shared_ptr<Claim> claim_;
  Ephemeral ephemeral_;
  StreamFile stream_;
  SymmetricKey relay_key_;
  Digest envelope_;
  std::optional<StampSearch> search_;
  std::optional<std::uint64_t> stamp_;
};

Result<Bytes> Errand::Left::envelope() {
  auto sealed = envelope_for(errand_.store_, claim_->entry, ephemeral_, &relay_key_);
  if (sealed) envelope_ = hash_envelope(*sealed);
  return sealed;
}

// The recipient's stamp serves both: the relay checks it before it takes the letter, and the recipient,
// to whom we may be a stranger, when he collects it.
Result<bool> Errand::Left::work() {
  if (stamp_) return true;
  if (!search_) {
    const auto card = card_of(claim_->entry.recipient);
    if (!card) return card.error();
    const auto records = card->usable();
    const auto costly = std::ranges::max_element(records, {}, &DeviceRecord::stamp_bits);
    search_.emplace(StampTarget{claim_->entry.recipient, root(), (*costly)->stamp_nonce},
                    (*costly)->stamp_bits, errand_.options_.stamps);
  }
  const auto found = search_->slice();
  if (!found) return found.error();
  stamp_ = *found;
  return stamp_.has_value();
}

Result<Bytes> Errand::Left::admission() {
  const QueueEntry& entry = claim_->entry;
  const auto card = card_of(entry.recipient);
  if (!card) return card.error();
  Deposit deposit;
  deposit.tag = tag_of(errand_.relay_.identity, entry.recipient);
  deposit.handle = handle_of(handle_secret_of(relay_key_).view());
  deposit.root = entry.root;
  deposit.size = entry.size;
  for (const DeviceRecord* record : card->usable())
    deposit.deletions.push_back(
        deletion_hash_of(deletion_secret_of(relay_key_, record->device).view()));
  return encode_admission({stamp_, std::move(deposit)});
}

/// With a device at least.
Result<Card> Errand::Left::card_of(const IdentityKey& recipient) const {
  auto peer = errand_.store_.state().find_peer(recipient);
  if (!peer) return peer.error();
  if (!*peer || !(*peer)->card || (*peer)->card->usable().empty())
    return Error{Code::kUnknownRecipient, "no card of the recipient"};
  return std::move(*(*peer)->card);
}

Status Errand::Left::delivered(ByteView held) {
  const auto until = decode_held(held);
  if (!until) return until.error();
  DepositRecord record;
  record.since = errand_.options_.clocks().time;
  if (*until <= record.since)
    return Error{Code::kMalformed, "it would hold the letter until a time that is over"};
  auto deposits = errand_.store_.make_deposits();
  if (!deposits) return deposits.error();
  record.entry = claim_->entry.id;
  record.relay = errand_.relay_;
  record.relay_key = relay_key_.clone();
  record.envelope = envelope_;
  record.until = std::min(*until, record.since + kLongestHold);
  slot_.has_ended = true;
  return (*deposits)->add(record);
}

void Errand::Left::failed(const Error& why) {
  slot_.has_ended = true;
  errand_.store_.queue().note_words(claim_->entry.id, why.in(errand_.name()).context);
}

/// A letter that was left there: what became of it.
class Errand::Asked : public Question {
 public:
  Asked(Errand& errand, const Pending& pending) : errand_(errand), pending_(pending) {}
  Bytes text() const override {
    return encode_question(pending_.record.relay_key, pending_.claim == nullptr);
  }
  void answered(const Result<Bytes>& answer) override;

 private:
  [[nodiscard]] Status conclude(const HeldAnswer& answer);
  [[nodiscard]] Status delivered(const HeldAnswer& answer);
  [[nodiscard]] Status forget();
  Errand& errand_;
  const Pending& pending_;
};

void Errand::Asked::answered(const Result<Bytes>& bytes) {
  const DepositRecord& record = pending_.record;
  Deposits* deposits = errand_.deposits();
  const auto answer = bytes ? decode_answer(*bytes) : Result<HeldAnswer>(bytes.error());
  if (!answer) {
    if (deposits != nullptr) (void)deposits->note_silence(record.entry, record.relay.transport);
    return;
  }
  if (deposits != nullptr) (void)deposits->note_answer(record.entry, record.relay.transport);
  const auto done = pending_.claim == nullptr ? forget() : conclude(*answer);
  if (!done && pending_.claim != nullptr)
    errand_.store_.queue().note_words(record.entry, done.error().in(errand_.name()).context);
}

Status Errand::Asked::forget() {
  Deposits* deposits = errand_.deposits();
  if (deposits == nullptr) return {};
  return deposits->forget(pending_.record.entry, pending_.record.relay.transport);
}

// A receipt that proves nothing is no receipt, and its relay not to be trusted with the letter.
Status Errand::Asked::delivered(const HeldAnswer& answer) {
  const auto receipt = open_relayed_receipt(pending_.record.relay_key, answer.receipt);
  const Claim& claim = *pending_.claim;
  const auto proved = receipt ? check_receipt(errand_.store_, claim.entry, *receipt,
                                              {pending_.record.envelope})
                              : Status(Error{Code::kForged, "a receipt that is not for this letter"});
  if (!proved) {
    (void)forget();
    return proved;
  }
  return conclude_delivery(errand_.store_, claim, errand_.options_.notices,
                           errand_.options_.clocks());
}

// Anything but "waiting" and "delivered" makes it an ordinary queued letter again.
Status Errand::Asked::conclude(const HeldAnswer& answer) {
  if (answer.state == HeldState::kWaiting) return {};
  Store& store = errand_.store_;
  if (!store.queue().load(pending_.record.entry)) return {};  // another relay was quicker
  if (answer.state == HeldState::kDelivered) return delivered(answer);
  if (const auto forgotten = forget(); !forgotten) return forgotten;
  if (answer.state == HeldState::kGone)
    return Error{Code::kNotFound, "does not hold it any more: it expired there or was dropped"};
  // With the card that came along it is sealed for newer prekeys.
  if (const auto card = decode_card(answer.card);
      card && card->identity() == pending_.claim->entry.recipient)
    (void)store.state().merge_peer_card(*card, false);
  return Error{Code::kUnknownPrekey, "the recipient did not take it; it will be sealed again"};
}

Errand::Errand(Store& store, Options options, Relay relay)
    : store_(store), options_(std::move(options)), relay_(std::move(relay)) {}

std::string Errand::name() const {
  auto peer = store_.state().find_peer(relay_.identity);
  const bool known = peer && *peer && !(*peer)->petname.empty();
  return "relay " + (known ? (*peer)->petname : key_text(relay_.identity).substr(0, 10));
}

void Errand::leave(std::shared_ptr<Claim> claim) {
  letters_.push_back({std::move(claim), false, false});
}

void Errand::ask(std::shared_ptr<Claim> claim, DepositRecord record) {
  asked_.push_back({std::move(claim), std::move(record)});
}

void Errand::withdraw(DepositRecord record) { asked_.push_back({nullptr, std::move(record)}); }

Deposits* Errand::deposits() const {
  auto found = store_.deposits();
  return found ? *found : nullptr;
}

void Errand::unreached() {
  if (Deposits* known = deposits())
    for (const Pending& pending : asked_)
      (void)known->note_silence(pending.record.entry, relay_.transport);
}

Result<Caller> Errand::meet(const TransportKey& transport, ByteView bytes) {
  const auto card = decode_card(bytes);
  if (!card) return card.error();
  const DeviceRecord* record = card->record_of(transport);
  if (record == nullptr)
    return Error{Code::kForged, "the card does not name the transport key of this connection"};
  return Caller{transport, card->identity(), record->device};
}

std::vector<std::unique_ptr<OutgoingLetter>> Errand::outgoing(const Caller& caller,
                                                              std::size_t max) {
  std::vector<std::unique_ptr<OutgoingLetter>> all;
  if (caller.identity != relay_.identity) return all;
  for (Slot& slot : letters_) {
    if (all.size() >= max) break;
    const auto& root = slot.claim->entry.root;
    const bool twin_is_out = std::ranges::any_of(
        letters_, [&](const Slot& other) { return other.is_out && other.claim->entry.root == root; });
    if (twin_is_out || slot.is_out || slot.has_ended) continue;
    all.push_back(std::make_unique<Left>(*this, slot));
  }
  return all;
}

Result<Considered> Errand::consider(const Caller&, ByteView, ByteView) {
  return Error{Code::kRefused, "nothing is taken here"};
}

std::vector<Result<Bytes>> Errand::commit(std::vector<std::unique_ptr<IncomingLetter>> letters) {
  return {letters.size(), Error{Code::kBug, "nothing is taken here"}};
}

std::vector<std::unique_ptr<Question>> Errand::questions(const Caller&) {
  std::vector<std::unique_ptr<Question>> all;
  for (const Pending& pending : asked_) all.push_back(std::make_unique<Asked>(*this, pending));
  return all;
}

std::vector<Relay> relays_of(const Card& card) {
  std::vector<Relay> all;
  for (const DeviceRecord* record : card.usable()) {
    for (const Relay& relay : record->relays) {
      const auto same = [&relay](const Relay& one) {
        return one.identity == relay.identity && one.transport == relay.transport;
      };
      if (relay.identity == card.identity() || std::ranges::any_of(all, same)) continue;
      all.push_back(relay);
    }
  }
  return all;
}

}  // namespace p2pmail::core
