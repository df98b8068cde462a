// Sockets on loopback: keys are proved, wrong ones fail soon, and bad shapes never reach a session.
#include "net/socket.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

#include "core/crypto.h"
#include "tests/net/fake_mailbox.h"

namespace p2pmail::net {
namespace {

using core::Code;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

core::Endpoint loopback(std::uint16_t port = 0) {
  return core::Endpoint{core::Endpoint::Kind::kIp4, "127.0.0.1", port};
}

struct Keys {
  core::AgreePair pair = core::make_agree_pair();
  [[nodiscard]] core::TransportKey key() const { return core::TransportKey{pair.public_key}; }
};

class Sockets : public testing::Test {
 protected:
  void SetUp() override {
    auto made = Router::create(context, server.pair.secret);
    ASSERT_TRUE(made) << made.error().context;
    router.emplace(std::move(*made));
    const auto bound = router->bind(loopback());
    ASSERT_TRUE(bound) << bound.error().context;
    endpoint = *bound;
  }
  void connect(const core::TransportKey& expected, const core::AgreeSecret* own) {
    auto made = Dealer::connect(context, endpoint, expected, own);
    ASSERT_TRUE(made) << made.error().context;
    dealer.emplace(std::move(*made));
  }
  /// Turns the crank until `done`, at most ten seconds.
  bool until(const std::function<bool()>& done) {
    const auto end = Clock::now() + std::chrono::seconds(10);
    while (Clock::now() < end) {
      router->serve_zap();
      if (dealer) trouble = dealer->trouble();
      if (done()) return true;
      Poller poller;
      poller.add(*router);
      if (dealer) poller.add(*dealer, false);
      if (!poller.wait(milliseconds(50))) return false;
    }
    return false;
  }
  bool until_connected() {
    return until([this] { return dealer->connected(); });
  }
  std::optional<Incoming> until_incoming() {
    std::optional<Incoming> got;
    until([&] {
      auto incoming = router->receive();
      if (incoming) got = std::move(*incoming);
      return got.has_value();
    });
    return got;
  }
  std::optional<Frames> until_frames() {
    std::optional<Frames> got;
    until([&] {
      auto frames = dealer->receive();
      if (frames) got = std::move(*frames);
      return got.has_value();
    });
    return got;
  }

