// Inside of core/mime only: what goes into a message, read once, and what its first bytes promise.
#pragma once

#include <ctime>
#include <functional>
#include <optional>
#include <string>

#include "core/mime.h"

namespace p2pmail::core::mime {

/// A descriptor read once from where it is; its first bytes can be looked at before.
class Input {
 public:
  using Stopped = std::function<bool()>;
  /// `fd` is not owned, -1 is an empty file. `start` was read from it already. `stopped` as in Draft.
  Input(int fd, std::string name, std::string_view start = {}, Stopped stopped = {});

  /// Before anything is read: a regular file gives as many bytes as it has now, never more; one that
  /// ends sooner is kIo. Files that say they are empty (/proc) are read to their end.
  void expect_size();
  /// What is promised after expect_size and peek; nullopt = not known.
  [[nodiscard]] std::optional<std::uint64_t> size() const { return expected_; }
  /// Whether a regular file was written to since expect_size.
  [[nodiscard]] bool has_changed() const;

  /// Fills the buffer. Whether that is all of the file is known afterwards. kIo.
  [[nodiscard]] Status peek();
  [[nodiscard]] ByteView start() const { return ByteView(buffer_).first(size_); }
  [[nodiscard]] bool is_whole() const { return is_whole_; }

  /// Everything, what was looked at included.
  [[nodiscard]] Status copy(const Sink& sink);

 private:
  int fd_;
  std::string name_;
  Bytes buffer_;
  std::size_t size_ = 0;
  bool is_whole_ = false;
  Stopped stopped_;
  std::optional<std::uint64_t> expected_;
  std::uint64_t taken_ = 0;  // bytes read from fd_
  std::uint64_t file_size_ = 0;
  timespec modified_{};
};

/// Up to out.size() bytes from where `fd` is; 0 at its end. kIo; kTimeout when it has to be waited
/// for and `stopped` says so.
[[nodiscard]] Result<std::size_t> read_some(int fd, const std::string& name, ByteSpan out,
                                            const Input::Stopped& stopped = {});
[[nodiscard]] bool starts_as_utf8(const Input& input);
/// Content-Type, Content-Transfer-Encoding and the empty line after them, for plain text that was
/// peeked at.
[[nodiscard]] std::string body_fields(const Input& input);
/// "Name: <id>\n", or nothing for an id without a usable character.
[[nodiscard]] std::string id_field(std::string_view name, std::string_view id);
/// "Date: ...\n" in the local time zone; seconds since 1970.
[[nodiscard]] std::string date_field(std::uint64_t time);

}  // namespace p2pmail::core::mime
