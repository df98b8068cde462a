// Two sessions against each other in memory: everything that honest sides do, and what breaks. Longer
// than other files, because one fixture connects them in all tests.
#include "net/session.h"

#include <gtest/gtest.h>

#include "core/tree.h"
#include "tests/net/fake_mailbox.h"
#include "tests/net/session_options.h"

namespace p2pmail::net {
namespace {

using core::Bytes;
using core::Code;
using core::Error;

std::vector<Event> events_of(Session& session) {
  std::vector<Event> out;
  while (auto event = session.next_event()) out.push_back(*event);
  return out;
}

std::size_t count(const std::vector<Event>& events, Event::Kind kind) {
  return static_cast<std::size_t>(std::count_if(
      events.begin(), events.end(), [kind](const Event& event) { return event.kind == kind; }));
}

/// Alice dials Bob. Frames travel one at a time in turns.
class Pair : public testing::Test {
 protected:
  void connect() {
    a.emplace(alice, options_for(Session::Role::kDialer, bob), kStart);
    b.emplace(bob, options_for(Session::Role::kListener, alice), kStart);
  }
  bool step(Session& from, Session& to, std::size_t& bytes) {
    auto frames = from.next();
    if (!frames) return from.is_working();
    ++messages;
    bytes = std::max(bytes, frames->body.size());
    pieces += frames->body.size() == kPiece ? 1 : 0;
    to.receive(frames->head, std::move(frames->body), kStart);
    return true;
  }
  void run() {
    for (bool moved = true; moved;) {
      moved = false;
      while (step(*a, *b, largest)) moved = true;
      b->flush();
      while (step(*b, *a, largest)) moved = true;
      a->flush();
    }
  }
  void expect_regular_end() {
    EXPECT_TRUE(a->done());
    EXPECT_TRUE(b->done());
    EXPECT_FALSE(a->failure()) << a->failure()->context;
    EXPECT_FALSE(b->failure()) << b->failure()->context;
  }

