// From a draft to the recipient's Maildir and back as a receipt, without a network: what is accepted,
// what is refused, and that nothing arrives twice or vanishes.
#include "core/post_office.h"

#include <gtest/gtest.h>
#include <sys/statvfs.h>

#include "tests/core/fixture.h"

namespace p2pmail::core {
namespace {

using testing::carry;
using testing::kStart;
using testing::now_at;
using testing::Person;
using testing::TempDir;

class PostOfficeTest : public ::testing::Test {
 protected:
  PostOfficeTest() : alice_(directory_, "alice"), bob_(directory_, "bob") {
    alice_.knows(bob_);
    bob_.knows(alice_);
  }
  Posted send(const std::string& subject, const std::string& body) {
    auto posted = post(*alice_.store, alice_.posting(subject, body, {&bob_}), now_at(kStart));
    EXPECT_TRUE(posted) << posted.error().context;
    return std::move(*posted);
  }
  TempDir directory_;
  Person alice_;
  Person bob_;
};

TEST_F(PostOfficeTest, DeliversAndKeepsACopy) {
  const Posted posted = send("Lunch?", "At noon.\n");
  EXPECT_EQ(carry(alice_, bob_), 1U);
  const auto inbox = bob_.mail("INBOX");
  ASSERT_EQ(inbox.size(), 1U);
  EXPECT_EQ(inbox[0].id, to_hex(posted.id));
  EXPECT_EQ(inbox[0].subject, "Lunch?");
  EXPECT_EQ(inbox[0].verdict, Verdict::kPeer);
  EXPECT_NE(bob_.text_of_message(inbox[0]).find("At noon."), std::string::npos);
  const auto sent = alice_.mail(".Sent");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].id, to_hex(posted.id));
  EXPECT_EQ(alice_.text_of_message(sent[0]), bob_.text_of_message(inbox[0]));
  EXPECT_TRUE(alice_.store->queue().list()->empty());
}

TEST_F(PostOfficeTest, FindsTheIdInTheOuterHeaderToo) {
  const Posted posted = send("One", "body");
  ASSERT_EQ(carry(alice_, bob_), 1U);
  for (Person* person : {&alice_, &bob_}) {
    const auto found = resolve_message(*person->store, to_hex(posted.id).substr(0, 8));
    ASSERT_TRUE(found) << found.error().context;
    EXPECT_EQ(found->id, to_hex(posted.id));
  }
}

TEST_F(PostOfficeTest, KeepsEveryWordOffBothDisks) {
  (void)send("Zebrasubject", "Zebrabody\n");
  ASSERT_EQ(carry(alice_, bob_), 1U);
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory_.path())) {
    if (!file.is_regular_file() || file.path().filename() == "body") continue;
    const auto bytes = read_file(file.path(), 1 << 24);
    ASSERT_TRUE(bytes);
    EXPECT_EQ(text_of(*bytes).find("Zebra"), std::string_view::npos) << file.path();
  }
}

TEST_F(PostOfficeTest, AcceptsALetterOnceAndAnswersEveryTime) {
  (void)send("Once", "body");
  auto office = alice_.office();
  const Caller to_bob{bob_.store->device().transport_public, bob_.store->identity(),
                      bob_.store->device().device};
  auto letters = office.outgoing(to_bob, 10);
  ASSERT_EQ(letters.size(), 1U);
  auto receiver = bob_.office();
  const Caller from_alice{alice_.store->device().transport_public, alice_.store->identity(),
                          alice_.store->device().device};
  for (int round = 0; round < 3; ++round) {
    const auto envelope = letters[0]->envelope();
    auto considered = receiver.consider(from_alice, *envelope, {});
    ASSERT_TRUE(considered);
    EXPECT_EQ(std::holds_alternative<StoredAlready>(*considered), round > 0);
    auto* take = std::get_if<TakeIt>(&*considered);
    if (take == nullptr) continue;
    Bytes block(letters[0]->size());
    ASSERT_TRUE(letters[0]->read(0, block));
    ASSERT_TRUE(take->letter->write(0, block));
    std::vector<std::unique_ptr<IncomingLetter>> one;
    one.push_back(std::move(take->letter));
    ASSERT_TRUE(receiver.commit(std::move(one)).front());
  }
  EXPECT_EQ(bob_.mail("INBOX").size(), 1U);
}

