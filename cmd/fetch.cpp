// p2pmail fetch, for cron: dials every peer that can be reached, collects and pushes. Who cannot be
// reached is no error; a damaged store is.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <set>

#include "cmd/command.h"
#include "cmd/delivery.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "cmd/new_mail.h"
#include "cmd/peers.h"
#include "cmd/progress.h"
#include "cmd/relays.h"
#include "core/post_office.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;
using Clock = std::chrono::steady_clock;

namespace {

struct Options {
  std::string timeout;
  std::string limit_rate;
  std::string max_size;
  bool list = false;
  std::vector<std::string> peers;
};

Result<std::vector<core::Peer>> chosen_peers(Env& env, const std::vector<std::string>& words) {
  if (words.empty()) {
    auto all = env.store().state().peers();
    if (all) std::erase_if(*all, [](const core::Peer& peer) { return peer.blocked; });
    return all;
  }
  std::vector<core::Peer> chosen;
  for (const auto& word : words) {
    auto peer = find_peer(env.store(), word);
    if (!peer) return peer.error();
    if (peer->blocked) {
      return Error{Code::kUsage, word + " is blocked", "p2pmail peers unblock " + word};
    }
    const auto same = [&peer](const auto& one) { return one.identity == peer->identity; };
    if (std::none_of(chosen.begin(), chosen.end(), same)) chosen.push_back(std::move(*peer));
  }
  return chosen;
}

/// Entries that had their turn now: their queue's backoff has to know.
Result<std::vector<core::QueueEntry>> queued(core::Store& store) {
  std::vector<core::DamagedEntry> damaged;
  auto entries = store.queue().list(&damaged);
  if (!entries) return entries;
  if (auto whole = check_damage(damaged); !whole) return whole.error();
  return entries;
}

void note_outcome(Env& env, const Names& names, const net::Target& target,
                  const net::DialOutcome& outcome, const std::vector<core::QueueEntry>& entries) {
  const std::string who = names.label(*target.identity);
  if (outcome.error) env.detail(fmt::format("{}: {}", who, outcome.error->context));
  if (outcome.reached) {
    env.detail(
        fmt::format("{}: {} received, {} delivered", who, outcome.received, outcome.delivered));
  } else if (outcome.error) {
    std::vector<std::string> ids;
    for (const auto& entry : entries) {
      if (entry.recipient == *target.identity) ids.push_back(entry.id);
    }
    note_unreached(env.store(), ids, *outcome.error, env.clock().time);
  }
}

Status interrupted(std::uint64_t kept) {
  if (kept == 0) return Error{Code::kTimeout, "interrupted", ""};
  return Error{Code::kTimeout,
               fmt::format("interrupted; {} had come: fetch goes on from there, unless a stranger sent it",
                           human_size(kept)),
               ""};
}

Status exchange(Env& env, const Names& names, const std::vector<net::Target>& targets,
                std::chrono::milliseconds total,
                const std::function<bool(const core::IdentityKey&)>& wanted) {
  core::Store& store = env.store();
  const auto started = Clock::now();
  auto entries = queued(store);
  if (!entries) return entries.error();
  auto options = post_office_options(env);
  options.on_mail = [&env, &names](const core::NewMail& mail) { announce(env, names, mail); };
  options.on_waiting = [&env, &names](const core::LetterWaiting& waiting) {
    announce_waiting(env, names, waiting.letter, waiting.subject);
  };
  core::PostOffice post_office(store, std::move(options));
  if (auto own = post_office.deliver_to_self(); !own) return own;
  Progress progress(env);
  const auto outcomes =
      net::dial(post_office, store.device().transport, targets, dial_options(env, total),
                [&progress](std::size_t, const auto& event) { progress.take(event); });
  const std::uint64_t kept = progress.unfinished(Doing::kReceiving);
  std::set<core::IdentityKey> reached;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    note_outcome(env, names, targets[i], outcomes[i], *entries);
    if (outcomes[i].reached) reached.insert(*targets[i].identity);
  }
  if (env.stopped()) return interrupted(kept);
  std::erase_if(*entries, [&](const auto& entry) {
    return entry.recipient == store.identity() || reached.contains(entry.recipient) ||
           !wanted(entry.recipient) || is_gone(store, entry.id);
  });
  auto round = RelayRound::plan(
      env, *entries, [&](const core::NewMail& mail) { announce(env, names, mail); });
  if (!round) return round.error();
  if (round->empty()) return {};
  const auto gone = std::chrono::floor<std::chrono::milliseconds>(Clock::now() - started);
  const auto left = std::max(total - gone, std::chrono::milliseconds{1});
  carry_out(env, *round, total.count() == 0 ? total : left);
  return env.stopped() ? interrupted(0) : Status{};
}

Status take_limits(Env& env, const Options& options) {
  if (auto limited = take_limit_rate(env, options.limit_rate); !limited) return limited;
  return take_max_size(env, options.max_size);
}

Status run_fetch(Env& env, const Options& options) {
  if (options.list) {
    auto names = Names::load(env.store());
    return names ? list_waiting(env, *names) : names.error();
  }
  std::chrono::milliseconds total = env.settings.fetch_timeout;
  if (!options.timeout.empty()) {
    auto parsed = parse_duration(options.timeout);
    if (!parsed) return parsed.error();
    total = *parsed;
  }
  if (auto limited = take_limits(env, options); !limited) return limited;
  auto peers = chosen_peers(env, options.peers);
  if (!peers) return peers.error();
  if (auto kept = env.store().upkeep(env.clock()); !kept) return kept;
  if (auto kept = keep_record(env); !kept) return kept;
  if (auto kept = keep_peers_copy(env); !kept) env.note("warning: " + kept.error().context);
  if (auto tended = tend_blobs(env); !tended) env.note("warning: " + tended.error().context);
  if (auto tidied = tidy_relays(env); !tidied) env.note("warning: " + tidied.error().context);
  auto names = Names::load(env.store());
  if (!names) return names.error();
  std::vector<net::Target> targets;
  for (const auto& peer : *peers) {
    net::Target target = target_of(peer);
    if (target.places.empty()) {
      env.detail(names->label(peer.identity) + ": listens nowhere that is known");
    } else {
      targets.push_back(std::move(target));
    }
  }
  // Before the exchange: what an interrupted run has given up is not offered any more. A notice that
  // cannot be made (a full disk) is told at the end, and keeps no mail waiting.
  const auto tended =
      tend_queue(env, [&](const core::NewMail& mail) { announce(env, *names, mail); });
  // An interrupted delivery that could not be finished is told, and keeps no other mail waiting.
  const auto wanted = [&](const core::IdentityKey& key) {
    return options.peers.empty() ||
           std::ranges::find(*peers, key, &core::Peer::identity) != peers->end();
  };
  if (auto exchanged = exchange(env, *names, targets, total, wanted); !exchanged) return exchanged;
  if (!tended) return tended;
  return env.store().recovered();
}

}  // namespace

Action add_fetch(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--timeout", options->timeout, "For everything together")->type_name("DURATION");
  app.add_option("--limit-rate", options->limit_rate, "Bytes a second, as 512K or 2M; 0 = no limit")
      ->type_name("RATE");
  auto* size = app.add_option("--max-size", options->max_size,
                              "Leave larger letters with the sender; 0 = take all")
                   ->type_name("SIZE");
  auto* list = app.add_flag("--list", options->list, "What was left with its sender; fetch nothing");
  list->excludes(size);
  app.add_option("peers", options->peers, "Only these")->type_name("PEER");
  return [options](Env& env) { return run_fetch(env, *options); };
}

}  // namespace p2pmail::cmd
