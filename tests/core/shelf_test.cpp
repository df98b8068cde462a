// The shelf of a relay: what is promised is there, what has ended is gone, a clock that jumps destroys
// nothing.
#include "core/shelf.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "tests/core/fixture.h"

namespace p2pmail::core {
namespace {

using testing::kStart;
using testing::now_at;
using testing::TempDir;

class ShelfTest : public ::testing::Test {
 protected:
  ShelfTest() : shelf_(std::move(*Shelf::open(directory_.path()))) {
    owner_.bytes.fill(1);
    RelayOwner owner;
    owner.identity = owner_;
    owner.since = kStart;
    EXPECT_TRUE(shelf_.allow(owner));
  }
  /// With its stream on the shelf; `n` names both.
  HeldLetter letter(std::uint8_t n, std::size_t devices = 1) {
    HeldLetter out;
    out.owner = owner_;
    out.deposit.handle.bytes.fill(n);
    out.deposit.root.bytes.fill(n);
    out.deposit.size = 4112;
    for (std::size_t i = 0; i < devices; ++i)
      out.deposit.deletions.push_back(deletion_hash_of(secret(n, i)));
    out.envelope = Bytes(100, n);
    out.since = kStart;
    out.until = kStart + 1000;
    EXPECT_TRUE(replace_file(shelf_.letter_path(out.deposit.root), Bytes(out.deposit.size, n)));
    return out;
  }
  static Bytes secret(std::uint8_t n, std::size_t device) {
    return Bytes(32, static_cast<std::uint8_t>(n + 10 * device));
  }
  static DeviceKey device(std::uint8_t n) {
    DeviceKey key;
    key.bytes.fill(n);
    return key;
  }
  Status show(std::uint8_t n, std::size_t which, std::uint8_t device_number) {
    Digest handle;
    handle.bytes.fill(n);
    return shelf_.shown(handle, device(device_number),
                        {deletion_hash_of(secret(n, which)), Bytes(50, n)});
  }
  bool has_stream(const HeldLetter& one) {
    return std::filesystem::exists(shelf_.letter_path(one.deposit.root));
  }
  std::size_t waiting(std::uint8_t device_number = 1) {
    return shelf_.waiting(owner_, device(device_number), 100)->size();
  }
  HeldState state_of(const HeldLetter& one) { return shelf_.ask({one.deposit.handle, false})->state; }

