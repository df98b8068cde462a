// The primitives: published vectors, no confusion between uses, and no damage that goes unseen.
#include "core/crypto.h"

#include <gtest/gtest.h>

#include <set>

#include "core/text.h"

namespace p2pmail::core {
namespace {

constexpr Context kTest{"p2pmail/test"};
constexpr Context kOther{"p2pmail/other"};

Bytes hex(std::string_view text) { return *from_hex(text); }
template <class T>
T from_text(std::string_view text) {
  return T(hex(text));
}
std::array<std::uint8_t, kNonceSize> nonce_of(std::uint8_t last) {
  std::array<std::uint8_t, kNonceSize> nonce{};
  nonce.back() = last;
  return nonce;
}

// ---- randomness and memory

TEST(Random, FillsEveryByte) {
  Bytes all(32);
  for (int round = 0; round < 20; ++round) {
    Bytes some(32);
    random_bytes(some);
    for (std::size_t i = 0; i < all.size(); ++i)
      all[i] = static_cast<std::uint8_t>(all[i] | some[i]);
  }
  EXPECT_EQ(std::ranges::count(all, 0), 0);
}

TEST(Random, StaysBelowTheBoundAndReachesAllOfIt) {
  for (const std::uint64_t bound : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{7}}) {
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 500; ++i) seen.insert(random_below(bound));
    EXPECT_EQ(seen.size(), bound);
    EXPECT_LT(*seen.rbegin(), bound);
  }
  EXPECT_LT(random_below(UINT64_MAX), UINT64_MAX);
}

TEST(Memory, IsWiped) {
  Bytes bytes(100, 7);
  wipe(bytes);
  EXPECT_EQ(bytes, Bytes(100));
  wipe({});
}

TEST(Memory, ComparesSecrets) {
  EXPECT_TRUE(equal_secret(Bytes{1, 2}, Bytes{1, 2}));
  EXPECT_FALSE(equal_secret(Bytes{1, 2}, Bytes{1, 3}));
  EXPECT_FALSE(equal_secret(Bytes{1, 2}, Bytes{1}));
  EXPECT_TRUE(equal_secret(Bytes{}, Bytes{}));
}

TEST(SecretTest, CopiesOnlyWhenAskedAndMoves) {
  SymmetricKey key = make_symmetric_key();
  const SymmetricKey copy = key.clone();
  EXPECT_TRUE(equal_secret(key.view(), copy.view()));
  const Bytes before = to_bytes(key.view());
  const SymmetricKey moved = std::move(key);
  EXPECT_TRUE(equal_secret(moved.view(), before));
  static_assert(!std::is_copy_constructible_v<SymmetricKey>);
  static_assert(!std::is_copy_constructible_v<SecretBytes>);
}

TEST(SecretTest, ShortensButNeverGrows) {
  SecretBytes bytes(4);
  bytes.shorten(9);
  EXPECT_EQ(bytes.size(), 4U);
  bytes.shorten(1);
  EXPECT_EQ(bytes.view().size(), 1U);
}

// ---- hashes (values from Python's hashlib.blake2b with person=)

TEST(Hash, MatchesAnotherImplementation) {
  EXPECT_EQ(to_hex(hash(kTest, {bytes_of("abc")})),
            "737b4731113fa5b5198d41062c68a1f26f257dda7e32c817247a8d2e442a7486");
  EXPECT_EQ(to_hex(hash(kTest, {})),
            "95f1374a20685bf1f5e5b6ca8995ee1a151de8f28e47510a31d39f06387d0626");
}

TEST(Hash, IsTheSameInPieces) {
  Bytes bytes(1000);
  random_bytes(bytes);
  Hasher hasher(kTest);
  for (std::size_t at = 0, step = 1; at < bytes.size(); at += step++)
    hasher.update(ByteView(bytes).subspan(at, std::min(step, bytes.size() - at)));
  EXPECT_EQ(hasher.finish(), hash(kTest, {bytes}));
  EXPECT_EQ(hash(kTest, {bytes_of("a"), bytes_of("bc")}), hash(kTest, {bytes_of("abc")}));
}

