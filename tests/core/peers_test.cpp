// The address book in the database: the mark of a verified key, changes that belong together,
// searching without regard to case, and a database that could not take a change.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fold.h"
#include "core/state.h"
#include "tests/core/fixture.h"
#include "tests/core/people.h"

namespace p2pmail::core {
namespace {

class PeersTest : public ::testing::Test {
 protected:
  PeersTest() : state(std::move(*State::open(directory.path()))) {
    EXPECT_TRUE(state.add_peer("bob", bob.key(), 1));
  }
  [[nodiscard]] bool verified() { return (*state.find_peer(bob.key()))->verified; }
  testing::TempDir directory;
  State state;
  test::Person bob, eve;
};

TEST(OpenState, RefusesALogThatOpensOnlyForReading) {
  const testing::TempDir directory;
  ASSERT_TRUE(State::open(directory.path()));
  chmod(directory.path().c_str(), 0777);
  for (const auto& file : std::filesystem::directory_iterator(directory.path()))
    chmod(file.path().c_str(), file.path().filename() == "state.db-wal" ? 0444 : 0666);
  const uid_t user = geteuid();
  ASSERT_EQ(seteuid(user == 0 ? 65534 : user), 0);  // root may open everything
  const auto opened = State::open(directory.path());
  ASSERT_EQ(seteuid(user), 0);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kIo) << opened.error().context;
}

TEST_F(PeersTest, VerifiedIsSetAndTakenBack) {
  EXPECT_FALSE(verified());
  EXPECT_TRUE(state.set_verified(bob.key(), true));
  EXPECT_TRUE(verified());
  EXPECT_TRUE(state.set_verified(bob.key(), false));
  EXPECT_FALSE(verified());
}

TEST_F(PeersTest, VerifiedStaysWithANewPetnameAndANewCard) {
  ASSERT_TRUE(state.set_verified(bob.key(), true));
  EXPECT_TRUE(state.rename_peer(bob.key(), "rob"));
  EXPECT_TRUE(state.merge_peer_card(bob.card, false));
  EXPECT_TRUE(verified());
}

TEST_F(PeersTest, VerifiedGoesWithTheKey) {
  ASSERT_TRUE(state.set_verified(bob.key(), true));
  ASSERT_TRUE(state.remove_peer(bob.key()));
  ASSERT_TRUE(state.add_peer("bob", bob.key(), 2));
  EXPECT_FALSE(verified());
}

TEST_F(PeersTest, NobodyUnknownIsVerified) {
  EXPECT_EQ(state.set_verified(eve.key(), true).error().code, Code::kNotFound);
}

TEST_F(PeersTest, TogetherMeansAllOrNone) {
  const auto both = [this](Status end) {
    return state.together([&]() -> Status {
      EXPECT_TRUE(state.add_peer("eve", eve.key(), 2));
      EXPECT_TRUE(state.merge_peer_card(eve.card, false)) << "one inside another";
      return end;
    });
  };
  EXPECT_EQ(both(Error{Code::kUsage, "no"}).error().code, Code::kUsage);
  EXPECT_FALSE(*state.find_peer(eve.key()));
  EXPECT_TRUE(both({}));
  EXPECT_TRUE((*state.find_peer(eve.key()))->card);
}

TEST(FoldCase, IgnoresCaseOfAnyAlphabet) {
  EXPECT_EQ(fold_case("GRÜẞE"), fold_case("grüsse"));
  EXPECT_EQ(fold_case("ΣΊΣΥΦΟΣ"), fold_case("σίσυφος"));
  EXPECT_EQ(fold_case("ИВАН"), fold_case("иван"));
  EXPECT_NE(fold_case("ann"), fold_case("anna"));
}

TEST(FoldCase, IgnoresHowAccentsAreEncoded) {
  EXPECT_EQ(fold_case("Zo\u00cb"), fold_case("zoe\u0308"));
}

TEST(FoldCase, TakesAnyBytes) {
  EXPECT_EQ(fold_case("\xff"), "\xef\xbf\xbd");
  EXPECT_EQ(fold_case(""), "");
}

}  // namespace
}  // namespace p2pmail::core
