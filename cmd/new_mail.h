// One line about a message that just came in, for fetch and serve.
#pragma once

#include "cmd/env.h"
#include "cmd/names.h"
#include "core/post_office.h"

namespace p2pmail::cmd {

/// Digits of an id that are shown when nothing more is needed to tell messages apart.
inline constexpr std::size_t kShortId = 8;

/// At once: a line on a terminal, an object with --json, else nothing.
void announce(Env& env, const Names& names, const core::NewMail& mail);
/// What is offered and waits to be asked for, with the command that asks: at once, as above, but also
/// with --verbose. `subject`: empty = not known any more.
void announce_waiting(Env& env, const Names& names, const core::Waiting& letter,
                      const std::string& subject);
/// All that is remembered, on stdout whatever it is. What came meanwhile, or has not been offered for
/// a month, is forgotten.
[[nodiscard]] core::Status list_waiting(Env& env, const Names& names);

}  // namespace p2pmail::cmd
