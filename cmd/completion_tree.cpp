#include "cmd/completion_tree.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cmd/messages.h"
#include "cmd/names.h"

namespace p2pmail::cmd {

namespace {

// No shell gives these a meaning in the middle of a word.
bool is_plain(const std::string& word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("_.+@%/-").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

std::vector<std::string> split(const std::string& text, const char* separators) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (std::string_view(separators).find(c) == std::string_view::npos) {
      parts.back() += c;
    } else if (!parts.back().empty()) {
      parts.emplace_back();
    }
  }
  if (parts.back().empty()) parts.pop_back();
  return parts;
}

/// "bash|zsh|fish": literal words, as opposed to "CARD|LINK|-".
bool is_choice(const std::vector<std::string>& parts) {
  return parts.size() > 1 && std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
           return is_plain(part) && part[0] >= 'a' && part[0] <= 'z' &&
                  std::none_of(part.begin(), part.end(),
                               [](char c) { return c >= 'A' && c <= 'Z'; });
         });
}

void add_flags(Values& values, char sign) {
  for (const auto& name : flag_names()) values.words.push_back(sign + name);
}

void add_kind(Values& values, std::string kind, bool positional) {
  if (kind.ends_with("...")) kind.resize(kind.size() - 3);
  if (kind == "FILE" || kind == "CARD") values.files = true;
  if (kind == "DIR") values.directories = true;
  // The NAME that an option takes is anybody's: keygen --name.
  if (kind == "PEER" || kind == "RECIPIENT" || (kind == "NAME" && positional)) {
    values.lists.emplace_back("peers");
  }
  if (kind == "RECIPIENT") values.words.emplace_back(kMe);
  if (kind == "FOLDER") values.lists.emplace_back("folders");
  if (kind == "MESSAGE" || kind == "ID") values.lists.emplace_back("messages");
  if (kind == "+FLAG" || kind == "-FLAG") add_flags(values, kind[0]);
}

/// The set of CLI::IsMember, "{a,b}", or of a transformer, "{a->1,b->2}"; taken out of `type`.
void take_set(Values& values, std::string& type) {
  const auto begin = type.find('{'), end = type.find('}');
  if (begin == std::string::npos || end == std::string::npos || end < begin) return;
  for (const auto& item : split(type.substr(begin + 1, end - begin - 1), ",")) {
    const std::string word = item.substr(0, item.find("->"));
    if (is_plain(word)) values.words.push_back(word);
  }
  type.resize(begin);
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

TreeOption option_of(const CLI::Option& option) {
  TreeOption made;
  for (const auto& name : option.get_snames()) made.names.push_back("-" + name);
  for (const auto& name : option.get_lnames()) made.names.push_back("--" + name);
  made.description = one_line(option.get_description());
  made.hidden = option.get_group().empty();
  if (option.get_items_expected_max() == 0) return made;
  const std::string type = option.get_type_name();
  made.type = type.substr(0, type.find(':'));
  if (made.type.empty()) made.type = "VALUE";
  made.repeats = option.get_expected_max() > 1;
  made.values = values_of_type(type, false);
  return made;
}

TreePosition position_of(const CLI::Option& option) {
  return {option.get_name(true), option.get_items_expected_max() > 1,
          values_of_type(option.get_type_name(), true)};
}

void add_options(const CLI::App& app, TreeCommand& made) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->nonpositional()) {
      made.options.push_back(option_of(*option));
    } else {
      made.positions.push_back(position_of(*option));
    }
  }
  for (const CLI::App* inner : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (inner->get_name().empty()) add_options(*inner, made);  // a group of options
  }
}

TreeCommand command_of(const CLI::App& app, const std::string& path) {
  TreeCommand made;
  made.path = path;
  made.name = app.get_name();
  made.summary = one_line(app.get_description());
  made.hidden = app.get_group().empty();
  add_options(app, made);
  for (const CLI::App* inner : app.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string& name = inner->get_name();
    if (!name.empty())
      made.commands.push_back(command_of(*inner, path.empty() ? name : path + " " + name));
  }
  return made;
}

}  // namespace

Values values_of_type(const std::string& type, bool positional) {
  Values values;
  std::string rest = type;
  take_set(values, rest);
  for (const auto& word : split(rest, " :[]")) {
    const auto parts = split(word, "|");
    if (is_choice(parts)) {
      values.words.insert(values.words.end(), parts.begin(), parts.end());
    } else {
      for (const auto& part : parts) add_kind(values, part, positional);
    }
  }
  return values;
}

TreeCommand completion_tree(const CLI::App& app) { return command_of(app, ""); }

std::vector<const TreeCommand*> all_commands(const TreeCommand& root) {
  std::vector<const TreeCommand*> all{&root};
  for (const auto& inner : root.commands) {
    const auto more = all_commands(inner);
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string value_kinds(const Values& values) {
  std::vector<std::string> kinds = values.lists;
  if (values.files) kinds.emplace_back("files");
  if (values.directories) kinds.emplace_back("directories");
  for (const auto& word : values.words) kinds.push_back("word=" + word);
  return joined(kinds);
}

std::string sh_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace p2pmail::cmd