  FakeMailbox alice{1};
  FakeMailbox bob{2};
  std::optional<Session> a;
  std::optional<Session> b;
  std::size_t messages = 0;
  std::size_t pieces = 0;  // of full size
  std::size_t largest = 0;
};

TEST_F(Pair, NothingToSayEndsAfterHelloAndBye) {
  connect();
  run();
  expect_regular_end();
  EXPECT_EQ(messages, 4u);
  EXPECT_EQ(a->peer_card(), bob.card());
  EXPECT_EQ(b->caller()->identity, alice.identity);
  EXPECT_EQ(count(events_of(*b), Event::Kind::kMet), 1u);
}

TEST_F(Pair, SmallLetterArrivesWithoutWaitingForHello) {
  const auto letter = alice.queue(bob.identity, some_bytes(500));
  connect();
  ASSERT_TRUE(step(*a, *b, largest));
  ASSERT_TRUE(step(*a, *b, largest));  // the offer, before Bob said anything
  b->flush();
  EXPECT_EQ(bob.stored[letter->root], letter->data);
  EXPECT_FALSE(letter->delivered);
  run();
  expect_regular_end();
  EXPECT_TRUE(letter->delivered);
  EXPECT_EQ(count(events_of(*a), Event::Kind::kDelivered), 1u);
  EXPECT_EQ(count(events_of(*b), Event::Kind::kReceived), 1u);
}

TEST_F(Pair, ListenerPushesToo) {
  const auto letter = bob.queue(alice.identity, some_bytes(1));
  connect();
  run();
  expect_regular_end();
  EXPECT_TRUE(letter->delivered);
  EXPECT_EQ(alice.stored[letter->root], letter->data);
}

TEST_F(Pair, LargestInlineAndSmallestBulk) {
  const auto inlined = alice.queue(bob.identity, some_bytes(kMaxInline));
  const auto bulk = alice.queue(bob.identity, some_bytes(kMaxInline + 1));
  connect();
  run();
  expect_regular_end();
  EXPECT_EQ(bob.stored[inlined->root], inlined->data);
  EXPECT_EQ(bob.stored[bulk->root], bulk->data);
}

TEST_F(Pair, LettersOfManyBlocksBothWays) {
  const auto there = alice.queue(bob.identity, some_bytes(9 * core::kBlockSize + 5));
  const auto more = alice.queue(bob.identity, some_bytes(2 * core::kBlockSize, 2));
  const auto back = bob.queue(alice.identity, some_bytes(3 * core::kBlockSize, 3));
  connect();
  run();
  expect_regular_end();
  EXPECT_TRUE(there->delivered && more->delivered && back->delivered);
  EXPECT_EQ(bob.stored[there->root], there->data);
  EXPECT_EQ(alice.stored[back->root], back->data);
}

TEST_F(Pair, BlocksWaitForCredit) {
  alice.queue(bob.identity, some_bytes(9 * core::kBlockSize));
  connect();
  while (step(*a, *b, largest) || step(*b, *a, largest))
    if (pieces > 0) break;
  std::size_t ahead = 0;
  while (a->next()) ++ahead;  // Bob is silent from here on
  EXPECT_EQ(ahead, kFirstCredit * core::kBlockSize / kPiece - 1);
}

TEST_F(Pair, HundredsOfLettersBothWaysAreCommittedTogether) {
  for (std::size_t i = 0; i < 300; ++i) {
    alice.queue(bob.identity, some_bytes(100 + i, 1));
    bob.queue(alice.identity, some_bytes(100 + i, 2));
  }
  connect();
  run();
  expect_regular_end();
  EXPECT_EQ(bob.stored.size(), 300u);
  EXPECT_EQ(alice.stored.size(), 300u);
  EXPECT_LE(bob.commits.size(), 10u);
  EXPECT_EQ(count(events_of(*a), Event::Kind::kDelivered), 300u);
}

TEST_F(Pair, InlineBytesInFlightAreBounded) {
  for (std::size_t i = 0; i < 60; ++i)
    alice.queue(bob.identity, some_bytes(kMaxInline - i));
  connect();
  std::size_t bytes = 0;
  while (auto frames = a->next()) bytes += frames->body.size();
  EXPECT_LE(bytes, (1u << 20) + 8192);
  EXPECT_GE(bytes, (1u << 20) - kMaxInline);
}

TEST_F(Pair, RefusedLetterStaysQueuedAndOthersGo) {
  const auto refused = alice.queue(bob.identity, some_bytes(100));
  const auto fine = alice.queue(bob.identity, some_bytes(200));
  bob.refuse = [&](const core::Root& root) -> std::optional<Error> {
    if (root != refused->root) return std::nullopt;
    return Error{Code::kTimeout, "a stranger"};
  };
  connect();
  run();
  expect_regular_end();
  EXPECT_TRUE(fine->delivered);
  EXPECT_FALSE(refused->delivered);
  ASSERT_EQ(refused->failures.size(), 1u);
  EXPECT_EQ(refused->failures[0].code, Code::kTimeout);
  EXPECT_EQ(count(events_of(*a), Event::Kind::kRefused), 1u);
}

TEST_F(Pair, LetterThatIsThereAlreadyIsOnlyAnswered) {
  const auto letter = alice.queue(bob.identity, some_bytes(5 * core::kBlockSize));
  bob.stored[letter->root] = letter->data;
  connect();
  run();
  expect_regular_end();
  EXPECT_TRUE(letter->delivered);
  EXPECT_EQ(count(events_of(*b), Event::Kind::kReceived), 0u);
  EXPECT_EQ(pieces, 0u);
}

TEST_F(Pair, OldPrekeyIsRewrappedOnceWithTheCardThatComes) {
  const auto letter = alice.queue(bob.identity, some_bytes(100));
  const auto bulk = alice.queue(bob.identity, some_bytes(3 * core::kBlockSize));
  bob.version = 7;  // Alice still believes 0, and offers before she hears the hello
  connect();
  run();
  expect_regular_end();
  EXPECT_TRUE(letter->delivered && bulk->delivered);
  EXPECT_EQ(letter->envelopes, 2);
  EXPECT_TRUE(letter->failures.empty());
}

TEST_F(Pair, SecondUnknownPrekeyIsAFailure) {
  const auto letter = alice.queue(bob.identity, some_bytes(100));
  bob.refuse = [](const core::Root&) { return Error{Code::kUnknownPrekey, "never known"}; };
  connect();
  run();
  expect_regular_end();
  EXPECT_EQ(letter->envelopes, 2);
  ASSERT_EQ(letter->failures.size(), 1u);
  EXPECT_EQ(letter->failures[0].code, Code::kUnknownPrekey);
}

TEST_F(Pair, AnotherIdentityThanExpectedEndsTheConversation) {
  FakeMailbox carol(3);
  carol.transport = bob.transport;
  const auto letter = alice.queue(carol.identity, some_bytes(100));
  connect();
  a.emplace(alice, options_for(Session::Role::kDialer, carol), kStart);
  run();
  ASSERT_TRUE(a->failure());
  EXPECT_EQ(a->failure()->code, Code::kForged);
  EXPECT_FALSE(letter->delivered);
  EXPECT_FALSE(letter->claimed);
  EXPECT_EQ(letter->failures.size(), 1u);
}

TEST_F(Pair, CardOfAnotherTransportKeyEndsTheConversation) {
  connect();  // Bob's session knows the key that CURVE proved
  alice.transport = fixed<core::TransportKey>(9);
  a.emplace(alice, options_for(Session::Role::kDialer, bob), kStart);
  run();
  ASSERT_TRUE(b->failure());
  EXPECT_EQ(b->failure()->code, Code::kForged);
  ASSERT_TRUE(a->failure());
  EXPECT_FALSE(b->caller());
}

TEST_F(Pair, WithAnotherPlaceToTryLettersOnlyGoBack) {
  const auto letter = alice.queue(bob.identity, some_bytes(100));
  auto options = options_for(Session::Role::kDialer, bob);
  options.last_chance = false;
  a.emplace(alice, options, kStart);
  while (a->next()) {
  }
  EXPECT_TRUE(letter->claimed);
  a->lost(Error{Code::kUnavailable, "gone"});
  EXPECT_FALSE(letter->claimed);
  EXPECT_TRUE(letter->failures.empty());
}

TEST_F(Pair, LostLinkFailsWhatIsNotAnswered) {
  const auto letter = alice.queue(bob.identity, some_bytes(9 * core::kBlockSize));
  connect();
  for (int i = 0; i < 6; ++i) {
    step(*a, *b, largest);
    step(*b, *a, largest);
  }
  EXPECT_EQ(bob.incoming_alive, 1u);
  a->lost(Error{Code::kUnavailable, "cable"});
  b->lost(Error{Code::kUnavailable, "cable"});
  EXPECT_EQ(bob.incoming_alive, 0u);
  ASSERT_EQ(letter->failures.size(), 1u);
  EXPECT_EQ(letter->failures[0].context, "cable");
  EXPECT_FALSE(letter->claimed);
  EXPECT_FALSE(a->next());
}

TEST_F(Pair, WriteErrorRefusesOneBulkLetterAndTheNextIsTaken) {
  const auto big = alice.queue(bob.identity, some_bytes(9 * core::kBlockSize));
  const auto next = alice.queue(bob.identity, some_bytes(2 * core::kBlockSize));
  connect();
  bob.write_error = Error{Code::kNoSpace, "/home/bob is full"};
  while (bob.incoming_alive < 2) step(*a, *b, largest) || step(*b, *a, largest);
  while (bob.incoming_alive == 2) step(*a, *b, largest) || step(*b, *a, largest);
  bob.write_error.reset();
  run();
  expect_regular_end();
  ASSERT_EQ(big->failures.size(), 1u);
  EXPECT_EQ(big->failures[0].code, Code::kNoSpace);
  EXPECT_EQ(big->failures[0].context.find("/home"), std::string::npos);
  EXPECT_TRUE(next->delivered);
}

TEST_F(Pair, NoWordsAboutThisMachineReachTheOtherOne) {
  const auto letter = alice.queue(bob.identity, some_bytes(100));
  bob.commit_error = Error{Code::kMalformed, "/home/bob/journal: not a journal"};
  connect();
  run();
  expect_regular_end();
  ASSERT_EQ(letter->failures.size(), 1u);
  EXPECT_EQ(letter->failures[0].context.find("journal"), std::string::npos);
  EXPECT_NE(letter->failures[0].code, Code::kMalformed);
}

TEST_F(Pair, CommitErrorIsARefusal) {
  const auto letter = alice.queue(bob.identity, some_bytes(100));
  bob.commit_error = Error{Code::kNoSpace, "full"};
  connect();
  run();
  expect_regular_end();
  EXPECT_FALSE(letter->delivered);
  EXPECT_EQ(letter->failures.size(), 1u);
  EXPECT_EQ(count(events_of(*b), Event::Kind::kFailed), 1u);
}

TEST_F(Pair, UnreadableLetterDoesNotHoldUpOthers) {
  const auto bad = alice.queue(bob.identity, some_bytes(100));
  const auto unsealed = alice.queue(bob.identity, some_bytes(150));
  const auto good = alice.queue(bob.identity, some_bytes(200));
  bad->read_error = Error{Code::kIo, "bad sector"};
  unsealed->envelope_error = Error{Code::kForged, "bad card"};
  connect();
  run();
  expect_regular_end();
  EXPECT_TRUE(good->delivered);
  EXPECT_EQ(bad->failures.size(), 1u);
  EXPECT_EQ(unsealed->failures.size(), 1u);
}

TEST_F(Pair, UnreadableBlockEndsTheConversationOnBothSides) {
  const auto bad = alice.queue(bob.identity, some_bytes(2 * core::kBlockSize));
  bad->read_error = Error{Code::kIo, "bad sector"};
  connect();
  run();
  ASSERT_TRUE(a->failure());
  EXPECT_EQ(a->failure()->code, Code::kIo);
  ASSERT_TRUE(b->failure());
  EXPECT_EQ(bob.incoming_alive, 0u);
}

TEST_F(Pair, DialerThatOnlyMeetsPushesNothingAndStillReceives) {
  const auto mine = alice.queue(bob.identity, some_bytes(100));
  const auto theirs = bob.queue(alice.identity, some_bytes(100, 5));
  connect();
  auto options = options_for(Session::Role::kDialer, bob);
  options.push = false;
  options.expected.reset();
  a.emplace(alice, options, kStart);
  run();
  expect_regular_end();
  EXPECT_FALSE(mine->delivered);
  EXPECT_TRUE(theirs->delivered);
  EXPECT_EQ(a->caller()->identity, bob.identity);
}

TEST_F(Pair, WakeSendsWhatWasQueuedMeanwhile) {
  bob.queue(alice.identity, some_bytes(9 * core::kBlockSize));
  connect();
  b->wake();
  for (int i = 0; i < 3; ++i) step(*a, *b, largest), step(*b, *a, largest);
  const auto late = bob.queue(alice.identity, some_bytes(10));
  b->wake();
  run();
  expect_regular_end();
  EXPECT_TRUE(late->delivered);
}

TEST_F(Pair, OnlyWhatIsMissingIsAskedForAgain) {
  bob.keeps = true;
  const auto letter = alice.queue(bob.identity, some_bytes(9 * core::kBlockSize + 5));
  connect();
  while (bob.written < 4) step(*a, *b, largest) || step(*b, *a, largest);
  a->lost(Error{Code::kUnavailable, "cable"});
  b->lost(Error{Code::kUnavailable, "cable"});
  ASSERT_EQ(bob.left[letter->root].size(), 4u);
  bob.left[letter->root][2][7] ^= 1;  // the disk has lost something: it comes again
  letter->failures.clear();
  bob.written = 0;
  connect();
  run();
  expect_regular_end();
  EXPECT_EQ(bob.stored[letter->root], letter->data);
  EXPECT_EQ(bob.written, 7u);
}

TEST_F(Pair, ALetterThatIsAllThereIsAskedForNoBlock) {
  const auto letter = alice.queue(bob.identity, some_bytes(3 * core::kBlockSize));
  for (std::uint64_t i = 0; i < 3; ++i)
    bob.left[letter->root][i] = core::to_bytes(
        core::ByteView(letter->data).subspan(i * core::kBlockSize, core::kBlockSize));
  connect();
  run();
  expect_regular_end();
  EXPECT_TRUE(letter->delivered);
  EXPECT_EQ(pieces, 0u);
}

TEST_F(Pair, ProgressIsToldOnBothSides) {
  const auto letter = alice.queue(bob.identity, some_bytes(20 * core::kBlockSize));
  connect();
  run();
  for (Session* side : {&*a, &*b}) {
    std::uint64_t last = 0;
    std::size_t told = 0;
    for (const auto& event : events_of(*side)) {
      if (event.kind != Event::Kind::kProgress) continue;
      EXPECT_EQ(event.root, letter->root);
      EXPECT_EQ(event.total, letter->data.size());
      EXPECT_EQ(event.outgoing, side == &*a);
      EXPECT_GT(event.done, last);
      last = event.done;
      ++told;
    }
    EXPECT_EQ(last, letter->data.size());
    EXPECT_LE(told, 6u);
  }
}

/// Alice and a relay bring Bob the same letter at once.
class TwoSources : public Pair {
 protected:
  void meet(std::size_t size) {
    letter = alice.queue(bob.identity, some_bytes(size));
    again = relay.queue(bob.identity, some_bytes(size));
    connect();
    c.emplace(relay, options_for(Session::Role::kDialer, bob), kStart);
    d.emplace(bob, options_for(Session::Role::kListener, relay), kStart);
  }
  bool turn(Session& one, Session& other) {
    const bool there = step(one, other, largest);
    other.flush();
    const bool back = step(other, one, largest);
    one.flush();
    return there || back;
  }
  void run_both() {
    for (int idle = 0; idle < 3; ++idle) {
      if (turn(*a, *b)) idle = 0;
      if (turn(*c, *d)) idle = 0;
    }
  }
  FakeMailbox relay{3};
  std::optional<Session> c;
  std::optional<Session> d;
  std::shared_ptr<FakeMailbox::Letter> letter;
  std::shared_ptr<FakeMailbox::Letter> again;
};

TEST_F(TwoSources, EachBringsAPartAndBothHearThatItIsStored) {
  meet(40 * core::kBlockSize);
  run_both();
  expect_regular_end();
  EXPECT_TRUE(c->done() && d->done() && !c->failure() && !d->failure());
  EXPECT_EQ(bob.stored[letter->root], letter->data);
  EXPECT_TRUE(letter->delivered && again->delivered);
  EXPECT_EQ(bob.written, 40u);
  EXPECT_LE(pieces, (40 + kMostCredit) * core::kBlockSize / kPiece);
}

TEST_F(TwoSources, OneThatIsSlowDoesNotHoldUpTheLetter) {
  meet(20 * core::kBlockSize);
  while (bob.written < 2) turn(*a, *b), turn(*c, *d);
  for (bool moved = true; moved;) moved = turn(*a, *b);  // the relay says nothing more
  EXPECT_TRUE(letter->delivered);
  EXPECT_FALSE(again->delivered);
  run_both();  // what it had on its way is let pass
  EXPECT_TRUE(again->delivered);
  EXPECT_FALSE(d->failure());
}

TEST_F(TwoSources, OneThatDiesGivesItsBlocksBack) {
  meet(20 * core::kBlockSize);
  while (bob.written < 4) turn(*a, *b), turn(*c, *d);
  c->lost(Error{Code::kUnavailable, "cable"});
  d->lost(Error{Code::kUnavailable, "cable"});
  run();
  expect_regular_end();
  EXPECT_EQ(bob.stored[letter->root], letter->data);
  EXPECT_EQ(bob.written, 20u);
}

TEST_F(TwoSources, OneThatBringsAWrongBlockIsRefusedAlone) {
  meet(20 * core::kBlockSize);
  for (auto& byte : again->data) byte ^= 1;
  run_both();
  EXPECT_EQ(bob.stored[letter->root], letter->data);
  EXPECT_TRUE(letter->delivered);
  ASSERT_EQ(again->failures.size(), 1u);
  EXPECT_EQ(again->failures[0].code, Code::kForged);
}

TEST_F(Pair, SilenceEndsAConversation) {
  connect();
  a->tick(kStart + kHelloSeconds);
  EXPECT_FALSE(a->done());
  a->tick(kStart + kHelloSeconds + 1);
  ASSERT_TRUE(a->failure());
  EXPECT_EQ(a->failure()->code, Code::kTimeout);
  ASSERT_TRUE(step(*a, *b, largest));  // it says why
  EXPECT_TRUE(b->done());
}

TEST_F(Pair, SilenceAfterMeetingIsGivenLonger) {
  alice.queue(bob.identity, some_bytes(10));
  connect();
  step(*a, *b, largest);
  step(*b, *a, largest);
  EXPECT_TRUE(a->next());  // the offer, lost on its way
  a->tick(kStart + kIdleSeconds);
  EXPECT_FALSE(a->done());
  a->tick(kStart + kIdleSeconds + 1);
  EXPECT_TRUE(a->done());
  EXPECT_EQ(alice.letters[0]->failures.size(), 1u);
}

TEST_F(Pair, SlowBlocksAreGivenTheLongest) {
  alice.queue(bob.identity, some_bytes(9 * core::kBlockSize));
  connect();
  while (pieces == 0) step(*a, *b, largest) || step(*b, *a, largest);
  a->tick(kStart + kBulkIdleSeconds);
  b->tick(kStart + kBulkIdleSeconds);
  EXPECT_FALSE(a->done() || b->done());
  a->tick(kStart + kBulkIdleSeconds + 1);
  EXPECT_TRUE(a->done());
}

}  // namespace
}  // namespace p2pmail::net