TEST(Hash, DiffersByContext) {
  EXPECT_NE(hash(kTest, {bytes_of("abc")}), hash(kOther, {bytes_of("abc")}));
}

TEST(KeyedHash, MatchesAnotherImplementation) {
  Bytes key(32);
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  Bytes out(16);
  keyed_hash(out, kTest, key, {bytes_of("ab"), bytes_of("c")});
  EXPECT_EQ(to_hex(out), "dd640f60e7e4a1e5fdf8bd246a3e5f34");
}

TEST(KeyedHash, DiffersByKeyContextAndSize) {
  const auto value = [](std::uint8_t key, Context context, std::size_t size) {
    Bytes out(size);
    keyed_hash(out, context, Bytes(32, key), {bytes_of("abc")});
    out.resize(16);
    return out;
  };
  const std::set<Bytes> all{value(1, kTest, 32), value(2, kTest, 32), value(1, kOther, 32),
                            value(1, kTest, 64)};
  EXPECT_EQ(all.size(), 4U);
}

// ---- signatures

/// The first key of RFC 8032, section 7.1.
constexpr std::string_view kSeed =
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
constexpr std::string_view kPublic =
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

TEST(Sign, CoversContextZeroAndMessage) {
  const auto secret = from_text<SigningSecret>(std::string(kSeed) + std::string(kPublic));
  const Signature signature = sign(secret, kTest, bytes_of("abc"));
  // What `openssl pkeyutl -sign -rawin` gives for "p2pmail/test", a zero byte and "abc".
  EXPECT_EQ(to_hex(signature),
            "5278f3d0d748643d1b6f7d762914fc1bb9ae282b7d81a79e31200c1b95afcfe4"
            "aa8db3cb14258ed1459bb2c19b603431466e8482640d73d3054eb57c6285350b");
  EXPECT_EQ(to_hex(public_of(secret)), kPublic);
  EXPECT_TRUE(verify(hex(kPublic), kTest, bytes_of("abc"), signature));
}

TEST(Sign, MakesPairsThatFit) {
  const SigningPair pair = make_signing_pair();
  EXPECT_EQ(public_of(pair.secret), pair.public_key);
  EXPECT_TRUE(verify(pair.public_key, kTest, {}, sign(pair.secret, kTest, {})));
  EXPECT_NE(make_signing_pair().public_key, pair.public_key);
}

TEST(Sign, BelongsToOneContextMessageAndKey) {
  const SigningPair pair = make_signing_pair();
  const Signature signature = sign(pair.secret, kTest, bytes_of("abc"));
  EXPECT_FALSE(verify(pair.public_key, kOther, bytes_of("abc"), signature));
  EXPECT_FALSE(verify(pair.public_key, Context{"p2pmail/tes"}, bytes_of("t"), signature));
  EXPECT_FALSE(verify(pair.public_key, kTest, bytes_of("abd"), signature));
  EXPECT_FALSE(verify(pair.public_key, kTest, bytes_of("ab"), signature));
  EXPECT_FALSE(verify(make_signing_pair().public_key, kTest, bytes_of("abc"), signature));
}

