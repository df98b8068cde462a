// Durations, sizes and near misses, as people write and read them.
#include "cmd/format.h"

#include <gtest/gtest.h>

namespace p2pmail::cmd {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST(Duration, TakesEveryUnit) {
  EXPECT_EQ(*parse_duration("90"), seconds{90});
  EXPECT_EQ(*parse_duration("30s"), seconds{30});
  EXPECT_EQ(*parse_duration("5m"), seconds{300});
  EXPECT_EQ(*parse_duration("1h"), hours{1});
  EXPECT_EQ(*parse_duration("366d"), hours{24 * 366});
}

TEST(Duration, RefusesEverythingElse) {
  for (const char* text :
       {"", "s", "-1", "+1", "1x", "1 s", "1ms", "1.5h", " 1", "367d", "99999999999999999999"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Size, ChoosesItsUnit) {
  EXPECT_EQ(human_size(1023), "1023 B");
  EXPECT_EQ(human_size(1024), "1.0 KiB");
  EXPECT_EQ(human_size(std::uint64_t{10} << 30), "10.0 GiB");
  EXPECT_EQ(human_size(std::uint64_t{1} << 40), "1.0 TiB");
}

TEST(Time, RefusesToShowNonsense) {
  EXPECT_EQ(local_time(0), "-");
  EXPECT_EQ(local_time(UINT64_MAX), "-");
}

TEST(Nearest, ForgivesASlip) {
  const std::vector<std::string> words{"send", "serve", "show"};
  EXPECT_EQ(nearest("snd", words), "send");
  EXPECT_EQ(nearest("sned", words), "send");
  EXPECT_EQ(nearest("shwo", words), "show");
}

TEST(Nearest, DoesNotGuessAtAnotherWord) {
  EXPECT_EQ(nearest("frobnicate", {"send", "serve"}), std::nullopt);
  EXPECT_EQ(nearest("", {"send"}), std::nullopt);
  EXPECT_EQ(nearest("x", {"ls"}), std::nullopt);
}

TEST(Padded, CountsColumnsNotBytes) {
  EXPECT_EQ(padded("ü", 3), "ü  ");
  EXPECT_EQ(padded("long", 2), "long");
}

}  // namespace
}  // namespace p2pmail::cmd
