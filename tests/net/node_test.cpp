// Nodes and dialers over real TCP on loopback: mail goes both ways, every wait ends.
#include "net/node.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/net/serving.h"

namespace p2pmail::net {
namespace {

using core::Code;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

class NodeTest : public testing::Test {
 protected:
  Person alice{1};
  Person bob{2};
};

TEST_F(NodeTest, MailGoesBothWaysInOneConversation) {
  const auto there = alice.box.queue(bob.box.identity, some_bytes(1000));
  const auto large = alice.box.queue(bob.box.identity, some_bytes(5 * core::kBlockSize + 1));
  const auto back = bob.box.queue(alice.box.identity, some_bytes(2000, 2));
  Serving node(bob);
  const auto outcome = dial_one(alice, target_of(bob, node.endpoint));
  node.stop();
  EXPECT_TRUE(outcome.reached);
  EXPECT_FALSE(outcome.error) << outcome.error->context;
  EXPECT_EQ(outcome.delivered, 2u);
  EXPECT_EQ(outcome.received, 1u);
  EXPECT_EQ(outcome.card, bob.box.card());
  EXPECT_TRUE(there->delivered && large->delivered && back->delivered);
  EXPECT_EQ(bob.box.stored[large->root], large->data);
  EXPECT_EQ(alice.box.stored[back->root], back->data);
}

TEST_F(NodeTest, HundredsOfLettersInOneConversation) {
  for (std::size_t i = 0; i < 500; ++i) {
    alice.box.queue(bob.box.identity, some_bytes(100 + i, 1));
    bob.box.queue(alice.box.identity, some_bytes(100 + i, 2));
  }
  Serving node(bob);
  const auto outcome = dial_one(alice, target_of(bob, node.endpoint));
  EXPECT_EQ(outcome.delivered, 500u);
  EXPECT_EQ(outcome.received, 500u);
  EXPECT_FALSE(outcome.error);
}

TEST_F(NodeTest, MeetingBringsTheCardOnly) {
  const auto mine = alice.box.queue(bob.box.identity, some_bytes(1000));
  Serving node(bob);
  auto target = target_of(bob, node.endpoint);
  target.push = false;
  target.identity.reset();
  const auto outcome = dial_one(alice, target);
  EXPECT_TRUE(outcome.reached);
  EXPECT_EQ(outcome.card, bob.box.card());
  EXPECT_FALSE(mine->delivered);
}

TEST_F(NodeTest, WrongServerKeyFailsWithinTheBound) {
  const auto letter = alice.box.queue(bob.box.identity, some_bytes(10));
  Serving node(bob);
  auto target = target_of(bob, node.endpoint);
  target.places[0].transport = Person(3).box.transport;
  const auto start = Clock::now();
  const auto outcome = dial_one(alice, target, {.connect = milliseconds(2000)});
  EXPECT_LT(Clock::now() - start, seconds(4));
  EXPECT_FALSE(outcome.reached);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(letter->failures.size(), 1u);
  EXPECT_FALSE(letter->claimed);
}

TEST_F(NodeTest, RefusedConnectionFailsFastAndTheNextPlaceIsTried) {
  const auto letter = alice.box.queue(bob.box.identity, some_bytes(10));
  core::Endpoint closed;
  {
    Person nobody(4);
    Serving gone(nobody);
    closed = gone.endpoint;
  }
  Serving node(bob);
  auto target = target_of(bob, closed);
  target.places.push_back({node.endpoint, bob.box.transport});
  const auto start = Clock::now();
  const auto outcome = dial_one(alice, target);
  EXPECT_LT(Clock::now() - start, seconds(3));
  EXPECT_TRUE(outcome.reached);
  EXPECT_FALSE(outcome.error);
  EXPECT_TRUE(letter->delivered);
  EXPECT_TRUE(letter->failures.empty());
}

TEST_F(NodeTest, AnotherIdentityIsNotTalkedToAndTheNextPlaceIsTried) {
  const auto letter = alice.box.queue(bob.box.identity, some_bytes(10));
  Person mallory(5);
  Serving wrong(mallory);
  Serving node(bob);
  auto target = target_of(bob, wrong.endpoint);
  target.places[0].transport = mallory.box.transport;
  target.places.push_back({node.endpoint, bob.box.transport});
  const auto outcome = dial_one(alice, target);
  EXPECT_TRUE(outcome.reached);
  EXPECT_TRUE(letter->delivered);
  EXPECT_EQ(outcome.card, bob.box.card());
}

TEST_F(NodeTest, SilentListenerIsGivenUpAfterTheBound) {
  Context context;
  auto router = Router::create(context, bob.pair.secret);  // accepts TCP, answers no ZAP request
  ASSERT_TRUE(router);
  const auto bound = router->bind(loopback());
  ASSERT_TRUE(bound);
  const auto start = Clock::now();
  const auto outcome =
      dial_one(alice, target_of(bob, *bound), {.connect = milliseconds(300)});
  EXPECT_LT(Clock::now() - start, seconds(2));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Code::kUnavailable);
}

TEST_F(NodeTest, ASilentPlaceDoesNotKeepTheNextOneWaiting) {
  const auto letter = alice.box.queue(bob.box.identity, some_bytes(10));
  Context context;
  auto silent = Router::create(context, bob.pair.secret);  // accepts TCP, answers no ZAP request
  ASSERT_TRUE(silent);
  const auto bound = silent->bind(loopback());
  ASSERT_TRUE(bound);
  Serving node(bob);
  auto target = target_of(bob, *bound);
  target.places.push_back({node.endpoint, bob.box.transport});
  // Waiting for the first to end would take longer than all together may.
  const auto outcome =
      dial_one(alice, target, {.connect = seconds(60), .total = seconds(20)});
  EXPECT_TRUE(outcome.reached);
  EXPECT_TRUE(letter->delivered);
  EXPECT_TRUE(letter->failures.empty());
}

TEST_F(NodeTest, TargetWithoutAPlaceIsAnError) {
  const auto outcome = dial_one(alice, Target{bob.box.identity, {}, true});
  EXPECT_FALSE(outcome.reached);
  EXPECT_TRUE(outcome.error);
}

TEST_F(NodeTest, ManyTargetsAreDialedAtOnceAndReportedInOrder) {
  Person carol(3);
  alice.box.queue(bob.box.identity, some_bytes(10));
  alice.box.queue(carol.box.identity, some_bytes(20));
  Serving one(bob);
  Serving two(carol);
  std::set<std::size_t> seen;
  const auto outcomes = dial(alice.box, alice.pair.secret,
                             {target_of(bob, one.endpoint), target_of(carol, two.endpoint)},
                             {.at_once = 1},
                             [&](std::size_t at, const Event&) { seen.insert(at); });
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_EQ(outcomes[0].card, bob.box.card());
  EXPECT_EQ(outcomes[1].card, carol.box.card());
  EXPECT_EQ(seen, (std::set<std::size_t>{0, 1}));
}

TEST_F(NodeTest, StopFlagEndsDialingAndGivesLettersBack) {
  const auto letter = alice.box.queue(bob.box.identity, some_bytes(10));
  const std::atomic<bool> stop{true};
  const auto start = Clock::now();
  const auto outcome = dial_one(alice, target_of(bob, loopback(9)), {.stop = &stop});
  EXPECT_LT(Clock::now() - start, seconds(1));
  EXPECT_TRUE(outcome.error);
  EXPECT_TRUE(letter->failures.empty());
  EXPECT_FALSE(letter->claimed);
}

TEST_F(NodeTest, TotalBoundEndsDialing) {
  Context context;
  auto router = Router::create(context, bob.pair.secret);
  ASSERT_TRUE(router);
  const auto bound = router->bind(loopback());
  ASSERT_TRUE(bound);
  const auto start = Clock::now();
  const auto outcome = dial_one(alice, target_of(bob, *bound), {.total = milliseconds(200)});
  EXPECT_LT(Clock::now() - start, seconds(2));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Code::kTimeout);
}

