// Progress: one line for people that never stands between other lines, objects for programs, nothing
// where nobody watches.
#include "cmd/progress.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace p2pmail::cmd {
namespace {

using namespace std::chrono_literals;
constexpr std::uint64_t kMiB = 1024 * 1024;

class ProgressTest : public testing::Test {
 protected:
  ProgressTest() {
    env_.out = out_.get();
    env_.err = err_.get();
    env_.err_is_terminal = true;
  }
  std::string written(const core::Fd& file) {
    core::Bytes bytes(64 * 1024);
    const auto size = core::read_at(file.get(), 0, bytes, "test");
    return std::string(core::text_of(core::ByteView(bytes).first(*size)));
  }
  std::function<Progress::Clock::time_point()> clock() {
    return [this] { return now_; };
  }
  /// `seconds` of sending at 10 MiB/s, told four times a second.
  void send(Progress& progress, int seconds, std::uint64_t total = 1000 * kMiB) {
    for (int i = 0; i <= 4 * seconds; ++i) {
      progress.at(Doing::kSending, "ab", static_cast<std::uint64_t>(i) * 10 * kMiB / 4, total);
      now_ += 250ms;
    }
  }
  core::Fd out_{memfd_create("out", MFD_CLOEXEC)};
  core::Fd err_{memfd_create("err", MFD_CLOEXEC)};
  Env env_;
  Progress::Clock::time_point now_ = Progress::Clock::now();
};

TEST_F(ProgressTest, SaysBytesRateAndTimeLeft) {
  Progress progress(env_, clock());
  send(progress, 2);
  EXPECT_NE(written(err_).find("sending 20.0 MiB of 1000.0 MiB, 2%, 10.0 MiB/s, 1m left"),
            std::string::npos)
      << written(err_);
  EXPECT_EQ(written(err_).find('\n'), std::string::npos);
  EXPECT_EQ(written(out_), "");
}

TEST_F(ProgressTest, IsGoneAtTheEnd) {
  {
    Progress progress(env_, clock());
    send(progress, 2);
  }
  const std::string all = written(err_);
  const auto last = all.rfind('\r', all.size() - 2);
  ASSERT_NE(last, std::string::npos);
  EXPECT_EQ(all.substr(last + 1).find_first_not_of(" \r"), std::string::npos);
  EXPECT_EQ(all.back(), '\r');
  EXPECT_FALSE(env_.clear_line);
}

TEST_F(ProgressTest, NeverStandsInAnotherLine) {
  Progress progress(env_, clock());
  send(progress, 2);
  env_.note("a word");
  EXPECT_TRUE(written(err_).ends_with("\rp2pmail: a word\n")) << written(err_);
}

TEST_F(ProgressTest, IsGoneBeforeOutput) {
  Progress progress(env_, clock());
  send(progress, 2);
  env_.print("data\n");
  ASSERT_TRUE(env_.flush());
  EXPECT_EQ(written(err_).back(), '\r');
  EXPECT_EQ(written(out_), "data\n");
}

TEST_F(ProgressTest, WhatIsQuickIsNotSaid) {
  Progress progress(env_, clock());
  for (int i = 1; i <= 4; ++i) {
    progress.at(Doing::kSending, "ab", static_cast<std::uint64_t>(i) * kMiB, 4 * kMiB);
    now_ += 100ms;
  }
  EXPECT_EQ(written(err_), "");
}

TEST_F(ProgressTest, IsDrawnFiveTimesASecondAtMost) {
  Progress progress(env_, clock());
  for (int i = 0; i < 2000; ++i) {
    progress.at(Doing::kSealing, "", static_cast<std::uint64_t>(i), 0);
    now_ += 1ms;
  }
  const std::string all = written(err_);
  EXPECT_LE(std::count(all.begin(), all.end(), '\r'), 9);
  EXPECT_GE(std::count(all.begin(), all.end(), '\r'), 7);
}

TEST_F(ProgressTest, NothingWithoutATerminalOrQuietly) {
  env_.err_is_terminal = false;
  {
    Progress progress(env_, clock());
    send(progress, 3);
  }
  env_.err_is_terminal = true;
  env_.quiet = true;
  {
    Progress progress(env_, clock());
    send(progress, 3);
  }
  env_.json = true;
  Progress progress(env_, clock());
  send(progress, 3);
  EXPECT_EQ(written(err_) + written(out_), "");
}

TEST_F(ProgressTest, JsonSaysItOnceASecond) {
  env_.json = true;
  Progress progress(env_, clock());
  send(progress, 3);
  EXPECT_EQ(written(err_), "");
  std::istringstream lines(written(out_));
  std::uint64_t count = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto object = nlohmann::json::parse(line);
    EXPECT_EQ(object.at("type"), "progress");
    EXPECT_EQ(object.at("root"), "ab");
    EXPECT_EQ(object.at("direction"), "sending");
    EXPECT_EQ(object.at("done"), ++count * 10 * kMiB);
    EXPECT_EQ(object.at("total"), 1000 * kMiB);
    EXPECT_EQ(object.at("rate"), 10 * kMiB);
  }
  EXPECT_EQ(count, 3u);
}

TEST_F(ProgressTest, CountsWhatHasNotEnded) {
  Progress progress(env_, clock());
  net::Event event;
  event.kind = net::Event::Kind::kProgress;
  event.done = 5;
  event.total = 9;
  progress.take(event);
  EXPECT_EQ(progress.unfinished(Doing::kReceiving), 5u);
  event.kind = net::Event::Kind::kReceived;
  progress.take(event);
  EXPECT_EQ(progress.unfinished(Doing::kReceiving), 0u);
}

}  // namespace
}  // namespace p2pmail::cmd
