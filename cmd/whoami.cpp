// p2pmail whoami: prints the address.
#include "cmd/command.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "core/text.h"

namespace p2pmail::cmd {

namespace {

// JSON: {"address", "name"}
core::Status run_whoami(Env& env) {
  const auto& roster = env.store().card().roster.value;
  const std::string address = address_of(roster);
  env.print(env.json ? json_line("identity",
                                 {{"address", address}, {"name", core::clean_line(roster.name)}})
                     : address + "\n");
  return {};
}

}  // namespace

Action add_whoami(CLI::App&) { return run_whoami; }

}  // namespace p2pmail::cmd
