// What the completion scripts are made from: the parser's own tree, reduced to what a shell needs.
//
// What a value may be is read from the option's type name (the word that its help shows), so that a
// new option completes without an edit here: FILE, DIR, PEER, NAME, RECIPIENT, FOLDER, MESSAGE, ID,
// CARD, +FLAG, -FLAG, several of them ("MESSAGE... FOLDER", "FILE|-"), alternatives in lower case
// ("bash|zsh|fish") and the sets of CLI::IsMember. Anything else completes nothing.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace p2pmail::cmd {

struct Values {
  bool files = false;
  bool directories = false;
  std::vector<std::string> words;  // of letters, digits and "_.+@%/-" only: nothing to a shell
  std::vector<std::string> lists;  // for `p2pmail complete`: peers, folders, messages
};

struct TreeOption {
  std::vector<std::string> names;  // with their dashes
  std::string description;
  std::string type;  // for people; empty = takes no value
  bool repeats = false;
  bool hidden = false;  // not offered, but its value has to be stepped over
  Values values;
};

struct TreePosition {
  std::string name;
  bool repeats = false;  // takes all that follow
  Values values;
};

struct TreeCommand {
  std::string path;  // "peers add"; empty = the program
  std::string name;
  std::string summary;
  bool hidden = false;
  std::vector<TreeOption> options;
  std::vector<TreePosition> positions;
  std::vector<TreeCommand> commands;
};

[[nodiscard]] TreeCommand completion_tree(const CLI::App& app);
/// The tree as a list, a command before those inside it.
[[nodiscard]] std::vector<const TreeCommand*> all_commands(const TreeCommand& root);
[[nodiscard]] Values values_of_type(const std::string& type, bool positional);

/// Words with blanks between them.
[[nodiscard]] std::string joined(const std::vector<std::string>& words);
/// What a script's function for values is told: "files directories peers word=me".
[[nodiscard]] std::string value_kinds(const Values& values);
/// In single quotes, for bash and zsh.
[[nodiscard]] std::string sh_quoted(const std::string& text);

// One per shell: the whole script.
[[nodiscard]] std::string bash_completion(const TreeCommand& root);
[[nodiscard]] std::string zsh_completion(const TreeCommand& root);
[[nodiscard]] std::string fish_completion(const TreeCommand& root);

}  // namespace p2pmail::cmd
