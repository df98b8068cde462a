#include "cmd/verbs.h"

#include <CLI/CLI.hpp>

namespace p2pmail::cmd {

CLI::App* add_subcommand(CLI::App& app, const char* name, const char* summary,
                         std::function<void()> given) {
  CLI::App* parser = app.add_subcommand(name, summary);
  parser->callback(std::move(given));
  return parser;
}

}  // namespace p2pmail::cmd
