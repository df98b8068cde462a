#include "core/envelope.h"

#include <bit>
#include <optional>

#include "core/cbor.h"
#include "core/letter.h"
#include "core/text.h"
#include "core/ticket.h"
#include "core/wiped.h"

namespace p2pmail::core {
namespace {

constexpr Context kEnvelope{"p2pmail/envelope"};  // signature, and hash of the whole
constexpr Context kHeaderHash{"p2pmail/envhead"};
constexpr Context kStanza{"p2pmail/stanza"};
constexpr Context kEnvelopeCommitment{"p2pmail/envcmt"};
constexpr Context kPayloadCommitment{"p2pmail/paycmt"};

constexpr std::size_t kStanzaTag = 16;
constexpr std::size_t kStanzaSize = kStanzaTag + SymmetricKey::kSize + kTagSize;
constexpr std::size_t kMinStanzas = 4;
constexpr std::size_t kSaltSize = 16;
// Every key that a nonce goes with here seals one message only.
constexpr std::array<std::uint8_t, kNonceSize> kOnlyNonce{};

Error forged(const char* why) { return Error{Code::kForged, std::string("envelope: ") + why}; }
Error malformed(const char* why) {
  return Error{Code::kMalformed, std::string("envelope: ") + why};
}

struct Header {
  Digest commitment;
  std::array<std::uint8_t, 32> ephemeral{};
  std::array<std::uint8_t, kSaltSize> salt{};
  Bytes stanzas;
};

Bytes encode_header(const Header& header) {
  return encode_cbor(Value{{"c", binary(header.commitment)},
                           {"e", binary(header.ephemeral)},
                           {"n", binary(header.salt)},
                           {"s", binary(header.stanzas)},
                           {"v", 1u}});
}

Result<Header> decode_header(ByteView bytes) {
  auto map = decode_cbor(bytes, "envelope header");
  if (!map) return map.error();
  MapReader in(*map, "envelope header");
  const std::uint64_t version = in.number("v", UINT64_MAX);
  if (version > 1) return Error{Code::kUnsupported, "envelope of a newer suite"};
  if (version == 0) in.fail("no suite");
  Header header;
  header.commitment = in.fixed<Digest>("c");
  in.fill("e", header.ephemeral);
  in.fill("n", header.salt);
  header.stanzas = in.bytes("s", kMinStanzas * kStanzaSize, kMaxStanzas * kStanzaSize);
  if (header.stanzas.size() % kStanzaSize != 0 ||
      !std::has_single_bit(header.stanzas.size() / kStanzaSize))
    in.fail("the number of stanzas is not a power of two");
  if (Status status = in.finish(); !status) return status.error();
  return header;
}

/// What one prekey's two holders derive: the stanza's tag and the key that wraps the envelope key.
struct StanzaKeys {
  std::array<std::uint8_t, kStanzaTag> tag{};
  SymmetricKey wrap;
};

StanzaKeys derive(const SymmetricKey& shared, const Header& header, const PrekeyPublic& prekey) {
  SecretBytes both(kStanzaTag + SymmetricKey::kSize);
  keyed_hash(both.span(), kStanza, shared.view(), {header.ephemeral, prekey, header.salt});
  StanzaKeys keys;
  std::copy_n(both.view().begin(), kStanzaTag, keys.tag.begin());
  keys.wrap = SymmetricKey(both.view().subspan(kStanzaTag));
  return keys;
}

/// Swaps stanza `i` with a random one of those up to it, from the last down (Fisher and Yates).
void shuffle_stanzas(Bytes& stanzas) {
  for (std::size_t i = stanzas.size() / kStanzaSize; i-- > 1;) {
    const auto j = static_cast<std::size_t>(random_below(i + 1));
    if (i == j) continue;
    const auto at = [&](std::size_t n) {
      return stanzas.begin() + static_cast<std::ptrdiff_t>(n * kStanzaSize);
    };
    std::swap_ranges(at(i), at(i + 1), at(j));
  }
}

Status make_stanzas(Header& header, std::span<const PrekeyPublic> prekeys,
                    const Ephemeral& ephemeral, const SymmetricKey& envelope_key) {
  // Random bytes everywhere first: what no prekey overwrites looks like a stanza for somebody else.
  header.stanzas.resize(std::bit_ceil(std::max(prekeys.size(), kMinStanzas)) * kStanzaSize);
  random_bytes(header.stanzas);
  ByteSpan rest(header.stanzas);
  for (const PrekeyPublic& prekey : prekeys) {
    const auto shared = ephemeral.with(prekey);
    if (!shared) return shared.error().in("recipient's prekey");
    const StanzaKeys keys = derive(**shared, header, prekey);
    std::copy(keys.tag.begin(), keys.tag.end(), rest.begin());
    aead_seal(rest.subspan(kStanzaTag, kStanzaSize - kStanzaTag), keys.wrap, kOnlyNonce, {},
              envelope_key.view());
    rest = rest.subspan(kStanzaSize);
  }
  shuffle_stanzas(header.stanzas);
  return {};
}

Bytes encode_body(const EnvelopeBody& body) {
  Value map{{"c", binary(body.sender_card)},
            {"d", binary(body.sender_device)},
            {"f", binary(body.sender)},
            {"k", binary(body.payload_key.view())},
            {"m", binary(hash(kPayloadCommitment, {body.payload_key.view()}))},
            {"r", binary(body.root)},
            {"s", fit_text(body.subject, kMaxSubject)},
            {"t", body.time},
            {"to", binary(body.recipient)},
            {"v", 1u},
            {"z", body.size}};
  const WipedMap wiped(map);
  return encode_cbor(map);
}

Result<EnvelopeBody> decode_body(ByteView bytes) {
  auto map = decode_cbor(bytes, "envelope body", kMaxEnvelope);
  if (!map) return map.error();
  const WipedMap wiped(*map);
  MapReader in(*map, "envelope body");
  const std::uint64_t version = in.number("v", UINT64_MAX);
  if (version > 1) return Error{Code::kUnsupported, "envelope of a newer version"};
  if (version == 0) in.fail("no version");
  EnvelopeBody body;
  body.sender_card = in.bytes("c", 1, kMaxCardSize);
  body.sender_device = in.fixed<DeviceKey>("d");
  body.sender = in.fixed<IdentityKey>("f");
  in.fill("k", body.payload_key.span());
  const auto commitment = in.fixed<Digest>("m");
  body.root = in.fixed<Root>("r");
  body.subject = in.text("s", kMaxSubject);
  body.time = in.number("t", kMaxTime);
  body.recipient = in.fixed<IdentityKey>("to");
  body.size = in.number("z", kMaxLetterSize);
  if (const auto plain = plain_size(body.size); !plain || *plain < kMinPlain)
    in.fail("no letter has this size");
  if (Status status = in.finish(); !status) return status.error();
  if (hash(kPayloadCommitment, {body.payload_key.view()}) != commitment)
    return forged("payload key does not fit its commitment");
  return body;
}

/// What the sending device signs.
Bytes signed_message(const Digest& header_hash, ByteView body) {
  Bytes message(header_hash.bytes.begin(), header_hash.bytes.end());
  message.reserve(message.size() + body.size());
  append(message, body);
  return message;
}

/// The CBOR map {"b": body, "s": signature}.
Bytes sign_body(const EnvelopeBody& envelope_body, const Digest& header_hash,
                const SigningSecret& device) {
  Bytes body = encode_body(envelope_body);
  const WipedBytes wiped_body(body);
  Bytes message = signed_message(header_hash, body);
  const WipedBytes wiped_message(message);
  Value map{{"b", binary(body)}, {"s", binary(sign(device, kEnvelope, message))}};
  const WipedMap wiped_map(map);
  return encode_cbor(map);
}

bool in_bounds(const EnvelopeBody& body, std::size_t prekeys) {
  const auto plain = plain_size(body.size);
  return prekeys >= 1 && prekeys <= kMaxStanzas && plain && *plain >= kMinPlain &&
         body.time <= kMaxTime && !body.sender_card.empty() &&
         body.sender_card.size() <= kMaxCardSize;
}

/// The envelope key, when a stanza is for this prekey.
Result<std::optional<SymmetricKey>> unwrap_with(const Header& header, const SymmetricKey& shared,
                                                const PrekeyPublic& prekey) {
  const StanzaKeys keys = derive(shared, header, prekey);
  for (ByteView rest = header.stanzas; !rest.empty(); rest = rest.subspan(kStanzaSize)) {
    if (!equal_secret(rest.first(kStanzaTag), keys.tag)) continue;
    SymmetricKey key;
    const ByteView wrapped = rest.subspan(kStanzaTag, kStanzaSize - kStanzaTag);
    if (!aead_open(key.span(), keys.wrap, kOnlyNonce, {}, wrapped))
      return forged("stanza does not open");
    if (hash(kEnvelopeCommitment, {key.view()}) != header.commitment)
      return forged("envelope key does not fit its commitment");
    return std::optional<SymmetricKey>(std::move(key));
  }
  return std::optional<SymmetricKey>();
}

/// The envelope key from the stanza that is for one of our prekeys.
Result<SymmetricKey> unwrap(const Header& header, const std::vector<OwnPrekey>& prekeys,
                            std::optional<LastAgreement>* last) {
  const auto is_ours = [&prekeys](const PrekeyPublic& key) {
    return std::ranges::find(prekeys, key, &OwnPrekey::key) != prekeys.end();
  };
  if (last != nullptr && *last && (*last)->ephemeral == header.ephemeral &&
      is_ours((*last)->prekey)) {
    auto key = unwrap_with(header, (*last)->shared, (*last)->prekey);
    if (!key) return key.error();
    if (*key) return std::move(**key);
  }
  for (const OwnPrekey& prekey : prekeys) {
    auto shared = agree(prekey.secret, header.ephemeral);
    if (!shared) return shared.error().in("envelope");
    auto key = unwrap_with(header, *shared, prekey.key);
    if (!key) return key.error();
    if (!*key) continue;
    if (last != nullptr) *last = LastAgreement{header.ephemeral, prekey.key, std::move(*shared)};
    return std::move(**key);
  }
  return Error{Code::kUnknownPrekey, "envelope is for prekeys that this device does not hold"};
}

/// The signed body, opened: it holds the payload key.
Result<Bytes> open_body(const SymmetricKey& envelope_key, ByteView header_bytes,
                        ByteView sealed_body) {
  if (sealed_body.size() < kTagSize) return malformed("body too short");
  Bytes signed_body(sealed_body.size() - kTagSize);
  if (!aead_open(signed_body, envelope_key, kOnlyNonce, header_bytes, sealed_body))
    return forged("body does not open");
  return signed_body;
}

/// The body whose signature, by the device it names, fits.
Result<EnvelopeBody> verify_signature(ByteView signed_body, const Digest& header_hash) {
  auto map = decode_cbor(signed_body, "envelope body", kMaxEnvelope);
  if (!map) return map.error();
  const WipedMap wiped(*map);
  MapReader in(*map, "envelope body");
  Bytes bytes = in.bytes("b", 1, kMaxEnvelope);
  const WipedBytes wiped_bytes(bytes);
  const auto signature = in.fixed<Signature>("s");
  if (Status status = in.finish(); !status) return status.error();
  auto body = decode_body(bytes);
  if (!body) return body;
  Bytes message = signed_message(header_hash, bytes);
  const WipedBytes wiped_message(message);
  if (!verify(body->sender_device, kEnvelope, message, signature))
    return forged("signature does not fit");
  return body;
}

}  // namespace

std::string fit_text(std::string_view text, std::size_t max) {
  std::string out = has_controls(text) ? clean_line(text) : std::string(text);
  if (out.size() <= max) return out;
  std::size_t end = max;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0) == 0x80) --end;
  out.resize(end);
  return out;
}

