// p2pmail flag MESSAGE... +seen -flagged: sets and clears Maildir flags.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cmd/command.h"
#include "cmd/format.h"
#include "cmd/messages.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;

namespace {

struct FlagName {
  const char* word;
  char letter;
};
constexpr FlagName kFlags[] = {{"draft", 'D'},   {"flagged", 'F'}, {"passed", 'P'},
                               {"replied", 'R'}, {"seen", 'S'},    {"trashed", 'T'}};

struct Change {
  std::string set;
  std::string clear;
};

Result<char> letter_of(const std::string& word) {
  std::vector<std::string> all;
  for (const auto& flag : kFlags) {
    if (word == flag.word) return flag.letter;
    all.emplace_back(flag.word);
  }
  const auto meant = nearest(word, all);
  return Error{Code::kUsage, fmt::format("there is no flag '{}'", word),
               meant ? fmt::format("did you mean {}?", *meant)
                     : "draft, flagged, passed, replied, seen, trashed"};
}

/// Takes the flags out of `words`; what is left names messages.
Result<Change> take_flags(std::vector<std::string>& words) {
  Change change;
  std::vector<std::string> messages;
  for (const auto& word : words) {
    if (!word.starts_with('+') && !word.starts_with('-')) {
      messages.push_back(word);
      continue;
    }
    auto letter = letter_of(word.substr(1));
    if (!letter) return letter.error();
    (word[0] == '+' ? change.set : change.clear) += *letter;
  }
  words = std::move(messages);
  return change;
}

std::string changed(const std::string& flags, const Change& change) {
  // Letters that we do not know are other programs' own (Dovecot's keywords): they stay.
  std::string result = flags + change.set;
  std::erase_if(result, [&change](char c) { return change.clear.find(c) != std::string::npos; });
  std::sort(result.begin(), result.end());  // as Maildir has it, in ASCII order
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

Status run_flag(Env& env, std::vector<std::string> words) {
  auto change = take_flags(words);
  if (!change) return change.error();
  if (words.empty()) return Error{Code::kUsage, "which message?", "p2pmail flag -h"};
  if (change->set.empty() && change->clear.empty()) {
    return Error{Code::kUsage, "which flag?", "p2pmail flag MESSAGE +seen"};
  }
  if (change->set.find_first_of(change->clear) != std::string::npos) {
    return Error{Code::kUsage, "a flag cannot be set and cleared at once", ""};
  }
  auto messages = resolve_messages(env, words);
  if (!messages) return messages.error();
  for (const auto& message : *messages) {
    const std::string flags = changed(message.file.flags, *change);
    if (flags == message.file.flags && !message.file.is_new) continue;
    auto done = env.store().maildir().set_flags(message.file, flags);
    if (!done) return done.error();
  }
  return {};
}

}  // namespace

std::vector<std::string> flag_names() {
  std::vector<std::string> names;
  for (const auto& flag : kFlags) names.emplace_back(flag.word);
  return names;
}

Action add_flag(CLI::App& app) {
  auto words = std::make_shared<std::vector<std::string>>();
  // "-flagged" looks like an option to the parser, which leaves what it does not know in
  // remaining().
  app.allow_extras();
  app.add_option("words", *words,
                 "The messages, and +NAME or -NAME: draft, flagged, passed, replied, seen, trashed")
      ->type_name("MESSAGE... +FLAG -FLAG");
  return [words, &app](Env& env) {
    std::vector<std::string> all = *words;
    const auto unknown = app.remaining();
    all.insert(all.end(), unknown.begin(), unknown.end());
    return run_flag(env, all);
  };
}

}  // namespace p2pmail::cmd
