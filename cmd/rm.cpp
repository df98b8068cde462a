// p2pmail rm: moves messages to .Trash; what lies there already is removed.
#include <CLI/CLI.hpp>
#include <memory>

#include "cmd/command.h"
#include "cmd/messages.h"

namespace p2pmail::cmd {

using core::Status;

namespace {

struct Options {
  std::vector<std::string> messages;
  bool purge = false;
};

constexpr const char* kTrash = ".Trash";

Status remove(Env& env, const core::MailFile& file, bool purge) {
  core::Maildir& maildir = env.store().maildir();
  if (purge || file.folder == kTrash) return maildir.remove(file);
  if (auto made = maildir.has_folder(kTrash) ? Status{} : maildir.create_folder(kTrash); !made) {
    return made;
  }
  auto moved = maildir.move(file, kTrash);
  return moved ? Status{} : moved.error();
}

Status run_rm(Env& env, const Options& options) {
  auto messages = resolve_messages(env, options.messages);
  if (!messages) return messages.error();
  for (const auto& message : *messages) {
    if (auto removed = remove(env, message.file, options.purge); !removed) return removed;
  }
  return {};
}

}  // namespace

Action add_rm(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_flag("--purge", options->purge, "Remove for good, wherever they are");
  app.add_option("messages", options->messages, "As ls names them")
      ->type_name("MESSAGE")
      ->required();
  return [options](Env& env) { return run_rm(env, *options); };
}

}  // namespace p2pmail::cmd
