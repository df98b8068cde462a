#include "core/mime_input.h"

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

}  // namespace

Input::Input(int fd, std::string name, std::string_view start)
    : fd_(fd), name_(std::move(name)), buffer_(std::max(kPeek, start.size())), size_(start.size()) {
  std::copy(start.begin(), start.end(), buffer_.begin());
}

Status Input::peek() {
  while (fd_ >= 0 && !is_whole_ && size_ < buffer_.size()) {
    auto got = read_some(fd_, name_, ByteSpan(buffer_).subspan(size_));
    if (!got) return got.error();
    size_ += *got;
    is_whole_ = *got == 0;
  }
  is_whole_ = is_whole_ || fd_ < 0;
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

Result<std::size_t> read_some(int fd, const std::string& name, ByteSpan out) {
  ssize_t got = 0;
  do got = ::read(fd, out.data(), out.size());
  while (got < 0 && errno == EINTR);
  if (got >= 0) return static_cast<std::size_t>(got);
  return Error{Code::kIo, errno_error(errno, name, "cannot read").context};
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
