// Capsules, sealed files and queue entries.
#include "core/capsule.h"
#include "core/letter.h"
#include "core/sealed_file.h"
#include "core/text.h"
#include "tests/vectors/make/make.h"

namespace p2pmail::vectors {
namespace {

using core::Context;
using core::Verdict;
using Edit = std::function<void(Value&)>;

constexpr std::array<std::uint8_t, core::kNonceSize> kZeroNonce{};
constexpr Context kVerdict{"p2pmail/verdict"};

/// A letter from Alice to Bob, its envelope opened.
struct Received {
  Bytes message;
  Bytes stream;
  core::LetterSealer::Sealed sealed;
  core::SymmetricKey payload_key;
  core::OpenedEnvelope opened;
};

Received receive(const World& world, const core::test::Person& sender) {
  Received out;
  out.payload_key = core::make_symmetric_key();
  out.message = core::to_bytes(
      core::bytes_of("From: a@b\r\nSubject: Lunch\r\nMIME-Version: 1.0\r\n\r\nAt noon?\r\n"));
  core::Preamble preamble;
  core::random_bytes(preamble.id);
  preamble.time = core::test::kTestTime;
  core::LetterSealer sealer(out.payload_key, preamble, [&](ByteView bytes) -> core::Status {
    core::append(out.stream, bytes);
    return {};
  });
  core::check(sealer.write(out.message).has_value());
  out.sealed = *sealer.finish();
  core::EnvelopeBody body;
  body.sender = sender.key();
  body.sender_device = sender.devices[0].device;
  body.recipient = world.bob.key();
  body.root = out.sealed.root;
  body.size = out.sealed.size;
  body.time = core::test::kTestTime;
  body.subject = "Lunch";
  body.sender_card = core::encode_card(sender.card);
  body.payload_key = out.payload_key.clone();
  const auto envelope = core::seal_envelope(body, core::prekeys_of(world.bob.card),
                                            core::make_agree_pair(), sender.devices[0].signing);
  auto opened = core::open_envelope(*envelope, world.bob.devices[0]);
  core::check(opened.has_value());
  out.opened = std::move(*opened);
  return out;
}

core::Capsule capsule_of(const World& world, const Received& received, Verdict verdict) {
  core::Capsule capsule;
  capsule.root = received.sealed.root;
  capsule.size = received.sealed.size;
  capsule.payload_key = received.payload_key.clone();
  capsule.sender = received.opened.body.sender;
  capsule.id = core::message_id(capsule.payload_key, capsule.sender, capsule.root);
  capsule.signed_body = received.opened.signed_body;
  capsule.header_hash = received.opened.header_hash;
  capsule.subject = "Lunch";
  capsule.folder = "INBOX";
  capsule.verdict = verdict;
  capsule.time = core::test::kTestTime + 5;
  capsule.device = world.bob.devices[0].device;
  return capsule;
}

/// The map without its signature, as the page describes it.
Value map_of(const core::Capsule& capsule) {
  Bytes size(8);
  core::put_be(size.data(), capsule.size);
  return Value{{"b", core::binary(capsule.signed_body)},
               {"d", core::binary(capsule.device)},
               {"f", capsule.folder},
               {"h", core::binary(capsule.header_hash)},
               {"i", core::binary(capsule.id)},
               {"k", core::binary(capsule.payload_key.view())},
               {"n", core::binary(capsule.sender)},
               {"r", core::binary(capsule.root)},
               {"su", capsule.subject},
               {"t", capsule.time},
               {"v", static_cast<std::uint64_t>(capsule.verdict)},
               {"x", Value::array()},
               {"y", 1u},
               {"z", core::binary(size)}};
}

Bytes seal_plain(ByteView plain, const World& world) {
  const auto ephemeral = core::make_agree_pair();
  core::SymmetricKey key;
  core::keyed_hash(key.span(), Context{"p2pmail/capsule"},
                   core::agree(ephemeral.secret, world.store.public_key)->view(),
                   {ephemeral.public_key, world.store.public_key});
  Bytes sealed(32 + plain.size() + core::kTagSize);
  std::ranges::copy(ephemeral.public_key, sealed.begin());
  core::aead_seal(core::ByteSpan(sealed).subspan(32), key, kZeroNonce, {}, plain);
  return sealed;
}

Bytes sign_and_seal(Value map, const World& world, const core::SigningSecret& device) {
  const auto digest = core::hash(kVerdict, {core::encode_cbor(map)});
  map["s"] = core::binary(core::sign(device, kVerdict, digest));
  return seal_plain(core::encode_cbor(map), world);
}

class Capsules {
 public:
  Capsules(const Kit& kit, const World& world) : kit_(kit), world_(world) {}