Result<Bytes> seal_envelope(const EnvelopeBody& body, std::span<const PrekeyPublic> prekeys,
                            const Ephemeral& ephemeral, const SigningSecret& sender_device,
                            SymmetricKey* relay_key) {
  if (!in_bounds(body, prekeys.size())) return malformed("out of bounds");
  const SymmetricKey envelope_key = make_symmetric_key();
  Header header;
  header.commitment = hash(kEnvelopeCommitment, {envelope_key.view()});
  header.ephemeral = ephemeral.public_key();
  random_bytes(header.salt);
  if (Status status = make_stanzas(header, prekeys, ephemeral, envelope_key); !status)
    return status.error();
  const Bytes header_bytes = encode_header(header);

  Bytes signed_body = sign_body(body, hash(kHeaderHash, {header_bytes}), sender_device);
  const WipedBytes wiped(signed_body);
  Bytes sealed(signed_body.size() + kTagSize);
  aead_seal(sealed, envelope_key, kOnlyNonce, header_bytes, signed_body);
  Bytes envelope = encode_cbor(Value{{"b", binary(sealed)}, {"h", binary(header_bytes)}});
  if (envelope.size() > kMaxEnvelope) return malformed("too large");
  if (relay_key != nullptr) *relay_key = relay_key_of(envelope_key);
  return envelope;
}

