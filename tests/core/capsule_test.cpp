// Capsules: what our device stored opens with the store key and proves its sender; what anybody
// else wrote for the store's public key proves nothing.
#include "core/capsule.h"

#include <gtest/gtest.h>

#include "core/cbor.h"
#include "core/letter.h"
#include "core/text.h"
#include "tests/core/people.h"

namespace p2pmail::core {
namespace {

using test::kTestTime;
using test::Person;

struct CapsuleTest : testing::Test {
  Person alice;
  Person bob{2};
  AgreePair store_pair = make_agree_pair();
  StoreKey store{store_pair.public_key};

  /// As Bob's device would keep a letter that Alice sent.
  Capsule received(const Person& from, const Person& to) {
    EnvelopeBody body;
    body.sender = from.key();
    body.sender_device = from.devices[0].device;
    body.recipient = to.key();
    random_bytes(body.root.bytes);
    body.size = sealed_size(8192);
    body.time = kTestTime;
    body.sender_card = encode_card(from.card);
    body.payload_key = make_symmetric_key();
    const auto envelope = seal_envelope(body, prekeys_of(to.card), make_agree_pair(),
                                        from.devices[0].signing);
    auto opened = open_envelope(*envelope, to.devices[0]);
    Capsule capsule = sent(from, std::move(body.payload_key), body.root);
    capsule.signed_body = std::move(opened->signed_body);
    capsule.header_hash = opened->header_hash;
    capsule.verdict = Verdict::kPeer;
    capsule.bcc.clear();
    return capsule;
  }
  static Capsule sent(const Person& from, SymmetricKey key, const Root& root) {
    Capsule capsule;
    capsule.payload_key = std::move(key);
    capsule.root = root;
    capsule.sender = from.key();
    capsule.id = message_id(capsule.payload_key, capsule.sender, root);
    capsule.size = sealed_size(8192);
    capsule.time = kTestTime;
    capsule.subject = "Grüße";
    capsule.folder = "lists";
    capsule.bcc = {from.key(), IdentityKey{}};
    return capsule;
  }
  static Capsule sent(const Person& from) { return sent(from, make_symmetric_key(), Root{}); }

  Bytes must_seal(const Capsule& capsule, const DeviceKeys& device) {
    auto sealed = seal_capsule(capsule, store, device);
    EXPECT_TRUE(sealed);
    return sealed ? *sealed : Bytes{};
  }
  Result<Capsule> open(ByteView sealed) { return open_capsule(sealed, store_pair.secret, store); }
  Code refusal(ByteView sealed) {
    const auto opened = open(sealed);
    return opened ? Code::kBug : opened.error().code;
  }
  /// Whether Bob, who reads his store, takes this for genuine.
  bool convinces_bob(const Capsule& capsule, const DeviceKeys& device) {
    const auto opened = open(must_seal(capsule, device));
    if (!opened) return false;
    const Status status = verify_capsule(*opened, bob.card);
    EXPECT_TRUE(status || status.error().code == Code::kForged);
    return status.has_value();
  }
  bool convinces_bob(const Capsule& capsule) { return convinces_bob(capsule, bob.devices[0]); }