  void good(const std::string& name, std::string_view comment, const core::Capsule& capsule) const {
    Case out = kit_.add("capsule", name, "ok", comment);
    core::StoreKey store;
    store.bytes = world_.store.public_key;
    inputs(out, *core::seal_capsule(capsule, store, world_.bob.devices[0]), capsule.size);
    out.hex("id", capsule.id)
        .hex("root", capsule.root)
        .hex("sender", capsule.sender)
        .hex("payload-key", capsule.payload_key.view())
        .hex("header-hash", capsule.header_hash)
        .number("verdict", static_cast<std::uint64_t>(capsule.verdict))
        .text("subject", capsule.subject)
        .text("folder", capsule.folder)
        .number("time", capsule.time)
        .hex("device", capsule.device);
    for (const auto& one : capsule.bcc) out.hex("bcc", one);
  }
  void edited(const std::string& name, std::string_view expect, std::string_view comment,
              const core::Capsule& capsule, const Edit& edit,
              const core::SigningSecret* device = nullptr) const {
    Case out = kit_.add("capsule", name, expect, comment);
    Value map = map_of(capsule);
    edit(map);
    const auto& secret = device != nullptr ? *device : world_.bob.devices[0].signing;
    inputs(out, sign_and_seal(map, world_, secret), capsule.size);
  }
  void raw(const std::string& name, std::string_view expect, std::string_view comment,
           const Bytes& sealed, std::uint64_t size) const {
    Case out = kit_.add("capsule", name, expect, comment);
    inputs(out, sealed, size);
  }

