// The front between plain sockets: what it forwards, counts, holds back and drops. A plain listener
// stands where the router would.
#include "net/front.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <functional>
#include <vector>

#include "tests/net/fake_mailbox.h"

namespace p2pmail::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

core::Endpoint ip4(const std::string& host, std::uint16_t port = 0) {
  return core::Endpoint{core::Endpoint::Kind::kIp4, host, port};
}
core::Endpoint ip6(const std::string& host, std::uint16_t port = 0) {
  return core::Endpoint{core::Endpoint::Kind::kIp6, host, port};
}

bool eventually(const std::function<bool()>& done) {
  const auto end = Clock::now() + seconds(20);
  while (Clock::now() < end) {
    if (done()) return true;
    ::poll(nullptr, 0, 5);
  }
  return false;
}

/// One end of a connection.
class Plug {
 public:
  explicit Plug(core::Fd fd) : fd_(std::move(fd)) {}
  static Plug connect(std::uint16_t port, const char* from = "127.0.0.1") {
    core::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in place{};
    place.sin_family = AF_INET;
    inet_pton(AF_INET, from, &place.sin_addr);
    core::check(::bind(fd.get(), reinterpret_cast<sockaddr*>(&place), sizeof place) == 0);
    place.sin_port = htons(port);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    core::check(::connect(fd.get(), reinterpret_cast<sockaddr*>(&place), sizeof place) == 0);
    return Plug(std::move(fd));
  }
  /// As much of it as there is room for.
  std::size_t send(const core::Bytes& bytes) const {
    const auto put = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return put > 0 ? static_cast<std::size_t>(put) : 0;
  }
  /// Adds what is there to `got`; false at the end.
  bool receive(core::Bytes& got) const {
    core::Bytes some(1 << 20);
    const auto count = ::recv(fd_.get(), some.data(), some.size(), MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN)) return false;
    if (count > 0) got.insert(got.end(), some.begin(), some.begin() + count);
    return true;
  }
  [[nodiscard]] bool ended() const {
    core::Bytes waste;
    return !receive(waste);
  }
  [[nodiscard]] std::string peer() const {
    sockaddr_in place{};
    socklen_t size = sizeof place;
    getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&place), &size);
    char text[INET_ADDRSTRLEN] = "";
    return inet_ntop(AF_INET, &place.sin_addr, text, sizeof text);
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  core::Fd fd_;
};

