// Endpoints and links: exactly host and port, and no way to aim a node at its own network.
#include "core/endpoint.h"

#include <gtest/gtest.h>

#include "core/address.h"
#include "core/crypto.h"

namespace p2pmail::core {
namespace {

using Kind = Endpoint::Kind;

const std::string kOnion = std::string(55, 'a') + "7.onion";

bool accepts(std::string_view text) {
  const auto endpoint = parse_endpoint(text);
  EXPECT_TRUE(endpoint || endpoint.error().code == Code::kMalformed) << text;
  return endpoint.has_value();
}
bool accepts_host(const std::string& host) { return accepts("tcp://" + host + ":4000"); }
bool is_public(const std::string& host) {
  const auto endpoint = parse_endpoint("tcp://" + host + ":4000");
  EXPECT_TRUE(endpoint) << host;
  return endpoint && endpoint->is_public();
}

TEST(EndpointTest, ReadsEveryKind) {
  const auto kind = [](const std::string& host) {
    return parse_endpoint("tcp://" + host + ":4000")->kind;
  };
  EXPECT_EQ(kind("192.0.2.1"), Kind::kIp4);
  EXPECT_EQ(kind("[2001:db8::1]"), Kind::kIp6);
  EXPECT_EQ(kind("mail.example.org"), Kind::kName);
  EXPECT_EQ(kind(kOnion), Kind::kOnion);
}

TEST(EndpointTest, WritesWhatItRead) {
  for (const std::string& host : {std::string("192.0.2.1"), std::string("[2001:db8::1]"),
                                  std::string("a-b.example"), std::string("localhost"), kOnion}) {
    const std::string text = "tcp://" + host + ":4000";
    EXPECT_EQ(parse_endpoint(text)->text(), text);
    EXPECT_EQ(*parse_endpoint(parse_endpoint(text)->text()), *parse_endpoint(text));
  }
}

TEST(EndpointTest, LowersTheHost) {
  EXPECT_EQ(parse_endpoint("tcp://Mail.EXAMPLE.org:1")->host, "mail.example.org");
  EXPECT_EQ(parse_endpoint("tcp://[2001:DB8::A]:1")->host, "2001:db8::a");
}

TEST(EndpointTest, BoundsThePort) {
  EXPECT_TRUE(accepts("tcp://a:1"));
  EXPECT_TRUE(accepts("tcp://a:65535"));
  for (const char* port : {"", "0", "65536", "70000", "99999", "100000", "01", "-1", "+1", " 1",
                           "1 ", "0x10", "1a", "*", "!"})
    EXPECT_FALSE(accepts(std::string("tcp://a:") + port)) << port;
}

TEST(EndpointTest, RefusesOtherFormsOfText) {
  for (const char* text : {"", "tcp://", "tcp://a", "tcp://:1", "a:1", "udp://a:1", "ipc:///tmp/x",
                           "inproc://x", "TCP://a:1", "tcp:/a:1", "tcp://a:1/", "tcp://a:1/x",
                           "tcp://a:1?x", "tcp://u@a:1", "tcp://eth0;a:1", "tcp://1.2.3.4:5;a:1",
                           " tcp://a:1", "tcp://a:1\n", "tcp://*:1", "tcp://a b:1", "tcp://a,b:1"})
    EXPECT_FALSE(accepts(text)) << text;
}

TEST(EndpointTest, RefusesAByteThatEndsAString) {
  using namespace std::string_view_literals;
  EXPECT_FALSE(accepts("tcp://192.0.2.1\0:80"sv));
  EXPECT_FALSE(accepts("tcp://192.0.2.1\0.example.org:80"sv));
  EXPECT_FALSE(accepts("tcp://[2001:db8::1\0]:80"sv));
  EXPECT_FALSE(accepts("tcp://a\x7f:80"sv));
  EXPECT_FALSE(accepts("tcp://b\xc3\xbc" "cher.example:80"sv));
}

TEST(EndpointTest, RefusesOtherSpellingsOfIpv4) {
  for (const char* host : {"1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "127.1", "2130706433",
                           "0x7f000001", "0x7f.0.0.1", "1.2.3.4.", "a.1", "1..2.3", "1.2.3.0x4"})
    EXPECT_FALSE(accepts_host(host)) << host;
}

TEST(EndpointTest, RefusesOtherSpellingsOfIpv6) {
  for (const char* host : {"2001:db8::1", "[2001:db8::1", "2001:db8::1]", "[]", "[1.2.3.4]",
                           "[fe80::1%eth0]", "[2001:db8:::1]", "[[::1]]", "[example.org]",
                           "[::1]x"})
    EXPECT_FALSE(accepts_host(host)) << host;
}

TEST(EndpointTest, RefusesWildcardsInEverySpelling) {
  for (const char* host : {"0.0.0.0", "[::]", "[0::0]", "[0:0:0:0:0:0:0:0]", "[::0.0.0.0]",
                           "[::ffff:0.0.0.0]", "*"})
    EXPECT_FALSE(accepts_host(host)) << host;
  EXPECT_TRUE(accepts_host("[::1]"));
  EXPECT_TRUE(accepts_host("[::ffff:192.0.2.1]"));
}

TEST(EndpointTest, BoundsLabelsAndNames) {
  EXPECT_TRUE(accepts_host(std::string(63, 'a') + ".example"));
  EXPECT_FALSE(accepts_host(std::string(64, 'a') + ".example"));
  std::string name;  // 253 characters
  for (int i = 0; i < 126; ++i) name += "a.";
  EXPECT_TRUE(accepts_host(name + "b"));
  EXPECT_FALSE(accepts_host("a" + name + "b"));
  for (const char* host : {"-a", "a-", "a.-b", "a..b", ".a", "a.", "a_b", "a!b"})
    EXPECT_FALSE(accepts_host(host)) << host;
}

TEST(EndpointTest, BoundsTheWholeText) {
  EXPECT_FALSE(accepts("tcp://" + std::string(300, 'a') + ":1"));
  EXPECT_FALSE(accepts(std::string(1'000'000, ':')));
}

TEST(EndpointTest, RefusesOnionNamesThatAreNone) {
  EXPECT_TRUE(accepts_host(kOnion));
  for (const std::string& host :
       {std::string("example.onion"), "www." + kOnion, kOnion.substr(1), "a" + kOnion,
        std::string(56, '1') + ".onion", std::string("onion")})
    EXPECT_FALSE(accepts_host(host)) << host;
}

TEST(EndpointTest, RefusesEveryTruncationBeforeThePort) {
  const std::string text = "tcp://[2001:db8::1]:4000";
  for (std::size_t size = 0; size <= text.size() - 4; ++size)
    EXPECT_FALSE(accepts(text.substr(0, size))) << size;
}

TEST(EndpointTest, IsPublicForGlobalUnicastAndOnions) {
  for (const char* host : {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
                           "126.255.255.255", "128.0.0.0", "172.15.255.255", "172.32.0.0",
                           "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
                           "223.255.255.255", "[2600::1]", "[2a00:1450::1]", "[2001:200::1]"})
    EXPECT_TRUE(is_public(host)) << host;
  EXPECT_TRUE(is_public(kOnion));
}

TEST(EndpointTest, IsNotPublicForSpecialIpv4) {
  for (const char* host : {"0.0.0.1", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255",
                           "127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254",
                           "172.16.0.0", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.0.0",
                           "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.1",
                           "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255",
                           "240.0.0.1", "255.255.255.255"})
    EXPECT_FALSE(is_public(host)) << host;
}

TEST(EndpointTest, IsNotPublicForSpecialIpv6AndNames) {
  for (const char* host : {"[::1]", "[::ffff:1.1.1.1]", "[::1.1.1.1]", "[64:ff9b::1.1.1.1]",
                           "[fe80::1]", "[fc00::1]", "[fd00::1]", "[fec0::1]", "[ff02::1]",
                           "[100::1]", "[2001:db8::1]", "[2001::1]", "[2001:1ff::1]",
                           "[2002:7f00:1::1]", "[3fff::1]", "[4000::1]", "localhost",
                           "mail.example.org"})
    EXPECT_FALSE(is_public(host)) << host;
}

TEST(Listen, TakesWildcardsAndPortZero) {
  EXPECT_EQ(parse_listen("tcp://*:0")->text(), "tcp://0.0.0.0:0");
  EXPECT_EQ(parse_listen("tcp://0.0.0.0:4000")->text(), "tcp://0.0.0.0:4000");
  EXPECT_EQ(parse_listen("tcp://[::]:4000")->text(), "tcp://[::]:4000");
  EXPECT_EQ(parse_listen("tcp://192.0.2.1:4000")->text(), "tcp://192.0.2.1:4000");
}

TEST(Listen, RefusesTheRest) {
  for (const char* text : {"", "*:1", "tcp://*", "tcp://*:", "tcp://*:65536", "tcp://*:00",
                           "tcp://**:1", "tcp://*.example:1", "ipc://x", "tcp://*:*"})
    EXPECT_FALSE(parse_listen(text)) << text;
}

// ---- links

Link some_link() {
  Link link;
  link.identity.bytes.fill(1);
  link.transport.bytes.fill(2);
  link.endpoint = *parse_endpoint("tcp://[2001:db8::1]:4000");
  return link;
}

TEST(LinkTest, ReadsWhatItWrote) {
  for (const std::string& host : {std::string("192.0.2.1"), std::string("[2001:db8::1]"),
                                  std::string("a.example"), kOnion}) {
    Link link = some_link();
    link.endpoint = *parse_endpoint("tcp://" + host + ":4000");
    const auto back = parse_link(link.text());
    ASSERT_TRUE(back) << back.error().context;
    EXPECT_EQ(back->identity, link.identity);
    EXPECT_EQ(back->transport, link.transport);
    EXPECT_EQ(back->endpoint, link.endpoint);
  }
}

TEST(LinkTest, WritesTheStatedForm) {
  const Link link = some_link();
  EXPECT_EQ(link.text(), "p2pmail://" + key_text(link.identity) + "/" +
                             transport_text(link.transport) + "@[2001:db8::1]:4000");
}

TEST(LinkTest, RefusesEveryTruncationBeforeThePort) {
  const std::string text = some_link().text();
  for (std::size_t size = 0; size <= text.size() - 4; ++size)
    EXPECT_EQ(parse_link(text.substr(0, size)).error().code, Code::kMalformed) << size;
}

TEST(LinkTest, CatchesATypoInEitherKey) {
  const std::string text = some_link().text();
  for (std::size_t i = 10; i < 10 + 56 + 1 + 56 + 1; ++i) {
    std::string typo = text;
    typo[i] = typo[i] == 'a' ? 'b' : 'a';
    EXPECT_FALSE(parse_link(typo)) << i;
  }
}

TEST(LinkTest, RefusesKeysInEachOthersPlace) {
  const Link link = some_link();
  EXPECT_FALSE(parse_link("p2pmail://" + transport_text(link.transport) + "/" +
                          key_text(link.identity) + "@192.0.2.1:1"));
}

TEST(LinkTest, RefusesOtherForms) {
  const Link link = some_link();
  const std::string keys = key_text(link.identity) + "/" + transport_text(link.transport);
  EXPECT_TRUE(parse_link("p2pmail://" + keys + "@192.0.2.1:1"));
  for (const std::string& text :
       {"p2pmail:" + keys + "@192.0.2.1:1", "http://" + keys + "@192.0.2.1:1",
        keys + "@192.0.2.1:1",
        "p2pmail://" + keys, "p2pmail://" + keys + "@", "p2pmail://" + keys + "@192.0.2.1",
        "p2pmail://" + keys + "@tcp://192.0.2.1:1", "p2pmail://" + keys + "@192.0.2.1:1/",
        "p2pmail://" + keys + "@0.0.0.0:1", "p2pmail://@" + keys, std::string("p2pmail://@/")})
    EXPECT_FALSE(parse_link(text)) << text;
}

}  // namespace
}  // namespace p2pmail::core