 private:
  void inputs(Case& out, const Bytes& sealed, std::uint64_t size) const {
    out.hex("bytes", sealed)
        .hex("store-secret", world_.store.secret.view())
        .hex("own-card", core::encode_card(world_.bob.card))
        .number("stream-size", size);
  }
  const Kit& kit_;
  const World& world_;
};

void make_capsules(const Kit& kit, const World& world) {
  const Capsules capsules(kit, world);
  reseed("capsule");
  const Received received = receive(world, world.alice);
  const Received self = receive(world, world.bob);
  const core::Capsule peer = capsule_of(world, received, Verdict::kPeer);
  const core::Capsule own = capsule_of(world, self, Verdict::kSelf);
  core::Capsule sent = capsule_of(world, self, Verdict::kSent);
  sent.signed_body.clear();
  sent.header_hash = {};
  sent.folder.clear();
  sent.bcc = {world.carol.key(), world.alice.key()};
  capsules.good("peer", "Mail of a peer.", peer);
  capsules.good("self", "Mail to oneself.", own);
  capsules.good("sent", "One's own copy, with two Bcc recipients.", sent);

  const auto set = [](const char* key, Value value) {
    return [key, value](Value& map) { map[key] = value; };
  };
  const auto& stranger = world.alice.devices[0];
  capsules.edited("other-device", "forged", "Stored by a device that is not ours.", peer,
                  set("d", core::binary(stranger.device)), &stranger.signing);
  capsules.edited(
      "signature", "forged", "Signed by another device than it says.", peer, [](Value&) {},
      &stranger.signing);
  capsules.edited("id", "forged", "Another id.", peer, set("i", core::binary(Bytes(20, 1))));
  capsules.edited("root", "forged", "A root that the sender did not sign, and its id.", peer,
                  [&](Value& map) {
                    const auto root = filled<core::Root>(1);
                    map["r"] = core::binary(root);
                    map["i"] = core::binary(core::message_id(peer.payload_key, peer.sender, root));
                  });
  capsules.edited(
      "sender", "forged", "A sender who did not sign, and the id.", peer, [&](Value& map) {
        map["n"] = core::binary(world.carol.key());
        map["i"] = core::binary(core::message_id(peer.payload_key, world.carol.key(), peer.root));
      });
  capsules.edited("header-hash", "forged", "The hash of another header.", peer,
                  set("h", core::binary(Bytes(32, 1))));
  capsules.edited("body-not-cbor", "forged", "A body that is none: forged, not malformed.", peer,
                  set("b", core::binary(Bytes(5, 0xff))));
  capsules.edited("no-body", "forged", "Received mail without a proof.", peer,
                  set("b", core::binary(Bytes())));
  capsules.edited("not-self", "forged", "Somebody else's mail as one's own.", peer, set("v", 5u));
  capsules.edited("not-sent", "forged", "Somebody else's mail as one that was sent.", peer,
                  [](Value& map) { map["v"] = 0u, map["b"] = core::binary(Bytes()); });
  capsules.edited("sent-with-body", "forged", "Sent mail with a proof.", own, set("v", 0u));
  capsules.edited("version-2", "unsupported", "A newer version.", peer, set("y", 2u));
  capsules.edited("version-0", "malformed", "Version 0.", peer, set("y", 0u));
  capsules.edited("verdict-6", "malformed", "An unknown verdict.", peer, set("v", 6u));
  capsules.edited("size-number", "malformed", "A size that is a number.", peer,
                  set("z", peer.size));
  capsules.edited("size-large", "malformed", "A size above 16 TiB.", peer,
                  set("z", core::binary(Bytes{0, 0, 0x10, 0, 0, 0, 0, 1})));
  capsules.edited("unknown-field", "malformed", "An unknown field.", peer, set("zz", 1u));
  capsules.edited("folder-65", "malformed", "A folder of 65 bytes.", peer,
                  set("f", std::string(65, 'f')));
  capsules.edited("bcc-short", "malformed", "A Bcc recipient of 31 bytes.", peer,
                  set("x", Value::array({core::binary(Bytes(31))})));
  reseed("capsule/peer");
  core::StoreKey store;
  store.bytes = world.store.public_key;
  const Bytes bytes = *core::seal_capsule(peer, store, world.bob.devices[0]);
  kit.change("capsule", "flipped", "peer", "forged", "One bit of the ciphertext.",
             flip("bytes", bytes, 40));
  kit.change("capsule", "zero-ephemeral", "peer", "forged", "A shared secret of zero.",
             "put: bytes 0 00*32");
  kit.change("capsule", "short", "peer", "malformed", "47 bytes.", "cut: bytes 47");
  kit.add("capsule", "stream-size", "forged", "The stream in the file has another size.")
      .text("base", "peer.txt")
      .number("stream-size", peer.size + 65536);
  kit.add("capsule", "other-store", "forged", "Another store's key.")
      .text("base", "peer.txt")
      .hex("store-secret", filled<core::Digest>(0x42));
  kit.add("capsule", "other-card", "forged", "Another store's card.")
      .text("base", "peer.txt")
      .hex("own-card", core::encode_card(world.carol.card));
  Value map = map_of(peer);
  map["s"] = core::binary(Bytes(64));
  Bytes raw = core::encode_cbor(map);
  const auto at = place_of(Bytes{0x61, 'y', 1, 0x61, 'z'}, raw) + 2;
  raw.insert(raw.begin() + static_cast<std::ptrdiff_t>(at), 0x18);
  capsules.raw("not-canonical", "malformed", "The version is written too long.",
               seal_plain(raw, world), peer.size);
}

/// Magic, version, sizes, capsule, stream.
Bytes region_of(const Bytes& capsule, const Bytes& stream, std::uint32_t version = 1) {
  Bytes out = core::to_bytes(core::bytes_of(core::kMagic));
  out.resize(32);
  core::put_be(out.data() + 16, version);
  core::put_be(out.data() + 20, static_cast<std::uint32_t>(capsule.size()));
  core::put_be(out.data() + 24, static_cast<std::uint64_t>(stream.size()));
  core::append(out, capsule);
  core::append(out, stream);
  return out;
}

Bytes with(std::string_view before, const Bytes& region, std::string_view after) {
  Bytes out = core::to_bytes(core::bytes_of(before));
  core::append(out, region);
  core::append(out, core::bytes_of(after));
  return out;
}

class Files {
 public:
  Files(const Kit& kit, const World& world) : kit_(kit), world_(world) {
    reseed("sealed-file");
    received_ = receive(world, world.alice);
    capsule_ = capsule_of(world, received_, Verdict::kPeer);
    sealed_ =
        *core::seal_capsule(capsule_, core::StoreKey{world.store.public_key}, world.bob.devices[0]);
    region_ = region_of(sealed_, received_.stream);
  }
  [[nodiscard]] const Bytes& region() const { return region_; }
  [[nodiscard]] const Bytes& capsule() const { return sealed_; }
  [[nodiscard]] const Bytes& stream() const { return received_.stream; }
  [[nodiscard]] std::string prefix() const {
    core::OuterHeader outer;
    outer.id = capsule_.id;
    outer.fields.from = {{"", "a@b"}};
    outer.authentication = "p2pmail.alt; p2pmail=pass";
    reseed("sealed-file/boundary");
    return core::sealed_prefix(outer);
  }
  void add(const std::string& name, std::string_view expect, std::string_view comment,
           const Bytes& file) const {
    Case out = kit_.add("sealed-file", name, expect, comment);
    out.hex("bytes", file)
        .hex("store-secret", world_.store.secret.view())
        .hex("own-card", core::encode_card(world_.bob.card));
    if (expect != "ok") return;
    out.hex("id", capsule_.id)
        .hex("root", capsule_.root)
        .hex("sender", capsule_.sender)
        .number("verdict", static_cast<std::uint64_t>(capsule_.verdict))
        .text("subject", capsule_.subject)
        .hex("message", received_.message);
  }