  /// Any map, signed and sealed as the format says it and without seal_capsule.
  Bytes seal_map(Value map, const DeviceKeys& device) {
    const Digest digest = hash({"p2pmail/verdict"}, {encode_cbor(map)});
    map["s"] = binary(sign(device.signing, {"p2pmail/verdict"}, digest));
    return seal_bytes(encode_cbor(map));
  }
  Bytes seal_bytes(ByteView plain) {
    const AgreePair ephemeral = make_agree_pair();
    const auto shared = agree(ephemeral.secret, store);
    SymmetricKey key;
    keyed_hash(key.span(), {"p2pmail/capsule"}, shared->view(), {ephemeral.public_key, store});
    Bytes out(32 + plain.size() + 16);
    std::ranges::copy(ephemeral.public_key, out.begin());
    aead_seal(ByteSpan(out).subspan(32), key, {}, {}, plain);
    return out;
  }
  static Value eight_bytes(std::uint64_t value) {
    Bytes out(8);
    put_be(out.data(), value);
    return binary(out);
  }
  Value map_of(const Capsule& capsule) {
    Value bcc = Value::array();
    for (const IdentityKey& identity : capsule.bcc) bcc.push_back(binary(identity));
    return Value{{"b", binary(capsule.signed_body)}, {"d", binary(bob.devices[0].device)},
                 {"f", capsule.folder},              {"h", binary(capsule.header_hash)},
                 {"i", binary(capsule.id)},          {"k", binary(capsule.payload_key.view())},
                 {"n", binary(capsule.sender)},      {"r", binary(capsule.root)},
                 {"su", capsule.subject},            {"t", capsule.time},
                 {"v", 0u},                          {"x", bcc},
                 {"y", 1u},                          {"z", eight_bytes(capsule.size)}};
  }
  Code refusal_of_field(const char* name, const Value& value) {
    Value map = map_of(sent(bob));
    map[name] = value;
    return refusal(seal_map(map, bob.devices[0]));
  }
};

TEST_F(CapsuleTest, RoundTrip) {
  const Capsule capsule = received(alice, bob);
  const auto opened = open(must_seal(capsule, bob.devices[0]));
  ASSERT_TRUE(opened) << opened.error().context;
  EXPECT_EQ(opened->id, capsule.id);
  EXPECT_EQ(opened->root, capsule.root);
  EXPECT_EQ(opened->size, capsule.size);
  EXPECT_TRUE(equal_secret(opened->payload_key.view(), capsule.payload_key.view()));
  EXPECT_EQ(opened->sender, alice.key());
  EXPECT_EQ(opened->signed_body, capsule.signed_body);
  EXPECT_EQ(opened->header_hash, capsule.header_hash);
  EXPECT_EQ(opened->subject, "Grüße");
  EXPECT_EQ(opened->folder, "lists");
  EXPECT_EQ(opened->verdict, Verdict::kPeer);
  EXPECT_EQ(opened->time, kTestTime);
  EXPECT_EQ(opened->device, bob.devices[0].device);
}

TEST_F(CapsuleTest, BccComesBack) {
  const Capsule capsule = sent(bob);
  const auto opened = open(must_seal(capsule, bob.devices[0]));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->bcc, capsule.bcc);
}

TEST_F(CapsuleTest, SizeIsKnownBefore) {
  Capsule capsule = sent(bob);
  for (const std::uint64_t time : {std::uint64_t{0}, std::uint64_t{23}, std::uint64_t{24},
                                   std::uint64_t{65536}, kMaxTime}) {
    capsule.time = time;
    EXPECT_EQ(sealed_capsule_size(capsule), must_seal(capsule, bob.devices[0]).size());
  }
  const std::size_t room = sealed_capsule_size(capsule);
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{65536}, kMaxLetterSize}) {
    capsule.size = size;  // not known yet when the room is left
    EXPECT_EQ(must_seal(capsule, bob.devices[0]).size(), room);
  }
  const Capsule large = received(alice, bob);
  EXPECT_EQ(sealed_capsule_size(large), must_seal(large, bob.devices[1]).size());
}

TEST_F(CapsuleTest, SizeIsKnownBeforeForTextsThatAreFitted) {
  Capsule capsule = sent(bob);
  capsule.subject = "\x01\xff" + std::string(1000, 's');
  capsule.folder = std::string(1000, 'f');
  const Bytes sealed = must_seal(capsule, bob.devices[0]);
  EXPECT_EQ(sealed.size(), sealed_capsule_size(capsule));
  const auto opened = open(sealed);
  ASSERT_TRUE(opened) << opened.error().context;
  EXPECT_LE(opened->subject.size(), kMaxSubject);
  EXPECT_EQ(opened->folder, std::string(kMaxFolder, 'f'));
}

// Computed apart with Python's hashlib.blake2b and its `person` argument.
TEST_F(CapsuleTest, KnownMessageId) {
  IdentityKey sender;
  sender.bytes.fill(2);
  Root root;
  root.bytes.fill(3);
  EXPECT_EQ(to_hex(message_id(SymmetricKey(Bytes(32, 1)), sender, root)),
            "dfce26d9eb1af41085b03d1f7809f254acffd202");
}

TEST_F(CapsuleTest, OpensHandmadeCapsule) {
  const auto opened = open(seal_map(map_of(sent(bob)), bob.devices[0]));
  ASSERT_TRUE(opened) << opened.error().context;
  EXPECT_TRUE(verify_capsule(*opened, bob.card));
}

