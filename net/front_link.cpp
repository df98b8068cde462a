#include "net/front_link.h"

#include <sys/socket.h>

#include <cerrno>

namespace p2pmail::net {
namespace {

/// Bytes written, 0 when there is no room, nullopt when it is broken.
std::optional<std::size_t> write_some(int fd, core::ByteView bytes) {
  for (;;) {
    const auto put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put >= 0) return static_cast<std::size_t>(put);
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == ENOBUFS) return 0;
    return std::nullopt;
  }
}

}  // namespace

Flow::Moved Flow::pull(int from, int to, core::ByteSpan scratch) {
  Moved moved;
  const auto got = ::recv(from, scratch.data(), scratch.size(), MSG_DONTWAIT);
  if (got < 0) {
    moved.end = errno != EAGAIN && errno != EINTR;
    return moved;
  }
  if (got == 0) {
    moved.end = true;
    return moved;
  }
  moved.read = static_cast<std::size_t>(got);
  if (to < 0) return moved;
  const auto bytes = core::ByteView(scratch).first(moved.read);
  const auto put = write_some(to, bytes);
  moved.broken = !put.has_value();
  moved.written = put.value_or(0);
  if (!moved.broken && moved.written < moved.read)
    held_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(moved.written), bytes.end());
  return moved;
}

Flow::Moved Flow::push(int to) {
  Moved moved;
  if (held_.empty()) return moved;
  const auto put = write_some(to, held_);
  moved.broken = !put.has_value();
  moved.written = put.value_or(0);
  if (moved.broken || moved.written == held_.size()) {
    forget();
  } else {
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(moved.written));
  }
  return moved;
}

}  // namespace p2pmail::net
