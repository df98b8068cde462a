// Large letters at rest: one copy beside the Maildir, a stub in it, and an end only when nobody names
// the blob any longer.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/blob_upkeep.h"
#include "tests/core/fixture.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;
using testing::kStart;
using testing::now_at;
using testing::Person;
using testing::TempDir;

constexpr std::uint64_t kDay = 86400;

/// Does not become smaller whatever is done to it, and has no NUL.
std::string large_body(std::size_t size = 3 * kBlockSize) {
  std::string body(size, '\0');
  std::uint64_t state = 88172645463325252ULL;
  for (char& c : body) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    c = static_cast<char>('!' + state % 90);
  }
  for (std::size_t i = 70; i < size; i += 71) body[i] = '\n';
  return body;
}

class LargeLettersTest : public ::testing::Test {
 protected:
  LargeLettersTest() { alice_.knows(bob_); }
  Posting posting(const std::string& body = large_body()) {
    Posting posting = alice_.posting("Large", body, {&bob_});
    posting.inline_max = 64 * 1024;
    return posting;
  }
  Posted send(const Posting& posting) {
    auto posted = post(*alice_.store, posting, now_at(kStart));
    EXPECT_TRUE(posted) << posted.error().context;
    return std::move(*posted);
  }
  Posted send() { return send(posting()); }
  Blobs blobs() { return Blobs(alice_.paths.mail()); }
  static ino_t inode(const fs::path& path) {
    struct stat facts {};
    EXPECT_EQ(stat(path.c_str(), &facts), 0) << path;
    return facts.st_ino;
  }
  std::size_t files_in(const fs::path& directory) {
    std::error_code none;
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory, none), fs::directory_iterator{}));
  }
  fs::path stub() { return alice_.mail(".Sent").at(0).file.path; }
  Maildir& maildir() { return alice_.store->maildir(); }
  void tend(std::uint64_t time) {
    const auto done = tend_blobs(maildir(), now_at(time));
    ASSERT_TRUE(done) << done.error().context;
  }
  bool has_mark(const MessageId& id) { return fs::exists(blobs().path(id).string() + ".unused"); }

  TempDir dir_;
  Person alice_{dir_, "alice"};
  Person bob_{dir_, "bob"};
};

TEST_F(LargeLettersTest, OneCopyServesSentAndTheQueue) {
  const Posted posted = send();
  const auto sent = alice_.mail(".Sent");
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].subject, "Large");
  EXPECT_EQ(sent[0].id, to_hex(posted.id));
  EXPECT_LT(fs::file_size(sent[0].file.path), 64u * 1024);
  EXPECT_EQ(inode(blobs().path(posted.id)),
            inode(alice_.store->queue().stream_path(posted.entries[0].letter)));
  EXPECT_TRUE(alice_.text_of_message(sent[0]).ends_with(large_body()));
  EXPECT_EQ(files_in(maildir().partial()), 0u);
  EXPECT_EQ(id_in(*read_outer(sent[0].file.path)), posted.id);
}

TEST_F(LargeLettersTest, ASmallOneStaysWhole) {
  send(posting("Hello\n"));
  EXPECT_FALSE(fs::exists(blobs().directory()));
}

TEST_F(LargeLettersTest, TheRecipientGetsIt) {
  bob_.knows(alice_);
  send();
  ASSERT_EQ(testing::carry(alice_, bob_), 1u);
  EXPECT_TRUE(bob_.text_of_message(bob_.mail("INBOX").at(0)).ends_with(large_body()));
}

TEST_F(LargeLettersTest, BlindCopiesComeFromTheBlob) {
  bob_.knows(alice_);
  Posting letter = posting();
  letter.open.clear();
  letter.blind = {bob_.store->identity()};
  const Posted posted = send(letter);
  EXPECT_EQ(posted.entries.size(), 1u);
  EXPECT_EQ(files_in(blobs().directory()), 2u);
  ASSERT_EQ(testing::carry(alice_, bob_), 1u);
  EXPECT_TRUE(bob_.text_of_message(bob_.mail("INBOX").at(0)).ends_with(large_body()));
}