TEST_F(CapsuleTest, RefusesEachFlippedBit) {
  Bytes sealed = must_seal(sent(bob), bob.devices[0]);
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    const auto mask = static_cast<std::uint8_t>(1u << (bit % 8));
    sealed[bit / 8] ^= mask;
    ASSERT_EQ(refusal(sealed), Code::kForged) << bit;
    sealed[bit / 8] ^= mask;
  }
}

TEST_F(CapsuleTest, RefusesEachTruncationAndExtension) {
  Bytes sealed = must_seal(sent(bob), bob.devices[0]);
  for (std::size_t size = 0; size < sealed.size(); ++size)
    ASSERT_NE(refusal(ByteView(sealed).first(size)), Code::kBug) << size;
  sealed.push_back(0);
  EXPECT_EQ(refusal(sealed), Code::kForged);
  EXPECT_EQ(refusal(Bytes(kMaxCapsule + 1000)), Code::kMalformed);
}

TEST_F(CapsuleTest, AnotherStoreKeyDoesNotOpen) {
  const Bytes sealed = must_seal(sent(bob), bob.devices[0]);
  const AgreePair other = make_agree_pair();
  const auto opened = open_capsule(sealed, other.secret, StoreKey{other.public_key});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kForged);
}

TEST_F(CapsuleTest, RefusesSmallOrderKeys) {
  Bytes sealed = must_seal(sent(bob), bob.devices[0]);
  std::fill_n(sealed.begin(), 32, std::uint8_t{0});
  EXPECT_EQ(refusal(sealed), Code::kForged);
  EXPECT_FALSE(seal_capsule(sent(bob), StoreKey{}, bob.devices[0]));
}

TEST_F(CapsuleTest, RefusesSignatureOfAnotherDevice) {
  EXPECT_EQ(refusal(seal_map(map_of(sent(bob)), bob.devices[1])), Code::kForged);
  EXPECT_EQ(refusal(seal_map(map_of(sent(bob)), alice.devices[0])), Code::kForged);
}

TEST_F(CapsuleTest, RefusesFieldsOutOfBounds) {
  ASSERT_EQ(refusal_of_field("y", 1u), Code::kBug) << "unchanged, it opens";
  EXPECT_EQ(refusal_of_field("f", std::string(kMaxFolder + 1, 'f')), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("su", std::string(kMaxSubject + 1, 's')), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("su", "two\nlines"), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("t", kMaxTime + 1), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("v", 6u), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("x", Value::array({binary(Bytes(31))})), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("x", Value(kMaxBcc + 1, binary(Bytes(32)))), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("z", eight_bytes(kMaxLetterSize + 1)), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("z", 4112u), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("zz", 0u), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("y", 0u), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("y", 2u), Code::kUnsupported);
}

TEST_F(CapsuleTest, RefusesEachMissingField) {
  const Value whole = map_of(sent(bob));
  for (const auto& [name, value] : whole.items()) {
    Value map = whole;
    map.erase(name);
    EXPECT_EQ(refusal(seal_map(map, bob.devices[0])), Code::kMalformed) << name;
  }
}

TEST_F(CapsuleTest, RefusesAMissingSignatureAndGarbage) {
  EXPECT_EQ(refusal(seal_bytes(encode_cbor(map_of(sent(bob))))), Code::kMalformed);
  EXPECT_EQ(refusal(seal_bytes({})), Code::kMalformed);
  EXPECT_EQ(refusal(seal_bytes(bytes_of("hello"))), Code::kMalformed);
}

TEST_F(CapsuleTest, SealRefusesWhatWouldNotOpen) {
  const auto refuses = [&](const Capsule& capsule) {
    const auto sealed = seal_capsule(capsule, store, bob.devices[0]);
    return !sealed && sealed.error().code == Code::kMalformed;
  };
  Capsule capsule = sent(bob);
  capsule.bcc.resize(kMaxBcc + 1);
  EXPECT_TRUE(refuses(capsule));
  capsule.bcc.resize(kMaxBcc);
  EXPECT_TRUE(open(must_seal(capsule, bob.devices[0])));
  capsule.signed_body.resize(kMaxEnvelope);
  EXPECT_TRUE(refuses(capsule)) << "each within its bound, together too large";
  capsule = sent(bob);
  capsule.size = kMaxLetterSize + 1;
  EXPECT_TRUE(refuses(capsule));
  capsule.size = 1;
  capsule.time = kMaxTime + 1;
  EXPECT_TRUE(refuses(capsule));
}