TEST_F(PostOfficeTest, AcceptsOneOfTwoCopiesThatArriveTogether) {
  (void)send("Race", "body");
  auto office = alice_.office();
  auto letters = office.outgoing({bob_.store->device().transport_public, bob_.store->identity(),
                                  bob_.store->device().device}, 10);
  auto receiver = bob_.office();
  const Caller from_alice{alice_.store->device().transport_public, alice_.store->identity(),
                          alice_.store->device().device};
  std::vector<std::unique_ptr<IncomingLetter>> both;
  Bytes block(letters[0]->size());
  ASSERT_TRUE(letters[0]->read(0, block));
  for (int copy = 0; copy < 2; ++copy) {
    auto considered = receiver.consider(from_alice, *letters[0]->envelope(), {});
    auto* take = std::get_if<TakeIt>(&*considered);
    ASSERT_NE(take, nullptr);
    ASSERT_TRUE(take->letter->write(0, block));
    both.push_back(std::move(take->letter));
  }
  for (const auto& receipt : receiver.commit(std::move(both))) EXPECT_TRUE(receipt);
  EXPECT_EQ(bob_.mail("INBOX").size(), 1U);
  EXPECT_TRUE(std::filesystem::is_empty(bob_.store->maildir().partial()));
}

TEST_F(PostOfficeTest, SignsOneReceiptForLettersThatArriveTogether) {
  (void)send("One", "body");
  (void)send("Two", "body");
  (void)send("Three", "body");
  auto office = alice_.office();
  auto letters = office.outgoing({bob_.store->device().transport_public, bob_.store->identity(),
                                  bob_.store->device().device}, 10);
  ASSERT_EQ(letters.size(), 3U);
  auto receiver = bob_.office();
  const Caller from_alice{alice_.store->device().transport_public, alice_.store->identity(),
                          alice_.store->device().device};
  std::vector<std::unique_ptr<IncomingLetter>> coming;
  for (const auto& letter : letters) {
    Bytes block(letter->size());
    ASSERT_TRUE(letter->read(0, block));
    auto considered = receiver.consider(from_alice, *letter->envelope(), {});
    auto* take = std::get_if<TakeIt>(&*considered);
    ASSERT_NE(take, nullptr);
    ASSERT_TRUE(take->letter->write(0, block));
    if (letter != letters[2]) coming.push_back(std::move(take->letter));
  }
  const auto receipts = receiver.commit(std::move(coming));
  ASSERT_EQ(receipts.size(), 2U);
  ASSERT_TRUE(receipts[0] && receipts[1]);
  EXPECT_EQ(*receipts[0], *receipts[1]);
  EXPECT_FALSE(letters[2]->delivered(*receipts[0])) << "it did not arrive";
  EXPECT_TRUE(letters[0]->delivered(*receipts[0]));
  EXPECT_TRUE(letters[1]->delivered(*receipts[0]));
  EXPECT_EQ(alice_.store->queue().list()->size(), 1U);
}

TEST_F(PostOfficeTest, DiscardsALetterThatNeverBecameComplete) {
  (void)send("Half", "body");
  auto office = alice_.office();
  auto letters = office.outgoing({bob_.store->device().transport_public, bob_.store->identity(),
                                  bob_.store->device().device}, 10);
  {
    auto receiver = bob_.office();
    auto considered = receiver.consider({alice_.store->device().transport_public,
                                         alice_.store->identity(), alice_.store->device().device},
                                        *letters[0]->envelope(), {});
    Bytes block(letters[0]->size());
    ASSERT_TRUE(letters[0]->read(0, block));
    ASSERT_TRUE(std::get<TakeIt>(*considered).letter->write(0, block));
  }
  EXPECT_TRUE(std::filesystem::is_empty(bob_.store->maildir().partial()));
  EXPECT_TRUE(bob_.mail("INBOX").empty());
}

TEST_F(PostOfficeTest, SignsNoReceiptForALetterWhoseFileWasRemoved) {
  (void)send("Removed", "body");
  auto office = alice_.office();
  auto letters = office.outgoing(bob_.caller(), 10);
  ASSERT_EQ(letters.size(), 1U);
  auto receiver = bob_.office();
  Bytes block(letters[0]->size());
  ASSERT_TRUE(letters[0]->read(0, block));
  for (const bool removed : {true, false}) {
    auto considered = receiver.consider(alice_.caller(), *letters[0]->envelope(), {});
    auto* take = std::get_if<TakeIt>(&*considered);
    ASSERT_NE(take, nullptr);
    ASSERT_TRUE(take->letter->write(0, block));
    if (removed)
      for (const auto& file : std::filesystem::directory_iterator(bob_.store->maildir().partial()))
        std::filesystem::remove(file.path());
    std::vector<std::unique_ptr<IncomingLetter>> one;
    one.push_back(std::move(take->letter));
    EXPECT_EQ(receiver.commit(std::move(one)).front().has_value(), !removed);
  }
  EXPECT_EQ(bob_.mail("INBOX").size(), 1U);
}

