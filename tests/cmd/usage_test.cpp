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
  EXPECT_TRUE(outcome.err.starts_with("{\"error\":{\"code\":\"usage\"")) << outcome.err;
}

// Beside this file, or above the build directory when the compiler was told a relative path.
std::filesystem::path saved_script() {
  const std::filesystem::path name = "completions/p2pmail.bash";
  for (auto at = std::filesystem::absolute(__FILE__).parent_path(); at != at.root_path();
       at = at.parent_path()) {
    if (std::filesystem::exists(at / name)) return at / name;
  }
  auto at = std::filesystem::current_path();
  while (at != at.root_path() && !std::filesystem::exists(at / name)) at = at.parent_path();
  return at / name;
}

TEST(Completion, FileIsWhatTheCommandPrints) {
  std::ifstream file(saved_script());
  const std::string saved{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(User()({"completion", "bash"}).out == saved)
      << "p2pmail completion bash > completions/p2pmail.bash";
}

TEST(Completion, KnowsNoOtherShell) { EXPECT_EQ(User()({"completion", "csh"}).status, 64); }

}  // namespace
}  // namespace p2pmail::cmd
