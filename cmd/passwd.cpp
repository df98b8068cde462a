// p2pmail passwd: changes the passphrase of the identity and store keys.
#include <CLI/CLI.hpp>
#include <memory>

#include "cmd/command.h"
#include "cmd/keygen.h"
#include "cmd/passphrase.h"

namespace p2pmail::cmd {

using core::Status;

namespace {

struct Options {
  PassphraseOptions old_one;
  PassphraseOptions new_one;
  bool no_passphrase = false;
  core::KdfCost cost;
};

core::Result<bool> is_protected(const Env& env) {
  auto identity = core::load_key(core::KeyKind::kIdentity, env.paths.identity_key());
  // It may have been moved off this machine.
  const bool is_away = !identity && identity.error().code == core::Code::kNotFound;
  if (!identity && !is_away) return identity.error();
  auto store = core::load_key(core::KeyKind::kStore, env.paths.store_key());
  if (!store) return store.error();
  // Either: an interrupted change leaves one with the old passphrase and one with the new.
  return (identity && identity->needs_passphrase) || store->needs_passphrase;
}

Status run_passwd(Env& env, const Options& options) {
  auto protection = is_protected(env);
  if (!protection) return protection.error();
  core::SecretBytes old_secret, new_secret;
  const bool has_old = *protection;
  if (has_old) {
    auto read = old_passphrase(env, options.old_one);
    if (!read) return read.error();
    old_secret = std::move(*read);
  }
  if (!options.no_passphrase) {
    auto read = new_passphrase(env, options.new_one);
    if (!read) return read.error();
    new_secret = std::move(*read);
  }
  return core::change_passphrase(env.paths, has_old ? &old_secret : nullptr,
                                 options.no_passphrase ? nullptr : &new_secret, options.cost);
}

}  // namespace

Action add_passwd(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_passphrase_options(app, options->old_one);
  app.add_option("--new-passphrase-file", options->new_one.file,
                 "File whose first line is the new passphrase")
      ->type_name("FILE");
  app.add_flag("--no-passphrase", options->no_passphrase, "Keep the keys in the open from now on")
      ->excludes("--new-passphrase-file");
  add_kdf_option(app, options->cost);
  return [options](Env& env) { return run_passwd(env, *options); };
}

}  // namespace p2pmail::cmd
