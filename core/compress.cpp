#include "core/compress.h"

#include <zstd.h>

namespace p2pmail::core {
namespace {

// The quickest: most of what is large does not compress anyway.
constexpr int kLevel = 1;
constexpr unsigned kMaxInterval = 16;
constexpr std::size_t kSkippableHead = 8;  // RFC 8878 section 3.1.2: magic and size, little-endian
constexpr std::array<std::uint8_t, 4> kSkippable{0x50, 0x2a, 0x4d, 0x18};
constexpr int kMaxWindowLog = 20;          // a window is never larger than a segment

Error malformed() { return Error{Code::kMalformed, "a compressed segment is damaged"}; }

/// One frame of RFC 8878, then at most a skippable one; what lies behind the first may be cut off in
/// `cut`. The library would take frames of its early versions as well, which obey no bound of ours.
bool is_segment(ByteView stored, bool cut) {
  constexpr std::array<std::uint8_t, 4> kFrame{0x28, 0xb5, 0x2f, 0xfd};
  if (stored.size() < 4) return cut;
  if (!std::ranges::equal(stored.first(4), kFrame)) return false;
  const std::size_t first = ZSTD_findFrameCompressedSize(stored.data(), stored.size());
  if (ZSTD_isError(first) != 0) return cut;
  const ByteView rest = stored.subspan(first);
  if (rest.empty()) return true;
  if (rest.size() < 4 || !std::ranges::equal(rest.first(4), kSkippable)) return false;
  return cut || ZSTD_findFrameCompressedSize(rest.data(), rest.size()) == rest.size();
}

/// A skippable frame of `size` bytes in all, at least kSkippableHead.
void put_skippable(ByteSpan out) {
  const std::uint64_t size = out.size() - kSkippableHead;
  std::ranges::fill(out, std::uint8_t{0});
  std::ranges::copy(kSkippable, out.begin());
  for (std::size_t i = 0; i < 4; ++i) out[4 + i] = static_cast<std::uint8_t>(size >> (8 * i));
}

}  // namespace

struct Compressor::Context {
  ZSTD_CCtx* zstd = ZSTD_createCCtx();
  Context() { check(zstd != nullptr); }
  ~Context() { ZSTD_freeCCtx(zstd); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

Compressor::Compressor() = default;
Compressor::Compressor(Compressor&&) noexcept = default;
Compressor::~Compressor() = default;

ByteView Compressor::compress(ByteView segment) {
  check(!segment.empty() && segment.size() <= kSegmentSize);
  if (skip_ > 0) return --skip_, ByteView();
  std::size_t size = squeeze(segment);
  if (size == 0) {
    interval_ = std::min(2 * interval_, kMaxInterval);
    skip_ = interval_ - 1;
    return {};
  }
  interval_ = 1;
  const std::size_t least = (segment.size() + kMaxRatio - 1) / kMaxRatio;
  if (size < least) {
    const std::size_t padded = std::max(least, size + kSkippableHead);
    put_skippable(ByteSpan(frame_).subspan(size, padded - size));
    size = padded;
  }
  return ByteView(frame_).first(size);
}

/// The size of the frame; 0 when it gains too little.
std::size_t Compressor::squeeze(ByteView segment) {
  if (!context_) context_ = std::make_unique<Context>();
  // The room is the limit: zstd gives up as soon as it does not fit. The rest is for the skippable
  // frame: 1/64 of a segment and the head is more than it ever has.
  const std::size_t room = segment.size() - segment.size() / 16;
  frame_.resize(room + segment.size() / kMaxRatio + kSkippableHead + 1);
  const std::size_t size = ZSTD_compressCCtx(context_->zstd, frame_.data(), room, segment.data(),
                                             segment.size(), kLevel);
  return ZSTD_isError(size) != 0 ? 0 : size;
}

struct Decompressor::Context {
  ZSTD_DCtx* zstd = ZSTD_createDCtx();
  Context() {
    check(zstd != nullptr);
    check(ZSTD_isError(ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, kMaxWindowLog)) == 0);
  }
  ~Context() { ZSTD_freeDCtx(zstd); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

Decompressor::Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;
Decompressor::~Decompressor() = default;

Status Decompressor::whole(ByteSpan out, ByteView stored) {
  if (out.size() > stored.size() * kMaxRatio)
    return Error{Code::kMalformed, "a compressed segment expands too much"};
  if (!is_segment(stored, false)) return malformed();
  if (!context_) context_ = std::make_unique<Context>();
  const std::size_t size = ZSTD_decompressDCtx(context_->zstd, out.data(), out.size(),
                                               stored.data(), stored.size());
  if (ZSTD_isError(size) != 0 || size != out.size()) return malformed();
  return {};
}

Result<std::size_t> Decompressor::start(ByteSpan out, ByteView stored) {
  if (!is_segment(stored, true)) return malformed();
  if (!context_) context_ = std::make_unique<Context>();
  ZSTD_DCtx_reset(context_->zstd, ZSTD_reset_session_only);
  ZSTD_inBuffer from{stored.data(), stored.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  // Until nothing moves: what is left in its window comes without more input.
  for (std::size_t before = SIZE_MAX; to.pos < to.size && before != from.pos + to.pos;) {
    before = from.pos + to.pos;
    if (ZSTD_isError(ZSTD_decompressStream(context_->zstd, &to, &from)) != 0) return malformed();
  }
  return to.pos;
}

}  // namespace p2pmail::core