class FrontTest : public testing::Test {
 protected:
  void SetUp() override { start({}); }
  void start(const FrontBounds& bounds) {
    auto inner = open_listener(ip4("127.0.0.1"));
    ASSERT_TRUE(inner);
    router = std::move(inner->fd);
    auto made = Front::create(inner->bound, bounds);
    ASSERT_TRUE(made);
    front = std::move(*made);
    const auto bound = front->listen(ip4("127.0.0.1"));
    ASSERT_TRUE(bound) << bound.error().context;
    port = bound->port;
  }
  /// The router's end of the connection that dials next.
  Plug accepted() {
    pollfd wait{router.get(), POLLIN, 0};
    core::check(::poll(&wait, 1, 20000) == 1);
    return Plug(core::Fd(::accept4(router.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  static bool arrives(const Plug& at, std::size_t bytes) {
    core::Bytes got;
    return eventually([&] { return at.receive(got) && got.size() >= bytes; }) &&
           got.size() == bytes;
  }

  core::Fd router;
  std::unique_ptr<Front> front;
  std::uint16_t port = 0;
};

TEST_F(FrontTest, ForwardsBothWaysFromAnAddressOfItsOwn) {
  const auto client = Plug::connect(port, "127.0.0.9");
  client.send(some_bytes(10));
  const auto inner = accepted();
  EXPECT_TRUE(arrives(inner, 10));
  EXPECT_TRUE(inner.peer().starts_with("127.64.")) << inner.peer();
  EXPECT_EQ(front->origin(inner.peer()), (Network{Network::Kind::kLoopback, 0x7f000009}));
  EXPECT_FALSE(front->origin("127.0.0.9"));
  EXPECT_FALSE(front->origin("not an address"));
  inner.send(some_bytes(20));
  EXPECT_TRUE(arrives(client, 20));
}

TEST_F(FrontTest, WhoeverSaysNothingCostsNothingInside) {
  const auto client = Plug::connect(port);
  EXPECT_TRUE(eventually([&] { return front->connections() == 1; }));
  pollfd wait{router.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&wait, 1, 50), 0);
  client.send(some_bytes(1));
  EXPECT_TRUE(arrives(accepted(), 1));
}

TEST_F(FrontTest, LastBytesOfEitherSideArriveBeforeTheEnd) {
  auto client = std::optional(Plug::connect(port));
  client->send(some_bytes(1));
  const auto inner = accepted();
  client->send(some_bytes(60000));
  client.reset();
  EXPECT_TRUE(arrives(inner, 60001));
  EXPECT_TRUE(eventually([&] { return inner.ended(); }));

  const auto second = Plug::connect(port);
  second.send(some_bytes(1));
  auto other = std::optional(accepted());
  EXPECT_TRUE(arrives(*other, 1));
  other->send(some_bytes(60000));
  other.reset();
  EXPECT_TRUE(arrives(second, 60000));
  EXPECT_TRUE(eventually([&] { return second.ended(); }));
}

TEST_F(FrontTest, OnlySoMuchIsReadThatTheNodeDidNotSee) {
  const auto client = Plug::connect(port);
  client.send(some_bytes(1));
  const auto inner = accepted();
  const auto bytes = some_bytes(1 << 20);
  core::Bytes got;
  const auto pour = [&](std::size_t until) {
    return eventually([&] {
      client.send(bytes);
      return inner.receive(got) && got.size() >= until;
    });
  };
  EXPECT_TRUE(pour(kInWaiting));
  EXPECT_LT(got.size(), kInWaiting + 4096);
  const auto name = inner.peer();
  front->consumed(name, kInWaiting);
  EXPECT_TRUE(pour(kInWaiting + kInWindow));
  // Some bytes a second are heartbeats'.
  EXPECT_LT(got.size(), kInWaiting + kInWindow + 4096);
  front->consumed(name, kInWindow);
  EXPECT_TRUE(pour(kInWaiting + 2 * kInWindow));
}

TEST_F(FrontTest, TheBudgetOfAllLeavesASmallShareToEach) {
  std::vector<Plug> clients;
  std::vector<Plug> inners;
  std::size_t total = 0;
  const auto bytes = some_bytes(1 << 20);
  const auto enter = [&] {
    clients.push_back(Plug::connect(port));
    clients.back().send(some_bytes(1));
    inners.push_back(accepted());
    EXPECT_TRUE(arrives(inners.back(), 1));
    front->consumed(inners.back().peer(), 1);
  };
  // takes SIZE: the newest client gets that much through.
  const auto takes = [&](std::size_t size) {
    core::Bytes got;
    EXPECT_TRUE(eventually([&] {
      clients.back().send(bytes);
      return inners.back().receive(got) && got.size() >= size;
    })) << got.size();
    total += got.size();
  };
  for (std::uint64_t filled = 0; filled < kInBudget; filled += kInWindow) {
    enter();
    takes(std::min(kInWindow, kInBudget - filled) - 4096);
  }
  enter();
  takes(kInShare);
  EXPECT_LE(total, kInBudget + kInShare + kChunk);
  front->befriend(inners.back().peer());
  front->consumed(inners.back().peer(), 1);
  takes(kInWindow / 2);
}

TEST_F(FrontTest, MessageWithoutEndIsDropped) {
  FrontBounds bounds;
  bounds.stall = milliseconds(100);
  start(bounds);
  const auto client = Plug::connect(port);
  client.send(some_bytes(1));
  const auto inner = accepted();
  front->consumed(inner.peer(), 1);
  const auto bytes = some_bytes(1 << 20);
  EXPECT_TRUE(eventually([&] {
    client.send(bytes);
    core::Bytes waste;
    front->drained();
    return !inner.receive(waste);
  }));
  EXPECT_EQ(front->connections(), 0u);
}

TEST_F(FrontTest, BusyNodeIsNotTheClientsFault) {
  FrontBounds bounds;
  bounds.stall = milliseconds(100);
  bounds.hello = milliseconds(100);
  start(bounds);
  const auto client = Plug::connect(port);
  client.send(some_bytes(1));
  const auto inner = accepted();
  ::poll(nullptr, 0, 500);  // many times the bounds
  EXPECT_TRUE(front->origin(inner.peer()));
  EXPECT_TRUE(eventually([&] {
    front->drained();
    return front->connections() == 0;
  }));
}

TEST_F(FrontTest, WithoutHelloItIsClosedInTime) {
  FrontBounds bounds;
  bounds.hello = milliseconds(100);
  start(bounds);
  const auto idle = Plug::connect(port);
  EXPECT_TRUE(eventually([&] { return idle.ended(); }));
}

TEST_F(FrontTest, HundredsOfIdleConnectionsKeepNobodyOut) {
  std::vector<Plug> idle;
  for (int i = 0; i < 300; ++i) idle.push_back(Plug::connect(port));
  for (const char* from : {"127.0.0.1", "127.0.0.2"}) {
    const auto client = Plug::connect(port, from);
    client.send(some_bytes(10));
    EXPECT_TRUE(arrives(accepted(), 10));
  }
  EXPECT_LE(front->connections(), FrontBounds{}.waiting);
  EXPECT_TRUE(idle.front().ended());
}

TEST_F(FrontTest, SlowReaderHoldsBackWhatIsSentToIt) {
  const auto client = Plug::connect(port);
  client.send(some_bytes(1));
  const auto inner = accepted();
  const auto name = inner.peer();
  front->consumed(name, 1);
  const auto bytes = some_bytes(64 << 10);
  std::uint64_t given = 0;
  while (front->may_send(name) && given < 100 * kOutWindow) {
    front->sending(name, bytes.size());
    given += bytes.size();
  }
  EXPECT_EQ(given, kOutWindow);
  pollfd wake{front->wake_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&wake, 1, 0), 0);
  core::Bytes got;
  std::uint64_t put = 0;
  EXPECT_TRUE(eventually([&] {
    if (put < given) put += inner.send(bytes);
    return client.receive(got) && ::poll(&wake, 1, 0) == 1;
  }));
  front->clear_wake();
  EXPECT_TRUE(front->may_send(name));
}

TEST_F(FrontTest, ClientThatDoesNotReadIsDropped) {
  FrontBounds bounds;
  bounds.reading = milliseconds(200);
  start(bounds);
  const auto client = Plug::connect(port);
  client.send(some_bytes(1));
  const auto inner = accepted();
  front->consumed(inner.peer(), 1);
  const auto bytes = some_bytes(1 << 20);
  EXPECT_TRUE(eventually([&] {
    const auto put = inner.send(bytes);
    front->sending(inner.peer(), put);
    return inner.ended();
  }));
  EXPECT_EQ(front->connections(), 0u);
}

TEST_F(FrontTest, FinishLetsLastWordsOutAndNothingIn) {
  const auto client = Plug::connect(port);
  client.send(some_bytes(1));
  const auto inner = accepted();
  EXPECT_TRUE(arrives(inner, 1));
  front->finish(inner.peer());
  EXPECT_FALSE(front->origin(inner.peer()));
  client.send(some_bytes(100));
  inner.send(some_bytes(5000));
  EXPECT_TRUE(arrives(client, 5000));
  EXPECT_TRUE(eventually([&] { return front->connections() == 0; }));
  core::Bytes got;
  EXPECT_TRUE(eventually([&] { return !inner.receive(got); }));
  EXPECT_TRUE(got.empty());
}

TEST_F(FrontTest, DropClosesAtOnce) {
  const auto client = Plug::connect(port);
  client.send(some_bytes(1));
  const auto inner = accepted();
  front->drop(inner.peer());
  EXPECT_EQ(front->connections(), 0u);
  EXPECT_TRUE(eventually([&] { return client.ended() && inner.ended(); }));
}

TEST_F(FrontTest, EndsWithConnectionsOpen) {
  const auto idle = Plug::connect(port);
  const auto client = Plug::connect(port);
  client.send(some_bytes(1));
  auto inner = std::optional(accepted());
  inner->send(some_bytes(1000));
  inner.reset();
  front.reset();
  core::Bytes got;
  EXPECT_TRUE(eventually([&] { return !client.receive(got); }));
  EXPECT_EQ(got.size(), 1000u);
  EXPECT_TRUE(eventually([&] { return idle.ended(); }));
}

TEST_F(FrontTest, WithoutDescriptorsItWaitsAndGoesOn) {
  std::vector<core::Fd> clients;
  for (int i = 0; i < 5; ++i) clients.emplace_back(::socket(AF_INET, SOCK_STREAM, 0));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(clients.back().get() + 1);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  std::vector<Plug> plugs;
  for (auto& client : clients) {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(port);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&place), sizeof place), 0);
    plugs.emplace_back(std::move(client));
  }
  const bool told = eventually([&] { return plugs.front().ended(); });
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(told);
  const auto client = Plug::connect(port);
  client.send(some_bytes(10));
  EXPECT_TRUE(arrives(accepted(), 10));
}

TEST_F(FrontTest, RetiredAcceptsNobody) {
  front->retire();
  EXPECT_TRUE(front->listen(ip4("127.0.0.1", port)));  // the place is free again
}

TEST_F(FrontTest, WildcardsAreHeardOnEveryAddress) {
  for (const auto& place : {ip4("*"), ip4("0.0.0.0"), ip6("::")}) {
    const auto bound = front->listen(place);
    ASSERT_TRUE(bound) << bound.error().context;
    EXPECT_EQ(bound->host, place.host);
    const auto client = Plug::connect(bound->port);
    client.send(some_bytes(3));
    const auto inner = accepted();
    EXPECT_TRUE(arrives(inner, 3));
    EXPECT_EQ(front->origin(inner.peer()), (Network{Network::Kind::kLoopback, 0x7f000001}));
  }
}

}  // namespace
}  // namespace p2pmail::net
