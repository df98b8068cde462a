// p2pmail doctor: checks what can be wrong around a store, and says what to do about it. Changes
// nothing without --repair.
#include "cmd/doctor.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cmd/command.h"
#include "cmd/format.h"
#include "cmd/report.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Status;
using Level = Finding::Level;

namespace {

struct Options {
  bool offline = false;
  bool repair = false;
};

const char* level_name(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok";
    case Level::kWarning:
      return "warning";
    case Level::kProblem:
      return "problem";
  }
  return "problem";
}

// JSON: {"level" ("ok" | "warning" | "problem"), "check", "message", "advice"}
void print(Env& env, const Finding& finding) {
  const std::string message = core::clean_line(finding.message);
  const std::string advice = core::clean_line(finding.advice);
  if (env.json) {
    env.print(json_line("finding", {{"level", level_name(finding.level)},
                                    {"check", finding.check},
                                    {"message", message},
                                    {"advice", advice}}));
  } else if (!env.quiet || finding.level != Level::kOk) {
    env.print(
        fmt::format("{:<7}  {:<11}  {}\n", level_name(finding.level), finding.check, message));
    if (!advice.empty()) env.print(std::string(22, ' ') + "-> " + advice + "\n");
  }
}

void check_store(Env& env, const Options& options, Findings& findings) {
  bool lost_peers = false;
  check_databases(env, options.repair, findings, lost_peers);
  if (auto opened = env.open_store(); !opened) {
    const std::string advice = opened.error().hint;
    findings.push_back({Level::kProblem, "store", opened.error().context,
                        advice.empty() ? "restore it from a backup" : advice});
    return;
  }
  findings.push_back({Level::kOk, "store", env.paths.root.string() + ": opens", ""});
  if (options.repair) repair_store(env, lost_peers, findings);
  check_card(env, findings);
  check_maildir(env, findings);
  check_queue(env, findings);
  check_disk(env, findings);
  if (!options.offline) check_places(env, findings);
}

Status run_doctor(Env& env, const Options& options) {
  Findings findings;
  check_settings(env, findings);
  check_permissions(env, findings);
  check_keys(env, findings);
  check_clock(env, findings);
  check_store(env, options, findings);
  check_keyring(env, findings);
  check_mutt(env, findings);
  for (const auto& finding : findings) print(env, finding);
  const auto problems = std::count_if(findings.begin(), findings.end(), [](const auto& finding) {
    return finding.level == Level::kProblem;
  });
  if (problems == 0) return {};
  // The findings are the output of a run that did its work: they are printed in any case.
  if (auto flushed = env.flush(); !flushed) return flushed;
  return Error{Code::kConfig,
               fmt::format("{} {} found", problems, problems == 1 ? "problem" : "problems"), ""};
}

}  // namespace

Action add_doctor(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_flag("--offline", options->offline, "Dial nobody");
  app.add_flag("--repair", options->repair,
               "Mend what a crash has left; set damaged databases aside");
  return [options](Env& env) { return run_doctor(env, *options); };
}

}  // namespace p2pmail::cmd