TEST_F(PostOfficeTest, PutsAStrangerIntoRequests) {
  ASSERT_TRUE(bob_.store->state().remove_peer(alice_.store->identity()));
  (void)send("Hello", "we have not met");
  EXPECT_EQ(carry(alice_, bob_), 1U);
  EXPECT_TRUE(bob_.mail("INBOX").empty());
  const auto requests = bob_.mail(".Requests");
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].verdict, Verdict::kStranger);
}

TEST_F(PostOfficeTest, CountsFreeSpaceOnceForLettersOfferedTogether) {
  struct statvfs disk {};
  ASSERT_EQ(statvfs(bob_.paths.root.c_str(), &disk), 0);
  const std::uint64_t free = disk.f_bavail * disk.f_frsize;
  Room room(bob_.store->maildir(), {});
  const std::uint64_t size = free / 3 * 2;
  {
    auto first = room.reserve(size);
    ASSERT_TRUE(first);
    const auto second = room.reserve(size);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::kNoSpace);
  }
  EXPECT_TRUE(room.reserve(size));
}

TEST_F(PostOfficeTest, GivesStrangersABudget) {
  ASSERT_TRUE(bob_.store->state().remove_peer(alice_.store->identity()));
  for (const char* subject : {"One", "Two", "Three"}) (void)send(subject, "body");
  auto sender = alice_.office();
  auto letters = sender.outgoing(bob_.caller(), 10);
  PostOffice::Options options;
  options.room.request_letters = 2;
  PostOffice receiver(*bob_.store, options);
  const auto offer = [&](std::size_t i) {
    return receiver.consider(alice_.caller(), *letters[i]->envelope(), {});
  };
  auto one = offer(0);
  ASSERT_TRUE(one);
  {
    const auto two = offer(1);
    ASSERT_TRUE(two);
    EXPECT_EQ(offer(2).error().code, Code::kNoSpace);
  }
  EXPECT_TRUE(offer(2));
  options.room.request_letters = 10'000;
  options.room.request_bytes = letters[0]->size() * 2 - 1;
  PostOffice narrow(*bob_.store, options);
  const auto first = narrow.consider(alice_.caller(), *letters[0]->envelope(), {});
  ASSERT_TRUE(first);
  EXPECT_EQ(narrow.consider(alice_.caller(), *letters[1]->envelope(), {}).error().code, Code::kNoSpace);
}

TEST_F(PostOfficeTest, CountsWhatLiesInRequests) {
  ASSERT_TRUE(bob_.store->state().remove_peer(alice_.store->identity()));
  (void)send("One", "body");
  EXPECT_EQ(carry(alice_, bob_), 1U);
  (void)send("Two", "body");
  auto sender = alice_.office();
  auto letters = sender.outgoing(bob_.caller(), 10);
  PostOffice::Options options;
  options.room.request_letters = 1;
  PostOffice receiver(*bob_.store, options);
  EXPECT_FALSE(receiver.consider(alice_.caller(), *letters[0]->envelope(), {}));
  bob_.knows(alice_);
  EXPECT_TRUE(receiver.consider(alice_.caller(), *letters[0]->envelope(), {}));
}

TEST_F(PostOfficeTest, NeverShowsAFalseFromAsGenuine) {
  const auto posting =
      alice_.posting("Pay me", "now", {&bob_}, Mailbox5322{"bob", bob_.address().text()});
  ASSERT_TRUE(post(*alice_.store, posting, now_at(kStart)));
  EXPECT_EQ(carry(alice_, bob_), 1U);
  EXPECT_TRUE(bob_.mail("INBOX").empty());
  const auto requests = bob_.mail(".Requests");
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].verdict, Verdict::kMismatch);
  const auto outer = read_outer(requests[0].file.path);
  EXPECT_NE(outer->find("p2pmail=fail"), std::string::npos);
}

