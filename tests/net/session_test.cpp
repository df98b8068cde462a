// Two sessions against each other in memory, and one session against a hostile other side.
#include "net/session.h"

#include <gtest/gtest.h>

#include "core/tree.h"
#include "tests/net/fake_mailbox.h"

namespace p2pmail::net {
namespace {

using core::Bytes;
using core::Code;
using core::Error;

constexpr std::uint64_t kStart = 1000;

Session::Options options_for(Session::Role role, const FakeMailbox& other) {
  Session::Options out;
  out.role = role;
  out.transport = other.transport;
  if (role == Session::Role::kDialer) out.expected = other.identity;
  return out;
}

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
    const auto frames = from.next();
    if (!frames) return false;
    ++messages;
    bytes = std::max(bytes, frames->body.size());
    to.receive(frames->head, frames->body, kStart);
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
    if (bob.incoming_alive > 0 && largest == core::kBlockSize) break;
  std::size_t ahead = 0;
  while (a->next()) ++ahead;  // Bob is silent from here on
  EXPECT_EQ(ahead, kBlockCredit - 1);
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
  EXPECT_LT(largest, core::kBlockSize);
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
  while (largest < core::kBlockSize) step(*a, *b, largest) || step(*b, *a, largest);
  a->tick(kStart + kBulkIdleSeconds);
  b->tick(kStart + kBulkIdleSeconds);
  EXPECT_FALSE(a->done() || b->done());
  a->tick(kStart + kBulkIdleSeconds + 1);
  EXPECT_TRUE(a->done());
}

/// Bob's session alone; the test plays Alice.
class Hostile : public testing::Test {
 protected:
  void say(Message message) {
    const Frames frames = encode_message(std::move(message));
    session.receive(frames.head, frames.body, kStart);
  }
  void hello() {
    Message out;
    out.verb = Verb::kHello;
    out.credit = 64;
    out.body = alice.card();
    say(out);
  }
  Message offer_of(const FakeMailbox::Letter& letter, std::uint64_t number) {
    Message out;
    out.verb = Verb::kOffer;
    out.number = number;
    out.root = letter.root;
    out.size = letter.data.size();
    out.inlined = out.size <= kMaxInline;
    out.body = alice.make_envelope(letter);
    out.envelope_size = out.body.size();
    if (out.inlined) core::append(out.body, letter.data);
    return out;
  }
  static Message plain(Verb verb, std::uint64_t number = 0, std::uint64_t index = 0,
                       Bytes body = {}) {
    Message out;
    out.verb = verb;
    out.number = number;
    out.index = index;
    out.credit = index;
    out.body = std::move(body);
    return out;
  }
  static Message block_of(const FakeMailbox::Letter& letter, std::uint64_t index) {
    const auto size = core::block_size(letter.data.size(), index);
    const auto all = core::ByteView(letter.data);
    return plain(Verb::kBlock, 1, index,
                 core::to_bytes(all.subspan(index * core::kBlockSize, size)));
  }
  static Bytes leaves_of(const FakeMailbox::Letter& letter) {
    Bytes out;
    for (const auto& leaf : letter.leaves) core::append(out, leaf);
    return out;
  }
  std::vector<Message> answers() {
    std::vector<Message> out;
    while (auto frames = session.next()) {
      auto message = decode_message(frames->head, frames->body);
      EXPECT_TRUE(message);
      if (message) out.push_back(std::move(*message));
    }
    return out;
  }
  void expect_violation() {
    ASSERT_TRUE(session.done());
    ASSERT_TRUE(session.failure());
    EXPECT_EQ(session.failure()->code, Code::kMalformed) << session.failure()->context;
    const auto last = answers();
    ASSERT_EQ(last.size(), 1u);
    EXPECT_EQ(last[0].verb, Verb::kError);
    EXPECT_EQ(last[0].number, 0u);
    EXPECT_EQ(bob.incoming_alive, 0u);
  }
  /// The first answer after hello, which must be an error about offer 1.
  void expect_refusal(Kind kind) {
    session.flush();
    const auto all = answers();
    EXPECT_FALSE(session.done());
    const auto found = std::find_if(all.begin(), all.end(),
                                    [](const Message& one) { return one.verb == Verb::kError; });
    ASSERT_NE(found, all.end());
    EXPECT_EQ(found->number, 1u);
    EXPECT_EQ(found->kind, kind);
    EXPECT_EQ(bob.incoming_alive, 0u);
    EXPECT_TRUE(bob.stored.empty());
  }

