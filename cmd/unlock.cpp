// p2pmail unlock: keeps the store key in the kernel's keyring for a while, so that show, ls and a
// mail program's decrypt hook need no passphrase. Again while unlocked: the time starts anew.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cmd/command.h"
#include "cmd/format.h"
#include "cmd/keyring.h"
#include "cmd/passphrase.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Status;

namespace {

struct Options {
  std::string duration;
  PassphraseOptions passphrase;
};

Status run_unlock(Env& env, const Options& options) {
  auto duration = env.settings.unlock_for;
  if (!options.duration.empty()) {
    auto parsed = parse_duration(options.duration);
    if (!parsed) return parsed.error();
    duration = *parsed;
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  if (seconds.count() <= 0) {
    return Error{Code::kUsage, "the time to stay unlocked must be longer than nothing", ""};
  }
  if (env.store().unlock(nullptr)) {
    env.note("this store has no passphrase: there is nothing to unlock");
    return {};
  }
  auto secret = unlock_store(env, options.passphrase);
  if (!secret) return secret.error();
  auto kept = keep_store_key(env.store().store_public(), *secret, seconds);
  if (kept)
    env.detail("unlocked for " + short_duration(static_cast<std::uint64_t>(seconds.count())));
  return kept;
}

}  // namespace

Action add_unlock(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--for", options->duration, "How long; by default the setting unlock_for, 1h")
      ->type_name("DURATION");
  add_passphrase_options(app, options->passphrase);
  return [options](Env& env) { return run_unlock(env, *options); };
}

}  // namespace p2pmail::cmd
