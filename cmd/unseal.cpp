// p2pmail unseal FILE: writes the message that a sealed file holds, for mutt's pgp_decrypt_command.
//
// The message goes to stdout without NUL bytes (binary parts become base64). One line on stderr
// says who signed: "p2pmail: good: Signed: bob (peer)", for mutt's pgp_decryption_okay to look for;
// without "good" the sender is not proved. --quiet leaves the line out only when all is well.
//
// Of a large letter the mail program has only the stub, and would copy and decode every byte of what
// it is given: parts above inline_max become a few lines that say how to save them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cmd/armored.h"
#include "cmd/command.h"
#include "cmd/format.h"
#include "cmd/messages.h"
#include "cmd/out_sink.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Status;

namespace {

struct Options {
  std::string file;
  bool no_ask = false;
  PassphraseOptions passphrase;
};

constexpr std::size_t kShownDigits = 12;  // of an id, as ls shows it

std::string id_of(const core::StoredMessage& stored) {
  return core::to_hex(stored.capsule().id).substr(0, kShownDigits);
}

/// What stands in a large letter for a part that stays where it is.
core::Shortening shortening_of(Env& env, const core::StoredMessage& stored, std::uint64_t size) {
  core::Shortening shortening;
  // A letter that was small when it was compressed may be large now.
  if (!stored.is_large() && size <= env.settings.inline_max) return shortening;
  shortening.max_part = env.settings.inline_max;
  shortening.note = [id = id_of(stored)](const core::PartInfo& part) {
    const std::string name =
        part.file_name.empty() ? "(no name)" : core::safe_file_name(part.file_name);
    const std::string way = part.is_attachment
                                ? fmt::format("p2pmail show --save DIR {}", id)
                                : fmt::format("p2pmail show --part {} {}", part.number, id);
    return fmt::format(
        "[This part is too large for a mail program and was left where it is.\n\n"
        "  name  {}\n  type  {}\n  size  {}\n\n"
        "To save it:  {}]\n",
        name, core::clean_line(part.type, 100), human_size(part.encoded_size), way);
  };
  return shortening;
}

/// A stub whose blob is gone still says what it was; there is no message, and nobody's signature to
/// show. Whoever pipes it sees the error as well.
Status write_missing(Env& env, const core::StoredMessage& stored, const Error& why) {
  OutSink out(env);
  const std::string text = fmt::format(
      "Content-Type: text/plain; charset=utf-8\n"
      "Content-Transfer-Encoding: 8bit\n\n"
      "[The content of this message ({}, {}) is not on this machine.\n\n"
      "{}\n\n"
      "A backup of the directory mail/.p2pmail/blobs has it; with the file back in\n"
      "its place the message can be read again.]\n",
      id_of(stored), human_size(stored.stream_size()), core::clean_line(why.context, 400));
  auto put = out(core::bytes_of(text));
  if (put) put = out.finish();
  if (!put) return put;
  // For mutt to show the text; the exit status tells everybody else.
  env.note("good: only its content is missing");
  return why;
}

Status write_message(Env& env, const OpenedMessage& opened, const std::filesystem::path& file) {
  auto names = Names::load(env.store());
  if (!names) return names.error();
  auto parsed = parse_message(opened, file);
  if (!parsed) return parsed.error();
  const core::Message& message = *parsed;
  OutSink out(env);
  auto written = message.write_textual([&out](core::ByteView bytes) { return out(bytes); },
                                       shortening_of(env, opened.stored, opened.source.size));
  if (written) written = out.finish();
  if (!written) return written;
  const Standing standing = standing_of(*names, opened.stored.capsule(), message.header());
  if (!standing.genuine) env.quiet = false;
  env.note(standing.genuine ? "good: " + standing.line : standing.line);
  return {};
}

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
  auto stored = open_stored(env, file, options.passphrase);
  if (!stored) return stored.error();
  const auto opened = open_content(env, **stored, file);
  if (opened) return write_message(env, **stored, file);
  const bool is_gone = (*stored)->stored.is_large() && opened.error().code == Code::kNotFound;
  return is_gone ? write_missing(env, (*stored)->stored, opened.error()) : opened;
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