TEST_F(NodeTest, StopEndsTheNodeWithinASecond) {
  Serving node(bob);
  const auto start = Clock::now();
  node.stop();
  EXPECT_LT(Clock::now() - start, seconds(1));
  EXPECT_TRUE(node.status);
}

TEST_F(NodeTest, NodeDialsWhatIsDueWhenWoken) {
  Serving listener(bob);
  const auto letter = alice.box.queue(bob.box.identity, some_bytes(10));
  std::atomic<bool> queued{false};
  std::atomic<int> ended{0};
  NodeHooks hooks;
  hooks.due = [&]() -> std::vector<Target> {
    if (!queued.exchange(false)) return {};
    return {target_of(bob, listener.endpoint)};
  };
  hooks.dialed = [&](const Target&, const DialOutcome& outcome) {
    ended = outcome.delivered == 1 ? 1 : 2;
  };
  Serving node(alice, hooks);
  queued = true;
  const auto start = Clock::now();
  node.wake();
  while (ended == 0 && Clock::now() - start < seconds(10)) std::this_thread::yield();
  EXPECT_LT(Clock::now() - start, seconds(4));  // not only at the next interval
  EXPECT_EQ(ended, 1);
  node.stop();
  EXPECT_TRUE(letter->delivered);
}

TEST_F(NodeTest, ConversationThatBreaksGivesItsLettersBackAtOnce) {
  const auto letter = bob.box.queue(alice.box.identity, some_bytes(9 * core::kBlockSize));
  std::atomic<int> failed{0};
  NodeHooks hooks;
  hooks.event = [&](const Event& event) {
    if (event.kind == Event::Kind::kFailed) ++failed;
  };
  Serving node(bob, hooks);
  std::atomic<bool> stop{false};
  DialOptions options;
  options.stop = &stop;
  const auto outcomes =
      dial(alice.box, alice.pair.secret, {target_of(bob, node.endpoint)}, options,
           [&](std::size_t, const Event& event) { stop = event.kind == Event::Kind::kMet; });
  const auto start = Clock::now();
  while (failed == 0 && Clock::now() - start < seconds(10)) std::this_thread::yield();
  EXPECT_EQ(failed, 1);  // long before the conversation would have been idle for too long
  node.stop();
  EXPECT_FALSE(letter->delivered);
  EXPECT_FALSE(letter->claimed);
}

