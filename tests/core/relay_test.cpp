// A letter by way of a relay, without a network: left by somebody who does not say who he is, collected
// by its owner, and the receipt back.
#include <gtest/gtest.h>

#include "core/errand.h"
#include "core/receipt.h"
#include "tests/core/fixture.h"

namespace p2pmail::core {
namespace {

using testing::kStart;
using testing::now_at;
using testing::Person;
using testing::TempDir;

class RelayTest : public ::testing::Test {
 protected:
  RelayTest()
      : alice_(directory_, "alice"), bob_(directory_, "bob"), carol_(directory_, "carol") {
    alice_.knows(bob_);
    bob_.knows(alice_);
    bob_.knows(carol_);
    carol_.knows(bob_);
    relay_.identity = carol_.store->identity();
    relay_.transport = carol_.store->device().transport_public;
    allow(kRelayQuota);
  }
  void allow(std::uint64_t quota) {
    RelayOwner owner;
    owner.identity = bob_.store->identity();
    owner.quota = quota;
    owner.since = kStart;
    EXPECT_TRUE((*carol_.store->make_shelf())->allow(owner));
  }
  void queue_a_letter(const std::string& body = "secret body") {
    EXPECT_TRUE(post(*alice_.store, alice_.posting("secret subject", body, {&bob_}), now_at(kStart)));
  }
  Errand errand() {
    Errand::Options options;
    options.clocks = [] { return now_at(kStart + 5); };
    return {*alice_.store, options, relay_};
  }
  std::shared_ptr<Claim> claim() {
    const auto entries = alice_.store->queue().list();
    EXPECT_FALSE(entries->empty());
    return std::make_shared<Claim>(std::move(**alice_.store->queue().claim(entries->front().id)));
  }
  /// What a conversation does with one letter; the receiver's answer.
  static Result<Bytes> carry(OutgoingLetter& letter, PostOffice& to, const Caller& caller) {
    const auto envelope = letter.envelope();
    if (!envelope) return envelope.error();
    for (bool ready = false; !ready;) {
      const auto worked = letter.work();
      if (!worked) return worked.error();
      ready = *worked;
    }
    const auto admission = letter.admission();
    if (!admission) return admission.error();
    auto considered = to.consider(caller, *envelope, *admission);
    if (!considered) return considered.error();
    if (auto* stored = std::get_if<StoredAlready>(&*considered)) return stored->receipt;
    auto& take = std::get<TakeIt>(*considered);
    Bytes block;
    for (std::uint64_t index = 0; index < block_count(letter.size()); ++index) {
      block.resize(block_size(letter.size(), index));
      if (const auto got = letter.read(index * kBlockSize, block); !got) return got.error();
      if (const auto put = take.letter->write(index, block); !put) return put.error();
    }
    std::vector<std::unique_ptr<IncomingLetter>> one;
    one.push_back(std::move(take.letter));
    return to.commit(std::move(one)).front();
  }
  /// Alice leaves the oldest of her letters at carol's.
  Result<Bytes> leave() {
    Errand to_carol = errand();
    to_carol.leave(claim());
    auto letters = to_carol.outgoing(carol_.caller(), 10);
    EXPECT_EQ(letters.size(), 1U);
    PostOffice carols = carol_.office();
    auto held = carry(*letters[0], carols, Caller{});
    if (held) {
      EXPECT_TRUE(letters[0]->delivered(*held));
    }
    return held;
  }
  /// Bob collects what carol holds; how many letters.
  std::size_t collect() {
    PostOffice carols = carol_.office();
    PostOffice bobs = bob_.office();
    auto letters = carols.outgoing(bob_.caller(), 10);
    for (auto& letter : letters) {
      const auto receipt = carry(*letter, bobs, carol_.caller());
      EXPECT_TRUE(receipt) << receipt.error().context;
      if (receipt) {
        EXPECT_TRUE(letter->delivered(*receipt));
      }
    }
    return letters.size();
  }
  /// Alice asks carol about everything that lies there.
  void ask() {
    Errand to_carol = errand();
    for (auto& record : records()) to_carol.ask(claim(), std::move(record));
    PostOffice carols = carol_.office();
    for (auto& question : to_carol.questions(carol_.caller()))
      question->answered(carols.answer(Caller{}, question->text()));
  }
  std::size_t queued() { return alice_.store->queue().list()->size(); }
  std::vector<DepositRecord> records() {
    std::vector<DepositRecord> all;
    Deposits& deposits = **alice_.store->make_deposits();
    const auto entries = deposits.entries();
    for (const auto& entry : *entries) {
      auto some = deposits.of(entry);
      std::ranges::move(*some, std::back_inserter(all));
    }
    return all;
  }
  std::size_t deposits() { return records().size(); }
  /// What is left of entries that have ended.
  void withdraw() {
    Errand to_carol = errand();
    for (auto& record : records()) to_carol.withdraw(std::move(record));
    PostOffice carols = carol_.office();
    for (auto& question : to_carol.questions(carol_.caller()))
      question->answered(carols.answer(Caller{}, question->text()));
  }

