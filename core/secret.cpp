#include "core/secret.h"

#include <sodium.h>

#include "core/crypto.h"
#include "core/result.h"

namespace p2pmail::core::detail {

std::uint8_t* secret_allocate(std::size_t size) {
  crypto_init();  // sodium_malloc before sodium_init is undefined
  auto* memory = static_cast<std::uint8_t*>(sodium_malloc(size == 0 ? 1 : size));
  check(memory != nullptr);
  sodium_memzero(memory, size);
  return memory;
}

void SecretDeleter::operator()(std::uint8_t* memory) const { sodium_free(memory); }

}  // namespace p2pmail::core::detail
