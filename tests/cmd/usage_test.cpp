// Every command answers -h, every slip gets one line with the nearest name, and output appears only
// on success.
#include <algorithm>

#include "cmd/command.h"
#include "tests/cmd/harness.h"

namespace p2pmail::cmd {
namespace {

TEST(Usage, EveryCommandAnswersHelp) {
  const User user;
  for (const Command& command : commands()) {
    const auto outcome = user({command.name, "-h"});
    EXPECT_EQ(outcome.status, 0) << command.name;
    EXPECT_NE(outcome.out.find(command.summary), std::string::npos) << command.name;
    EXPECT_EQ(outcome.err, "") << command.name;
  }
}

TEST(Usage, HelpNamesEveryCommandThatIsNotHidden) {
  const User user;
  const auto help = user({"--help"}).out;
  for (const Command& command : commands()) {
    const bool hidden = *command.group == '\0';
    EXPECT_EQ(help.find(command.summary) == std::string::npos, hidden) << command.name;
  }
}

TEST(Usage, VersionIsOneLine) {
  EXPECT_EQ(User()({"--version"}).out, "p2pmail " P2PMAIL_VERSION "\n");
}

TEST(Usage, MistypedCommandGetsTheNearestName) {
  const auto outcome = User()({"snd"});
  EXPECT_EQ(outcome.status, 64);
  EXPECT_EQ(outcome.err,
            "p2pmail: error: there is no command 'snd'\np2pmail: hint: p2pmail send\n");
}

TEST(Usage, EverySlipIsOneErrorAndOneHint) {
  const User user;
  const std::vector<std::vector<std::string>> slips{{},
                                                    {"--bogus"},
                                                    {"ls", "--bogus"},
                                                    {"send"},
                                                    {"ls", "-n", "many"},
                                                    {"mv", "@"},
                                                    {"peers", "ad"},
                                                    {"peers", "add"},
                                                    {"show"},
                                                    {"show", "@", "--raw", "--headers"},
                                                    {"\x1b[2J"}};
  for (const auto& slip : slips) {
    const auto outcome = user(slip);
    EXPECT_EQ(outcome.status, 64) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err.find('\x1b'), std::string::npos);
  }
}

TEST(Usage, ErrorsAreJsonWhenAsked) {
  const auto outcome = User()({"ls", "--json", "--bogus"});
  EXPECT_EQ(outcome.status, 64);
  EXPECT_TRUE(outcome.err.starts_with("{\"v\":1,\"type\":\"error\",\"error\":{\"code\":\"usage\""))
      << outcome.err;
}

// completions.sh tries the scripts in their shells.
TEST(Completion, NeedsNoStore) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_NE(User()({"completion", shell}).out.find("p2pmail complete"), std::string::npos)
        << shell;
  }
  for (const char* what : {"peers", "folders", "messages"}) {
    const auto outcome = User()({"complete", what});
    EXPECT_EQ(outcome.status, 0) << what;
    EXPECT_EQ(outcome.out + outcome.err, "") << what;
  }
}

TEST(Completion, KnowsNoOtherShell) { EXPECT_EQ(User()({"completion", "csh"}).status, 64); }

}  // namespace
}  // namespace p2pmail::cmd
