// Envelopes: the recipient's devices open them and learn who wrote; nobody else does, and nobody
// can change one, pass one on, or speak for somebody else.
#include "core/envelope.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>

#include "core/cbor.h"
#include "core/letter.h"
#include "core/text.h"
#include "tests/core/people.h"

namespace p2pmail::core {
namespace {

using test::kTestTime;
using test::Person;

EnvelopeBody body_from(const Person& from, const Person& to, std::size_t device = 0) {
  EnvelopeBody body;
  body.sender = from.key();
  body.sender_device = from.devices[device].device;
  body.recipient = to.key();
  random_bytes(body.root.bytes);
  body.size = sealed_size(4096);
  body.time = kTestTime;
  body.subject = "Grüße aus Köln";
  body.sender_card = encode_card(from.card);
  body.payload_key = make_symmetric_key();
  return body;
}

Bytes must_seal(const EnvelopeBody& body, std::span<const PrekeyPublic> prekeys,
                const SigningSecret& device) {
  auto sealed = seal_envelope(body, prekeys, make_agree_pair(), device);
  EXPECT_TRUE(sealed);
  return sealed ? *sealed : Bytes{};
}

Code refusal(ByteView envelope, const DeviceKeys& keys) {
  const auto opened = open_envelope(envelope, keys);
  return opened ? Code::kBug : opened.error().code;
}

std::vector<PrekeyPublic> random_prekeys(std::size_t count) {
  std::vector<PrekeyPublic> out(count);
  for (PrekeyPublic& key : out) key.bytes = make_agree_pair().public_key;
  return out;
}

Bytes field_of(ByteView cbor, const char* name) {
  return (*decode_cbor(cbor, "envelope", kMaxEnvelope))[name].get_binary();
}

/// Seals a signed body as the format says it and without seal_envelope: one stanza in front, zeros
/// after it. For what a hostile sender would send.
struct Wrapper {
  SymmetricKey envelope_key = make_symmetric_key();
  AgreePair ephemeral = make_agree_pair();
  Bytes salt = Bytes(16, 7);
  Value header;

  explicit Wrapper(const PrekeyPublic& prekey) {
    const auto shared = agree(ephemeral.secret, prekey);
    Bytes both(48);
    keyed_hash(both, {"p2pmail/stanza"}, shared->view(), {ephemeral.public_key, prekey, salt});
    Bytes stanzas(4 * 64);
    std::copy_n(both.begin(), 16, stanzas.begin());
    aead_seal(ByteSpan(stanzas).subspan(16, 48), SymmetricKey(ByteView(both).subspan(16)), {}, {},
              envelope_key.view());
    header = Value{{"c", binary(hash({"p2pmail/envcmt"}, {envelope_key.view()}))},
                   {"e", binary(ephemeral.public_key)},
                   {"n", binary(salt)},
                   {"s", binary(stanzas)},
                   {"v", 1u}};
  }
  [[nodiscard]] Bytes wrap(ByteView signed_body) const {
    const Bytes head = encode_cbor(header);
    Bytes sealed(signed_body.size() + 16);
    aead_seal(sealed, envelope_key, {}, head, signed_body);
    return encode_cbor(Value{{"b", binary(sealed)}, {"h", binary(head)}});
  }
  [[nodiscard]] Bytes sign_and_wrap(const Value& body, const SigningSecret& device) const {
    const Bytes bytes = encode_cbor(body);
    Bytes message = to_bytes(hash({"p2pmail/envhead"}, {encode_cbor(header)}));
    append(message, bytes);
    const Signature signature = sign(device, {"p2pmail/envelope"}, message);
    return wrap(encode_cbor(Value{{"b", binary(bytes)}, {"s", binary(signature)}}));
  }
};

Value body_map(const EnvelopeBody& body) {
  return Value{{"c", binary(body.sender_card)},
               {"d", binary(body.sender_device)},
               {"f", binary(body.sender)},
               {"k", binary(body.payload_key.view())},
               {"m", binary(hash({"p2pmail/paycmt"}, {body.payload_key.view()}))},
               {"r", binary(body.root)},
               {"s", body.subject},
               {"t", body.time},
               {"to", binary(body.recipient)},
               {"v", 1u},
               {"z", body.size}};
}

struct EnvelopeTest : testing::Test {
  Person alice;
  Person bob;
  EnvelopeBody body = body_from(alice, bob);

