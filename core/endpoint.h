// Endpoints: where a node listens, as text with a scheme, never a sockaddr: tcp://HOST:PORT.
//
// HOST is an IPv4 address (four decimal numbers without leading zeros), an IPv6 address in
// brackets, an onion name (56 base32 characters and ".onion"), or a host name (RFC 1123 labels, at
// most 253 characters, not all digits). PORT is 1 to 65535. At most 300 bytes; nothing else, no
// wildcard, no source address, no query: an endpoint on a card aims other people's machines.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::size_t kMaxEndpoints = 8;

struct Endpoint {
  enum class Kind { kIp4, kIp6, kName, kOnion };
  Kind kind = Kind::kIp4;
  std::string host;  // without brackets, lower case
  std::uint16_t port = 0;

  [[nodiscard]] std::string text() const;  // "tcp://host:port"
  /// Global unicast address or onion name: fit to be dialed for a peer whom the user has not
  /// accepted. Loopback, private, link-local, multicast, reserved ranges and names are not.
  [[nodiscard]] bool is_public() const;
  bool operator==(const Endpoint&) const = default;
};
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);
/// For --listen: as above, but the port may be 0 (any) and the host "*", "0.0.0.0" or "[::]".
[[nodiscard]] Result<Endpoint> parse_listen(std::string_view text);

/// p2pmail://<key>/<transport key>@host:port : enough to dial a node and get its signed card.
struct Link {
  IdentityKey identity;
  TransportKey transport;
  Endpoint endpoint;

  [[nodiscard]] std::string text() const;
};
[[nodiscard]] Result<Link> parse_link(std::string_view text);

}  // namespace p2pmail::core
