// p2pmail send: composes, seals, queues, pushes now if it can, and says what is true.
#include "cmd/send.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cmd/command.h"
#include "cmd/delivery.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "cmd/progress.h"
#include "cmd/push.h"
#include "core/outbox.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Status;

namespace {

// The object of say_deliveries, with the state "handed-over": what the other command does with it is
// not ours to say.
void say_handed_over(Env& env, const core::Posted& posted, const std::vector<std::string>& all) {
  for (const auto& address : all) {
    const std::string who = core::clean_line(address);
    if (env.json) {
      env.print(json_line("delivery", {{"id", core::to_hex(posted.id)},
                                       {"recipient", who},
                                       {"address", who},
                                       {"state", "handed-over"},
                                       {"reason", "to the setting fallback_sendmail"}}));
    } else if (!env.quiet && (env.verbose || env.out_is_terminal)) {
      env.print(who + ": handed over to the fallback command\n");
    }
  }
}

Status undelivered(const Env& env, const Names& names, const AllOutstanding& all,
                   std::chrono::milliseconds patience) {
  std::string waiting, gone;
  for (const auto& one : all) {
    if (one.delivered()) continue;
    std::string& list = one.ended() ? gone : waiting;
    list += (list.empty() ? "" : ", ") + names.label(one.entry.recipient);
  }
  if (!gone.empty()) gone += ": cancelled or given up meanwhile";
  if (waiting.empty() && gone.empty()) return {};
  if (waiting.empty()) return Error{Code::kUnavailable, gone, "p2pmail queue show Sent/@"};
  const auto seconds = static_cast<std::uint64_t>(patience.count() / 1000);
  const std::string when =
      env.stopped() ? "interrupted: no receipt yet" : "no receipt within " + short_duration(seconds);
  return Error{Code::kTimeout,
               fmt::format("{} from {}; it stays queued{}{}", when, waiting,
                           gone.empty() ? "" : "; ", gone),
               env.stopped() ? "p2pmail fetch" : "p2pmail queue"};
}

/// Seals and queues, all of it or nothing.
core::Result<core::Posted> seal_and_queue(Env& env, Prepared& prepared) {
  Progress progress(env);
  std::uint64_t sealed = 0;
  auto posting = prepared.posting;
  posting.content = [&](const core::Sink& sink) {
    return prepared.posting.content([&](core::ByteView bytes) -> Status {
      if (env.stopped()) return Error{Code::kTimeout, "interrupted", ""};
      sealed += bytes.size();
      // Header and boundaries do not count, so it ends a little early.
      const auto most = prepared.size == 0 ? UINT64_MAX : prepared.size - 1;
      progress.at(Doing::kSealing, "", std::min(sealed, most), prepared.size);
      return sink(bytes);
    });
  };
  return core::post(env.store(), posting, env.clock());
}

/// What was stopped before anything was queued.
Error not_queued(const Env& env, const Error& why) {
  if (!env.stopped() || why.code != Code::kTimeout) return why;
  return Error{Code::kTimeout, "interrupted; nothing was queued", ""};
}

Status check_ways(const SendOptions& options) {
  const bool composes = !options.subject.empty() || !options.attachments.empty() ||
                        !options.cc.empty() || !options.bcc.empty() || !options.in_reply_to.empty();
  if (!options.takes_message() || !composes) return {};
  return Error{Code::kUsage,
               "send: with -t, -i, -o, -f or -F the whole message comes on standard input; "
               "-s, -a, -c, -b and --in-reply-to compose one",
               ""};
}

Status run_send(Env& env, const SendOptions& options) {
  if (auto checked = check_ways(options); !checked) return checked;
  auto patience = env.settings.send_wait;
  if (!options.wait.empty()) {
    auto parsed = parse_duration(options.wait);
    if (!parsed) return parsed.error();
    patience = *parsed;
  }
  if (auto limited = take_limit_rate(env, options.limit_rate); !limited) return limited;
  auto names = Names::load(env.store());
  if (!names) return names.error();
  auto prepared =
      options.takes_message() ? prepare_message(env, options) : prepare_draft(env, options);
  if (!prepared) return not_queued(env, prepared.error());
  prepared->posting.policy = env.settings.header_policy;
  prepared->posting.inline_max = env.settings.inline_max;
  prepared->posting.notify = options.notify;
  auto posted = seal_and_queue(env, *prepared);
  if (!posted) return not_queued(env, posted.error());
  AllOutstanding all;
  for (auto& entry : posted->entries) all.push_back({std::move(entry), {}, false, ""});
  // From here on the message is queued, whatever happens: trouble is said, never a failure.
  const bool only_queue = options.no_push || std::find(options.modes.begin(), options.modes.end(),
                                                       "dq") != options.modes.end();
  const auto started = std::chrono::steady_clock::now();
  if (!only_queue) {
    auto pushed = push_once(env, all, core::Backoff::kGrows, patience);
    if (!pushed) env.note("warning: " + pushed.error().context);
  }
  const auto left = patience - std::chrono::floor<std::chrono::milliseconds>(
                                   std::chrono::steady_clock::now() - started);
  if (patience.count() > 0 && left.count() > 0 && !all_ended(all)) {
    auto waited = wait_for_receipts(env, all, left);
    if (!waited) env.note("warning: " + waited.error().context);
  }
  look_again(env.store(), all);
  say_deliveries(env, *names, all);
  say_handed_over(env, *posted, prepared->handed_over);
  if (auto flushed = env.flush(); !flushed) return flushed;
  if (patience.count() > 0) return undelivered(env, *names, all, patience);
  if (env.stopped() && !all_ended(all)) env.note("interrupted; it is queued: p2pmail fetch goes on");
  return {};
}

void add_composing(CLI::App& app, SendOptions& options) {
  app.add_option("-s,--subject", options.subject, "Subject")->type_name("TEXT");
  const auto add_list = [&app](const char* name, std::vector<std::string>& list, const char* what) {
    return app.add_option(name, list, what)->allow_extra_args(false);
  };
  add_list("-a,--attach", options.attachments, "Attach a file; - is standard input")
      ->type_name("FILE");
  add_list("-c,--cc", options.cc, "Carbon copy")->type_name("RECIPIENT");
  add_list("-b,--bcc", options.bcc, "Blind carbon copy")->type_name("RECIPIENT");
  app.add_option("--in-reply-to", options.in_reply_to, "Message that this one answers")
      ->type_name("ID");
}

// The names are sendmail's own, as mail programs type them.
void add_sendmail(CLI::App& app, SendOptions& options) {
  constexpr const char* kGroup = "As sendmail: the whole message on standard input";
  app.add_flag("-t", options.from_header, "Recipients from To, Cc and Bcc as well")->group(kGroup);
  app.add_flag("-i", options.ignore_dots, "A dot ends nothing (it never does)")->group(kGroup);
  app.add_option("-o", options.modes, "-oi, -oem: accepted; -odq: only queue")
      ->type_name("WORD")
      ->allow_extra_args(false)
      ->group(kGroup);
  app.add_option("-f", options.sender, "Envelope sender, for the fallback command")
      ->type_name("ADDRESS")
      ->group(kGroup);
  app.add_option("-F", options.full_name, "Name for a From that is missing or has none")
      ->type_name("NAME")
      ->group(kGroup);
  app.add_option("-B,-N,-R", options.ignored, "Accepted, means nothing here")
      ->type_name("WORD")
      ->allow_extra_args(false)
      ->group(kGroup);
}

}  // namespace

Action add_send(CLI::App& app) {
  auto options = std::make_shared<SendOptions>();
  add_composing(app, *options);
  add_sendmail(app, *options);
  app.add_option("--wait", options->wait, "Wait for all receipts, at most so long")
      ->type_name("DURATION");
  app.add_option("--limit-rate", options->limit_rate, "Bytes a second, as 512K or 2M; 0 = no limit")
      ->type_name("RATE");
  app.add_flag("--notify", options->notify, "A notice in the inbox for each receipt");
  app.add_flag("--no-push", options->no_push, "Only queue; serve or fetch will deliver");
  app.add_option("recipients", options->to, "Petnames or addresses; me is myself")
      ->type_name("RECIPIENT");
  // Checked while parsing, before a store is opened: sendmail's way may take them from the header.
  app.callback([options] {
    if (options->to.empty() && !options->takes_message()) throw CLI::RequiredError("recipients");
  });
  return [options](Env& env) { return run_send(env, *options); };
}

}  // namespace p2pmail::cmd
