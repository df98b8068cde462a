// Letters that are larger than one takes unasked: remembered within a bound, peers' before strangers'.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "core/state.h"

namespace p2pmail::core {
namespace {

class WaitingTest : public testing::Test {
 protected:
  WaitingTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "p2pmail-waiting-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    state_.emplace(State::open(directory_).value());
  }
  ~WaitingTest() override { std::filesystem::remove_all(directory_); }
  static Waiting letter(std::uint8_t sender, std::uint16_t root, bool known = true) {
    Waiting one;
    one.sender.bytes[0] = sender;
    one.via.bytes[1] = sender;
    one.root.bytes[0] = static_cast<std::uint8_t>(root & 255);
    one.root.bytes[1] = static_cast<std::uint8_t>(root >> 8);
    one.size = 1000 + root;
    one.time = 5000 + root;
    one.known = known;
    return one;
  }
  std::vector<Waiting> all() { return state_->waiting().value(); }

  std::filesystem::path directory_;
  std::optional<State> state_;
};

TEST_F(WaitingTest, ComesBackAsItWasLargestFirst) {
  EXPECT_TRUE(state_->add_waiting(letter(1, 1)).value());
  EXPECT_TRUE(state_->add_waiting(letter(2, 2, false)).value());
  const auto found = all();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].size, 1002u);
  EXPECT_FALSE(found[0].known);
  EXPECT_EQ(found[1].sender, letter(1, 1).sender);
  EXPECT_EQ(found[1].via, letter(1, 1).via);
  EXPECT_EQ(found[1].root, letter(1, 1).root);
  EXPECT_EQ(found[1].time, 5001u);
}

TEST_F(WaitingTest, OfferedAgainItIsNotNew) {
  EXPECT_TRUE(state_->add_waiting(letter(1, 1)).value());
  Waiting again = letter(1, 1);
  again.time = 9999;
  EXPECT_FALSE(state_->add_waiting(again).value());
  ASSERT_EQ(all().size(), 1u);
  EXPECT_EQ(all()[0].time, 9999u);
}

TEST_F(WaitingTest, IsForgottenOnRequest) {
  ASSERT_TRUE(state_->add_waiting(letter(1, 1)));
  ASSERT_TRUE(state_->add_waiting(letter(1, 2)));
  ASSERT_TRUE(state_->forget_waiting(letter(1, 1).sender, letter(1, 1).root));
  ASSERT_EQ(all().size(), 1u);
  EXPECT_EQ(all()[0].root, letter(1, 2).root);
}

TEST_F(WaitingTest, StrangersCannotPushOutPeers) {
  ASSERT_TRUE(state_->add_waiting(letter(1, 1)));
  ASSERT_TRUE(state_->together([&]() -> Status {
    for (std::uint16_t i = 2; i < kMaxWaiting + 20; ++i)
      if (auto added = state_->add_waiting(letter(2, i, false)); !added) return added.error();
    return {};
  }));
  const auto found = all();
  EXPECT_EQ(found.size(), kMaxWaiting);
  EXPECT_EQ(std::ranges::count(found, true, &Waiting::known), 1);
  EXPECT_EQ(found.front().size, 1000u + kMaxWaiting + 19) << "the newest stays";
}

}  // namespace
}  // namespace p2pmail::core
