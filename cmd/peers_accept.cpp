// p2pmail peers accept: a stranger becomes a peer, and his mail comes out of .Requests.
//
// Who wrote a message is proved by its capsule, so this needs the store key: what the outer header says
// is no evidence. Mail that From or a retired device makes doubtful stays where it is.
#include <fmt/format.h>

#include "cmd/messages.h"
#include "cmd/names.h"
#include "cmd/peers.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;
using core::Verdict;

namespace {

bool is_clear(const core::Capsule& capsule) {
  return capsule.verdict == Verdict::kStranger || capsule.verdict == Verdict::kPeer;
}

/// Whoever wrote the message, with the card that came along.
Result<core::Card> sender_of(const core::StoredMessage& stored, const core::IdentityKey& own,
                             const std::string& word) {
  const core::Capsule& capsule = stored.capsule();
  if (!is_clear(capsule))
    return Error{Code::kForged, word + ": it is not certain who wrote it", "p2pmail show " + word};
  auto opened =
      core::verify_signed_body(capsule.signed_body, capsule.header_hash, own);
  if (!opened) return opened.error().in(word);
  return std::move(opened->card);
}

/// The other messages of this sender; a file that cannot be opened is left, and said.
Status move_all(Env& env, const core::AgreeSecret& secret, const core::IdentityKey& sender,
                std::size_t& moved) {
  core::Store& store = env.store();
  auto files = store.maildir().list(core::kRequests);
  if (!files) return files.error();
  for (const auto& file : *files) {
    auto stored =
        core::StoredMessage::open(file.path, secret, store.store_public(), store.card());
    if (!stored) {
      env.note("warning: " + stored.error().context);
      continue;
    }
    if (stored->capsule().sender != sender || !is_clear(stored->capsule())) continue;
    if (auto done = store.maildir().move(file, std::string(core::kInbox)); !done)
      return done.error();
    ++moved;
  }
  return {};
}

Status put_in_book(Env& env, const std::string& name, const core::Card& card) {
  auto& state = env.store().state();
  return state.together([&]() -> Status {
    if (auto added = state.add_peer(name, card.identity(), env.clock().time); !added) return added;
    auto merged = state.merge_peer_card(card, true);
    return merged ? Status{} : Status{merged.error()};
  });
}

}  // namespace

// JSON: the "peer"
Status accept_peer(Env& env, const std::string& name, const std::string& message,
                   const PassphraseOptions& passphrase) {
  if (auto checked = check_new_name(name); !checked) return checked;
  auto known = env.store().state().find_peer(std::string_view(name));
  if (!known) return known.error();
  auto secret = unlock_store(env, passphrase);
  if (!secret) return secret.error();
  core::Store& store = env.store();
  core::IdentityKey sender;
  // A petname that is there already needs no message: his mail may lie there from before.
  if (message.empty() && *known) {
    sender = (*known)->identity;
  } else {
    const std::string word = message.empty() ? "Requests/@" : message;
    auto listed = core::resolve_message(store, word);
    if (!listed) return listed.error();
    auto stored = core::StoredMessage::open(listed->file.path, *secret, store.store_public(),
                                            store.card());
    if (!stored) return stored.error();
    auto card = sender_of(*stored, store.identity(), word);
    if (!card) return card.error();
    sender = card->identity();
    if (sender == store.identity())
      return Error{Code::kUsage, word + ": this identity itself wrote it", ""};
    if (auto added = put_in_book(env, name, *card); !added) return added;
  }
  std::size_t moved = 0;
  if (auto done = move_all(env, *secret, sender, moved); !done) return done;
  env.detail(fmt::format("{} {} moved to the inbox", moved, moved == 1 ? "message" : "messages"));
  if (!env.json) return {};
  auto peer = store.state().find_peer(sender);
  if (!peer) return peer.error();
  if (*peer) env.print(peer_json(**peer));
  return {};
}

}  // namespace p2pmail::cmd
