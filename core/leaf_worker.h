// Hashes the blocks of a stream beside the thread that makes them. A leaf needs only its own block
// (core/tree.h), so two cores share the work: a helper thread takes blocks from a short queue, and
// whoever finds that queue full hashes the block itself instead of waiting. So both are busy
// whatever else the caller does per block, and memory is bounded: kQueued + 2 blocks.
//
// The thread begins with the first block and ends with the object, also when the rest was never
// hashed. It blocks all signals. Where no thread can be had, everything works without it. One
// caller; nothing here fails.
#pragma once

#include <memory>
#include <vector>

#include "core/bytes.h"
#include "core/tree.h"

namespace p2pmail::core {

class LeafWorker {
 public:
  static constexpr std::size_t kQueued = 3;  // blocks

  LeafWorker();
  LeafWorker(LeafWorker&&) noexcept;
  LeafWorker& operator=(LeafWorker&&) noexcept;
  ~LeafWorker();
  /// Takes the next block, of 1 to kBlockSize bytes, and gives a buffer to make another one in
  /// (what it holds is of no meaning).
  [[nodiscard]] Bytes add(Bytes block);
  /// The leaves of all blocks in order; waits for the helper. Afterwards it is as new.
  [[nodiscard]] std::vector<Digest> finish();

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

}  // namespace p2pmail::core
