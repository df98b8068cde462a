// How fast we send: a token bucket over all conversations of a process. Small mail is counted, but only
// pieces of blocks wait.
#pragma once

#include <chrono>
#include <cstdint>

namespace p2pmail::net {

class Throttle {
 public:
  using Clock = std::chrono::steady_clock;
  /// 0 = no limit.
  explicit Throttle(std::uint64_t bytes_per_second = 0) : rate_(static_cast<double>(bytes_per_second)) {}

  /// How long a piece has to wait; zero = it may go now.
  [[nodiscard]] std::chrono::milliseconds wait(Clock::time_point now);
  void spend(std::uint64_t bytes) { tokens_ -= static_cast<double>(bytes); }

 private:
  double rate_;
  double tokens_ = 0;  // bytes; below zero after a message that was larger than what was left
  Clock::time_point last_{};
};

}  // namespace p2pmail::net
