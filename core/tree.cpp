#include "core/tree.h"

namespace p2pmail::core {
namespace {

constexpr Context kLeaf{"p2pmail/leaf"};
constexpr Context kGroup{"p2pmail/group"};
constexpr Context kRoot{"p2pmail/root"};

std::uint64_t divide_up(std::uint64_t value, std::uint64_t unit) {
  return value / unit + (value % unit != 0 ? 1 : 0);
}

/// Leaves below group `group` of a letter of `size` bytes; 0 when there is no such group.
std::uint64_t leaf_count(std::uint64_t size, std::uint64_t group) {
  if (group >= group_count(size)) return 0;
  return std::min(kGroupLeaves, block_count(size) - group * kGroupLeaves);
}

/// `count` hashes one after the other, or nothing when the size is another.
std::vector<Digest> split_digests(ByteView concatenated, std::uint64_t count) {
  std::vector<Digest> out;
  if (concatenated.size() != count * Digest::kSize) return out;
  out.resize(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < out.size(); ++i)
    std::copy_n(concatenated.begin() + static_cast<std::ptrdiff_t>(i * Digest::kSize),
                Digest::kSize, out[i].bytes.begin());
  return out;
}

}  // namespace

std::uint64_t block_count(std::uint64_t size) { return divide_up(size, kBlockSize); }

std::uint64_t group_count(std::uint64_t size) { return divide_up(block_count(size), kGroupLeaves); }

std::uint64_t block_size(std::uint64_t size, std::uint64_t index) {
  if (index >= block_count(size)) return 0;
  return std::min(kBlockSize, size - index * kBlockSize);
}

Digest leaf_of(ByteView block) { return hash(kLeaf, {block}); }

Digest group_of(std::span<const Digest> leaves) {
  Hasher hasher(kGroup);
  for (const Digest& leaf : leaves) hasher.update(leaf);
  return hasher.finish();
}

Root root_of(std::uint64_t size, std::span<const Digest> groups) {
  std::array<std::uint8_t, 8> size_bytes{};
  put_be(size_bytes.data(), size);
  Hasher hasher(kRoot);
  hasher.update(size_bytes);
  for (const Digest& group : groups) hasher.update(group);
  return Root{hasher.finish().bytes};
}

TreeHasher::TreeHasher() = default;

void TreeHasher::update(ByteView more) {
  while (!more.empty()) {
    if (!block_) block_.emplace(kLeaf);
    const std::size_t take =
        std::min(more.size(), static_cast<std::size_t>(kBlockSize - in_block_));
    block_->update(more.first(take));
    in_block_ += take;
    size_ += take;
    more = more.subspan(take);
    if (in_block_ == kBlockSize) close_block();
  }
}

void TreeHasher::close_block() {
  leaves_.push_back(block_->finish());
  block_.reset();
  in_block_ = 0;
}

Root TreeHasher::finish() {
  if (block_) close_block();
  std::vector<Digest> groups;
  for (std::span<const Digest> rest(leaves_); !rest.empty();) {
    const std::size_t take = std::min<std::size_t>(kGroupLeaves, rest.size());
    groups.push_back(group_of(rest.first(take)));
    rest = rest.subspan(take);
  }
  return root_of(size_, groups);
}

// A size out of bounds becomes 0, a letter without blocks: nothing ever fits it.
TreeVerifier::TreeVerifier(const Root& root, std::uint64_t size)
    : root_(root),
      size_(size > kMaxLetterSize ? 0 : size),
      leaves_(static_cast<std::size_t>(group_count(size_))) {}

bool TreeVerifier::needs_groups() const { return group_count(size_) > 1 && groups_.empty(); }

bool TreeVerifier::needs_leaves(std::uint64_t group) const {
  return block_count(size_) > 1 && group < leaves_.size() &&
         leaves_[static_cast<std::size_t>(group)].empty();
}

bool TreeVerifier::set_groups(ByteView concatenated) {
  std::vector<Digest> groups = split_digests(concatenated, group_count(size_));
  if (groups.empty() || root_of(size_, groups) != root_) return false;
  groups_ = std::move(groups);
  return true;
}

bool TreeVerifier::set_leaves(std::uint64_t group, ByteView concatenated) {
  if (needs_groups()) return false;
  std::vector<Digest> leaves = split_digests(concatenated, leaf_count(size_, group));
  if (leaves.empty()) return false;
  const Digest found = group_of(leaves);
  const bool fits = group_count(size_) == 1 ? root_of(size_, {&found, 1}) == root_
                                            : groups_[static_cast<std::size_t>(group)] == found;
  if (fits) leaves_[static_cast<std::size_t>(group)] = std::move(leaves);
  return fits;
}

std::vector<Digest> TreeVerifier::known_leaves() const {
  std::vector<Digest> all;
  for (const auto& group : leaves_) all.insert(all.end(), group.begin(), group.end());
  return all;
}

bool TreeVerifier::check_block(std::uint64_t index, ByteView block) const {
  if (index >= block_count(size_) || block.size() != block_size(size_, index)) return false;
  const Digest leaf = leaf_of(block);
  if (block_count(size_) == 1) {
    const Digest group = group_of({&leaf, 1});
    return root_of(size_, {&group, 1}) == root_;
  }
  const auto& leaves = leaves_[static_cast<std::size_t>(index / kGroupLeaves)];
  return !leaves.empty() && leaves[static_cast<std::size_t>(index % kGroupLeaves)] == leaf;
}

}  // namespace p2pmail::core
