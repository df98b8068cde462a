// A store comes into being once, and its keys change only together with what was saved.
#include "core/store.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/file.h"
#include "tests/core/fixture.h"
#include "tests/core/full_disk.h"

namespace p2pmail::core {
namespace {

using test::FullDisk;
using testing::kStart;
using testing::now_at;
using testing::Person;
using testing::TempDir;

TEST(CreateStore, GivesOneOfManyCallersTheIdentityThatStays) {
  const TempDir directory;
  for (int round = 0; round < 10; ++round) {
    const Paths paths{directory.path() / std::to_string(round)};
    std::vector<std::thread> callers;
    std::vector<std::optional<IdentityKey>> told(4);
    for (auto& answer : told)
      callers.emplace_back([&paths, &answer] {
        const auto made = create_store(paths, CreateOptions{}, now_at(kStart));
        if (made) answer = *made;
      });
    for (auto& caller : callers) caller.join();
    ASSERT_EQ(std::ranges::count_if(told, [](const auto& key) { return key.has_value(); }), 1);
    const auto store = Store::open(paths, now_at(kStart));
    ASSERT_TRUE(store) << store.error().context;
    EXPECT_EQ(std::ranges::count(told, std::optional((*store)->identity())), 1);
  }
}

TEST(CreateStore, RemovesTheSecretsOfAnInterruptedCall) {
  const TempDir directory;
  const Paths paths{directory.path() / "alice"};
  ASSERT_TRUE(make_directories(paths.root / "keys.new-0123456789abcdef"));
  ASSERT_TRUE(replace_file(paths.root / "keys.new-0123456789abcdef/device", bytes_of("secret")));
  ASSERT_TRUE(create_store(paths, CreateOptions{}, now_at(kStart)));
  EXPECT_FALSE(std::filesystem::exists(paths.root / "keys.new-0123456789abcdef"));
}

TEST(Upkeep, PublishesNoPrekeyWhoseSecretWasNotSaved) {
  const TempDir directory;
  Person alice(directory, "alice");
  const Now later = now_at(kStart + kPrekeyPeriod + 1);
  {
    const FullDisk full;
    EXPECT_FALSE(alice.store->upkeep(later));
  }
  EXPECT_EQ(alice.store->device().prekeys.size(), 1U);
  ASSERT_TRUE(alice.store->upkeep(later));
  alice.reopen();
  const DeviceKeys& keys = alice.store->device();
  EXPECT_EQ(keys.prekeys.size(), 2U);
  EXPECT_NE(keys.prekey(alice.store->card().records[0].value.prekeys[0].key), nullptr);
}

TEST(Upkeep, StartsTheClockOfErasureWhenTheSuccessorIsPublished) {
  const TempDir directory;
  Person alice(directory, "alice");
  const std::uint64_t rotated = kStart + kPrekeyPeriod + 1;
  // As after a crash between the two files: the new secret is saved, the card is the old one.
  const auto card = read_file(alice.paths.card(), kMaxCardSize);
  ASSERT_TRUE(card);
  ASSERT_TRUE(alice.store->upkeep(now_at(rotated)));
  ASSERT_TRUE(replace_file(alice.paths.card(), *card));
  alice.reopen();
  const std::uint64_t published = rotated + 2 * kPrekeyKeep;
  for (const std::uint64_t wait : {0, 7200, 14400})
    ASSERT_TRUE(alice.store->upkeep(now_at(published + wait)));
  const DeviceKeys& keys = alice.store->device();
  ASSERT_GE(keys.prekeys.size(), 2U);
  EXPECT_EQ(keys.prekeys.back().created, kStart);
  EXPECT_GE(keys.prekeys.back().superseded, published);
}

TEST(PublishAgain, IsAboveWhatADeviceSaidBeforeItCameBackFromABackup) {
  const TempDir directory;
  Person bob(directory, "bob");
  const std::filesystem::path backup = directory.path() / "backup";
  std::filesystem::copy(bob.paths.root, backup, std::filesystem::copy_options::recursive);
  const Endpoint place = *parse_endpoint("tcp://192.0.2.1:1");
  const Endpoint other = *parse_endpoint("tcp://192.0.2.2:2");
  ASSERT_TRUE(bob.store->advertise({place}, now_at(kStart + 10)));
  ASSERT_TRUE(bob.store->advertise({other}, now_at(kStart + 20)));
  Card known = bob.store->card();

  auto back = Store::open(Paths{backup}, now_at(kStart + 7000));
  ASSERT_TRUE(back);
  ASSERT_TRUE((*back)->publish_again(now_at(kStart + 7000)));
  const auto merged = merge_card(known, (*back)->card());
  ASSERT_TRUE(merged);
  EXPECT_TRUE(merged->changed);
  EXPECT_TRUE(known.records[0].value.endpoints.empty());

  // Not for everybody who sends what cannot be opened.
  const auto sequence = (*back)->card().records[0].value.sequence;
  ASSERT_TRUE((*back)->publish_again(now_at(kStart + 7000 + 3599)));
  EXPECT_EQ((*back)->card().records[0].value.sequence, sequence);
}

TEST(Upkeep, RemovesSecretsThatACrashLeftBesideTheKeys) {
  const TempDir directory;
  Person alice(directory, "alice");
  const auto left = alice.paths.root / "keys/device.new-0123456789abcdef";
  ASSERT_TRUE(replace_file(left, bytes_of("an erased prekey")));
  ASSERT_TRUE(alice.store->upkeep(now_at(kStart)));
  EXPECT_FALSE(std::filesystem::exists(left));
}

}  // namespace
}  // namespace p2pmail::core
