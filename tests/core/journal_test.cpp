// The journal decides what was delivered: torn records, lost indexes and crashes between its steps.
#include "core/journal.h"

#include <gtest/gtest.h>

#include "core/crypto.h"
#include "core/file.h"
#include "core/sealed_file.h"
#include "tests/core/fixture.h"

namespace p2pmail::core {
namespace {

using testing::TempDir;

JournalEntry entry_of(std::uint8_t number) {
  JournalEntry entry;
  entry.sender.bytes.fill(1);
  entry.root.bytes.fill(number);
  entry.time = 1000;
  entry.folder = "INBOX";
  entry.unique = "name" + std::to_string(number);
  return entry;
}

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() : state_(std::move(*State::open(directory_.path()))) {}
  Journal journal() { return Journal(path(), state_); }
  std::filesystem::path path() const { return directory_.path() / "journal"; }
  bool seen(std::uint8_t number) {
    const auto entry = entry_of(number);
    const auto answer = journal().seen(entry.sender, entry.root);
    return answer && *answer;
  }
  TempDir directory_;
  State state_;
};

TEST_F(JournalTest, RemembersWhatWasRecorded) {
  const auto fresh = journal().record({entry_of(1), entry_of(2)});
  ASSERT_TRUE(fresh);
  EXPECT_EQ(*fresh, (std::vector{Recorded::kNow, Recorded::kNow}));
  EXPECT_TRUE(seen(1));
  EXPECT_TRUE(seen(2));
  EXPECT_FALSE(seen(3));
}

TEST_F(JournalTest, RecordsEachLetterOnce) {
  ASSERT_TRUE(journal().record({entry_of(1)}));
  const auto again = journal().record({entry_of(1), entry_of(2), entry_of(2)});
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, (std::vector{Recorded::kBefore, Recorded::kNow, Recorded::kBefore}));
}

TEST_F(JournalTest, RecordsNothingWhoseFileIsGone) {
  const auto answers =
      journal().record({entry_of(1), entry_of(2)}, [](std::size_t i) { return i == 1; });
  ASSERT_TRUE(answers);
  EXPECT_EQ(*answers, (std::vector{Recorded::kGone, Recorded::kNow}));
  EXPECT_FALSE(seen(1));
  EXPECT_TRUE(seen(2));
}

TEST_F(JournalTest, RebuildsALostIndex) {
  ASSERT_TRUE(journal().record({entry_of(1), entry_of(2)}));
  ASSERT_TRUE(state_.clear_journal_index());
  EXPECT_TRUE(seen(1));
  EXPECT_TRUE(seen(2));
}

TEST_F(JournalTest, CutsOffATornRecordAtEveryLength) {
  ASSERT_TRUE(journal().record({entry_of(1)}));
  const auto one = read_file(path(), 1 << 20);
  ASSERT_TRUE(journal().record({entry_of(2)}));
  const auto two = read_file(path(), 1 << 20);
  for (std::size_t size = one->size(); size < two->size(); ++size) {
    ASSERT_TRUE(replace_file(path(), ByteView(*two).first(size)));
    ASSERT_TRUE(state_.clear_journal_index());
    ASSERT_TRUE(seen(1)) << size;
    ASSERT_FALSE(seen(2)) << size;
    ASSERT_TRUE(journal().record({entry_of(3)}));
    ASSERT_TRUE(seen(3)) << size;
  }
}

TEST_F(JournalTest, RefusesDamageWithAnIntactRecordBehindIt) {
  ASSERT_TRUE(journal().record({entry_of(1), entry_of(2), entry_of(3)}));
  const auto whole = read_file(path(), 1 << 20);
  Bytes damaged = *whole;
  damaged[damaged.size() / 2] ^= 1U;  // in the second record
  ASSERT_TRUE(replace_file(path(), damaged));
  ASSERT_TRUE(state_.clear_journal_index());
  const auto answer = journal().record({entry_of(4)});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kMalformed);
  EXPECT_NE(answer.error().context.find(path().string()), std::string::npos);
  EXPECT_EQ(*read_file(path(), 1 << 20), damaged);
}

TEST_F(JournalTest, RefusesARecordOfAnotherTypeAndKeepsIt) {
  ASSERT_TRUE(journal().record({entry_of(1)}));
  Bytes bytes = *read_file(path(), 1 << 20);
  bytes[8 + 2] = 2;
  const Digest check =
      hash(Context{"p2pmail/journal"}, {ByteView(bytes).subspan(8).first(bytes.size() - 16)});
  std::copy_n(check.bytes.begin(), 8, bytes.end() - 8);
  ASSERT_TRUE(replace_file(path(), bytes));
  ASSERT_TRUE(state_.clear_journal_index());
  const auto answer = journal().record({entry_of(4)});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kUnsupported);
  EXPECT_EQ(*read_file(path(), 1 << 20), bytes);
}

