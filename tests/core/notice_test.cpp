// Notices: what they say, that they are proved like received mail, and that they need no store key.
#include "core/notice.h"

#include <gtest/gtest.h>

#include "core/mime_report.h"
#include "tests/core/fixture.h"

namespace p2pmail::core {
namespace {

using testing::kStart;
using testing::Person;
using testing::TempDir;

MessageSource source_of(const std::string& text) {
  MessageSource source;
  source.size = text.size();
  source.read = [&text](std::uint64_t at, ByteSpan out) -> Result<std::size_t> {
    const std::size_t size = std::min<std::size_t>(out.size(), text.size() - std::min(at, text.size()));
    std::copy_n(text.data() + at, size, out.begin());
    return size;
  };
  return source;
}

std::string part_of(const Message& message, int number) {
  std::string text;
  EXPECT_TRUE(message.write_part(number, [&text](ByteView bytes) -> Status {
    text += text_of(bytes);
    return {};
  }));
  return text;
}

DeliveryReport report() {
  DeliveryReport report;
  report.status = "4.4.7";
  report.self = {"Alice Ärger", "alice@self.p2pmail.alt"};
  report.recipient = {"bob", "bob@key.p2pmail.alt"};
  report.reporter = "self.p2pmail.alt";
  report.message_id = "notice@self.p2pmail.alt";
  report.time = kStart + 100;
  report.envelope_id = std::string(40, 'a');
  report.subject = "Grüße";
  report.header = "From: alice\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nP2pmail-Id: false\n\nThe body.\n";
  report.original_id = "one@example";
  report.references = {"zero@example"};
  report.queued = kStart;
  report.last_attempt = kStart + 50;
  report.attempts = 3;
  report.reason = "It has waited for 30 days";
  report.diagnostic = "nobody there";
  return report;
}

TEST(Report, IsAMessageThatOurOwnParserReads) {
  const auto composed = compose_report(report());
  const auto message = Message::parse(source_of(composed.text));
  ASSERT_TRUE(message) << message.error().context;
  const HeaderFields& header = message->header();
  EXPECT_EQ(header.from.at(0).address, "alice@self.p2pmail.alt");
  EXPECT_EQ(header.to.at(0).name, "Alice Ärger");
  EXPECT_EQ(header.subject, "Not delivered: Grüße");
  EXPECT_EQ(header.message_id, "notice@self.p2pmail.alt");
  EXPECT_EQ(header.references, (std::vector<std::string>{"zero@example", "one@example"}));
  EXPECT_EQ(header.time, kStart + 100);
  std::vector<std::string> types;
  for (const PartInfo& part : message->parts()) types.push_back(part.type);
  EXPECT_EQ(types, (std::vector<std::string>{"text/plain",
                                             "message/delivery-status", "text/rfc822-headers"}));
}

TEST(Report, SaysToProgramsWhatHappened) {
  const auto composed = compose_report(report());
  const auto message = Message::parse(source_of(composed.text));
  ASSERT_TRUE(message);
  EXPECT_EQ(part_of(*message, 2),
            "Original-Envelope-Id: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
            "Reporting-MTA: x-p2pmail; self.p2pmail.alt\n"
            "Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\n"
            "\n"
            "Final-Recipient: rfc822; bob@key.p2pmail.alt\n"
            "Action: failed\n"
            "Status: 4.4.7\n"
            "Diagnostic-Code: x-p2pmail; nobody there\n"
            "Last-Attempt-Date: Tue, 14 Nov 2023 22:14:10 +0000\n");
}

TEST(Report, QuotesTheHeaderWithoutTheBodyAndOurOwnFields) {
  const auto composed = compose_report(report());
  const auto message = Message::parse(source_of(composed.text));
  ASSERT_TRUE(message);
  const std::string quoted = part_of(*message, 3);
  EXPECT_NE(quoted.find("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n"), std::string::npos);
  EXPECT_NE(quoted.find("X-Original-P2pmail-Id: false\n"), std::string::npos);
  EXPECT_EQ(composed.text.find("The body."), std::string::npos);
}

TEST(Report, BoundsAHeaderOfAnySizeAtAField) {
  DeliveryReport long_one = report();
  long_one.header = "A: 1\n";
  while (long_one.header.size() < 2 * kMaxQuotedHeader) long_one.header += "X: y\n z\n";
  const auto composed = compose_report(long_one);
  EXPECT_LT(composed.text.size(), kMaxQuotedHeader + 8 * 1024);
  const auto message = Message::parse(source_of(composed.text));
  ASSERT_TRUE(message);
  EXPECT_TRUE(part_of(*message, 3).ends_with("X: y\n z\n") ||
              part_of(*message, 3).ends_with("X: y\n"));
}

TEST(Report, LetsNobodyWriteAFieldOfIts) {
  DeliveryReport hostile = report();
  hostile.diagnostic = "no\r\nAction: delivered\nStatus: 2.0.0\x1b[31m \xff";
  hostile.recipient.name = "bob\nBcc: x\x1b[2J";
  hostile.subject = "a\r\nX-Evil: yes";
  hostile.references = {"a\nX-Evil: yes", "<b>"};
  const auto composed = compose_report(hostile);
  EXPECT_EQ(composed.text.find("\nX-Evil"), std::string::npos);
  EXPECT_EQ(composed.text.find("\nBcc"), std::string::npos);
  EXPECT_EQ(composed.text.find('\x1b'), std::string::npos);
  EXPECT_EQ(composed.text.find("Action: delivered\n"), std::string::npos);
  EXPECT_TRUE(is_utf8(composed.text));
}

class NoticeTest : public ::testing::Test {
 protected:
  NoticeTest() : alice_(directory_, "alice"), bob_(directory_, "bob") { alice_.knows(bob_); }
  QueueEntry send() {
    auto posted = post(*alice_.store, alice_.posting("Zebrasubject", "The body.\n", {&bob_}),
                       testing::now_at(kStart));
    EXPECT_TRUE(posted);
    return std::move(posted->entries.front());
  }
  TempDir directory_;
  Person alice_;
  Person bob_;
};

TEST_F(NoticeTest, IsProvedToBeFromOurselvesAndIsUnread) {
  const QueueEntry entry = send();
  std::vector<NewMail> told;
  NoticeOptions options;
  options.on_mail = [&told](const NewMail& mail) { told.push_back(mail); };
  ASSERT_TRUE(deliver_notice(*alice_.store, entry, Ending::kExpired, options, kStart + 86400));
  ASSERT_TRUE(deliver_notice(*alice_.store, entry, Ending::kExpired, options, kStart + 86400));
  const auto inbox = alice_.mail("INBOX");
  ASSERT_EQ(inbox.size(), 1U);
  EXPECT_EQ(inbox[0].verdict, Verdict::kSelf);
  EXPECT_EQ(inbox[0].sender, alice_.store->identity());
  EXPECT_EQ(inbox[0].damage, "");
  EXPECT_EQ(inbox[0].subject, "Not delivered: Zebrasubject");
  EXPECT_TRUE(inbox[0].file.is_new);
  EXPECT_EQ(alice_.mail(".Sent").size(), 1U);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(to_hex(told[0].id), inbox[0].id);
}

TEST_F(NoticeTest, QuotesTheOriginal) {
  const QueueEntry entry = send();
  ASSERT_TRUE(deliver_notice(*alice_.store, entry, Ending::kExpired, {}, kStart + 86400));
  const std::string text = alice_.text_of_message(alice_.mail("INBOX").at(0));
  EXPECT_NE(text.find("\nReferences: <test@example.p2pmail.alt>\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nMessage-ID: <test@example.p2pmail.alt>\n"), std::string::npos) << text;
  EXPECT_NE(text.find("bob <" + bob_.address().text() + ">"), std::string::npos) << text;
  EXPECT_NE(text.find("It has waited for 1 day."), std::string::npos) << text;
  EXPECT_EQ(text.find("The body."), std::string::npos);
}

TEST_F(NoticeTest, ComesWithoutTheOriginalWhenItCannotBeRead) {
  const QueueEntry entry = send();
  std::filesystem::remove(alice_.store->queue().stream_path(entry.letter));
  ASSERT_TRUE(deliver_notice(*alice_.store, entry, Ending::kFailed, {}, kStart));
  const std::string text = alice_.text_of_message(alice_.mail("INBOX").at(0));
  EXPECT_NE(text.find("Subject: Zebrasubject\n"), std::string::npos) << text;
}

TEST_F(NoticeTest, NeedsNoStoreKeyAndKeepsEveryWordOffTheDisk) {
  const QueueEntry entry = send();
  const auto key = alice_.paths.store_key();
  std::filesystem::rename(key, key.string() + ".away");
  alice_.reopen();
  ASSERT_TRUE(deliver_notice(*alice_.store, entry, Ending::kExpired, {}, kStart));
  std::filesystem::rename(key.string() + ".away", key);
  EXPECT_EQ(alice_.mail("INBOX").size(), 1U);
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory_.path())) {
    if (!file.is_regular_file() || file.path().filename() == "body") continue;
    const auto bytes = read_file(file.path(), 1 << 24);
    ASSERT_TRUE(bytes);
    EXPECT_EQ(text_of(*bytes).find("Zebra"), std::string_view::npos) << file.path();
  }
}

}  // namespace
}  // namespace p2pmail::core