  FakeMailbox alice{1};
  FakeMailbox bob{2};
  Session session{bob, options_for(Session::Role::kListener, alice), kStart};
};

TEST_F(Hostile, FirstMessageMustBeHello) {
  say(plain(Verb::kBye));
  expect_violation();
}

TEST_F(Hostile, SecondHello) {
  hello();
  hello();
  expect_violation();
}

TEST_F(Hostile, NonsenseBytes) {
  hello();
  session.receive(some_bytes(40), {}, kStart);
  expect_violation();
}

TEST_F(Hostile, ErrorAboutTheConversationEndsItWithoutAnAnswer) {
  auto error = plain(Verb::kError);
  error.kind = Kind::kLater;
  say(error);
  EXPECT_TRUE(session.done());
  EXPECT_EQ(session.failure()->code, Code::kTimeout);
  EXPECT_FALSE(session.next());
}

TEST_F(Hostile, OfferNumbersMustAscend) {
  const auto one = alice.queue(bob.identity, some_bytes(10));
  const auto two = alice.queue(bob.identity, some_bytes(20));
  hello();
  say(offer_of(*one, 5));
  say(offer_of(*two, 5));
  expect_violation();
}

TEST_F(Hostile, TooManyOpenOffers) {
  hello();
  for (std::uint64_t i = 0; i <= kMaxOpenOffers; ++i) {
    EXPECT_FALSE(session.done());
    say(offer_of(*alice.queue(bob.identity, some_bytes(kMaxInline + 1 + i)), i + 1));
  }
  expect_violation();
}

TEST_F(Hostile, UnreadAnswersDoNotPileUp) {
  hello();
  bob.refuse = [](const core::Root&) { return Error{Code::kRefused, "no"}; };
  const auto letter = alice.queue(bob.identity, some_bytes(10));
  std::uint64_t number = 0;
  while (!session.done() && number < 100000) say(offer_of(*letter, ++number));
  EXPECT_LT(number, 1000u);
  expect_violation();
}

TEST_F(Hostile, OffersForNothingComeToAnEnd) {
  hello();
  const auto letter = alice.queue(bob.identity, some_bytes(10));
  bob.stored[letter->root] = letter->data;
  std::uint64_t number = 0;
  while (!session.done() && number < 100000) {
    answers();
    say(offer_of(*letter, ++number));
  }
  EXPECT_LT(number, 2000u);
  expect_violation();
}

TEST_F(Hostile, ManyInlineLettersAreCommittedWithoutFlush) {
  hello();
  for (std::uint64_t i = 0; i < 64; ++i)
    say(offer_of(*alice.queue(bob.identity, some_bytes(10 + i)), i + 1));
  EXPECT_FALSE(session.done());
  EXPECT_EQ(bob.stored.size(), 64u);
  EXPECT_EQ(bob.incoming_alive, 0u);
}

TEST_F(Hostile, InlineLetterWhoseRootIsWrong) {
  const auto letter = alice.queue(bob.identity, some_bytes(100));
  hello();
  auto offer = offer_of(*letter, 1);
  offer.body.back() ^= 1;
  say(offer);
  expect_refusal(Kind::kForged);
}

TEST_F(Hostile, OfferThatIsNotWhatItsEnvelopeSays) {
  const auto letter = alice.queue(bob.identity, some_bytes(100));
  hello();
  auto offer = offer_of(*letter, 1);
  offer.root.bytes[0] ^= 1;
  say(offer);
  expect_refusal(Kind::kForged);
}

TEST_F(Hostile, SameLetterTwiceInOneBatchIsStoredOnce) {
  const auto letter = alice.queue(bob.identity, some_bytes(100));
  hello();
  say(offer_of(*letter, 1));
  say(offer_of(*letter, 2));
  session.flush();
  EXPECT_EQ(bob.commits, std::vector<std::size_t>{1});
  const auto all = answers();
  EXPECT_EQ(std::count_if(all.begin(), all.end(),
                          [](const auto& one) { return one.verb == Verb::kStored; }),
            2);
}

TEST_F(Hostile, SameBulkLetterWhileItComesIsRefused) {
  const auto letter = alice.queue(bob.identity, some_bytes(2 * core::kBlockSize));
  hello();
  say(offer_of(*letter, 1));
  say(offer_of(*letter, 2));
  const auto all = answers();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [](const auto& one) { return one.verb == Verb::kError; });
  ASSERT_NE(found, all.end());
  EXPECT_EQ(found->number, 2u);
  EXPECT_EQ(found->kind, Kind::kLater);
}

