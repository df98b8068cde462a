// p2pmail peers: the address book. A peer is an identity under a petname that I chose. Here are the
// options of all verbs, and the verbs that are a line or two.
#include "cmd/peers.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cmd/command.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "cmd/verbs.h"
#include "core/card.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;

namespace {

enum class Verb {
  kList,
  kAdd,
  kRemove,
  kRename,
  kShow,
  kVerify,
  kBlock,
  kUnblock,
  kQuery,
  kExport,
  kAccept,
  kImport
};

struct Options {
  Verb verb = Verb::kList;
  std::string name;
  std::string new_name;
  std::string source = "-";
  std::string pattern;
  std::vector<std::string> names;
  std::string message;
  PassphraseOptions passphrase;
  bool yes = false;
  bool mutt = false;
};

std::vector<std::string> endpoints_of(const core::Peer& peer) {
  std::vector<std::string> all;
  if (!peer.card) return all;
  for (const auto* record : peer.card->usable()) {
    for (const auto& endpoint : record->endpoints) all.push_back(core::clean_line(endpoint.text()));
  }
  return all;
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
    std::string remarks = peer.verified ? "  verified" : "";
    if (peer.blocked) remarks += "  blocked";
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
  if (const auto name = own_name(peer); !name.empty()) env.print("own name:  ?" + name + "\n");
  env.print("added:     " + local_time(peer.added) + "\n");
  env.print(std::string("verified:  ") + (peer.verified ? "yes" : "no") + "\n");
  env.print(std::string("blocked:   ") + (peer.blocked ? "yes" : "no") + "\n");
  env.print(peer.card ? fmt::format("devices:   {}\n", peer.card->usable().size())
                      : std::string("card:      none yet\n"));
  for (const auto& endpoint : endpoints_of(peer)) env.print("listens:   " + endpoint + "\n");
  return {};
}

Status rename(Env& env, const core::Peer& peer, const std::string& name) {
  if (auto checked = check_new_name(name); !checked) return checked;
  return env.store().state().rename_peer(peer.identity, name);
}

Status run_on_peer(Env& env, const Options& options) {
  auto peer = find_peer(env.store(), options.name);
  if (!peer) return peer.error();
  auto& state = env.store().state();
  switch (options.verb) {
    case Verb::kRemove:
      return state.remove_peer(peer->identity);
    case Verb::kRename:
      return rename(env, *peer, options.new_name);
    case Verb::kBlock:
      return state.set_blocked(peer->identity, true);
    case Verb::kUnblock:
      return state.set_blocked(peer->identity, false);
    default:
      return show(env, *peer);
  }
}

Status run_verb(Env& env, const Options& options) {
  switch (options.verb) {
    case Verb::kList:
      return list(env);
    case Verb::kAdd:
      return add_peer(env, options.name, options.source);
    case Verb::kAccept:
      return accept_peer(env, options.name, options.message, options.passphrase);
    case Verb::kVerify:
      return verify_peer(env, options.name, options.yes);
    case Verb::kQuery:
      return query_peers(env, options.pattern);
    case Verb::kExport:
      return export_peers(env, options.names, options.mutt);
    case Verb::kImport:
      return import_peers(env, options.source);
    case Verb::kRemove:
    case Verb::kRename:
    case Verb::kShow:
    case Verb::kBlock:
    case Verb::kUnblock:
      return run_on_peer(env, options);
  }
  return {};
}

Status run_peers(Env& env, const Options& options) {
  auto done = run_verb(env, options);
  if (!done) return done;
  // A copy that cannot be made keeps nobody out of the book.
  if (auto kept = keep_peers_copy(env); !kept) env.note("warning: " + kept.error().context);
  return {};
}

using OptionsPtr = std::shared_ptr<Options>;

/// A verb about one peer.
CLI::App* add_verb_on(CLI::App& app, const OptionsPtr& options, Verb verb, const char* name,
                      const char* summary) {
  CLI::App* parser = add_verb(app, options, verb, name, summary);
  parser->add_option("name", options->name, "Petname")->type_name("NAME")->required();
  return parser;
}

void add_verbs_on_peers(CLI::App& app, const OptionsPtr& options) {
  add_verb_on(app, options, Verb::kAdd, "add", "Add a peer, or a newer card of one")
      ->add_option("source", options->source,
                   "A file with a card, a p2pmail:// link, an address, or - for standard input")
      ->type_name("CARD|LINK|-");
  CLI::App* accepted =
      add_verb_on(app, options, Verb::kAccept, "accept",
                  "Add whoever wrote a message, and take his mail out of Requests");
  accepted
      ->add_option("message", options->message, "One of his messages; default: the newest there")
      ->type_name("MESSAGE");
  add_passphrase_options(*accepted, options->passphrase);
  add_verb_on(app, options, Verb::kRemove, "rm", "Forget a peer");
  add_verb_on(app, options, Verb::kRename, "rename", "Change a petname")
      ->add_option("new", options->new_name, "The new petname")
      ->type_name("NEW")
      ->required();
  add_verb_on(app, options, Verb::kShow, "show", "Show what is known about a peer");
  add_verb_on(app, options, Verb::kVerify, "verify",
              "Compare words with a peer, to be sure of the key")
      ->add_flag("--yes", options->yes, "The words agree: mark without asking");
  add_verb_on(app, options, Verb::kBlock, "block", "Take no mail from a peer");
  add_verb_on(app, options, Verb::kUnblock, "unblock", "Take mail again");
}

void add_verbs_on_the_book(CLI::App& app, const OptionsPtr& options) {
  add_verb(app, options, Verb::kQuery, "query", "Find peers, in the form of mutt's query_command")
      ->add_option("pattern", options->pattern, "Part of a petname, name or address")
      ->type_name("PATTERN")
      ->required();
  CLI::App* out = add_verb(app, options, Verb::kExport, "export", "Print the cards of peers");
  out->add_option("names", options->names, "Only these peers")->type_name("NAME");
  out->add_flag("--mutt", options->mutt, "Lines for a muttrc instead: one alias per peer");
  add_verb(app, options, Verb::kImport, "import", "Add everybody in what export has printed")
      ->add_option("source", options->source, "A file, or - for standard input")
      ->type_name("FILE|-");
}

}  // namespace

