// A letter's sealed stream in a file of ours, with its hash list, for whoever sends it on.
//
// Leaves file: the leaf of every block (32 bytes each, see core/tree.h), in order; none for a letter of
// one block.
#pragma once

#include <filesystem>
#include <vector>

#include "core/bytes.h"
#include "core/file.h"
#include "core/result.h"
#include "core/tree.h"

namespace p2pmail::core {

class StreamFile {
 public:
  /// Opened when it is first read. `offset` is where the stream begins.
  StreamFile(std::filesystem::path path, std::uint64_t offset, std::uint64_t size,
             std::filesystem::path leaves, bool has_leaves);
  /// All of `out` from the stream at `at`. kMalformed when the file is cut short.
  [[nodiscard]] Status read(std::uint64_t at, ByteSpan out);
  /// All groups, or the leaves of one group, concatenated.
  [[nodiscard]] Result<Bytes> groups();
  [[nodiscard]] Result<Bytes> leaves(std::uint64_t group);

 private:
  [[nodiscard]] Result<std::vector<Digest>> leaf_list(std::uint64_t group);
  std::filesystem::path path_;
  std::uint64_t offset_;
  std::uint64_t size_;
  std::filesystem::path leaves_;
  bool has_leaves_;
  Fd stream_;
};

}  // namespace p2pmail::core