  Keys server;
  Keys client;
  Context context;
  std::optional<Router> router;
  std::optional<Dealer> dealer;
  core::Endpoint endpoint;
  std::optional<core::Error> trouble;
};

TEST_F(Sockets, BindAnswersTheChosenPort) { EXPECT_NE(endpoint.port, 0); }

TEST_F(Sockets, FramesTravelBothWaysAndTheKeyIsProved) {
  connect(server.key(), &client.pair.secret);
  ASSERT_TRUE(until_connected());
  ASSERT_TRUE(*dealer->send({some_bytes(20), some_bytes(kMaxBody)}));
  const auto incoming = until_incoming();
  ASSERT_TRUE(incoming);
  EXPECT_EQ(incoming->transport, client.key());
  EXPECT_EQ(incoming->peer_address, "127.0.0.1");
  EXPECT_GE(incoming->connection, 0);
  EXPECT_EQ(incoming->frames.head, some_bytes(20));
  EXPECT_EQ(incoming->frames.body, some_bytes(kMaxBody));
  ASSERT_TRUE(*router->send(incoming->from, {some_bytes(3), {}}));
  const auto frames = until_frames();
  ASSERT_TRUE(frames);
  EXPECT_EQ(frames->head, some_bytes(3));
  EXPECT_TRUE(frames->body.empty());
}

TEST_F(Sockets, WithoutAKeyAOneTimeKeyIsUsed) {
  connect(server.key(), nullptr);
  ASSERT_TRUE(until_connected());
  ASSERT_TRUE(*dealer->send({some_bytes(1), {}}));
  const auto incoming = until_incoming();
  ASSERT_TRUE(incoming);
  EXPECT_NE(incoming->transport, client.key());
  EXPECT_NE(incoming->transport, core::TransportKey{});
}

TEST_F(Sockets, WrongServerKeyIsTroubleAndNeverConnects) {
  connect(Keys().key(), &client.pair.secret);
  ASSERT_TRUE(until([this] { return trouble.has_value(); }));
  EXPECT_EQ(trouble->code, Code::kUnavailable);
  EXPECT_FALSE(dealer->connected());
}

TEST_F(Sockets, RefusedConnectionIsTroubleAtOnce) {
  {
    Context other_context;
    auto other = Router::create(other_context, server.pair.secret);
    ASSERT_TRUE(other);
    endpoint = *other->bind(loopback());
  }  // nobody listens there any more
  const auto start = Clock::now();
  connect(server.key(), &client.pair.secret);
  ASSERT_TRUE(until([this] { return trouble.has_value(); }));
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(3));
}

TEST_F(Sockets, ClosedConnectionIsReportedByItsNumber) {
  connect(server.key(), &client.pair.secret);
  ASSERT_TRUE(until_connected());
  ASSERT_TRUE(*dealer->send({some_bytes(1), {}}));
  const auto incoming = until_incoming();
  ASSERT_TRUE(incoming);
  EXPECT_TRUE(router->closed().empty());
  dealer.reset();
  std::vector<int> closed;
  ASSERT_TRUE(until([&] { return !(closed = router->closed()).empty(); }));
  EXPECT_EQ(closed, std::vector<int>{incoming->connection});
}

TEST_F(Sockets, SendingToAConnectionThatIsGoneIsAnError) {
  connect(server.key(), &client.pair.secret);
  EXPECT_FALSE(router->send(some_bytes(5), {some_bytes(1), {}}));
}

TEST_F(Sockets, HeadOverItsBoundIsDropped) {
  connect(server.key(), &client.pair.secret);
  ASSERT_TRUE(until_connected());
  ASSERT_TRUE(*dealer->send({some_bytes(kMaxHead + 1), {}}));
  ASSERT_TRUE(*dealer->send({some_bytes(kMaxHead), {}}));
  const auto incoming = until_incoming();
  ASSERT_TRUE(incoming);
  EXPECT_EQ(incoming->frames.head.size(), kMaxHead);
  EXPECT_EQ(router->dropped(), 1u);
}

TEST_F(Sockets, MessageOverTheLimitOfZmqEndsTheConnection) {
  connect(server.key(), &client.pair.secret);
  ASSERT_TRUE(until_connected());
  ASSERT_TRUE(*dealer->send({some_bytes(5), some_bytes(kMaxBody + 65536)}));
  ASSERT_TRUE(until([this] { return trouble.has_value(); }));
}

TEST_F(Sockets, PortThatIsTakenIsRefused) {
  Context other_context;
  auto other = Router::create(other_context, client.pair.secret);
  ASSERT_TRUE(other);
  const auto bound = other->bind(endpoint);
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, Code::kUnavailable);
  EXPECT_NE(bound.error().context.find("address in use"), std::string::npos);
}

TEST_F(Sockets, AddressOfAnotherMachineIsRefused) {
  core::Endpoint elsewhere{core::Endpoint::Kind::kIp4, "192.0.2.1", 0};
  EXPECT_FALSE(router->bind(elsewhere));
}

TEST_F(Sockets, OnionNeedsAProxy) {
  core::Endpoint onion{core::Endpoint::Kind::kOnion, std::string(56, 'a') + ".onion", 1};
  const auto made = Dealer::connect(context, onion, server.key(), nullptr);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::kUnavailable);
}

TEST(PollerTest, ReadableDescriptorIsReported) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Poller poller;
  poller.add(ends[0]);
  EXPECT_FALSE(*poller.wait(milliseconds(1)));
  EXPECT_FALSE(poller.fd_ready(ends[0]));
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  EXPECT_TRUE(*poller.wait(milliseconds(1000)));
  EXPECT_TRUE(poller.fd_ready(ends[0]));
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace p2pmail::net
