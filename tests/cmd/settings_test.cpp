// Settings: precedence, and a wrong line is named with its number.
#include "cmd/settings.h"

#include <nlohmann/json.hpp>

#include "harness.h"

namespace p2pmail::cmd {
namespace {

using core::Code;
using core::HeaderPolicy;

class SettingsTest : public ::testing::Test {
 protected:
  core::Result<Settings> load(const std::string& text, const Variables& variables = {}) {
    return load_settings(user_.file("config", text), variables);
  }
  std::string refusal(const std::string& text) {
    const auto loaded = load(text);
    EXPECT_FALSE(loaded) << text;
    if (loaded) return {};
    EXPECT_EQ(loaded.error().code, Code::kConfig);
    const std::string name = (user_.home() / "config").string();
    EXPECT_TRUE(loaded.error().context.starts_with(name)) << loaded.error().context;
    return loaded.error().context.substr(name.size());
  }
  User user_;
};

TEST_F(SettingsTest, NoFileIsAllDefaults) {
  const auto loaded = load_settings(user_.home() / "none", {});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->header_policy, HeaderPolicy::kBaseline);
  EXPECT_EQ(loaded->unlock_for, std::chrono::hours{1});
  EXPECT_EQ(loaded->keep_free, std::uint64_t{64} << 20);
  EXPECT_EQ(loaded->inline_max, std::uint64_t{32} << 20);
  EXPECT_EQ(loaded->pager, "less");
  ASSERT_EQ(loaded->listen.size(), 1U);
}

TEST_F(SettingsTest, TakesEveryKeyQuotesAndComments) {
  const auto loaded = load(
      "# a comment\n; another\n\nheader_policy = shy\nfallback_sendmail = 'msmtp -a \"my work\"'\n"
      "unlock_for=5m\nlisten = tcp://127.0.0.1:1 tcp://[::1]:2\r\npager =\nkeep_free = 2G");
  ASSERT_TRUE(loaded) << loaded.error().context;
  EXPECT_EQ(loaded->header_policy, HeaderPolicy::kShy);
  EXPECT_EQ(loaded->fallback_sendmail, "msmtp -a \"my work\"");
  EXPECT_EQ(loaded->unlock_for, std::chrono::minutes{5});
  EXPECT_EQ(loaded->listen.size(), 2U);
  EXPECT_EQ(loaded->pager, "");
  EXPECT_EQ(loaded->keep_free, std::uint64_t{2} << 30);
}

TEST_F(SettingsTest, NamesTheLineThatIsWrong) {
  EXPECT_EQ(refusal("\n\nheader_polcy = shy\n"), ":3: there is no setting 'header_polcy'");
  EXPECT_EQ(refusal("inline_max = 65535\n"), ":1: inline_max: at least 64K");
  EXPECT_EQ(refusal("unlock_for = soon\n"),
            ":1: unlock_for: 'soon' is not a duration such as 30s, 5m or 1h");
  EXPECT_EQ(refusal("unlock_for = 1h\nunlock_for = 2h\n"),
            ":2: unlock_for is set in line 1 already");
  EXPECT_EQ(refusal("[section]\n"), ":1: not a line of the form key = value");
  EXPECT_EQ(refusal("just words\n"), ":1: not a line of the form key = value");
  EXPECT_EQ(refusal("pager = a\x1b[2Jb\n"), ":1: control characters, or not UTF-8");
  EXPECT_NE(refusal("listen = tcp://nowhere\n").find(":1: listen: "), std::string::npos);
}

TEST_F(SettingsTest, BoundsHowLongALetterWaits) {
  EXPECT_EQ(load("")->expire, std::chrono::hours{30 * 24});
  EXPECT_EQ(load("expire = 1h")->expire, std::chrono::hours{1});
  EXPECT_EQ(load("expire = 1000d")->expire, std::chrono::hours{24'000});
  EXPECT_EQ(refusal("expire = 3599"), ":1: expire: at least 1h");
  EXPECT_EQ(refusal("expire = 0"), ":1: expire: at least 1h");
  EXPECT_FALSE(load("expire = 1001d"));
  EXPECT_FALSE(load("expire ="));
}

TEST_F(SettingsTest, HintNamesTheNearestKey) {
  const auto loaded = load("keep_fre = 1G\n");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().hint, "did you mean keep_free?");
}

TEST_F(SettingsTest, PagerFollowsGitsOrder) {
  Variables variables;
  variables.has_pager = true;
  variables.pager = "most";
  EXPECT_EQ(load("", variables)->pager, "most");
  EXPECT_EQ(load("pager = bat\n", variables)->pager, "bat");
  variables.p2pmail_pager = "more";
  EXPECT_EQ(load("pager = bat\n", variables)->pager, "more");
}

TEST_F(SettingsTest, TooLargeAFileIsRefused) {
  EXPECT_FALSE(load(std::string(kMaxSettings + 1, '#')));
}

TEST_F(SettingsTest, CommandsRefuseToRunOnAWrongFile) {
  user_.generate("Ann");
  (void)user_.file("config", "nonsense\n");
  const auto listed = user_({"ls"});
  EXPECT_EQ(listed.status, 78);
  EXPECT_NE(listed.err.find("config:1: "), std::string::npos);
  EXPECT_EQ(listed.out, "");
}

TEST_F(SettingsTest, ConfigSaysWhereAValueComesFrom) {
  (void)user_.file("config", "# mine\nunlock_for = 5m\n");
  const auto shown = nlohmann::json::parse(user_({"config", "unlock_for", "--json"}).out);
  EXPECT_EQ(shown["value"], "5m");
  EXPECT_EQ(shown["source"], "file");
  EXPECT_EQ(shown["line"], 2);
  EXPECT_EQ(user_({"config", "unlock_for"}).out, "5m\n");
  EXPECT_EQ(user_({"config", "unlockfor"}).status, 64);
  EXPECT_EQ(user_({"config", "--path"}).out, (user_.home() / "config").string() + "\n");
}

}  // namespace
}  // namespace p2pmail::cmd
