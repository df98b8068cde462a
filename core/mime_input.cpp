#include "core/mime_input.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/file.h"
#include "core/mime_text.h"
#include "core/text.h"

namespace p2pmail::core::mime {

namespace {

constexpr std::size_t kPeek = 64 * 1024;
constexpr std::size_t kMaxLine = 998;  // RFC 5322 section 2.1.1
constexpr int kStopMilliseconds = 200;  // the longest that a stop goes unnoticed

/// What the first bytes allow to promise about all of them. Binary promises nothing, so that is
/// what a body is that goes on after the bytes that were looked at.
const char* body_encoding(const Input& input) {
  if (!input.is_whole()) return "binary";
  const auto text = text_of(input.start());
  bool is_ascii = true;
  std::size_t line = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_crlf = text[i] == '\r' && text.substr(i + 1, 1) == "\n";
    line = text[i] == '\n' ? 0 : line + (is_crlf ? 0 : 1);
    if (line > kMaxLine || text[i] == '\0' || (text[i] == '\r' && !is_crlf)) return "binary";
    is_ascii = is_ascii && static_cast<unsigned char>(text[i]) < 0x80;
  }
  return is_ascii ? "7bit" : "8bit";
}

/// Until there is something to read, or the end. False: stopped.
bool wait_readable(int fd, const Input::Stopped& stopped) {
  pollfd item{fd, POLLIN, 0};
  for (;;) {
    if (stopped && stopped()) return false;
    const int ready = poll(&item, 1, stopped ? kStopMilliseconds : -1);
    if (ready > 0 || (ready < 0 && errno != EINTR)) return true;  // read says what is wrong
  }
}

}  // namespace

Input::Input(int fd, std::string name, std::string_view start, Stopped stopped)
    : fd_(fd),
      name_(std::move(name)),
      buffer_(std::max(kPeek, start.size())),
      size_(start.size()),
      stopped_(std::move(stopped)) {
  std::copy(start.begin(), start.end(), buffer_.begin());
}

void Input::expect_size() {
  struct stat facts {};
  if (fd_ < 0 || fstat(fd_, &facts) != 0 || !S_ISREG(facts.st_mode)) return;
  const off_t at = lseek(fd_, 0, SEEK_CUR);
  if (at < 0 || facts.st_size <= at) return;
  (void)posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
  expected_ = static_cast<std::uint64_t>(facts.st_size - at);
  file_size_ = static_cast<std::uint64_t>(facts.st_size);
  modified_ = facts.st_mtim;
}

bool Input::has_changed() const {
  struct stat facts {};
  if (!expected_ || fstat(fd_, &facts) != 0) return false;
  return static_cast<std::uint64_t>(facts.st_size) != file_size_ ||
         facts.st_mtim.tv_sec != modified_.tv_sec || facts.st_mtim.tv_nsec != modified_.tv_nsec;
}

Status Input::peek() {
  const bool is_first = taken_ == 0;
  while (fd_ >= 0 && !is_whole_ && size_ < buffer_.size()) {
    ByteSpan room = ByteSpan(buffer_).subspan(size_);
    if (expected_) room = room.first(std::min<std::uint64_t>(room.size(), *expected_ - taken_));
    std::size_t count = 0;
    if (!room.empty()) {
      auto got = read_some(fd_, name_, room, stopped_);
      if (!got) return got.error();
      count = *got;
    }
    size_ += count;
    taken_ += count;
    is_whole_ = count == 0;
  }
  is_whole_ = is_whole_ || fd_ < 0;
  if (!expected_ || !is_whole_ || taken_ == *expected_) return {};
  if (!is_first) return Error{Code::kIo, name_ + ": became shorter while it was read", ""};
  // /sys says 4096 of everything. Nothing was promised yet.
  expected_ = taken_;
  return {};
}

Status Input::copy(const Sink& sink) {
  if (auto read = peek(); !read) return read;
  while (size_ > 0) {
    if (auto put = sink(start()); !put) return put;
    size_ = 0;
    if (auto more = peek(); !more) return more;
  }
  return {};
}

Result<std::size_t> read_some(int fd, const std::string& name, ByteSpan out,
                              const Input::Stopped& stopped) {
  bool waits = static_cast<bool>(stopped);
  for (;;) {
    if (waits && !wait_readable(fd, stopped)) return Error{Code::kTimeout, "interrupted", ""};
    const ssize_t got = ::read(fd, out.data(), out.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    waits = waits || errno == EAGAIN;
    if (errno != EINTR && errno != EAGAIN)
      return Error{Code::kIo, errno_error(errno, name, "cannot read").context};
  }
}

bool starts_as_utf8(const Input& input) {
  const auto start = text_of(input.start());
  return is_utf8(input.is_whole() ? start : cut_utf8(start, start.empty() ? 0 : start.size() - 1));
}

std::string body_fields(const Input& input) {
  return std::string("Content-Type: text/plain; charset=") +
         (starts_as_utf8(input) ? "utf-8" : "unknown-8bit") +
         "\nContent-Transfer-Encoding: " + body_encoding(input) + "\n\n";
}

}  // namespace p2pmail::core::mime
