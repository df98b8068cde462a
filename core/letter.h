// Letters: one mail, sealed as a stream of chunks that each open by themselves.
//
// Chunks of 65,520 bytes sealed to 65,536 with ChaCha20-Poly1305 under the payload key (32 random
// bytes, used for one stream and never for anything else). Nonce = chunk number (11 bytes,
// big-endian) and 1 for the last chunk, else 0: the STREAM construction (Hoang, Reyhanitabar,
// Rogaway, Vizar 2015), as age uses it. No associated data. Only the last chunk may be shorter than
// full, and it is never empty.
//
// The plaintext: preamble size (2 bytes, big-endian), preamble (CBOR, at most 1,024 bytes):
//   "c" compression (0 none, 1 segments)   "i" message id (16 random bytes)   "m" content type
//   (text: "message/rfc822")   "t" time (seconds since 1970)   "v" 1
// then the body: the message byte for byte, or its segments (core/segments.h). Then zero padding,
// and a trailer: the body's size (8 bytes, big-endian). The whole plaintext is as long as PADME
// (Nikitin et al. 2019) rounds it to, at least 4,096 bytes. So a stream of unknown length is sealed
// as it comes.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/bytes.h"
#include "core/crypto.h"
#include "core/leaf_worker.h"
#include "core/result.h"
#include "core/segments.h"
#include "core/tree.h"

namespace p2pmail::core {

inline constexpr std::size_t kChunkPlain = 65520;
inline constexpr std::size_t kChunkSealed = 65536;
inline constexpr std::size_t kMinPlain = 4096;

inline constexpr std::uint64_t kUncompressed = 0;
inline constexpr std::uint64_t kSegments = 1;
inline constexpr std::size_t kMaxPreamble = 1024;
/// The end of the year 9999: no time in any format is later, so that every date can be printed.
inline constexpr std::uint64_t kMaxTime = 253402300799;

/// Smallest PADME size that holds `size` bytes, at least kMinPlain.
[[nodiscard]] std::uint64_t padded_size(std::uint64_t size);
/// Size of the sealed stream for `plain` bytes of plaintext (> 0), and back. kMalformed when no
/// plaintext has that size, or it is above kMaxLetterSize. Results that would overflow are
/// UINT64_MAX, here and in padded_size.
[[nodiscard]] std::uint64_t sealed_size(std::uint64_t plain);
[[nodiscard]] Result<std::uint64_t> plain_size(std::uint64_t sealed);

struct Preamble {
  std::array<std::uint8_t, 16> id{};
  std::uint64_t time = 0;
  std::string content_type = "message/rfc822";
  std::uint64_t compression = kUncompressed;
};

/// Takes sealed bytes in order.
using Sink = std::function<Status(ByteView)>;
/// Reads sealed bytes at an offset: all of `out` or an error.
using Source = std::function<Status(std::uint64_t offset, ByteSpan out)>;

/// Seals a message as it comes, in constant memory (a few MiB for a long one). A failure of the sink
/// ends it; an interrupted sealing is discarded, never resumed with the same key. kMalformed when the
/// letter would exceed kMaxLetterSize, or the preamble breaks its bounds (said by the first write or
/// finish).
///
/// With kSegments in the preamble, what gains from it is compressed; a message of one segment that
/// does not is sealed with kUncompressed.
///
/// The sink is called in the caller's thread, from write() and finish(), with one block at a time;
/// the blocks of a longer letter are hashed in a thread beside it.
class LetterSealer {
 public:
  LetterSealer(const SymmetricKey& payload_key, const Preamble& preamble, Sink sink);
  LetterSealer(const LetterSealer&) = delete;
  LetterSealer& operator=(const LetterSealer&) = delete;
  [[nodiscard]] Status write(ByteView message);
  struct Sealed {
    Root root;
    std::uint64_t size = 0;  // of the sealed stream
    std::uint64_t message_size = 0;
    std::vector<Digest> leaves;
  };
  /// Once: padding, trailer, last chunk.
  [[nodiscard]] Result<Sealed> finish();

