#include "core/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <thread>

#include "core/crypto.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

// A new content lies beside its place as "<name>.new-<16 digits>" until it is whole.
constexpr std::string_view kBeside = ".new-";
constexpr std::size_t kBesideSize = 8;
constexpr std::chrono::seconds kBesideWait{5};
constexpr std::size_t kSyncThreads = 16;

Code code_of(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR: return Code::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS: return Code::kDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return Code::kNoSpace;
    case EEXIST: return Code::kExists;
    default: return Code::kIo;
  }
}

/// Size of a regular file of at most `max` bytes.
Result<std::size_t> bounded_size(int fd, const fs::path& path, std::size_t max) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return errno_error(errno, path, "cannot stat");
  if (S_ISDIR(info.st_mode)) return Error{Code::kMalformed, path.string() + ": is a directory"};
  if (static_cast<std::uint64_t>(info.st_size) > max)
    return Error{Code::kMalformed, path.string() + ": too large"};
  return static_cast<std::size_t>(info.st_size);
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) (void)close(fd_);
}

Error errno_error(int number, const fs::path& path, const char* what) {
  return {code_of(number), path.string() + ": " + what + ": " + std::strerror(number)};
}

Result<Fd> open_file(const fs::path& path, int flags, unsigned mode) {
  for (;;) {
    const int fd = open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return Fd(fd);
    if (errno != EINTR) return errno_error(errno, path, "cannot open");
  }
}

Result<bool> lock_file(int fd, LockKind kind, std::chrono::milliseconds wait,
                       const fs::path& path) {
  constexpr std::chrono::milliseconds kStep{10};
  const int operation = (kind == LockKind::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB;
  while (flock(fd, operation) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return errno_error(errno, path, "cannot lock");
    if (wait < kStep) return false;
    wait -= kStep;
    usleep(static_cast<useconds_t>(std::chrono::microseconds(kStep).count()));
  }
  return true;
}

bool is_named(int fd, const fs::path& path) {
  struct stat open_one {
  }, named{};
  return fstat(fd, &open_one) == 0 && open_one.st_nlink > 0 &&
         lstat(path.c_str(), &named) == 0 && open_one.st_dev == named.st_dev &&
         open_one.st_ino == named.st_ino;
}

Status write_at(int fd, std::uint64_t offset, ByteView bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t done = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno_error(errno, path, "cannot write");
    if (done == 0) return Error{Code::kIo, path.string() + ": cannot write"};
    bytes = bytes.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::uint64_t>(done);
  }
  return {};
}

Result<std::size_t> read_at(int fd, std::uint64_t offset, ByteSpan out, const fs::path& path) {
  std::size_t total = 0;
  while (total < out.size()) {
    const ssize_t done = pread(fd, out.data() + total, out.size() - total,
                               static_cast<off_t>(offset + total));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno_error(errno, path, "cannot read");
    if (done == 0) break;
    total += static_cast<std::size_t>(done);
  }
  return total;
}

Status sync_fd(int fd, const fs::path& path) {
  while (fsync(fd) != 0) {
    if (errno != EINTR) return errno_error(errno, path, "cannot sync");
  }
  return {};
}

std::vector<Status> sync_all(const std::vector<OpenPath>& files) {
  std::vector<Status> results(files.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < files.size(); i = next++)
      if (files[i].fd >= 0) results[i] = sync_fd(files[i].fd, files[i].path);
  };
  // Signals are for the thread that looks at what they set.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  std::vector<std::thread> helpers;
  try {
    while (helpers.size() + 1 < std::min(files.size(), kSyncThreads)) helpers.emplace_back(work);
  } catch (const std::system_error&) {
    // No more threads: those that there are do it all.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  work();
  for (std::thread& helper : helpers) helper.join();
  return results;
}

Status sync_directory(const fs::path& directory) {
  const auto fd = open_file(directory, O_RDONLY | O_DIRECTORY);
  if (!fd) return fd.error();
  return sync_fd(fd->get(), directory);
}

Result<Bytes> read_file(const fs::path& path, std::size_t max) {
  const auto fd = open_file(path, O_RDONLY);
  if (!fd) return fd.error();
  const auto size = bounded_size(fd->get(), path, max);
  if (!size) return size.error();
  Bytes bytes(*size);
  const auto got = read_at(fd->get(), 0, bytes, path);
  if (!got) return got.error();
  bytes.resize(*got);
  return bytes;
}

Result<SecretBytes> read_secret_file(const fs::path& path, std::size_t max) {
  const auto fd = open_file(path, O_RDONLY);
  if (!fd) return fd.error();
  const auto size = bounded_size(fd->get(), path, max);
  if (!size) return size.error();
  SecretBytes bytes(*size);
  const auto got = read_at(fd->get(), 0, bytes.span(), path);
  if (!got) return got.error();
  bytes.shorten(*got);
  return bytes;
}

Status replace_file(const fs::path& path, ByteView bytes, unsigned mode) {
  std::array<std::uint8_t, kBesideSize> suffix{};
  random_bytes(suffix);
  const fs::path beside = path.string() + std::string(kBeside) + to_hex(suffix);
  const auto written = [&]() -> Status {
    const auto fd = open_file(beside, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (!fd && fd.error().code == Code::kNotFound)
      return Error{Code::kCannotCreate, path.string() + ": cannot create: no such directory"};
    if (!fd) return fd.error();
    // For remove_leftovers. Where it is not to be had, that function cannot have it either.
    (void)lock_file(fd->get(), LockKind::kShared, kBesideWait, beside);
    if (const auto put = write_at(fd->get(), 0, bytes, beside); !put) return put;
    if (const auto synced = sync_fd(fd->get(), beside); !synced) return synced;
    if (rename(beside.c_str(), path.c_str()) != 0)
      return errno_error(errno, path, "cannot replace");
    return sync_directory(path.parent_path().empty() ? fs::path(".") : path.parent_path());
  }();
  if (!written) (void)unlink(beside.c_str());
  return written;
}

void remove_leftovers(const fs::path& path) {
  const std::string start = path.filename().string() + std::string(kBeside);
  std::error_code failure;
  fs::directory_iterator files(path.parent_path().empty() ? "." : path.parent_path(), failure);
  for (; !failure && files != fs::directory_iterator{}; files.increment(failure)) {
    const std::string name = files->path().filename().string();
    const auto suffix = name.starts_with(start) ? from_hex(name.substr(start.size())) : std::nullopt;
    if (!suffix || suffix->size() != kBesideSize) continue;
    const auto fd = open_file(files->path(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    if (!fd) continue;
    const auto ours = lock_file(fd->get(), LockKind::kExclusive, {}, files->path());
    if (ours && *ours) (void)unlink(files->path().c_str());
  }
}

Status make_directories(const fs::path& path) {
  std::error_code failure;
  if (path.empty() || fs::is_directory(path, failure)) return {};
  if (const auto above = make_directories(path.parent_path()); !above) return above;
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return errno_error(errno, path, "cannot create");
  if (!fs::is_directory(path, failure))
    return Error{Code::kCannotCreate, path.string() + ": is not a directory"};
  return {};
}

}  // namespace p2pmail::core
