// Zstandard (RFC 8878) over one segment at a time: what is compressed is at most kSegmentSize bytes
// and compressed alone, so that memory is bounded and any segment opens by itself.
//
// This is the only header whose source sees libzstd. What comes from outside is hostile: sizes are
// the caller's, given in advance, and nothing is allocated for what a frame says about itself.
#pragma once

#include <memory>

#include "core/bytes.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::size_t kSegmentSize = std::size_t{1} << 20;
/// No segment is stored in less than this part of its size: what expands more is a bomb.
inline constexpr std::size_t kMaxRatio = 64;

/// Compresses what gains from it, and tries rarely where nothing gained.
class Compressor {
 public:
  Compressor();
  Compressor(Compressor&&) noexcept;
  ~Compressor();
  /// The frame for `segment` (1 to kSegmentSize bytes), valid until the next call; nothing when it
  /// would not save one byte in 16, or was not tried: after k segments in a row without gain every
  /// 2^k-th is tried, at least every 16th. Where a frame would be smaller than kMaxRatio allows, a
  /// skippable frame of zeros follows it.
  [[nodiscard]] ByteView compress(ByteView segment);

 private:
  struct Context;
  [[nodiscard]] std::size_t squeeze(ByteView segment);
  std::unique_ptr<Context> context_;
  Bytes frame_;
  unsigned interval_ = 1;  // of tries, in segments
  unsigned skip_ = 0;
};

class Decompressor {
 public:
  Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;
  ~Decompressor();
  /// All of `out` from `stored`, which is frames to its last byte. kMalformed when they give another
  /// number of bytes, or are no frames, or out.size() is more than kMaxRatio times as much.
  [[nodiscard]] Status whole(ByteSpan out, ByteView stored);
  /// As many bytes of `out` as the start of such frames gives. kMalformed when it is no such start.
  [[nodiscard]] Result<std::size_t> start(ByteSpan out, ByteView stored);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace p2pmail::core