  TempDir directory_;
  Person alice_, bob_, carol_;
  Relay relay_;
};

TEST_F(RelayTest, ThereAndBack) {
  queue_a_letter();
  const auto held = leave();
  ASSERT_TRUE(held) << held.error().context;
  EXPECT_EQ(*decode_held(*held), kStart + kRelayKeep);
  EXPECT_EQ(queued(), 1U);  // carol's word is no receipt
  EXPECT_EQ(deposits(), 1U);
  ask();
  EXPECT_EQ(queued(), 1U);
  EXPECT_EQ(collect(), 1U);
  EXPECT_EQ(collect(), 0U);
  ASSERT_EQ(bob_.mail("INBOX").size(), 1U);
  EXPECT_NE(bob_.text_of_message(bob_.mail("INBOX")[0]).find("secret body"), std::string::npos);
  ask();
  EXPECT_EQ(queued(), 0U);
  withdraw();
  EXPECT_EQ(deposits(), 0U);
  EXPECT_EQ((*(*carol_.store->make_shelf())->until_of(Digest{})), std::nullopt);
}

TEST_F(RelayTest, ALargeLetterComesBlockByBlock) {
  queue_a_letter(std::string(3'500'000, 'x'));
  ASSERT_TRUE(leave());
  EXPECT_EQ(collect(), 1U);
  ask();
  EXPECT_EQ(queued(), 0U);
}

TEST_F(RelayTest, DirectAndRelayedIsOneDelivery) {
  queue_a_letter();
  ASSERT_TRUE(leave());
  EXPECT_EQ(testing::carry(alice_, bob_), 1U);
  EXPECT_EQ(collect(), 1U);  // carol is answered with a receipt, too
  EXPECT_EQ(bob_.mail("INBOX").size(), 1U);
  EXPECT_EQ(queued(), 0U);
}

TEST_F(RelayTest, WhatIsCancelledIsWithdrawn) {
  queue_a_letter();
  ASSERT_TRUE(leave());
  ASSERT_TRUE(alice_.store->queue().finish(*claim(), Ending::kCancelled, kStart));
  withdraw();
  EXPECT_EQ(deposits(), 0U);
  EXPECT_EQ(collect(), 0U);
}

TEST_F(RelayTest, NewerPrekeysComeBackThroughTheRelay) {
  queue_a_letter();
  ASSERT_TRUE(leave());
  // Bob's record is renewed, carol hears of it when he refuses the letter, and alice through her.
  ASSERT_TRUE(bob_.store->change_record([](DeviceRecord& r) { r.time += 9; }, now_at(kStart + 9)));
  ASSERT_TRUE(carol_.store->state().merge_peer_card(bob_.store->card(), false));
  {
    PostOffice carols = carol_.office();
    carols.outgoing(bob_.caller(), 10)[0]->failed(Error{Code::kUnknownPrekey, "not for us"});
  }
  ask();
  const auto bob = alice_.store->state().find_peer(bob_.store->identity());
  EXPECT_EQ(encode_card(*(*bob)->card), encode_card(bob_.store->card()));
}

TEST_F(RelayTest, ManyRefusedLettersDoNotKeepAnother) {
  for (int i = 0; i < 12; ++i) queue_a_letter("letter " + std::to_string(i));
  Errand to_carol = errand();
  auto entries = alice_.store->queue().list();
  for (const auto& entry : *entries)
    to_carol.leave(std::make_shared<Claim>(std::move(**alice_.store->queue().claim(entry.id))));
  PostOffice carols = carol_.office();
  for (auto& letter : to_carol.outgoing(carol_.caller(), 100))
    ASSERT_TRUE(letter->delivered(*carry(*letter, carols, Caller{})));
  std::set<Root> roots;
  for (int round = 0; round < 3; ++round) {
    auto some = carols.outgoing(bob_.caller(), 4);
    EXPECT_EQ(some.size(), 4U) << round;
    for (auto& letter : some) {
      EXPECT_TRUE(roots.insert(letter->root()).second);
      letter->failed(Error{Code::kNoSpace, "full"});
    }
  }
}

TEST_F(RelayTest, IsNotOfferedTwiceAtOnce) {
  queue_a_letter();
  ASSERT_TRUE(leave());
  PostOffice carols = carol_.office();
  const auto first = carols.outgoing(bob_.caller(), 10);
  EXPECT_EQ(first.size(), 1U);
  EXPECT_TRUE(carols.outgoing(bob_.caller(), 10).empty());
}

TEST_F(RelayTest, WhatIsOnItsWayCountsForTheQuota) {
  allow(7000);
  queue_a_letter();
  queue_a_letter("another");
  Errand to_carol = errand();
  auto entries = alice_.store->queue().list();
  for (const auto& entry : *entries)
    to_carol.leave(std::make_shared<Claim>(std::move(**alice_.store->queue().claim(entry.id))));
  PostOffice carols = carol_.office();
  auto letters = to_carol.outgoing(carol_.caller(), 10);
  ASSERT_EQ(letters.size(), 2U);
  const auto offer = [&](std::size_t i) {
    return carols.consider(Caller{}, *letters[i]->envelope(), *letters[i]->admission());
  };
  {
    const auto first = offer(0);
    EXPECT_TRUE(first);
    EXPECT_EQ(offer(1).error().code, Code::kQuota);
  }
  EXPECT_TRUE(offer(1));
}

TEST_F(RelayTest, AFalseSizeIsNoLetterThatIsThere) {
  queue_a_letter();
  ASSERT_TRUE(leave());
  const auto held = (*carol_.store->make_shelf())->waiting(bob_.store->identity(), {}, 1);
  auto letter = *(*carol_.store->make_shelf())->find(held->front());
  PostOffice carols = carol_.office();
  Deposit deposit = letter->deposit;
  deposit.tag = tag_of(carol_.store->identity(), bob_.store->identity());
  deposit.handle.bytes.fill(1);
  deposit.size = sealed_size(padded_size(1'000'000));
  auto considered = carols.consider(Caller{}, letter->envelope, encode_admission({{}, deposit}));
  ASSERT_TRUE(considered) << considered.error().context;
  EXPECT_TRUE(std::holds_alternative<TakeIt>(*considered));  // with all its bytes
  // Of one stream only a few envelopes may wait for one owner.
  deposit.size = letter->deposit.size;
  std::size_t held_now = 0;
  for (std::uint8_t i = 2; i < 20; ++i) {
    deposit.handle.bytes.fill(i);
    if (carols.consider(Caller{}, letter->envelope, encode_admission({{}, deposit}))) ++held_now;
  }
  EXPECT_EQ(held_now, kMaxTwins - 1);
}

TEST_F(RelayTest, LeftTwiceIsHeldTwiceAndDeliveredOnce) {
  queue_a_letter();
  ASSERT_TRUE(leave());
  ASSERT_TRUE(leave());
  EXPECT_EQ(collect(), 2U);
  EXPECT_EQ(bob_.mail("INBOX").size(), 1U);
}

TEST_F(RelayTest, NobodyKnowsTheSenderOrTheText) {
  queue_a_letter();
  ASSERT_TRUE(leave());
  const std::string key(text_of(alice_.store->identity().view()));
  for (const auto& file : std::filesystem::recursive_directory_iterator(carol_.paths.root)) {
    if (!file.is_regular_file()) continue;
    const auto bytes = read_file(file.path(), 16 << 20);
    ASSERT_TRUE(bytes);
    for (const std::string& word : {key, std::string("secret body"), std::string("secret subject")})
      EXPECT_EQ(text_of(*bytes).find(word), std::string_view::npos) << file.path();
  }
}

TEST_F(RelayTest, WhoIsNotAllowedIsRefused) {
  EXPECT_TRUE((*carol_.store->make_shelf())->revoke(bob_.store->identity()));
  queue_a_letter();
  EXPECT_EQ(leave().error().code, Code::kRefused);
  EXPECT_EQ(deposits(), 0U);
}

TEST_F(RelayTest, TheQuotaIsABound) {
  allow(3000);
  queue_a_letter();
  EXPECT_EQ(leave().error().code, Code::kQuota);
  EXPECT_EQ(collect(), 0U);
}

TEST_F(RelayTest, TheQuotaIsABoundForLettersOnTheirWayToo) {
  allow(12'000);
  queue_a_letter();
  const auto shared = claim();
  Errand one = errand();
  Errand two = errand();
  one.leave(shared);
  two.leave(shared);
  PostOffice carols = carol_.office();
  const auto offer = [&carols](OutgoingLetter& letter) {
    return carols.consider(Caller{}, *letter.envelope(), *letter.admission());
  };
  auto first_letter = one.outgoing(carol_.caller(), 1);
  auto second_letter = two.outgoing(carol_.caller(), 1);
  {
    const auto first = offer(*first_letter[0]);
    ASSERT_TRUE(first) << first.error().context;
    EXPECT_LT(first_letter[0]->size() * 2, 12'000U);
    const auto second = offer(*second_letter[0]);
    EXPECT_TRUE(second);
    // A third would be too much, as long as the first two are coming.
    allow(first_letter[0]->size() * 2);
    const auto third = offer(*second_letter[0]);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, Code::kQuota);
  }
  EXPECT_TRUE(offer(*second_letter[0]));  // given up: its place is free again
}

TEST_F(RelayTest, RevokedMeanwhileIsTakenFromNobody) {
  queue_a_letter();
  Errand to_carol = errand();
  to_carol.leave(claim());
  auto letters = to_carol.outgoing(carol_.caller(), 10);
  PostOffice carols = carol_.office();
  auto considered =
      carols.consider(Caller{}, *letters[0]->envelope(), *letters[0]->admission());
  auto& take = std::get<TakeIt>(*considered);
  Bytes block(letters[0]->size());
  ASSERT_TRUE(letters[0]->read(0, block));
  ASSERT_TRUE(take.letter->write(0, block));
  EXPECT_TRUE((*carol_.store->make_shelf())->revoke(bob_.store->identity()));
  std::vector<std::unique_ptr<IncomingLetter>> one;
  one.push_back(std::move(take.letter));
  EXPECT_FALSE(carols.commit(std::move(one)).front());
}

TEST_F(RelayTest, NeedsTheStampThatTheRecipientAsksFor) {
  ASSERT_TRUE(bob_.store->change_record([](DeviceRecord& r) { r.stamp_bits = 10; }, now_at(kStart)));
  ASSERT_TRUE(carol_.store->state().merge_peer_card(bob_.store->card(), false));
  queue_a_letter();
  EXPECT_EQ(leave().error().code, Code::kStampNeeded);  // alice has the older card
  ASSERT_TRUE(alice_.store->state().merge_peer_card(bob_.store->card(), false));
  EXPECT_TRUE(leave());
}

TEST_F(RelayTest, WhatCannotBeOpenedIsSealedAgain) {
  queue_a_letter();
  ASSERT_TRUE(leave());
  {
    PostOffice carols = carol_.office();
    auto letters = carols.outgoing(bob_.caller(), 10);
    ASSERT_EQ(letters.size(), 1U);
    letters[0]->failed(Error{Code::kUnknownPrekey, "not for us"});
  }
  ask();
  EXPECT_EQ(queued(), 1U);
  EXPECT_EQ(deposits(), 0U);  // so that it is left there anew
  ASSERT_TRUE(leave());
  EXPECT_EQ(collect(), 1U);
}

TEST_F(RelayTest, ARefusalThatMayPassKeepsTheLetter) {
  queue_a_letter();
  ASSERT_TRUE(leave());
  {
    PostOffice carols = carol_.office();
    auto letters = carols.outgoing(bob_.caller(), 10);
    letters[0]->failed(Error{Code::kNoSpace, "full"});
    EXPECT_TRUE(carols.outgoing(bob_.caller(), 10).empty());  // not at once again
  }
  EXPECT_EQ(collect(), 1U);
}

TEST_F(RelayTest, AForgedReceiptProvesNothing) {
  queue_a_letter();
  ASSERT_TRUE(leave());
  Errand to_carol = errand();
  for (auto& record : records()) {
    // Carol knows neither the key nor anything to sign: the best she can do is somebody else's.
    Receipt receipt;
    const Bytes sealed = encode_relayed_receipt(
        record.relay_key, carol_.store->device().device,
        sign_receipt(receipt, carol_.store->device().signing));
    HeldAnswer answer{HeldState::kDelivered, 0, decode_relayed_receipt(sealed)->sealed, {}};
    to_carol.ask(claim(), std::move(record));
    for (auto& question : to_carol.questions(carol_.caller()))
      question->answered(encode_answer(answer));
  }
  EXPECT_EQ(queued(), 1U);
}

TEST_F(RelayTest, NobodyGetsNoMailAndOnlyTheOwnerWhatIsHeld) {
  queue_a_letter();
  ASSERT_TRUE(leave());
  PostOffice carols = carol_.office();
  EXPECT_TRUE(carols.outgoing(Caller{}, 10).empty());
  EXPECT_TRUE(carols.outgoing(alice_.caller(), 10).empty());
  EXPECT_EQ(carols.outgoing(bob_.caller(), 10).size(), 1U);
  PostOffice bobs = bob_.office();
  EXPECT_EQ(bobs.consider(Caller{}, Bytes(10, 0), {}).error().code, Code::kRefused);
}

TEST_F(RelayTest, AnErrandTakesNothing) {
  Errand to_carol = errand();
  EXPECT_FALSE(to_carol.consider(carol_.caller(), Bytes(1, 0), {}));
  EXPECT_TRUE(to_carol.outgoing(carol_.caller(), 10).empty());
  EXPECT_TRUE(to_carol.card().empty());
}

}  // namespace
}  // namespace p2pmail::core
