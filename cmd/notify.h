// Tells a service manager how a long-running command is doing: the protocol of sd_notify(3),
// without its library. One datagram per call, lines KEY=value, to an AF_UNIX socket that the
// manager named.
#pragma once

#include <string>
#include <string_view>

namespace p2pmail::cmd {

/// `socket` is what NOTIFY_SOCKET held: an absolute path, or `@name` for the abstract namespace.
/// Nothing happens when it is empty, something else, too long, or nobody reads it: a manager that
/// cannot be told must not stop the mail. Never blocks.
void notify(const std::string& socket, std::string_view state);

/// A line "STATUS=text", with no line break of the text's own.
[[nodiscard]] std::string status_line(std::string_view text);

}  // namespace p2pmail::cmd
