// What is known of one letter on its way in, whatever number of conversations bring it: which blocks
// are there, and which somebody was asked for. No I/O; one thread.
//
//   block   missing --ask--> asked (of one source, at the end of two) --got--> there
//                   <--give_back--
//
// Blocks that an earlier transfer has left on the disk are looked at first (IncomingLetter::recall):
// nobody is asked for a block at or behind `recalled`. Memory: one byte and one hash for each block.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "core/bytes.h"
#include "core/tree.h"

namespace p2pmail::core {

class Transfer {
 public:
  /// `size` must be 1 to kMaxLetterSize.
  Transfer(const Root& root, std::uint64_t size);
  [[nodiscard]] TreeVerifier& verifier() { return verifier_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t blocks() const { return states_.size(); }
  /// Groups, from the first, whose leaves are known; all of them for a letter of one block.
  [[nodiscard]] std::uint64_t known_groups();
  /// Blocks, from the first, whose leaves are known.
  [[nodiscard]] std::uint64_t known();

  [[nodiscard]] bool has(std::uint64_t index) const { return states_[index] == kThere; }
  [[nodiscard]] bool complete() const { return missing_ == 0; }
  /// Bytes of the blocks that are there.
  [[nodiscard]] std::uint64_t done() const { return done_; }

  /// A block to ask a source for who was asked for `mine` and not answered: one that nobody was asked
  /// for, else, when he has nothing to do, one that only one other was asked for. nullopt = none now.
  [[nodiscard]] std::optional<std::uint64_t> choose(const std::set<std::uint64_t>& mine);
  void ask(std::uint64_t index);
  void give_back(std::uint64_t index);
  void got(std::uint64_t index);

  [[nodiscard]] std::uint64_t recalled() const { return recalled_; }
  void set_recalled(std::uint64_t index) { recalled_ = index; }

 private:
  static constexpr std::uint8_t kThere = 255;  // smaller: by how many it was asked for
  [[nodiscard]] std::optional<std::uint64_t> choose_again(const std::set<std::uint64_t>& mine);
  TreeVerifier verifier_;
  std::uint64_t size_;
  std::vector<std::uint8_t> states_;
  std::uint64_t missing_;
  std::uint64_t done_ = 0;
  std::uint64_t known_groups_ = 0;
  std::uint64_t free_ = 0;   // no block before it can be chosen for the first time
  std::uint64_t there_ = 0;  // all blocks before it are there
  std::uint64_t recalled_;
};

}  // namespace p2pmail::core