TEST_F(LargeLettersTest, AFailureLeavesNothing) {
  Posting letter = posting();
  letter.content = [](const Sink& sink) -> Status {
    const std::string some = large_body();
    if (const auto put = sink(bytes_of(some)); !put) return put;
    return Error{Code::kIo, "the pipe broke"};
  };
  EXPECT_FALSE(post(*alice_.store, letter, now_at(kStart)));
  EXPECT_FALSE(fs::exists(blobs().directory()));
  // The queue cannot take it: what was adopted goes as well.
  const fs::path queue = alice_.paths.queue();
  fs::rename(queue, queue.string() + "-away");
  ASSERT_TRUE(replace_file(queue, bytes_of("no directory")));
  EXPECT_FALSE(post(*alice_.store, posting(), now_at(kStart)));
  EXPECT_EQ(files_in(blobs().directory()), 0u);
  EXPECT_EQ(files_in(maildir().partial()), 0u);
  EXPECT_TRUE(alice_.mail(".Sent").empty());
}

TEST_F(LargeLettersTest, MailToOneselfIsReadInBothFolders) {
  std::uint64_t time = kStart;
  for (const std::size_t size : {3 * kBlockSize, kBlockSize / 2}) {
    ++time;
    Posting letter = posting(large_body(size));
    letter.open = {alice_.store->identity()};
    ASSERT_TRUE(post(*alice_.store, letter, now_at(time)));
    PostOffice::Options options;
    options.clocks = [time] { return now_at(time); };
    options.inline_max = 64 * 1024;
    ASSERT_TRUE(PostOffice(*alice_.store, options).deliver_to_self());
    for (const char* folder : {"INBOX", ".Sent"})
      EXPECT_TRUE(alice_.text_of_message(alice_.mail(folder).back()).ends_with(large_body(size)));
  }
}

