// A letter's name: the root of a two-level hash tree over its sealed stream.
//
//   leaf  = BLAKE2b-256, "p2pmail/leaf",  of one block: 1 MiB = 16 chunks, the last may be shorter
//   group = BLAKE2b-256, "p2pmail/group", of up to 4,096 consecutive leaves
//   root  = BLAKE2b-256, "p2pmail/root",  of size (8 bytes, big-endian) and all groups in order
//
// At most kMaxGroups groups. The stream's size is at least one byte. A node checks every block
// without any key; a transfer resumes at any block; blocks may come from several nodes at once.
#pragma once

#include <optional>
#include <vector>

#include "core/bytes.h"
#include "core/crypto.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::uint64_t kBlockSize = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kGroupLeaves = 4096;
inline constexpr std::uint64_t kMaxGroups = 4096;
inline constexpr std::uint64_t kMaxLetterSize = kBlockSize * kGroupLeaves * kMaxGroups;

[[nodiscard]] std::uint64_t block_count(std::uint64_t size);
[[nodiscard]] std::uint64_t group_count(std::uint64_t size);
/// Size in bytes of block `index` of a letter of `size` bytes.
[[nodiscard]] std::uint64_t block_size(std::uint64_t size, std::uint64_t index);
[[nodiscard]] Digest leaf_of(ByteView block);
[[nodiscard]] Digest group_of(std::span<const Digest> leaves);
[[nodiscard]] Root root_of(std::uint64_t size, std::span<const Digest> groups);

/// Hashes a stream as it comes.
class TreeHasher {
 public:
  TreeHasher();
  void update(ByteView more);
  /// Once, after the last byte.
  [[nodiscard]] Root finish();
  /// All leaves so far, for the sender to keep (32 bytes per MiB).
  [[nodiscard]] const std::vector<Digest>& leaves() const { return leaves_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  void close_block();
  std::optional<Hasher> block_;
  std::uint64_t in_block_ = 0;
  std::uint64_t size_ = 0;
  std::vector<Digest> leaves_;
};

/// Checks blocks of one letter against its root. Groups first (skipped when there is one), then
/// the leaves of a group (skipped when the letter is one block), then the blocks of that group.
/// Every answer is false for bytes that do not fit; nothing false is kept.
class TreeVerifier {
 public:
  /// `size` must be 1 to kMaxLetterSize.
  TreeVerifier(const Root& root, std::uint64_t size);
  [[nodiscard]] bool needs_groups() const;
  [[nodiscard]] bool needs_leaves(std::uint64_t group) const;
  [[nodiscard]] bool set_groups(ByteView concatenated);
  [[nodiscard]] bool set_leaves(std::uint64_t group, ByteView concatenated);
  [[nodiscard]] bool check_block(std::uint64_t index, ByteView block) const;
  /// Those of the groups that are known, in order.
  [[nodiscard]] std::vector<Digest> known_leaves() const;

 private:
  Root root_;
  std::uint64_t size_;
  std::vector<Digest> groups_;
  std::vector<std::vector<Digest>> leaves_;  // per group, empty = not known
};

}  // namespace p2pmail::core
