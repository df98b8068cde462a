// p2pmail lock: takes the store key out of the kernel's keyring again. Not unlocked: fine as well.
#include "cmd/command.h"
#include "cmd/keyring.h"

namespace p2pmail::cmd {

namespace {

core::Status run_lock(Env& env) {
  auto forgotten = forget_store_key(env.store().store_public());
  if (!forgotten) return forgotten.error();
  env.detail(*forgotten ? "locked" : "it was locked already");
  return {};
}

}  // namespace

Action add_lock(CLI::App&) { return run_lock; }

}  // namespace p2pmail::cmd
