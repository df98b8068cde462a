// The key files of a store (design: "Keys on disk").
//
//   keys/identity   identity secret (64 bytes, Ed25519)            passphrase, optional
//   keys/store      X25519 secret that opens mail at rest (32)     passphrase, optional
//   keys/store.pub  its public half                                none
//   keys/device     signing, transport, queue and prekey secrets   mode 0600
//
// A protected file = CBOR map {"k": "identity" or "store", "p": public key (32), "s": secret part,
// "v": 1} where the secret part is {"b": box (XChaCha20-Poly1305: nonce, ciphertext, tag),
// "m": Argon2id memory in bytes (whole KiB, 8 KiB to kMaxKdfMemory), "p": passes (1 to
// kMaxKdfPasses), "s": salt (16)} with the associated data "p2pmail/keyfile", kind and public key,
// or {"o": the secret in the open} when the user asked for no passphrase. Files are written beside,
// fsynced and renamed; mode 0600; a file that group or others may touch is refused (kDenied).
//
// The device key file = CBOR map, at most 16 KiB:
//   "c" BLAKE2b-256, personalised "p2pmail/devfile", of the encoded map without "c": the public
//       halves are derived, so damage would otherwise give other keys instead of an error
//   "i" identity key (32)   "q" queue key (32)   "s" Ed25519 signing secret (64)
//   "k" list of prekeys, newest first (1 to kMaxPrekeySecrets):
//       "b" boot id of the first observation (16 bytes, zero = none)   "o" its boot time
//       "s" X25519 secret (32)   "t" time made   "x" time superseded (0 for the first only)
//   "u" X25519 transport secret (32)   "v" 1
//
// Prekeys: a new one is made every kPrekeyPeriod, and when the current one was made in the future (the
// clock was wrong then). The old secret stays usable; it is erased only when (a) its successor was
// published, (b) kPrekeyKeep has passed since, seen in two observations at least an hour of
// CLOCK_BOOTTIME apart (a clock that jumps destroys nothing), and (c) one generation per run. "x" is
// written with the successor, before it is published; as long as it is not, every run sets it anew.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/card.h"
#include "core/crypto.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::uint64_t kPrekeyPeriod = 7 * 86400;            // seconds
inline constexpr std::uint64_t kPrekeyKeep = (30 + 30 + 4) * 86400;  // expire + keep + slack
inline constexpr std::size_t kMaxPrekeySecrets = 16;

/// Wall clock, boot clock and which boot it is, handed in so that tests can jump.
struct Now {
  std::uint64_t time = 0;       // seconds since 1970
  std::uint64_t boot_time = 0;  // seconds, CLOCK_BOOTTIME
  std::array<std::uint8_t, 16> boot_id{};
};
[[nodiscard]] Now read_clocks();

struct OwnPrekey {
  AgreeSecret secret;
  PrekeyPublic key;
  std::uint64_t created = 0;
  std::uint64_t superseded = 0;  // not before its successor was published; 0 = current
  /// First observation that the deadline has passed; zero boot id = none yet.
  std::uint64_t observed_boot_time = 0;
  std::array<std::uint8_t, 16> observed_boot_id{};
};

struct DeviceKeys {
  SigningSecret signing;
  DeviceKey device;
  AgreeSecret transport;
  TransportKey transport_public;
  SymmetricKey queue;              // seals what the queue needs while the store is locked
  IdentityKey identity;            // whose device this is
  std::vector<OwnPrekey> prekeys;  // newest first

  [[nodiscard]] const OwnPrekey* prekey(const PrekeyPublic& key) const;
};
[[nodiscard]] DeviceKeys make_device_keys(const IdentityKey& identity, std::uint64_t now);
[[nodiscard]] SecretBytes encode_device_keys(const DeviceKeys& keys);
[[nodiscard]] Result<DeviceKeys> decode_device_keys(ByteView bytes);
/// Atomically replaces or creates `path` (mode 0600).
[[nodiscard]] Status save_device_keys(const std::filesystem::path& path, const DeviceKeys& keys);
[[nodiscard]] Result<DeviceKeys> load_device_keys(const std::filesystem::path& path);

/// What a run of prekey upkeep did; the caller publishes a new record when `rotated`.
struct PrekeyUpkeep {
  bool rotated = false;
  bool erased = false;
  bool changed = false;  // anything that must be saved
};
/// See the schedule above. Pure: changes only `keys`.
[[nodiscard]] PrekeyUpkeep upkeep_prekeys(DeviceKeys& keys, const Now& now);
/// Instead of upkeep while the newest prekey is not published: the one before it counts as superseded
/// from now on only. True when something changed that must be saved.
[[nodiscard]] bool restart_succession(DeviceKeys& keys, const Now& now);
/// A copy, for changes that count only once they are saved.
[[nodiscard]] Result<DeviceKeys> copy_device_keys(const DeviceKeys& keys);

enum class KeyKind { kIdentity, kStore };
/// How much work a passphrase costs; tests use the libsodium minimum.
struct KdfCost {
  std::uint64_t passes = 3;
  std::uint64_t memory = std::uint64_t{256} << 20;  // bytes
};
/// What a protected file says without its passphrase.
struct ProtectedKey {
  KeyKind kind = KeyKind::kIdentity;
  std::array<std::uint8_t, 32> public_key{};
  bool needs_passphrase = false;
  SecretBytes bytes;  // the whole file, for unseal_key; it may hold the secret in the open
};
/// Seals `secret`; no passphrase = stored in the open. Does not touch the disk.
[[nodiscard]] Result<Bytes> seal_key(KeyKind kind, ByteView public_key, ByteView secret,
                                     const SecretBytes* passphrase, const KdfCost& cost);
[[nodiscard]] Result<ProtectedKey> parse_key(KeyKind kind, ByteView bytes);
[[nodiscard]] Result<ProtectedKey> load_key(KeyKind kind, const std::filesystem::path& path);
/// kWrongPassphrase, kLocked (needs one and `passphrase` is null), kForged (secret does not fit the
/// public key).
[[nodiscard]] Result<SecretBytes> unseal_key(const ProtectedKey& key,
                                             const SecretBytes* passphrase);

}  // namespace p2pmail::core
