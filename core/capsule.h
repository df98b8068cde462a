// Capsules: the small sealed head of a stored message: its key, who sent it and the proof.
//
// Sealed to the store key: ephemeral X25519 key (32), then ChaCha20-Poly1305 (nonce zero, no
// associated data) under keyed BLAKE2b-256 ("p2pmail/capsule", key = X25519(ephemeral, store), over
// ephemeral and store key). Plaintext = CBOR map, at most kMaxCapsule:
//   "b" the envelope's signed body (empty for one's own sent mail)   "d" device that stored it
//   "f" folder asked for by the address (text, at most 64 bytes)   "h" the envelope's header hash
//   "i" message id (20)   "k" payload key   "n" sender's identity   "r" root
//   "s" signature by "d" under "p2pmail/verdict" over BLAKE2b-256 ("p2pmail/verdict") of the CBOR
//       map without "s"
//   "su" subject (text, at most 256 bytes)   "t" time stored   "v" verdict
//   "x" Bcc recipients of one's own sent mail (list of identity keys, at most 1,024)
//   "y" 1 (version)   "z" size of the sealed stream (8 bytes, big-endian)
//
// Anybody can write a file for the store's public key; nobody can fabricate a sender: open_capsule
// verifies the storing device's signature, and verify_capsule the sender's.
#pragma once

#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/envelope.h"
#include "core/keys.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::size_t kMaxCapsule = 160 * 1024;
inline constexpr std::size_t kMaxFolder = 64;  // bytes of UTF-8
inline constexpr std::size_t kMaxBcc = 1024;

enum class Verdict : std::uint8_t {
  kSent = 0,      // our own copy of what we sent
  kPeer = 1,      // signed by a peer in the address book
  kStranger = 2,  // signed by somebody who is not
  kMismatch = 3,  // the From field is not the signer: never shown as genuine
  kBuried = 4,    // signed by a device that its identity has retired
  kSelf = 5,      // signed by this identity
};

/// Subject and folder are fitted to their bounds on sealing (fit_text).
struct Capsule {
  MessageId id;
  Root root;
  std::uint64_t size = 0;  // of the sealed stream
  SymmetricKey payload_key;
  IdentityKey sender;
  Bytes signed_body;
  Digest header_hash;
  std::string subject;
  std::string folder;
  Verdict verdict = Verdict::kSent;
  std::uint64_t time = 0;
  DeviceKey device;
  std::vector<IdentityKey> bcc;
};

/// Permanent id: first 20 bytes of BLAKE2b-256 ("p2pmail/message") of payload key, sender, root.
[[nodiscard]] MessageId message_id(const SymmetricKey& payload_key, const IdentityKey& sender,
                                   const Root& root);
/// How many bytes seal_capsule will give, so that room can be left at the front of a file.
[[nodiscard]] std::size_t sealed_capsule_size(const Capsule& capsule);
/// Signs with the storing device (whose key becomes "d") and seals to the store key. kMalformed
/// when a bound is exceeded, kForged for a store key of small order.
[[nodiscard]] Result<Bytes> seal_capsule(const Capsule& capsule, const StoreKey& store,
                                         const DeviceKeys& device);
/// kForged when it does not open or the signature does not fit; kMalformed; kUnsupported.
[[nodiscard]] Result<Capsule> open_capsule(ByteView sealed, const AgreeSecret& store_secret,
                                           const StoreKey& store);
/// Checks that the capsule proves its sender: the storing device is one of `own` card's devices
/// (tombstoned ones count, it was ours), the signed body verifies, names us as the recipient and
/// this root, size and payload key; the id is the derived one. Of one's own sent mail (no signed
/// body, sender = `own`) the storing device's signature is the proof. kForged otherwise.
[[nodiscard]] Status verify_capsule(const Capsule& capsule, const Card& own);

}  // namespace p2pmail::core
