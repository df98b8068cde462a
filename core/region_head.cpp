#include "core/region_head.h"

#include <algorithm>

#include "core/tree.h"

namespace p2pmail::core {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kStubVersion = 2;

BlobRef parse_blob(const std::uint8_t* at) {
  BlobRef blob;
  blob.offset = get_be<std::uint64_t>(at);
  std::copy_n(at + 8, MessageId::kSize, blob.name.bytes.begin());
  return blob;
}

}  // namespace

Bytes make_head(const RegionHead& head) {
  Bytes bytes(head.size());
  std::copy(kMagic.begin(), kMagic.end(), bytes.begin());
  auto* at = bytes.data() + kMagic.size();
  put_be(at, head.blob ? kStubVersion : kVersion);
  put_be(at + 4, head.capsule);
  put_be(at + 8, head.stream);
  if (!head.blob) return bytes;
  put_be(at + 16, head.blob->offset);
  std::copy(head.blob->name.bytes.begin(), head.blob->name.bytes.end(), at + 24);
  return bytes;
}

Result<RegionHead> parse_head(ByteView region) {
  const Error cut_off{Code::kMalformed, "the sealed mail is cut off"};
  if (region.size() < kRegionHead) return cut_off;
  const auto* at = region.data() + kMagic.size();
  const auto version = get_be<std::uint32_t>(at);
  if (version != kVersion && version != kStubVersion)
    return Error{Code::kUnsupported, "sealed with format version " + std::to_string(version)};
  RegionHead head{get_be<std::uint32_t>(at + 4), get_be<std::uint64_t>(at + 8), {}};
  if (version == kVersion) return head;
  if (region.size() < kStubHead) return cut_off;
  head.blob = parse_blob(at + 16);
  if (head.stream == 0 || head.stream > kMaxLetterSize || head.blob->offset > kMaxLetterSize)
    return Error{Code::kMalformed, "the stream has an impossible place"};
  return head;
}

Status check_head(const RegionHead& head, std::uint64_t room) {
  if (head.capsule == 0 || head.capsule > kMaxSealedCapsule)
    return Error{Code::kMalformed, "the capsule has an impossible size"};
  const std::uint64_t stream = head.blob ? 0 : head.stream;
  if (head.capsule > room || stream > room - head.capsule)
    return Error{Code::kMalformed, "the sealed mail is cut off"};
  return {};
}

}  // namespace p2pmail::core
