// p2pmail keygen: identity, device and store keys.
#include "cmd/keygen.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cmd/command.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "cmd/passphrase.h"
#include "core/card.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Status;

void add_kdf_option(CLI::App& app, core::KdfCost& cost) {
  app.add_flag_callback(
         "--kdf-fast", [&cost] { cost = kFastKdf; },
         "A passphrase that costs nothing to try; testing only")
      ->group("");
}

namespace {

struct Options {
  std::string name;
  PassphraseOptions passphrase;
  bool no_passphrase = false;
  core::KdfCost cost;
};

Status check_name(const std::string& name) {
  if (core::has_controls(name)) return Error{Code::kUsage, "the name has control characters", ""};
  if (name.size() > core::kMaxName) return Error{Code::kUsage, "the name is too long", ""};
  return {};
}

// Before asking for a passphrase: nobody should think one up in vain.
Status check_vacant(const Env& env) {
  std::error_code ignored;
  for (const auto& path :
       {env.paths.identity_key(), env.paths.device_keys(), env.paths.store_key()}) {
    if (!std::filesystem::exists(path, ignored)) continue;
    return Error{Code::kExists, path.string() + ": there is an identity already", "p2pmail whoami"};
  }
  return {};
}

// JSON: {"address", "name"}
Status run_keygen(Env& env, const Options& options) {
  if (auto named = check_name(options.name); !named) return named;
  if (auto vacant = check_vacant(env); !vacant) return vacant;
  if (auto settings = env.read_settings(); !settings) return settings;
  core::SecretBytes passphrase;
  if (!options.no_passphrase) {
    auto read = new_passphrase(env, options.passphrase);
    if (!read && read.error().code == Code::kLocked) {
      return Error{Code::kLocked, read.error().context,
                   "p2pmail keygen --passphrase-file FILE, or --no-passphrase"};
    }
    if (!read) return read.error();
    passphrase = std::move(*read);
  }
  core::CreateOptions create;
  create.name = options.name;
  create.passphrase = options.no_passphrase ? nullptr : &passphrase;
  create.cost = options.cost;
  create.stamp_bits = env.settings.stamp_bits;
  auto identity = core::create_store(env.paths, create, env.clock());
  if (!identity) return identity.error();
  core::Roster roster;
  roster.identity = *identity;
  roster.name = options.name;
  env.print(env.json
                ? json_line("identity", {{"address", address_of(roster)}, {"name", roster.name}})
                : address_of(roster) + "\n");
  return {};
}

}  // namespace

Action add_keygen(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--name", options->name, "The name that others see")->type_name("NAME");
  add_passphrase_options(app, options->passphrase);
  app.add_flag("--no-passphrase", options->no_passphrase, "Keep the keys in the open")
      ->excludes("--passphrase-file")
      ->excludes("--passphrase-fd");
  add_kdf_option(app, options->cost);
  return [options](Env& env) { return run_keygen(env, *options); };
}

}  // namespace p2pmail::cmd
