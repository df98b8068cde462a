#include "core/endpoint.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "core/address.h"

namespace p2pmail::core {
namespace {

constexpr std::string_view kScheme = "tcp://";
constexpr std::size_t kMaxEndpoint = 300;
constexpr std::size_t kMaxHost = 253;

Error refuse(const char* why) {
  return {Code::kMalformed, std::string("not an endpoint (tcp://HOST:PORT): ") + why};
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); }

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && is_alnum(label.front()) &&
         is_alnum(label.back()) &&
         std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-'; });
}

/// RFC 1123 labels, and not a shorthand of an IPv4 address ("127.1", "2130706433").
bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > kMaxHost) return false;
  std::string_view last;
  for (std::string_view rest = host;;) {
    const auto dot = rest.find('.');
    last = rest.substr(0, dot);
    if (!is_label(last)) return false;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  return !std::ranges::all_of(last, is_digit) && !last.starts_with("0x");
}

bool is_onion(std::string_view host) {
  const auto is_base32 = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'); };
  return host.size() == 62 && host.ends_with(".onion") &&
         std::ranges::all_of(host.substr(0, 56), is_base32);
}

bool is_ip4(const std::string& host) {
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_ip6(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

/// "::" in any spelling, or the IPv4 wildcard inside IPv6: to connect to it is to reach oneself.
bool is_ip6_wildcard(const std::string& host) {
  in6_addr address{};
  if (inet_pton(AF_INET6, host.c_str(), &address) != 1) return false;
  const auto* b = address.s6_addr;
  const auto zeros = [b](int from, int to) {
    return std::all_of(b + from, b + to, [](unsigned char x) { return x == 0; });
  };
  return zeros(0, 10) && zeros(12, 16) && (b[10] == b[11]) && (b[10] == 0 || b[10] == 0xff);
}

bool parse_port(std::string_view text, bool zero, std::uint16_t& port) {
  if (text.empty() || text.size() > 5 || !std::ranges::all_of(text, is_digit)) return false;
  if (text.size() > 1 && text.front() == '0') return false;
  unsigned value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  port = static_cast<std::uint16_t>(value);
  return value <= 65535 && (zero || value != 0);
}

Result<Endpoint> parse(std::string_view text, bool listen) {
  if (text.size() > kMaxEndpoint) return refuse("too long");
  if (!text.starts_with(kScheme)) return refuse("it does not start with tcp://");
  // A NUL would end the host for inet_pton and for nobody else.
  if (!std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; }))
    return refuse("a character that no host has");
  text.remove_prefix(kScheme.size());
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return refuse("no port");
  Endpoint endpoint;
  if (!parse_port(text.substr(colon + 1), listen, endpoint.port)) return refuse("a bad port");
  std::string host(text.substr(0, colon));
  std::ranges::transform(host, host.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  if (host.starts_with('[') && host.ends_with(']')) {
    endpoint.kind = Endpoint::Kind::kIp6;
    endpoint.host = host.substr(1, host.size() - 2);
    if (!is_ip6(endpoint.host)) return refuse("a bad IPv6 address");
    if (!listen && is_ip6_wildcard(endpoint.host)) return refuse("a wildcard is for listening");
    return endpoint;
  }
  endpoint.host = host;
  if (listen && host == "*") endpoint.host = "0.0.0.0";
  if (is_ip4(endpoint.host)) {
    endpoint.kind = Endpoint::Kind::kIp4;
    if (!listen && endpoint.host == "0.0.0.0") return refuse("a wildcard is for listening");
    return endpoint;
  }
  if (is_onion(host)) {
    endpoint.kind = Endpoint::Kind::kOnion;
    return endpoint;
  }
  // RFC 7686: what ends in .onion and is no onion name must not be asked of the DNS.
  if (!is_host_name(host) || host == "onion" || host.ends_with(".onion"))
    return refuse("a bad host");
  endpoint.kind = Endpoint::Kind::kName;
  return endpoint;
}

bool is_public_ip4(const std::string& host) {
  in_addr raw{};
  if (inet_pton(AF_INET, host.c_str(), &raw) != 1) return false;
  const std::uint32_t ip = ntohl(raw.s_addr);
  const auto in = [ip](std::uint32_t net, int bits) {
    return (ip >> (32 - bits)) == (net >> (32 - bits));
  };
  // RFC 6890's special-purpose blocks, multicast and the reserved rest.
  return !(in(0x00000000, 8) || in(0x0a000000, 8) || in(0x64400000, 10) || in(0x7f000000, 8) ||
           in(0xa9fe0000, 16) || in(0xac100000, 12) || in(0xc0000000, 24) || in(0xc0000200, 24) ||
           in(0xc0586300, 24) || in(0xc0a80000, 16) || in(0xc6120000, 15) || in(0xc6336400, 24) ||
           in(0xcb007100, 24) || in(0xe0000000, 3));
}

bool is_public_ip6(const std::string& host) {
  in6_addr raw{};
  if (inet_pton(AF_INET6, host.c_str(), &raw) != 1) return false;
  const auto* b = raw.s6_addr;
  const bool global = (b[0] & 0xe0) == 0x20;  // 2000::/3, the only global unicast in use
  const bool special = b[0] == 0x20 && b[1] == 0x01 && ((b[2] == 0x0d && b[3] == 0xb8) || b[2] < 2);
  const bool six_to_four = b[0] == 0x20 && b[1] == 0x02;  // carries any IPv4 address
  const bool documentation = b[0] == 0x3f && b[1] == 0xff && b[2] < 0x10;  // RFC 9637
  return global && !special && !six_to_four && !documentation;
}

}  // namespace

std::string Endpoint::text() const {
  const std::string shown = kind == Kind::kIp6 ? "[" + host + "]" : host;
  return std::string(kScheme) + shown + ":" + std::to_string(port);
}

bool Endpoint::is_public() const {
  switch (kind) {
    case Kind::kIp4: return is_public_ip4(host);
    case Kind::kIp6: return is_public_ip6(host);
    case Kind::kName: return false;
    case Kind::kOnion: return true;
  }
  return false;
}

Result<Endpoint> parse_endpoint(std::string_view text) { return parse(text, false); }
Result<Endpoint> parse_listen(std::string_view text) { return parse(text, true); }

std::string Link::text() const {
  return "p2pmail://" + key_text(identity) + "/" + transport_text(transport) + "@" +
         endpoint.text().substr(kScheme.size());
}

Result<Link> parse_link(std::string_view text) {
  constexpr std::string_view kLink = "p2pmail://";
  const auto broken = [](const std::string& why) {
    return Error{Code::kMalformed, "not a link: " + why};
  };
  if (!text.starts_with(kLink)) return broken("it does not start with p2pmail://");
  text.remove_prefix(kLink.size());
  const auto slash = text.find('/');
  const auto at = text.find('@');
  if (slash == std::string_view::npos || at == std::string_view::npos || at < slash)
    return broken("it is not p2pmail://KEY/KEY@HOST:PORT");
  const auto identity = parse_key_text(text.substr(0, slash));
  if (!identity) return broken(identity.error().context);
  const auto transport = parse_transport_text(text.substr(slash + 1, at - slash - 1));
  if (!transport) return broken(transport.error().context);
  const auto endpoint = parse_endpoint(std::string(kScheme) + std::string(text.substr(at + 1)));
  if (!endpoint) return broken(endpoint.error().context);
  return Link{*identity, *transport, *endpoint};
}

}  // namespace p2pmail::core
