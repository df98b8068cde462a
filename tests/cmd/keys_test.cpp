// keygen, passwd, whoami, card and peers: keys and people, and every refusal of theirs.
#include "tests/cmd/harness.h"

namespace p2pmail::cmd {
namespace {

TEST(Keygen, PrintsTheAddress) {
  const User user;
  const auto made = user({"keygen", "--name", "Ann", "--no-passphrase"});
  EXPECT_EQ(made.status, 0);
  EXPECT_TRUE(made.out.starts_with("ann@")) << made.out;
  EXPECT_EQ(user({"whoami"}).out, made.out);
}

TEST(Keygen, RefusesToOverwrite) {
  const User user;
  user.generate("Ann");
  const auto before = user({"whoami"}).out;
  EXPECT_EQ(user({"keygen", "--no-passphrase"}).status, 73);
  EXPECT_EQ(user({"whoami"}).out, before);
}

TEST(Keygen, LeavesNothingWithoutAPassphrase) {
  const User user;
  const auto outcome = user({"keygen"});
  EXPECT_EQ(outcome.status, 77);
  EXPECT_EQ(outcome.out, "");
  EXPECT_FALSE(std::filesystem::exists(user.home() / "store/keys"));
}

TEST(Keygen, RefusesANameWithControls) {
  const User user;
  EXPECT_EQ(user({"keygen", "--no-passphrase", "--name", "a\nb"}).status, 64);
  EXPECT_EQ(user({"keygen", "--no-passphrase", "--name", std::string(129, 'x')}).status, 64);
}

TEST(Passwd, ChangesThePassphrase) {
  const User user;
  const auto one = user.file("one", "first\n"), two = user.file("two", "second\n");
  ASSERT_EQ(user({"keygen", "--kdf-fast", "--passphrase-file", one}).status, 0);
  EXPECT_EQ(
      user({"passwd", "--kdf-fast", "--passphrase-file", two, "--new-passphrase-file", two}).status,
      77);
  EXPECT_EQ(
      user({"passwd", "--kdf-fast", "--passphrase-file", one, "--new-passphrase-file", two}).status,
      0);
  EXPECT_EQ(user({"ls", "--passphrase-file", one}).status, 77);
  EXPECT_EQ(user({"ls", "--passphrase-file", two}).status, 0);
}

TEST(Store, IsMissedWithAHint) {
  const User user;
  const auto outcome = user({"whoami"});
  EXPECT_EQ(outcome.status, 78);
  EXPECT_NE(outcome.err.find("p2pmail keygen"), std::string::npos);
}

class PeersTest : public testing::Test {
 protected:
  PeersTest() {
    ann.generate("Ann");
    bob.generate("Bob");
    card = bob({"card"}).out;
  }
  User ann, bob;
  std::string card;
};

TEST_F(PeersTest, AddsACardFromStandardInput) {
  EXPECT_EQ(ann({"peers", "add", "bob", "-"}, card).status, 0);
  const std::string address = bob({"whoami"}).out;
  EXPECT_NE(ann({"peers"}).out.find(address.substr(0, address.size() - 1)), std::string::npos);
}

TEST_F(PeersTest, AddsACardFromAFile) {
  EXPECT_EQ(ann({"peers", "add", "bob", ann.file("bob.card", card)}).status, 0);
  EXPECT_EQ(ann({"peers", "add", "bob", ann.file("bob.card", card)}).status, 0) << "the same again";
}

TEST_F(PeersTest, AddsAnAddressAlone) {
  const std::string line = bob({"whoami"}).out;
  EXPECT_EQ(ann({"peers", "add", "bob", line.substr(0, line.size() - 1)}).status, 0);
  EXPECT_EQ(ann({"send", "bob"}, "text").status, 67) << "no card yet";
}

TEST_F(PeersTest, RefusesWhatIsNoCard) {
  EXPECT_EQ(ann({"peers", "add", "bob", ann.file("x", "not a card")}).status, 65);
  EXPECT_EQ(ann({"peers", "add", "bob", ann.file("big", std::string(1 << 20, 'A'))}).status, 65);
  EXPECT_EQ(ann({"peers", "add", "bob", "/nonexistent"}).status, 66);
  EXPECT_NE(ann({"peers", "add", "bob", "p2pmail://x"}).status, 0);
  EXPECT_EQ(ann({"peers"}).out, "");
}

TEST_F(PeersTest, RefusesACardWithAnyByteChanged) {
  std::string broken = card;
  const auto middle = broken.find('\n', broken.find("BEGIN")) + 100;
  broken[middle] = broken[middle] == 'A' ? 'B' : 'A';
  EXPECT_EQ(ann({"peers", "add", "bob", "-"}, broken).status, 65);
}

TEST_F(PeersTest, RefusesMyOwnCard) {
  EXPECT_EQ(ann({"peers", "add", "ann", "-"}, ann({"card"}).out).status, 64);
}

TEST_F(PeersTest, RefusesWordsThatAreNoPetname) {
  for (const char* name : {"", "-x", "a b", "a@b", "me", "a/b", "a\x1b"}) {
    EXPECT_EQ(ann({"peers", "add", "--", name, "-"}, card).status, 64) << name;
  }
}

TEST_F(PeersTest, KeepsAPetnameForOneKey) {
  ASSERT_EQ(ann({"peers", "add", "bob", "-"}, card).status, 0);
  const User eve;
  eve.generate("Bob");
  EXPECT_EQ(ann({"peers", "add", "bob", "-"}, eve({"card"}).out).status, 73);
  EXPECT_EQ(ann({"peers", "add", "rob", "-"}, card).status, 73);
}

TEST_F(PeersTest, RenamesBlocksAndForgets) {
  ASSERT_EQ(ann({"peers", "add", "bob", "-"}, card).status, 0);
  EXPECT_EQ(ann({"peers", "rename", "bob", "rob"}).status, 0);
  EXPECT_EQ(ann({"peers", "block", "rob"}).status, 0);
  EXPECT_NE(ann({"peers"}).out.find("blocked"), std::string::npos);
  EXPECT_EQ(ann({"peers", "unblock", "rob"}).status, 0);
  EXPECT_EQ(ann({"peers", "rm", "rob"}).status, 0);
  EXPECT_EQ(ann({"peers", "ls"}).out, "");
}

TEST_F(PeersTest, SuggestsTheNearestPetname) {
  ASSERT_EQ(ann({"peers", "add", "bob", "-"}, card).status, 0);
  const auto outcome = ann({"peers", "show", "bbo"});
  EXPECT_EQ(outcome.status, 67);
  EXPECT_NE(outcome.err.find("did you mean bob?"), std::string::npos);
}

TEST_F(PeersTest, NeverShowsAStrangersNameAsAPetname) {
  ASSERT_EQ(ann({"peers", "add", "friend", "-"}, card).status, 0);
  EXPECT_NE(ann({"peers", "show", "friend"}).out.find("?Bob"), std::string::npos);
}

TEST_F(PeersTest, LinkNeedsAPlaceToListen) { EXPECT_EQ(ann({"card", "--link"}).status, 78); }

TEST_F(PeersTest, WritesTheCardToAFile) {
  const auto path = ann.home() / "mine.card";
  EXPECT_EQ(ann({"card", "-o", path}).out, "");
  EXPECT_EQ(bob({"peers", "add", "ann", path}).status, 0);
}

}  // namespace
}  // namespace p2pmail::cmd