std::string address_of(const core::Peer& peer) {
  return peer.card ? address_of(peer.card->roster.value) : address_of(peer.identity);
}

std::string own_name(const core::Peer& peer) {
  return peer.card ? core::clean_line(peer.card->roster.value.name) : "";
}

// JSON: {"petname", "address", "name" (their own word), "card" (bool), "verified", "blocked",
// "added" (seconds since 1970), "endpoints" ([text])}
std::string peer_json(const core::Peer& peer) {
  return json_line("peer", {{"petname", core::clean_line(peer.petname)},
                            {"address", address_of(peer)},
                            {"name", own_name(peer)},
                            {"card", peer.card.has_value()},
                            {"verified", peer.verified},
                            {"blocked", peer.blocked},
                            {"added", peer.added},
                            {"endpoints", endpoints_of(peer)}});
}

Result<core::Peer> find_in_book(Env& env, const std::string& name) {
  auto peer = find_peer(env.store(), name);
  if (!peer || !peer->petname.empty()) return peer;
  return Error{Code::kUnknownRecipient, fmt::format("{} has no petname", name),
               "p2pmail peers add NAME " + name};
}

Action add_peers(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.require_subcommand(0, 1);
  add_verb(app, options, Verb::kList, "ls", "List them (the default)");
  add_verbs_on_peers(app, options);
  add_verbs_on_the_book(app, options);
  return [options](Env& env) { return run_peers(env, *options); };
}

}  // namespace p2pmail::cmd