TEST_F(Hostile, HashesThatDoNotFit) {
  const auto letter = alice.queue(bob.identity, some_bytes(2 * core::kBlockSize));
  hello();
  say(offer_of(*letter, 1));
  auto list = leaves_of(*letter);
  list[40] ^= 1;
  say(plain(Verb::kHashes, 1, 1, list));
  expect_refusal(Kind::kForged);
}

TEST_F(Hostile, LetterOfTwoGroupsIsAskedForItsGroupsThenTheFirstLeaves) {
  const core::Digest leaf = core::leaf_of(Bytes(core::kBlockSize));
  const std::vector<core::Digest> leaves(core::kGroupLeaves, leaf);
  const std::vector<core::Digest> groups = {core::group_of(leaves), core::group_of({&leaf, 1})};
  FakeMailbox::Letter letter;
  auto offer = offer_of(letter, 1);
  offer.size = (core::kGroupLeaves + 1) * core::kBlockSize;
  offer.root = core::root_of(offer.size, groups);
  offer.inlined = false;
  std::copy(offer.root.bytes.begin(), offer.root.bytes.end(), offer.body.begin() + 1);
  core::put_be<std::uint64_t>(offer.body.data() + 33, offer.size);
  hello();
  say(offer);
  auto all = answers();
  ASSERT_EQ(all.size(), 3u);  // hello, want, and bye, as Bob has nothing to send
  EXPECT_EQ(all[1].verb, Verb::kWant);
  EXPECT_EQ(all[1].index, 0u);
  const auto joined = [](const std::vector<core::Digest>& list) {
    Bytes out;
    for (const auto& one : list) core::append(out, one);
    return out;
  };
  say(plain(Verb::kHashes, 1, 0, joined(groups)));
  EXPECT_EQ(answers().back().index, 1u);
  say(plain(Verb::kHashes, 1, 1, joined(leaves)));
  all = answers();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].verb, Verb::kTake);
  EXPECT_EQ(all[1].credit, kBlockCredit);
}

TEST_F(Hostile, HashesThatNobodyWanted) {
  const auto letter = alice.queue(bob.identity, some_bytes(2 * core::kBlockSize));
  hello();
  say(offer_of(*letter, 1));
  say(plain(Verb::kHashes, 1, 2, leaves_of(*letter)));
  expect_violation();
}

TEST_F(Hostile, BlockBeforeItsHashes) {
  const auto letter = alice.queue(bob.identity, some_bytes(2 * core::kBlockSize));
  hello();
  say(offer_of(*letter, 1));
  say(block_of(*letter, 0));
  expect_violation();
}

TEST_F(Hostile, BlockBeyondItsCredit) {
  const auto letter = alice.queue(bob.identity, some_bytes(9 * core::kBlockSize));
  const auto other = alice.queue(bob.identity, some_bytes(2 * core::kBlockSize));
  hello();
  say(offer_of(*letter, 1));
  say(offer_of(*other, 2));  // waits for its turn: no credit at all
  say(plain(Verb::kHashes, 1, 1, leaves_of(*letter)));
  say(block_of(*letter, 0));
  EXPECT_FALSE(session.done());
  auto early = block_of(*other, 0);
  early.number = 2;
  say(early);
  expect_violation();
}

TEST_F(Hostile, BlockOutOfOrder) {
  const auto letter = alice.queue(bob.identity, some_bytes(3 * core::kBlockSize));
  hello();
  say(offer_of(*letter, 1));
  say(plain(Verb::kHashes, 1, 1, leaves_of(*letter)));
  say(block_of(*letter, 1));
  expect_violation();
}

TEST_F(Hostile, ForgedBlockIsRefusedAndWhatIsInFlightIsLetPass) {
  const auto letter = alice.queue(bob.identity, some_bytes(9 * core::kBlockSize));
  hello();
  say(offer_of(*letter, 1));
  say(plain(Verb::kHashes, 1, 1, leaves_of(*letter)));
  auto forged = block_of(*letter, 0);
  forged.body[5] ^= 1;
  say(forged);
  for (std::uint64_t i = 1; i < kBlockCredit; ++i) say(block_of(*letter, i));
  expect_refusal(Kind::kForged);
  say(block_of(*letter, kBlockCredit));
  expect_violation();
}

TEST_F(Hostile, ByeBeforeItsOffersAreAnswered) {
  const auto letter = alice.queue(bob.identity, some_bytes(2 * core::kBlockSize));
  hello();
  say(offer_of(*letter, 1));
  say(plain(Verb::kBye));
  expect_violation();
}

