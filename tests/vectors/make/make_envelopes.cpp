// Envelopes and receipts.
#include "core/envelope.h"
#include "core/letter.h"
#include "core/receipt.h"
#include "core/text.h"
#include "tests/vectors/make/make.h"

namespace p2pmail::vectors {
namespace {

using core::Context;
using core::EnvelopeBody;
using Edit = std::function<void(Value&)>;

constexpr std::array<std::uint8_t, core::kNonceSize> kZeroNonce{};

EnvelopeBody body_from(const core::test::Person& sender, const core::test::Person& recipient) {
  EnvelopeBody body;
  body.sender = sender.key();
  body.sender_device = sender.devices[0].device;
  body.recipient = recipient.key();
  body.root = filled<core::Root>(0x77);
  body.size = core::sealed_size(core::kMinPlain);
  body.time = core::test::kTestTime;
  body.subject = "Grüße";
  body.sender_card = core::encode_card(sender.card);
  body.payload_key = core::SymmetricKey(filled<core::Digest>(0x88));
  return body;
}

/// An envelope by hand, for one prekey; each step can be spoilt.
struct Maker {
  const World& world;
  Edit header;
  Edit body;
  bool long_header = false;
  bool long_body = false;
  bool long_outer = false;
  const core::SigningSecret* signer = nullptr;

  [[nodiscard]] Bytes make() const;

