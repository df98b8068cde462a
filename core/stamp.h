// Stamps: a proof of work that makes mail to many strangers costly (hashcash, Back 2002, with
// personalised BLAKE2b). A stamp is a number such that
//
//   BLAKE2b-256 ("p2pmail/stamp") of recipient's identity (32), root (32), nonce (16), number (8,
//   big-endian)
//
// begins with as many zero bits as the recipient's device record asks for (core/card.h: stamp bits
// and nonce). It is good for one letter to one recipient, checked with one hash.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "core/bytes.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::uint64_t kMaxStampBits = 40;  // a card asks for no more (core/card.h)

struct StampTarget {
  IdentityKey recipient;
  Root root;
  std::array<std::uint8_t, 16> nonce{};
};

[[nodiscard]] bool stamp_fits(const StampTarget& target, std::uint64_t stamp, std::uint64_t bits);

/// How much work a sender is ready for.
struct StampWork {
  /// Stamps that were found, by recipient, root and nonce, so that none is worked for twice.
  using Found = std::map<std::tuple<IdentityKey, Root, std::array<std::uint8_t, 16>>, std::uint64_t>;
  std::shared_ptr<Found> found = std::make_shared<Found>();
  std::uint64_t max_bits = 22;      // about a second
  std::chrono::seconds limit{20};   // of searching: the other side waits 30 for us
  std::function<void(const IdentityKey&, std::uint64_t bits)> on_work;  // before searching
  std::function<bool()> stopped;                                        // the user has pressed ^C
};
/// A search in slices of a few milliseconds, so that whoever serves others can do that in between.
class StampSearch {
 public:
  StampSearch(const StampTarget& target, std::uint64_t bits, StampWork work)
      : target_(target), bits_(bits), work_(std::move(work)) {}
  /// The stamp, or nullopt: call again. kStampNeeded when more bits are asked for than we work for,
  /// kTimeout when it was stopped or took too long.
  [[nodiscard]] Result<std::optional<std::uint64_t>> slice();

 private:
  StampTarget target_;
  std::uint64_t bits_;
  StampWork work_;
  std::uint64_t next_ = 0;
  std::optional<std::chrono::steady_clock::time_point> started_;
};

}  // namespace p2pmail::core
