// Key files: only the right passphrase opens them, damage is an error and never another key, and
// a prekey's secret is erased late, once, and never because a clock jumped.
#include "core/keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "core/cbor.h"
#include "core/file.h"

namespace p2pmail::core {
namespace {

constexpr KdfCost kCheap{1, 8192};
constexpr std::uint64_t kStart = 1'800'000'000;

SecretBytes secret_of(std::string_view text) {
  SecretBytes out(text.size());
  std::ranges::copy(bytes_of(text), out.span().begin());
  return out;
}

struct TemporaryDirectory {
  std::filesystem::path path;
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "p2pmail-keys-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
};

// ---- protected keys

struct ProtectedKeyTest : testing::Test {
  AgreePair store = make_agree_pair();
  SigningPair identity = make_signing_pair();
  SecretBytes passphrase = secret_of("correct horse");

  Bytes sealed_store() {
    return *seal_key(KeyKind::kStore, store.public_key, store.secret.view(), &passphrase, kCheap);
  }
  Bytes open_store() {
    return *seal_key(KeyKind::kStore, store.public_key, store.secret.view(), nullptr, kCheap);
  }
  static Code refusal(const Bytes& bytes) {
    const auto key = parse_key(KeyKind::kStore, bytes);
    return key ? Code::kBug : key.error().code;
  }
  Code unseal_refusal(const Bytes& bytes, const SecretBytes* with) {
    const auto key = parse_key(KeyKind::kStore, bytes);
    if (!key) return key.error().code;
    const auto secret = unseal_key(*key, with);
    return secret ? Code::kBug : secret.error().code;
  }
};

TEST_F(ProtectedKeyTest, StoreKeyRoundTrip) {
  const auto key = parse_key(KeyKind::kStore, sealed_store());
  ASSERT_TRUE(key) << key.error().context;
  EXPECT_TRUE(key->needs_passphrase);
  EXPECT_EQ(key->public_key, store.public_key);
  const auto secret = unseal_key(*key, &passphrase);
  ASSERT_TRUE(secret) << secret.error().context;
  EXPECT_TRUE(equal_secret(secret->view(), store.secret.view()));
}

TEST_F(ProtectedKeyTest, IdentityKeyRoundTrip) {
  const auto bytes = seal_key(KeyKind::kIdentity, identity.public_key, identity.secret.view(),
                              &passphrase, kCheap);
  ASSERT_TRUE(bytes) << bytes.error().context;
  const auto secret = unseal_key(*parse_key(KeyKind::kIdentity, *bytes), &passphrase);
  ASSERT_TRUE(secret) << secret.error().context;
  EXPECT_TRUE(equal_secret(secret->view(), identity.secret.view()));
}

TEST_F(ProtectedKeyTest, OpenKeyNeedsNoPassphrase) {
  const auto key = parse_key(KeyKind::kStore, open_store());
  ASSERT_TRUE(key) << key.error().context;
  EXPECT_FALSE(key->needs_passphrase);
  EXPECT_TRUE(equal_secret(unseal_key(*key, nullptr)->view(), store.secret.view()));
}

TEST_F(ProtectedKeyTest, RefusesTheWrongPassphrase) {
  const SecretBytes wrong = secret_of("correct horsf");
  EXPECT_EQ(unseal_refusal(sealed_store(), &wrong), Code::kWrongPassphrase);
  const SecretBytes none;
  EXPECT_EQ(unseal_refusal(sealed_store(), &none), Code::kWrongPassphrase);
}

TEST_F(ProtectedKeyTest, SaysThatAPassphraseIsNeeded) {
  EXPECT_EQ(unseal_refusal(sealed_store(), nullptr), Code::kLocked);
}

TEST_F(ProtectedKeyTest, RefusesToSealWithAnEmptyPassphrase) {
  const SecretBytes none;
  const auto out =
      seal_key(KeyKind::kStore, store.public_key, store.secret.view(), &none, kCheap);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Code::kUsage);
}

TEST_F(ProtectedKeyTest, RefusesAKeyOfAnotherKind) {
  const auto key = parse_key(KeyKind::kIdentity, sealed_store());
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code, Code::kMalformed);
}

