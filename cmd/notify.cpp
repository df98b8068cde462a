#include "cmd/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>

#include "core/file.h"
#include "core/text.h"

namespace p2pmail::cmd {

void notify(const std::string& socket, std::string_view state) {
  sockaddr_un address{};
  // unix(7): an abstract name begins with a zero byte and ends with the length, without another.
  if (socket.size() < 2 || socket.size() >= sizeof address.sun_path) return;
  if (socket[0] != '/' && socket[0] != '@') return;
  address.sun_family = AF_UNIX;
  std::copy(socket.begin(), socket.end(), address.sun_path);
  if (socket[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size());
  const core::Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return;
  (void)sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&address), length);
}

std::string status_line(std::string_view text) { return "STATUS=" + core::clean_line(text); }

}  // namespace p2pmail::cmd
