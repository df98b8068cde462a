// The worker's leaves are those of the tree, whoever hashed them; it ends when its owner does.
#include "core/leaf_worker.h"

#include <gtest/gtest.h>

namespace p2pmail::core {
namespace {

Bytes block_of(std::size_t number, std::size_t size = kBlockSize) {
  return Bytes(size, static_cast<std::uint8_t>(number));
}

TEST(LeafWorker, GivesTheLeavesInOrder) {
  LeafWorker worker;
  for (std::size_t i = 0; i < 50; ++i) (void)worker.add(block_of(i));
  (void)worker.add(block_of(50, 5));
  const auto leaves = worker.finish();
  ASSERT_EQ(leaves.size(), 51u);
  for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(leaves[i], leaf_of(block_of(i))) << i;
  EXPECT_EQ(leaves[50], leaf_of(block_of(50, 5)));
}

TEST(LeafWorker, IsAsNewAfterwards) {
  LeafWorker worker;
  EXPECT_TRUE(worker.finish().empty());
  (void)worker.add(block_of(1));
  EXPECT_EQ(worker.finish().size(), 1u);
  EXPECT_TRUE(worker.finish().empty());
  (void)worker.add(block_of(2));
  const auto leaves = worker.finish();
  ASSERT_EQ(leaves.size(), 1u);
  EXPECT_EQ(leaves[0], leaf_of(block_of(2)));
}

TEST(LeafWorker, GivesBuffersBack) {
  LeafWorker worker;
  Bytes block = block_of(0);
  std::size_t fresh = 0;
  for (std::size_t i = 0; i < 100; ++i) {
    block = worker.add(std::move(block));
    if (block.empty()) ++fresh;
    block.resize(kBlockSize);
  }
  EXPECT_LE(fresh, LeafWorker::kQueued + 2);
}

TEST(LeafWorker, EndsWithWorkLeft) {
  for (int i = 0; i < 20; ++i) {
    LeafWorker worker;
    (void)worker.add(block_of(0));
    (void)worker.add(block_of(1));
  }
}

}  // namespace
}  // namespace p2pmail::core