TEST_F(ProtectedKeyTest, RefusesEveryTruncation) {
  for (const Bytes& bytes : {sealed_store(), open_store()})
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_EQ(refusal(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size))),
                Code::kMalformed) << size;
}

TEST_F(ProtectedKeyTest, AFlippedBitNeverOpens) {
  Bytes bytes = sealed_store();
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_NE(unseal_refusal(bytes, &passphrase), Code::kBug) << bit;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
  }
}

TEST_F(ProtectedKeyTest, AFlippedBitOfAnOpenKeyNeverGivesAnotherKey) {
  Bytes bytes = open_store();
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    if (const auto key = parse_key(KeyKind::kStore, bytes)) {
      const auto secret = unseal_key(*key, nullptr);
      // X25519 ignores five bits of a secret: those still make the same key.
      EXPECT_TRUE(!secret || public_of(AgreeSecret(secret->view())) == store.public_key) << bit;
    }
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
  }
}

TEST_F(ProtectedKeyTest, RefusesASeedThatDoesNotFitItsPublicKey) {
  Bytes secret = to_bytes(identity.secret.view());
  secret[0] ^= 1;  // the second half, the public key, is untouched
  const auto sealed = seal_key(KeyKind::kIdentity, identity.public_key, secret, nullptr, kCheap);
  ASSERT_FALSE(sealed);
  EXPECT_EQ(sealed.error().code, Code::kForged);
  Value map{{"k", "identity"}, {"p", binary(identity.public_key)}, {"v", 1u}};
  map["s"] = Value::object({{"o", binary(secret)}});
  const auto key = parse_key(KeyKind::kIdentity, encode_cbor(map));
  ASSERT_TRUE(key) << key.error().context;
  EXPECT_EQ(unseal_key(*key, nullptr).error().code, Code::kForged);
}

TEST_F(ProtectedKeyTest, RefusesAPublicKeyOfAnotherSecret) {
  const AgreePair other = make_agree_pair();
  Value map = *decode_cbor(open_store(), "key");
  map["p"] = binary(other.public_key);
  EXPECT_EQ(unseal_refusal(encode_cbor(map), nullptr), Code::kForged);
}

TEST_F(ProtectedKeyTest, BoundsTheCostBeforeSpendingIt) {
  const auto with = [&](const char* name, std::uint64_t value) {
    Value map = *decode_cbor(sealed_store(), "key");
    map["s"][name] = value;
    return refusal(encode_cbor(map));
  };
  EXPECT_EQ(with("m", kMaxKdfMemory), Code::kBug);
  EXPECT_EQ(with("m", kMaxKdfMemory + 1), Code::kMalformed);
  EXPECT_EQ(with("m", 8191), Code::kMalformed);
  EXPECT_EQ(with("m", 8193), Code::kMalformed);
  EXPECT_EQ(with("p", kMaxKdfPasses), Code::kBug);
  EXPECT_EQ(with("p", kMaxKdfPasses + 1), Code::kMalformed);
  EXPECT_EQ(with("p", 0), Code::kMalformed);
}

TEST_F(ProtectedKeyTest, RefusesOtherVersionsAndFields) {
  const auto with = [&](const char* name, const Value& value) {
    Value map = *decode_cbor(sealed_store(), "key");
    map[name] = value;
    return refusal(encode_cbor(map));
  };
  EXPECT_EQ(with("v", 2u), Code::kUnsupported);
  EXPECT_EQ(with("v", 0u), Code::kMalformed);
  EXPECT_EQ(with("z", 0u), Code::kMalformed);
  EXPECT_EQ(with("s", Value::object()), Code::kMalformed);
  EXPECT_EQ(with("s", 1u), Code::kMalformed);
  EXPECT_EQ(with("k", "ring"), Code::kMalformed);
}

