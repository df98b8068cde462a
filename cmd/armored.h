// Sealed parts as text, for mail programs that keep drafts in messages of 7-bit text:
//
//   -----BEGIN P2PMAIL SEALED-----
//   base64 in lines of 64, of a bare sealed part (core/sealed_file.h)
//   -----END P2PMAIL SEALED-----
//
// Both directions go through a file in the store's directory for partial letters; it holds
// ciphertext and is removed in any case but a crash, after which it is cleaned up as other partial
// letters are.
#pragma once

#include <filesystem>

#include "cmd/env.h"
#include "core/result.h"

namespace p2pmail::cmd {

/// A file that is removed with the object.
class ScratchFile {
 public:
  /// A name in the store's partial directory; the file is not made yet.
  explicit ScratchFile(Env& env);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Writes the file's bytes armored to `out`, streamed.
[[nodiscard]] core::Status write_armored(Env& env, const std::filesystem::path& sealed);
/// True when the file begins with the armor's first line, perhaps after empty lines.
[[nodiscard]] core::Result<bool> is_armored(const std::filesystem::path& file);
/// Takes the armor off into `to`. kMalformed when it has no end or is not base64.
[[nodiscard]] core::Status remove_armor(const std::filesystem::path& file, const ScratchFile& to);

}  // namespace p2pmail::cmd
