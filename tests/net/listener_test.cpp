// Listening sockets: places that cannot be had are named, and who shares a network.
#include "net/listener.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace p2pmail::net {
namespace {

using core::Code;

core::Endpoint ip4(const std::string& host, std::uint16_t port = 0) {
  return core::Endpoint{core::Endpoint::Kind::kIp4, host, port};
}

TEST(ListenerTest, PortThatIsTakenIsNamed) {
  const auto first = open_listener(ip4("127.0.0.1"));
  ASSERT_TRUE(first);
  EXPECT_NE(first->bound.port, 0);
  const auto second = open_listener(first->bound);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  EXPECT_EQ(second.error().context, first->bound.text() + ": address in use");
}

TEST(ListenerTest, AddressOfAnotherMachineIsNamed) {
  const auto elsewhere = open_listener(ip4("192.0.2.1"));
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().code, Code::kUnavailable);
  EXPECT_NE(elsewhere.error().context.find("192.0.2.1"), std::string::npos);
  EXPECT_NE(elsewhere.error().context.find("cannot assign address"), std::string::npos);
}

TEST(ListenerTest, NamesAreNotListenedOn) {
  EXPECT_FALSE(open_listener({core::Endpoint::Kind::kName, "mail.example.org", 0}));
}

TEST(NetworkTest, OfOneSubscriberAreOne) {
  const auto of = [](const char* text) {
    sockaddr_storage place{};
    auto& four = reinterpret_cast<sockaddr_in&>(place);
    auto& six = reinterpret_cast<sockaddr_in6&>(place);
    const bool is4 = inet_pton(AF_INET, text, &four.sin_addr) == 1;
    if (!is4) core::check(inet_pton(AF_INET6, text, &six.sin6_addr) == 1);
    place.ss_family = is4 ? AF_INET : AF_INET6;
    return network_of(place);
  };
  EXPECT_EQ(of("192.0.2.1"), of("192.0.2.200"));
  EXPECT_NE(of("192.0.2.1"), of("192.0.3.1"));
  EXPECT_EQ(of("192.0.2.1"), of("::ffff:192.0.2.9"));
  EXPECT_EQ(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::"));
  EXPECT_NE(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
  EXPECT_NE(of("127.0.0.1"), of("127.0.0.2"));
  EXPECT_TRUE(of("::1").is_local() && of("127.0.0.1").is_local());
  EXPECT_FALSE(of("2001:db8::1").is_local() || of("192.0.2.1").is_local());
}

}  // namespace
}  // namespace p2pmail::net
