// p2pmail completion bash|zsh|fish: prints the completion script, made from the parser's own tree,
// so that it cannot drift from the options.
#include <CLI/CLI.hpp>
#include <memory>

#include "cmd/command.h"
#include "cmd/completion_tree.h"

namespace p2pmail::cmd {

using core::Status;

namespace {

Status run_completion(Env& env, const CLI::App& root, const std::string& shell) {
  const TreeCommand tree = completion_tree(root);
  if (shell == "bash") env.print(bash_completion(tree));
  if (shell == "zsh") env.print(zsh_completion(tree));
  if (shell == "fish") env.print(fish_completion(tree));
  return {};
}

}  // namespace

Action add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  app.add_option("shell", *shell, "Whose script to print")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->required();
  const CLI::App* root = app.get_parent();
  return [shell, root](Env& env) { return run_completion(env, *root, *shell); };
}

}  // namespace p2pmail::cmd
