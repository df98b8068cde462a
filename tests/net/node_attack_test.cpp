// A node and strangers who mean it no good: each comes to an end, and a friend's mail arrives.
#include <gtest/gtest.h>
#include <poll.h>
#include <zmq.h>

#include <array>

#include "tests/net/serving.h"

namespace p2pmail::net {
namespace {

using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

/// A stranger's socket, without the bounds of a Dealer.
class Raw {
 public:
  Raw(const Person& server, const core::Endpoint& endpoint) {
    const auto key = core::make_agree_pair();
    const int none = 0;
    const std::string place = "tcp://127.0.0.1:" + std::to_string(endpoint.port);
    zmq_setsockopt(socket_, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(socket_, ZMQ_CURVE_SERVERKEY, server.box.transport.bytes.data(), 32);
    zmq_setsockopt(socket_, ZMQ_CURVE_PUBLICKEY, key.public_key.data(), 32);
    zmq_setsockopt(socket_, ZMQ_CURVE_SECRETKEY, key.secret.view().data(), 32);
    zmq_setsockopt(socket_, ZMQ_SNDHWM, &none, sizeof none);
    zmq_socket_monitor(socket_, "inproc://seen", ZMQ_EVENT_ALL);
    zmq_connect(monitor_, "inproc://seen");
    core::check(zmq_connect(socket_, place.c_str()) == 0);
  }
  ~Raw() {
    zmq_socket_monitor(socket_, nullptr, 0);
    zmq_close(monitor_);
    zmq_close(socket_);
    zmq_ctx_term(context_);
  }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;

  void send(std::size_t frames, std::size_t size) {
    const core::Bytes bytes(size);
    for (std::size_t i = 0; i < frames; ++i)
      zmq_send(socket_, bytes.data(), size, i + 1 < frames ? ZMQ_SNDMORE : 0);
  }
  /// The event happens within a bound.
  bool sees(int event) {
    const auto end = Clock::now() + seconds(30);
    while (Clock::now() < end) {
      std::array<std::uint8_t, 6> seen{};
      zmq_pollitem_t item{monitor_, 0, ZMQ_POLLIN, 0};
      if (zmq_poll(&item, 1, 100) <= 0) continue;
      zmq_recv(monitor_, seen.data(), seen.size(), 0);
      zmq_recv(monitor_, nullptr, 0, 0);  // where
      if ((seen[0] | seen[1] << 8) == event) return true;
    }
    return false;
  }

 private:
  void* context_ = zmq_ctx_new();
  void* socket_ = zmq_socket(context_, ZMQ_DEALER);
  void* monitor_ = zmq_socket(context_, ZMQ_PAIR);
};

class NodeAttack : public testing::Test {
 protected:
  void expect_mail(const core::Endpoint& endpoint, std::uint8_t seed) {
    const auto letter = alice.box.queue(bob.box.identity, some_bytes(1000, seed));
    const auto outcome = dial_one(alice, target_of(bob, endpoint));
    EXPECT_TRUE(letter->delivered) << (outcome.error ? outcome.error->context : "");
  }
  Person alice{1};
  Person bob{2};
};

TEST_F(NodeAttack, MessageWithoutEndIsDroppedAndOthersAreServed) {
  Serving node(bob);
  Raw large(bob, node.endpoint);
  Raw tiny(bob, node.endpoint);
  large.send(64, 1 << 20);
  tiny.send(300000, 0);
  expect_mail(node.endpoint, 1);
  EXPECT_TRUE(large.sees(ZMQ_EVENT_DISCONNECTED));
  EXPECT_TRUE(tiny.sees(ZMQ_EVENT_DISCONNECTED));
  expect_mail(node.endpoint, 2);
}

TEST_F(NodeAttack, MessageOfTheWrongShapeEndsTheConnection) {
  Serving node(bob);
  Raw three(bob, node.endpoint);
  three.send(3, 10);
  EXPECT_TRUE(three.sees(ZMQ_EVENT_DISCONNECTED));
  expect_mail(node.endpoint, 1);
}

TEST_F(NodeAttack, ConversationThatIsOverLosesItsConnection) {
  Serving node(bob);
  Raw nonsense(bob, node.endpoint);
  nonsense.send(1, 10);
  EXPECT_TRUE(nonsense.sees(ZMQ_EVENT_DISCONNECTED));
}

TEST_F(NodeAttack, KeyExchangeWithoutHelloEnds) {
  Serving node(bob);
  Raw silent(bob, node.endpoint);
  EXPECT_TRUE(silent.sees(ZMQ_EVENT_HANDSHAKE_SUCCEEDED));
  EXPECT_TRUE(silent.sees(ZMQ_EVENT_DISCONNECTED));
}

TEST_F(NodeAttack, StrangersMakeRoomForAFriend) {
  bob.box.friends.insert(alice.box.identity);
  Serving node(bob);
  std::vector<std::unique_ptr<Person>> strangers;
  Context context;
  std::vector<Dealer> dealers;
  for (std::size_t i = 0; i < kMaxConversations; ++i) {
    strangers.push_back(std::make_unique<Person>(static_cast<std::uint8_t>(3)));
    Person& one = *strangers.back();
    auto dealer =
        Dealer::connect(context, node.endpoint, bob.box.transport, &one.pair.secret);
    ASSERT_TRUE(dealer);
    Message hello;
    hello.verb = Verb::kHello;
    hello.credit = 64;
    hello.body = one.box.card();
    ASSERT_TRUE(*dealer->send(encode_message(hello)));
    dealers.push_back(std::move(*dealer));
  }
  const auto all_answered = [&] {
    std::size_t answered = 0;
    const auto end = Clock::now() + seconds(30);
    for (auto& dealer : dealers) {
      while (Clock::now() < end) {
        const auto frames = dealer.receive();
        if (frames && *frames) {
          ++answered;
          break;
        }
        ::poll(nullptr, 0, 2);
      }
    }
    return answered;
  };
  EXPECT_EQ(all_answered(), kMaxConversations);
  expect_mail(node.endpoint, 1);
}

}  // namespace
}  // namespace p2pmail::net