/// A newer roster of this identity in which another device takes the place of its own.
Card roster_without_device(Person& person, bool buried) {
  const auto key = load_key(KeyKind::kIdentity, person.paths.identity_key());
  EXPECT_TRUE(key);
  const auto secret = unseal_key(*key, nullptr);
  EXPECT_TRUE(secret);
  Roster roster = person.store->card().roster.value;
  if (buried) roster.tombstones.push_back({roster.devices.front(), TombstoneReason::kCompromised});
  roster.devices.front().bytes.fill(9);
  ++roster.sequence;
  return Card{sign_roster(roster, SigningSecret(secret->view())), {}};
}

TEST_F(PostOfficeTest, KnowsABurialThatTheEnvelopeHides) {
  const Card newer = roster_without_device(alice_, true);
  ASSERT_TRUE(bob_.store->state().merge_peer_card(newer, false));
  (void)send("From a stolen device", "with the card of before the theft");
  EXPECT_EQ(carry(alice_, bob_), 1U);
  EXPECT_TRUE(bob_.mail("INBOX").empty());
  const auto requests = bob_.mail(".Requests");
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].verdict, Verdict::kBuried);
}

TEST_F(PostOfficeTest, RefusesADeviceThatTheNewestRosterDoesNotName) {
  const Card newer = roster_without_device(alice_, false);
  ASSERT_TRUE(bob_.store->state().merge_peer_card(newer, false));
  (void)send("From a dropped device", "body");
  EXPECT_EQ(carry(alice_, bob_), 0U);
  EXPECT_TRUE(bob_.mail("INBOX").empty());
  EXPECT_TRUE(bob_.mail(".Requests").empty());
  EXPECT_EQ(alice_.store->queue().list()->size(), 1U);
}

TEST_F(PostOfficeTest, TellsABlockedPeerLater) {
  ASSERT_TRUE(bob_.store->state().set_blocked(alice_.store->identity(), true));
  (void)send("Again", "body");
  EXPECT_EQ(carry(alice_, bob_), 0U);
  EXPECT_TRUE(bob_.mail("INBOX").empty());
  EXPECT_TRUE(bob_.mail(".Requests").empty());
  const auto queue = alice_.store->queue().list();
  ASSERT_EQ(queue->size(), 1U);
  EXPECT_EQ(alice_.store->queue().progress((*queue)[0].id).attempts, 1U);
}

TEST_F(PostOfficeTest, RefusesAReceiptForAnotherLetter) {
  (void)send("One", "body");
  (void)send("Two", "body");
  auto office = alice_.office();
  auto letters = office.outgoing({bob_.store->device().transport_public, bob_.store->identity(),
                                  bob_.store->device().device}, 10);
  ASSERT_EQ(letters.size(), 2U);
  ASSERT_TRUE(letters[0]->envelope());
  ASSERT_TRUE(letters[1]->envelope());
  const auto forged = letters[0]->delivered(bytes_of("nonsense"));
  EXPECT_FALSE(forged);
  EXPECT_EQ(alice_.store->queue().list()->size(), 2U);
}

TEST_F(PostOfficeTest, GivesABlindRecipientALetterOfItsOwn) {
  Person carol(directory_, "carol");
  alice_.knows(carol);
  carol.knows(alice_);
  auto posting = alice_.posting("To both", "one of you is hidden", {&bob_});
  posting.blind = {carol.store->identity()};
  const auto posted = post(*alice_.store, posting, now_at(kStart));
  ASSERT_TRUE(posted);
  ASSERT_EQ(posted->entries.size(), 2U);
  EXPECT_NE(posted->entries[0].root, posted->entries[1].root);
  EXPECT_EQ(carry(alice_, bob_), 1U);
  EXPECT_EQ(carry(alice_, carol), 1U);
  const auto at_carol = carol.mail("INBOX");
  ASSERT_EQ(at_carol.size(), 1U);
  const std::string text = carol.text_of_message(at_carol[0]);
  EXPECT_EQ(text, bob_.text_of_message(bob_.mail("INBOX")[0]));
  EXPECT_EQ(text.find(key_text(carol.store->identity())), std::string::npos);
}

TEST_F(PostOfficeTest, DeliversMailToOneself) {
  ASSERT_TRUE(post(*alice_.store, alice_.posting("Note", "to self", {&alice_}), now_at(kStart)));
  auto office = alice_.office();
  const auto done = office.deliver_to_self();
  ASSERT_TRUE(done) << done.error().context;
  const auto inbox = alice_.mail("INBOX");
  ASSERT_EQ(inbox.size(), 1U);
  EXPECT_EQ(inbox[0].verdict, Verdict::kSelf);
  EXPECT_TRUE(alice_.store->queue().list()->empty());
}

