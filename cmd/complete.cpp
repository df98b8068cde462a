// p2pmail complete peers|folders|messages: words for the completion scripts, one a line; behind a
// tab what a shell may show beside the word.
//
// Runs while somebody waits for the tab key: opens no more than it needs, asks nothing, changes
// nothing, and finds nothing instead of failing. A word that is not one clean line is left out.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <set>

#include "cmd/command.h"
#include "cmd/format.h"
#include "cmd/new_mail.h"
#include "core/stored_message.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Status;

namespace {

constexpr std::size_t kMostMessages = 50;
constexpr std::size_t kSenderColumns = 24;
constexpr std::size_t kSubjectColumns = 48;

void print_word(Env& env, const std::string& word, const std::string& about = "") {
  if (word.empty() || word != core::clean_line(word)) return;
  env.print(word + (about.empty() ? "" : "\t" + core::clean_line(about)) + "\n");
}

void print_peers(Env& env) {
  std::error_code ignored;
  // Opening the state would make its files.
  if (!std::filesystem::exists(env.paths.root / "state.db", ignored)) return;
  auto state = core::State::open(env.paths.root);
  if (!state) return;
  auto peers = state->peers();
  if (!peers) return;
  for (const auto& peer : *peers) print_word(env, peer.petname);
}

// As people write them, without the dot, where that names the same folder.
std::string typed_name(const std::string& folder) {
  if (!folder.starts_with('.')) return folder;
  const std::string bare = folder.substr(1);
  const auto back = core::Maildir::folder_name(bare);
  return back && *back == folder && !bare.starts_with('-') ? bare : folder;
}

void print_folders(Env& env) {
  for (const auto& folder : core::Maildir(env.paths.mail()).folders()) {
    print_word(env, typed_name(folder));
  }
}

// From the outer header, which proves nothing: hence the mark of a name that is no petname.
std::string about(const core::Listed& line) {
  const std::string sender = core::clean_line(line.from, kSenderColumns);
  return fmt::format("{}  {}  ?{}  {}", local_time(line.time), typed_name(line.file.folder), sender,
                     core::clean_line(line.subject, kSubjectColumns));
}

void print_messages(Env& env) {
  const auto lines = core::list_newest(core::Maildir(env.paths.mail()), kMostMessages);
  if (lines.empty()) return;
  print_word(env, "@", "the newest of INBOX");
  std::set<std::string> ids, words;
  for (const auto& line : lines) {
    // A copy in another folder has the same id.
    if (line.id.empty() || !ids.insert(line.id).second) continue;
    const std::string word = line.id.substr(0, kShortId);
    print_word(env, words.insert(word).second ? word : line.id, about(line));
  }
}

Status run_complete(Env& env, const std::string& what) {
  std::error_code ignored;
  if (!std::filesystem::exists(env.paths.root / "keys", ignored)) return {};
  if (what == "peers") print_peers(env);
  if (what == "folders") print_folders(env);
  if (what == "messages") print_messages(env);
  return {};
}

}  // namespace

Action add_complete(CLI::App& app) {
  auto what = std::make_shared<std::string>();
  app.add_option("what", *what, "Words of which kind")
      ->check(CLI::IsMember({"peers", "folders", "messages"}))
      ->required();
  return [what](Env& env) { return run_complete(env, *what); };
}

}  // namespace p2pmail::cmd
