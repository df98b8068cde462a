// p2pmail send: composes, seals, queues, pushes now if it can, and says what is true.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cmd/command.h"
#include "cmd/delivery.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "cmd/recipients.h"
#include "core/file.h"
#include "core/outbox.h"
#include "core/post_office.h"
#include "core/stored_message.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;
using Clock = std::chrono::steady_clock;

namespace {

struct Options {
  std::string subject;
  std::vector<std::string> attachments;
  std::vector<std::string> to, cc, bcc;
  std::string in_reply_to;
  std::string wait;
  bool no_push = false;
};

constexpr std::size_t kMaxSubjectBytes = 4096;
constexpr std::chrono::seconds kFirstRetry{1};
constexpr std::chrono::seconds kLastRetry{30};

Status check_line(const std::string& text, const char* what) {
  if (core::has_controls(text)) {
    return Error{Code::kUsage, fmt::format("{} has control characters or is not UTF-8", what), ""};
  }
  if (text.size() > kMaxSubjectBytes)
    return Error{Code::kUsage, fmt::format("{} is too long", what), ""};
  return {};
}

// ---- attachments
// ---------------------------------------------------------------------------------

struct Attachments {
  std::vector<core::Fd> open;
  std::vector<core::Draft::Attachment> list;
  bool uses_stdin = false;
};

Status add_file(Attachments& all, const std::string& path) {
  auto file = core::open_file(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (!file) return file.error();
  struct stat facts {};
  if (fstat(file->get(), &facts) != 0) return core::errno_error(errno, path, "cannot look at");
  if (S_ISDIR(facts.st_mode)) {
    return Error{Code::kNotFound, path + ": is a directory",
                 fmt::format("tar c {} | p2pmail send -a - ...", path)};
  }
  const std::string name = core::safe_file_name(std::filesystem::path(path).filename().string());
  all.list.push_back({path, name, file->get()});
  all.open.push_back(std::move(*file));
  return {};
}

// All of them before anything is composed: a missing one sends nothing.
Result<Attachments> open_attachments(const Env& env, const std::vector<std::string>& paths) {
  Attachments all;
  for (const auto& path : paths) {
    if (path == "-") {
      if (all.uses_stdin) return Error{Code::kUsage, "standard input can be attached once", ""};
      all.uses_stdin = true;
      all.list.push_back({"standard input", "stdin", env.in});
    } else if (auto added = add_file(all, path); !added) {
      return added.error();
    }
  }
  return all;
}

// ---- the draft
// -----------------------------------------------------------------------------------

/// The Message-ID behind what the user named: a message of the store, or the field's own words.
Result<std::string> referenced(Env& env, const std::string& word) {
  if (word.empty()) return std::string();
  if (auto checked = check_line(word, "the reference"); !checked) return checked.error();
  const auto at = word.find('@');
  const bool is_message_id = at != std::string::npos && at > 0 && word[at - 1] != '/';
  if (is_message_id) {
    const bool angled = word.starts_with('<') && word.ends_with('>');
    std::string bare = angled ? word.substr(1, word.size() - 2) : word;
    if (bare.find_first_of(" <>") == std::string::npos) return bare;
    return Error{Code::kUsage, fmt::format("'{}' is not a Message-ID", word), ""};
  }
  auto listed = core::resolve_message(env.store(), word);
  if (!listed) return listed.error();
  auto outer = core::read_outer(listed->file.path);
  if (!outer) return outer.error();
  const auto fields = core::parse_header(*outer);
  if (fields && !fields->message_id.empty()) return fields->message_id;
  return Error{Code::kMalformed, listed->file.path.string() + ": has no Message-ID", ""};
}

std::string fresh_message_id(const core::Store& store) {
  core::Bytes random(16);
  core::random_bytes(random);
  const std::string address = address_of(store.card().roster.value);
  return core::to_hex(random) + address.substr(address.find('@'));
}

Result<core::Posting> make_posting(Env& env, const Options& options, const Attachments& files) {
  if (auto checked = check_line(options.subject, "the subject"); !checked) return checked.error();
  auto recipients = resolve_recipients(env, options.to, options.cc, options.bcc);
  if (!recipients) return recipients.error();
  auto reply = referenced(env, options.in_reply_to);
  if (!reply) return reply.error();
  const auto& roster = env.store().card().roster.value;
  core::Posting posting;
  posting.draft.from = {roster.name, address_of(roster)};
  posting.draft.to = std::move(recipients->to);
  posting.draft.cc = std::move(recipients->cc);
  posting.draft.subject = options.subject;
  posting.draft.message_id = fresh_message_id(env.store());
  posting.draft.in_reply_to = *reply;
  posting.draft.time = env.clock().time;
  posting.draft.body_fd = files.uses_stdin ? -1 : env.in;
  posting.draft.attachments = files.list;
  posting.open = std::move(recipients->open);
  posting.blind = std::move(recipients->blind);
  return posting;
}

// ---- pushing
// -------------------------------------------------------------------------------------

struct Outstanding {
  core::QueueEntry entry;
  bool delivered = false;
  std::string why;  // in words, when not delivered
};
using AllOutstanding = std::vector<Outstanding>;

bool all_delivered(const AllOutstanding& all) {
  return std::all_of(all.begin(), all.end(), [](const auto& one) { return one.delivered; });
}

/// Targets for what is outstanding; who cannot be dialed is noted.
std::vector<net::Target> targets_for(core::Store& store, AllOutstanding& all) {
  std::vector<net::Target> targets;
  for (auto& one : all) {
    if (one.delivered || one.entry.recipient == store.identity()) continue;
    auto peer = peer_of(store, one.entry.recipient);
    net::Target target = peer && *peer ? target_of(**peer) : net::Target{};
    if (target.places.empty()) {
      one.why = "listens nowhere that is known; waits until fetched";
    } else {
      targets.push_back(std::move(target));
    }
  }
  return targets;
}

void note_outcomes(Env& env, AllOutstanding& all, const std::vector<net::Target>& targets,
                   const std::vector<net::DialOutcome>& outcomes) {
  core::Store& store = env.store();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    for (auto& one : all) {
      if (one.delivered || one.entry.recipient != targets[i].identity) continue;
      const auto& error = outcomes[i].error;
      if (error) one.why = "cannot be reached: " + error->context;
      if (error) note_unreached(store, {one.entry.id}, *error, env.clock().time);
      // A refusal of this very letter says more than how the conversation ended.
      if (outcomes[i].reached) one.why = store.queue().progress(one.entry.id).last_error;
    }
  }
}

/// One attempt for everybody who has not got it yet.
Status push_once(Env& env, AllOutstanding& all) {
  core::Store& store = env.store();
  core::PostOffice::Options options;
  options.clocks = env.clock;
  for (const auto& one : all) {
    if (!one.delivered) options.only.insert(one.entry.id);
  }
  core::PostOffice post_office(store, std::move(options));
  const bool to_self = std::any_of(all.begin(), all.end(), [&store](const auto& one) {
    return !one.delivered && one.entry.recipient == store.identity();
  });
  if (to_self) {
    if (auto delivered = post_office.deliver_to_self(); !delivered) return delivered;
  }
  const auto targets = targets_for(store, all);
  net::DialOptions dialing;
  dialing.stop = env.stop;
  std::vector<net::DialOutcome> outcomes;
  if (!targets.empty())
    outcomes = net::dial(post_office, store.device().transport, targets, dialing);
  for (auto& one : all) {
    if (!one.delivered) one.delivered = post_office.delivered().contains(one.entry.id);
  }
  note_outcomes(env, all, targets, outcomes);
  return {};
}

/// A running `serve` may have been quicker: then the entry is gone without us.
void look_again(core::Store& store, AllOutstanding& all) {
  for (auto& one : all) one.delivered = one.delivered || is_gone(store, one.entry.id);
}

void pause(const core::QueueWatch& watch, std::chrono::milliseconds most) {
  pollfd item{watch.fd(), POLLIN, 0};
  if (poll(&item, 1, static_cast<int>(most.count())) <= 0) return;
  std::array<char, 4096> discarded;
  while (read(watch.fd(), discarded.data(), discarded.size()) > 0) continue;
}

Status wait_for_receipts(Env& env, AllOutstanding& all, std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  auto watch = core::QueueWatch::create(env.store().queue().directory());
  if (!watch) return watch.error();
  std::chrono::milliseconds retry = kFirstRetry;
  auto next_try = Clock::now() + retry;
  while (true) {
    look_again(env.store(), all);
    if (all_delivered(all) || env.stopped() || Clock::now() >= deadline) return {};
    if (Clock::now() >= next_try) {
      if (auto pushed = push_once(env, all); !pushed) return pushed;
      retry = std::min<std::chrono::milliseconds>(2 * retry, kLastRetry);
      next_try = Clock::now() + retry;
      continue;
    }
    const auto left = std::min(deadline, next_try) - Clock::now();
    const auto most = std::chrono::ceil<std::chrono::milliseconds>(left);
    pause(*watch, std::clamp<std::chrono::milliseconds>(most, std::chrono::milliseconds{1},
                                                        std::chrono::milliseconds{500}));
  }
}

// ---- saying so
// -----------------------------------------------------------------------------------

std::string words_of(const Outstanding& one) {
  if (one.delivered) return "delivered";
  return one.why.empty() ? "queued" : "queued (" + core::clean_line(one.why) + ")";
}

// JSON, per recipient: {"id", "recipient", "address", "state" ("delivered" | "queued"), "reason"}
void say(Env& env, const Names& names, const core::Posted& posted, const AllOutstanding& all) {
  for (const auto& one : all) {
    const std::string who = names.label(one.entry.recipient);
    if (env.json) {
      env.print(
          json_line("delivery", {{"id", core::to_hex(posted.id)},
                                 {"recipient", who},
                                 {"address", address_of(one.entry.recipient)},
                                 {"state", one.delivered ? "delivered" : "queued"},
                                 {"reason", one.delivered ? "" : core::clean_line(one.why)}}));
    } else if (!env.quiet && (env.verbose || env.out_is_terminal)) {
      env.print(who + ": " + words_of(one) + "\n");
    }
  }
}

Status undelivered(const Names& names, const AllOutstanding& all, const std::string& wait) {
  std::string who;
  for (const auto& one : all) {
    if (!one.delivered) who += (who.empty() ? "" : ", ") + names.label(one.entry.recipient);
  }
  if (who.empty()) return {};
  return Error{Code::kTimeout,
               fmt::format("no receipt within {} from {}; it stays queued", wait, who),
               "p2pmail queue"};
}

Result<core::Posted> post(Env& env, const Options& options) {
  auto files = open_attachments(env, options.attachments);
  if (!files) return files.error();
  auto posting = make_posting(env, options, *files);
  if (!posting) return posting.error();
  if (env.in_is_terminal) env.note("type the message, end it with ^D");
  return core::post(env.store(), *posting, env.clock());
}

Status run_send(Env& env, const Options& options) {
  std::chrono::milliseconds patience{0};
  if (!options.wait.empty()) {
    auto parsed = parse_duration(options.wait);
    if (!parsed) return parsed.error();
    patience = *parsed;
  }
  auto names = Names::load(env.store());
  if (!names) return names.error();
  auto posted = post(env, options);
  if (!posted) return posted.error();
  AllOutstanding all;
  for (auto& entry : posted->entries) all.push_back({std::move(entry), false, ""});
  // From here on the message is queued, whatever happens: trouble is said, never a failure.
  if (!options.no_push) {
    if (auto pushed = push_once(env, all); !pushed) env.note("warning: " + pushed.error().context);
  }
  if (patience.count() > 0 && !all_delivered(all)) {
    auto waited = wait_for_receipts(env, all, patience);
    if (!waited) env.note("warning: " + waited.error().context);
  }
  look_again(env.store(), all);
  say(env, *names, *posted, all);
  if (auto flushed = env.flush(); !flushed) return flushed;
  return patience.count() > 0 ? undelivered(*names, all, options.wait) : Status{};
}

}  // namespace

Action add_send(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("-s,--subject", options->subject, "Subject")->type_name("TEXT");
  const auto add_list = [&app](const char* name, std::vector<std::string>& list, const char* what) {
    return app.add_option(name, list, what)->allow_extra_args(false);
  };
  add_list("-a,--attach", options->attachments, "Attach a file; - is standard input")
      ->type_name("FILE");
  add_list("-c,--cc", options->cc, "Carbon copy")->type_name("RECIPIENT");
  add_list("-b,--bcc", options->bcc, "Blind carbon copy")->type_name("RECIPIENT");
  app.add_option("--in-reply-to", options->in_reply_to, "Message that this one answers")
      ->type_name("ID");
  app.add_option("--wait", options->wait, "Wait for all receipts, at most so long")
      ->type_name("DURATION");
  app.add_flag("--no-push", options->no_push, "Only queue; serve or fetch will deliver");
  app.add_option("recipients", options->to, "Petnames or addresses; me is myself")
      ->type_name("RECIPIENT")
      ->required();
  return [options](Env& env) { return run_send(env, *options); };
}

}  // namespace p2pmail::cmd
