// The table of commands. A row says what a command is called, what it is for and what it needs;
// help, completion and the "did you mean" of a mistyped name all read this table.
//
// A command is one file: an options struct, `add` (options to the parser, which only records the
// choice) and `run` (an Env, and a Result).
#pragma once

#include <functional>
#include <span>

#include "cmd/env.h"
#include "core/result.h"

namespace CLI {
class App;
}

namespace p2pmail::cmd {

/// What run() opens before the command starts.
enum class Needs { kPaths, kStore };

using Action = std::function<core::Status(Env&)>;

struct Command {
  const char* name;
  const char* group;  // heading in the help; empty = hidden
  const char* summary;
  Needs needs;
  Action (*add)(CLI::App& app);
};
[[nodiscard]] std::span<const Command> commands();

// One per file.
Action add_card(CLI::App& app);
Action add_complete(CLI::App& app);
Action add_completion(CLI::App& app);
Action add_config(CLI::App& app);
Action add_doctor(CLI::App& app);
Action add_fetch(CLI::App& app);
Action add_flag(CLI::App& app);
Action add_folders(CLI::App& app);
Action add_keygen(CLI::App& app);
Action add_lock(CLI::App& app);
Action add_ls(CLI::App& app);
Action add_muttrc(CLI::App& app);
Action add_mv(CLI::App& app);
Action add_passwd(CLI::App& app);
Action add_peers(CLI::App& app);
Action add_queue(CLI::App& app);
Action add_relay(CLI::App& app);
Action add_rm(CLI::App& app);
Action add_seal(CLI::App& app);
Action add_send(CLI::App& app);
Action add_serve(CLI::App& app);
Action add_show(CLI::App& app);
Action add_unlock(CLI::App& app);
Action add_unseal(CLI::App& app);
Action add_whoami(CLI::App& app);

}  // namespace p2pmail::cmd
