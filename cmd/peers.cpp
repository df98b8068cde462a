// p2pmail peers: the address book. A peer is an identity under a petname that I chose.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cmd/card_source.h"
#include "cmd/command.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "core/address.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Status;

namespace {

enum class Verb { kList, kAdd, kRemove, kRename, kShow, kBlock, kUnblock };

struct Options {
  Verb verb = Verb::kList;
  std::string name;
  std::string new_name;
  std::string source = "-";
};

std::string address_of(const core::Peer& peer) {
  return peer.card ? cmd::address_of(peer.card->roster.value) : cmd::address_of(peer.identity);
}

std::vector<std::string> endpoints_of(const core::Peer& peer) {
  std::vector<std::string> all;
  if (!peer.card) return all;
  for (const auto* record : peer.card->usable()) {
    for (const auto& endpoint : record->endpoints) all.push_back(core::clean_line(endpoint.text()));
  }
  return all;
}

// JSON: {"petname", "address", "name" (their own word), "card" (bool), "blocked", "added" (seconds
// since 1970), "endpoints" ([text])}
std::string peer_json(const core::Peer& peer) {
  const std::string name = peer.card ? core::clean_line(peer.card->roster.value.name) : "";
  return json_line("peer", {{"petname", core::clean_line(peer.petname)},
                            {"address", address_of(peer)},
                            {"name", name},
                            {"card", peer.card.has_value()},
                            {"blocked", peer.blocked},
                            {"added", peer.added},
                            {"endpoints", endpoints_of(peer)}});
}

Status list(Env& env) {
  auto peers = env.store().state().peers();
  if (!peers) return peers.error();
  std::size_t width = 0;
  for (const auto& peer : *peers)
    width = std::max(width, core::columns(core::clean_line(peer.petname)));
  for (const auto& peer : *peers) {
    if (env.json) {
      env.print(peer_json(peer));
      continue;
    }
    std::string remarks = peer.blocked ? "  blocked" : "";
    if (!peer.card) remarks += "  no card";
    env.print(padded(core::clean_line(peer.petname), width) + "  " + address_of(peer) + remarks +
              "\n");
  }
  return {};
}

Status show(Env& env, const core::Peer& peer) {
  if (env.json) {
    env.print(peer_json(peer));
    return {};
  }
  env.print("petname:   " + core::clean_line(peer.petname) + "\n");
  env.print("address:   " + address_of(peer) + "\n");
  if (peer.card && !peer.card->roster.value.name.empty()) {
    env.print("own name:  ?" + core::clean_line(peer.card->roster.value.name) + "\n");
  }
  env.print("added:     " + local_time(peer.added) + "\n");
  env.print(std::string("blocked:   ") + (peer.blocked ? "yes" : "no") + "\n");
  env.print(peer.card ? fmt::format("devices:   {}\n", peer.card->usable().size())
                      : std::string("card:      none yet\n"));
  for (const auto& endpoint : endpoints_of(peer)) env.print("listens:   " + endpoint + "\n");
  return {};
}

Status check_new_name(const std::string& name) {
  if (auto checked = core::check_petname(name); !checked) return checked;
  if (name != kMe && !core::looks_like_address(name)) return {};
  return Error{Code::kUsage, fmt::format("'{}' cannot be a petname", name), ""};
}

// Before anything changes: either word may belong to somebody already.
Status check_free(Env& env, const std::string& petname, const core::IdentityKey& identity) {
  auto named = env.store().state().find_peer(std::string_view(petname));
  if (!named) return named.error();
  if (*named && (*named)->identity != identity) {
    return Error{Code::kExists,
                 fmt::format("there is a peer '{}' already, with another key", petname),
                 "p2pmail peers show " + petname};
  }
  auto known = env.store().state().find_peer(identity);
  if (!known) return known.error();
  if (!*known || (*known)->petname.empty() || (*known)->petname == petname) return {};
  return Error{Code::kExists, fmt::format("this key is known as '{}' already", (*known)->petname),
               fmt::format("p2pmail peers rename {} {}", (*known)->petname, petname)};
}

Status merge(Env& env, const core::Card& card, const std::string& source) {
  auto merged = env.store().state().merge_peer_card(card, true);
  if (!merged) return merged.error().in(source);
  if (merged->clone) env.note("warning: two different cards of this key carry one number");
  return {};
}

// A card that contradicts the one we have must not leave a petname behind, so the card goes first
// where there is one; a stranger's first card cannot contradict anything.
Status put_in_book(Env& env, const Options& options, const FoundIdentity& found) {
  auto& state = env.store().state();
  auto known = state.find_peer(found.identity);
  if (!known) return known.error();
  const bool had_row = known->has_value();
  if (had_row && found.card) {
    if (auto merged = merge(env, *found.card, options.source); !merged) return merged;
  }
  if (!had_row || (*known)->petname != options.name) {
    auto added = state.add_peer(options.name, found.identity, env.clock().time);
    if (!added) return added;
  }
  return had_row || !found.card ? Status{} : merge(env, *found.card, options.source);
}

Status add_peer(Env& env, const Options& options) {
  if (auto checked = check_new_name(options.name); !checked) return checked;
  auto found = find_identity(env, options.source);
  if (!found) return found.error();
  if (found->identity == env.store().identity()) {
    return Error{Code::kUsage, "this is your own card; write to yourself as 'me'", ""};
  }
  if (auto free = check_free(env, options.name, found->identity); !free) return free;
  return put_in_book(env, options, *found);
}

Status rename(Env& env, const core::Peer& peer, const std::string& name) {
  if (auto checked = check_new_name(name); !checked) return checked;
  return env.store().state().rename_peer(peer.identity, name);
}

Status run_peers(Env& env, const Options& options) {
  if (options.verb == Verb::kList) return list(env);
  if (options.verb == Verb::kAdd) return add_peer(env, options);
  auto peer = find_peer(env.store(), options.name);
  if (!peer) return peer.error();
  auto& state = env.store().state();
  switch (options.verb) {
    case Verb::kList:
    case Verb::kAdd:
      break;
    case Verb::kRemove:
      return state.remove_peer(peer->identity);
    case Verb::kRename:
      return rename(env, *peer, options.new_name);
    case Verb::kShow:
      return show(env, *peer);
    case Verb::kBlock:
      return state.set_blocked(peer->identity, true);
    case Verb::kUnblock:
      return state.set_blocked(peer->identity, false);
  }
  return {};
}

using OptionsPtr = std::shared_ptr<Options>;

CLI::App* add_verb(CLI::App& app, const OptionsPtr& options, Verb verb, const char* name,
                   const char* summary) {
  CLI::App* parser = app.add_subcommand(name, summary);
  parser->callback([options, verb] { options->verb = verb; });
  if (verb != Verb::kList) {
    parser->add_option("name", options->name, "Petname")->type_name("NAME")->required();
  }
  return parser;
}

}  // namespace

Action add_peers(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.require_subcommand(0, 1);
  add_verb(app, options, Verb::kList, "ls", "List them (the default)");
  add_verb(app, options, Verb::kAdd, "add", "Add a peer, or a newer card of one")
      ->add_option("source", options->source,
                   "A file with a card, a p2pmail:// link, an address, or - for standard input")
      ->type_name("CARD|LINK|-");
  add_verb(app, options, Verb::kRemove, "rm", "Forget a peer");
  add_verb(app, options, Verb::kRename, "rename", "Change a petname")
      ->add_option("new", options->new_name, "The new petname")
      ->type_name("NEW")
      ->required();
  add_verb(app, options, Verb::kShow, "show", "Show what is known about a peer");
  add_verb(app, options, Verb::kBlock, "block", "Take no mail from a peer");
  add_verb(app, options, Verb::kUnblock, "unblock", "Take mail again");
  return [options](Env& env) { return run_peers(env, *options); };
}

}  // namespace p2pmail::cmd
