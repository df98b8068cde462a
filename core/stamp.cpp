#include "core/stamp.h"

#include <fmt/format.h>

#include <bit>

#include "core/crypto.h"

namespace p2pmail::core {
namespace {

constexpr Context kStamp{"p2pmail/stamp"};
constexpr std::size_t kMaxFound = 1000;  // remembered
constexpr std::uint64_t kRound = 16384;  // hashes, a few milliseconds

std::uint64_t leading_zero_bits(const Digest& digest) {
  std::uint64_t bits = 0;
  for (const std::uint8_t byte : digest.bytes) {
    bits += static_cast<std::uint64_t>(std::countl_zero(byte));
    if (byte != 0) break;
  }
  return bits;
}

}  // namespace

bool stamp_fits(const StampTarget& target, std::uint64_t stamp, std::uint64_t bits) {
  std::array<std::uint8_t, 8> number{};
  put_be(number.data(), stamp);
  return leading_zero_bits(hash(kStamp, {target.recipient, target.root, target.nonce, number})) >=
         bits;
}

Result<std::optional<std::uint64_t>> StampSearch::slice() {
  using Clock = std::chrono::steady_clock;
  if (bits_ > work_.max_bits)
    return Error{Code::kStampNeeded,
                 fmt::format("a stamp of {} bits is asked for, and {} are the most that we work for",
                             bits_, work_.max_bits)};
  if (bits_ == 0) return std::optional<std::uint64_t>(0);
  const auto key = std::tuple(target_.recipient, target_.root, target_.nonce);
  if (!started_) {
    const auto known = work_.found->find(key);
    if (known != work_.found->end() && stamp_fits(target_, known->second, bits_))
      return std::optional(known->second);
    started_ = Clock::now();
    if (work_.on_work) work_.on_work(target_.recipient, bits_);
  }
  if ((work_.stopped && work_.stopped()) || Clock::now() - *started_ > work_.limit)
    return Error{Code::kTimeout, "no stamp was found in time"};
  for (std::uint64_t i = 0; i < kRound; ++i, ++next_) {
    if (!stamp_fits(target_, next_, bits_)) continue;
    if (work_.found->size() >= kMaxFound) work_.found->clear();
    (*work_.found)[key] = next_;
    return std::optional(next_);
  }
  return std::optional<std::uint64_t>();
}

}  // namespace p2pmail::core
