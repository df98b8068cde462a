#include "core/transfer.h"

#include <algorithm>

namespace p2pmail::core {
namespace {

constexpr std::uint8_t kMostSources = 2;  // for one block

}  // namespace

Transfer::Transfer(const Root& root, std::uint64_t size)
    : verifier_(root, size),
      size_(size),
      states_(static_cast<std::size_t>(block_count(size))),
      missing_(states_.size()),
      recalled_(states_.size()) {}

std::uint64_t Transfer::known_groups() {
  if (verifier_.needs_groups()) return 0;
  const std::uint64_t all = group_count(size_);
  while (known_groups_ < all && !verifier_.needs_leaves(known_groups_)) ++known_groups_;
  return known_groups_;
}

std::uint64_t Transfer::known() { return std::min(blocks(), known_groups() * kGroupLeaves); }

std::optional<std::uint64_t> Transfer::choose(const std::set<std::uint64_t>& mine) {
  const std::uint64_t limit = std::min(known(), recalled_);
  while (free_ < limit && states_[free_] != 0) ++free_;
  if (free_ < limit) return free_;
  if (!mine.empty() || limit < blocks()) return std::nullopt;
  return choose_again(mine);
}

// Nothing is left but what others were asked for, and they may be slow.
std::optional<std::uint64_t> Transfer::choose_again(const std::set<std::uint64_t>& mine) {
  while (there_ < blocks() && has(there_)) ++there_;
  for (std::uint64_t index = there_; index < blocks(); ++index)
    if (states_[index] < kMostSources && !mine.contains(index)) return index;
  return std::nullopt;
}

void Transfer::ask(std::uint64_t index) {
  if (!has(index)) ++states_[index];
}

void Transfer::give_back(std::uint64_t index) {
  if (has(index) || states_[index] == 0) return;
  if (--states_[index] == 0) free_ = std::min(free_, index);
}

void Transfer::got(std::uint64_t index) {
  if (has(index)) return;
  states_[index] = kThere;
  --missing_;
  done_ += block_size(size_, index);
}

}  // namespace p2pmail::core
