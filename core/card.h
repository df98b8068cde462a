// Cards: what others need in order to write to an identity. Roster + device records, public,
// signed, replaceable by newer ones. Several devices and relays from the first day.
//
// Signed structure = CBOR map {"b": body (byte string, itself CBOR), "s": Ed25519 signature (64)},
// the signature over the exact bytes of "b" under the context named below.
//
// Roster body (context "p2pmail/roster", by the identity), at most 8 KiB:
//   "d" list of device keys (32 bytes each, 1 to 16)   "i" identity key (32)
//   "n" display name (text, at most 128 bytes, may be empty)
//   "q" sequence number (1 to 2^63 - 1)   "t" time (seconds since 1970, at most kMaxTime)   "v" 1
//   "x" list of tombstones {"d": device key, "r": 0 retired | 1 compromised} (at most 64)
// A key is never in both "d" and "x"; no key twice.
//
// Device record body (context "p2pmail/record", by the device), at most 8 KiB:
//   "a" stamp: {"b": bits asked of strangers (0 to 40), "n": nonce (16 bytes)}
//   "d" device key   "e" list of endpoints (text, at most 8)   "i" identity key
//   "k" list of prekeys {"k": X25519 key (32), "t": time} (1 to 4), newest first
//   "o" highest roster sequence known   "q" sequence number (1 to 2^63 - 1)
//   "r" list of relays {"c": transport key, "e": [endpoints], "i": identity key} (at most 4)
//   "t" time   "u" transport key (32)   "v" 1
//
// Card = CBOR map {"d": [signed records, byte strings, at most 16], "r": signed roster, "v": 1}, at
// most 64 KiB. A record counts only while its device is in the roster's "d".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/crypto.h"
#include "core/endpoint.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::size_t kMaxCardSize = 64 * 1024;
inline constexpr std::size_t kMaxDevices = 16;
inline constexpr std::size_t kMaxName = 128;

enum class TombstoneReason : std::uint8_t { kRetired = 0, kCompromised = 1 };
struct Tombstone {
  DeviceKey device;
  TombstoneReason reason = TombstoneReason::kRetired;
  bool operator==(const Tombstone&) const = default;
};

struct Roster {
  IdentityKey identity;
  std::string name;
  std::uint64_t sequence = 1;
  std::uint64_t time = 0;  // seconds since 1970, as all times in formats
  std::vector<DeviceKey> devices;
  std::vector<Tombstone> tombstones;
  bool operator==(const Roster&) const = default;
};

struct Prekey {
  PrekeyPublic key;
  std::uint64_t time = 0;
  bool operator==(const Prekey&) const = default;
};

struct Relay {
  IdentityKey identity;
  TransportKey transport;
  std::vector<Endpoint> endpoints;
  bool operator==(const Relay&) const = default;
};

struct DeviceRecord {
  IdentityKey identity;
  DeviceKey device;
  TransportKey transport;
  std::uint64_t sequence = 1;
  std::uint64_t roster_sequence = 1;
  std::uint64_t time = 0;
  std::vector<Prekey> prekeys;  // newest first, at least one
  std::vector<Endpoint> endpoints;
  std::vector<Relay> relays;
  std::uint64_t stamp_bits = 0;
  std::array<std::uint8_t, 16> stamp_nonce{};
  bool operator==(const DeviceRecord&) const = default;
};

/// A structure with the exact bytes that were signed or received (body and signature).
template <class T>
struct Signed {
  T value;
  Bytes bytes;
};

[[nodiscard]] Signed<Roster> sign_roster(const Roster& roster, const SigningSecret& identity);
[[nodiscard]] Signed<DeviceRecord> sign_record(const DeviceRecord& record,
                                               const SigningSecret& device);
/// kMalformed, kUnsupported (version) or kForged (signature). Checks every bound above.
[[nodiscard]] Result<Signed<Roster>> decode_roster(ByteView bytes);
[[nodiscard]] Result<Signed<DeviceRecord>> decode_record(ByteView bytes);

struct Card {
  Signed<Roster> roster;
  std::vector<Signed<DeviceRecord>> records;  // ascending by device key, no device twice

  [[nodiscard]] const IdentityKey& identity() const { return roster.value.identity; }
  /// The record of a device that the roster names and has not buried; nullptr otherwise.
  [[nodiscard]] const DeviceRecord* record_of(const DeviceKey& device) const;
  [[nodiscard]] const DeviceRecord* record_of(const TransportKey& transport) const;
  /// All such records. The pointers live as long as the card is not changed.
  [[nodiscard]] std::vector<const DeviceRecord*> usable() const;
  [[nodiscard]] std::optional<TombstoneReason> tombstone_of(const DeviceKey& device) const;
};
[[nodiscard]] Bytes encode_card(const Card& card);
/// Verifies every signature, and that every record belongs to the roster's identity.
[[nodiscard]] Result<Card> decode_card(ByteView bytes);
/// Armored text ("P2PMAIL CARD"), a comment line with the address before it.
[[nodiscard]] std::string card_text(const Card& card);
[[nodiscard]] Result<Card> parse_card_text(std::string_view text);

/// Highest sequence wins, per key, for ever; with an equal sequence and other bytes the first one
/// stays and the clone is reported. Tombstones of the older roster are kept in force by refusing a
/// newer roster that lacks one.
struct MergeOutcome {
  bool changed = false;
  bool clone = false;  // two different structures carry one sequence number
};
/// kForged when `other` is of another identity, or drops a tombstone.
[[nodiscard]] Result<MergeOutcome> merge_card(Card& mine, const Card& other);

}  // namespace p2pmail::core