  [[nodiscard]] const DeviceKeys& bobs() const { return bob.devices[0]; }
  [[nodiscard]] const SigningSecret& alices_secret() const { return alice.devices[0].signing; }
  [[nodiscard]] Bytes seal() const {
    return must_seal(body, prekeys_of(bob.card), alices_secret());
  }
  [[nodiscard]] Code refusal_of_body(const Value& map) const {
    return refusal(Wrapper(bobs().prekeys[0].key).sign_and_wrap(map, alices_secret()), bobs());
  }
  [[nodiscard]] Code refusal_of_field(const char* name, const Value& value) const {
    Value map = body_map(body);
    map[name] = value;
    return refusal_of_body(map);
  }
  [[nodiscard]] Code refusal_of_header(const char* name, const Value& value) const {
    Wrapper wrapper(bobs().prekeys[0].key);
    wrapper.header[name] = value;
    return refusal(wrapper.sign_and_wrap(body_map(body), alices_secret()), bobs());
  }
};

TEST_F(EnvelopeTest, RoundTrip) {
  const Bytes envelope = seal();
  const auto opened = open_envelope(envelope, bobs());
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->body.sender, alice.key());
  EXPECT_EQ(opened->body.sender_device, alice.devices[0].device);
  EXPECT_EQ(opened->body.recipient, bob.key());
  EXPECT_EQ(opened->body.root, body.root);
  EXPECT_EQ(opened->body.size, body.size);
  EXPECT_EQ(opened->body.time, body.time);
  EXPECT_EQ(opened->body.subject, body.subject);
  EXPECT_EQ(opened->card.identity(), alice.key());
  EXPECT_TRUE(equal_secret(opened->body.payload_key.view(), body.payload_key.view()));
  EXPECT_EQ(opened->envelope_hash, hash_envelope(envelope));
  EXPECT_FALSE(opened->device_buried);
}

TEST_F(EnvelopeTest, EachDeviceOpens) {
  const Person carol(3);
  const Bytes envelope =
      must_seal(body_from(alice, carol), prekeys_of(carol.card), alices_secret());
  for (const DeviceKeys& device : carol.devices) EXPECT_TRUE(open_envelope(envelope, device));
}

TEST_F(EnvelopeTest, OlderPrekeyStillOpens) {
  DeviceKeys keys = make_device_keys(bob.key(), kTestTime);
  AgreePair newer = make_agree_pair();
  keys.prekeys.insert(keys.prekeys.begin(), OwnPrekey{});
  keys.prekeys.front().secret = std::move(newer.secret);
  keys.prekeys.front().key.bytes = newer.public_key;
  for (const OwnPrekey& prekey : keys.prekeys)
    EXPECT_TRUE(open_envelope(must_seal(body, {&prekey.key, 1}, alices_secret()), keys));
}

TEST_F(EnvelopeTest, AnotherDeviceDoesNotHoldThePrekey) {
  EXPECT_EQ(refusal(seal(), make_device_keys(bob.key(), kTestTime)), Code::kUnknownPrekey);
  EXPECT_EQ(refusal(seal(), alice.devices[0]), Code::kUnknownPrekey);
}

TEST_F(EnvelopeTest, ErasedPrekeyDoesNotOpen) {
  DeviceKeys keys = make_device_keys(bob.key(), kTestTime);
  const Bytes envelope = must_seal(body, {&keys.prekeys[0].key, 1}, alices_secret());
  ASSERT_TRUE(open_envelope(envelope, keys));
  keys.prekeys.clear();
  EXPECT_EQ(refusal(envelope, keys), Code::kUnknownPrekey);
}

TEST_F(EnvelopeTest, StanzasArePaddedToPowersOfTwo) {
  for (const std::size_t count : {1u, 4u, 5u, 8u, 9u, 33u, 64u}) {
    const Bytes envelope = must_seal(body, random_prekeys(count), alices_secret());
    const Bytes stanzas = field_of(field_of(envelope, "h"), "s");
    EXPECT_EQ(stanzas.size(), 64 * std::bit_ceil(std::max<std::size_t>(count, 4)));
  }
}

TEST_F(EnvelopeTest, StanzasAreShuffled) {
  std::vector<PrekeyPublic> prekeys = random_prekeys(3);
  prekeys.insert(prekeys.begin(), bobs().prekeys[0].key);
  const AgreePair pair = make_agree_pair();
  const Ephemeral ephemeral(AgreePair{pair.secret.clone(), pair.public_key});
  std::set<std::size_t> places;
  for (int i = 0; i < 200 && places.size() < 4; ++i) {  // fails once in 10^24 runs
    const auto envelope = seal_envelope(body, prekeys, ephemeral, alices_secret());
    const Bytes head = field_of(*envelope, "h");
    const Bytes salt = field_of(head, "n");
    const auto shared = agree(pair.secret, prekeys[0]);
    Bytes tag(48);
    keyed_hash(tag, {"p2pmail/stanza"}, shared->view(), {ephemeral.public_key(), prekeys[0], salt});
    const Bytes stanzas = field_of(head, "s");
    for (std::size_t n = 0; n < 4; ++n)
      if (std::equal(tag.begin(), tag.begin() + 16, stanzas.data() + n * 64)) places.insert(n);
  }
  EXPECT_EQ(places.size(), 4u);
}

TEST_F(EnvelopeTest, OneEphemeralServesManyEnvelopes) {
  const Ephemeral ephemeral = make_agree_pair();
  const auto prekeys = prekeys_of(bob.card);
  const auto first = seal_envelope(body, prekeys, ephemeral, alices_secret());
  const auto second = seal_envelope(body, prekeys, ephemeral, alices_secret());
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(open_envelope(*first, bobs()));
  EXPECT_TRUE(open_envelope(*second, bobs()));
  EXPECT_NE(field_of(field_of(*first, "h"), "n"), field_of(field_of(*second, "h"), "n"));
  EXPECT_NE(field_of(field_of(*first, "h"), "c"), field_of(field_of(*second, "h"), "c"));
}

TEST_F(EnvelopeTest, RefusesEachFlippedBit) {
  Bytes envelope = seal();
  for (std::size_t bit = 0; bit < envelope.size() * 8; ++bit) {
    const auto mask = static_cast<std::uint8_t>(1u << (bit % 8));
    envelope[bit / 8] ^= mask;
    ASSERT_FALSE(open_envelope(envelope, bobs())) << bit;
    envelope[bit / 8] ^= mask;
  }
}

TEST_F(EnvelopeTest, RefusesEachTruncationAndExtension) {
  Bytes envelope = seal();
  for (std::size_t size = 0; size < envelope.size(); ++size)
    ASSERT_EQ(refusal(ByteView(envelope).first(size), bobs()), Code::kMalformed) << size;
  envelope.push_back(0);
  EXPECT_EQ(refusal(envelope, bobs()), Code::kMalformed);
  EXPECT_EQ(refusal(Bytes(kMaxEnvelope + 1), bobs()), Code::kMalformed);
}

TEST_F(EnvelopeTest, HandmadeEnvelopeOpens) {
  const Wrapper wrapper(bobs().prekeys[0].key);
  const auto opened =
      open_envelope(wrapper.sign_and_wrap(body_map(body), alices_secret()), bobs());
  ASSERT_TRUE(opened) << opened.error().context;
  EXPECT_EQ(opened->body.sender, alice.key());
}

TEST_F(EnvelopeTest, CoRecipientCannotForward) {
  const Person carol;
  const auto opened = open_envelope(seal(), bobs());
  ASSERT_TRUE(opened);
  const DeviceKeys& carols = carol.devices[0];
  EXPECT_EQ(refusal(Wrapper(carols.prekeys[0].key).wrap(opened->signed_body), carols),
            Code::kForged);
  EXPECT_FALSE(verify_signed_body(opened->signed_body, opened->header_hash, carol.key()));
}

TEST_F(EnvelopeTest, RefusesARecipientWhoIsNotUs) {
  const Person carol;
  // Alice signs an envelope for Carol, but seals it for Bob's prekey.
  const Bytes envelope =
      must_seal(body_from(alice, carol), prekeys_of(bob.card), alices_secret());
  EXPECT_EQ(refusal(envelope, bobs()), Code::kForged);
}

TEST_F(EnvelopeTest, RecipientCannotWrapTheBodyAgainForItself) {
  const auto opened = open_envelope(seal(), bobs());
  ASSERT_TRUE(opened);
  EXPECT_EQ(refusal(Wrapper(bobs().prekeys[0].key).wrap(opened->signed_body), bobs()),
            Code::kForged);
}

TEST_F(EnvelopeTest, RefusesSignatureOfAnotherDevice) {
  const Person mallory;
  const Bytes envelope =
      must_seal(body, prekeys_of(bob.card), mallory.devices[0].signing);
  EXPECT_EQ(refusal(envelope, bobs()), Code::kForged);
}

TEST_F(EnvelopeTest, RefusesADeviceOutsideTheRoster) {
  const Person mallory;
  body.sender_device = mallory.devices[0].device;
  const Bytes envelope =
      must_seal(body, prekeys_of(bob.card), mallory.devices[0].signing);
  EXPECT_EQ(refusal(envelope, bobs()), Code::kForged);
}

TEST_F(EnvelopeTest, RefusesACardOfSomebodyElse) {
  const Person mallory;
  EnvelopeBody forged = body_from(mallory, bob);
  forged.sender = alice.key();
  const Bytes envelope =
      must_seal(forged, prekeys_of(bob.card), mallory.devices[0].signing);
  EXPECT_EQ(refusal(envelope, bobs()), Code::kForged);
}

TEST_F(EnvelopeTest, ReportsABuriedDevice) {
  Person dora(2);
  dora.bury(1);
  const Bytes envelope =
      must_seal(body_from(dora, bob, 1), prekeys_of(bob.card), dora.devices[1].signing);
  const auto opened = open_envelope(envelope, bobs());
  ASSERT_TRUE(opened) << opened.error().context;
  EXPECT_TRUE(opened->device_buried);
}

TEST_F(EnvelopeTest, PrekeysOfUsableDevicesOnly) {
  Person dora(3);
  EXPECT_EQ(prekeys_of(dora.card).size(), 3u);
  dora.bury(1);
  EXPECT_EQ(prekeys_of(dora.card).size(), 2u);
}

TEST_F(EnvelopeTest, RefusesPayloadKeyThatDoesNotFitItsCommitment) {
  EXPECT_EQ(refusal_of_field("k", binary(make_symmetric_key().view())), Code::kForged);
}

TEST_F(EnvelopeTest, RefusesEnvelopeKeyThatDoesNotFitItsCommitment) {
  EXPECT_EQ(refusal_of_header("c", binary(Bytes(32, 1))), Code::kForged);
}

TEST_F(EnvelopeTest, RefusesBodyFieldsOutOfBounds) {
  ASSERT_EQ(refusal_of_field("v", 1u), Code::kBug) << "unchanged, it opens";
  EXPECT_EQ(refusal_of_field("s", std::string(kMaxSubject + 1, 'a')), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("s", "two\nlines"), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("t", kMaxTime + 1), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("z", kMaxLetterSize + 1), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("z", 0u), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("z", 4096u), Code::kMalformed) << "smaller than the smallest letter";
  EXPECT_EQ(refusal_of_field("v", 0u), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("v", 2u), Code::kUnsupported);
  EXPECT_EQ(refusal_of_field("zz", 0u), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("c", binary(Bytes(100))), Code::kMalformed);
}

TEST_F(EnvelopeTest, RefusesEachMissingBodyField) {
  const Value whole = body_map(body);
  for (const auto& [name, value] : whole.items()) {
    Value map = whole;
    map.erase(name);
    EXPECT_EQ(refusal_of_body(map), Code::kMalformed) << name;
  }
}

TEST_F(EnvelopeTest, RefusesStanzaCountsThatAreNotPowersOfTwo) {
  for (const std::size_t size : {0u, 64u, 128u, 255u, 257u, 320u, 65u * 64u, 128u * 64u})
    EXPECT_EQ(refusal_of_header("s", binary(Bytes(size))), Code::kMalformed) << size;
}

TEST_F(EnvelopeTest, RefusesHeaderFields) {
  EXPECT_EQ(refusal_of_header("v", 0u), Code::kMalformed);
  EXPECT_EQ(refusal_of_header("v", 2u), Code::kUnsupported);
  EXPECT_EQ(refusal_of_header("n", binary(Bytes(15))), Code::kMalformed);
  EXPECT_EQ(refusal_of_header("zz", 0u), Code::kMalformed);
}

TEST_F(EnvelopeTest, RefusesSmallOrderKeys) {
  EXPECT_EQ(refusal_of_header("e", binary(Bytes(32))), Code::kForged);
  const std::vector<PrekeyPublic> zero(1);
  const auto sealed = seal_envelope(body, zero, make_agree_pair(), alices_secret());
  ASSERT_FALSE(sealed);
  EXPECT_EQ(sealed.error().code, Code::kForged);
}

TEST_F(EnvelopeTest, SealRefusesWhatNobodyWouldOpen) {
  const auto refuses = [&](std::span<const PrekeyPublic> prekeys) {
    const auto sealed = seal_envelope(body, prekeys, make_agree_pair(), alices_secret());
    return !sealed && sealed.error().code == Code::kMalformed;
  };
  const auto prekeys = prekeys_of(bob.card);
  EXPECT_TRUE(refuses({}));
  EXPECT_TRUE(refuses(random_prekeys(kMaxStanzas + 1)));
  body.size = 100;
  EXPECT_TRUE(refuses(prekeys));
  body.size = sealed_size(4096);
  body.sender_card.resize(kMaxCardSize + 1);
  EXPECT_TRUE(refuses(prekeys));
}

TEST_F(EnvelopeTest, LargestCardFits) {
  // No card is that large in these tests: only the size of what was sealed counts.
  body.sender_card.resize(kMaxCardSize);
  EXPECT_LE(must_seal(body, random_prekeys(kMaxStanzas), alices_secret()).size(), kMaxEnvelope);
}

TEST_F(EnvelopeTest, SubjectIsFitted) {
  body.subject = "a\tb\n" + std::string(500, 'x');
  const auto opened = open_envelope(seal(), bobs());
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->body.subject, fit_text(body.subject, kMaxSubject));
  EXPECT_LE(opened->body.subject.size(), kMaxSubject);
}

TEST(FitText, CutsBetweenCharacters) {
  EXPECT_EQ(fit_text("abc", 3), "abc");
  EXPECT_EQ(fit_text("abcd", 3), "abc");
  EXPECT_EQ(fit_text("ab\xc3\xa4", 3), "ab");
  EXPECT_EQ(fit_text("ab\xc3\xa4", 4), "ab\xc3\xa4");
  EXPECT_EQ(fit_text("\xf0\x9f\x98\x80", 3), "");
  EXPECT_FALSE(has_controls(fit_text("a\x01\xff", 100)));
}

TEST_F(EnvelopeTest, KeptBodyVerifiesAgain) {
  const auto opened = open_envelope(seal(), bobs());
  ASSERT_TRUE(opened);
  const auto again = verify_signed_body(opened->signed_body, opened->header_hash, bob.key());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->body.root, body.root);
  Digest other = opened->header_hash;
  other.bytes[0] ^= 1;
  EXPECT_FALSE(verify_signed_body(opened->signed_body, other, bob.key()));
}

}  // namespace
}  // namespace p2pmail::core
