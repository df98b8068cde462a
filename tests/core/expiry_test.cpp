// Letters that are given up: only when a deadline was seen passed twice, an hour of running machine
// apart, whatever the clocks do; and their notice comes once, whatever was interrupted.
#include "core/expiry.h"

#include <gtest/gtest.h>

#include "tests/core/fixture.h"

namespace p2pmail::core {
namespace {

using testing::carry;
using testing::kStart;
using testing::Person;
using testing::TempDir;

constexpr std::uint64_t kDay = 86400;
constexpr std::uint64_t kHour = 3600;
constexpr std::uint64_t kExpire = 30 * kDay;

/// A moment: wall clock after kStart, boot clock, and which boot.
Now at(std::uint64_t after, std::uint64_t boot_time, std::uint8_t boot = 7) {
  Now now;
  now.time = kStart + after;
  now.boot_time = boot_time;
  now.boot_id.fill(boot);
  return now;
}

class ExpiryTest : public ::testing::Test {
 protected:
  ExpiryTest() : alice_(directory_, "alice"), bob_(directory_, "bob") { alice_.knows(bob_); }

  QueueEntry send(const std::string& subject, bool notify = false) {
    Posting posting = alice_.posting(subject, "The body.\n", {&bob_});
    posting.notify = notify;
    auto posted = post(*alice_.store, posting, testing::now_at(kStart));
    EXPECT_TRUE(posted) << posted.error().context;
    return std::move(posted->entries.front());
  }
  void tend(const Now& now) {
    const auto tended = tend_queue(*alice_.store, options_, now);
    EXPECT_TRUE(tended) << tended.error().context;
  }
  std::size_t waiting() { return alice_.store->queue().list()->size(); }
  std::size_t notices() { return alice_.mail("INBOX").size(); }
  std::filesystem::path file_of(const QueueEntry& entry, const char* suffix) {
    return alice_.store->queue().directory() / (entry.id + suffix);
  }
  bool letter_is_gone(const QueueEntry& entry) {
    return !std::filesystem::exists(alice_.store->queue().stream_path(entry.letter));
  }
  TempDir directory_;
  Person alice_;
  Person bob_;
  ExpiryOptions options_;
};

TEST_F(ExpiryTest, GivesUpAfterTwoSightings) {
  const QueueEntry entry = send("Lunch");
  tend(at(kExpire - 1, 1000));
  tend(at(kExpire, 2000));
  tend(at(kExpire + kHour - 1, 2000 + kHour - 1));
  EXPECT_EQ(waiting(), 1U);
  tend(at(kExpire + kHour, 2000 + kHour));
  EXPECT_EQ(waiting(), 0U);
  EXPECT_EQ(notices(), 1U);
  EXPECT_TRUE(letter_is_gone(entry));
  EXPECT_EQ((*alice_.store->state().end_of(entry.id))->ending, Ending::kExpired);
  EXPECT_EQ(alice_.mail(".Sent").size(), 1U);
  EXPECT_TRUE(alice_.store->state().sightings()->empty());
}

TEST_F(ExpiryTest, SurvivesAClockThatJumpsForthAndBack) {
  (void)send("Lunch");
  tend(at(kDay, 1000));
  tend(at(400 * kDay, 2000));             // wrong for a moment
  tend(at(kDay + kHour, 2000 + kHour));   // right again: the sighting is void
  tend(at(400 * kDay, 2000 + 2 * kHour));
  tend(at(kDay + 3 * kHour, 2000 + 3 * kHour));
  EXPECT_EQ(waiting(), 1U);
  EXPECT_EQ(notices(), 0U);
}

TEST_F(ExpiryTest, WantsAWholeHourOfEachBoot) {
  (void)send("Lunch");
  tend(at(kExpire, 500'000, 1));
  tend(at(kExpire + 5 * kDay, 100, 2));
  tend(at(kExpire + 5 * kDay, kHour - 1, 2));
  EXPECT_EQ(waiting(), 1U);
  tend(at(kExpire + 5 * kDay, kHour, 2));
  EXPECT_EQ(waiting(), 0U);
}

TEST_F(ExpiryTest, GivesNothingUpWithoutABootId) {
  (void)send("Lunch");
  for (std::uint64_t hour = 0; hour < 4; ++hour) tend(at(kExpire, hour * kHour, 0));
  EXPECT_EQ(waiting(), 1U);
}

TEST_F(ExpiryTest, RemembersTheSightingInTheStore) {
  (void)send("Lunch");
  tend(at(kExpire, 2000));
  alice_.reopen();
  tend(at(kExpire + kHour, 2000 + kHour));
  EXPECT_EQ(waiting(), 0U);
}

TEST_F(ExpiryTest, GoesOnInTheNextRunWhenThereAreMany) {
  for (int i = 0; i < 3; ++i) (void)send("Lunch");
  options_.most = 2;
  tend(at(kExpire, 2000));
  tend(at(kExpire + kHour, 2000 + kHour));
  EXPECT_EQ(waiting(), 1U);
  tend(at(kExpire + kHour, 2000 + kHour));
  EXPECT_EQ(waiting(), 0U);
  EXPECT_EQ(notices(), 3U);
}

TEST_F(ExpiryTest, LeavesAnEntryThatSomebodySends) {
  const QueueEntry entry = send("Lunch");
  tend(at(kExpire, 2000));
  {
    const auto claim = alice_.store->queue().claim(entry.id);
    ASSERT_TRUE(claim && *claim);
    tend(at(kExpire + kHour, 2000 + kHour));
    EXPECT_EQ(waiting(), 1U);
  }
  tend(at(kExpire + kHour, 2000 + kHour));
  EXPECT_EQ(waiting(), 0U);
}

TEST_F(ExpiryTest, FailsAfterThreeFinalRefusalsOverADay) {
  const QueueEntry entry = send("Lunch");
  Queue& queue = alice_.store->queue();
  const Error refused{Code::kRefused, "too-large: no more than 1 MiB"};
  queue.note_failure(entry.id, refused, kStart);
  queue.note_failure(entry.id, {Code::kUnavailable, "nobody there"}, kStart + 10);
  queue.note_failure(entry.id, refused, kStart + kHour);
  EXPECT_FALSE(due_ending(entry, queue.progress(entry.id), kExpire, kStart + 2 * kDay));
  queue.note_failure(entry.id, refused, kStart + 2 * kHour);
  EXPECT_FALSE(due_ending(entry, queue.progress(entry.id), kExpire, kStart + kDay - 1));
  tend(at(kDay, 2000));
  tend(at(kDay + kHour, 2000 + kHour));
  EXPECT_EQ((*alice_.store->state().end_of(entry.id))->ending, Ending::kFailed);
  ASSERT_EQ(notices(), 1U);
  const std::string text = alice_.text_of_message(alice_.mail("INBOX")[0]);
  EXPECT_NE(text.find("\nStatus: 5.2.3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("no more than 1 MiB"), std::string::npos) << text;
}

TEST_F(ExpiryTest, CountsFinalRefusalsAnewAfterAMilderOne) {
  const QueueEntry entry = send("Lunch");
  Queue& queue = alice_.store->queue();
  for (int i = 0; i < 2; ++i) queue.note_failure(entry.id, {Code::kUnsupported, "unsupported"}, kStart);
  queue.note_failure(entry.id, {Code::kTimeout, "later"}, kStart + 1);
  EXPECT_EQ(queue.progress(entry.id).refusals, 0U);
  queue.note_failure(entry.id, {Code::kUnsupported, "unsupported"}, kStart + 2);
  EXPECT_FALSE(due_ending(entry, queue.progress(entry.id), kExpire, kStart + 2 * kDay));
}

TEST_F(ExpiryTest, CountsARefusalOfTheFutureFromNow) {
  const QueueEntry entry = send("Lunch");
  Queue& queue = alice_.store->queue();
  queue.note_failure(entry.id, {Code::kRefused, "refused"}, kStart + 400 * kDay);
  queue.note_failure(entry.id, {Code::kRefused, "refused"}, kStart);
  EXPECT_EQ(queue.progress(entry.id).refused_since, kStart);
}

// ---- interrupted between any two steps: one notice

TEST_F(ExpiryTest, MakesTheNoticeThatACrashPrevented) {
  const QueueEntry entry = send("Lunch");
  ASSERT_TRUE(alice_.store->queue().finish(**alice_.store->queue().claim(entry.id), Ending::kExpired,
                                           kStart));
  EXPECT_EQ(waiting(), 0U);
  EXPECT_FALSE(letter_is_gone(entry));
  alice_.reopen();
  alice_.store->queue().drop_orphans(static_cast<std::uint64_t>(::time(nullptr)) + kDay);
  EXPECT_FALSE(letter_is_gone(entry));
  tend(at(0, 0));
  EXPECT_EQ(notices(), 1U);
  EXPECT_TRUE(letter_is_gone(entry));
  EXPECT_TRUE(std::filesystem::is_empty(alice_.store->queue().directory()));
}

TEST_F(ExpiryTest, MakesOneNoticeWhenACrashKeptTheEntry) {
  const QueueEntry entry = send("Lunch");
  ASSERT_TRUE(alice_.store->queue().finish(**alice_.store->queue().claim(entry.id), Ending::kExpired,
                                           kStart));
  ASSERT_TRUE(deliver_notice(*alice_.store, entry, Ending::kExpired, {}, kStart));
  ASSERT_EQ(notices(), 1U);
  alice_.reopen();
  tend(at(0, 0));
  tend(at(0, 0));
  EXPECT_EQ(notices(), 1U);
  EXPECT_TRUE(std::filesystem::is_empty(alice_.store->queue().directory()));
}

TEST_F(ExpiryTest, MakesOneNoticeWhenTheUserHasRemovedItAlready) {
  const QueueEntry entry = send("Lunch");
  ASSERT_TRUE(alice_.store->queue().finish(**alice_.store->queue().claim(entry.id), Ending::kExpired,
                                           kStart));
  ASSERT_TRUE(deliver_notice(*alice_.store, entry, Ending::kExpired, {}, kStart));
  ASSERT_TRUE(alice_.store->maildir().remove(alice_.mail("INBOX")[0].file));
  tend(at(0, 0));
  EXPECT_EQ(notices(), 0U);
}

TEST_F(ExpiryTest, FinishesANoticeThatTheJournalHas) {
  const QueueEntry entry = send("Lunch");
  ASSERT_TRUE(alice_.store->queue().finish(**alice_.store->queue().claim(entry.id), Ending::kExpired,
                                           kStart));
  ASSERT_TRUE(deliver_notice(*alice_.store, entry, Ending::kExpired, {}, kStart));
  // As a crash between record and rename leaves it, seen by a process that runs on.
  const MailFile file = alice_.mail("INBOX")[0].file;
  std::filesystem::rename(file.path, alice_.store->maildir().partial() / file.unique);
  ASSERT_EQ(notices(), 0U);
  tend(at(0, 0));
  EXPECT_EQ(notices(), 1U);
  EXPECT_TRUE(std::filesystem::is_empty(alice_.store->maildir().partial()));
}

TEST_F(ExpiryTest, NeverSendsAnEntryThatHasEnded) {
  const QueueEntry entry = send("Lunch");
  ASSERT_TRUE(alice_.store->queue().finish(**alice_.store->queue().claim(entry.id), Ending::kExpired,
                                           kStart));
  EXPECT_EQ(carry(alice_, bob_), 0U);
  EXPECT_FALSE(*alice_.store->queue().claim(entry.id));
  EXPECT_EQ(alice_.store->queue().load(entry.id).error().code, Code::kNotFound);
}

TEST_F(ExpiryTest, KeepsTheStreamForRecipientsWhoStillWait) {
  Person carol(directory_, "carol");
  alice_.knows(carol);
  const auto posted = post(*alice_.store, alice_.posting("Two", "body", {&bob_, &carol}),
                           testing::now_at(kStart));
  ASSERT_TRUE(posted);
  const auto& first = posted->entries[0];
  Queue& queue = alice_.store->queue();
  ASSERT_TRUE(queue.finish(**queue.claim(first.id), Ending::kExpired, kStart));
  tend(at(0, 0));
  EXPECT_EQ(notices(), 1U);
  EXPECT_FALSE(letter_is_gone(first));
  EXPECT_EQ(carry(alice_, carol), 1U);
  EXPECT_TRUE(letter_is_gone(first));
}

// ---- notices of deliveries

TEST_F(ExpiryTest, TellsOfADeliveryOnlyWhenAsked) {
  (void)send("Silent");
  const QueueEntry entry = send("Told", true);
  alice_.reopen();
  EXPECT_TRUE(alice_.store->queue().load(entry.id)->notify);
  EXPECT_EQ(carry(alice_, bob_), 2U);
  ASSERT_EQ(notices(), 1U);
  const Listed line = alice_.mail("INBOX")[0];
  EXPECT_EQ(line.subject, "Delivered: Told");
  const std::string text = alice_.text_of_message(line);
  EXPECT_NE(text.find("\nAction: delivered\nStatus: 2.0.0\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("Diagnostic-Code"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(alice_.store->queue().directory()));
  EXPECT_EQ((*alice_.store->state().end_of(entry.id))->ending, Ending::kDelivered);
}

TEST_F(ExpiryTest, MakesTheNoticeOfADeliveryLaterWhenItCannotNow) {
  const QueueEntry entry = send("Told", true);
  const auto partial = alice_.store->maildir().partial();
  std::filesystem::rename(partial, partial.string() + ".away");
  EXPECT_EQ(carry(alice_, bob_), 1U);
  EXPECT_EQ(waiting(), 0U);
  EXPECT_TRUE(std::filesystem::exists(file_of(entry, ".delivered")));
  EXPECT_FALSE(tend_queue(*alice_.store, options_, at(0, 0)));
  std::filesystem::rename(partial.string() + ".away", partial);
  tend(at(0, 0));
  EXPECT_EQ(notices(), 1U);
  EXPECT_FALSE(std::filesystem::exists(file_of(entry, ".delivered")));
}

TEST_F(ExpiryTest, LeavesAnEndedEntryThatCannotBeReadForCancel) {
  const QueueEntry entry = send("Lunch");
  Queue& queue = alice_.store->queue();
  ASSERT_TRUE(queue.finish(**queue.claim(entry.id), Ending::kExpired, kStart));
  ASSERT_TRUE(replace_file(file_of(entry, ".expired"), bytes_of("damage")));
  tend(at(0, 0));
  std::vector<DamagedEntry> damaged;
  ASSERT_TRUE(queue.list(&damaged));
  ASSERT_EQ(damaged.size(), 1U);
  ASSERT_TRUE(queue.remove_damaged(damaged[0].id));
  EXPECT_TRUE(std::filesystem::is_empty(queue.directory()));
}

}  // namespace
}  // namespace p2pmail::core
