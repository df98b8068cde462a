// The stream of a letter while it comes: holes, what stays, who has it.
#include "core/partial.h"

#include <gtest/gtest.h>

#include "core/transfer.h"
#include "tests/core/fixture.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

class PartialTest : public ::testing::Test {
 protected:
  Result<Partial> open(Partial::After after = Partial::After::kKept) {
    return Partial::open(path_, kSize, after);
  }
  static constexpr std::uint64_t kSize = 5 * kBlockSize + 7;
  testing::TempDir dir_;
  fs::path path_ = dir_.path() / "one.stream";
  Bytes block_ = Bytes(static_cast<std::size_t>(kBlockSize), 0x5a);
};

TEST_F(PartialTest, BlocksThatDidNotComeAreHoles) {
  auto partial = open();
  ASSERT_TRUE(partial);
  EXPECT_EQ(partial->next_data(0), 6U);
  ASSERT_TRUE(partial->write(3, block_));
  EXPECT_EQ(partial->next_data(0), 3U);
  EXPECT_EQ(partial->next_data(4), 6U);
  EXPECT_LT(partial->on_disk(), 2 * kBlockSize);
  Bytes back(block_.size());
  ASSERT_TRUE(partial->read(3, back));
  EXPECT_EQ(back, block_);
}

TEST_F(PartialTest, WhatCameStaysForTheNext) {
  { ASSERT_TRUE(open()->write(0, block_)); }
  auto next = open();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->next_data(0), 0U);
}

TEST_F(PartialTest, NothingStaysOfNothingOrOfAStranger) {
  { ASSERT_TRUE(open()); }
  EXPECT_FALSE(fs::exists(path_));
  { ASSERT_TRUE(open(Partial::After::kRemoved)->write(0, block_)); }
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(PartialTest, OnlyOneHasIt) {
  auto first = open();
  ASSERT_TRUE(first);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kBusy);
}

TEST_F(PartialTest, ASymbolicLinkIsNotFollowed) {
  fs::create_symlink(dir_.path() / "elsewhere", path_);
  EXPECT_FALSE(open());
  EXPECT_FALSE(fs::exists(dir_.path() / "elsewhere"));
}

TEST(Transfer, GivesEachBlockOnceAndAgainWhenItComesBack) {
  Transfer transfer({}, 2 * kBlockSize);
  EXPECT_FALSE(transfer.choose({}));  // no leaf is known
  Transfer single({}, 1000);
  EXPECT_EQ(single.choose({}), 0U);
  single.ask(0);
  EXPECT_FALSE(single.choose({0}));
  EXPECT_EQ(single.choose({}), 0U);  // by somebody else, who has nothing to do
  single.ask(0);
  EXPECT_FALSE(single.choose({}));
  single.give_back(0);
  single.give_back(0);
  EXPECT_EQ(single.choose({}), 0U);
  single.got(0);
  EXPECT_TRUE(single.complete());
  EXPECT_EQ(single.done(), 1000U);
  EXPECT_FALSE(single.choose({}));
}

}  // namespace
}  // namespace p2pmail::core