TEST_F(PostOfficeTest, DeliversToOneselfPastALetterThatIsBroken) {
  const auto broken =
      post(*alice_.store, alice_.posting("Broken", "lost", {&alice_}), now_at(kStart));
  ASSERT_TRUE(broken);
  ASSERT_TRUE(post(*alice_.store, alice_.posting("Note", "to self", {&alice_}), now_at(kStart + 1)));
  std::filesystem::remove(alice_.store->queue().stream_path(broken->entries[0].letter));
  EXPECT_TRUE(alice_.office().deliver_to_self());
  ASSERT_EQ(alice_.mail("INBOX").size(), 1U);
  EXPECT_EQ(alice_.mail("INBOX")[0].subject, "Note");
  ASSERT_EQ(alice_.store->queue().list()->size(), 1U);
  const Progress progress = alice_.store->queue().progress(broken->entries[0].id);
  EXPECT_EQ(progress.attempts, 1U);
  EXPECT_FALSE(progress.last_error.empty());
}

TEST_F(PostOfficeTest, OpensWithADeliveryThatCannotBeFinished) {
  (void)send("Stuck", "body");
  JournalEntry bad;
  bad.sender.bytes.fill(1);
  bad.root.bytes.fill(2);
  bad.folder = "no folder's name";
  bad.unique = "stuck";
  ASSERT_TRUE(bob_.store->journal().record({bad}));
  ASSERT_TRUE(replace_file(bob_.store->maildir().partial() / bad.unique, bytes_of("mail")));
  bob_.reopen();
  EXPECT_FALSE(bob_.store->recovered());
  EXPECT_EQ(carry(alice_, bob_), 1U);
  EXPECT_EQ(bob_.mail("INBOX").size(), 1U);
}

TEST_F(PostOfficeTest, RemembersTheCardOfAPeerThatWasRemoved) {
  const Card newer = roster_without_device(alice_, true);
  ASSERT_TRUE(bob_.store->state().merge_peer_card(newer, false));
  State& state = bob_.store->state();
  ASSERT_TRUE(state.set_blocked(alice_.store->identity(), true));
  ASSERT_TRUE(state.remove_peer(alice_.store->identity()));
  EXPECT_TRUE(state.peers()->empty());
  EXPECT_FALSE(*state.find_peer(std::string_view("alice")));
  bob_.knows(alice_);
  const auto again = state.find_peer(alice_.store->identity());
  ASSERT_TRUE(again && *again);
  EXPECT_EQ((*again)->petname, "alice");
  EXPECT_FALSE((*again)->blocked || (*again)->verified);
  EXPECT_EQ((*again)->card->roster.value.sequence, newer.roster.value.sequence);
}

TEST_F(PostOfficeTest, CarriesSeveralBlocks) {
  std::string body;
  while (body.size() < 3 * kBlockSize) body += "a line of a long letter, again and again\n";
  (void)send("Long", body);
  ASSERT_EQ(carry(alice_, bob_), 1U);
  const std::string text = bob_.text_of_message(bob_.mail("INBOX")[0]);
  EXPECT_NE(text.find(body), std::string::npos);
}

TEST_F(PostOfficeTest, SurvivesAReopenAtBothEnds) {
  (void)send("Later", "body");
  alice_.reopen();
  bob_.reopen();
  EXPECT_EQ(carry(alice_, bob_), 1U);
  bob_.reopen();
  EXPECT_EQ(bob_.mail("INBOX").size(), 1U);
}

TEST_F(PostOfficeTest, FollowsARotatedPrekey) {
  (void)send("Old key", "body");
  ASSERT_TRUE(bob_.store->upkeep(now_at(kStart + kPrekeyPeriod + 1)));
  EXPECT_EQ(bob_.store->device().prekeys.size(), 2U);
  EXPECT_EQ(carry(alice_, bob_), 1U);
  EXPECT_GT(bob_.store->card().records[0].value.sequence, 1U);
}

TEST_F(PostOfficeTest, ShowsDamageInsteadOfMail) {
  (void)send("Whole", "body");
  ASSERT_EQ(carry(alice_, bob_), 1U);
  const auto line = bob_.mail("INBOX")[0];
  auto bytes = *read_file(line.file.path, 1 << 24);
  bytes[bytes.size() - 60] = static_cast<std::uint8_t>(bytes[bytes.size() - 60] ^ 1U);
  ASSERT_TRUE(replace_file(line.file.path, bytes));
  EXPECT_TRUE(bob_.text_of_message(line).starts_with("error: "));
}

}  // namespace
}  // namespace p2pmail::core
