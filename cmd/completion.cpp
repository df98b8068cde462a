// p2pmail completion bash: prints the completion script, made from the parser's own tree, so that
// it cannot drift from the options.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cmd/command.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Status;

namespace {

bool is_visible(const CLI::App& app) { return !app.get_group().empty(); }

std::string options_of(const CLI::App& app) {
  std::string words;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // hidden
    for (const auto& name : option->get_snames()) words += " -" + name;
    for (const auto& name : option->get_lnames()) words += " --" + name;
  }
  return words;
}

std::string commands_of(const CLI::App& app) {
  std::string words;
  for (const CLI::App* inner :
       app.get_subcommands([](const CLI::App* a) { return is_visible(*a); })) {
    words += " " + inner->get_name();
  }
  return words;
}

/// One case arm per command, also of commands inside commands ("peers add").
void add_arms(const CLI::App& app, const std::string& path, std::string& out) {
  for (const CLI::App* inner :
       app.get_subcommands([](const CLI::App* a) { return is_visible(*a); })) {
    const std::string name = path.empty() ? inner->get_name() : path + " " + inner->get_name();
    add_arms(*inner, name, out);
    out += fmt::format("    \"{}\"*) words=\"{}{}\" ;;\n", name, commands_of(*inner),
                       options_of(*inner));
  }
}

std::string bash_script(const CLI::App& app) {
  std::string arms;
  add_arms(app, "", arms);
  return fmt::format(R"(# bash completion for p2pmail; made by `p2pmail completion bash`
_p2pmail() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} words
  local before=("${{COMP_WORDS[@]:1:COMP_CWORD-1}}")
  case "${{before[*]}}" in
{}    *) words="{}{}" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}}
complete -o default -F _p2pmail p2pmail
)",
                     arms, commands_of(app), options_of(app));
}

Status run_completion(Env& env, const CLI::App& root, const std::string& shell) {
  if (shell != "bash") return Error{Code::kUsage, "only bash is known", "p2pmail completion bash"};
  env.print(bash_script(root));
  return {};
}

}  // namespace

Action add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  app.add_option("shell", *shell, "bash")->required();
  const CLI::App* root = app.get_parent();
  return [shell, root](Env& env) { return run_completion(env, *root, *shell); };
}

}  // namespace p2pmail::cmd
