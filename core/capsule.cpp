#include "core/capsule.h"

#include "core/cbor.h"
#include "core/letter.h"
#include "core/wiped.h"

namespace p2pmail::core {
namespace {

constexpr Context kCapsule{"p2pmail/capsule"};
constexpr Context kVerdict{"p2pmail/verdict"};
constexpr Context kMessage{"p2pmail/message"};
constexpr std::size_t kEphemeralSize = 32;
constexpr auto kMaxVerdict = static_cast<std::uint64_t>(Verdict::kSelf);
// The key is derived anew for each capsule and seals nothing else.
constexpr std::array<std::uint8_t, kNonceSize> kOnlyNonce{};

Error forged(const char* why) { return Error{Code::kForged, std::string("capsule: ") + why}; }
Error malformed(const char* why) { return Error{Code::kMalformed, std::string("capsule: ") + why}; }

/// Eight bytes whatever the value: the room for a capsule is left before the size is known.
Value fixed_number(std::uint64_t value) {
  std::array<std::uint8_t, 8> bytes{};
  put_be(bytes.data(), value);
  return binary(bytes);
}

/// The map without its signature. Its byte strings are for the caller to wipe.
Value to_map(const Capsule& capsule, const DeviceKey& device) {
  Value bcc = Value::array();
  for (const IdentityKey& identity : capsule.bcc) bcc.push_back(binary(identity));
  return Value{{"b", binary(capsule.signed_body)},
               {"d", binary(device)},
               {"f", fit_text(capsule.folder, kMaxFolder)},
               {"h", binary(capsule.header_hash)},
               {"i", binary(capsule.id)},
               {"k", binary(capsule.payload_key.view())},
               {"n", binary(capsule.sender)},
               {"r", binary(capsule.root)},
               {"su", fit_text(capsule.subject, kMaxSubject)},
               {"t", capsule.time},
               {"v", static_cast<std::uint64_t>(capsule.verdict)},
               {"x", std::move(bcc)},
               {"y", 1u},
               {"z", fixed_number(capsule.size)}};
}

/// What the storing device signs.
Digest digest_of(const Value& map_without_signature) {
  Bytes bytes = encode_cbor(map_without_signature);
  const WipedBytes wiped(bytes);
  return hash(kVerdict, {bytes});
}

void read_bcc(MapReader& in, std::vector<IdentityKey>& out) {
  for (const Value& element : in.list("x", kMaxBcc)) {
    IdentityKey identity;
    if (!take_bytes(element, identity.bytes)) return in.fail("a Bcc recipient is not a key");
    out.push_back(identity);
  }
}

Result<Capsule> read_map(const Value& map, Signature& signature) {
  MapReader in(map, "capsule");
  const std::uint64_t version = in.number("y", UINT64_MAX);
  if (version > 1) return Error{Code::kUnsupported, "capsule of a newer version"};
  if (version == 0) in.fail("no version");
  Capsule capsule;
  capsule.signed_body = in.bytes("b", 0, kMaxEnvelope);
  capsule.device = in.fixed<DeviceKey>("d");
  capsule.folder = in.text("f", kMaxFolder);
  capsule.header_hash = in.fixed<Digest>("h");
  capsule.id = in.fixed<MessageId>("i");
  in.fill("k", capsule.payload_key.span());
  capsule.sender = in.fixed<IdentityKey>("n");
  capsule.root = in.fixed<Root>("r");
  signature = in.fixed<Signature>("s");
  capsule.subject = in.text("su", kMaxSubject);
  capsule.time = in.number("t", kMaxTime);
  capsule.verdict = static_cast<Verdict>(in.number("v", kMaxVerdict));
  read_bcc(in, capsule.bcc);
  std::array<std::uint8_t, 8> size{};
  in.fill("z", size);
  capsule.size = get_be<std::uint64_t>(size.data());
  if (capsule.size > kMaxLetterSize) in.fail("\"z\" is out of bounds");
  if (Status status = in.finish(); !status) return status.error();
  return capsule;
}

SymmetricKey capsule_key(const SymmetricKey& shared, ByteView ephemeral, const StoreKey& store) {
  SymmetricKey key;
  keyed_hash(key.span(), kCapsule, shared.view(), {ephemeral, store});
  return key;
}

Result<Bytes> seal_to_store(ByteView plain, const StoreKey& store) {
  const AgreePair ephemeral = make_agree_pair();
  const auto shared = agree(ephemeral.secret, store);
  if (!shared) return shared.error().in("store key");
  Bytes sealed(kEphemeralSize + plain.size() + kTagSize);
  std::copy(ephemeral.public_key.begin(), ephemeral.public_key.end(), sealed.begin());
  aead_seal(ByteSpan(sealed).subspan(kEphemeralSize),
            capsule_key(*shared, ephemeral.public_key, store), kOnlyNonce, {}, plain);
  return sealed;
}

Result<Bytes> open_from_store(ByteView sealed, const AgreeSecret& secret, const StoreKey& store) {
  if (sealed.size() < kEphemeralSize + kTagSize ||
      sealed.size() > kEphemeralSize + kMaxCapsule + kTagSize)
    return malformed("size out of bounds");
  const ByteView ephemeral = sealed.first(kEphemeralSize);
  const auto shared = agree(secret, ephemeral);
  if (!shared) return shared.error().in("capsule");
  Bytes plain(sealed.size() - kEphemeralSize - kTagSize);
  if (!aead_open(plain, capsule_key(*shared, ephemeral, store), kOnlyNonce, {},
                 sealed.subspan(kEphemeralSize)))
    return forged("does not open with the store key");
  return plain;
}

bool is_ours(const DeviceKey& device, const Card& own) {
  const std::vector<DeviceKey>& devices = own.roster.value.devices;
  return std::find(devices.begin(), devices.end(), device) != devices.end() ||
         own.tombstone_of(device).has_value();
}

Status verify_received(const Capsule& capsule, const Card& own) {
  const auto proof = verify_signed_body(capsule.signed_body, capsule.header_hash, own.identity());
  if (!proof) return Error{Code::kForged, proof.error().in("capsule").context};
  const EnvelopeBody& body = proof->body;
  if (body.sender != capsule.sender || body.root != capsule.root || body.size != capsule.size ||
      !equal_secret(body.payload_key.view(), capsule.payload_key.view()))
    return forged("the sender signed another letter");
  if (capsule.verdict == Verdict::kSelf && capsule.sender != own.identity())
    return forged("the sender is not this identity");
  return {};
}

Status verify_sent(const Capsule& capsule, const Card& own) {
  if (capsule.sender != own.identity() || !capsule.signed_body.empty())
    return forged("sent mail that is not from this identity");
  return {};
}

}  // namespace

MessageId message_id(const SymmetricKey& payload_key, const IdentityKey& sender, const Root& root) {
  const Digest digest = hash(kMessage, {payload_key.view(), sender, root});
  MessageId id;
  std::copy_n(digest.bytes.begin(), MessageId::kSize, id.bytes.begin());
  return id;
}

// Device key and signature have fixed sizes, so any will do for the size.
std::size_t sealed_capsule_size(const Capsule& capsule) {
  Value map = to_map(capsule, capsule.device);
  const WipedMap wiped_map(map);
  map["s"] = binary(Signature{});
  Bytes plain = encode_cbor(map);
  const WipedBytes wiped(plain);
  return kEphemeralSize + plain.size() + kTagSize;
}

Result<Bytes> seal_capsule(const Capsule& capsule, const StoreKey& store,
                           const DeviceKeys& device) {
  if (capsule.size > kMaxLetterSize || capsule.time > kMaxTime || capsule.bcc.size() > kMaxBcc ||
      capsule.signed_body.size() > kMaxEnvelope)
    return malformed("out of bounds");
  Value map = to_map(capsule, device.device);
  const WipedMap wiped_map(map);
  map["s"] = binary(sign(device.signing, kVerdict, digest_of(map)));
  Bytes plain = encode_cbor(map);
  const WipedBytes wiped(plain);
  if (plain.size() > kMaxCapsule) return malformed("too large");
  return seal_to_store(plain, store);
}

Result<Capsule> open_capsule(ByteView sealed, const AgreeSecret& store_secret,
                             const StoreKey& store) {
  auto plain = open_from_store(sealed, store_secret, store);
  if (!plain) return plain.error();
  const WipedBytes wiped(*plain);
  auto map = decode_cbor(*plain, "capsule", kMaxCapsule);
  if (!map) return map.error();
  const WipedMap wiped_map(*map);
  Signature signature;
  auto capsule = read_map(*map, signature);
  if (!capsule) return capsule;
  map->erase("s");  // the codec is deterministic: the rest encodes to the bytes that were signed
  if (!verify(capsule->device, kVerdict, digest_of(*map), signature))
    return forged("signature does not fit");
  return capsule;
}

Status verify_capsule(const Capsule& capsule, const Card& own) {
  if (!is_ours(capsule.device, own)) return forged("stored by a device that is not ours");
  if (capsule.id != message_id(capsule.payload_key, capsule.sender, capsule.root))
    return forged("the message id does not fit");
  return capsule.verdict == Verdict::kSent ? verify_sent(capsule, own)
                                           : verify_received(capsule, own);
}

}  // namespace p2pmail::core
