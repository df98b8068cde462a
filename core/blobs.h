// Streams of large letters, beside the Maildir, so that mail programs never copy them:
//
//   <maildir>/.p2pmail/blobs/<40 hex>          one letter's sealed stream, at the end of the file
//   <maildir>/.p2pmail/blobs/<40 hex>.leaves   its hash list: the leaf of every block (32 bytes per
//                                              MiB, core/tree.h), in order
//
// The name is the permanent id of the message, whose stub file in the Maildir (core/sealed_file.h,
// version 2) names it again. What came has its stream alone in the file; what we sent ourselves is
// the sealed file as it was under construction, whose first bytes mean nothing. Blobs are immutable;
// core/blob_upkeep.h removes those that no mail names any longer.
#pragma once

#include <filesystem>
#include <vector>

#include "core/bytes.h"
#include "core/file.h"
#include "core/result.h"
#include "core/sealed_file.h"
#include "core/tree.h"

namespace p2pmail::core {

class Blobs {
 public:
  /// `maildir`: the root of the Maildir. Nothing is made before the first blob is adopted.
  explicit Blobs(const std::filesystem::path& maildir) : directory_(maildir / ".p2pmail/blobs") {}
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] std::filesystem::path path(const MessageId& name) const;
  [[nodiscard]] std::filesystem::path leaves_path(const MessageId& name) const;

  /// Makes `partial`, which the caller has fsynced and which lies on the same file system, the blob
  /// of this name; afterwards it is durable and `partial` is gone. The same letter again (a delivery
  /// that was interrupted, mail to oneself) takes the place of the one before. A missing `partial`
  /// whose blob is there has been adopted before: success.
  [[nodiscard]] Status adopt(const std::filesystem::path& partial, const MessageId& name,
                             const std::vector<Digest>& leaves) const;
  /// After a failure: of a blob that no mail names yet.
  void remove(const MessageId& name) const;

 private:
  std::filesystem::path directory_;
};

/// Reads the stream of a blob and gives out nothing that is not part of the letter `root`: the hash
/// list is checked when the blob is opened (one pass over 32 bytes per MiB), each block of 1 MiB when
/// it is read. Two checked blocks and the leaves of one group are kept, so that reading in order checks
/// every block once; memory does not depend on the size.
class BlobReader {
 public:
  /// kNotFound without the blob or its hash list; kMalformed when it is no regular file or not as
  /// long as `ref` and `size` say; kForged when the hash list is not that of `root`. Errors name the
  /// file. `size` bytes of stream begin at the offset of `ref`, or at 0 in a file that is exactly as
  /// long: the copy that we had from ourselves took the place of the one that we sent.
  [[nodiscard]] static Result<BlobReader> open(const Blobs& blobs, const BlobRef& ref,
                                               std::uint64_t size, const Root& root);
  /// All of `out` from the stream at `offset`. kForged names the block that was changed.
  [[nodiscard]] Status read(std::uint64_t offset, ByteSpan out);

 private:
  struct Block {
    std::uint64_t index = UINT64_MAX;
    Bytes bytes;
  };
  BlobReader() = default;
  [[nodiscard]] Status check_leaves(const Root& root);
  [[nodiscard]] Status load_leaves(std::uint64_t group);
  [[nodiscard]] Result<const Block*> block(std::uint64_t index);

  std::filesystem::path path_, leaves_path_;
  Fd stream_, leaf_file_;
  std::uint64_t offset_ = 0;
  std::uint64_t size_ = 0;
  std::vector<Digest> groups_;
  std::uint64_t group_ = UINT64_MAX;  // whose leaves are loaded
  std::vector<Digest> leaves_;
  Block latest_, before_;
};

}  // namespace p2pmail::core
