// Secrets: memory that is locked, guarded and wiped (sodium_malloc, sodium_free).
//
// Each sodium_malloc is some ten system calls and four pages, and a letter needs a dozen keys; so keys
// share guarded regions in slots of 64 bytes, wiped when they are given back, and a few larger blocks
// are kept for the next who wants one of that size. Safe from several threads.
//
// Move-only, no printer, no operator==, no conversion to a container. `view()` is the only way to
// the bytes and must not outlive the secret.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "core/bytes.h"

namespace p2pmail::core {

namespace detail {
std::uint8_t* secret_allocate(std::size_t size);  // zeroed; aborts when there is no memory
struct SecretDeleter {
  void operator()(std::uint8_t* memory) const;  // wipes, then frees
  std::size_t size = 0;                         // as it was allocated
};
}  // namespace detail

/// Secret bytes whose number is known only at run time (a passphrase, an unsealed key file).
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size)
      : memory_(detail::secret_allocate(size), detail::SecretDeleter{size}), size_(size) {}

  [[nodiscard]] ByteView view() const { return {memory_.get(), size_}; }
  [[nodiscard]] ByteSpan span() { return {memory_.get(), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  /// Forgets all but the first `size` bytes (they stay wiped-on-free).
  void shorten(std::size_t size) { size_ = std::min(size, size_); }

 private:
  std::unique_ptr<std::uint8_t, detail::SecretDeleter> memory_;
  std::size_t size_ = 0;
};

/// A secret of N bytes. `Tag` keeps keys of different use apart.
template <class Tag, std::size_t N = 32>
class Secret {
 public:
  static constexpr std::size_t kSize = N;
  Secret() : bytes_(N) {}
  /// Copies from `from`, which must be N bytes long; the caller wipes its own copy.
  explicit Secret(ByteView from) : bytes_(N) {
    std::copy_n(from.begin(), std::min(N, from.size()), bytes_.span().begin());
  }
  [[nodiscard]] ByteView view() const { return bytes_.view(); }
  [[nodiscard]] ByteSpan span() { return bytes_.span(); }
  /// A second holder of the same secret: explicit, so that copies are visible in the source.
  [[nodiscard]] Secret clone() const { return Secret(view()); }

 private:
  SecretBytes bytes_;
};

using SigningSecret = Secret<struct SigningTag, 64>;  // Ed25519, libsodium's seed + public form
using AgreeSecret = Secret<struct AgreeTag>;          // X25519
using SymmetricKey = Secret<struct SymmetricTag>;     // ChaCha20-Poly1305 or XChaCha20-Poly1305

}  // namespace p2pmail::core