TEST_F(LargeLettersTest, DamageIsSaidAndTheFolderIsStillListed) {
  const Posted posted = send();
  const fs::path blob = blobs().path(posted.id);
  const auto line = [&] { return alice_.text_of_message(alice_.mail(".Sent").at(0)); };
  const auto fd = open_file(blob, O_RDWR);
  ASSERT_TRUE(fd);
  Bytes byte(1);
  const std::uint64_t at = fs::file_size(blob) - kBlockSize - 1000;
  ASSERT_TRUE(read_at(fd->get(), at, byte, blob));
  byte[0] ^= 1;
  ASSERT_TRUE(write_at(fd->get(), at, byte, blob));
  EXPECT_TRUE(line().starts_with("error: ")) << "one bit";
  ASSERT_EQ(truncate(blob.c_str(), 100'000), 0);
  EXPECT_NE(line().find("cut off"), std::string::npos);
  ASSERT_EQ(unlink(blob.c_str()), 0);
  EXPECT_NE(line().find("missing"), std::string::npos);
  EXPECT_EQ(alice_.mail(".Sent").at(0).subject, "Large");
  EXPECT_TRUE(alice_.mail(".Sent").at(0).damage.empty()) << "the file itself is as it was";
}

TEST_F(LargeLettersTest, AStubMayNotNameAnothersBlob) {
  send();
  const fs::path path = stub();
  auto bytes = read_file(path, 1 << 20);
  ASSERT_TRUE(bytes);
  const std::string text(text_of(*bytes));
  (*bytes)[text.find(kMagic) + 40 + 5] ^= 1;
  ASSERT_TRUE(replace_file(path, *bytes));
  EXPECT_NE(alice_.mail(".Sent").at(0).damage.find("another message"), std::string::npos);
}

TEST_F(LargeLettersTest, WhatMailNamesStays) {
  const Posted posted = send();
  for (std::uint64_t day = 0; day < 40; ++day) tend(kStart + day * kDay);
  EXPECT_TRUE(fs::exists(blobs().path(posted.id)));
  EXPECT_FALSE(has_mark(posted.id));
}

TEST_F(LargeLettersTest, WhatNobodyNamesGoesAfterAMonth) {
  const Posted posted = send();
  alice_.store->queue().discard(posted.entries[0].letter);
  ASSERT_EQ(unlink(stub().c_str()), 0);
  tend(kStart);
  EXPECT_TRUE(has_mark(posted.id));
  tend(kStart + 29 * kDay);
  EXPECT_TRUE(fs::exists(blobs().path(posted.id)));
  tend(kStart + 31 * kDay);
  EXPECT_TRUE(fs::exists(blobs().path(posted.id))) << "seen once";
  tend(kStart + 31 * kDay + 3600);
  EXPECT_TRUE(fs::exists(blobs().path(posted.id))) << "at most daily";
  tend(kStart + 32 * kDay);
  EXPECT_FALSE(fs::exists(blobs().path(posted.id)));
  EXPECT_FALSE(fs::exists(blobs().leaves_path(posted.id)));
  EXPECT_FALSE(has_mark(posted.id));
}

TEST_F(LargeLettersTest, AClockThatJumpsDestroysNothing) {
  const Posted posted = send();
  alice_.store->queue().discard(posted.entries[0].letter);
  ASSERT_EQ(unlink(stub().c_str()), 0);
  tend(kStart);
  Now now = now_at(kStart);
  for (std::uint64_t years = 1; years < 4; ++years) {
    now.time = kStart + years * 365 * kDay;  // and the machine has run for no second
    ASSERT_TRUE(tend_blobs(maildir(), now));
  }
  now.boot_id = {};
  now.time += kDay, now.boot_time += kDay;
  ASSERT_TRUE(tend_blobs(maildir(), now)) << "no boot id, no clock to trust";
  EXPECT_TRUE(fs::exists(blobs().path(posted.id)));
}

TEST_F(LargeLettersTest, AReferenceThatComesBackClearsTheMark) {
  const Posted posted = send();
  alice_.store->queue().discard(posted.entries[0].letter);
  const fs::path path = stub();
  const fs::path away = dir_.path() / "away";
  fs::rename(path, away);
  tend(kStart);
  ASSERT_TRUE(has_mark(posted.id));
  fs::rename(away, maildir().root() / ".Trash/cur/restored:2,");
  tend(kStart + kDay);
  EXPECT_FALSE(has_mark(posted.id));
}

TEST_F(LargeLettersTest, TheQueueAndForeignFoldersCountAsUse) {
  const Posted posted = send();
  const fs::path path = stub();
  fs::rename(path, dir_.path() / "away");
  tend(kStart);
  EXPECT_FALSE(has_mark(posted.id)) << "the queue has it";
  alice_.store->queue().discard(posted.entries[0].letter);
  fs::create_directories(dir_.path() / "disk");
  fs::rename(dir_.path() / "away", dir_.path() / "disk/any-name");
  fs::create_directory_symlink(dir_.path() / "disk", maildir().root() / "Archive");
  tend(kStart + kDay);
  EXPECT_FALSE(has_mark(posted.id)) << "a folder on another disk";
  fs::rename(dir_.path() / "disk", dir_.path() / "unmounted");
  tend(kStart + 2 * kDay);
  EXPECT_FALSE(has_mark(posted.id)) << "what cannot be looked at is no evidence";
  EXPECT_FALSE(survey_blobs(maildir(), SurveyOf::kAll).doubt.empty());
  fs::remove(maildir().root() / "Archive");
  tend(kStart + 3 * kDay);
  EXPECT_TRUE(has_mark(posted.id));
}

TEST_F(LargeLettersTest, TheSurveyFindsStubsWithoutBlob) {
  const Posted posted = send();
  EXPECT_TRUE(survey_blobs(maildir(), SurveyOf::kAll).broken.empty());
  ASSERT_EQ(unlink(blobs().leaves_path(posted.id).c_str()), 0);
  EXPECT_EQ(survey_blobs(maildir(), SurveyOf::kAll).broken.size(), 1u);
  ASSERT_EQ(unlink(blobs().path(posted.id).c_str()), 0);
  const auto survey = survey_blobs(maildir(), SurveyOf::kAll);
  ASSERT_EQ(survey.broken.size(), 1u);
  EXPECT_EQ(survey.broken[0].file, stub());
  EXPECT_EQ(survey.blobs, 0u);
}

}  // namespace
}  // namespace p2pmail::core
