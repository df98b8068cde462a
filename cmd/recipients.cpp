#include "cmd/recipients.h"

#include <fmt/format.h>

#include <algorithm>

#include "cmd/format.h"
#include "cmd/names.h"
#include "core/address.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;

namespace {

// The header carries what the recipient calls itself: a petname is nobody else's business.
Resolved resolved(const core::Roster& roster, const std::string& word) {
  Resolved found{roster.identity, {roster.name, address_of(roster)}};
  if (core::looks_like_address(word)) {
    if (const auto address = core::parse_address(word)) found.mailbox.address = address->text();
  }
  return found;
}

bool is_me(const core::Store& store, const std::string& word) {
  if (word == kMe) return true;
  const auto key = key_in(word);
  return key && *key && **key == store.identity();
}

/// Whose address was meant: the peer whose key differs in the fewest of its 56 characters.
std::string meant_by(Env& env, const std::string& address) {
  constexpr std::size_t kMostSlips = 6;
  const auto peers = env.store().state().peers();
  const auto at = address.rfind('@');
  constexpr std::size_t kLongest = 128;  // of a domain that may be a slip of one of 68 bytes
  if (!peers || at == std::string::npos || address.size() - at > kLongest) return {};
  const std::string typed = address.substr(at + 1);
  std::string best;
  std::size_t fewest = kMostSlips + 1;
  for (const auto& peer : *peers) {
    const std::string real = address_of(peer.identity);
    const std::string domain = real.substr(real.find('@') + 1);
    const std::size_t wrong = slips(typed, domain);
    if (wrong >= fewest) continue;
    fewest = wrong;
    best = core::clean_line(peer.petname);
  }
  return best;
}

}  // namespace

Result<Resolved> resolve_recipient(Env& env, const std::string& word) {
  core::Store& store = env.store();
  if (is_me(store, word)) return resolved(store.card().roster.value, word);
  auto peer = find_peer(store, word);
  if (!peer && peer.error().code == Code::kMalformed) {
    const std::string meant = meant_by(env, word);
    return Error{Code::kUnknownRecipient, word + ": " + peer.error().context,
                 meant.empty() ? "" : fmt::format("did you mean {}?", meant)};
  }
  if (!peer) return peer.error();
  if (!peer->card || peer->card->usable().empty()) {
    return Error{Code::kUnknownRecipient, fmt::format("no card for {}", word),
                 fmt::format("p2pmail peers add {} CARD", peer->petname.empty() ? "NAME" : word)};
  }
  return resolved(peer->card->roster.value, word);
}

namespace {

bool add_once(std::vector<core::IdentityKey>& keys, const core::IdentityKey& key) {
  if (std::find(keys.begin(), keys.end(), key) != keys.end()) return false;
  keys.push_back(key);
  return true;
}

}  // namespace

Result<Recipients> resolve_recipients(Env& env, const std::vector<std::string>& to,
                                      const std::vector<std::string>& cc,
                                      const std::vector<std::string>& bcc) {
  Recipients all;
  for (const auto& [words, list] : {std::pair{&to, &all.to}, std::pair{&cc, &all.cc}}) {
    for (const auto& word : *words) {
      auto one = resolve_recipient(env, word);
      if (!one) return one.error();
      if (add_once(all.open, one->key)) list->push_back(std::move(one->mailbox));
    }
  }
  for (const auto& word : bcc) {
    auto one = resolve_recipient(env, word);
    if (!one) return one.error();
    const bool sees_it = std::find(all.open.begin(), all.open.end(), one->key) != all.open.end();
    if (!sees_it) add_once(all.blind, one->key);
  }
  return all;
}

}  // namespace p2pmail::cmd
