// The voice of errors. The only place that turns an Error into words and an exit status:
//
//   p2pmail: error: alice.card: not a card        lower case, no full stop, one line
//   p2pmail: hint: p2pmail card > alice.card      a command to type, when there is one
//
// Everything goes to stderr and is cleaned: contexts may quote a stranger. With --json the same as
// {"v":1,"type":"error","error":{"code":"malformed","message":"...","hint":"..."}}.
#pragma once

#include "cmd/env.h"
#include "core/result.h"

namespace p2pmail::cmd {

/// sysexits(3).
[[nodiscard]] int exit_status(core::Code code);
/// A stable word for scripts ("no-space").
[[nodiscard]] const char* code_name(core::Code code);

/// Prints the error and answers its exit status.
int report(Env& env, const core::Error& error);

}  // namespace p2pmail::cmd
