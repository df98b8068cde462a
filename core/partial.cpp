#include "core/partial.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

constexpr int kRaces = 8;  // with somebody who removes it between our open and our lock
// Blocks that may be dirty in memory: so the last fsync is short, and nobody waits seconds for it.
constexpr std::uint64_t kBehind = 16;

}  // namespace

Result<Partial> Partial::open(const fs::path& path, std::uint64_t size, After after) {
  const Error busy{Code::kBusy, "this letter is on its way already"};
  for (int i = 0; i < kRaces; ++i) {
    auto fd = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (!fd) return fd.error();
    const auto locked = lock_file(fd->get(), LockKind::kExclusive, {}, path);
    if (!locked) return locked.error();
    if (!*locked) return busy;
    if (!is_named(fd->get(), path)) continue;
    if (ftruncate(fd->get(), static_cast<off_t>(size)) != 0)
      return errno_error(errno, path, "cannot set its size");
    return Partial(path, size, after, std::move(*fd));
  }
  return busy;
}

// The lock is let go after its name: nobody can have it in between.
Partial::~Partial() {
  if (!fd_ || !is_ours_) return;
  if (after_ == After::kRemoved || on_disk() == 0)
    if (is_there()) (void)unlink(path_.c_str());
}

Status Partial::write(std::uint64_t index, ByteView block) {
  if (!state_) return state_;
  const std::uint64_t at = index * kBlockSize;
  if (const auto put = write_at(fd_.get(), at, block, path_); !put) return put;
  // Only advice: errors are sync's to find.
  (void)sync_file_range(fd_.get(), static_cast<off_t>(at), static_cast<off_t>(block.size()),
                        SYNC_FILE_RANGE_WRITE);
  if (index < kBehind) return {};
  const auto behind = static_cast<off_t>((index - kBehind) * kBlockSize);
  if (sync_file_range(fd_.get(), behind, kBlockSize, SYNC_FILE_RANGE_WAIT_BEFORE) == 0) return {};
  // A file system that cannot wait says so; whatever else it tells of, a later fsync would not find.
  if (errno == EINVAL || errno == ENOSYS || errno == ESPIPE || errno == EINTR) return {};
  return fail(errno);
}

// What the disk did not take still looks right in memory, to us and to the next process: it goes.
Status Partial::fail(int number) {
  if (is_there()) (void)unlink(path_.c_str());
  after_ = After::kRemoved;
  return state_ = errno_error(number, path_, "cannot write");
}

Status Partial::read(std::uint64_t index, ByteSpan out) const {
  const auto got = read_at(fd_.get(), index * kBlockSize, out, path_);
  if (!got) return got.error();
  if (*got != out.size()) return Error{Code::kIo, path_.string() + ": somebody has cut it"};
  return {};
}

std::uint64_t Partial::next_data(std::uint64_t index) const {
  const auto all = block_count(size_);
  if (index >= all) return all;
  const auto from = index * kBlockSize;
  const off_t at = lseek(fd_.get(), static_cast<off_t>(from), SEEK_DATA);
  if (at >= 0) return std::min(all, std::max(index, static_cast<std::uint64_t>(at) / kBlockSize));
  return errno == ENXIO ? all : index;  // a file system without holes: each is looked at
}

std::uint64_t Partial::on_disk() const {
  struct stat facts {};
  if (fstat(fd_.get(), &facts) != 0) return 0;
  return static_cast<std::uint64_t>(facts.st_blocks) * 512;
}

Status Partial::sync() { return state_ ? sync_fd(fd_.get(), path_) : state_; }

}  // namespace p2pmail::core