TEST_F(ProtectedKeyTest, RefusesAnOpenSecretBesideASealedOne) {
  Value map = *decode_cbor(sealed_store(), "key");
  map["s"]["o"] = binary(store.secret.view());
  EXPECT_EQ(refusal(encode_cbor(map)), Code::kMalformed);
}

// ---- files

struct KeyFileTest : testing::Test {
  TemporaryDirectory directory;
  std::filesystem::path path = directory.path / "device";
  DeviceKeys keys = make_device_keys(IdentityKey{{7}}, kStart);
};

TEST_F(KeyFileTest, DeviceKeysRoundTrip) {
  ASSERT_TRUE(save_device_keys(path, keys));
  const auto read = load_device_keys(path);
  ASSERT_TRUE(read) << read.error().context;
  EXPECT_EQ(read->device, keys.device);
  EXPECT_EQ(read->transport_public, keys.transport_public);
  EXPECT_EQ(read->identity, keys.identity);
  EXPECT_TRUE(equal_secret(read->queue.view(), keys.queue.view()));
  EXPECT_TRUE(equal_secret(read->signing.view(), keys.signing.view()));
  ASSERT_NE(read->prekey(keys.prekeys[0].key), nullptr);
  EXPECT_EQ(read->prekeys[0].created, kStart);
  EXPECT_TRUE(equal_secret(encode_device_keys(*read).view(), encode_device_keys(keys).view()));
}

TEST_F(KeyFileTest, IsWrittenForItsOwnerOnly) {
  ASSERT_TRUE(save_device_keys(path, keys));
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(KeyFileTest, RefusesAFileThatOthersMayTouch) {
  ASSERT_TRUE(save_device_keys(path, keys));
  for (const mode_t mode : {0640U, 0604U, 0620U, 0601U}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    const auto read = load_device_keys(path);
    ASSERT_FALSE(read) << mode;
    EXPECT_EQ(read.error().code, Code::kDenied);
    EXPECT_EQ(read.error().hint, "chmod 600 " + path.string());
    EXPECT_EQ(load_key(KeyKind::kStore, path).error().code, Code::kDenied);
  }
  ASSERT_EQ(chmod(path.c_str(), 0400), 0);
  EXPECT_TRUE(load_device_keys(path));
}

TEST_F(KeyFileTest, LoadsAProtectedKey) {
  const AgreePair store = make_agree_pair();
  const auto sealed =
      seal_key(KeyKind::kStore, store.public_key, store.secret.view(), nullptr, kCheap);
  ASSERT_TRUE(replace_file(path, *sealed));
  const auto key = load_key(KeyKind::kStore, path);
  ASSERT_TRUE(key) << key.error().context;
  EXPECT_TRUE(unseal_key(*key, nullptr));
  EXPECT_FALSE(load_device_keys(path));
}

TEST_F(KeyFileTest, TellsWhatIsNotAKeyFile) {
  EXPECT_EQ(load_device_keys(path).error().code, Code::kNotFound);
  EXPECT_EQ(load_device_keys(directory.path).error().code, Code::kMalformed);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(load_device_keys(path).error().code, Code::kMalformed);
  ASSERT_TRUE(replace_file(path, Bytes(kMaxCborSize + 1)));
  EXPECT_EQ(load_device_keys(path).error().code, Code::kMalformed);
}

TEST_F(KeyFileTest, RefusesEveryTruncation) {
  const SecretBytes bytes = encode_device_keys(keys);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_device_keys(bytes.view().first(size))) << size;
}

