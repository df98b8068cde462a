// A letter's root: what the tree hashes, and that no block, leaf list or group list but the true
// one passes a verifier.
#include "core/tree.h"

#include <gtest/gtest.h>

#include "core/text.h"

namespace p2pmail::core {
namespace {

Bytes pattern(std::size_t size) {
  Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i % 251);
  return out;
}

Root root_of_bytes(ByteView bytes) {
  TreeHasher hasher;
  hasher.update(bytes);
  return hasher.finish();
}

Bytes join(std::span<const Digest> digests) {
  Bytes out;
  for (const Digest& digest : digests) append(out, digest);
  return out;
}

ByteView block_of(ByteView bytes, std::uint64_t index) {
  return bytes.subspan(index * kBlockSize, block_size(bytes.size(), index));
}

std::vector<Digest> random_digests(std::size_t count) {
  std::vector<Digest> out(count);
  for (Digest& digest : out) random_bytes(digest.bytes);
  return out;
}

TEST(Tree, CountsBlocksAndGroups) {
  EXPECT_EQ(block_count(0), 0u);
  EXPECT_EQ(block_count(1), 1u);
  EXPECT_EQ(block_count(kBlockSize), 1u);
  EXPECT_EQ(block_count(kBlockSize + 1), 2u);
  EXPECT_EQ(group_count(kBlockSize * kGroupLeaves), 1u);
  EXPECT_EQ(group_count(kBlockSize * kGroupLeaves + 1), 2u);
  EXPECT_EQ(group_count(kMaxLetterSize), kMaxGroups);
  EXPECT_EQ(block_count(UINT64_MAX), (std::uint64_t{1} << 44));
}

TEST(Tree, SizesOfBlocks) {
  EXPECT_EQ(block_size(kBlockSize + 5, 0), kBlockSize);
  EXPECT_EQ(block_size(kBlockSize + 5, 1), 5u);
  EXPECT_EQ(block_size(kBlockSize + 5, 2), 0u);
  EXPECT_EQ(block_size(kBlockSize, 0), kBlockSize);
  EXPECT_EQ(block_size(kBlockSize, UINT64_MAX), 0u);
}

// Computed apart with Python's hashlib.blake2b and its `person` argument.
TEST(Tree, KnownRoots) {
  EXPECT_EQ(to_hex(root_of_bytes(bytes_of("abc"))),
            "632139b7c3364344562e9c0cfdf5ccbba96249c5b92fa66d31088869075a254d");
  EXPECT_EQ(to_hex(root_of_bytes(pattern(2 * kBlockSize + 5))),
            "66ab74a9101626f976193eadb2b100df5aec7faaf0bb47003bb745f5597dbaba");
}

TEST(Tree, PiecesDoNotMatter) {
  const Bytes bytes = pattern(kBlockSize + 70000);
  TreeHasher hasher;
  for (ByteView rest = bytes; !rest.empty();) {
    const std::size_t take = std::min<std::size_t>(rest.size(), 65533);
    hasher.update(rest.first(take));
    rest = rest.subspan(take);
  }
  EXPECT_EQ(hasher.finish(), root_of_bytes(bytes));
  EXPECT_EQ(hasher.size(), bytes.size());
  EXPECT_EQ(hasher.leaves().size(), 2u);
}

TEST(Tree, LeavesAreOfBlocks) {
  const Bytes bytes = pattern(2 * kBlockSize);
  TreeHasher hasher;
  hasher.update(bytes);
  const Root root = hasher.finish();
  ASSERT_EQ(hasher.leaves().size(), 2u);
  EXPECT_EQ(hasher.leaves()[1], leaf_of(block_of(bytes, 1)));
  const Digest group = group_of(hasher.leaves());
  EXPECT_EQ(root, root_of(bytes.size(), {&group, 1}));
}

TEST(TreeVerifier, OneBlockNeedsNothing) {
  const Bytes bytes = pattern(5000);
  const TreeVerifier verifier(root_of_bytes(bytes), bytes.size());
  EXPECT_FALSE(verifier.needs_groups());
  EXPECT_FALSE(verifier.needs_leaves(0));
  EXPECT_TRUE(verifier.check_block(0, bytes));
}

TEST(TreeVerifier, RefusesChangedBlock) {
  Bytes bytes = pattern(300);
  const TreeVerifier verifier(root_of_bytes(bytes), bytes.size());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    EXPECT_FALSE(verifier.check_block(0, bytes));
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
  }
  EXPECT_TRUE(verifier.check_block(0, bytes));
}

TEST(TreeVerifier, RefusesBlockOfAnotherSize) {
  const Bytes bytes = pattern(300);
  const Root root = root_of_bytes(bytes);
  EXPECT_FALSE(TreeVerifier(root, 300).check_block(0, ByteView(bytes).first(299)));
  EXPECT_FALSE(TreeVerifier(root, 300).check_block(1, bytes));
  EXPECT_FALSE(TreeVerifier(root, 299).check_block(0, ByteView(bytes).first(299)));
}