 private:
  [[nodiscard]] Status begin(std::uint64_t compression);
  [[nodiscard]] Status put_body(ByteView bytes);
  [[nodiscard]] Status finish_body();
  [[nodiscard]] Status fill(ByteView plain);
  [[nodiscard]] Status fill_end();
  [[nodiscard]] Status seal_chunk(ByteView plain, bool last);
  [[nodiscard]] Status flush_block(bool last);
  Status state_;  // the first failure stays
  SymmetricKey key_;
  Preamble preamble_;
  Sink sink_;
  std::optional<SegmentWriter> segments_;
  SecretBytes chunk_;
  std::size_t used_ = 0;
  Bytes block_;  // of sealed chunks
  std::size_t block_used_ = 0;
  std::uint64_t number_ = 0;
  std::uint64_t plain_ = 0;
  std::uint64_t body_start_ = 0;  // 0: not begun
  std::uint64_t message_ = 0;
  std::uint64_t sealed_ = 0;
  LeafWorker worker_;
  std::vector<Digest> leaves_;
};

struct OpenedPrefix;

/// Opens a stored letter: random access, one chunk in memory (of a compressed one also a segment).
/// Whether the stream has its root is verified apart (hash_stream), because a reader of the first
/// lines should not hash 10 GiB.
class LetterOpener {
 public:
  /// Reads the first chunk (preamble), the last (true size, truncation) and the end of the body.
  /// kForged when a chunk does not open; kMalformed when preamble, padding size, trailer or the end
  /// of a compressed body break a rule, or the padding in the last chunk is not zero; kUnsupported.
  [[nodiscard]] static Result<LetterOpener> open(const SymmetricKey& payload_key,
                                                 std::uint64_t sealed_size, Source source);
  [[nodiscard]] const Preamble& preamble() const { return preamble_; }
  [[nodiscard]] std::uint64_t message_size() const { return message_size_; }
  /// Up to out.size() bytes of the message at `offset`; 0 at its end. kMalformed when a compressed
  /// segment breaks a rule.
  [[nodiscard]] Result<std::size_t> read(std::uint64_t offset, ByteSpan out);

 private:
  LetterOpener(const SymmetricKey& key, std::uint64_t plain, Source source);
  friend Result<OpenedPrefix> open_prefix(const SymmetricKey&, std::uint64_t, ByteView,
                                          std::size_t);
  [[nodiscard]] std::size_t chunk_size(std::uint64_t number) const;
  [[nodiscard]] Status open_chunk(std::uint64_t number, ByteSpan out);
  [[nodiscard]] Status load_chunk(std::uint64_t number);
  [[nodiscard]] Status read_plain(std::uint64_t offset, ByteSpan out);
  [[nodiscard]] Status read_body(std::uint64_t offset, ByteSpan out);
  [[nodiscard]] Status read_preamble();
  [[nodiscard]] Status read_trailer();
  [[nodiscard]] Status read_end();
  SymmetricKey key_;
  std::uint64_t plain_ = 0;
  Source source_;
  Preamble preamble_;
  std::uint64_t body_start_ = 0;
  std::uint64_t body_size_ = 0;
  std::uint64_t message_size_ = 0;
  std::optional<SegmentReader> segments_;
  SecretBytes chunk_;
  Bytes sealed_;
  std::uint64_t loaded_ = UINT64_MAX;
};

/// The first bytes of the message from the first block alone (a prefix of the sealed stream of
/// `sealed_size` bytes in all), before the rest has arrived. Chunks that are not complete in
/// `prefix` are left out; it needs the first. Padding may follow the message when its end lies in
/// the prefix but the trailer does not. Of a compressed message at most the first segment.
/// kForged, kMalformed, kUnsupported.
struct OpenedPrefix {
  Preamble preamble;
  std::string message;  // at most `max` bytes
};
[[nodiscard]] Result<OpenedPrefix> open_prefix(const SymmetricKey& payload_key,
                                               std::uint64_t sealed_size, ByteView prefix,
                                               std::size_t max);

/// The root of a stored stream. Two threads hash; `source` is called in the caller's.
[[nodiscard]] Result<Root> hash_stream(std::uint64_t sealed_size, const Source& source);

}  // namespace p2pmail::core
