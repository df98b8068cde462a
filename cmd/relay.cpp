// p2pmail relay: letters that wait at a friend's machine. For whom this machine holds letters, and
// which machines hold mine.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cmd/command.h"
#include "cmd/delivery.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "cmd/relays.h"
#include "cmd/verbs.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kMaxRelays = 4;  // in a device record, core/card.h
constexpr std::uint64_t kMinKeep = 3600;
constexpr std::uint64_t kMaxKeep = 365 * 86400;

enum class Verb { kList, kAllow, kRevoke, kUse, kLeave };

struct Options {
  Verb verb = Verb::kList;
  std::string peer;
  std::string quota;
  std::string keep;
};

Result<std::uint64_t> keep_in(const std::string& text) {
  auto parsed = parse_duration(text);
  if (!parsed) return parsed.error();
  const auto seconds = static_cast<std::uint64_t>(parsed->count() / 1000);
  if (seconds >= kMinKeep && seconds <= kMaxKeep) return seconds;
  return Error{Code::kUsage, "--keep: from 1h to 365d", ""};
}

/// What an earlier `allow` said, for whatever is not said now.
Result<core::RelayOwner> current(core::Shelf& shelf, const core::IdentityKey& identity) {
  auto owners = shelf.owners();
  if (!owners) return owners.error();
  const auto at = std::ranges::find(*owners, identity, &core::RelayOwner::identity);
  core::RelayOwner fresh;
  fresh.identity = identity;
  return at == owners->end() ? fresh : *at;
}

Status allow(Env& env, const core::Peer& peer, const Options& options) {
  auto shelf = env.store().make_shelf();
  if (!shelf) return shelf.error();
  auto owner = current(**shelf, peer.identity);
  if (!owner) return owner.error();
  if (owner->since == 0) owner->since = env.clock().time;
  if (!options.quota.empty()) {
    auto quota = parse_size(options.quota);
    if (!quota) return quota.error().in("--quota");
    owner->quota = *quota;
  }
  if (!options.keep.empty()) {
    auto keep = keep_in(options.keep);
    if (!keep) return keep.error();
    owner->keep = *keep;
  }
  return (*shelf)->allow(*owner);
}

Status revoke(Env& env, const core::Peer& peer, const std::string& name) {
  const Error not_held{Code::kNotFound, "no letters are held for " + name, "p2pmail relay ls"};
  auto shelf = env.store().shelf();
  if (!shelf) return shelf.error();
  if (*shelf == nullptr) return not_held;
  auto revoked = (*shelf)->revoke(peer.identity);
  return !revoked && revoked.error().code == Code::kNotFound ? not_held : revoked;
}

Status use(Env& env, const core::Peer& peer, const std::string& name) {
  core::Store& store = env.store();
  std::vector<core::Relay> found;
  if (peer.card) {
    for (const auto* record : peer.card->usable()) {
      if (!record->endpoints.empty())
        found.push_back({peer.identity, record->transport, record->endpoints});
    }
  }
  if (found.empty())
    return Error{Code::kUnavailable, name + " listens nowhere that is known",
                 "p2pmail peers add " + name + " CARD"};
  bool too_many = false;
  const auto changed = store.change_record(
      [&](core::DeviceRecord& record) {
        auto relays = record.relays;
        std::erase_if(relays, [&](const auto& one) { return one.identity == peer.identity; });
        for (const auto& relay : found) relays.push_back(relay);
        too_many = relays.size() > kMaxRelays;
        if (!too_many) record.relays = std::move(relays);
      },
      env.clock());
  if (!changed || !too_many) return changed;
  return Error{Code::kUsage, fmt::format("a card names at most {} relays", kMaxRelays),
               "p2pmail relay ls"};
}

Status leave(Env& env, const core::Peer& peer, const std::string& name) {
  bool found = false;
  const auto changed = env.store().change_record(
      [&](core::DeviceRecord& record) {
        found = std::erase_if(record.relays, [&](const auto& one) {
                  return one.identity == peer.identity;
                }) > 0;
      },
      env.clock());
  if (!changed || found) return changed;
  return Error{Code::kNotFound, name + " is no relay of mine", "p2pmail relay ls"};
}

