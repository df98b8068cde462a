#include "core/secret.h"

#include <sodium.h>

#include <mutex>
#include <vector>

#include "core/crypto.h"
#include "core/result.h"

namespace p2pmail::core::detail {
namespace {

constexpr std::size_t kSlot = 64;              // bytes: the longest key
constexpr std::size_t kSlotsOfRegion = 255;    // four pages with sodium's canary
constexpr std::size_t kKeptBlocks = 4;

#if defined(__SANITIZE_ADDRESS__)
#define P2PMAIL_WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define P2PMAIL_WATCHED 1
#endif
#endif
// A sanitizer sees a use after free only of what is really freed.
#if defined(P2PMAIL_WATCHED)
constexpr bool kShares = false;
#else
constexpr bool kShares = true;
#endif

std::uint8_t* guarded(std::size_t size) {
  crypto_init();  // sodium_malloc before sodium_init is undefined
  auto* memory = static_cast<std::uint8_t*>(sodium_malloc(size));
  check(memory != nullptr);
  sodium_memzero(memory, size);
  return memory;
}

/// What lies free is zero. Never destroyed: secrets of static objects may outlive it.
class Pool {
 public:
  std::uint8_t* slot() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (slots_.empty()) {
      std::uint8_t* region = guarded(kSlot * kSlotsOfRegion);
      for (std::size_t i = kSlotsOfRegion; i-- > 0;) slots_.push_back(region + i * kSlot);
    }
    std::uint8_t* memory = slots_.back();
    slots_.pop_back();
    return memory;
  }
  void give_back_slot(std::uint8_t* memory) {
    sodium_memzero(memory, kSlot);
    const std::lock_guard<std::mutex> lock(mutex_);
    slots_.push_back(memory);
  }
  /// Null when there is none of this size.
  std::uint8_t* block(std::size_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (Block& kept : blocks_) {
      if (kept.size != size) continue;
      std::uint8_t* memory = kept.memory;
      kept = blocks_.back();
      blocks_.pop_back();
      return memory;
    }
    return nullptr;
  }
  /// False when enough are kept.
  bool keep_block(std::uint8_t* memory, std::size_t size) {
    sodium_memzero(memory, size);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (blocks_.size() >= kKeptBlocks) return false;
    blocks_.push_back({memory, size});
    return true;
  }

 private:
  struct Block {
    std::uint8_t* memory;
    std::size_t size;
  };
  std::mutex mutex_;
  std::vector<std::uint8_t*> slots_;
  std::vector<Block> blocks_;
};

Pool& pool() {
  static Pool* const one = new Pool;
  return *one;
}

}  // namespace

std::uint8_t* secret_allocate(std::size_t size) {
  if (!kShares) return guarded(size == 0 ? 1 : size);
  if (size <= kSlot) return pool().slot();
  std::uint8_t* kept = pool().block(size);
  return kept != nullptr ? kept : guarded(size);
}

void SecretDeleter::operator()(std::uint8_t* memory) const {
  if (kShares && size <= kSlot) return pool().give_back_slot(memory);
  if (kShares && pool().keep_block(memory, size)) return;
  sodium_free(memory);
}

}  // namespace p2pmail::core::detail