TEST(TreeVerifier, LeavesThenBlocks) {
  const Bytes bytes = pattern(2 * kBlockSize + 5);
  TreeHasher hasher;
  hasher.update(bytes);
  TreeVerifier verifier(hasher.finish(), bytes.size());
  EXPECT_FALSE(verifier.needs_groups());
  EXPECT_TRUE(verifier.needs_leaves(0));
  EXPECT_FALSE(verifier.check_block(0, block_of(bytes, 0))) << "no leaves yet";
  ASSERT_TRUE(verifier.set_leaves(0, join(hasher.leaves())));
  EXPECT_FALSE(verifier.needs_leaves(0));
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_TRUE(verifier.check_block(i, block_of(bytes, i)));
  EXPECT_FALSE(verifier.check_block(0, block_of(bytes, 1))) << "blocks swapped";
  EXPECT_FALSE(verifier.check_block(3, {}));
}

TEST(TreeVerifier, RefusesWrongLeaves) {
  const Bytes bytes = pattern(kBlockSize + 5);
  TreeHasher hasher;
  hasher.update(bytes);
  TreeVerifier verifier(hasher.finish(), bytes.size());
  Bytes leaves = join(hasher.leaves());
  EXPECT_FALSE(verifier.set_leaves(1, leaves));
  EXPECT_FALSE(verifier.set_leaves(0, ByteView(leaves).first(32)));
  EXPECT_FALSE(verifier.set_leaves(0, {}));
  leaves[40] ^= 1;
  EXPECT_FALSE(verifier.set_leaves(0, leaves));
  EXPECT_TRUE(verifier.needs_leaves(0)) << "nothing false is kept";
}

// Two groups would take 4 GiB of bytes: all leaves but two are made up.
struct TwoGroups : testing::Test {
  const std::uint64_t size = kBlockSize * kGroupLeaves + 3;
  const Bytes block = pattern(kBlockSize);
  std::vector<Digest> first = random_digests(kGroupLeaves);
  const std::vector<Digest> second{leaf_of(bytes_of("end"))};
  std::vector<Digest> groups;
  void SetUp() override {
    first[7] = leaf_of(block);
    groups = {group_of(first), group_of(second)};
  }
};

TEST_F(TwoGroups, GroupsThenLeavesThenBlocks) {
  TreeVerifier verifier(root_of(size, groups), size);
  EXPECT_TRUE(verifier.needs_groups());
  EXPECT_FALSE(verifier.set_leaves(0, join(first))) << "groups come first";
  ASSERT_TRUE(verifier.set_groups(join(groups)));
  EXPECT_FALSE(verifier.needs_groups());
  ASSERT_TRUE(verifier.set_leaves(1, join(second)));
  EXPECT_TRUE(verifier.needs_leaves(0));
  EXPECT_TRUE(verifier.check_block(kGroupLeaves, bytes_of("end")));
  EXPECT_FALSE(verifier.check_block(7, block));
  ASSERT_TRUE(verifier.set_leaves(0, join(first)));
  EXPECT_TRUE(verifier.check_block(7, block));
  EXPECT_FALSE(verifier.check_block(8, block));
}

TEST_F(TwoGroups, RefusesWrongGroups) {
  TreeVerifier verifier(root_of(size, groups), size);
  Bytes joined = join(groups);
  EXPECT_FALSE(verifier.set_groups(ByteView(joined).first(32)));
  joined[63] ^= 0x80;
  EXPECT_FALSE(verifier.set_groups(joined));
  EXPECT_FALSE(TreeVerifier(root_of(size, groups), size - 1).set_groups(join(groups)));
  EXPECT_TRUE(verifier.needs_groups());
}

TEST_F(TwoGroups, RefusesLeavesOfTheOtherGroup) {
  TreeVerifier verifier(root_of(size, groups), size);
  ASSERT_TRUE(verifier.set_groups(join(groups)));
  EXPECT_FALSE(verifier.set_leaves(1, join(first)));
  EXPECT_FALSE(verifier.set_leaves(0, join(second)));
  EXPECT_FALSE(verifier.set_leaves(2, join(second)));
  EXPECT_FALSE(verifier.needs_leaves(2));
}

TEST(TreeVerifier, NothingFitsASizeOutOfBounds) {
  for (const std::uint64_t size : {std::uint64_t{0}, kMaxLetterSize + 1, UINT64_MAX}) {
    TreeVerifier verifier(Root{}, size);
    EXPECT_FALSE(verifier.set_groups({}));
    EXPECT_FALSE(verifier.set_leaves(0, {}));
    EXPECT_FALSE(verifier.check_block(0, {}));
    EXPECT_FALSE(verifier.needs_leaves(0));
  }
}

}  // namespace
}  // namespace p2pmail::core
