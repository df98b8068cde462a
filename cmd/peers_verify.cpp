// p2pmail peers verify: 16 words to compare with the other person, and the mark that they agree.
//
// Standard output carries the words alone, so that both sides print the same bytes. Who confirms is
// a person who has just seen the words on a terminal, or whoever says --yes; anything else only
// prints.
#include <fmt/format.h>

#include "cmd/format.h"
#include "cmd/peers.h"
#include "core/fingerprint.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kWordsInALine = 4;
constexpr std::size_t kColumn = 10;  // the longest word has 8 letters

std::string lines_of(const core::PairWords& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool last = (i + 1) % kWordsInALine == 0;
    text += last ? std::string(words[i]) + "\n" : padded(words[i], kColumn);
  }
  return text;
}

// JSON: {"petname", "address", "words" (16), "verified"}
std::string words_json(const core::Peer& peer, const core::PairWords& words) {
  return json_line("verification", {{"petname", core::clean_line(peer.petname)},
                                    {"address", address_of(peer)},
                                    {"words", words},
                                    {"verified", peer.verified}});
}

/// Whether the person at the terminal says that the words agree.
Result<bool> ask(Env& env, const core::Peer& peer) {
  env.note(fmt::format(
      "compare these words with {} where you know their voice or face; not by mail", peer.petname));
  const auto agreed = env.confirm(fmt::format("Do all words agree with {}'s?", peer.petname));
  if (env.stopped()) return Error{Code::kLocked, "interrupted", ""};
  if (agreed.value_or(false)) return true;
  env.note(
      fmt::format("{} is not verified; if the words differ, this is not their key", peer.petname));
  return false;
}

}  // namespace

Status verify_peer(Env& env, const std::string& name, bool yes) {
  auto peer = find_in_book(env, name);
  if (!peer) return peer.error();
  if (peer->identity == env.store().identity()) {
    return Error{Code::kUsage, "this is your own key", ""};
  }
  const auto words = core::words_of_pair(env.store().identity(), peer->identity);
  if (!words) return words.error();
  // A script that reads JSON, or output that goes to a file, is nobody who could compare.
  bool mark = yes;
  if (!env.json) env.print(lines_of(*words));
  if (!yes && !peer->verified && !env.json && env.out_is_terminal && env.confirm) {
    if (auto shown = env.flush(); !shown) return shown;
    auto agreed = ask(env, *peer);
    if (!agreed) return agreed.error();
    mark = *agreed;
  }
  if (mark) {
    if (auto set = env.store().state().set_verified(peer->identity, true); !set) return set;
    peer->verified = true;
  }
  if (env.json) env.print(words_json(*peer, *words));
  if (!env.json && peer->verified) env.detail(peer->petname + " is verified");
  return {};
}

}  // namespace p2pmail::cmd
