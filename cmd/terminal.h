// The terminal: secrets asked without echo, yes or no, width, pager. Prompts go to /dev/tty, never
// to stdout.
#pragma once

#include <optional>
#include <string>

#include "cmd/env.h"
#include "core/result.h"
#include "core/secret.h"

namespace p2pmail::cmd {

/// What follows is longest in bytes; more is an error rather than cut.
inline constexpr std::size_t kMaxPassphrase = 4096;

/// Asks on /dev/tty without echo; the terminal is restored whatever signal arrives. kLocked when
/// there is no terminal, when interrupted, or after five minutes without an answer.
[[nodiscard]] core::Result<core::SecretBytes> ask_terminal(const std::string& prompt);
/// Asks on /dev/tty, forgetting what was typed before: `question`, then " [y/N] ". True for y or
/// yes, false for anything else that ends with a line end. Nullopt when there is no terminal, when
/// interrupted, or after five minutes without an answer.
[[nodiscard]] std::optional<bool> confirm_terminal(const std::string& question);
/// Columns of a terminal, 80 when it does not say.
[[nodiscard]] std::size_t terminal_width(int fd);
/// Clean text to `out`: through the pager of the settings on a terminal, as it is otherwise.
[[nodiscard]] core::Status page(Env& env, const std::string& text);

}  // namespace p2pmail::cmd