/// A peer that says hello and nothing more, so that its conversation stays.
class Lurker {
 public:
  Lurker(Person& person, const Person& server, const core::Endpoint& endpoint)
      : dealer_(Dealer::connect(context_, endpoint, server.box.transport, &person.pair.secret)) {
    core::check(dealer_.has_value());
    Message hello;
    hello.verb = Verb::kHello;
    hello.credit = 64;
    hello.body = person.box.card();
    core::check(wait([this] { return dealer_->connected(); }));
    core::check(*dealer_->send(encode_message(hello)));
  }
  /// The verb of the first answer.
  std::optional<Verb> answer() {
    std::optional<Verb> verb;
    wait([&] {
      auto frames = dealer_->receive();
      if (!frames || !*frames) return false;
      const auto message = decode_message((*frames)->head, (*frames)->body);
      if (message) verb = message->verb;
      return true;
    });
    return verb;
  }

 private:
  bool wait(const std::function<bool()>& done) {
    const auto end = Clock::now() + seconds(10);
    while (Clock::now() < end) {
      static_cast<void>(dealer_->trouble());
      if (done()) return true;
      Poller poller;
      poller.add(*dealer_, false);
      static_cast<void>(poller.wait(milliseconds(50)));
    }
    return false;
  }
  Context context_;
  core::Result<Dealer> dealer_;
};

TEST_F(NodeTest, OneKeyHasOnlySoManyConversations) {
  Serving node(bob);
  std::vector<std::unique_ptr<Lurker>> lurkers;
  for (std::size_t i = 0; i < kMaxConversationsPerKey; ++i) {
    lurkers.push_back(std::make_unique<Lurker>(alice, bob, node.endpoint));
    EXPECT_EQ(lurkers.back()->answer(), Verb::kHello);
  }
  EXPECT_EQ(Lurker(alice, bob, node.endpoint).answer(), Verb::kError);
  Person carol(3);
  EXPECT_EQ(Lurker(carol, bob, node.endpoint).answer(), Verb::kHello);
}

TEST_F(NodeTest, WhoeverIsTalkedToIsNotDialedButGetsWhatIsNew) {
  bob.box.queue(alice.box.identity, some_bytes(10));
  std::atomic<int> dialed{0};
  std::atomic<bool> armed{false};
  NodeHooks hooks;
  hooks.due = [&]() -> std::vector<Target> {
    if (!armed) return {};
    bob.box.queue(alice.box.identity, some_bytes(20));  // in the thread that owns the mailbox
    return {target_of(alice, loopback(9))};
  };
  hooks.dialed = [&](const Target&, const DialOutcome&) { ++dialed; };
  Serving node(bob, hooks);
  Lurker lurker(alice, bob, node.endpoint);
  EXPECT_EQ(lurker.answer(), Verb::kHello);
  EXPECT_EQ(lurker.answer(), Verb::kOffer);
  armed = true;
  node.wake();
  EXPECT_EQ(lurker.answer(), Verb::kOffer);
  node.stop();
  EXPECT_EQ(dialed, 0);
}

TEST_F(NodeTest, StopTellsThoseWhoAreConnected) {
  bob.box.queue(alice.box.identity, some_bytes(10));
  Serving node(bob);
  Lurker lurker(alice, bob, node.endpoint);
  EXPECT_EQ(lurker.answer(), Verb::kHello);
  EXPECT_EQ(lurker.answer(), Verb::kOffer);
  node.stop();
  EXPECT_EQ(lurker.answer(), Verb::kError);
}

}  // namespace
}  // namespace p2pmail::net
