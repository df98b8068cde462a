// From arguments to an exit status: parses, opens what the command needs, runs it, reports.
#pragma once

#include <string>
#include <vector>

#include "cmd/env.h"

namespace p2pmail::cmd {

/// `arguments` without the program's name. Never throws, never ends the process.
int run(Env& env, const std::vector<std::string>& arguments);

}  // namespace p2pmail::cmd
