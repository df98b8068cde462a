// Listening TCP sockets, and whom they accept: the address, and the network that bounds count by.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "core/endpoint.h"
#include "core/file.h"
#include "core/result.h"

namespace p2pmail::net {

/// What one subscriber has: an IPv4 /24, an IPv6 /64. On loopback each address counts for itself:
/// many people of one machine, or behind one local proxy, are there.
struct Network {
  enum class Kind : std::uint8_t { kNone, kIp4, kIp6, kLoopback };
  Kind kind = Kind::kNone;
  std::uint64_t bits = 0;

  [[nodiscard]] bool is_local() const { return kind == Kind::kLoopback; }
  /// A name to count by: "4:c00002" for 192.0.2.0/24; empty for loopback.
  [[nodiscard]] std::string text() const;
  auto operator<=>(const Network&) const = default;
};
/// IPv4 inside IPv6 counts as IPv4.
[[nodiscard]] Network network_of(const sockaddr_storage& address);

struct Listener {
  core::Fd fd;           // does not block
  core::Endpoint bound;  // with the port that the system chose for port 0
};
/// "*" is every IPv4 address, "::" every address. kUnavailable ("address in use", "cannot assign
/// address"), with the place.
[[nodiscard]] core::Result<Listener> open_listener(const core::Endpoint& listen);

}  // namespace p2pmail::net
