// Byte strings and views, and fixed-size public values that must not be mixed up.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace p2pmail::core {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using ByteSpan = std::span<std::uint8_t>;

/// The bytes of a text, and back. Views stay valid as long as what they look at.
inline ByteView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view text_of(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }
inline void append(Bytes& out, ByteView more) { out.insert(out.end(), more.begin(), more.end()); }

/// Unsigned big-endian, the byte order of every binary format here.
template <class Int>
inline void put_be(std::uint8_t* out, Int value) {
  for (std::size_t i = sizeof(Int); i-- > 0; value = static_cast<Int>(value >> 8))
    out[i] = static_cast<std::uint8_t>(value & 0xff);
}
template <class Int>
[[nodiscard]] inline Int get_be(const std::uint8_t* in) {
  Int value = 0;
  for (std::size_t i = 0; i < sizeof(Int); ++i) value = static_cast<Int>((value << 8) | in[i]);
  return value;
}

/// A public value of N bytes. `Tag` keeps, say, an identity key from being used as a device key.
template <class Tag, std::size_t N = 32>
struct Fixed {
  static constexpr std::size_t kSize = N;
  std::array<std::uint8_t, N> bytes{};

  auto operator<=>(const Fixed&) const = default;
  [[nodiscard]] ByteView view() const { return bytes; }
  operator ByteView() const { return bytes; }  // NOLINT: implicit on purpose, it is a byte string
};

using IdentityKey = Fixed<struct IdentityTag>;    // Ed25519 public key: the address
using DeviceKey = Fixed<struct DeviceTag>;        // Ed25519 public key of a device
using TransportKey = Fixed<struct TransportTag>;  // X25519 public key, also the CURVE key
using PrekeyPublic = Fixed<struct PrekeyTag>;     // X25519 public key, for sealing mail
using StoreKey = Fixed<struct StoreTag>;          // X25519 public key, for mail at rest
using Digest = Fixed<struct DigestTag>;           // BLAKE2b-256
using Root = Fixed<struct RootTag>;               // BLAKE2b-256 tree root: a letter's name
using MessageId = Fixed<struct MessageTag, 20>;   // permanent id of a message in a store
using Signature = Fixed<struct SignatureTag, 64>;

}  // namespace p2pmail::core
