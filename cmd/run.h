// From arguments to an exit status: parses, opens what the command needs, runs it, reports.
#pragma once

#include <string>
#include <vector>

#include "cmd/env.h"

namespace p2pmail::cmd {

/// `arguments` without the program's name. Never throws, never ends the process.
int run(Env& env, const std::vector<std::string>& arguments);

/// What is typed after the program's name. A program named `sendmail` (a link to this one) is
/// `p2pmail send -i`, so that programs which insist on that name find it.
[[nodiscard]] std::vector<std::string> command_words(const std::vector<std::string>& argv);

}  // namespace p2pmail::cmd
