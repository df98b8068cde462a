// p2pmail mv: moves messages to a folder, which is made when there is none.
#include <CLI/CLI.hpp>
#include <memory>

#include "cmd/command.h"
#include "cmd/messages.h"

namespace p2pmail::cmd {

using core::Status;

namespace {

Status run_mv(Env& env, std::vector<std::string> words) {
  auto folder = core::Maildir::folder_name(words.back());
  if (!folder) return folder.error();
  words.pop_back();
  auto messages = resolve_messages(env, words);
  if (!messages) return messages.error();
  core::Maildir& maildir = env.store().maildir();
  if (!maildir.has_folder(*folder)) {
    if (auto made = maildir.create_folder(*folder); !made) return made;
    env.detail("made the folder " + *folder);
  }
  for (const auto& message : *messages) {
    if (message.file.folder == *folder) continue;
    if (auto moved = maildir.move(message.file, *folder); !moved) return moved.error();
  }
  return {};
}

}  // namespace

Action add_mv(CLI::App& app) {
  auto words = std::make_shared<std::vector<std::string>>();
  app.add_option("words", *words, "The messages, then the folder")
      ->type_name("MESSAGE... FOLDER")
      ->expected(2, 1 << 20)
      ->required();
  return [words](Env& env) { return run_mv(env, *words); };
}

}  // namespace p2pmail::cmd
