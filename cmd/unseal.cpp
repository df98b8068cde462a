// p2pmail unseal FILE: writes the message that a sealed file holds, for mutt's pgp_decrypt_command.
//
// The message goes to stdout without NUL bytes (binary parts become base64). One line on stderr
// says who signed: "p2pmail: good: Signed: bob (peer)", for mutt's pgp_decryption_okay to look for;
// without "good" the sender is not proved. --quiet leaves the line out only when all is well.
#include <CLI/CLI.hpp>
#include <memory>

#include "cmd/armored.h"
#include "cmd/command.h"
#include "cmd/messages.h"
#include "cmd/out_sink.h"

namespace p2pmail::cmd {

using core::Status;

namespace {

struct Options {
  std::string file;
  bool no_ask = false;
  PassphraseOptions passphrase;
};

Status run_unseal(Env& env, const Options& options) {
  if (options.no_ask) env.ask = nullptr;
  std::filesystem::path file = options.file;
  const ScratchFile bare(env);
  auto armored = is_armored(file);
  if (!armored) return armored.error();
  if (*armored) {
    if (auto removed = remove_armor(file, bare); !removed) return removed;
    file = bare.path();
  }
  auto opened = open_message(env, file, options.passphrase);
  if (!opened) return opened.error();
  auto names = Names::load(env.store());
  if (!names) return names.error();
  auto parsed = parse_message(**opened, file);
  if (!parsed) return parsed.error();
  const core::Message& message = *parsed;
  OutSink out(env);
  auto written = message.write_textual([&out](core::ByteView bytes) { return out(bytes); });
  if (written) written = out.finish();
  if (!written) return written;
  const Standing standing = standing_of(*names, (*opened)->stored.capsule(), message.header());
  if (!standing.genuine) env.quiet = false;
  env.note(standing.genuine ? "good: " + standing.line : standing.line);
  return {};
}

}  // namespace

Action add_unseal(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("file", options->file, "A file of the store, or its encrypted part alone")
      ->type_name("FILE")
      ->required();
  app.add_flag("--no-ask", options->no_ask, "Never ask for a passphrase: fail when it is locked");
  add_passphrase_options(app, options->passphrase);
  return [options](Env& env) { return run_unseal(env, *options); };
}

}  // namespace p2pmail::cmd