 private:
  [[nodiscard]] Value header_map(const core::SymmetricKey& envelope_key) const;
  [[nodiscard]] Value body_map() const;
};

Value Maker::header_map(const core::SymmetricKey& envelope_key) const {
  const auto ephemeral = core::make_agree_pair();
  const auto& prekey = world.bob.devices[0].prekeys[0];
  Bytes salt(16);
  core::random_bytes(salt);
  core::SecretBytes both(48);
  core::keyed_hash(both.span(), Context{"p2pmail/stanza"},
                   core::agree(ephemeral.secret, prekey.key)->view(),
                   {ephemeral.public_key, prekey.key, salt});
  Bytes stanzas(std::size_t{4} * 64);
  core::random_bytes(stanzas);
  std::copy_n(both.view().begin(), 16, stanzas.begin() + 64);  // the second of four
  core::aead_seal(core::ByteSpan(stanzas).subspan(64 + 16, 48),
                  core::SymmetricKey(both.view().subspan(16)), kZeroNonce, {}, envelope_key.view());
  const auto commitment = core::hash(Context{"p2pmail/envcmt"}, {envelope_key.view()});
  return Value{{"c", core::binary(commitment)},
               {"e", core::binary(ephemeral.public_key)},
               {"n", core::binary(salt)},
               {"s", core::binary(stanzas)},
               {"v", 1u}};
}

Value Maker::body_map() const {
  const EnvelopeBody said = body_from(world.alice, world.bob);
  const auto commitment = core::hash(Context{"p2pmail/paycmt"}, {said.payload_key.view()});
  return Value{{"c", core::binary(said.sender_card)},
               {"d", core::binary(said.sender_device)},
               {"f", core::binary(said.sender)},
               {"k", core::binary(said.payload_key.view())},
               {"m", core::binary(commitment)},
               {"r", core::binary(said.root)},
               {"s", said.subject},
               {"t", said.time},
               {"to", core::binary(said.recipient)},
               {"v", 1u},
               {"z", said.size}};
}

Bytes Maker::make() const {
  const auto envelope_key = core::make_symmetric_key();
  Value head = header_map(envelope_key);
  if (header) header(head);
  const Bytes head_bytes = long_header ? longer_version(head) : core::encode_cbor(head);
  Value inner = body_map();
  if (body) body(inner);
  Bytes inner_bytes = core::encode_cbor(inner);
  if (long_body) {  // 1 in two bytes, before "z"
    const auto at = place_of(Bytes{0x61, 'v', 1, 0x61, 'z'}, inner_bytes) + 2;
    inner_bytes.insert(inner_bytes.begin() + static_cast<std::ptrdiff_t>(at), 0x18);
  }
  const auto head_hash = core::hash(Context{"p2pmail/envhead"}, {head_bytes});
  Bytes message = core::to_bytes(head_hash);
  core::append(message, inner_bytes);
  const auto& secret = signer != nullptr ? *signer : world.alice.devices[0].signing;
  const auto signature = core::sign(secret, Context{"p2pmail/envelope"}, message);
  const Bytes plain =
      core::encode_cbor(Value{{"b", core::binary(inner_bytes)}, {"s", core::binary(signature)}});
  Bytes sealed(plain.size() + core::kTagSize);
  core::aead_seal(sealed, envelope_key, kZeroNonce, head_bytes, plain);
  Bytes out =
      core::encode_cbor(Value{{"b", core::binary(sealed)}, {"h", core::binary(head_bytes)}});
  if (long_outer) out.insert(out.begin() + 3, {0x5a, 0, 0}), out.erase(out.begin() + 6);
  return out;
}

void opened_case(const Kit& kit, const std::string& name, std::string_view comment,
                 const EnvelopeBody& body, std::span<const core::PrekeyPublic> prekeys,
                 const core::SigningSecret& sender, const std::vector<Bytes>& secrets,
                 bool buried = false) {
  Case out = kit.add("envelope", name, "ok", comment);
  const core::Ephemeral ephemeral = core::make_agree_pair();
  const Bytes bytes = *core::seal_envelope(body, prekeys, ephemeral, sender);
  const auto map = core::decode_cbor(bytes, "envelope", core::kMaxEnvelope);
  const auto& header = map->at("h").get_binary();
  out.hex("bytes", bytes).hex("recipient", body.recipient);
  for (const Bytes& secret : secrets) out.hex("prekey-secret", secret);
  out.hex("sender", body.sender)
      .hex("device", body.sender_device)
      .hex("card", body.sender_card)
      .hex("payload-key", body.payload_key.view())
      .hex("root", body.root)
      .number("size", body.size)
      .number("time", body.time)
      .text("subject", body.subject)
      .number("buried", buried ? 1 : 0)
      .hex("header-hash",
           core::hash(Context{"p2pmail/envhead"}, {Bytes(header.begin(), header.end())}))
      .hex("envelope-hash", core::hash_envelope(bytes));
}

void make_opened(const Kit& kit, const World& world) {
  const auto secret = [&](std::size_t device) {
    return core::to_bytes(world.bob.devices[device].prekeys[0].secret.view());
  };
  const auto prekeys = core::prekeys_of(world.bob.card);
  const EnvelopeBody body = body_from(world.alice, world.bob);
  const auto& signer = world.alice.devices[0].signing;
  opened_case(kit, "first-device", "For two devices, opened by the first.", body, prekeys, signer,
              {secret(0)});
  opened_case(kit, "second-device", "For two devices, opened by the second.", body, prekeys, signer,
              {secret(1)});
  opened_case(kit, "older-prekey", "The second of the prekeys that are held fits.", body,
              {&prekeys[0], 1}, signer,
              {core::to_bytes(filled<core::Digest>(0x42)), secret(0), secret(1)});
  std::vector<core::PrekeyPublic> many(4, filled<core::PrekeyPublic>(9));
  many.push_back(world.bob.devices[0].prekeys[0].key);
  opened_case(kit, "eight-stanzas", "Five prekeys, hence eight stanzas.", body, many, signer,
              {secret(0)});
  EnvelopeBody buried = body_from(world.carol, world.bob);
  buried.sender_device = world.carol.devices[1].device;
  opened_case(kit, "retired-device", "The sending device has a tombstone: reported, not refused.",
              buried, prekeys, world.carol.devices[1].signing, {secret(0)}, true);
  EnvelopeBody largest = body_from(world.alice, world.bob);
  largest.size = core::kMaxLetterSize;
  largest.subject = std::string(256, 's');
  largest.time = core::kMaxTime;
  opened_case(kit, "largest", "Size, subject and time at their bounds.", largest, prekeys, signer,
              {secret(0)});
}

class Refusals {
 public:
  Refusals(const Kit& kit, const World& world) : kit_(kit), world_(world) {}
  void add(const std::string& name, std::string_view expect, std::string_view comment,
           const std::function<void(Maker&)>& spoil) const {
    Maker maker{world_, {}, {}};
    Case out = kit_.add("envelope", name, expect, comment);
    spoil(maker);
    out.hex("bytes", maker.make())
        .hex("recipient", world_.bob.key())
        .hex("prekey-secret", world_.bob.devices[0].prekeys[0].secret.view());
  }
  void header(const std::string& name, std::string_view expect, std::string_view comment,
              const Edit& edit) const {
    add(name, expect, comment, [&](Maker& maker) { maker.header = edit; });
  }
  void body(const std::string& name, std::string_view expect, std::string_view comment,
            const Edit& edit) const {
    add(name, expect, comment, [&](Maker& maker) { maker.body = edit; });
  }