TEST_F(CapsuleTest, ReceivedMailProvesItsSender) {
  const Capsule capsule = received(alice, bob);
  EXPECT_TRUE(convinces_bob(capsule));
  EXPECT_TRUE(convinces_bob(capsule, bob.devices[1])) << "any device of ours may store";
}

TEST_F(CapsuleTest, OwnSentMailProvesItsSender) { EXPECT_TRUE(convinces_bob(sent(bob))); }

TEST_F(CapsuleTest, MailToOneselfProvesItsSender) {
  Capsule capsule = received(bob, bob);
  capsule.verdict = Verdict::kSelf;
  EXPECT_TRUE(convinces_bob(capsule));
}

TEST_F(CapsuleTest, RetiredDeviceOfOursStillCounts) {
  const Capsule capsule = received(alice, bob);
  bob.bury(0);
  EXPECT_TRUE(convinces_bob(capsule, bob.devices[0]));
}

// Whoever knows store.pub can write a capsule that opens, with any device key that is not ours.
TEST_F(CapsuleTest, FabricatedByAStrangerProvesNothing) {
  const Person mallory;
  EXPECT_FALSE(convinces_bob(sent(bob), mallory.devices[0]));
  EXPECT_FALSE(convinces_bob(sent(mallory), mallory.devices[0]));
  EXPECT_FALSE(convinces_bob(received(mallory, bob), mallory.devices[0]));
  EXPECT_FALSE(convinces_bob(received(alice, bob), mallory.devices[0]));
}

TEST_F(CapsuleTest, RefusesALetterThatTheSenderDidNotSign) {
  const Capsule other = received(alice, bob);
  Capsule capsule = received(alice, bob);
  capsule.signed_body = other.signed_body;
  capsule.header_hash = other.header_hash;
  EXPECT_FALSE(convinces_bob(capsule));
  EXPECT_TRUE(convinces_bob(other));
}

TEST_F(CapsuleTest, RefusesAnotherSizeOrKey) {
  Capsule capsule = received(alice, bob);
  capsule.size += 1;
  EXPECT_FALSE(convinces_bob(capsule));
  capsule.size -= 1;
  ASSERT_TRUE(convinces_bob(capsule));
  capsule.payload_key = make_symmetric_key();
  capsule.id = message_id(capsule.payload_key, capsule.sender, capsule.root);
  EXPECT_FALSE(convinces_bob(capsule));
}

TEST_F(CapsuleTest, RefusesAnotherRoot) {
  Capsule capsule = received(alice, bob);
  capsule.root.bytes[0] ^= 1;
  capsule.id = message_id(capsule.payload_key, capsule.sender, capsule.root);
  EXPECT_FALSE(convinces_bob(capsule));
}

TEST_F(CapsuleTest, RefusesAnotherSender) {
  Capsule capsule = received(alice, bob);
  capsule.sender = Person().key();
  capsule.id = message_id(capsule.payload_key, capsule.sender, capsule.root);
  EXPECT_FALSE(convinces_bob(capsule));
}

TEST_F(CapsuleTest, RefusesAnIdThatIsNotDerived) {
  Capsule capsule = received(alice, bob);
  capsule.id.bytes[0] ^= 1;
  EXPECT_FALSE(convinces_bob(capsule));
}

TEST_F(CapsuleTest, RefusesMailToSomebodyElse) {
  const Person carol;
  EXPECT_FALSE(convinces_bob(received(alice, carol)));
}

TEST_F(CapsuleTest, RefusesReceivedMailWithoutProof) {
  Capsule capsule = received(alice, bob);
  capsule.signed_body.clear();
  EXPECT_FALSE(convinces_bob(capsule));
  capsule.verdict = Verdict::kSent;
  EXPECT_FALSE(convinces_bob(capsule)) << "sent mail is from us";
}

TEST_F(CapsuleTest, RefusesVerdictsThatContradictTheSender) {
  Capsule capsule = received(alice, bob);
  capsule.verdict = Verdict::kSelf;
  EXPECT_FALSE(convinces_bob(capsule));
  capsule = received(bob, bob);
  capsule.verdict = Verdict::kSent;
  EXPECT_FALSE(convinces_bob(capsule)) << "sent mail has no signed body";
}

}  // namespace
}  // namespace p2pmail::core
