// p2pmail config: every setting, its value, and where it comes from.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cmd/command.h"
#include "cmd/format.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Status;
using Shown = Settings::Shown;

namespace {

struct Options {
  std::string key;
  bool path = false;
};

const char* source_name(Shown::Source source) {
  switch (source) {
    case Shown::Source::kDefault:
      return "default";
    case Shown::Source::kEnvironment:
      return "environment";
    case Shown::Source::kFile:
      return "file";
  }
  return "default";
}

std::string place_of(const Shown& shown) {
  if (shown.source == Shown::Source::kFile) return fmt::format("{}:{}", shown.where, shown.line);
  return shown.source == Shown::Source::kDefault ? "default" : "$" + shown.where;
}

// JSON: {"key", "value", "source" ("default" | "environment" | "file"), then "variable", or "file" and
// "line"}
std::string as_json(const Shown& shown) {
  nlohmann::ordered_json fields{{"key", shown.key},
                                {"value", core::clean_line(shown.value)},
                                {"source", source_name(shown.source)}};
  const std::string where = core::clean_line(shown.where);
  if (shown.source == Shown::Source::kEnvironment) fields["variable"] = where;
  if (shown.source == Shown::Source::kFile) fields.update({{"file", where}, {"line", shown.line}});
  return json_line("setting", fields);
}

void print_table(Env& env, const std::vector<Shown>& rows) {
  std::size_t keys = 0, values = 0;
  for (const auto& row : rows) {
    keys = std::max(keys, row.key.size());
    values = std::max(values, core::columns(core::clean_line(row.value)));
  }
  for (const auto& row : rows) {
    env.print(padded(row.key, keys) + "  " + padded(core::clean_line(row.value), values) + "  " +
              core::clean_line(place_of(row)) + "\n");
  }
}

Status run_config(Env& env, const Options& options) {
  if (options.path) {
    env.print(core::clean_line(env.settings_file.string()) + "\n");
    return {};
  }
  if (auto read = env.read_settings(); !read) return read;
  std::vector<Shown> rows;
  for (const auto& row : env.settings.shown) {
    if (options.key.empty() || row.key == options.key) rows.push_back(row);
  }
  if (rows.empty()) {
    const auto meant = nearest(options.key, setting_keys());
    return Error{Code::kUsage, fmt::format("there is no setting '{}'", options.key),
                 meant ? "p2pmail config " + *meant : "p2pmail config"};
  }
  if (env.json) {
    for (const auto& row : rows) env.print(as_json(row));
  } else if (!options.key.empty()) {
    env.print(core::clean_line(rows.front().value) + "\n");  // for scripts: the value alone
  } else {
    print_table(env, rows);
  }
  return {};
}

}  // namespace

Action add_config(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* path = app.add_flag("--path", options->path, "Print where the file with settings lies");
  app.add_option("key", options->key, "Only the value of this one")
      ->type_name("KEY")
      ->excludes(path);
  return [options](Env& env) { return run_config(env, *options); };
}

}  // namespace p2pmail::cmd
