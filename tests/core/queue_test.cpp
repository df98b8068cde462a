// Queue entries: sealed on disk, claimed by one at a time, gone only at their terminal state.
#include "core/queue.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "tests/core/fixture.h"

namespace p2pmail::core {
namespace {

using testing::TempDir;

class QueueTest : public ::testing::Test {
 protected:
  QueueTest()
      : state_(std::move(*State::open(directory_.path()))),
        key_(make_symmetric_key()),
        queue_(directory_.path() / "queue", key_, state_) {
    EXPECT_TRUE(make_directories(queue_.directory()));
    sealed_ = directory_.path() / "sealed";
    EXPECT_TRUE(replace_file(sealed_, bytes_of("a sealed file")));
  }
  std::vector<QueueEntry> two_entries() {
    std::vector<QueueEntry> entries;
    const std::string letter = Queue::new_letter();
    for (int n = 1; n <= 2; ++n) {
      QueueEntry entry;
      entry.letter = letter;
      entry.id = letter + "." + std::to_string(n);
      entry.recipient.bytes.fill(static_cast<std::uint8_t>(n));
      entry.subject = "secret subject";
      entry.time = 100 + static_cast<std::uint64_t>(n);
      entry.size = 4112;
      entry.payload_key = make_symmetric_key();
      entries.push_back(std::move(entry));
    }
    return entries;
  }
  std::vector<QueueEntry> queued() {
    auto entries = two_entries();
    EXPECT_TRUE(queue_.add_letter(entries[0].letter, sealed_, {}));
    EXPECT_TRUE(queue_.prepare(entries));
    EXPECT_TRUE(queue_.publish(entries));
    return entries;
  }
  TempDir directory_;
  State state_;
  SymmetricKey key_;
  Queue queue_;
  std::filesystem::path sealed_;
};

TEST_F(QueueTest, ListsWhatWasPublished) {
  const auto entries = queued();
  const auto listed = queue_.list();
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 2U);
  EXPECT_EQ((*listed)[0].id, entries[0].id);
  EXPECT_EQ((*listed)[1].recipient, entries[1].recipient);
  EXPECT_EQ((*listed)[0].subject, "secret subject");
  EXPECT_TRUE(equal_secret((*listed)[0].payload_key.view(), entries[0].payload_key.view()));
}

TEST_F(QueueTest, CanReadWhateverSubjectItWasGiven) {
  for (const std::string& subject : {std::string("\x1b]0;x\x07\n\xc2\x9b\xe2\x80\xae"),
                                     std::string("\xff\xfe"), std::string(500'000, 'x')}) {
    auto entries = two_entries();
    entries[0].subject = entries[1].subject = subject;
    ASSERT_TRUE(queue_.add_letter(entries[0].letter, sealed_, {}));
    ASSERT_TRUE(queue_.prepare(entries));
    ASSERT_TRUE(queue_.publish(entries));
    const auto claim = queue_.claim(entries[0].id);
    ASSERT_TRUE(claim && *claim) << claim.error().context;
  }
}

TEST_F(QueueTest, ShowsNothingBeforePublish) {
  const auto entries = two_entries();
  ASSERT_TRUE(queue_.prepare(entries));
  EXPECT_TRUE(queue_.list()->empty());
  queue_.discard(entries[0].letter);
  EXPECT_TRUE(std::filesystem::is_empty(queue_.directory()));
}

TEST_F(QueueTest, TheStreamGoesWithTheLastOfItsEntries) {
  for (const std::uint64_t siblings : {0U, 2U}) {  // 0: as older versions wrote them
    auto entries = two_entries();
    for (QueueEntry& entry : entries) entry.siblings = siblings;
    ASSERT_TRUE(queue_.add_letter(entries[0].letter, sealed_, {}));
    ASSERT_TRUE(queue_.prepare(entries));
    ASSERT_TRUE(queue_.publish(entries));
    const auto stream = queue_.stream_path(entries[0].letter);
    for (int i : {1, 0}) {
      auto claim = queue_.claim(entries[static_cast<std::size_t>(i)].id);
      ASSERT_TRUE(claim && *claim);
      EXPECT_EQ((*claim)->entry.siblings, siblings);
      // The first to end is kept for its notice: the stream is still wanted then.
      const Ending ending = i == 1 ? Ending::kExpired : Ending::kDelivered;
      ASSERT_TRUE(queue_.finish(**claim, ending, 1));
      EXPECT_TRUE(std::filesystem::exists(stream)) << i;
    }
    auto noticed = queue_.claim_ended({entries[1].id, Ending::kExpired});
    ASSERT_TRUE(noticed && *noticed);
    ASSERT_TRUE(queue_.forget(**noticed, Ending::kExpired));
    EXPECT_FALSE(std::filesystem::exists(stream)) << siblings;
  }
}

std::uint64_t tomorrow() { return static_cast<std::uint64_t>(::time(nullptr)) + 86400; }

TEST_F(QueueTest, LeavesALetterUnderConstructionAloneWhateverTheClockSays) {
  const auto entries = two_entries();
  ASSERT_TRUE(queue_.add_letter(entries[0].letter, sealed_, {Digest{}, Digest{}}));
  ASSERT_TRUE(queue_.prepare(entries));
  Queue other(queue_.directory(), key_, state_);
  other.drop_orphans(tomorrow());
  ASSERT_TRUE(queue_.publish(entries));
  other.drop_orphans(tomorrow());
  EXPECT_TRUE(std::filesystem::exists(queue_.stream_path(entries[0].letter)));
  EXPECT_TRUE(std::filesystem::exists(queue_.leaves_path(entries[0].letter)));
  EXPECT_EQ(queue_.list()->size(), 2U);
}

TEST_F(QueueTest, DropsALetterThatACrashLeftBehind) {
  {
    Queue crashed(queue_.directory(), key_, state_);
    const auto entries = two_entries();
    ASSERT_TRUE(crashed.add_letter(entries[0].letter, sealed_, {Digest{}, Digest{}}));
    ASSERT_TRUE(crashed.prepare(entries));
  }
  ASSERT_TRUE(replace_file(queue_.directory() / "notes", bytes_of("not of the queue")));
  queue_.drop_orphans(static_cast<std::uint64_t>(::time(nullptr)));
  EXPECT_FALSE(std::filesystem::is_empty(queue_.directory()));
  queue_.drop_orphans(tomorrow());
  std::filesystem::remove(queue_.directory() / "notes");
  EXPECT_TRUE(std::filesystem::is_empty(queue_.directory()));
}

TEST_F(QueueTest, KeepsSubjectsOffTheDisk) {
  const auto entries = queued();
  const auto bytes = read_file(queue_.directory() / (entries[0].id + ".entry"), 1 << 16);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(text_of(*bytes).find("subject"), std::string_view::npos);
}

TEST_F(QueueTest, GivesAnEntryToOneAtATime) {
  const auto entries = queued();
  auto claim = queue_.claim(entries[0].id);
  ASSERT_TRUE(claim && *claim);
  EXPECT_FALSE(*queue_.claim(entries[0].id));
  claim = std::optional<Claim>{};
  EXPECT_TRUE(*queue_.claim(entries[0].id));
}

TEST_F(QueueTest, RemembersHowEachEntryEnded) {
  auto entries = two_entries();
  for (auto& entry : entries) entry.message.bytes.fill(9);
  ASSERT_TRUE(queue_.add_letter(entries[0].letter, sealed_, {}));
  ASSERT_TRUE(queue_.prepare(entries));
  ASSERT_TRUE(queue_.publish(entries));
  EXPECT_FALSE(state_.end_of(entries[0].id)->has_value());
  ASSERT_TRUE(queue_.finish(**queue_.claim(entries[0].id), Ending::kDelivered, 7));
  ASSERT_TRUE(queue_.finish(**queue_.claim(entries[1].id), Ending::kCancelled, 8));
  const auto ends = state_.ends_of(entries[0].message);
  ASSERT_TRUE(ends && ends->size() == 2);
  EXPECT_EQ((*ends)[0].recipient, entries[0].recipient);
  EXPECT_EQ((*ends)[0].ending, Ending::kDelivered);
  EXPECT_EQ((*ends)[0].time, 7U);
  EXPECT_EQ((*ends)[1].ending, Ending::kCancelled);
  EXPECT_EQ((*state_.end_of(entries[1].id))->time, 8U);
}

TEST_F(QueueTest, RemovesTheStreamWithTheLastEntry) {
  const auto entries = queued();
  const auto stream = queue_.stream_path(entries[0].letter);
  ASSERT_TRUE(queue_.finish(**queue_.claim(entries[0].id), Ending::kDelivered, 7));
  EXPECT_TRUE(std::filesystem::exists(stream));
  ASSERT_TRUE(queue_.finish(**queue_.claim(entries[1].id), Ending::kDelivered, 7));
  EXPECT_FALSE(std::filesystem::exists(stream));
  EXPECT_TRUE(std::filesystem::exists(sealed_));
  EXPECT_TRUE(queue_.list()->empty());
}

TEST_F(QueueTest, ReportsADamagedEntryAndListsTheOthers) {
  const auto entries = queued();
  const auto path = queue_.directory() / (entries[0].id + ".entry");
  auto bytes = *read_file(path, 1 << 16);
  for (std::size_t bit = 0; bit < bytes.size() * 8; bit += 7) {
    Bytes damaged = bytes;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ (1U << (bit % 8)));
    ASSERT_TRUE(replace_file(path, damaged));
    std::vector<DamagedEntry> reports;
    const auto listed = queue_.list(&reports);
    ASSERT_TRUE(listed);
    ASSERT_EQ(listed->size(), 1U) << bit;
    ASSERT_EQ(reports.size(), 1U) << bit;
  }
}

TEST_F(QueueTest, RefusesAnEntryUnderAnotherName) {
  const auto entries = queued();
  const std::string other = Queue::new_letter() + ".1";
  std::filesystem::rename(queue_.directory() / (entries[0].id + ".entry"),
                          queue_.directory() / (other + ".entry"));
  const auto loaded = queue_.load(other);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Code::kForged);
}

TEST_F(QueueTest, BacksOffWithinBounds) {
  const auto entries = queued();
  for (int attempt = 1; attempt <= 40; ++attempt) {
    queue_.note_failure(entries[0].id, {Code::kUnavailable, "nobody\x1b[31m there"}, 1000);
    const Progress progress = queue_.progress(entries[0].id);
    EXPECT_EQ(progress.attempts, static_cast<std::uint64_t>(attempt));
    EXPECT_GE(progress.next_attempt, 1000U + 15U);
    EXPECT_LE(progress.next_attempt, 1000U + 6U * 3600U);
    EXPECT_EQ(progress.last_error.find('\x1b'), std::string::npos);
  }
}

TEST_F(QueueTest, PutsNothingOffForAnAttemptByHand) {
  const auto entries = queued();
  queue_.note_failure(entries[0].id, {Code::kUnavailable, "nobody there"}, 1000);
  const Progress before = queue_.progress(entries[0].id);
  for (int i = 0; i < 20; ++i)
    queue_.note_failure(entries[0].id, {Code::kUnavailable, "still nobody"}, 1500, Backoff::kStays);
  const Progress after = queue_.progress(entries[0].id);
  EXPECT_EQ(after.attempts, before.attempts);
  EXPECT_EQ(after.next_attempt, before.next_attempt);
  EXPECT_EQ(after.last_error, "still nobody");
  EXPECT_EQ(after.last_attempt, 1500U);
}

TEST_F(QueueTest, WritesAWishForANoticeOnlyWhereThereIsOne) {
  auto entries = two_entries();
  entries[1].notify = true;
  ASSERT_TRUE(queue_.add_letter(entries[0].letter, sealed_, {}));
  ASSERT_TRUE(queue_.prepare(entries));
  ASSERT_TRUE(queue_.publish(entries));
  EXPECT_FALSE(queue_.load(entries[0].id)->notify);
  EXPECT_TRUE(queue_.load(entries[1].id)->notify);
  // An entry without the wish is one that older versions of this program read.
  const auto size = [&](int i) {
    return std::filesystem::file_size(queue_.directory() / (entries[i].id + ".entry"));
  };
  EXPECT_EQ(size(0) + 3, size(1));
}

TEST_F(QueueTest, RemovesADamagedEntryAndNoOther) {
  const auto entries = queued();
  ASSERT_TRUE(replace_file(queue_.directory() / (entries[0].id + ".entry"), bytes_of("damage")));
  EXPECT_EQ(queue_.remove_damaged(entries[1].id).error().code, Code::kExists);
  EXPECT_EQ(queue_.remove_damaged(Queue::new_letter() + ".1").error().code, Code::kNotFound);
  ASSERT_TRUE(queue_.remove_damaged(entries[0].id));
  EXPECT_TRUE(std::filesystem::exists(queue_.stream_path(entries[0].letter)));
  EXPECT_EQ(queue_.list()->size(), 1U);
  ASSERT_TRUE(replace_file(queue_.directory() / (entries[1].id + ".entry"), bytes_of("damage")));
  ASSERT_TRUE(queue_.remove_damaged(entries[1].id));
  EXPECT_TRUE(std::filesystem::is_empty(queue_.directory()));
}

TEST_F(QueueTest, AnAttemptPlannedByAWrongClockIsDue) {
  const auto entries = queued();
  constexpr std::uint64_t kYear = 365 * 86'400;
  queue_.note_failure(entries[0].id, {Code::kUnavailable, "nobody there"}, 1000 + kYear);
  EXPECT_TRUE(is_due(queue_.progress(entries[0].id), 1000));
  queue_.note_failure(entries[0].id, {Code::kUnavailable, "nobody there"}, 1000);
  EXPECT_FALSE(is_due(queue_.progress(entries[0].id), 1000));
  EXPECT_TRUE(is_due(queue_.progress(entries[0].id), 1000 + 6 * 3600));
}

}  // namespace
}  // namespace p2pmail::core