TEST_F(Hostile, OfferAfterBye) {
  bob.queue(alice.identity, some_bytes(10));  // so that Bob does not end
  const auto letter = alice.queue(bob.identity, some_bytes(10));
  hello();
  say(plain(Verb::kBye));
  EXPECT_FALSE(session.done());
  say(offer_of(*letter, 1));
  expect_violation();
}

TEST_F(Hostile, AnswersToWhatWasNeverOffered) {
  for (const Verb verb : {Verb::kTake, Verb::kWant, Verb::kCredit, Verb::kStored, Verb::kError}) {
    Session fresh(bob, options_for(Session::Role::kListener, alice), kStart);
    Message greeting;
    greeting.verb = Verb::kHello;
    greeting.credit = 64;
    greeting.body = alice.card();
    auto answer = plain(verb, 1, 1);
    if (verb == Verb::kStored) answer.body = some_bytes(40);
    answer.kind = Kind::kLater;
    for (const auto& message : {greeting, answer}) {
      const Frames frames = encode_message(message);
      fresh.receive(frames.head, frames.body, kStart);
    }
    ASSERT_TRUE(fresh.failure()) << static_cast<int>(verb);
  }
}

/// Bob offers one letter, and Alice answers it badly.
class HostileReceiver : public Hostile {
 protected:
  void offer(std::size_t size) {
    letter = bob.queue(alice.identity, some_bytes(size));
    hello();
    static_cast<void>(answers());
    EXPECT_EQ(session.unanswered(), 1u);
  }
  std::shared_ptr<FakeMailbox::Letter> letter;
};

TEST_F(HostileReceiver, ForgedReceiptDeliversNothing) {
  offer(10);
  say(plain(Verb::kStored, 1, 0, some_bytes(40)));
  EXPECT_FALSE(letter->delivered);
  EXPECT_EQ(letter->failures.size(), 1u);
  EXPECT_EQ(letter->failures[0].code, Code::kForged);
  EXPECT_FALSE(session.done());
}

TEST_F(HostileReceiver, AnswersTwice) {
  offer(10);
  say(plain(Verb::kStored, 1, 0, FakeMailbox::receipt_for(letter->root)));
  EXPECT_TRUE(letter->delivered);
  say(plain(Verb::kStored, 1, 0, FakeMailbox::receipt_for(letter->root)));
  expect_violation();
}

TEST_F(HostileReceiver, TakesAnInlineLetter) {
  offer(10);
  say(plain(Verb::kTake, 1));
  expect_violation();
}

TEST_F(HostileReceiver, WantsHashesOfOneBlock) {
  offer(kMaxInline + 1);
  say(plain(Verb::kWant, 1, 1));
  expect_violation();
}

TEST_F(HostileReceiver, WantsTheSameHashesTwice) {
  offer(2 * core::kBlockSize);
  say(plain(Verb::kWant, 1, 1));
  EXPECT_EQ(answers().size(), 1u);
  say(plain(Verb::kWant, 1, 1));
  expect_violation();
}

TEST_F(HostileReceiver, GivesCreditBeforeTake) {
  offer(2 * core::kBlockSize);
  say(plain(Verb::kCredit, 1, 1));
  expect_violation();
}

TEST_F(HostileReceiver, GivesCreditBeyondTheEnd) {
  offer(2 * core::kBlockSize);
  say(plain(Verb::kTake, 1));
  say(plain(Verb::kCredit, 1, 2));
  EXPECT_FALSE(session.done());
  EXPECT_EQ(answers().size(), 2u);
  say(plain(Verb::kCredit, 1, 1));
  expect_violation();
}

TEST_F(HostileReceiver, PrekeyErrorWithACardOfSomebodyElse) {
  offer(10);
  FakeMailbox carol(3);
  auto error = plain(Verb::kError, 1, 0, carol.card());
  error.kind = Kind::kUnknownPrekey;
  say(error);
  EXPECT_EQ(letter->envelopes, 1);
  EXPECT_EQ(letter->failures.size(), 1u);
}

TEST_F(HostileReceiver, NoMoreOffersInFlightThanItsHelloAllows) {
  for (std::size_t i = 0; i < 10; ++i) bob.queue(alice.identity, some_bytes(10 + i));
  Message greeting;
  greeting.verb = Verb::kHello;
  greeting.credit = 3;
  greeting.body = alice.card();
  say(greeting);
  EXPECT_EQ(answers().size(), 1u + 3u);
}

}  // namespace
}  // namespace p2pmail::net
