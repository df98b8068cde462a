// The completion script for zsh: one function with _arguments for each command.
#include <fmt/format.h>

#include <algorithm>

#include "cmd/completion_tree.h"

namespace p2pmail::cmd {

namespace {

// compadd and _describe quote what they insert, so that words go through as they are.
constexpr const char* kHead = R"sh(#compdef p2pmail
# zsh completion for p2pmail; made by `p2pmail completion zsh`, not by hand

# _p2pmail_value KIND...: what may stand here.
_p2pmail_value() {
  local kind line
  local -a expl lines found described
  local -i ret=1
  for kind; do
    case $kind in
      word=*) found+=("${kind#word=}") ;;
      files) _files && ret=0 ;;
      directories) _files -/ && ret=0 ;;
      *)
        lines=("${(@f)$(p2pmail complete $kind 2>/dev/null </dev/null)}")
        for line in $lines; do
          if [[ $line == *$'\t'* ]]; then
            described+=("${line%%$'\t'*}:${line#*$'\t'}")
          else
            found+=("$line")
          fi
        done
        ;;
    esac
  done
  (($#described)) && _describe -V -t messages message described && ret=0
  (($#found)) && _wanted values expl value compadd -a found && ret=0
  return ret
}
)sh";

constexpr const char* kTail = R"sh(
# Autoloaded, or read by `source <(p2pmail completion zsh)`.
if [[ $funcstack[1] == _p2pmail ]]; then
  _p2pmail "$@"
else
  compdef _p2pmail p2pmail
fi
)sh";

std::string function_of(const TreeCommand& command) {
  std::string name = "_p2pmail" + (command.path.empty() ? "" : "_" + command.path);
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

/// What _arguments reads as its own in explanations and messages.
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

std::string action_of(const Values& values) {
  const std::string kinds = value_kinds(values);
  // The blank keeps _arguments from adding arguments of its own; ": " = only the message.
  return kinds.empty() ? " " : " _p2pmail_value " + kinds;
}

std::string option_spec(const TreeOption& option) {
  const bool valued = !option.type.empty();
  std::vector<std::string> names = option.names;
  std::string tail = "[" + escaped(option.description) + "]";
  if (valued) {
    for (auto& name : names) name += name.starts_with("--") ? "=" : "+";
    tail += ":" + escaped(option.type) + ":" + action_of(option.values);
  }
  std::string specs;
  for (const auto& name : names) {
    const std::string head = option.repeats     ? "*"
                             : names.size() > 1 ? "(" + joined(option.names) + ")"
                                                : "";
    specs += " \\\n    " + sh_quoted(head + name + tail);
  }
  return specs;
}

/// Options, and words of the positions that look like one ("-seen").
std::string option_specs(const TreeCommand& command) {
  std::string specs;
  for (const auto& option : command.options) {
    if (!option.hidden) specs += option_spec(option);
  }
  for (const auto& position : command.positions) {
    for (const auto& word : position.values.words) {
      if (word.starts_with('-')) specs += " \\\n    " + sh_quoted("*" + word);
    }
  }
  return specs;
}

std::string position_specs(const TreeCommand& command) {
  std::string specs;
  for (std::size_t i = 0; i < command.positions.size(); ++i) {
    const auto& position = command.positions[i];
    Values values = position.values;
    std::erase_if(values.words, [](const std::string& word) { return word.starts_with('-'); });
    const std::string at = position.repeats ? "*" : std::to_string(i + 1);
    specs += " \\\n    " + sh_quoted(at + ":" + escaped(position.name) + ":" + action_of(values));
    if (position.repeats) break;
  }
  return specs;
}

std::string leaf(const TreeCommand& command) {
  return fmt::format("\n{}() {{\n  _arguments -s -S :{}{}\n}}\n", function_of(command),
                     option_specs(command), position_specs(command));
}

std::string with_commands(const TreeCommand& command) {
  std::string names, arms;
  for (const auto& inner : command.commands) {
    if (!inner.hidden) names += "\n        " + sh_quoted(inner.name + ":" + inner.summary);
    arms += fmt::format("        {}) {} ;;\n", inner.name, function_of(inner));
  }
  return fmt::format(R"sh(
{}() {{
  local curcontext=$curcontext state line
  local -a commands
  local -A opt_args
  _arguments -C -s -S :{} \
    '1: :->command' '*:: :->rest' && return
  case $state in
    command)
      commands=({}
      )
      _describe -t commands command commands
      ;;
    rest)
      case $words[1] in
{}      esac
      ;;
  esac
}}
)sh",
                     function_of(command), option_specs(command), names, arms);
}

}  // namespace

std::string zsh_completion(const TreeCommand& root) {
  std::string script = kHead;
  for (const auto* command : all_commands(root)) {
    script += command->commands.empty() ? leaf(*command) : with_commands(*command);
  }
  return script + kTail;
}

}  // namespace p2pmail::cmd
