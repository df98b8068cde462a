// p2pmail peers export: the address book as text for `peers import`, or as aliases for mutt.
//
// A block = "# petname", then the card as `card` prints it; or, for somebody without a card, the
// address on a line of its own. Whether they are verified or blocked is nobody else's business.
#include <fmt/format.h>

#include "cmd/format.h"
#include "cmd/peers.h"
#include "core/card.h"
#include "core/file.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Result;
using core::Status;

namespace {

constexpr std::size_t kMaxCopy = std::size_t{64} << 20;

std::string block_of(const core::Peer& peer) {
  return "# " + peer.petname + "\n" +
         (peer.card ? core::card_text(*peer.card) : address_of(peer) + "\n");
}

/// For a line of a muttrc: mutt runs what stands between backticks, puts in variables and ends at a
/// '#' or ';', even inside of an alias; a backslash takes all that away. Not before the bytes of a
/// UTF-8 character, which are not special.
std::string muttrc_quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const bool plain = letter || static_cast<unsigned char>(c) >= 0x80 ||
                       std::string_view("-_+.@").find(c) != std::string_view::npos;
    if (!plain) out += '\\';
    out += c;
  }
  return out;
}

/// A quoted-string of RFC 5322, section 3.2.4.
std::string mail_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

/// The name is the petname too: mutt shows it wherever it shows this person, and their own word for
/// themselves is a stranger's text that would pass for the user's.
std::string alias_of(const core::Peer& peer) {
  return fmt::format("alias {} {} <{}>\n", muttrc_quoted(peer.petname),
                     muttrc_quoted(mail_quoted(peer.petname)), address_of(peer));
}

// JSON: {"petname", "address", "card" (absent without one)}
std::string export_json(const core::Peer& peer) {
  nlohmann::ordered_json fields{{"petname", core::clean_line(peer.petname)},
                                {"address", address_of(peer)}};
  if (peer.card) fields["card"] = core::card_text(*peer.card);
  return json_line("card", fields);
}

Result<std::vector<core::Peer>> chosen(Env& env, const std::vector<std::string>& names) {
  if (names.empty()) return env.store().state().peers();
  std::vector<core::Peer> peers;
  for (const auto& name : names) {
    auto peer = find_in_book(env, name);
    if (!peer) return peer.error();
    peers.push_back(std::move(*peer));
  }
  return peers;
}

}  // namespace

std::filesystem::path peers_copy(const Env& env) { return env.paths.root / "peers.copy"; }

Status keep_peers_copy(Env& env) {
  auto peers = env.store().state().peers();
  if (!peers) return peers.error();
  std::string text;
  for (const auto& peer : *peers) text += block_of(peer);
  const auto before = core::read_file(peers_copy(env), kMaxCopy);
  if (before && core::text_of(*before) == text) return {};
  if (!before && text.empty()) return {};
  return core::replace_file(peers_copy(env), core::bytes_of(text));
}

Status export_peers(Env& env, const std::vector<std::string>& names, bool mutt) {
  auto peers = chosen(env, names);
  if (!peers) return peers.error();
  for (const auto& peer : *peers) {
    env.print(env.json ? export_json(peer) : mutt ? alias_of(peer) : block_of(peer));
  }
  return {};
}

}  // namespace p2pmail::cmd
