// Small helpers over POSIX files: RAII descriptors, durable writes, bounded reads.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"
#include "core/secret.h"

namespace p2pmail::core {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// The Error for errno `number` while doing `what` on `path` ("path: cannot open: ...").
[[nodiscard]] Error errno_error(int number, const std::filesystem::path& path, const char* what);

/// Opens with O_CLOEXEC; `mode` counts when the file is created.
[[nodiscard]] Result<Fd> open_file(const std::filesystem::path& path, int flags, unsigned mode = 0600);
enum class LockKind { kShared, kExclusive };
/// flock(2) on an open file, released when every copy of the descriptor is closed or the process dies.
/// Waits at most `wait`: false when somebody else keeps it that long.
[[nodiscard]] Result<bool> lock_file(int fd, LockKind kind, std::chrono::milliseconds wait,
                                     const std::filesystem::path& path);
/// Whether `path` is still a name of the file that is open as `fd`.
[[nodiscard]] bool is_named(int fd, const std::filesystem::path& path);
/// All of it or an error, retrying short writes and EINTR. Bytes at `offset`.
[[nodiscard]] Status write_at(int fd, std::uint64_t offset, ByteView bytes,
                              const std::filesystem::path& path);
/// Reads up to out.size() bytes at `offset`; fewer only at the end of the file.
[[nodiscard]] Result<std::size_t> read_at(int fd, std::uint64_t offset, ByteSpan out,
                                          const std::filesystem::path& path);
/// fsync; an error means that the data must be written again, never only synced again.
[[nodiscard]] Status sync_fd(int fd, const std::filesystem::path& path);
/// The same for many files at once, from several threads: a file system brings them to the disk with a
/// few commits of its journal instead of one for each (64 small files on ext4: 2 ms instead of 70).
/// One result per file, in order; nothing is done for -1.
struct OpenPath {
  int fd = -1;
  std::filesystem::path path;
};
[[nodiscard]] std::vector<Status> sync_all(const std::vector<OpenPath>& files);
[[nodiscard]] Status sync_directory(const std::filesystem::path& directory);
/// A whole file of at most `max` bytes. kNotFound when it does not exist, kMalformed when larger.
[[nodiscard]] Result<Bytes> read_file(const std::filesystem::path& path, std::size_t max);
[[nodiscard]] Result<SecretBytes> read_secret_file(const std::filesystem::path& path,
                                                   std::size_t max);
/// Beside, fsync, rename, fsync of the directory: afterwards the old or the new content is there,
/// whatever crashes.
[[nodiscard]] Status replace_file(const std::filesystem::path& path, ByteView bytes,
                                  unsigned mode = 0600);
/// Removes what calls of replace_file for `path` left beside it when they were killed. What somebody
/// is writing at this moment stays.
void remove_leftovers(const std::filesystem::path& path);
/// mkdir -p with mode 0700 for what it creates.
[[nodiscard]] Status make_directories(const std::filesystem::path& path);

}  // namespace p2pmail::core
