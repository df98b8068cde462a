// One session against a hostile other side: each breach of the protocol has its bound and its end. Longer
// than other files, because one fixture plays the other side in all of them.
#include <gtest/gtest.h>

#include "core/tree.h"
#include "net/session.h"
#include "net/session_parts.h"
#include "tests/net/fake_mailbox.h"
#include "tests/net/session_options.h"

namespace p2pmail::net {
namespace {

using core::Bytes;
using core::Code;
using core::Error;

/// Bob's session alone; the test plays Alice.
class Hostile : public testing::Test {
 protected:
  void say(Message message, std::uint64_t now = kStart) {
    const Frames frames = encode_message(std::move(message));
    session.receive(frames.head, frames.body, now);
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
  /// A piece of a block, the first if nothing else is said.
  static Message piece_of(const FakeMailbox::Letter& letter, std::uint64_t index,
                          std::uint64_t offset = 0, std::uint64_t number = 1) {
    const auto size = core::block_size(letter.data.size(), index) - offset;
    const auto all = core::ByteView(letter.data).subspan(index * core::kBlockSize + offset);
    auto out = plain(Verb::kBlock, number, index,
                     core::to_bytes(all.first(std::min<std::size_t>(kPiece, size))));
    out.offset = offset;
    return out;
  }
  void say_block(const FakeMailbox::Letter& letter, std::uint64_t index) {
    const auto size = core::block_size(letter.data.size(), index);
    for (std::uint64_t offset = 0; offset < size; offset += kPiece)
      say(piece_of(letter, index, offset));
  }
  /// Bob has asked for the first blocks.
  std::shared_ptr<FakeMailbox::Letter> begin(std::size_t size) {
    const auto letter = alice.queue(bob.identity, some_bytes(size));
    hello();
    say(offer_of(*letter, 1));
    say(plain(Verb::kHashes, 1, 1, leaves_of(*letter)));
    answers();
    return letter;
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
    const std::size_t size = i < kBulkWindow ? kMaxInline + 1 : 1;
    say(offer_of(*alice.queue(bob.identity, some_bytes(size + i)), i + 1));
  }
  expect_violation();
}

TEST_F(Hostile, TooManyOpenOffersOfLargerLetters) {
  hello();
  for (std::uint64_t i = 0; i <= kBulkWindow; ++i) {
    EXPECT_FALSE(session.done());
    say(offer_of(*alice.queue(bob.identity, some_bytes(kMaxInline + 1 + i)), i + 1));
  }
  expect_violation();
  EXPECT_NE(session.failure()->context.find("larger letters"), std::string::npos);
  EXPECT_EQ(bob.considered, kBulkWindow);
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

TEST_F(Hostile, WhatLeadsNowhereComesToAnEndInTime) {
  hello();
  bob.refuse = [](const core::Root&) { return Error{Code::kRefused, "no"}; };
  std::uint64_t now = kStart;
  for (std::uint64_t number = 1; !session.done() && number < 100; ++number) {
    now += kIdleSeconds - 1;
    say(offer_of(*alice.queue(bob.identity, some_bytes(10 + number)), number), now);
    session.tick(now);
    answers();
  }
  ASSERT_TRUE(session.done());
  EXPECT_GT(now - kStart, kNoProgressSeconds);
  EXPECT_LT(now - kStart, 2 * kNoProgressSeconds);
}

TEST_F(Hostile, QuestionsComeToAnEnd) {
  hello();
  for (std::uint64_t number = 1; !session.done() && number < 2 * kMaxQuestions; ++number) {
    say(plain(Verb::kAsk, number, 0, Bytes(5, 1)));
    answers();
  }
  ASSERT_TRUE(session.done());
  EXPECT_EQ(session.failure()->code, Code::kMalformed);
}

TEST_F(Hostile, ANamelessCallerGetsNothing) {
  Message nameless;
  nameless.verb = Verb::kHello;
  nameless.credit = 64;
  say(nameless);
  ASSERT_FALSE(session.done());
  EXPECT_TRUE(session.caller()->is_nobody());
  bob.queue(core::IdentityKey{}, some_bytes(10));
  for (const auto& message : answers()) EXPECT_NE(message.verb, Verb::kOffer);
}

TEST_F(Hostile, ManyInlineLettersAreCommittedWithoutFlush) {
  hello();
  for (std::uint64_t i = 0; i < kMaxReady; ++i)
    say(offer_of(*alice.queue(bob.identity, some_bytes(10 + i)), i + 1));
  EXPECT_FALSE(session.done());
  EXPECT_EQ(bob.stored.size(), kMaxReady);
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
  EXPECT_EQ(all[1].index, 0u);
  EXPECT_EQ(all[1].credit, kFirstCredit);
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
  say(piece_of(*letter, 0));
  expect_violation();
}

TEST_F(Hostile, BlockBeyondItsCredit) {
  const auto letter = alice.queue(bob.identity, some_bytes(9 * core::kBlockSize));
  const auto other = alice.queue(bob.identity, some_bytes(2 * core::kBlockSize));
  hello();
  say(offer_of(*letter, 1));
  say(offer_of(*other, 2));  // waits for its turn: no credit at all
  say(plain(Verb::kHashes, 1, 1, leaves_of(*letter)));
  say(piece_of(*letter, 0));
  EXPECT_FALSE(session.done());
  say(piece_of(*other, 0, 0, 2));
  expect_violation();
}

TEST_F(Hostile, BlockOutOfOrder) {
  say(piece_of(*begin(3 * core::kBlockSize), 1));
  expect_violation();
}

TEST_F(Hostile, BlockThatNobodyAskedFor) {
  say(piece_of(*begin(9 * core::kBlockSize), kFirstCredit));
  expect_violation();
}

TEST_F(Hostile, BlockTwice) {
  const auto letter = begin(9 * core::kBlockSize);
  say_block(*letter, 0);
  EXPECT_FALSE(session.done());
  say(piece_of(*letter, 0));
  expect_violation();
}

TEST_F(Hostile, PieceOutOfOrder) {
  say(piece_of(*begin(3 * core::kBlockSize), 0, kPiece));
  expect_violation();
}

TEST_F(Hostile, PieceTwice) {
  const auto letter = begin(3 * core::kBlockSize);
  say(piece_of(*letter, 0));
  EXPECT_FALSE(session.done());
  say(piece_of(*letter, 0));
  expect_violation();
}

TEST_F(Hostile, PieceThatIsShort) {
  auto piece = piece_of(*begin(3 * core::kBlockSize), 0);
  piece.body.pop_back();
  say(piece);
  expect_violation();
}

TEST_F(Hostile, LastPieceThatIsLong) {
  const auto letter = begin(core::kBlockSize + 5);
  say_block(*letter, 0);
  auto piece = piece_of(*letter, 1);
  piece.body.push_back(0);
  say(piece);
  expect_violation();
}

TEST_F(Hostile, ForgedBlockIsRefusedAndWhatIsInFlightIsLetPass) {
  const auto letter = begin(9 * core::kBlockSize);
  auto forged = piece_of(*letter, 0);
  forged.body[5] ^= 1;
  say(forged);
  for (std::uint64_t offset = kPiece; offset < core::kBlockSize; offset += kPiece)
    say(piece_of(*letter, 0, offset));
  say_block(*letter, 1);
  expect_refusal(Kind::kForged);
  EXPECT_EQ(bob.written, 0u);
  say(piece_of(*letter, 2));
  expect_violation();
}

TEST_F(Hostile, CreditGrowsWhileBlocksAreQuickAndShrinksWhenTheyAreSlow) {
  const auto letter = begin(64 * core::kBlockSize);
  std::uint64_t asked = kFirstCredit;
  const auto hear = [&] {
    for (const auto& one : answers()) asked += one.verb == Verb::kCredit ? one.credit : 0;
  };
  std::uint64_t block = 0;
  for (; block < 20; ++block) say_block(*letter, block), hear();
  EXPECT_EQ(asked, block + kMostCredit);
  std::uint64_t now = kStart;
  for (; block < 40; ++block) {
    now += 60;
    for (std::uint64_t offset = 0; offset < core::kBlockSize; offset += kPiece)
      say(piece_of(*letter, block, offset), now);
    hear();
  }
  EXPECT_EQ(asked, block + 1);
  EXPECT_FALSE(session.done());
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

TEST_F(Hostile, RandomMessagesEndInAnOrderlyWay) {
  std::uint64_t state = 1;
  const auto random = [&state](std::uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  for (int run = 0; run < 2000; ++run) {
    bob = FakeMailbox(2);
    const auto mine = bob.queue(alice.identity, some_bytes(100 + random(200000)));
    const auto theirs = alice.queue(bob.identity, some_bytes(100 + random(200000)));
    Session fresh(bob, options_for(Session::Role::kListener, alice), kStart);
    for (int step = 0; step < 30 && !fresh.done(); ++step) {
      auto message = plain(static_cast<Verb>(random(10)), 1 + random(3), random(3));
      if (step == 0 || message.verb == Verb::kHello) message.verb = Verb::kHello;
      if (message.verb == Verb::kHello) message.body = alice.card();
      if (message.verb == Verb::kHello) message.credit = 1 + random(64);
      if (message.verb == Verb::kOffer) message = offer_of(*theirs, 1 + random(5));
      if (message.verb == Verb::kHashes) message.body = leaves_of(*theirs);
      if (message.verb == Verb::kBlock) message = piece_of(*theirs, 0, random(2) * kPiece % theirs->data.size());
      if (message.verb == Verb::kStored) message.body = FakeMailbox::receipt_for(mine->root);
      const Frames frames = encode_message(message);
      fresh.receive(frames.head, frames.body, kStart);
      if (random(2) == 0) fresh.flush();
      for (int i = 0; i < 10 && fresh.next(); ++i) {
      }
    }
    EXPECT_TRUE(fresh.failure() || fresh.caller());
    EXPECT_LE(mine->failures.size() + (mine->delivered ? 1 : 0), 1u);
    EXPECT_FALSE(fresh.done() && (bob.incoming_alive > 0 || mine->claimed));
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
  static Message credit(std::uint64_t first, std::uint64_t count) {
    auto out = plain(Verb::kCredit, 1, first);
    out.credit = count;
    return out;
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
  say(credit(1, 2));
  expect_violation();
}

TEST_F(HostileReceiver, GivesCreditForABlockBehindTheEnd) {
  offer(2 * core::kBlockSize);
  say(plain(Verb::kTake, 1));
  say(credit(2, 1));
  expect_violation();
}

TEST_F(HostileReceiver, AsksForTheLastBlockFirst) {
  offer(2 * core::kBlockSize);
  say(plain(Verb::kTake, 1));
  say(credit(1, 1));
  say(credit(0, 1));
  const auto pieces = answers();
  ASSERT_EQ(pieces.size(), 2 * core::kBlockSize / kPiece);
  EXPECT_EQ(pieces.front().index, 1u);
  EXPECT_EQ(pieces.back().index, 0u);
}

TEST_F(HostileReceiver, AsksForMoreBlocksThanThereAre) {
  offer(2 * core::kBlockSize);
  say(plain(Verb::kTake, 1));
  say(credit(0, 2));
  EXPECT_EQ(answers().size(), 2 * core::kBlockSize / kPiece);
  say(credit(0, 1));
  expect_violation();
}

TEST_F(HostileReceiver, AsksForTooMuchAtOnce) {
  offer((kMaxAsked + 1) * core::kBlockSize);
  say(plain(Verb::kTake, 1));
  say(credit(0, kMaxAsked));
  EXPECT_FALSE(session.done());
  say(credit(kMaxAsked, 1));
  expect_violation();
}

TEST_F(HostileReceiver, SmallMailOvertakesPieces) {
  offer(2 * core::kBlockSize);
  say(plain(Verb::kTake, 1));
  say(credit(0, 2));
  EXPECT_TRUE(session.next());
  bob.queue(alice.identity, some_bytes(10));
  session.wake();
  const auto frames = session.next();
  ASSERT_TRUE(frames);
  EXPECT_EQ(decode_message(frames->head, frames->body)->verb, Verb::kOffer);
  EXPECT_FALSE(session.next(Session::Bulk::kNotNow));
  EXPECT_TRUE(session.has_bulk());
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
