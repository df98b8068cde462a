// A passphrase comes from a file, a descriptor or the terminal, and nothing ever waits for nobody.
#include "cmd/passphrase.h"

#include "cmd/terminal.h"
#include "tests/cmd/harness.h"

namespace p2pmail::cmd {
namespace {

using core::Code;

std::string text(const core::SecretBytes& secret) {
  return std::string(core::text_of(secret.view()));
}

core::Result<core::SecretBytes> read(const std::string& content) {
  return read_passphrase_fd(memory_file(content).get());
}

core::Result<core::SecretBytes> answer(const std::string& words) {
  core::SecretBytes secret(words.size());
  std::copy(words.begin(), words.end(), secret.span().begin());
  return secret;
}

TEST(Passphrase, CutsTheEndOfTheLine) {
  EXPECT_EQ(text(*read("secret\n")), "secret");
  EXPECT_EQ(text(*read("secret\r\n")), "secret");
  EXPECT_EQ(text(*read("secret")), "secret");
  EXPECT_EQ(text(*read(" two words \nmore\n")), " two words ");
}

TEST(Passphrase, RefusesNothing) {
  EXPECT_EQ(read("").error().code, Code::kUsage);
  EXPECT_EQ(read("\n").error().code, Code::kUsage);
}

TEST(Passphrase, IsBounded) {
  EXPECT_EQ(read(std::string(kMaxPassphrase, 'x') + "\n")->size(), kMaxPassphrase);
  EXPECT_EQ(read(std::string(kMaxPassphrase + 1, 'x')).error().code, Code::kUsage);
}

TEST(Passphrase, LeavesTheNextLineOfADescriptor) {
  const core::Fd file = memory_file("one\ntwo\n");
  EXPECT_EQ(text(*read_passphrase_fd(file.get())), "one");
  EXPECT_EQ(text(*read_passphrase_fd(file.get())), "two");
}

TEST(Passphrase, SaysWhichFileIsMissing) {
  const auto missing = read_passphrase_file("/nonexistent/file");
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_NE(missing.error().context.find("/nonexistent/file"), std::string::npos);
}

TEST(Passphrase, FailsAtOnceWithoutATerminal) {
  Env env;
  EXPECT_EQ(old_passphrase(env, {}).error().code, Code::kLocked);
  EXPECT_EQ(new_passphrase(env, {}).error().code, Code::kLocked);
}

TEST(Passphrase, AsksTwiceForANewOne) {
  Env env;
  int asked = 0;
  env.ask = [&asked](const std::string&) { return ++asked, answer("same"); };
  EXPECT_EQ(text(*new_passphrase(env, {})), "same");
  EXPECT_EQ(asked, 2);
}

TEST(Passphrase, RefusesTwoThatDiffer) {
  Env env;
  int asked = 0;
  env.ask = [&asked](const std::string&) { return answer(asked++ == 0 ? "one" : "two"); };
  EXPECT_EQ(new_passphrase(env, {}).error().code, Code::kUsage);
}

TEST(Passphrase, RefusesAnEmptyNewOne) {
  Env env;
  env.ask = [](const std::string&) { return answer(""); };
  EXPECT_EQ(new_passphrase(env, {}).error().code, Code::kUsage);
}

}  // namespace
}  // namespace p2pmail::cmd
