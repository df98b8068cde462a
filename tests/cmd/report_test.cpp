// Errors speak with one voice: one clean line, an optional hint, the status of sysexits(3).
#include "cmd/report.h"

#include "tests/cmd/harness.h"

namespace p2pmail::cmd {
namespace {

using core::Code;

std::string said(const core::Error& error, bool json) {
  const core::Fd err = memory_file();
  Env env;
  env.err = err.get();
  env.json = json;
  report(env, error);
  return content_of(err);
}

TEST(Report, GivesTheStatusThatTheDesignNames) {
  EXPECT_EQ(exit_status(Code::kUsage), 64);
  EXPECT_EQ(exit_status(Code::kMalformed), 65);
  EXPECT_EQ(exit_status(Code::kForged), 65);
  EXPECT_EQ(exit_status(Code::kNotFound), 66);
  EXPECT_EQ(exit_status(Code::kUnknownRecipient), 67);
  EXPECT_EQ(exit_status(Code::kUnavailable), 69);
  EXPECT_EQ(exit_status(Code::kBug), 70);
  EXPECT_EQ(exit_status(Code::kExists), 73);
  EXPECT_EQ(exit_status(Code::kNoSpace), 74);
  EXPECT_EQ(exit_status(Code::kTimeout), 75);
  EXPECT_EQ(exit_status(Code::kWrongPassphrase), 77);
  EXPECT_EQ(exit_status(Code::kLocked), 77);
  EXPECT_EQ(exit_status(Code::kConfig), 78);
}

TEST(Report, SaysErrorAndHintOnLinesOfTheirOwn) {
  EXPECT_EQ(said({Code::kConfig, "no identity here", "p2pmail keygen"}, false),
            "p2pmail: error: no identity here\np2pmail: hint: p2pmail keygen\n");
}

TEST(Report, LeavesOutAnEmptyHint) {
  EXPECT_EQ(said({Code::kIo, "x: cannot read", ""}, false), "p2pmail: error: x: cannot read\n");
}

TEST(Report, CleansWhatAStrangerWrote) {
  const std::string text = said({Code::kRefused, "no\x1b[2J\nforged line", ""}, false);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(Report, SpeaksJsonWhenAsked) {
  EXPECT_EQ(said({Code::kNoSpace, "disk full", ""}, true),
            "{\"v\":1,\"type\":\"error\",\"error\":{\"code\":\"no-space\",\"message\":\"disk full\"}}\n");
}

TEST(Report, IsSilentWhenTheReaderHasGone) {
  const core::Fd err = memory_file();
  Env env;
  env.err = err.get();
  env.out_closed = true;
  EXPECT_EQ(report(env, {Code::kIo, "closed", ""}), 74);
  EXPECT_EQ(content_of(err), "");
}

}  // namespace
}  // namespace p2pmail::cmd
