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

std::optional<std::uint64_t> make_stamp(const StampTarget& target, std::uint64_t bits,
                                        const std::function<bool()>& go_on) {
  for (std::uint64_t stamp = 0;; ++stamp) {
    if (stamp % kRound == 0 && !go_on()) return std::nullopt;
    if (stamp_fits(target, stamp, bits)) return stamp;
  }
}

Result<std::uint64_t> stamp_for(const StampTarget& target, std::uint64_t bits,
                                const StampWork& work) {
  if (bits > work.max_bits)
    return Error{Code::kStampNeeded, fmt::format("a stamp of {} bits is asked for, and {} are the most "
                                             "that we work for", bits, work.max_bits)};
  if (bits == 0) return std::uint64_t{0};
  const auto key = std::tuple(target.recipient, target.root, target.nonce);
  const auto known = work.found->find(key);
  if (known != work.found->end() && stamp_fits(target, known->second, bits)) return known->second;
  if (work.on_work) work.on_work(target.recipient, bits);
  const auto started = std::chrono::steady_clock::now();
  const auto stamp = make_stamp(target, bits, [&] {
    if (work.stopped && work.stopped()) return false;
    return std::chrono::steady_clock::now() - started < work.limit;
  });
  if (!stamp) return Error{Code::kTimeout, "no stamp was found in time"};
  if (work.found->size() >= kMaxFound) work.found->clear();
  (*work.found)[key] = *stamp;
  return *stamp;
}

}  // namespace p2pmail::core