 private:
  const Kit& kit_;
  const World& world_;
};

/// A byte string of the header, cut or filled to `size`.
Edit resized(const char* key, std::size_t size) {
  return [key, size](Value& map) { map[key].get_binary().resize(size, 0x5a); };
}

void refuse_headers(const Refusals& refuse) {
  refuse.header("suite-2", "unsupported", "Another suite, with a field that nobody knows.",
                [](Value& map) { map["v"] = 2u, map["zz"] = 1u; });
  refuse.header("suite-0", "malformed", "Suite 0.", [](Value& map) { map["v"] = 0u; });
  refuse.header("no-suite", "malformed", "No suite.", [](Value& map) { map.erase("v"); });
  refuse.header("zero-ephemeral", "forged", "An ephemeral key that gives a shared secret of zero.",
                [](Value& map) { map["e"] = core::binary(Bytes(32)); });
  refuse.header("small-order", "forged", "Another key of small order.", [](Value& map) {
    Bytes one(32);
    one[0] = 1;
    map["e"] = core::binary(one);
  });
  refuse.header("commitment", "forged", "A commitment to another envelope key.",
                [](Value& map) { map["c"] = core::binary(Bytes(32, 1)); });
  refuse.header("stanzas-3", "malformed", "Three stanzas.", resized("s", 3 * 64));
  refuse.header("stanzas-12", "malformed", "Twelve stanzas: no power of two.",
                resized("s", 12 * 64));
  refuse.header("stanzas-128", "malformed", "Too many stanzas.", resized("s", 128 * 64));
  refuse.header("stanza-cut", "malformed", "Stanzas of 255 bytes.", resized("s", 255));
  refuse.header("salt-15", "malformed", "A salt of 15 bytes.", resized("n", 15));
  refuse.header("unknown-field", "malformed", "An unknown field.",
                [](Value& map) { map["z"] = 1u; });
  refuse.add("header-not-canonical", "malformed", "The suite is written too long.",
             [](Maker& maker) { maker.long_header = true; });
  refuse.add("outer-not-canonical", "malformed", "The length of the sealed body takes four bytes.",
             [](Maker& maker) { maker.long_outer = true; });
}

void refuse_bodies(const Refusals& refuse, const World& world) {
  const auto set = [](const char* key, Value value) {
    return [key, value](Value& map) { map[key] = value; };
  };
  refuse.body("wrong-recipient", "forged", "Addressed to somebody else, who passes it on.",
              set("to", core::binary(world.carol.key())));
  refuse.body("payload-commitment", "forged", "A commitment to another payload key.",
              set("m", core::binary(Bytes(32, 1))));
  refuse.body("other-card", "forged", "The card of somebody else.",
              set("c", core::binary(core::encode_card(world.carol.card))));
  refuse.body("card-not-cbor", "malformed", "A card that is none.",
              set("c", core::binary(Bytes(10, 0xff))));
  refuse.add("unlisted-device", "forged", "A device that the sender's roster does not name.",
             [&](Maker& maker) {
               maker.body = set("d", core::binary(world.bob.devices[0].device));
               maker.signer = &world.bob.devices[0].signing;
             });
  refuse.add("signature", "forged", "Signed by another device than it says.",
             [&](Maker& maker) { maker.signer = &world.bob.devices[0].signing; });
  refuse.body("body-version-2", "unsupported", "A newer version of the body.", set("v", 2u));
  refuse.add("body-not-canonical", "malformed", "The body's version is written too long.",
             [](Maker& maker) { maker.long_body = true; });
  refuse.body("body-unknown-field", "malformed", "An unknown field.", set("zz", 1u));
  refuse.body("subject-257", "malformed", "A subject of 257 bytes.",
              set("s", std::string(257, 's')));
  refuse.body("subject-control", "malformed", "A subject with an escape.", set("s", "a\x1b[2J"));
  refuse.body("size-4111", "malformed", "A size below the smallest letter's.", set("z", 4111u));
  refuse.body("size-none", "malformed", "A size that no letter has.", set("z", 65537u));
  refuse.body("size-large", "malformed", "More than 16 TiB.", set("z", (1ull << 44) + 65536));
  refuse.body("time", "malformed", "A second after the year 9999.", set("t", 253402300800));
}

void change_bytes(const Kit& kit, const World& world) {
  // The case that the program sealed, again, to know where its parts are.
  reseed("envelope/first-device");
  const core::Ephemeral ephemeral = core::make_agree_pair();
  const Bytes bytes =
      *core::seal_envelope(body_from(world.alice, world.bob), core::prekeys_of(world.bob.card),
                           ephemeral, world.alice.devices[0].signing);
  const auto map = core::decode_cbor(bytes, "envelope", core::kMaxEnvelope);
  const auto& raw = map->at("h").get_binary();
  const Bytes header(raw.begin(), raw.end());
  const auto fields = core::decode_cbor(header, "header");
  const std::size_t at = place_of(header, bytes);
  const auto field = [&](const char* key) {
    const auto& value = fields->at(key).get_binary();
    return at + place_of(Bytes(value.begin(), value.end()), header);
  };
  const auto change = [&](const std::string& name, std::string_view expect,
                          std::string_view comment, std::size_t offset) {
    kit.change("envelope", name, "first-device", expect, comment, flip("bytes", bytes, offset));
  };
  // Whose stanza is whose only the keys tell.
  core::SecretBytes both(48);
  const auto& prekey = world.bob.devices[0].prekeys[0];
  const auto& salt = fields->at("n").get_binary();
  core::keyed_hash(both.span(), Context{"p2pmail/stanza"},
                   core::agree(prekey.secret, ephemeral.public_key())->view(),
                   {ephemeral.public_key(), prekey.key, Bytes(salt.begin(), salt.end())});
  const std::size_t stanzas = field("s");
  const std::size_t ours = place_of(both.view().first(16), bytes);
  const std::size_t other = stanzas + (ours == stanzas ? 64 : 0);
  change("flipped-body", "forged", "One bit of the sealed body.", 10);
  change("flipped-commitment", "forged", "One bit of the commitment.", field("c"));
  change("flipped-salt", "unknown-prekey", "One bit of the salt: no stanza has our tag any more.",
         field("n"));
  change("flipped-tag", "unknown-prekey", "One bit of our stanza's tag.", ours);
  change("flipped-stanza", "forged", "One bit of our stanza's wrapped key.", ours + 20);
  change("flipped-other-stanza", "forged",
         "One bit of a stanza that is not ours: the header is associated data.", other);
  kit.change("envelope", "cut", "first-device", "malformed", "One byte less.",
             "cut: bytes " + std::to_string(bytes.size() - 1));
  kit.change("envelope", "added", "first-device", "malformed", "One byte more.", "add: bytes 00");
  kit.add("envelope", "unknown-prekey", "unknown-prekey", "No prekey that is held fits.")
      .text("base", "first-device.txt")
      .hex("prekey-secret", filled<core::Digest>(0x42))
      .hex("prekey-secret", filled<core::Digest>(0x43));
  kit.add("envelope", "no-prekeys", "unknown-prekey", "A device that is not among the recipients'.")
      .text("base", "first-device.txt")
      .hex("prekey-secret", world.carol.devices[0].prekeys[0].secret.view());
  Bytes large = core::encode_cbor(
      Value{{"b", core::binary(Bytes(core::kMaxEnvelope, 1))}, {"h", core::binary(header)}});
  kit.add("envelope", "too-large", "malformed", "More than 128 KiB.")
      .hex("bytes", large)
      .hex("recipient", world.bob.key())
      .hex("prekey-secret", prekey.secret.view());
}

}  // namespace

void make_envelopes(const Kit& kit) {
  const World world;
  make_opened(kit, world);
  const Refusals refuse(kit, world);
  refuse_headers(refuse);
  refuse_bodies(refuse, world);
  change_bytes(kit, world);
}

void make_receipts(const Kit& kit) {
  reseed("receipt");
  const auto device = core::make_signing_pair();
  core::Receipt receipt;
  receipt.sender = filled<core::IdentityKey>(0x11);
  receipt.recipient = filled<core::IdentityKey>(0x22);
  receipt.device.bytes = device.public_key;
  receipt.root = filled<core::Root>(0x77);
  receipt.envelope = filled<core::Digest>(0x33);
  receipt.time = core::test::kTestTime;
  const Bytes bytes = core::sign_receipt(receipt, device.secret);
  const auto good = [&](const std::string& name, std::string_view comment) {
    kit.add("receipt", name, "ok", comment)
        .hex("bytes", core::sign_receipt(receipt, device.secret))
        .hex("signing-secret", device.secret.view())
        .hex("sender", receipt.sender)
        .hex("recipient", receipt.recipient)
        .hex("device", receipt.device)
        .hex("root", receipt.root)
        .hex("envelope", receipt.envelope)
        .number("outcome", 0)
        .number("time", receipt.time);
  };
  good("stored", "A letter was stored.");
  const Value body = body_of(bytes);
  constexpr Context kReceipt{"p2pmail/receipt"};
  const auto edited = [&](const std::string& name, std::string_view expect,
                          std::string_view comment, const Edit& edit) {
    Value map = body;
    edit(map);
    kit.add("receipt", name, expect, comment)
        .hex("bytes", signed_structure(core::encode_cbor(map), kReceipt, device.secret));
  };
  kit.change("receipt", "signature", "stored", "forged", "One bit of the signature.",
             flip("bytes", bytes, bytes.size() - 1));
  kit.change("receipt", "root", "stored", "forged", "One bit of the root.",
             flip("bytes", bytes, place_of(receipt.root, bytes)));
  kit.change("receipt", "cut", "stored", "malformed", "One byte less.",
             "cut: bytes " + std::to_string(bytes.size() - 1));
  kit.add("receipt", "other-context", "forged", "Signed as an envelope is.")
      .hex("bytes",
           signed_structure(core::encode_cbor(body), Context{"p2pmail/envelope"}, device.secret));
  kit.add("receipt", "not-canonical", "malformed", "The version is written too long.")
      .hex("bytes", signed_structure(longer_version(body), kReceipt, device.secret));
  edited("version-3", "unsupported", "A newer version.", [](Value& map) { map["v"] = 3u; });
  receipt.others = {{filled<core::Root>(0x78), filled<core::Digest>(0x34)},
                    {filled<core::Root>(0x79), filled<core::Digest>(0x35)}};
  good("many", "Three letters were stored.");
  edited("many-none", "malformed", "For many letters, but without others.",
         [](Value& map) { map["v"] = 2u; });
  edited("many-cut", "malformed", "Half of another letter.", [](Value& map) {
    map["v"] = 2u;
    map["l"] = core::binary(Bytes(96));
  });
  edited("outcome-1", "malformed", "An outcome that does not exist.",
         [](Value& map) { map["o"] = 1u; });
  edited("unknown-field", "malformed", "An unknown field.", [](Value& map) { map["z"] = 1u; });
  edited("no-recipient", "malformed", "A field is missing.", [](Value& map) { map.erase("to"); });
}

}  // namespace p2pmail::vectors
