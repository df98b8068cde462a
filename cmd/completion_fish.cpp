// The completion script for fish: a `complete` for each command, option and position.
#include <fmt/format.h>

#include "cmd/completion_tree.h"

namespace p2pmail::cmd {

namespace {

// fish quotes what it inserts; what a command in -a prints is never evaluated.
constexpr const char* kEngine = R"sh(
# The path of the command that the line names so far, and which of its positions comes next.
function __p2pmail_where
    set -l words (commandline -opc)
    while string match -qr '^[A-Za-z_][A-Za-z_0-9]*=' -- $words[1]
        set -e words[1]
    end
    set -l path ''
    set -l position 1
    set -l skip 0
    set -l only 0
    for word in $words[2..-1]
        if test $skip = 1
            set skip 0
        else if test $only = 0; and test "$word" = --
            set only 1
        else if test $only = 0; and string match -q -- '-?*' $word
            contains -- $word (__p2pmail_valued "$path"); and set skip 1
        else if test $position = 1; and contains -- $word (__p2pmail_commands "$path")
            set path (string trim -- "$path $word")
        else
            set position (math $position + 1)
        end
    end
    printf '%s\n' "$path" $position
end

# __p2pmail_at PATH [POSITION [more]]: whether we are there ("more": or at a later position).
function __p2pmail_at
    set -l where (__p2pmail_where)
    test "$where[1]" = "$argv[1]"; or return 1
    switch (count $argv)
        case 1
            return 0
        case 2
            test $where[2] = $argv[2]
        case '*'
            test $where[2] -ge $argv[2]
    end
end

function __p2pmail_list
    p2pmail complete $argv[1] 2>/dev/null </dev/null
end

complete -c p2pmail -e
complete -c p2pmail -f
)sh";

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\\' || c == '\'') result += '\\';
    result += c;
  }
  return result + "'";
}

/// The -a, -F of what may stand somewhere; words that look like options are left out.
std::string offer(const Values& values) {
  std::string words;
  for (const auto& list : values.lists) words += "(__p2pmail_list " + list + ") ";
  if (values.directories) words += "(__fish_complete_directories (commandline -ct)) ";
  for (const auto& word : values.words) {
    if (!word.starts_with('-')) words += word + " ";
  }
  if (!words.empty()) words.pop_back();
  std::string text = values.files ? " -F" : "";
  if (!words.empty()) text += " -k -a " + quoted(words);
  return text;
}

std::string option_line(const std::string& at, const TreeOption& option) {
  std::string line = "complete -c p2pmail -n " + quoted(at);
  for (const auto& name : option.names) {
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (!option.type.empty()) line += (option.values.files ? " -r" : " -x") + offer(option.values);
  return line + " -d " + quoted(option.description) + "\n";
}

std::string position_line(const TreeCommand& command, std::size_t number,
                          const TreePosition& position) {
  const std::string at = fmt::format("__p2pmail_at {} {}{}", quoted(command.path), number,
                                     position.repeats ? " more" : "");
  std::string lines;
  if (const auto offered = offer(position.values); !offered.empty()) {
    lines = "complete -c p2pmail -n " + quoted(at) + offered + "\n";
  }
  for (const auto& word : position.values.words) {
    if (word.starts_with('-')) {
      lines += fmt::format("complete -c p2pmail -n {} -o {}\n", quoted(at), word.substr(1));
    }
  }
  return lines;
}

std::string lines_of(const TreeCommand& command) {
  std::string lines = "\n";
  const std::string at = "__p2pmail_at " + quoted(command.path);
  for (const auto& inner : command.commands) {
    if (inner.hidden) continue;
    lines += fmt::format("complete -c p2pmail -n {} -a {} -d {}\n", quoted(at + " 1"), inner.name,
                         quoted(inner.summary));
  }
  for (const auto& option : command.options) {
    if (!option.hidden) lines += option_line(at, option);
  }
  for (std::size_t i = 0; i < command.positions.size(); ++i) {
    lines += position_line(command, i + 1, command.positions[i]);
    if (command.positions[i].repeats) break;
  }
  return lines;
}

std::string table(const char* name, const std::vector<const TreeCommand*>& commands,
                  std::vector<std::string> (*words)(const TreeCommand&)) {
  std::string text = fmt::format("function {}\n    switch \"$argv[1]\"\n", name);
  for (const auto* command : commands) {
    const auto listed = words(*command);
    if (listed.empty()) continue;
    text += fmt::format("        case {}\n            printf '%s\\n' {}\n", quoted(command->path),
                        joined(listed));
  }
  return text + "    end\nend\n";
}

std::vector<std::string> names_inside(const TreeCommand& command) {
  std::vector<std::string> names;
  for (const auto& inner : command.commands) names.push_back(inner.name);
  return names;
}

std::vector<std::string> valued_options(const TreeCommand& command) {
  std::vector<std::string> names;
  for (const auto& option : command.options) {
    if (!option.type.empty()) names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return names;
}

}  // namespace

std::string fish_completion(const TreeCommand& root) {
  const auto commands = all_commands(root);
  std::string script =
      "# fish completion for p2pmail; made by `p2pmail completion fish`, not by hand\n\n"
      "# Commands inside a command, and options that take a value.\n" +
      table("__p2pmail_commands", commands, names_inside) + "\n" +
      table("__p2pmail_valued", commands, valued_options) + kEngine;
  for (const auto* command : commands) script += lines_of(*command);
  return script;
}

}  // namespace p2pmail::cmd
