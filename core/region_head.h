// The head of the region in a sealed file (core/sealed_file.h has the layout), for the files that read
// and write those.
#pragma once

#include <optional>

#include "core/bytes.h"
#include "core/result.h"
#include "core/sealed_file.h"

namespace p2pmail::core {

inline constexpr std::size_t kMaxSealedCapsule = 192 * 1024;

struct RegionHead {
  std::uint32_t capsule = 0;
  std::uint64_t stream = 0;
  std::optional<BlobRef> blob;  // of a stub
  /// Bytes of the head itself.
  [[nodiscard]] std::size_t size() const { return blob ? kStubHead : kRegionHead; }
};

[[nodiscard]] Bytes make_head(const RegionHead& head);
/// Reads a head from its first byte on; nothing is compared with the file yet. kMalformed, kUnsupported.
[[nodiscard]] Result<RegionHead> parse_head(ByteView region);
/// Checks a head against the file that it lies in: `room` bytes follow it. kMalformed.
[[nodiscard]] Status check_head(const RegionHead& head, std::uint64_t room);

}  // namespace p2pmail::core
