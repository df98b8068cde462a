// Addresses: name+folder@<key>.p2pmail.alt (RFC 5322 addr-spec under the special-use domain .alt,
// RFC 9476). <key> is 56 lower-case base32 characters of: Ed25519 public key (32 bytes), checksum
// (2 bytes), version (1 byte, 1), the construction of a Tor v3 onion name with our own prefix:
// checksum = first 2 bytes of BLAKE2b-256, personalised "p2pmail/address", of key and version.
// The local part is cosmetic.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::size_t kKeyTextSize = 56;
inline constexpr std::string_view kDomain = "p2pmail.alt";

/// The 56 characters of an identity key, and back. kMalformed says what is wrong (length,
/// character, version, "checksum does not fit: a typo?").
[[nodiscard]] std::string key_text(const IdentityKey& key);
[[nodiscard]] Result<IdentityKey> parse_key_text(std::string_view text);
/// The same construction with the context "p2pmail/transpt", for transport keys in links.
[[nodiscard]] std::string transport_text(const TransportKey& key);
[[nodiscard]] Result<TransportKey> parse_transport_text(std::string_view text);

struct Address {
  std::string local;   // before '+', 1 to 64 characters of RFC 5322 atext and '.'; "mail" by default
  std::string folder;  // after '+', may be empty
  IdentityKey key;

  [[nodiscard]] std::string text() const;  // local[+folder]@<key>.p2pmail.alt
};
/// Case of the domain does not matter. kMalformed names what is wrong.
[[nodiscard]] Result<Address> parse_address(std::string_view text);
/// A local part from a display name: lower-case ASCII letters, digits, '.', '-', '_'; "mail" if none.
[[nodiscard]] std::string local_part_of(std::string_view display_name);
/// True for anything whose domain ends in ".p2pmail.alt", well-formed or not.
[[nodiscard]] bool looks_like_address(std::string_view text);

}  // namespace p2pmail::core
