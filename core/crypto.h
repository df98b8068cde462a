// The primitives of suite 1, all from libsodium: Ed25519 (RFC 8032), X25519 (RFC 7748),
// ChaCha20-Poly1305 (RFC 8439), XChaCha20-Poly1305, BLAKE2b (RFC 7693), Argon2id (RFC 9106).
//
// This is the only header whose source sees libsodium (with secret.h). No policy, no formats.
#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>

#include "core/bytes.h"
#include "core/result.h"
#include "core/secret.h"

namespace p2pmail::core {

inline constexpr std::size_t kTagSize = 16;     // Poly1305
inline constexpr std::size_t kNonceSize = 12;   // ChaCha20-Poly1305, RFC 8439
inline constexpr std::size_t kXNonceSize = 24;  // XChaCha20-Poly1305

/// Must run once before anything else here; safe to call again, from any thread.
void crypto_init();

void random_bytes(ByteSpan out);
[[nodiscard]] std::uint64_t random_below(std::uint64_t bound);  // uniform in [0, bound)
void wipe(ByteSpan memory);
/// Equal, in time that does not depend on where they differ. Sizes are public.
[[nodiscard]] bool equal_secret(ByteView a, ByteView b);

/// What a hash or signature is for: "p2pmail/..." of at most 16 bytes, so that a value made for one
/// use is never valid for another (BLAKE2b's personalisation field is 16 bytes, zero padded).
struct Context {
  std::string_view name;
};

/// Personalised BLAKE2b with a 32-byte result, fed piece by piece.
class Hasher {
 public:
  explicit Hasher(Context context);
  void update(ByteView more);
  [[nodiscard]] Digest finish();  // once

 private:
  alignas(64) std::array<std::uint8_t, 384> state_;
};
/// BLAKE2b-256 of the parts one after the other. Callers make sure that the split is unambiguous.
[[nodiscard]] Digest hash(Context context, std::initializer_list<ByteView> parts);
/// Keyed BLAKE2b: `out` is 16 to 64 bytes, `key` 16 to 64 bytes.
void keyed_hash(ByteSpan out, Context context, ByteView key, std::initializer_list<ByteView> parts);

struct SigningPair {
  SigningSecret secret;
  std::array<std::uint8_t, 32> public_key;
};
[[nodiscard]] SigningPair make_signing_pair();
[[nodiscard]] std::array<std::uint8_t, 32> public_of(const SigningSecret& secret);
/// Signature over: context name, one zero byte, message.
[[nodiscard]] Signature sign(const SigningSecret& secret, Context context, ByteView message);
[[nodiscard]] bool verify(ByteView public_key, Context context, ByteView message,
                          const Signature& signature);

struct AgreePair {
  AgreeSecret secret;
  std::array<std::uint8_t, 32> public_key;
};
[[nodiscard]] AgreePair make_agree_pair();
[[nodiscard]] std::array<std::uint8_t, 32> public_of(const AgreeSecret& secret);
/// X25519. kForged when the shared secret is all zero (a small-order public key).
[[nodiscard]] Result<SymmetricKey> agree(const AgreeSecret& secret, ByteView public_key);

[[nodiscard]] SymmetricKey make_symmetric_key();
/// ChaCha20-Poly1305. `out` must be plain.size() + kTagSize; the caller never repeats (key, nonce).
void aead_seal(ByteSpan out, const SymmetricKey& key, const std::array<std::uint8_t, kNonceSize>& nonce,
               ByteView associated, ByteView plain);
/// `out` must be sealed.size() - kTagSize. False, with `out` unspecified, when it does not verify.
[[nodiscard]] bool aead_open(ByteSpan out, const SymmetricKey& key,
                             const std::array<std::uint8_t, kNonceSize>& nonce, ByteView associated,
                             ByteView sealed);

/// XChaCha20-Poly1305 with a fresh random nonce in front: nonce, ciphertext, tag. For what is
/// written more than once under one key (key files, queue secrets).
[[nodiscard]] Bytes box_seal(const SymmetricKey& key, ByteView associated, ByteView plain);
[[nodiscard]] std::optional<SecretBytes> box_open(const SymmetricKey& key, ByteView associated,
                                                  ByteView sealed);

/// Argon2id version 1.3. `memory` in bytes (bounded by kMaxKdfMemory), `passes` at most kMaxKdfPasses.
inline constexpr std::uint64_t kMaxKdfMemory = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kMaxKdfPasses = 16;
[[nodiscard]] Result<SymmetricKey> stretch_passphrase(ByteView passphrase, ByteView salt16,
                                                      std::uint64_t passes, std::uint64_t memory);
/// The same for a public value, to make it costly to search for one with a wanted result. The salt is
/// the context, zero padded to 16 bytes. Bounds as above, but the caller's are constants: a wrong one
/// is a bug. kUnavailable without the memory.
[[nodiscard]] Result<Digest> slow_hash(Context context, ByteView message, std::uint64_t passes,
                                       std::uint64_t memory);

}  // namespace p2pmail::core
