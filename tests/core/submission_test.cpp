// Whole messages as mail programs hand them over: nobody is lost, Bcc goes, the rest stays.
#include "core/submission.h"

#include "fixture.h"

namespace p2pmail::core {
namespace {

using testing::TempDir;

class SubmissionTest : public ::testing::Test {
 protected:
  Result<Submission> read(const std::string& text) {
    const auto path = directory_.path() / "message";
    EXPECT_TRUE(replace_file(path, bytes_of(text)));
    file_ = std::move(*open_file(path, O_RDONLY));
    return Submission::read(file_.get(), "input");
  }
  static std::string addresses(const std::vector<Mailbox5322>& list) {
    std::string all;
    for (const auto& mailbox : list) all += mailbox.address + "|";
    return all;
  }
  static std::string body(Submission& submission) {
    std::string text;
    EXPECT_TRUE(submission.copy_body([&text](ByteView bytes) -> Status {
      text += text_of(bytes);
      return {};
    }));
    return text;
  }
  TempDir directory_;
  Fd file_;
};

TEST_F(SubmissionTest, EveryMailboxOfAListIsFound) {
  const auto message = read(
      "To: bob, Carol <c@x.org>, \"Doe, John\" <j@x.org> (a, comment), group: g@x.org, h@x.org;\n"
      "Cc: <d@x.org>\nBcc: e@x.org,\n f@x.org\n\nx\n");
  ASSERT_TRUE(message);
  EXPECT_EQ(addresses(message->open()), "bob|c@x.org|j@x.org|g@x.org|h@x.org|d@x.org|");
  EXPECT_EQ(addresses(message->blind()), "e@x.org|f@x.org|");
}

TEST_F(SubmissionTest, ResentFieldsTakeThePlaceOfTheOthers) {
  const auto message = read("To: a@x.org\nResent-To: b@x.org\nResent-Bcc: c@x.org\n\nx\n");
  ASSERT_TRUE(message);
  EXPECT_EQ(addresses(message->open()), "b@x.org|");
  EXPECT_EQ(addresses(message->blind()), "c@x.org|");
}

TEST_F(SubmissionTest, HeaderKeepsWhatWasWrittenWithoutBcc) {
  auto message = read(
      "From: A <a@x.org>\nX-Odd:   two  spaces\n folded\nBcc: b@x.org\nDate: then\n"
      "Message-ID: <m@x>\nContent-Type: text/plain\nTo: c@x.org\n\nbody\n");
  ASSERT_TRUE(message);
  EXPECT_EQ(message->header({}),
            "From: A <a@x.org>\nX-Odd:   two  spaces\n folded\nDate: then\n"
            "Message-ID: <m@x>\nContent-Type: text/plain\nTo: c@x.org\n\n");
  EXPECT_EQ(body(*message), "body\n");
}

TEST_F(SubmissionTest, AddsWhatIsMissing) {
  auto message = read(
      "To: c@x.org\n\nGr\xc3\xbc\xc3\x9f"
      "e\n");
  ASSERT_TRUE(message);
  Submission::Changes changes;
  changes.from = Mailbox5322{"Ann", "ann@x.org"};
  changes.message_id = "new@x";
  const auto header = message->header(changes);
  EXPECT_TRUE(header.starts_with("From: Ann <ann@x.org>\nTo: c@x.org\nDate: ")) << header;
  EXPECT_NE(header.find("Message-ID: <new@x>\nMIME-Version: 1.0\nContent-Type: text/plain; "
                        "charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"),
            std::string::npos)
      << header;
}

TEST_F(SubmissionTest, WordsBecomeAddressesAndOtherFieldsStay) {
  const auto message = read("To: bob, Carol <c@x.org>\nCc: \"Odd  \" <o@x.org>\n\nx\n");
  ASSERT_TRUE(message);
  Submission::Changes changes;
  changes.resolve = [](const Mailbox5322& written) -> std::optional<Mailbox5322> {
    if (written.address != "bob") return std::nullopt;
    return Mailbox5322{"Bob", "bob@x.org"};
  };
  HeaderFields said;
  const auto header = message->header(changes, &said);
  EXPECT_TRUE(header.starts_with("To: Bob <bob@x.org>, Carol <c@x.org>\nCc: \"Odd  \" <o@x.org>\n"))
      << header;
  EXPECT_EQ(addresses(said.to), "bob@x.org|c@x.org|");
}

TEST_F(SubmissionTest, LineEndsBecomeLfAcrossPieces) {
  std::string text = "To: a@x.org\r\n\r\n";
  for (int i = 0; i < 20'000; ++i) text += "line " + std::to_string(i) + "\r\n";
  auto message = read(text + "lone\rcr\r");
  ASSERT_TRUE(message);
  const auto got = body(*message);
  EXPECT_EQ(got.find("\r\n"), std::string::npos);
  EXPECT_TRUE(got.ends_with("line 19999\nlone\rcr\r"));
  auto plain = read("To: a@x.org\n\none\r\ntwo\n");
  ASSERT_TRUE(plain);
  EXPECT_EQ(body(*plain), "one\r\ntwo\n") << "a body of an LF message is not touched";
}

TEST_F(SubmissionTest, WhatIsNoFieldStartsTheBody) {
  auto message = read("To: a@x.org\nHello there, no empty line\n.\nmore\n");
  ASSERT_TRUE(message);
  EXPECT_EQ(addresses(message->open()), "a@x.org|");
  EXPECT_EQ(body(*message), "Hello there, no empty line\n.\nmore\n");
  auto bare = read("only words\n");
  ASSERT_TRUE(bare);
  EXPECT_EQ(body(*bare), "only words\n");
  auto empty = read("");
  ASSERT_TRUE(empty);
  EXPECT_EQ(body(*empty), "");
}

TEST_F(SubmissionTest, RefusesNulAndEndlessHeaders) {
  EXPECT_EQ(read(std::string("To: a@x.org\nX: \0\n\n", 17)).error().code, Code::kMalformed);
  EXPECT_EQ(read("X: " + std::string(2'000'000, 'x')).error().code, Code::kMalformed);
  std::string many = "To: ";
  while (many.size() < 200'000) many += "somebody@example.org,\n ";
  EXPECT_EQ(read(many + "a@x.org\n\n").error().code, Code::kMalformed);
}

}  // namespace
}  // namespace p2pmail::core
