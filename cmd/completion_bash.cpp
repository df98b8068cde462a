// The completion script for bash. No help of the bash-completion package is needed.
#include <fmt/format.h>

#include "cmd/completion_tree.h"

namespace p2pmail::cmd {

namespace {

// The script's own tokenizer, because COMP_WORDS is broken at '=', '@', '&' and more, which
// petnames and messages hold. What has to be inserted is what readline replaces ($2), so a
// candidate loses what stands before that. Candidates are quoted once by %q and never evaluated
// here.
constexpr const char* kEngine = R"sh(
# Splits the line up to the cursor: _p2p_words (unquoted), _p2p_raw (the last one as typed), and
# whether the last one is the file of a redirection.
_p2pmail_split() {
  local line=${COMP_LINE:0:COMP_POINT} c quote='' word='' i
  local -i some=0 redirect=0
  _p2p_words=() _p2p_raw=''
  for ((i = 0; i < ${#line}; i++)); do
    c=${line:i:1}
    if [[ $quote ]]; then
      if [[ $c == "$quote" ]]; then quote=''; else word+=$c; fi
      _p2p_raw+=$c
    elif [[ $c == [\'\"] ]]; then
      quote=$c some=1 _p2p_raw+=$c
    elif [[ $c == \\ ]]; then
      i+=1 some=1 word+=${line:i:1} _p2p_raw+=$c${line:i:1}
    elif [[ $c == [[:blank:]] || $c == [\<\>] ]]; then
      if ((some)); then
        ((redirect)) || _p2p_words+=("$word")
        redirect=0
      fi
      [[ $c == [\<\>] ]] && redirect=1
      some=0 word='' _p2p_raw=''
    else
      some=1 word+=$c _p2p_raw+=$c
    fi
  done
  _p2p_words+=("$word")
  _p2p_redirect=$redirect
}

# _p2pmail_words KIND...: what may stand here, into _p2p_found.
_p2pmail_words() {
  local kind list
  for kind; do
    case $kind in
      word=*) _p2p_found+=("${kind#word=}") ;;
      files) compopt -o default 2>/dev/null ;;
      directories) compopt -o dirnames 2>/dev/null ;;
      *)
        mapfile -t list < <(p2pmail complete "$kind" 2>/dev/null </dev/null)
        _p2p_found+=("${list[@]%%$'\t'*}")
        compopt -o nosort 2>/dev/null
        ;;
    esac
  done
}

_p2pmail() {
  local -a _p2p_words _p2p_found=()
  local _p2p_raw _p2p_redirect commands options valued path='' kinds='' word prefix='' quoted kept
  local -i at=0 i only=0
  COMPREPLY=()
  _p2pmail_split
  if ((_p2p_redirect)); then
    compopt -o default 2>/dev/null
    return
  fi
  local cur=${_p2p_words[-1]}
  _p2pmail_command ''
  for ((i = 1; i < ${#_p2p_words[@]} - 1; i++)); do
    word=${_p2p_words[i]}
    if ((!only)) && [[ $word == -- ]]; then
      only=1
    elif ((!only)) && [[ $word == -?* ]]; then
      if [[ " $valued " == *" $word "* ]]; then i+=1; fi
    elif ((at == 0)) && _p2pmail_command "${path:+$path }$word"; then
      path=${path:+$path }$word
    else
      at+=1
    fi
  done
  if ((i == ${#_p2p_words[@]})); then # stepped over the last word: it is the value of an option
    _p2pmail_value "$path" "${_p2p_words[-2]}"
    _p2pmail_words $kinds
  elif ((!only)) && [[ $cur == --*=* ]]; then
    prefix=${cur%%=*}=
    _p2pmail_value "$path" "${cur%%=*}"
    _p2pmail_words $kinds
  else
    _p2pmail_value "$path" $((at + 1))
    if ((at == 0)); then _p2p_found+=($commands); fi
    if ((!only)) && [[ $cur == -* ]]; then _p2p_found+=($options); fi
    _p2pmail_words $kinds
  fi
  kept=${_p2p_raw%"$2"}
  for word in "${_p2p_found[@]}"; do
    word=$prefix$word
    [[ $word == "$cur"* ]] || continue
    printf -v quoted %q "$word"
    if [[ $_p2p_raw == *[\'\"]* ]]; then
      # Inside quotes another quoting holds: only what needs none.
      [[ $quoted == "$word" && $_p2p_raw == [\'\"]"$cur" ]] && COMPREPLY+=("$word")
    elif [[ $quoted == "$kept"* ]]; then
      COMPREPLY+=("${quoted#"$kept"}")
    fi
  done
}
complete -F _p2pmail p2pmail
)sh";

std::string names_of(const TreeCommand& command, bool (*wanted)(const TreeOption&)) {
  std::vector<std::string> names;
  for (const auto& option : command.options) {
    if (wanted(option)) names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return joined(names);
}

std::string command_arm(const TreeCommand& command) {
  std::vector<std::string> inner;
  for (const auto& one : command.commands) {
    if (!one.hidden) inner.push_back(one.name);
  }
  return fmt::format(
      "    '{}')\n      commands='{}'\n      options='{}'\n      valued='{}'\n      ;;\n",
      command.path, joined(inner),
      names_of(command, [](const TreeOption& option) { return !option.hidden; }),
      names_of(command, [](const TreeOption& option) { return !option.type.empty(); }));
}

std::string value_arm(const std::string& pattern, const Values& values) {
  const std::string kinds = value_kinds(values);
  return kinds.empty() ? "" : fmt::format("    {}) kinds='{}' ;;\n", pattern, kinds);
}

std::string value_arms(const TreeCommand& command) {
  std::string arms;
  for (const auto& option : command.options) {
    std::string pattern;
    for (const auto& name : option.names) {
      pattern += fmt::format("{}'{}:{}'", pattern.empty() ? "" : " | ", command.path, name);
    }
    arms += value_arm(pattern, option.values);
  }
  for (std::size_t i = 0; i < command.positions.size(); ++i) {
    const auto& position = command.positions[i];
    const std::string at = position.repeats ? "'[1-9]*" : fmt::format("{}'", i + 1);
    arms += value_arm(fmt::format("'{}:{}", command.path, at), position.values);
    if (position.repeats) break;
  }
  return arms;
}

}  // namespace

std::string bash_completion(const TreeCommand& root) {
  std::string script =
      "# bash completion for p2pmail; made by `p2pmail completion bash`, not by hand\n"
      "# shellcheck shell=bash disable=SC2034,SC2086,SC2206\n\n"
      "# _p2pmail_command PATH: its commands, options, and those that take a value; fails for "
      "others.\n"
      "_p2pmail_command() {\n  case $1 in\n";
  for (const auto* command : all_commands(root)) script += command_arm(*command);
  script +=
      "    *) return 1 ;;\n  esac\n}\n\n"
      "# _p2pmail_value PATH OPTION|POSITION: what it may be, into kinds.\n"
      "_p2pmail_value() {\n  kinds=''\n  case $1:$2 in\n";
  for (const auto* command : all_commands(root)) script += value_arms(*command);
  return script + "  esac\n}\n" + kEngine;
}

}  // namespace p2pmail::cmd