TEST_F(JournalTest, WritesAHeadAgainThatWasTornAtEveryLength) {
  for (std::size_t size = 0; size < 8; ++size) {
    ASSERT_TRUE(replace_file(path(), bytes_of(std::string_view("p2pmailJ").substr(0, size))));
    ASSERT_TRUE(journal().record({entry_of(1)})) << size;
    ASSERT_TRUE(state_.clear_journal_index());
    EXPECT_TRUE(seen(1)) << size;
  }
}

TEST_F(JournalTest, AppendsToAnEmptyJournalWhoseIndexIsLost) {
  EXPECT_FALSE(seen(1));
  ASSERT_TRUE(state_.clear_journal_index());
  ASSERT_TRUE(journal().record({entry_of(1)}));
  ASSERT_TRUE(state_.clear_journal_index());
  EXPECT_TRUE(seen(1));
}

TEST_F(JournalTest, RecordsManyAcrossPages) {
  std::vector<JournalEntry> entries;
  for (std::uint8_t number = 0; number < 250; ++number) entries.push_back(entry_of(number));
  ASSERT_TRUE(journal().record(entries));
  ASSERT_TRUE(state_.clear_journal_index());
  for (std::uint8_t number = 0; number < 250; ++number) EXPECT_TRUE(seen(number));
}

TEST_F(JournalTest, RefusesAForeignFile) {
  ASSERT_TRUE(replace_file(path(), bytes_of("something else entirely")));
  const auto entry = entry_of(1);
  const auto answer = journal().seen(entry.sender, entry.root);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kMalformed);
}

TEST_F(JournalTest, FollowsAJournalThatBecameShorter) {
  ASSERT_TRUE(journal().record({entry_of(1)}));
  const auto backup = read_file(path(), 1 << 20);
  ASSERT_TRUE(journal().record({entry_of(2)}));
  ASSERT_TRUE(replace_file(path(), *backup));
  EXPECT_TRUE(seen(1));
  EXPECT_FALSE(seen(2));
}

class RecoverTest : public JournalTest {
 protected:
  RecoverTest() : maildir_(directory_.path() / "mail") { EXPECT_TRUE(maildir_.create()); }
  void leave_partial(const std::string& name) {
    EXPECT_TRUE(replace_file(maildir_.partial() / name, bytes_of("mail")));
  }
  std::size_t inbox() { return maildir_.list("INBOX")->size(); }
  Maildir maildir_;
};

TEST_F(RecoverTest, FinishesADeliveryThatTheJournalHas) {
  leave_partial("name1");
  ASSERT_TRUE(journal().record({entry_of(1)}));
  ASSERT_TRUE(journal().recover(maildir_, 2000));
  EXPECT_EQ(inbox(), 1U);
  ASSERT_TRUE(journal().recover(maildir_, 2000));
  EXPECT_EQ(inbox(), 1U);
}

TEST_F(RecoverTest, LeavesAFreshPartialOfARunningProcessAlone) {
  leave_partial("running");
  ASSERT_TRUE(journal().recover(maildir_, 2000));
  EXPECT_TRUE(std::filesystem::exists(maildir_.partial() / "running"));
  EXPECT_EQ(inbox(), 0U);
}

TEST_F(RecoverTest, DiscardsAPartialThatNobodyWroteToForADay) {
  leave_partial("stale");
  const auto later = static_cast<std::uint64_t>(::time(nullptr)) + 2 * 86400;
  ASSERT_TRUE(journal().recover(maildir_, later));
  EXPECT_FALSE(std::filesystem::exists(maildir_.partial() / "stale"));
}

TEST_F(RecoverTest, LeavesAPartialThatAWriterHoldsWhateverTheClockSays) {
  auto writer = SealedFileWriter::create(maildir_.partial() / "held", "", 8);
  ASSERT_TRUE(writer);
  const auto later = static_cast<std::uint64_t>(::time(nullptr)) + 2 * 86400;
  ASSERT_TRUE(journal().recover(maildir_, later));
  EXPECT_TRUE(writer->is_there());
  { const auto gone = std::move(*writer); }
  ASSERT_TRUE(journal().recover(maildir_, later));
  EXPECT_FALSE(std::filesystem::exists(maildir_.partial() / "held"));
}

TEST_F(RecoverTest, GoesOnAfterADeliveryThatCannotBeFinished) {
  auto bad = entry_of(1);
  bad.folder = "no folder's name";
  leave_partial("name1");
  leave_partial("name2");
  ASSERT_TRUE(journal().record({bad, entry_of(2)}));
  EXPECT_FALSE(journal().recover(maildir_, 2000));
  EXPECT_EQ(inbox(), 1U);
}

}  // namespace
}  // namespace p2pmail::core
