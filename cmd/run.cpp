#include "cmd/run.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <filesystem>

#include "cmd/command.h"
#include "cmd/format.h"
#include "cmd/report.h"
#include "core/crypto.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Status;

namespace {

struct Row {
  const Command* command;
  CLI::App* parser;
  Action action;
};

/// Options common to all commands, also of the commands inside a command.
void add_common(CLI::App& parser, Env& env) {
  parser.add_flag("-q,--quiet", env.quiet, "Say only what is wrong");
  parser.add_flag("-v,--verbose", env.verbose, "Say more, on standard error");
  parser.add_flag("--json", env.json, "Output and errors as JSON, one object a line");
  for (CLI::App* inner : parser.get_subcommands({})) add_common(*inner, env);
}

std::vector<Row> add_commands(CLI::App& app, Env& env) {
  std::vector<Row> rows;
  for (const Command& command : commands()) {
    CLI::App* parser = app.add_subcommand(command.name, command.summary);
    parser->group(command.group);
    rows.push_back({&command, parser, command.add(*parser)});
    add_common(*parser, env);
  }
  return rows;
}

// CLI11 2.1.2 says "A subcommand is required" to a mistyped name; people need the name.
Status check_name(const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    return Error{Code::kUsage, "a command is needed", "p2pmail -h"};
  }
  const std::string& word = arguments.front();
  if (word == "-h" || word == "--help" || word == "--version") return {};
  if (word.starts_with('-')) {
    return Error{Code::kUsage, fmt::format("'{}' is not an option; a command comes first", word),
                 "p2pmail -h"};
  }
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    if (word == command.name) return {};
    if (*command.group != '\0') names.emplace_back(command.name);
  }
  const auto meant = nearest(word, names);
  return Error{Code::kUsage, fmt::format("there is no command '{}'", word),
               meant ? "p2pmail " + *meant : "p2pmail -h"};
}

std::string chosen_path(const CLI::App& app) {
  std::string path = "p2pmail";
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    path += " " + at->get_name();
  }
  return path;
}

/// Parses; an answer of false = help or version was asked for and printed.
core::Result<bool> parse(CLI::App& app, Env& env, const std::vector<std::string>& arguments) {
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    return true;
  } catch (const CLI::CallForHelp&) {
    env.print(app.help());
  } catch (const CLI::CallForAllHelp&) {
    env.print(app.help("", CLI::AppFormatMode::All));
  } catch (const CLI::CallForVersion& version) {
    env.print(std::string(version.what()) + "\n");
  } catch (const CLI::ParseError& wrong) {
    const std::string path = chosen_path(app);
    std::string words = wrong.what();
    words = words.substr(0, words.find('\n'));
    // CLI11 writes sentences; ours are lower case.
    if (words.size() > 1 && words[0] >= 'A' && words[0] <= 'Z' && words[1] >= 'a') words[0] ^= 0x20;
    const std::string subject = path == "p2pmail" ? "" : path.substr(8) + ": ";
    return Error{Code::kUsage, subject + words, path + " -h"};
  }
  return false;
}

Status run_chosen(const std::vector<Row>& rows, Env& env) {
  for (const Row& row : rows) {
    if (!row.parser->parsed()) continue;
    if (row.command->needs == Needs::kStore) {
      if (auto read = env.read_settings(); !read) return read;
      if (auto opened = env.open_store(); !opened) return opened;
    }
    return row.action(env);
  }
  return Error{Code::kUsage, "a command is needed", "p2pmail -h"};
}

Status parse_and_run(Env& env, const std::vector<std::string>& arguments) {
  if (auto named = check_name(arguments); !named) return named;
  CLI::App app("Mail between people, with keys for addresses and no server in between", "p2pmail");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.set_version_flag("--version", "p2pmail " P2PMAIL_VERSION, "Print the version and exit");
  app.require_subcommand(1);
  const auto rows = add_commands(app, env);
  auto parsed = parse(app, env, arguments);
  if (!parsed) return parsed.error();
  if (*parsed) {
    if (auto done = run_chosen(rows, env); !done) return done;
  }
  return env.flush();
}

}  // namespace

std::vector<std::string> command_words(const std::vector<std::string>& argv) {
  if (argv.empty()) return {};
  std::vector<std::string> words(argv.begin() + 1, argv.end());
  if (std::filesystem::path(argv.front()).filename() != "sendmail") return words;
  // -bm, "deliver mail", is what sendmail does anyway; here -b would be a blind carbon copy.
  std::erase(words, "-bm");
  words.insert(words.begin(), {"send", "-i"});
  return words;
}

int run(Env& env, const std::vector<std::string>& arguments) {
  core::crypto_init();
  try {
    // Before parsing, so that what the parser refuses is said as JSON too.
    env.json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
    auto done = parse_and_run(env, arguments);
    return done ? 0 : report(env, done.error());
  } catch (const std::exception& failure) {
    // Memory that ran out, a file system that throws: reported like the rest.
    return report(env, Error{Code::kBug, fmt::format("unexpected: {}", failure.what()), ""});
  }
}

}  // namespace p2pmail::cmd