std::vector<PrekeyPublic> prekeys_of(const Card& card) {
  std::vector<PrekeyPublic> out;
  for (const DeviceRecord* record : card.usable())
    if (!record->prekeys.empty()) out.push_back(record->prekeys.front().key);
  return out;
}

Result<const SymmetricKey*> Ephemeral::with(const PrekeyPublic& prekey) const {
  const auto known = std::ranges::find(agreed_, prekey, &std::pair<PrekeyPublic, SymmetricKey>::first);
  if (known != agreed_.end()) return &known->second;
  auto shared = agree(pair_.secret, prekey);
  if (!shared) return shared.error();
  if (agreed_.size() >= kMaxStanzas) agreed_.clear();
  agreed_.emplace_back(prekey, std::move(*shared));
  return &agreed_.back().second;
}

Result<OpenedEnvelope> open_envelope(ByteView envelope, const DeviceKeys& keys,
                                     std::optional<LastAgreement>* last) {
  const auto map = decode_cbor(envelope, "envelope", kMaxEnvelope);
  if (!map) return map.error();
  MapReader in(*map, "envelope");
  const Bytes sealed_body = in.bytes("b", kTagSize, kMaxEnvelope);
  const Bytes header_bytes = in.bytes("h", 1, kMaxCborSize);
  if (Status status = in.finish(); !status) return status.error();
  const auto header = decode_header(header_bytes);
  if (!header) return header.error();
  const auto envelope_key = unwrap(*header, keys.prekeys, last);
  if (!envelope_key) return envelope_key.error();
  auto signed_body = open_body(*envelope_key, header_bytes, sealed_body);
  if (!signed_body) return signed_body.error();
  const WipedBytes wiped(*signed_body);
  const Digest header_hash = hash(kHeaderHash, {header_bytes});
  auto opened = verify_signed_body(*signed_body, header_hash, keys.identity);
  if (!opened) return opened;
  opened->envelope_hash = hash_envelope(envelope);
  opened->relay_key = relay_key_of(*envelope_key);
  return opened;
}

Digest hash_envelope(ByteView envelope) { return hash(kEnvelope, {envelope}); }

Result<OpenedEnvelope> verify_signed_body(ByteView signed_body, const Digest& header_hash,
                                          const IdentityKey& recipient) {
  auto body = verify_signature(signed_body, header_hash);
  if (!body) return body.error();
  if (body->recipient != recipient) return forged("addressed to somebody else");
  auto card = decode_card(body->sender_card);
  if (!card) return card.error().in("envelope: sender's card");
  if (card->identity() != body->sender) return forged("card of somebody else than the sender");

  const std::vector<DeviceKey>& devices = card->roster.value.devices;
  const bool listed =
      std::find(devices.begin(), devices.end(), body->sender_device) != devices.end();
  const bool buried = card->tombstone_of(body->sender_device).has_value();
  if (!listed && !buried) return forged("sending device is not one of the sender's");
  return OpenedEnvelope{std::move(*body), std::move(*card), header_hash, Digest{},
                        to_bytes(signed_body), buried, SymmetricKey{}};
}

}  // namespace p2pmail::core
