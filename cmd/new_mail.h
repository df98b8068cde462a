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

}  // namespace p2pmail::cmd