// JSON: {"role": "holds", "peer", "address", "quota", "used", "letters", "keep" (seconds), "since"} for
// whom letters are held here, {"role": "used", "peer", "address", "endpoints"} for my relays
Status list(Env& env) {
  core::Store& store = env.store();
  auto names = Names::load(store);
  if (!names) return names.error();
  auto shelf = store.shelf();
  if (!shelf) return shelf.error();
  std::vector<core::RelayOwner> owners;
  if (*shelf != nullptr) {
    auto all = (*shelf)->owners();
    if (!all) return all.error();
    owners = std::move(*all);
  }
  for (const auto& owner : owners) {
    const std::string who = names->label(owner.identity);
    env.print(env.json ? json_line("relay", {{"role", "holds"},
                                             {"peer", who},
                                             {"address", address_of(owner.identity)},
                                             {"quota", owner.quota},
                                             {"used", owner.used},
                                             {"letters", owner.letters},
                                             {"keep", owner.keep},
                                             {"since", owner.since}})
                       : fmt::format("holds for {}: {} {}, {} of {}, for {} each\n", who,
                                     owner.letters, owner.letters == 1 ? "letter" : "letters",
                                     human_size(owner.used), human_size(owner.quota),
                                     short_duration(owner.keep)));
  }
  const auto* record = store.card().record_of(store.device().device);
  for (const auto& relay : record != nullptr ? record->relays : std::vector<core::Relay>{}) {
    std::vector<std::string> places;
    std::string text;
    for (const auto& endpoint : relay.endpoints) {
      places.push_back(core::clean_line(endpoint.text()));
      text += " " + places.back();
    }
    const std::string who = names->label(relay.identity);
    env.print(env.json ? json_line("relay", {{"role", "used"},
                                             {"peer", who},
                                             {"address", address_of(relay.identity)},
                                             {"endpoints", places}})
                       : fmt::format("my relay {}:{}\n", who, text));
  }
  return {};
}

Status run_relay(Env& env, const Options& options) {
  if (options.verb == Verb::kList) return list(env);
  auto peer = find_peer(env.store(), options.peer);
  if (!peer) return peer.error();
  if (peer->identity == env.store().identity())
    return Error{Code::kUsage, "that is this identity itself", ""};
  switch (options.verb) {
    case Verb::kAllow: return allow(env, *peer, options);
    case Verb::kRevoke: return revoke(env, *peer, options.peer);
    case Verb::kUse: return use(env, *peer, options.peer);
    case Verb::kLeave: return leave(env, *peer, options.peer);
    case Verb::kList: break;
  }
  return {};
}

}  // namespace

Action add_relay(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.require_subcommand(0, 1);
  add_verb(app, options, Verb::kList, "ls", "For whom I hold letters, and who holds mine (default)");
  const auto add_on = [&](Verb verb, const char* name, const char* summary) {
    CLI::App* parser = add_verb(app, options, verb, name, summary);
    parser->add_option("peer", options->peer, "Petname or address")->type_name("PEER")->required();
    return parser;
  };
  CLI::App* allowed = add_on(Verb::kAllow, "allow", "Hold letters for a peer on this machine");
  allowed->add_option("--quota", options->quota, "At most so many bytes (default 1G)")
      ->type_name("SIZE");
  allowed->add_option("--keep", options->keep, "Each letter at most so long (default 30d)")
      ->type_name("DURATION");
  add_on(Verb::kRevoke, "revoke", "Hold nothing more for a peer, and drop what is held");
  add_on(Verb::kUse, "use", "Let a peer's machine hold my letters: name it in my card");
  add_on(Verb::kLeave, "leave", "Do not name it any more");
  return [options](Env& env) { return run_relay(env, *options); };
}

}  // namespace p2pmail::cmd
