#include "core/crypto.h"

#include <sodium.h>

namespace p2pmail::core {
namespace {

std::array<std::uint8_t, crypto_generichash_blake2b_PERSONALBYTES> personal_of(Context context) {
  std::array<std::uint8_t, crypto_generichash_blake2b_PERSONALBYTES> personal{};
  check(context.name.starts_with("p2pmail/") && context.name.size() <= personal.size());
  std::copy(context.name.begin(), context.name.end(), personal.begin());
  return personal;
}

Bytes signed_bytes(Context context, ByteView message) {
  check(context.name.starts_with("p2pmail/"));
  Bytes all;
  all.reserve(context.name.size() + 1 + message.size());
  append(all, bytes_of(context.name));
  all.push_back(0);
  append(all, message);
  return all;
}

crypto_generichash_blake2b_state* state_of(std::array<std::uint8_t, 384>& memory) {
  static_assert(sizeof(crypto_generichash_blake2b_state) <= 384);
  return reinterpret_cast<crypto_generichash_blake2b_state*>(memory.data());
}

}  // namespace

void crypto_init() {
  static const int ready = sodium_init();
  check(ready >= 0);
}

void random_bytes(ByteSpan out) {
  crypto_init();
  if (out.empty()) return;
  randombytes_buf(out.data(), out.size());
}

std::uint64_t random_below(std::uint64_t bound) {
  check(bound > 0);
  // Rejection sampling: the values above the last whole multiple of `bound` would favour the low.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  for (;;) {
    std::array<std::uint8_t, 8> raw{};
    random_bytes(raw);
    const auto value = get_be<std::uint64_t>(raw.data());
    if (value < limit) return value % bound;
  }
}

void wipe(ByteSpan memory) { sodium_memzero(memory.data(), memory.size()); }

bool equal_secret(ByteView a, ByteView b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

Hasher::Hasher(Context context) {
  const auto personal = personal_of(context);
  crypto_generichash_blake2b_init_salt_personal(state_of(state_), nullptr, 0, Digest::kSize,
                                                nullptr, personal.data());
}

void Hasher::update(ByteView more) {
  crypto_generichash_blake2b_update(state_of(state_), more.data(), more.size());
}

Digest Hasher::finish() {
  Digest digest;
  crypto_generichash_blake2b_final(state_of(state_), digest.bytes.data(), digest.bytes.size());
  return digest;
}

Digest hash(Context context, std::initializer_list<ByteView> parts) {
  Hasher hasher(context);
  for (ByteView part : parts) hasher.update(part);
  return hasher.finish();
}

void keyed_hash(ByteSpan out, Context context, ByteView key,
                std::initializer_list<ByteView> parts) {
  check(out.size() >= 16 && out.size() <= 64 && key.size() >= 16 && key.size() <= 64);
  const auto personal = personal_of(context);
  crypto_generichash_blake2b_state state;
  crypto_generichash_blake2b_init_salt_personal(&state, key.data(), key.size(), out.size(), nullptr,
                                                personal.data());
  for (ByteView part : parts) crypto_generichash_blake2b_update(&state, part.data(), part.size());
  crypto_generichash_blake2b_final(&state, out.data(), out.size());
  sodium_memzero(&state, sizeof state);
}

SigningPair make_signing_pair() {
  crypto_init();
  SigningPair pair;
  crypto_sign_ed25519_keypair(pair.public_key.data(), pair.secret.span().data());
  return pair;
}

std::array<std::uint8_t, 32> public_of(const SigningSecret& secret) {
  std::array<std::uint8_t, 32> key{};
  crypto_sign_ed25519_sk_to_pk(key.data(), secret.view().data());
  return key;
}

Signature sign(const SigningSecret& secret, Context context, ByteView message) {
  const Bytes all = signed_bytes(context, message);
  Signature signature;
  crypto_sign_ed25519_detached(signature.bytes.data(), nullptr, all.data(), all.size(),
                               secret.view().data());
  return signature;
}

bool verify(ByteView public_key, Context context, ByteView message, const Signature& signature) {
  if (public_key.size() != crypto_sign_ed25519_PUBLICKEYBYTES) return false;
  const Bytes all = signed_bytes(context, message);
  return crypto_sign_ed25519_verify_detached(signature.bytes.data(), all.data(), all.size(),
                                             public_key.data()) == 0;
}

AgreePair make_agree_pair() {
  AgreePair pair;
  random_bytes(pair.secret.span());
  pair.public_key = public_of(pair.secret);
  return pair;
}

std::array<std::uint8_t, 32> public_of(const AgreeSecret& secret) {
  std::array<std::uint8_t, 32> key{};
  crypto_scalarmult_curve25519_base(key.data(), secret.view().data());
  return key;
}

Result<SymmetricKey> agree(const AgreeSecret& secret, ByteView public_key) {
  if (public_key.size() != crypto_scalarmult_curve25519_BYTES)
    return Error{Code::kMalformed, "a public key of the wrong size"};
  SymmetricKey shared;
  // libsodium answers -1 for the all-zero result that small-order keys give.
  if (crypto_scalarmult_curve25519(shared.span().data(), secret.view().data(), public_key.data()) != 0)
    return Error{Code::kForged, "a public key of small order"};
  return shared;
}

SymmetricKey make_symmetric_key() {
  SymmetricKey key;
  random_bytes(key.span());
  return key;
}

void aead_seal(ByteSpan out, const SymmetricKey& key,
               const std::array<std::uint8_t, kNonceSize>& nonce, ByteView associated,
               ByteView plain) {
  check(out.size() == plain.size() + kTagSize);
  crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, plain.data(), plain.size(),
                                            associated.data(), associated.size(), nullptr,
                                            nonce.data(), key.view().data());
}