TEST_F(KeyFileTest, RefusesEveryFlippedBit) {
  SecretBytes bytes = encode_device_keys(keys);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes.span()[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_FALSE(decode_device_keys(bytes.view())) << bit;
    bytes.span()[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
  }
}

TEST_F(KeyFileTest, RefusesPrekeysWithoutExactlyOneCurrent) {
  keys.prekeys.front().superseded = kStart;
  EXPECT_FALSE(decode_device_keys(encode_device_keys(keys).view()));
  keys.prekeys.clear();
  EXPECT_FALSE(decode_device_keys(encode_device_keys(keys).view()));
}

TEST(Clocks, AreRead) {
  const Now now = read_clocks();
  EXPECT_GT(now.time, 1'700'000'000u);
  const std::array<std::uint8_t, 16> none{};
  const bool has_boot_id = access("/proc/sys/kernel/random/boot_id", R_OK) == 0;
  EXPECT_EQ(now.boot_id != none, has_boot_id);
}

// ---- the prekey schedule

struct UpkeepTest : testing::Test {
  DeviceKeys keys = make_device_keys(IdentityKey{{7}}, kStart);
  Now now{kStart, 1000, {1}};
  PrekeyPublic first = keys.prekeys.front().key;

  PrekeyUpkeep run() { return upkeep_prekeys(keys, now); }
  /// Both clocks go on, as they do.
  PrekeyUpkeep run_after(std::uint64_t seconds) {
    now.time += seconds;
    now.boot_time += seconds;
    return run();
  }
  void reboot(std::uint64_t up) {
    now.boot_id[0]++;
    now.boot_time = up;
  }
  /// The first prekey is superseded, its deadline just passed; nobody has looked yet.
  void pass_deadline() {
    run_after(kPrekeyPeriod);
    keys.prekeys.front().created = now.time + kPrekeyKeep;  // no more rotation in these tests
    now.time += kPrekeyKeep;
    now.boot_time += kPrekeyKeep;
  }
  bool has_first() const { return keys.prekey(first) != nullptr; }
};

TEST_F(UpkeepTest, RotatesAfterItsPeriodAndNotBefore) {
  EXPECT_FALSE(run_after(kPrekeyPeriod - 1).changed);
  const PrekeyUpkeep done = run_after(1);
  EXPECT_TRUE(done.rotated && done.changed);
  ASSERT_EQ(keys.prekeys.size(), 2u);
  EXPECT_EQ(keys.prekeys[0].created, now.time);
  EXPECT_EQ(keys.prekeys[0].superseded, 0u);
  EXPECT_EQ(keys.prekeys[1].superseded, now.time);
  EXPECT_EQ(keys.prekeys[1].key, first);
  EXPECT_FALSE(run().changed);
}

TEST_F(UpkeepTest, GoesOnRotatingAfterAClockThatWasAhead) {
  const std::uint64_t right = now.time;
  now.time += 1000 * kPrekeyPeriod;
  ASSERT_TRUE(run().rotated);
  now.time = right;
  ASSERT_TRUE(run().rotated);
  EXPECT_EQ(keys.prekeys.front().created, right);
  EXPECT_FALSE(run().rotated);
  EXPECT_TRUE(run_after(kPrekeyPeriod).rotated);
}

TEST_F(UpkeepTest, AClockThatWasBehindShortensNoDeadline) {
  now.time = 1000;
  ASSERT_TRUE(run().rotated);
  EXPECT_GE(keys.prekeys.back().superseded, kStart + kPrekeyPeriod);
}

TEST_F(UpkeepTest, TheSuccessionStartsAgainAsLongAsItIsNotPublished) {
  run_after(kPrekeyPeriod);
  now.time += kPrekeyKeep;
  EXPECT_TRUE(restart_succession(keys, now));
  EXPECT_EQ(keys.prekeys.back().superseded, now.time);
  EXPECT_FALSE(restart_succession(keys, now));
  now.time -= 1000;
  EXPECT_FALSE(restart_succession(keys, now));
}

TEST_F(UpkeepTest, SavedStateSurvivesEveryStep) {
  for (int week = 0; week < 15; ++week) {
    (void)run_after(kPrekeyPeriod);
    auto read = decode_device_keys(encode_device_keys(keys).view());
    ASSERT_TRUE(read) << read.error().context;
    keys = std::move(*read);
  }
  EXPECT_FALSE(has_first());
  EXPECT_LE(keys.prekeys.size(), kMaxPrekeySecrets);
  EXPECT_GE(keys.prekeys.size(), kPrekeyKeep / kPrekeyPeriod);
}

TEST_F(UpkeepTest, ErasesInTwoObservationsAnHourApart) {
  pass_deadline();
  EXPECT_TRUE(run().changed);  // the first observation must be saved
  EXPECT_FALSE(run_after(3599).erased);
  EXPECT_TRUE(has_first());
  const PrekeyUpkeep done = run_after(1);
  EXPECT_TRUE(done.erased && done.changed);
  EXPECT_FALSE(has_first());
}

TEST_F(UpkeepTest, KeepsUntilTheDeadline) {
  pass_deadline();
  now.time -= 1;
  EXPECT_FALSE(run().changed);
  now.boot_time += 7200;
  EXPECT_FALSE(run().changed);
}

TEST_F(UpkeepTest, AWallClockThatJumpsAheadForAMomentErasesNothing) {
  run_after(kPrekeyPeriod);
  const std::uint64_t right = now.time;
  now.time += 100 * kPrekeyKeep;
  (void)run();
  EXPECT_TRUE(has_first());
  now.time = right;
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(run_after(3600).erased);
  EXPECT_TRUE(has_first());
}

TEST_F(UpkeepTest, AClockThatGoesBackErasesNothingAndTheHourStartsAgain) {
  pass_deadline();
  ASSERT_TRUE(run().changed);
  now.time -= kPrekeyKeep;
  now.boot_time += 7200;
  EXPECT_FALSE(run().erased);
  now.time += kPrekeyKeep;
  EXPECT_FALSE(run().erased);  // what was observed before the clock was set back does not count
  EXPECT_FALSE(run_after(3599).erased);
  EXPECT_TRUE(has_first());
  EXPECT_TRUE(run_after(1).erased);
}

TEST_F(UpkeepTest, AfterARebootAWholeHourMustPass) {
  pass_deadline();
  ASSERT_TRUE(run().changed);
  reboot(3599);
  EXPECT_FALSE(run().changed);
  EXPECT_TRUE(has_first());
  EXPECT_TRUE(run_after(1).erased);
}

TEST_F(UpkeepTest, ErasesNothingWithoutABootId) {
  now.boot_id = {};
  pass_deadline();
  EXPECT_FALSE(run().changed);
  EXPECT_FALSE(run_after(7200).changed);
  EXPECT_TRUE(has_first());
}

TEST_F(UpkeepTest, ErasesOneGenerationPerRunOldestFirst) {
  run_after(kPrekeyPeriod);
  const PrekeyPublic second = keys.prekeys.front().key;
  run_after(kPrekeyPeriod);
  keys.prekeys.front().created = now.time + kPrekeyKeep;  // no more rotation here
  (void)run_after(kPrekeyKeep);  // sees both
  EXPECT_TRUE(run_after(3600).erased);
  EXPECT_FALSE(has_first());
  EXPECT_NE(keys.prekey(second), nullptr);
  EXPECT_TRUE(run().erased);
  EXPECT_EQ(keys.prekey(second), nullptr);
  EXPECT_FALSE(run().erased);
  EXPECT_EQ(keys.prekeys.size(), 1u);
}

TEST_F(UpkeepTest, NeverErasesTheCurrentPrekey) {
  keys.prekeys.front().observed_boot_id = {9};
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(run_after(3600).erased);
  EXPECT_TRUE(has_first());
}

TEST_F(UpkeepTest, DoesNotRotateWhenThereIsNoRoom) {
  now.boot_id = {};  // so that nothing is erased
  for (std::size_t i = 0; i < kMaxPrekeySecrets - 1; ++i)
    EXPECT_TRUE(run_after(kPrekeyPeriod).rotated);
  EXPECT_EQ(keys.prekeys.size(), kMaxPrekeySecrets);
  EXPECT_FALSE(run_after(kPrekeyPeriod).changed);
  EXPECT_TRUE(has_first());
  EXPECT_EQ(keys.prekeys.front().superseded, 0u);
}

}  // namespace
}  // namespace p2pmail::core
