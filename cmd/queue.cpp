// p2pmail queue: what is still to be delivered, per recipient, and why not yet; tries it now, or gives
// it up. Its upkeep is made here too, so that a user without serve and fetch has letters that expire.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "cmd/command.h"
#include "cmd/delivery.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "cmd/new_mail.h"
#include "cmd/push.h"
#include "cmd/relays.h"
#include "cmd/verbs.h"
#include "core/stored_message.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kMinDigits = 4;

struct Line {
  const core::QueueEntry* entry;
  std::string who;
  core::Progress progress;
  std::string reason;
  std::vector<HeldBy> held;
  std::uint64_t expires;  // seconds since 1970
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
// 1970), "state" ("queued" | "relayed"), "relays" [{"relay", "since", "until"}], "attempts", "next"
// (seconds since 1970; 0 = now), "expires" (seconds since 1970), "reason", "size"}
std::string as_json(const Line& line) {
  auto relays = nlohmann::ordered_json::array();
  for (const auto& one : line.held)
    relays.push_back({{"relay", one.relay}, {"since", one.since}, {"until", one.until}});
  return json_line("queue-entry", {{"entry", line.entry->id},
                                   {"id", core::to_hex(line.entry->message)},
                                   {"recipient", line.who},
                                   {"address", address_of(line.entry->recipient)},
                                   {"subject", core::clean_line(line.entry->subject)},
                                   {"since", line.entry->time},
                                   {"state", line.held.empty() ? "queued" : "relayed"},
                                   {"relays", relays},
                                   {"attempts", line.progress.attempts},
                                   {"next", line.progress.next_attempt},
                                   {"expires", line.expires},
                                   {"reason", line.reason},
                                   {"size", line.entry->size}});
}

std::string as_text(const Line& line, std::size_t width, std::uint64_t now) {
  const std::uint64_t tries = line.progress.attempts;
  if (!line.held.empty())
    return fmt::format("{}  {}  relayed: held by {}",
                       core::to_hex(line.entry->message).substr(0, kShortId),
                       padded(line.who, width), text_of(line.held));
  return fmt::format("{}  {}  queued since {}, expires {}  {} {}, next {}  {}",
                     core::to_hex(line.entry->message).substr(0, kShortId), padded(line.who, width),
                     local_time(line.entry->time), local_time(line.expires).substr(0, 10),
                     tries, tries == 1 ? "attempt" : "attempts",
                     when(line.progress.next_attempt, now), line.reason);
}

enum class Verb { kList, kShow, kRetry, kCancel };

struct Options {
  Verb verb = Verb::kList;
  std::vector<std::string> messages;
  std::vector<std::string> to;
};

Status print_entries(Env& env, const Names& names, const std::vector<core::QueueEntry>& entries) {
  core::Store& store = env.store();
  std::vector<Line> lines;
  std::size_t width = 0;
  const auto expire = static_cast<std::uint64_t>(env.settings.expire.count() / 1000);
  for (const auto& entry : entries) {
    Line line{&entry, names.label(entry.recipient), store.queue().progress(entry.id), "",
              held_by(env, names, entry), entry.time + expire};
    line.reason = reason_of(store, entry, line.progress);
    width = std::max(width, core::columns(line.who));
    lines.push_back(std::move(line));
  }
  const std::uint64_t now = env.clock().time;
  for (const auto& line : lines) {
    env.print(env.json ? as_json(line) : as_text(line, width, now) + "\n");
  }
  return {};
}

/// A message by digits of its id, of one that waits here or of one in the store.
Result<core::MessageId> named(Env& env, const std::vector<core::QueueEntry>& entries,
                              const std::string& word) {
  std::optional<core::MessageId> found;
  if (word.size() >= kMinDigits) {
    for (const auto& entry : entries) {
      if (!core::to_hex(entry.message).starts_with(word) || entry.message == found) continue;
      if (found) return Error{Code::kUsage, word + ": names several messages", "p2pmail queue"};
      found = entry.message;
    }
  }
  if (found) return *found;
  auto listed = core::resolve_message(env.store(), word);
  if (!listed) return listed.error();
  if (const auto id = message_id_in(listed->id)) return *id;
  return Error{Code::kNotFound, word + ": not a message of ours", "p2pmail queue"};
}

/// Of these messages (all without any), what still waits, for these recipients (all without any).
Result<std::vector<core::QueueEntry>> chosen(Env& env, const Options& options,
                                             std::vector<core::QueueEntry> entries) {
  std::set<core::MessageId> messages;
  for (const auto& word : options.messages) {
    auto id = named(env, entries, word);
    if (!id) return id.error();
    messages.insert(*id);
  }
  std::set<core::IdentityKey> recipients;
  for (const auto& name : options.to) {
    if (name == kMe) {
      recipients.insert(env.store().identity());
      continue;
    }
    auto peer = find_peer(env.store(), name);
    if (!peer) return peer.error();
    recipients.insert(peer->identity);
  }
  std::erase_if(entries, [&](const core::QueueEntry& entry) {
    return (!messages.empty() && !messages.contains(entry.message)) ||
           (!recipients.empty() && !recipients.contains(entry.recipient));
  });
  return entries;
}

// JSON: "queue-entry" for whoever has not got it, "delivery" for the others.
Status show(Env& env, const Names& names, const Options& options,
            std::vector<core::QueueEntry> entries) {
  auto id = named(env, entries, options.messages.front());
  if (!id) return id.error();
  auto ends = env.store().state().ends_of(*id);
  if (!ends) return ends.error();
  std::erase_if(entries, [&id](const auto& entry) { return entry.message != *id; });
  if (ends->empty() && entries.empty())
    return Error{Code::kNotFound,
                 options.messages.front() + ": nothing is known about its delivery", ""};
  for (const auto& end : *ends) {
    const auto waits = [&end](const auto& entry) { return entry.recipient == end.recipient; };
    if (std::any_of(entries.begin(), entries.end(), waits)) continue;
    const std::string who = names.label(end.recipient);
    env.print(env.json ? json_line("delivery", {{"id", core::to_hex(*id)},
                                                {"recipient", who},
                                                {"address", address_of(end.recipient)},
                                                {"state", word_of(end.ending)},
                                                {"reason", ""}})
                       : fmt::format("{}  {}  {} {}\n", core::to_hex(*id).substr(0, kShortId), who,
                                     word_of(end.ending), local_time(end.time)));
  }
  return print_entries(env, names, entries);
}

Status retry(Env& env, const Names& names, std::vector<core::QueueEntry> entries) {
  AllOutstanding all;
  for (auto& entry : entries) all.push_back({std::move(entry), {}, false, ""});
  // Whoever tries by hand is not to wait longer for the next attempt in turn.
  if (auto pushed = push_once(env, all, core::Backoff::kStays); !pushed) return pushed;
  look_again(env.store(), all);
  say_deliveries(env, names, all);
  return {};
}

// An entry that somebody sends at this moment cannot be taken away: it may just be arriving.
Status cancel(Env& env, const Names& names, std::vector<core::QueueEntry> entries) {
  core::Store& store = env.store();
  AllOutstanding all;
  std::string busy;
  Status status;
  for (auto& entry : entries) {
    auto claim = store.queue().claim(entry.id);
    bool cancelled = false;
    if (!claim) {
      status = claim.error();
    } else if (*claim) {
      status = store.queue().finish(**claim, core::Ending::kCancelled, env.clock().time);
      cancelled = status.has_value();
    } else if (!is_gone(store, entry.id)) {
      busy += (busy.empty() ? "" : ", ") + names.label(entry.recipient);
      continue;
    }
    if (!status) break;
    std::optional<core::Ending> ending;
    if (cancelled) ending = core::Ending::kCancelled;
    all.push_back({std::move(entry), ending, false, ""});
  }
  // What was done is said, whatever came after it.
  look_again(store, all);
  say_deliveries(env, names, all);
  if (!status) {
    if (auto flushed = env.flush(); !flushed) return flushed;
    return status;
  }
  if (busy.empty()) return {};
  return Error{Code::kBusy, busy + ": it is being sent at this moment", "p2pmail queue"};
}

/// The name of an entry, alone or as the name of its file, as an error about it says.
bool names_entry(const std::string& word, const std::string& id) {
  const std::string file = id + ".entry";
  return word == id || word == file || word.ends_with("/" + id) || word.ends_with("/" + file);
}

/// Nobody can read whom they were for: they are named by their files, and such words are done with.
Status cancel_damaged(Env& env, Options& options, std::vector<core::DamagedEntry>& damaged) {
  for (auto entry = damaged.begin(); entry != damaged.end();) {
    const auto is_it = [&](const auto& word) { return names_entry(word, entry->id); };
    if (std::erase_if(options.messages, is_it) == 0) {
      ++entry;
      continue;
    }
    if (auto removed = env.store().queue().remove_damaged(entry->id); !removed) return removed;
    env.note(entry->id + ": removed; it was damaged, and whom it was for is not known");
    entry = damaged.erase(entry);
  }
  return {};
}

/// Everything but `show`, and `cancel` of damaged entries alone.
Status act(Env& env, const Names& names, const Options& options,
           std::vector<core::QueueEntry> entries, bool is_whole) {
  auto some = chosen(env, options, std::move(entries));
  if (!some) return some.error();
  if (!options.messages.empty() && some->empty() && is_whole)
    return Error{Code::kNotFound, "nothing of that is queued", "p2pmail queue"};
  if (options.verb == Verb::kRetry) return retry(env, names, std::move(*some));
  if (options.verb == Verb::kCancel) return cancel(env, names, std::move(*some));
  return print_entries(env, names, *some);
}

Status run_queue(Env& env, Options options) {
  auto names = Names::load(env.store());
  if (!names) return names.error();
  if (auto tended = tend_queue(env); !tended) env.note("warning: " + tended.error().context);
  std::vector<core::DamagedEntry> damaged;
  auto entries = env.store().queue().list(&damaged);
  if (!entries) return entries.error();
  bool done = false;
  if (options.verb == Verb::kCancel) {
    if (auto removed = cancel_damaged(env, options, damaged); !removed) return removed;
    done = options.messages.empty();
  }
  Status status;
  if (options.verb == Verb::kShow) {
    status = show(env, *names, options, std::move(*entries));
  } else if (!done) {
    status = act(env, *names, options, std::move(*entries), damaged.empty());
  }
  if (!status) return status;
  // What can be read is shown even so.
  if (!damaged.empty()) {
    if (auto flushed = env.flush(); !flushed) return flushed;
  }
  return check_damage(damaged);
}

using OptionsPtr = std::shared_ptr<Options>;

CLI::Option* add_messages(CLI::App& app, const OptionsPtr& options) {
  return app.add_option("message", options->messages, "Digits of an id, or FOLDER/@~N")
      ->type_name("MESSAGE");
}

void add_to(CLI::App& app, const OptionsPtr& options) {
  app.add_option("--to", options->to, "Only for this recipient")
      ->type_name("RECIPIENT")
      ->allow_extra_args(false);
}

}  // namespace

Action add_queue(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.require_subcommand(0, 1);
  add_verb(app, options, Verb::kList, "ls", "List them (the default)");
  auto* shown = add_verb(app, options, Verb::kShow, "show", "What became of one message");
  add_messages(*shown, options)->required()->expected(1);
  auto* tried = add_verb(app, options, Verb::kRetry, "retry", "Try now, whenever it would be due");
  add_messages(*tried, options);
  add_to(*tried, options);
  auto* ended = add_verb(app, options, Verb::kCancel, "cancel", "Do not send it any more");
  add_messages(*ended, options)->required();
  add_to(*ended, options);
  return [options](Env& env) { return run_queue(env, *options); };
}

}  // namespace p2pmail::cmd
