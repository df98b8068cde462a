#include "core/ticket.h"

#include "core/cbor.h"
#include "core/letter.h"
#include "core/mailbox.h"
#include "core/receipt.h"
#include "core/tree.h"

namespace p2pmail::core {
namespace {

constexpr Context kTag{"p2pmail/tag"};
constexpr Context kRelay{"p2pmail/relay"};
constexpr Context kHandle{"p2pmail/handle"};
constexpr Context kHandleId{"p2pmail/handid"};
constexpr Context kDelete{"p2pmail/delete"};
constexpr Context kDeleteHash{"p2pmail/delhash"};
constexpr Context kReply{"p2pmail/reply"};

SymmetricKey derive(Context context, const SymmetricKey& key, std::initializer_list<ByteView> parts) {
  SymmetricKey out;
  keyed_hash(out.span(), context, key.view(), parts);
  return out;
}

/// kUnsupported for a version above 1; a missing one fails the reader.
Status check_version(MapReader& in, const char* what) {
  const std::uint64_t version = in.number("v", UINT64_MAX);
  if (version > 1) return Error{Code::kUnsupported, std::string(what) + " of a newer version"};
  if (version == 0) in.fail("no version");
  return {};
}

std::vector<Digest> read_digests(MapReader& in, const char* key, std::size_t max) {
  std::vector<Digest> all;
  for (const Value& value : in.list(key, max)) {
    Digest one;
    if (!take_bytes(value, one.bytes)) in.fail("a hash of the wrong size");
    all.push_back(one);
  }
  return all;
}

Deposit read_deposit(MapReader& in) {
  Deposit deposit;
  deposit.deletions = read_digests(in, "d", kMaxDevices);
  if (deposit.deletions.empty()) in.fail("no deletion hash");
  deposit.handle = in.fixed<Digest>("h");
  deposit.root = in.fixed<Root>("r");
  deposit.tag = in.fixed<Tag>("t");
  deposit.size = in.number("z", kMaxLetterSize);
  if (const auto plain = plain_size(deposit.size); !plain || *plain < kMinPlain)
    in.fail("no letter has this size");
  return deposit;
}

}  // namespace

Bytes encode_admission(const Admission& admission) {
  Value map{{"v", 1u}};
  if (admission.stamp) map["s"] = *admission.stamp;
  if (admission.deposit) {
    Value deletions = Value::array();
    for (const Digest& hash : admission.deposit->deletions) deletions.push_back(binary(hash));
    map["d"] = std::move(deletions);
    map["h"] = binary(admission.deposit->handle);
    map["r"] = binary(admission.deposit->root);
    map["t"] = binary(admission.deposit->tag);
    map["z"] = admission.deposit->size;
  }
  return encode_cbor(map);
}

Result<Admission> decode_admission(ByteView bytes) {
  Admission admission;
  if (bytes.empty()) return admission;
  const auto map = decode_cbor(bytes, "admission", kMaxAdmission);
  if (!map) return map.error();
  MapReader in(*map, "admission");
  if (const auto version = check_version(in, "admission"); !version) return version.error();
  if (in.has("s")) admission.stamp = in.number("s", UINT64_MAX);
  if (in.has("t")) admission.deposit = read_deposit(in);
  if (const auto done = in.finish(); !done) return done.error();
  return admission;
}

Tag tag_of(const IdentityKey& relay, const IdentityKey& recipient) {
  const Digest digest = hash(kTag, {relay, recipient});
  Tag tag;
  std::copy_n(digest.bytes.begin(), Tag::kSize, tag.bytes.begin());
  return tag;
}

SymmetricKey relay_key_of(const SymmetricKey& envelope_key) {
  return derive(kRelay, envelope_key, {});
}
SymmetricKey handle_secret_of(const SymmetricKey& relay_key) { return derive(kHandle, relay_key, {}); }
Digest handle_of(ByteView handle_secret) { return hash(kHandleId, {handle_secret}); }
SymmetricKey deletion_secret_of(const SymmetricKey& relay_key, const DeviceKey& device) {
  return derive(kDelete, relay_key, {device});
}
Digest deletion_hash_of(ByteView deletion_secret) { return hash(kDeleteHash, {deletion_secret}); }

Bytes encode_held(std::uint64_t until) { return encode_cbor(Value{{"u", until}, {"v", 1u}}); }

Result<std::uint64_t> decode_held(ByteView bytes) {
  const auto map = decode_cbor(bytes, "relay's answer", kMaxReceipt);
  if (!map) return map.error();
  MapReader in(*map, "relay's answer");
  if (const auto version = check_version(in, "relay's answer"); !version) return version.error();
  const std::uint64_t until = in.number("u", kMaxTime);
  if (const auto done = in.finish(); !done) return done.error();
  return until;
}

Bytes encode_relayed_receipt(const SymmetricKey& relay_key, const DeviceKey& device,
                             ByteView receipt) {
  const SymmetricKey secret = deletion_secret_of(relay_key, device);
  const Bytes sealed = box_seal(derive(kReply, relay_key, {}), bytes_of(kReply.name), receipt);
  return encode_cbor(Value{{"d", binary(secret.view())}, {"r", binary(sealed)}, {"v", 1u}});
}

Result<RelayedReceipt> decode_relayed_receipt(ByteView bytes) {
  const auto map = decode_cbor(bytes, "relayed receipt", kMaxReceipt);
  if (!map) return map.error();
  MapReader in(*map, "relayed receipt");
  if (const auto version = check_version(in, "relayed receipt"); !version) return version.error();
  RelayedReceipt out;
  out.deletion_hash = deletion_hash_of(in.bytes("d", SymmetricKey::kSize, SymmetricKey::kSize));
  out.sealed = in.bytes("r", 1, kMaxReceipt);
  if (const auto done = in.finish(); !done) return done.error();
  return out;
}

std::optional<Bytes> open_relayed_receipt(const SymmetricKey& relay_key, ByteView sealed) {
  const auto opened = box_open(derive(kReply, relay_key, {}), bytes_of(kReply.name), sealed);
  if (!opened) return std::nullopt;
  return to_bytes(opened->view());
}

Bytes encode_question(const SymmetricKey& relay_key, bool withdraw) {
  const SymmetricKey secret = handle_secret_of(relay_key);
  return encode_cbor(Value{{"h", binary(secret.view())}, {"v", 1u}, {"w", withdraw}});
}

Result<HeldQuestion> decode_question(ByteView bytes) {
  const auto map = decode_cbor(bytes, "question", kMaxQuestion);
  if (!map) return map.error();
  MapReader in(*map, "question");
  if (const auto version = check_version(in, "question"); !version) return version.error();
  HeldQuestion out;
  out.handle = handle_of(in.bytes("h", SymmetricKey::kSize, SymmetricKey::kSize));
  out.withdraw = in.boolean("w");
  if (const auto done = in.finish(); !done) return done.error();
  return out;
}

Bytes encode_answer(const HeldAnswer& answer) {
  return encode_cbor(Value{{"c", binary(answer.card)},
                           {"r", binary(answer.receipt)},
                           {"s", static_cast<std::uint64_t>(answer.state)},
                           {"u", answer.until},
                           {"v", 1u}});
}

Result<HeldAnswer> decode_answer(ByteView bytes) {
  const auto map = decode_cbor(bytes, "relay's answer", kMaxAnswer);
  if (!map) return map.error();
  MapReader in(*map, "relay's answer");
  if (const auto version = check_version(in, "relay's answer"); !version) return version.error();
  HeldAnswer out;
  out.card = in.bytes("c", 0, kMaxCardSize);
  out.receipt = in.bytes("r", 0, kMaxReceipt);
  out.state = static_cast<HeldState>(in.number("s", static_cast<std::uint64_t>(HeldState::kGone)));
  out.until = in.number("u", kMaxTime);
  if (const auto done = in.finish(); !done) return done.error();
  return out;
}

}  // namespace p2pmail::core
