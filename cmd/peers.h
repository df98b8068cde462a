// Inside of `p2pmail peers`: what its verbs share. peers.cpp holds the options and the short verbs.
#pragma once

#include <string>
#include <vector>

#include "cmd/env.h"
#include "cmd/passphrase.h"
#include "core/result.h"
#include "core/state.h"

namespace p2pmail::cmd {

[[nodiscard]] std::string address_of(const core::Peer& peer);
/// What they call themselves, cleaned; empty without a card or a name.
[[nodiscard]] std::string own_name(const core::Peer& peer);
[[nodiscard]] std::string peer_json(const core::Peer& peer);
/// As find_peer of cmd/names.h, but only somebody with a petname.
[[nodiscard]] core::Result<core::Peer> find_in_book(Env& env, const std::string& name);
/// kUsage for what cannot be a petname: also 'me', and what looks like an address.
[[nodiscard]] core::Status check_new_name(const std::string& name);

[[nodiscard]] core::Status add_peer(Env& env, const std::string& name, const std::string& source);
/// `message` empty: the newest of .Requests, or none for a petname that is there already.
[[nodiscard]] core::Status accept_peer(Env& env, const std::string& name,
                                       const std::string& message,
                                       const PassphraseOptions& passphrase);
[[nodiscard]] core::Status import_peers(Env& env, const std::string& source);
/// The address book as `peers export` prints it, beside state.db: what doctor --repair puts back.
[[nodiscard]] std::filesystem::path peers_copy(const Env& env);
/// Writes it anew when the address book has changed.
[[nodiscard]] core::Status keep_peers_copy(Env& env);
[[nodiscard]] core::Status export_peers(Env& env, const std::vector<std::string>& names, bool mutt);
[[nodiscard]] core::Status query_peers(Env& env, const std::string& pattern);
[[nodiscard]] core::Status verify_peer(Env& env, const std::string& name, bool yes);

}  // namespace p2pmail::cmd
