// The body of a compressed letter ("c": 1): the message in segments of kSegmentSize, the last one
// shorter, each stored for itself, and a table that finds them.
//
//   segments   stored size (4 bytes), then that many bytes: Zstandard frames (core/compress.h), or
//              the segment as it is when the stored size is the segment's own
//   table      where each segment begins in this body (8 bytes each)
//   message size (8), number of segments (8)
//
// All big-endian. A message of one segment is compressed, or its letter has "c": 0: so the size in
// front of the first segment says whether it is compressed (it is not, if that is 1 MiB) before the
// end of the letter is there. One reading only: segments touch each other, and table and sizes agree.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "core/bytes.h"
#include "core/compress.h"
#include "core/result.h"
#include "core/secret.h"

namespace p2pmail::core {

/// A message below this size is not compressed: no letter is smaller than 4 KiB anyway.
inline constexpr std::size_t kMinCompressed = 3072;

/// The most that the body of a message of `size` bytes takes, or UINT64_MAX.
[[nodiscard]] std::uint64_t max_body_size(std::uint64_t size);

/// Room for `wanted` bytes in a buffer that never needs more than `most`, of which `used` are kept.
/// Locked memory is costly, and most mail is small: it grows from one page in large steps.
void make_room(SecretBytes& buffer, std::size_t used, std::size_t wanted, std::size_t most);

/// Writes a body as the message comes; memory: one segment, one frame, 8 bytes per segment.
class SegmentWriter {
 public:
  using Out = std::function<Status(ByteView)>;
  [[nodiscard]] Status write(ByteView message, const Out& out);
  /// Once. Gives the whole message when nothing was written and it is not to be compressed; it is
  /// valid as long as the writer.
  [[nodiscard]] Result<std::optional<ByteView>> finish(const Out& out);

 private:
  [[nodiscard]] Status put(ByteView segment, ByteView frame, const Out& out);
  [[nodiscard]] Status put_table(const Out& out);
  Compressor compressor_;
  SecretBytes segment_;
  std::size_t used_ = 0;
  std::uint64_t message_ = 0;
  std::uint64_t body_ = 0;
  std::vector<std::uint64_t> starts_;
};

/// Reads a body from any place; memory: one segment and one as it is stored, kWindow entries.
class SegmentReader {
 public:
  /// Reads all of `out` from the body at `offset`, within its size.
  using In = std::function<Status(std::uint64_t offset, ByteSpan out)>;
  /// kMalformed when the end of a body of `size` bytes breaks a rule.
  [[nodiscard]] static Result<SegmentReader> open(std::uint64_t size, const In& in);
  [[nodiscard]] std::uint64_t message_size() const { return message_; }
  /// All of `out` from the message at `offset`, within its size. kMalformed when a segment in it
  /// breaks a rule.
  [[nodiscard]] Status read(std::uint64_t offset, ByteSpan out, const In& in);

 private:
  static constexpr std::size_t kWindow = 1024;  // entries of the table that are kept
  [[nodiscard]] std::size_t plain_size(std::uint64_t number) const;
  [[nodiscard]] Result<std::uint64_t> start_of(std::uint64_t number, const In& in);
  [[nodiscard]] Status load(std::uint64_t number, const In& in);
  [[nodiscard]] Status unpack(ByteSpan out, std::uint64_t number, const In& in);
  std::uint64_t message_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t table_ = 0;  // where it begins
  std::vector<std::uint64_t> window_;
  std::uint64_t window_first_ = 0;
  Decompressor decompressor_;
  SecretBytes segment_;
  SecretBytes stored_;
  std::uint64_t loaded_ = UINT64_MAX;
};

/// The start of a message, at most out.size() bytes and at most its first segment, from the start of
/// a body. kMalformed when it is no such start.
[[nodiscard]] Result<std::size_t> read_first_segment(ByteSpan out, ByteView body);

}  // namespace p2pmail::core