  TempDir directory_;
  IdentityKey owner_;
  Shelf shelf_;
};

TEST_F(ShelfTest, HoldsUntilTheOwnersDeviceHasIt) {
  const auto one = letter(1);
  EXPECT_TRUE(shelf_.add({one})->front());
  EXPECT_EQ(waiting(), 1U);
  EXPECT_EQ((*shelf_.find(one.deposit.handle))->envelope, one.envelope);
  EXPECT_EQ(shelf_.owners()->front().used, 4112U + 100U);
  EXPECT_EQ(state_of(one), HeldState::kWaiting);
  EXPECT_TRUE(show(1, 0, 1));
  EXPECT_EQ(waiting(), 0U);
  EXPECT_FALSE(has_stream(one));
  EXPECT_EQ(shelf_.owners()->front().used, 0U);
  const auto answer = shelf_.ask({one.deposit.handle, false});
  EXPECT_EQ(answer->state, HeldState::kDelivered);
  EXPECT_EQ(answer->receipt, Bytes(50, 1));
}

TEST_F(ShelfTest, EveryDeviceHasToShowItsSecret) {
  const auto one = letter(1, 2);
  EXPECT_TRUE(shelf_.add({one}));
  EXPECT_TRUE(show(1, 0, 1));
  EXPECT_EQ(waiting(1), 0U);  // not offered to the same device again
  EXPECT_EQ(waiting(2), 1U);
  EXPECT_TRUE(has_stream(one));
  EXPECT_EQ(state_of(one), HeldState::kDelivered);  // the sender need not wait for the other
  EXPECT_EQ(show(1, 0, 2).error().code, Code::kForged);  // the first device's secret again
  EXPECT_TRUE(has_stream(one));
  EXPECT_TRUE(show(1, 1, 2));
  EXPECT_FALSE(has_stream(one));
}

TEST_F(ShelfTest, AForgedSecretDeletesNothing) {
  const auto one = letter(1);
  EXPECT_TRUE(shelf_.add({one}));
  EXPECT_EQ(show(1, 5, 1).error().code, Code::kForged);
  EXPECT_EQ(waiting(), 1U);
  EXPECT_TRUE(has_stream(one));
}

TEST_F(ShelfTest, OneStreamForManyEnvelopes) {
  auto one = letter(1);
  auto two = one;
  two.deposit.handle.bytes.fill(2);
  two.deposit.deletions = {deletion_hash_of(secret(2, 0))};
  EXPECT_TRUE(shelf_.add({one, two}));
  EXPECT_TRUE(show(1, 0, 1));
  EXPECT_TRUE(has_stream(one));
  EXPECT_TRUE(show(2, 0, 1));
  EXPECT_FALSE(has_stream(one));
}

TEST_F(ShelfTest, NothingIsAddedWithoutStreamOrOwner) {
  auto gone = letter(1);
  std::filesystem::remove(shelf_.letter_path(gone.deposit.root));
  EXPECT_FALSE(shelf_.add({gone})->front());
  auto stranger = letter(2);
  stranger.owner.bytes.fill(9);
  EXPECT_FALSE(shelf_.add({stranger})->front());
  EXPECT_EQ(state_of(gone), HeldState::kGone);
}

TEST_F(ShelfTest, ARowSaysTheSizeOfItsStream) {
  EXPECT_TRUE(shelf_.add({letter(1)})->front());
  for (const std::uint64_t size : {std::uint64_t{4096}, std::uint64_t{4113}, std::uint64_t{1} << 20}) {
    auto other = letter(1);
    other.deposit.handle.bytes.fill(2);
    other.deposit.size = size;
    EXPECT_FALSE(shelf_.add({other})->front()) << size;
  }
  EXPECT_EQ(waiting(), 1U);
}

TEST_F(ShelfTest, LettersThatComeAtOnceKeepToTheQuota) {
  RelayOwner owner;
  owner.identity = owner_;
  owner.quota = 2 * (4112 + 100);
  EXPECT_TRUE(shelf_.allow(owner));
  const auto one = letter(1);
  const auto three = letter(3);
  const auto added = shelf_.add({one, letter(2), three});
  EXPECT_EQ(*added, (std::vector<bool>{true, true, false}));
  EXPECT_EQ(shelf_.owners()->front().used, owner.quota);
  EXPECT_TRUE(has_stream(one));
  EXPECT_FALSE(has_stream(three));
  // What is there already needs no more room.
  EXPECT_TRUE(shelf_.add({one})->front());
}

TEST_F(ShelfTest, AHandleStaysWhatItIs) {
  const auto one = letter(1);
  EXPECT_TRUE(shelf_.add({one}));
  auto other = letter(2);
  other.deposit.handle = one.deposit.handle;
  EXPECT_TRUE(shelf_.add({other}));
  EXPECT_EQ((*shelf_.find(one.deposit.handle))->deposit.root, one.deposit.root);
}

TEST_F(ShelfTest, ASenderWithdraws) {
  const auto one = letter(1);
  EXPECT_TRUE(shelf_.add({one}));
  EXPECT_EQ(shelf_.ask({one.deposit.handle, true})->state, HeldState::kGone);
  EXPECT_EQ(waiting(), 0U);
  EXPECT_FALSE(has_stream(one));
  // What was delivered is not taken back.
  const auto two = letter(2);
  EXPECT_TRUE(shelf_.add({two}));
  EXPECT_TRUE(show(2, 0, 1));
  EXPECT_EQ(shelf_.ask({two.deposit.handle, true})->state, HeldState::kDelivered);
}

TEST_F(ShelfTest, ARefusedOneIsToldAndGivesItsRoomBack) {
  const auto one = letter(1);
  EXPECT_TRUE(shelf_.add({one}));
  EXPECT_TRUE(shelf_.refused(one.deposit.handle));
  EXPECT_EQ(waiting(), 0U);
  EXPECT_FALSE(has_stream(one));
  EXPECT_EQ(state_of(one), HeldState::kRefused);
}

TEST_F(ShelfTest, RevokingDropsEverythingOfThatOwner) {
  const auto one = letter(1);
  EXPECT_TRUE(shelf_.add({one}));
  EXPECT_TRUE(shelf_.revoke(owner_));
  EXPECT_FALSE(has_stream(one));
  EXPECT_EQ(state_of(one), HeldState::kGone);
  EXPECT_TRUE(shelf_.owners()->empty());
  EXPECT_EQ(shelf_.revoke(owner_).error().code, Code::kNotFound);
}

TEST_F(ShelfTest, EndsInTwoObservationsAnHourApart) {
  const auto one = letter(1);
  EXPECT_TRUE(shelf_.add({one}));
  EXPECT_TRUE(shelf_.tidy(now_at(kStart + 1001)));
  EXPECT_EQ(waiting(), 1U);
  EXPECT_TRUE(shelf_.tidy(now_at(kStart + 1002)));
  EXPECT_EQ(waiting(), 1U);
  EXPECT_TRUE(shelf_.tidy(now_at(kStart + 1001 + 3600)));
  EXPECT_EQ(waiting(), 0U);
  EXPECT_FALSE(has_stream(one));
  EXPECT_EQ(state_of(one), HeldState::kGone);
}

TEST_F(ShelfTest, AClockThatJumpsAndComesBackDestroysNothing) {
  EXPECT_TRUE(shelf_.add({letter(1)}));
  Now jumped = now_at(kStart + 1);
  for (int hour = 0; hour < 5; ++hour) {
    jumped.boot_time += 1800;
    jumped.time = kStart + 400 * 86400;
    EXPECT_TRUE(shelf_.tidy(jumped));
    jumped.boot_time += 1800;
    jumped.time = kStart + 10;
    EXPECT_TRUE(shelf_.tidy(jumped));
  }
  EXPECT_EQ(waiting(), 1U);
}

TEST_F(ShelfTest, OrphansGoAfterAnHourButNotWhatSomebodyWrites) {
  const auto kept = letter(1);
  EXPECT_TRUE(shelf_.add({kept}));
  const auto orphan = shelf_.directory() / "0123.part";
  const auto busy = shelf_.directory() / "4567.part";
  EXPECT_TRUE(replace_file(orphan, bytes_of("x")));
  EXPECT_TRUE(replace_file(busy, bytes_of("x")));
  const auto fd = open_file(busy, O_RDONLY);
  ASSERT_TRUE(*lock_file(fd->get(), LockKind::kShared, {}, busy));
  const auto now = static_cast<std::uint64_t>(time(nullptr));
  Now clocks = now_at(now);
  clocks.boot_id = {};  // ends nothing
  EXPECT_TRUE(shelf_.tidy(clocks));
  EXPECT_TRUE(std::filesystem::exists(orphan));
  clocks.time = now + 7200;
  EXPECT_TRUE(shelf_.tidy(clocks));
  EXPECT_FALSE(std::filesystem::exists(orphan));
  EXPECT_TRUE(std::filesystem::exists(busy));
  EXPECT_TRUE(has_stream(kept));
}

TEST_F(ShelfTest, AllowAgainChangesTheTerms) {
  RelayOwner owner;
  owner.identity = owner_;
  owner.quota = 5;
  owner.keep = 6;
  EXPECT_TRUE(shelf_.allow(owner));
  ASSERT_EQ(shelf_.owners()->size(), 1U);
  EXPECT_EQ(shelf_.owners()->front().quota, 5U);
  EXPECT_EQ(shelf_.owners()->front().since, kStart);
}

}  // namespace
}  // namespace p2pmail::core
