#include "cmd/attachments.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "cmd/format.h"
#include "core/crypto.h"
#include "core/file.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr int kMaxTaken = 10'000;
constexpr std::uint64_t kWriteback = std::uint64_t{8} << 20;  // bytes

/// Better said at once than after an hour. What the contents have at least is compared, because their
/// encodings hide how much it will be; a disk that fills all the same ends it later.
Status check_room(int directory, const std::vector<core::PartInfo>& parts,
                  const std::string& shown) {
  struct statvfs facts {};
  if (fstatvfs(directory, &facts) != 0) return {};
  const std::uint64_t room = std::uint64_t{facts.f_bavail} * facts.f_frsize;
  std::uint64_t needed = 0;
  for (const auto& part : parts) needed += part.least_size;
  if (needed <= room) return {};
  return Error{Code::kNoSpace, fmt::format("{}: {} are needed and {} are free", shown,
                                           human_size(needed), human_size(room)),
               ""};
}

/// Lets the disk work while we do, so that the fsync at the end is short. It promises nothing.
void start_writeback(int fd, std::uint64_t& started, std::uint64_t written) {
  if (written - started < kWriteback) return;
  (void)sync_file_range(fd, static_cast<off64_t>(started), static_cast<off64_t>(written - started),
                        SYNC_FILE_RANGE_WRITE);
  started = written;
}

/// Names made in one directory, removed again unless kept.
class NamesIn {
 public:
  explicit NamesIn(int directory) : directory_(directory) {}
  ~NamesIn() { forget(); }
  NamesIn(const NamesIn&) = delete;
  NamesIn& operator=(const NamesIn&) = delete;
  void add(std::string name) { names_.push_back(std::move(name)); }
  void forget() {
    for (const auto& name : names_) unlinkat(directory_, name.c_str(), 0);
    names_.clear();
  }
  [[nodiscard]] std::vector<std::string> keep() { return std::exchange(names_, {}); }
  [[nodiscard]] const std::vector<std::string>& all() const { return names_; }

 private:
  int directory_;
  std::vector<std::string> names_;
};

std::string numbered(const std::string& name, int number) {
  if (number == 0) return name;
  const auto dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0) return fmt::format("{}-{}", name, number);
  return fmt::format("{}-{}{}", name.substr(0, dot), number, name.substr(dot));
}

std::string temporary_name() {
  core::Bytes random(12);
  core::random_bytes(random);
  return ".p2pmail-" + core::to_hex(random);
}

Status write_temporary(const core::Message& message, int number, int directory,
                       const std::string& shown, NamesIn& made,
                       const std::function<Status(std::size_t)>& wrote) {
  const std::string name = temporary_name();
  const core::Fd file(
      openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return core::errno_error(errno, shown, "cannot create");
  made.add(name);
  std::uint64_t offset = 0, started = 0;
  auto written = message.write_part(number, [&](core::ByteView bytes) -> Status {
    auto put = core::write_at(file.get(), offset, bytes, shown);
    offset += bytes.size();
    start_writeback(file.get(), started, offset);
    return put && wrote ? wrote(bytes.size()) : put;
  });
  if (!written) return written;
  return core::sync_fd(file.get(), shown);
}

/// A hard link fails when the name exists, whatever it is; nothing is ever replaced. File systems
/// without links take the second way, with the same promise.
int give_name(int directory, const std::string& from, const std::string& to) {
  if (linkat(directory, from.c_str(), directory, to.c_str(), 0) == 0) return 0;
  const bool no_links = errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK;
  if (!no_links) return errno;
  return renameat2(directory, from.c_str(), directory, to.c_str(), RENAME_NOREPLACE) == 0 ? 0
                                                                                          : errno;
}

Status name_it(int directory, const std::string& temporary, const std::string& wanted,
               NamesIn& named) {
  for (int number = 0; number < kMaxTaken; ++number) {
    const std::string name = numbered(wanted, number);
    const int failure = give_name(directory, temporary, name);
    if (failure == 0) return named.add(name), Status{};
    if (failure != EEXIST) return core::errno_error(failure, name, "cannot create");
  }
  return Error{Code::kExists, wanted + ": too many files of that name", ""};
}

}  // namespace

Result<std::vector<std::string>> save_parts(const core::Message& message,
                                            const std::vector<core::PartInfo>& parts,
                                            const std::string& directory,
                                            const std::function<Status(std::size_t)>& wrote) {
  if (auto made = core::make_directories(directory); !made) return made.error();
  auto opened = core::open_file(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!opened) return opened.error();
  const int fd = opened->get();
  if (auto room = check_room(fd, parts, directory); !room) return room.error();
  NamesIn temporary(fd), named(fd);
  for (const auto& part : parts) {
    const std::string shown = directory + "/" + core::safe_file_name(part.file_name);
    auto written = write_temporary(message, part.number, fd, shown, temporary, wrote);
    if (!written) return written.error();
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string wanted = core::safe_file_name(parts[i].file_name);
    if (auto done = name_it(fd, temporary.all()[i], wanted, named); !done) {
      return done.error().in(directory);
    }
  }
  temporary.forget();
  if (auto synced = core::sync_fd(fd, directory); !synced) return synced.error();
  return named.keep();
}

}  // namespace p2pmail::cmd
