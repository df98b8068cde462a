// The sealed store file (design: "Mail at rest"): an RFC 5322 message that any mail program lists,
// whose body is multipart/encrypted (RFC 3156's shape) with a binary second part:
//
//   outer header                           built by us, LF line ends
//   --b / application/pgp-encrypted / "Version: 1"
//   --b / application/octet-stream, Content-Transfer-Encoding: binary
//   region head, 32 bytes: magic (16, kMagic), version (u32 1), capsule size (u32), stream size (u64),
//                          all big-endian
//   capsule                                sealed to the store key
//   stream                                 the letter's stream as it came
//   "\n--b--\n"
//
// A letter larger than a setting lies beside the Maildir (core/blobs.h), and its file is a stub: the
// same without the stream, and with a region head of version 2, 60 bytes:
//
//   magic (16), version (u32 2), capsule size (u32), stream size (u64), where in the blob the stream
//   begins (u64), name of the blob (20): the message's permanent id
//
// The region is found by its magic, at the start of the file (the bare part, as mutt's decrypt hook
// gives it) or right after an empty line within the first kMaxPrefix bytes: a mail program may have
// rewritten the outer header.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/bytes.h"
#include "core/file.h"
#include "core/letter.h"
#include "core/mime.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::size_t kMaxPrefix = 64 * 1024;
inline constexpr std::size_t kRegionHead = 32;
inline constexpr std::size_t kStubHead = 60;
/// A larger stream lies in a blob, as long as no setting says otherwise (bytes).
inline constexpr std::uint64_t kInlineMax = std::uint64_t{32} << 20;
// Control bytes on purpose: no mail program produces them at the start of a part.
inline constexpr std::string_view kMagic{"p2pmail-sealed\x1a\n", 16};

/// Outer header policy: what the file says to whoever can read it (RFC 9788 section 3 names the
/// first three). kNone: subjects show; kBaseline: "Subject: [...]"; kShy: also without display
/// names and in UTC; kSealed: also without From, To, Cc and what names the signer.
enum class HeaderPolicy { kNone, kBaseline, kShy, kSealed };

struct OuterHeader {
  HeaderFields fields;  // of the message inside; values are bounded and encoded again here
  std::string authentication;  // Authentication-Results value, our own words; empty = no such field
  MessageId id;
  HeaderPolicy policy = HeaderPolicy::kBaseline;
};
/// Everything before the region head. At most kMaxPrefix bytes whatever the fields hold: long values
/// and lists are cut.
[[nodiscard]] std::string sealed_prefix(const OuterHeader& outer);

/// Where the stream of a stub lies.
struct BlobRef {
  MessageId name;
  std::uint64_t offset = 0;  // in the blob, bytes; at most kMaxLetterSize
};

/// Writes one sealed file in place: prefix, room for the capsule, stream, end; the capsule last, so
/// that an unfinished file opens for nobody.
class SealedFileWriter {
 public:
  /// Creates `path` (O_EXCL, 0600), or leaves nothing. `capsule_size` is exact. The file is locked
  /// (flock, shared) as long as the writer lives: whoever tidies up leaves it alone.
  [[nodiscard]] static Result<SealedFileWriter> create(const std::filesystem::path& path,
                                                       std::string_view prefix,
                                                       std::size_t capsule_size);
  /// Stream bytes at their offset in the stream.
  [[nodiscard]] Status write(std::uint64_t offset, ByteView bytes);
  /// End boundary, region head, capsule; does not fsync (see sync), so that many can share one.
  [[nodiscard]] Status finish(ByteView capsule, std::uint64_t stream_size);
  /// The same for a stub, in place of every `write`: the stream lies in the blob already.
  [[nodiscard]] Status finish_stub(ByteView capsule, std::uint64_t stream_size,
                                   const BlobRef& blob);
  [[nodiscard]] Status sync();
  /// Whether the file still has its name: false when somebody has removed it.
  [[nodiscard]] bool is_there() const { return is_named(fd_.get(), path_); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::uint64_t stream_offset() const { return stream_offset_; }

 private:
  SealedFileWriter() = default;
  [[nodiscard]] Status put_end(std::uint64_t at);
  std::filesystem::path path_;
  Fd fd_;
  std::string boundary_;  // read from the prefix; empty for a bare part
  std::size_t capsule_size_ = 0;
  std::uint64_t region_ = 0;
  std::uint64_t stream_offset_ = 0;
  bool has_stream_ = false;
};

/// A sealed file opened for reading.
class SealedFile {
 public:
  /// kMalformed when there is no region, or sizes do not fit the file; names the file.
  [[nodiscard]] static Result<SealedFile> open(const std::filesystem::path& path);
  [[nodiscard]] const Bytes& capsule() const { return capsule_; }
  [[nodiscard]] std::uint64_t stream_size() const { return stream_size_; }
  /// In this file; 0 for a stub.
  [[nodiscard]] std::uint64_t stream_offset() const { return stream_offset_; }
  /// Where the stream of a stub lies. Anybody could have written it: whoever opens the capsule
  /// compares the name with its id, and the stream with its root.
  [[nodiscard]] const std::optional<BlobRef>& blob() const { return blob_; }
  /// Valid as long as this object; for LetterOpener and hash_stream. Of a stub nothing can be read.
  [[nodiscard]] Source source() const;
  /// The outer header's text (empty for a bare part).
  [[nodiscard]] const std::string& outer() const { return outer_; }

 private:
  SealedFile() = default;
  std::filesystem::path path_;
  Fd fd_;
  Bytes capsule_;
  std::string outer_;
  std::uint64_t stream_offset_ = 0;
  std::uint64_t stream_size_ = 0;
  std::optional<BlobRef> blob_;
};

/// The blob that a file names, from its region head alone, whatever its capsule is; nullopt when it is
/// no stub. Errors when the file cannot be read; kUnsupported for a version that is not known.
[[nodiscard]] Result<std::optional<BlobRef>> blob_of(const std::filesystem::path& path);
/// Reads only the outer header of a file (for listing): at most kMaxPrefix bytes.
[[nodiscard]] Result<std::string> read_outer(const std::filesystem::path& path);
/// The value of our P2pmail-Id field in an outer header.
[[nodiscard]] std::optional<MessageId> id_in(std::string_view outer);

}  // namespace p2pmail::core
