#include "net/throttle.h"

#include <algorithm>
#include <cmath>

namespace p2pmail::net {
namespace {

constexpr double kBurst = 0.1;  // seconds of sending that may be saved up

}  // namespace

std::chrono::milliseconds Throttle::wait(Clock::time_point now) {
  using std::chrono::milliseconds;
  if (rate_ <= 0) return milliseconds(0);
  const std::chrono::duration<double> passed = now - last_;
  last_ = now;
  tokens_ = std::min(tokens_ + rate_ * std::max(0.0, passed.count()), rate_ * kBurst);
  if (tokens_ >= 0) return milliseconds(0);
  return milliseconds(static_cast<std::int64_t>(std::ceil(-tokens_ / rate_ * 1000)));
}

}  // namespace p2pmail::net
