// p2pmail queue: what is still to be delivered, per recipient, and why not yet.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cmd/command.h"
#include "cmd/delivery.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "cmd/new_mail.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Status;

namespace {

struct Line {
  const core::QueueEntry* entry;
  std::string who;
  core::Progress progress;
  std::string reason;
};

std::string reason_of(core::Store& store, const core::QueueEntry& entry,
                      const core::Progress& progress) {
  if (!progress.last_error.empty()) return core::clean_line(progress.last_error);
  auto peer = peer_of(store, entry.recipient);
  if (!peer || !*peer || !(*peer)->card) return "no card known";
  if (target_of(**peer).places.empty()) return "listens nowhere that is known; waits until fetched";
  return "not tried yet";
}

std::string when(std::uint64_t next, std::uint64_t now) {
  return next > now ? "in " + short_duration(next - now) : "now";
}

// JSON: {"entry", "id" (of the message), "recipient", "address", "subject", "since" (seconds since
// 1970), "state" ("queued"), "attempts", "next" (seconds since 1970; 0 = now), "reason", "size"}
std::string as_json(const Line& line) {
  return json_line("queue-entry", {{"entry", line.entry->id},
                                   {"id", core::to_hex(line.entry->message)},
                                   {"recipient", line.who},
                                   {"address", address_of(line.entry->recipient)},
                                   {"subject", core::clean_line(line.entry->subject)},
                                   {"since", line.entry->time},
                                   {"state", "queued"},
                                   {"attempts", line.progress.attempts},
                                   {"next", line.progress.next_attempt},
                                   {"reason", line.reason},
                                   {"size", line.entry->size}});
}

std::string as_text(const Line& line, std::size_t width, std::uint64_t now) {
  const std::uint64_t tries = line.progress.attempts;
  return fmt::format("{}  {}  queued since {}  {} {}, next {}  {}",
                     core::to_hex(line.entry->message).substr(0, kShortId), padded(line.who, width),
                     local_time(line.entry->time), tries, tries == 1 ? "attempt" : "attempts",
                     when(line.progress.next_attempt, now), line.reason);
}

Status run_queue(Env& env) {
  core::Store& store = env.store();
  auto names = Names::load(store);
  if (!names) return names.error();
  std::vector<std::string> damaged;
  auto entries = store.queue().list(&damaged);
  if (!entries) return entries.error();
  std::vector<Line> lines;
  std::size_t width = 0;
  for (const auto& entry : *entries) {
    Line line{&entry, names->label(entry.recipient), store.queue().progress(entry.id), ""};
    line.reason = reason_of(store, entry, line.progress);
    width = std::max(width, core::columns(line.who));
    lines.push_back(std::move(line));
  }
  const std::uint64_t now = env.clock().time;
  for (const auto& line : lines) {
    env.print(env.json ? as_json(line) : as_text(line, width, now) + "\n");
  }
  // What can be read is shown even so.
  if (!damaged.empty()) {
    if (auto flushed = env.flush(); !flushed) return flushed;
  }
  return check_damage(damaged);
}

}  // namespace

Action add_queue(CLI::App& app) {
  app.require_subcommand(0, 1);
  app.add_subcommand("ls", "List them (the default)");
  return run_queue;
}

}  // namespace p2pmail::cmd
