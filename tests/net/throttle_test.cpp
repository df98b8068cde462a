// The token bucket: what it lets through in a time that the test makes up.
#include "net/throttle.h"

#include <gtest/gtest.h>

namespace p2pmail::net {
namespace {

using std::chrono::milliseconds;

const auto kBegin = Throttle::Clock::time_point(std::chrono::hours(1));

TEST(Throttle, NothingWaitsWithoutALimit) {
  Throttle throttle;
  throttle.spend(std::uint64_t{1} << 40);
  EXPECT_EQ(throttle.wait(kBegin), milliseconds(0));
}

TEST(Throttle, WhatWasSentIsWaitedFor) {
  Throttle throttle(1000);
  EXPECT_EQ(throttle.wait(kBegin), milliseconds(0));
  throttle.spend(100 + 500);  // a tenth of a second is saved up at the beginning
  EXPECT_EQ(throttle.wait(kBegin), milliseconds(500));
  EXPECT_EQ(throttle.wait(kBegin + milliseconds(400)), milliseconds(100));
  EXPECT_EQ(throttle.wait(kBegin + milliseconds(500)), milliseconds(0));
}

TEST(Throttle, LittleIsSavedUp) {
  Throttle throttle(1000);
  EXPECT_EQ(throttle.wait(kBegin), milliseconds(0));
  EXPECT_EQ(throttle.wait(kBegin + std::chrono::hours(1)), milliseconds(0));
  throttle.spend(1100);
  EXPECT_EQ(throttle.wait(kBegin + std::chrono::hours(1)), milliseconds(1000));
}

TEST(Throttle, AClockThatStandsGivesNothing) {
  Throttle throttle(1000);
  static_cast<void>(throttle.wait(kBegin));
  throttle.spend(600);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(throttle.wait(kBegin), milliseconds(500));
}

}  // namespace
}  // namespace p2pmail::net