bool aead_open(ByteSpan out, const SymmetricKey& key,
               const std::array<std::uint8_t, kNonceSize>& nonce, ByteView associated,
               ByteView sealed) {
  if (sealed.size() < kTagSize || out.size() != sealed.size() - kTagSize) return false;
  return crypto_aead_chacha20poly1305_ietf_decrypt(out.data(), nullptr, nullptr, sealed.data(),
                                                   sealed.size(), associated.data(),
                                                   associated.size(), nonce.data(),
                                                   key.view().data()) == 0;
}

Bytes box_seal(const SymmetricKey& key, ByteView associated, ByteView plain) {
  Bytes out(kXNonceSize + plain.size() + kTagSize);
  random_bytes(ByteSpan(out).first(kXNonceSize));
  crypto_aead_xchacha20poly1305_ietf_encrypt(out.data() + kXNonceSize, nullptr, plain.data(),
                                             plain.size(), associated.data(), associated.size(),
                                             nullptr, out.data(), key.view().data());
  return out;
}

std::optional<SecretBytes> box_open(const SymmetricKey& key, ByteView associated, ByteView sealed) {
  if (sealed.size() < kXNonceSize + kTagSize) return std::nullopt;
  SecretBytes out(sealed.size() - kXNonceSize - kTagSize);
  const ByteView body = sealed.subspan(kXNonceSize);
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(out.span().data(), nullptr, nullptr, body.data(),
                                                 body.size(), associated.data(), associated.size(),
                                                 sealed.data(), key.view().data()) != 0)
    return std::nullopt;
  return out;
}

Result<SymmetricKey> stretch_passphrase(ByteView passphrase, ByteView salt16, std::uint64_t passes,
                                        std::uint64_t memory) {
  crypto_init();
  if (salt16.size() != crypto_pwhash_SALTBYTES || passes < 1 || passes > kMaxKdfPasses ||
      memory < crypto_pwhash_MEMLIMIT_MIN || memory > kMaxKdfMemory)
    return Error{Code::kMalformed, "passphrase parameters out of bounds"};
  const char* text = passphrase.empty() ? "" : reinterpret_cast<const char*>(passphrase.data());
  SymmetricKey key;
  if (crypto_pwhash(key.span().data(), key.span().size(),
                    text, passphrase.size(), salt16.data(), passes, static_cast<std::size_t>(memory),
                    crypto_pwhash_ALG_ARGON2ID13) != 0)
    return Error{Code::kUnavailable, "not enough memory to stretch the passphrase"};
  return key;
}

Result<Digest> slow_hash(Context context, ByteView message, std::uint64_t passes,
                         std::uint64_t memory) {
  crypto_init();
  const auto salt = personal_of(context);
  static_assert(std::tuple_size_v<decltype(salt)> == crypto_pwhash_SALTBYTES);
  check(passes >= 1 && passes <= kMaxKdfPasses && memory >= crypto_pwhash_MEMLIMIT_MIN &&
        memory <= kMaxKdfMemory);
  Digest digest;
  if (crypto_pwhash(digest.bytes.data(), digest.bytes.size(),
                    reinterpret_cast<const char*>(message.data()), message.size(), salt.data(),
                    passes, static_cast<std::size_t>(memory), crypto_pwhash_ALG_ARGON2ID13) != 0)
    return Error{Code::kUnavailable, "not enough memory for a slow hash"};
  return digest;
}

}  // namespace p2pmail::core