 private:
  const Kit& kit_;
  const World& world_;
  Received received_;
  core::Capsule capsule_;
  Bytes sealed_;
  Bytes region_;
};

void make_files(const Kit& kit, const World& world) {
  const Files files(kit, world);
  const std::string prefix = files.prefix();
  const Bytes whole = with(prefix, files.region(), "\n--end--\n");
  files.add("whole", "ok", "A file of a Maildir.", whole);
  files.add("bare", "ok", "The region alone, as a decrypt hook gets it.", files.region());
  files.add("cr-lf", "ok", "Its header was rewritten with CR LF.",
            with("Subject: x\r\n\r\n", files.region(), ""));
  const std::string decoy = "Subject: " + std::string(core::kMagic) + "\n\n";
  files.add("decoy", "ok", "The magic in a header does not count.",
            with(decoy, files.region(), ""));
  files.add("no-empty-line", "malformed", "No empty line in front of the region.",
            with("Subject: x\n", files.region(), ""));
  files.add("late", "malformed", "A region after 64 KiB.",
            with(std::string(65535, 'x') + "\n\n", files.region(), ""));
  files.add("version-3", "unsupported", "A newer version.",
            region_of(files.capsule(), files.stream(), 3));
  files.add("no-capsule", "malformed", "A capsule of no bytes.", region_of({}, files.stream()));
  files.add("no-region", "malformed", "Somebody else's mail.",
            core::to_bytes(core::bytes_of("Subject: x\n\ny\n")));
  kit.change("sealed-file", "stream-flipped", "bare", "forged",
             "One bit of the stream: the root tells.",
             flip("bytes", files.region(), files.region().size() - 100));
  kit.change("sealed-file", "capsule-flipped", "bare", "forged", "One bit of the capsule.",
             flip("bytes", files.region(), 100));
  kit.change("sealed-file", "cut", "bare", "malformed", "One byte less.",
             "cut: bytes " + std::to_string(files.region().size() - 1));
  kit.change("sealed-file", "cut-head", "bare", "malformed", "Half of the head.", "cut: bytes 24");
  kit.change("sealed-file", "shorter-stream", "bare", "forged",
             "A smaller stream than the capsule says.", "put: bytes 24 0000000000000fff");
}

}  // namespace

void make_stored(const Kit& kit) {
  const World world;
  make_capsules(kit, world);
  make_files(kit, world);
}

void make_queue(const Kit& kit) {
  constexpr const char* kName = "00112233445566778899aabbccddeeff.1.entry";
  const auto key = core::SymmetricKey(filled<core::Digest>(0x51));
  const Value good{{"i", core::binary(Bytes(20, 1))},
                   {"k", core::binary(Bytes(32, 2))},
                   {"l", true},
                   {"m", 2048u},
                   {"q", core::binary(Bytes(32, 3))},
                   {"r", core::binary(Bytes(32, 4))},
                   {"s", "Grüße"},
                   {"t", core::test::kTestTime},
                   {"z", 2162688u}};
  const auto sealed = [&](const Value& inner, const std::string& name, std::uint64_t version) {
    const Bytes associated = core::to_bytes(core::bytes_of("p2pmail/queue" + name));
    const Bytes box = core::box_seal(key, associated, core::encode_cbor(inner));
    return core::encode_cbor(Value{{"b", core::binary(box)}, {"v", version}});
  };
  const auto add = [&](const std::string& name, std::string_view expect, std::string_view comment,
                       const Value& inner, const std::string& sealed_as, std::uint64_t version) {
    Case out = kit.add("queue-entry", name, expect, comment);
    out.text("name", kName)
        .hex("queue-key", key.view())
        .hex("bytes", sealed(inner, sealed_as, version));
    if (expect != "ok") return;
    out.hex("id", Bytes(20, 1))
        .hex("payload-key", Bytes(32, 2))
        .number("leaves", 1)
        .number("offset", 2048)
        .hex("recipient", Bytes(32, 3))
        .hex("root", Bytes(32, 4))
        .text("subject", "Grüße")
        .number("time", core::test::kTestTime)
        .number("size", 2162688)
        .number("notify", inner.contains("n") ? 1 : 0);
  };
  add("good", "ok", "An entry of a letter of three blocks.", good, kName, 1);
  add("other-name", "forged", "Moved to another name.", good,
      "00112233445566778899aabbccddeeff.2.entry", 1);
  add("version-2", "unsupported", "A newer version.", good, kName, 2);
  Value unknown = good;
  unknown["zz"] = 1u;
  add("unknown-field", "malformed", "An unknown field.", unknown, kName, 1);
  Value wanted = good;
  wanted["n"] = true;
  add("notify", "ok", "A notice of the delivery is wanted.", wanted, kName, 1);
  wanted["n"] = false;
  add("notify-false", "malformed", "No wish is written by leaving the field out.", wanted, kName, 1);
  kit.change("queue-entry", "flipped", "good", "forged", "One byte of the box.",
             "put: bytes 40 00ff");
}

}  // namespace p2pmail::vectors
