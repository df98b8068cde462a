#include "net/listener.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

namespace p2pmail::net {
namespace {

using core::Code;
using core::Error;

constexpr int kBacklog = 1024;

struct Place {
  sockaddr_storage address{};
  socklen_t size = 0;
};

bool make_place(const core::Endpoint& listen, Place& place) {
  if (listen.host.find(':') != std::string::npos) {
    auto& in = reinterpret_cast<sockaddr_in6&>(place.address);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(listen.port);
    place.size = sizeof in;
    return inet_pton(AF_INET6, listen.host.c_str(), &in.sin6_addr) == 1;
  }
  auto& in = reinterpret_cast<sockaddr_in&>(place.address);
  in.sin_family = AF_INET;
  in.sin_port = htons(listen.port);
  place.size = sizeof in;
  if (listen.host == "*") return true;  // all zero
  return inet_pton(AF_INET, listen.host.c_str(), &in.sin_addr) == 1;
}

bool set_up(int fd, int family) {
  const int on = 1;
  const int off = 0;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return false;
  return family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0;
}

std::uint16_t port_of(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

Network ip4_network(std::uint32_t address) {
  if (address >> 24 == 127) return {Network::Kind::kLoopback, address};
  return {Network::Kind::kIp4, address >> 8};
}

}  // namespace

Network network_of(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET)
    return ip4_network(ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr));
  if (address.ss_family != AF_INET6) return {};
  const in6_addr& ip6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  std::uint32_t words[4];
  std::memcpy(words, ip6.s6_addr, sizeof words);
  if (IN6_IS_ADDR_V4MAPPED(&ip6)) return ip4_network(ntohl(words[3]));
  if (IN6_IS_ADDR_LOOPBACK(&ip6)) return {Network::Kind::kLoopback, 1};
  return {Network::Kind::kIp6, std::uint64_t{ntohl(words[0])} << 32 | ntohl(words[1])};
}

std::string Network::text() const {
  if (kind == Kind::kNone || kind == Kind::kLoopback) return {};
  return fmt::format("{}:{:x}", kind == Kind::kIp4 ? 4 : 6, bits);
}

core::Result<Listener> open_listener(const core::Endpoint& listen) {
  const auto refuse = [&listen](const char* why) {
    return Error{Code::kUnavailable, listen.text() + ": " + why};
  };
  Place place;
  if (!make_place(listen, place)) return refuse("cannot assign address");
  const int family = place.address.ss_family;
  core::Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd || !set_up(fd.get(), family)) return refuse(std::strerror(errno));
  auto* raw = reinterpret_cast<sockaddr*>(&place.address);
  if (::bind(fd.get(), raw, place.size) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    if (errno == EACCES) return refuse("permission denied");
    return refuse(errno == EADDRINUSE ? "address in use" : "cannot assign address");
  }
  if (::getsockname(fd.get(), raw, &place.size) != 0) return refuse("cannot tell the port");
  Listener out{std::move(fd), listen};
  out.bound.port = port_of(place.address);
  return out;
}

}  // namespace p2pmail::net
