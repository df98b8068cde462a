// People to people: words to verify a key, the address book for mutt, export and import.
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/cmd/harness.h"

namespace p2pmail::cmd {
namespace {

using nlohmann::json;

class PeopleTest : public testing::Test {
 protected:
  PeopleTest() {
    ann.generate("Ann");
    bob.generate("Bob Ümlaut");
    add("bob", bob);
  }
  void add(const std::string& petname, const User& user) const {
    ASSERT_EQ(ann({"peers", "add", petname, "-"}, user({"card"}).out).status, 0);
  }
  [[nodiscard]] bool verified() const {
    return json::parse(ann({"peers", "show", "--json", "bob"}).out)["verified"];
  }
  /// `peers verify bob` with a terminal on which somebody answers; counts the questions.
  Outcome at_terminal(std::optional<bool> answer, const std::vector<std::string>& more = {}) {
    const core::Fd in = memory_file(), out = memory_file(), err = memory_file();
    Env env = ann.environment(in, out, err);
    env.out_is_terminal = true;
    env.confirm = [&](const std::string& question) {
      ++asked;
      EXPECT_NE(question.find("bob"), std::string::npos);
      EXPECT_NE(content_of(out), "") << "the words stand there before the question";
      return answer;
    };
    std::vector<std::string> all{"peers", "verify", "bob"};
    all.insert(all.end(), more.begin(), more.end());
    Outcome outcome;
    outcome.status = run(env, all);
    outcome.out = content_of(out);
    outcome.err = content_of(err);
    return outcome;
  }
  User ann, bob;
  int asked = 0;
};

TEST_F(PeopleTest, BothSidesPrintTheSameWords) {
  ASSERT_EQ(bob({"peers", "add", "ann", "-"}, ann({"card"}).out).status, 0);
  const auto words = ann({"peers", "verify", "bob"}).out;
  EXPECT_EQ(words, bob({"peers", "verify", "ann"}).out);
  std::istringstream stream(words);
  EXPECT_EQ(std::distance(std::istream_iterator<std::string>(stream), {}), 16);
  EXPECT_EQ(std::ranges::count(words, '\n'), 4);
}

TEST_F(PeopleTest, WordsOfAnotherKeyDiffer) {
  const User eve;
  eve.generate("Bob Ümlaut");
  add("eve", eve);
  EXPECT_NE(ann({"peers", "verify", "bob"}).out, ann({"peers", "verify", "eve"}).out);
}

TEST_F(PeopleTest, WithoutATerminalNothingIsMarked) {
  EXPECT_EQ(ann({"peers", "verify", "bob"}).status, 0);
  EXPECT_FALSE(verified());
}

TEST_F(PeopleTest, YesMarksWithoutATerminal) {
  EXPECT_EQ(ann({"peers", "verify", "--yes", "bob"}).status, 0);
  EXPECT_TRUE(verified());
  EXPECT_NE(ann({"peers"}).out.find("verified"), std::string::npos);
  EXPECT_NE(ann({"peers", "show", "bob"}).out.find("verified:  yes"), std::string::npos);
}

TEST_F(PeopleTest, OnlyAYesAtTheTerminalMarks) {
  EXPECT_EQ(at_terminal(std::nullopt).status, 0);
  EXPECT_EQ(at_terminal(false).status, 0);
  EXPECT_FALSE(verified());
  EXPECT_EQ(at_terminal(true).status, 0);
  EXPECT_TRUE(verified());
  EXPECT_EQ(asked, 3);
  at_terminal(false);
  EXPECT_EQ(asked, 3) << "verified already";
}

TEST_F(PeopleTest, NobodyIsAskedInFrontOfJson) {
  const auto row = json::parse(at_terminal(true, {"--json"}).out);
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(row["type"], "verification");
  EXPECT_EQ(row["petname"], "bob");
  EXPECT_EQ(row["words"].size(), 16U);
  EXPECT_EQ(row["verified"], false);
  EXPECT_EQ(json::parse(at_terminal(false, {"--json", "--yes"}).out)["verified"], true);
}

TEST_F(PeopleTest, RemovingAndAddingAgainClearsTheMark) {
  ASSERT_EQ(ann({"peers", "verify", "--yes", "bob"}).status, 0);
  add("bob", bob);
  EXPECT_TRUE(verified()) << "the same card again changes nothing";
  ASSERT_EQ(ann({"peers", "rm", "bob"}).status, 0);
  add("bob", bob);
  EXPECT_FALSE(verified());
}

TEST_F(PeopleTest, VerifyRefusesWhoIsNotInTheBook) {
  EXPECT_EQ(ann({"peers", "verify", "nobody"}).status, 67);
  EXPECT_EQ(ann({"peers", "verify", "me"}).status, 67);
  EXPECT_EQ(ann({"peers", "verify"}).status, 64);
}

/// The lines of `peers query PATTERN` after the first.
std::string found(const User& user, const std::string& pattern) {
  const auto outcome = user({"peers", "query", "--", pattern});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return outcome.out.substr(outcome.out.find('\n') + 1);
}

TEST_F(PeopleTest, QueryMatchesPetnameNameAndAddressWithoutCase) {
  std::string address = bob({"whoami"}).out;
  address.pop_back();
  const std::string line = address + "\tbob\t?Bob Ümlaut\n";
  for (const std::string& pattern :
       {std::string("BOB"), std::string("üMLAUT"), std::string("ÜMLAUT"), address.substr(20, 9),
        std::string("")}) {
    EXPECT_EQ(found(ann, pattern), line) << pattern;
  }
  for (const char* pattern : {"carol", "--", "b.b", "bob  "}) EXPECT_EQ(found(ann, pattern), "");
}

TEST_F(PeopleTest, QueryBeginsWithALineForPeople) {
  EXPECT_TRUE(ann({"peers", "query", "bob"}).out.starts_with("1 of 1 peers\n"));
  EXPECT_EQ(ann({"peers", "query", "carol"}).out, "0 of 1 peers\n");
}

TEST_F(PeopleTest, QueryGivesJsonWithoutThatLine) {
  const auto row = json::parse(ann({"peers", "query", "--json", "bob"}).out);
  EXPECT_EQ(row["type"], "match");
  EXPECT_EQ(row["petname"], "bob");
  EXPECT_EQ(row["name"], "Bob Ümlaut");
  EXPECT_EQ(ann({"peers", "query", "--json", "carol"}).out, "");
}

TEST_F(PeopleTest, ExportComesBack) {
  const User carol, dave;
  carol.generate("Carol");
  add("carol", carol);
  const auto all = ann({"peers", "export"}).out;
  dave.generate("Dave");
  EXPECT_EQ(dave({"peers", "import"}, all).status, 0);
  EXPECT_EQ(dave({"peers", "ls"}).out, ann({"peers", "ls"}).out);
  EXPECT_EQ(dave({"peers", "export"}).out, all);
  EXPECT_EQ(dave({"peers", "import", dave.file("again", all)}).status, 0) << "the same again";
}

TEST_F(PeopleTest, ExportOfOneIsACardForAdd) {
  const auto block = ann({"peers", "export", "bob"}).out;
  EXPECT_TRUE(block.starts_with("# bob\n# bob")) << block;
  const User carol;
  carol.generate("Carol");
  EXPECT_EQ(carol({"peers", "add", "robert", carol.file("block", block)}).status, 0);
  EXPECT_EQ(carol({"peers", "show", "bob"}).status, 67);
}

TEST_F(PeopleTest, AddRefusesAnExportOfSeveral) {
  const User carol;
  carol.generate("Carol");
  add("carol", carol);
  const auto outcome = bob({"peers", "add", "x", "-"}, ann({"peers", "export"}).out);
  EXPECT_EQ(outcome.status, 64);
  EXPECT_NE(outcome.err.find("peers import"), std::string::npos);
}

TEST_F(PeopleTest, AddressWithoutACardIsExportedToo) {
  const User carol, dave;
  carol.generate("Carol");
  dave.generate("Dave");
  std::string address = carol({"whoami"}).out;
  address.pop_back();
  ASSERT_EQ(ann({"peers", "add", "carol", address}).status, 0);
  EXPECT_EQ(dave({"peers", "import"}, ann({"peers", "export"}).out).status, 0);
  EXPECT_EQ(dave({"peers"}).out, ann({"peers"}).out);
  EXPECT_EQ(bob({"peers", "add", "c", "-"}, ann({"peers", "export", "carol"}).out).status, 0);
}

TEST_F(PeopleTest, ExportRefusesAnUnknownNameWithoutOutput) {
  const auto outcome = ann({"peers", "export", "bob", "nobody"});
  EXPECT_EQ(outcome.status, 67);
  EXPECT_EQ(outcome.out, "");
}

TEST_F(PeopleTest, ExportGivesJson) {
  const auto row = json::parse(ann({"peers", "export", "--json"}).out);
  EXPECT_EQ(row["type"], "card");
  EXPECT_EQ(row["petname"], "bob");
  EXPECT_EQ(row["card"], bob({"card"}).out);
}

TEST_F(PeopleTest, MarksAreNotExported) {
  ASSERT_EQ(ann({"peers", "verify", "--yes", "bob"}).status, 0);
  const User carol;
  carol.generate("Carol");
  ASSERT_EQ(carol({"peers", "import"}, ann({"peers", "export"}).out).status, 0);
  EXPECT_EQ(carol({"peers"}).out.find("verified"), std::string::npos);
}

class ImportTest : public PeopleTest {
 protected:
  ImportTest() {
    carol.generate("Carol");
    dave.generate("Dave");
    carol_block = "# carol\n" + carol({"card"}).out;
    bob_block = ann({"peers", "export", "bob"}).out;
  }
  /// The import fails with that status and changes nothing.
  void refused(int status, const std::string& text) const {
    const auto before = dave({"peers"}).out;
    EXPECT_EQ(dave({"peers", "import"}, text).status, status) << text;
    EXPECT_EQ(dave({"peers"}).out, before);
  }
  User carol, dave;
  std::string carol_block, bob_block;
};

TEST_F(ImportTest, TakesAllOrNone) {
  refused(65, "");
  refused(65, "hello\n");
  refused(65, carol_block + bob_block.substr(0, bob_block.size() - 40));
  refused(65, carol_block + "# bob\n");
  refused(65, carol_block + "# bob\nbob@example.org\n");
  refused(65, carol_block + bob({"card"}).out.substr(bob({"card"}).out.find('\n') + 1));
  refused(64, carol_block + "# b b\n" + bob({"card"}).out);
  refused(64, carol_block + "# me\n" + bob({"card"}).out);
  refused(65, carol_block + "# carol\n" + bob({"card"}).out);
  refused(65, carol_block + "# other\n" + carol({"card"}).out);
}

TEST_F(ImportTest, RefusesAPetnameOfAnotherKey) {
  ASSERT_EQ(dave({"peers", "add", "bob", "-"}, ann({"card"}).out).status, 0);
  refused(73, carol_block + bob_block);
}

TEST_F(ImportTest, NamesTheLine) {
  const auto outcome = dave({"peers", "import"}, "\n# x\nnonsense\n");
  EXPECT_NE(outcome.err.find("standard input:3: "), std::string::npos) << outcome.err;
}

TEST_F(ImportTest, KeepsMyOwnWordForAKey) {
  ASSERT_EQ(dave({"peers", "add", "robert", "-"}, bob({"card"}).out).status, 0);
  const auto outcome = dave({"peers", "import"}, carol_block + bob_block);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("as robert"), std::string::npos);
  EXPECT_EQ(dave({"peers", "show", "bob"}).status, 67);
}

TEST_F(ImportTest, LeavesOutMyOwnKey) {
  EXPECT_EQ(bob({"peers", "import"}, bob_block + carol_block).status, 0);
  EXPECT_EQ(std::ranges::count(bob({"peers"}).out, '\n'), 1);
}

TEST_F(ImportTest, ReadsForeignLineEnds) {
  std::string text;
  for (const char c : bob_block) text += c == '\n' ? "\r\n" : std::string(1, c);
  EXPECT_EQ(dave({"peers", "import"}, text).status, 0);
  EXPECT_EQ(dave({"peers", "show", "bob"}).status, 0);
}

TEST_F(ImportTest, GivesJson) {
  const auto row = json::parse(dave({"peers", "import", "--json"}, bob_block).out);
  EXPECT_EQ(row["type"], "peer");
  EXPECT_EQ(row["petname"], "bob");
}

TEST_F(PeopleTest, AliasesTakeNothingForACommand) {
  const std::string name = "a`id`$HOME#;'\\ü";
  ASSERT_EQ(ann({"peers", "rename", "bob", name}).status, 0);
  const auto line = ann({"peers", "export", "--mutt"}).out;
  const std::string safe = R"(a\`id\`\$HOME\#\;\')";
  EXPECT_TRUE(line.starts_with("alias " + safe + R"(\\ü \")" + safe + R"(\\\\ü\" <bob)")) << line;
}

}  // namespace
}  // namespace p2pmail::cmd