TEST(Sign, RefusesEveryFlippedBit) {
  const SigningPair pair = make_signing_pair();
  const Signature signature = sign(pair.secret, kTest, bytes_of("abc"));
  for (std::size_t bit = 0; bit < 512; ++bit) {
    Signature damaged = signature;
    damaged.bytes[bit / 8] = static_cast<std::uint8_t>(damaged.bytes[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(verify(pair.public_key, kTest, bytes_of("abc"), damaged)) << bit;
  }
}

TEST(Verify, RefusesKeysThatFitAnything) {
  const Signature zero{};
  EXPECT_FALSE(verify(Bytes(32), kTest, {}, zero));
  Bytes one(32);  // the neutral element: with it any message has a signature
  one[0] = 1;
  Signature neutral{};
  neutral.bytes[0] = 1;
  EXPECT_FALSE(verify(one, kTest, {}, neutral));
  EXPECT_FALSE(verify(Bytes(31), kTest, {}, zero));
  EXPECT_FALSE(verify({}, kTest, {}, zero));
}

// ---- X25519

constexpr std::string_view kAlice =
    "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c";
constexpr std::string_view kBob =
    "5714769d116bf76436ae74bc793d2c30ad1903c59ac5273805c7e2698b410c36";

/// 32 bytes that count up from `first`.
Bytes counting(std::uint8_t first) {
  Bytes out(32);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(first + i);
  return out;
}

TEST(Agree, MatchesAnotherImplementation) {  // OpenSSL's
  const AgreeSecret alice(counting(1));
  const AgreeSecret bob(counting(101));
  EXPECT_EQ(to_hex(public_of(alice)), kAlice);
  EXPECT_EQ(to_hex(public_of(bob)), kBob);
  EXPECT_EQ(to_hex(agree(alice, hex(kBob))->view()),
            "c9ea6a3f79a000b60b076d4afc990b272f3f0b5aaa3f0b8713c209273e363863");
}

TEST(Agree, IsTheSameFromBothSides) {
  const AgreePair a = make_agree_pair();
  const AgreePair b = make_agree_pair();
  const auto left = agree(a.secret, b.public_key);
  const auto right = agree(b.secret, a.public_key);
  ASSERT_TRUE(left && right);
  EXPECT_TRUE(equal_secret(left->view(), right->view()));
  EXPECT_FALSE(equal_secret(left->view(), agree(a.secret, a.public_key)->view()));
}

TEST(Agree, RefusesKeysOfSmallOrder) {
  const AgreePair pair = make_agree_pair();
  Bytes one(32);
  one[0] = 1;
  Bytes minus_one(32, 0xff);  // p - 1
  minus_one[0] = 0xec;
  minus_one[31] = 0x7f;
  for (const Bytes& key : {Bytes(32), one, minus_one})
    EXPECT_EQ(agree(pair.secret, key).error().code, Code::kForged) << to_hex(key);
}

TEST(Agree, RefusesKeysOfAnotherSize) {
  const AgreePair pair = make_agree_pair();
  for (const std::size_t size : {0U, 31U, 33U})
    EXPECT_EQ(agree(pair.secret, Bytes(size, 9)).error().code, Code::kMalformed) << size;
}

// ---- sealing

/// The example of RFC 8439, section 2.8.2.
const std::string kSunscreen =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    "sunscreen would be it.";

TEST(Aead, MatchesRfc8439) {
  std::array<std::uint8_t, kNonceSize> nonce{};
  std::ranges::copy(hex("070000004041424344454647"), nonce.begin());
  Bytes out(kSunscreen.size() + kTagSize);
  aead_seal(out, SymmetricKey(counting(0x80)), nonce, hex("50515253c0c1c2c3c4c5c6c7"),
            bytes_of(kSunscreen));
  EXPECT_EQ(to_hex(out),
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
            "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
            "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
            "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd060"
            "0691");
}

struct AeadTest : testing::Test {
  SymmetricKey key = make_symmetric_key();
  Bytes plain = to_bytes(bytes_of("some words"));
  Bytes sealed = Bytes(plain.size() + kTagSize);
  AeadTest() { aead_seal(sealed, key, nonce_of(1), bytes_of("head"), plain); }

  bool opens(ByteView bytes, std::string_view head = "head", std::uint8_t nonce = 1) {
    Bytes out(bytes.size() < kTagSize ? 0 : bytes.size() - kTagSize);
    return aead_open(out, key, nonce_of(nonce), bytes_of(head), bytes) && out == plain;
  }
};

TEST_F(AeadTest, OpensOnlyWhatWasSealed) {
  EXPECT_TRUE(opens(sealed));
  EXPECT_FALSE(opens(sealed, "Head"));
  EXPECT_FALSE(opens(sealed, ""));
  EXPECT_FALSE(opens(sealed, "head", 2));
  key = make_symmetric_key();
  EXPECT_FALSE(opens(sealed));
}

TEST_F(AeadTest, RefusesEveryTruncationAndFlippedBit) {
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_FALSE(opens(ByteView(sealed).first(size))) << size;
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes damaged = sealed;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(opens(damaged)) << bit;
  }
}

TEST_F(AeadTest, RefusesAnOutputOfAnotherSize) {
  Bytes out(plain.size() + 1);
  EXPECT_FALSE(aead_open(out, key, nonce_of(1), bytes_of("head"), sealed));
  EXPECT_FALSE(aead_open({}, key, nonce_of(1), bytes_of("head"), sealed));
}

TEST_F(AeadTest, SealsNothingToATag) {
  Bytes tag(kTagSize);
  aead_seal(tag, key, nonce_of(3), {}, {});
  EXPECT_TRUE(aead_open({}, key, nonce_of(3), {}, tag));
  EXPECT_FALSE(aead_open({}, key, nonce_of(4), {}, tag));
}

TEST(Box, OpensOnlyWhatWasSealed) {
  const SymmetricKey key = make_symmetric_key();
  const Bytes box = box_seal(key, bytes_of("head"), bytes_of("words"));
  const auto plain = box_open(key, bytes_of("head"), box);
  ASSERT_TRUE(plain);
  EXPECT_EQ(text_of(plain->view()), "words");
  EXPECT_FALSE(box_open(key, bytes_of("Head"), box));
  EXPECT_FALSE(box_open(make_symmetric_key(), bytes_of("head"), box));
}

TEST(Box, RefusesEveryTruncationAndFlippedBit) {
  const SymmetricKey key = make_symmetric_key();
  const Bytes box = box_seal(key, {}, bytes_of("words"));
  for (std::size_t size = 0; size < box.size(); ++size)
    EXPECT_FALSE(box_open(key, {}, ByteView(box).first(size))) << size;
  for (std::size_t bit = 0; bit < box.size() * 8; ++bit) {
    Bytes damaged = box;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(box_open(key, {}, damaged)) << bit;
  }
}

TEST(Box, NeverLooksTheSameTwice) {
  const SymmetricKey key = make_symmetric_key();
  EXPECT_NE(box_seal(key, {}, bytes_of("words")), box_seal(key, {}, bytes_of("words")));
  EXPECT_EQ(box_open(key, {}, box_seal(key, {}, {}))->size(), 0U);
}

// ---- passphrases

Bytes stretched(std::string_view passphrase, std::uint8_t salt, std::uint64_t passes,
                std::uint64_t memory) {
  const auto key = stretch_passphrase(bytes_of(passphrase), Bytes(16, salt), passes, memory);
  EXPECT_TRUE(key);
  return key ? to_bytes(key->view()) : Bytes{};
}

TEST(Stretch, DependsOnEveryParameter) {
  const Bytes key = stretched("secret", 1, 1, 8192);
  EXPECT_EQ(stretched("secret", 1, 1, 8192), key);
  EXPECT_NE(stretched("Secret", 1, 1, 8192), key);
  EXPECT_NE(stretched("secret", 2, 1, 8192), key);
  EXPECT_NE(stretched("secret", 1, 2, 8192), key);
  EXPECT_NE(stretched("secret", 1, 1, 16384), key);
  EXPECT_NE(stretched("", 1, 1, 8192), key);
}

TEST(Stretch, RefusesParametersOutOfBounds) {
  const auto code = [](std::size_t salt, std::uint64_t passes, std::uint64_t memory) {
    const auto key = stretch_passphrase(bytes_of("x"), Bytes(salt), passes, memory);
    return key ? Code::kBug : key.error().code;
  };
  EXPECT_EQ(code(16, 1, 8192), Code::kBug);
  EXPECT_EQ(code(15, 1, 8192), Code::kMalformed);
  EXPECT_EQ(code(17, 1, 8192), Code::kMalformed);
  EXPECT_EQ(code(16, 0, 8192), Code::kMalformed);
  EXPECT_EQ(code(16, kMaxKdfPasses + 1, 8192), Code::kMalformed);
  EXPECT_EQ(code(16, 1, 8191), Code::kMalformed);
  EXPECT_EQ(code(16, 1, kMaxKdfMemory + 1), Code::kMalformed);
  EXPECT_EQ(code(16, UINT64_MAX, UINT64_MAX), Code::kMalformed);
}

}  // namespace
}  // namespace p2pmail::core
