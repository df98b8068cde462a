#include "cmd/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "cmd/format.h"
#include "core/address.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;

namespace {

/// A name whose own characters cannot end it in a list of mailboxes (RFC 5322 section 3.2.4).
std::string quoted(const std::string& name) {
  if (name.find_first_of(",<>@;:()[]\\\"") == std::string::npos) return name;
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

}  // namespace

std::string address_of(const core::Roster& roster) {
  return core::Address{core::local_part_of(roster.name), "", roster.identity}.text();
}

std::string address_of(const core::IdentityKey& key) {
  return core::Address{core::local_part_of(""), "", key}.text();
}

Result<Names> Names::load(core::Store& store) {
  auto peers = store.state().peers();
  if (!peers) return peers.error();
  Names names;
  names.own_ = store.identity();
  for (const auto& peer : *peers) names.petnames_[peer.identity] = peer.petname;
  return names;
}

std::optional<std::string> Names::petname(const core::IdentityKey& key) const {
  const auto found = petnames_.find(key);
  if (found == petnames_.end()) return std::nullopt;
  return core::clean_line(found->second);
}

std::string Names::label(const core::IdentityKey& key) const {
  if (key == own_) return std::string(kMe);
  if (auto known = petname(key)) return *known;
  return address_of(key);
}

std::string Names::brief(const core::Mailbox5322& mailbox, bool proven) const {
  const std::string mark = proven ? "" : "?";
  const auto address = core::parse_address(mailbox.address);
  if (address && address->key == own_) return mark + std::string(kMe);
  if (address) {
    if (auto known = petname(address->key)) return mark + *known;
  }
  const std::string shown = core::clean_line(mailbox.name.empty() ? mailbox.address : mailbox.name);
  return shown.empty() ? "?" : "?" + shown;
}

std::string Names::describe(const core::Mailbox5322& mailbox, bool proven) const {
  std::string address = core::clean_line(mailbox.address);
  // A quoted local part may hold anything; here it must not end its mailbox.
  for (char& c : address)
    if (std::string_view(" <>(),;:\\\"[]").find(c) != std::string_view::npos) c = '_';
  const std::string name = brief(mailbox, proven);
  // Without a mark only what nobody can take for a petname.
  if (mailbox.name.empty() && name.starts_with('?'))
    return core::parse_address(mailbox.address) ? address : "?" + address;
  return fmt::format("{} <{}>", quoted(name), address);
}

std::vector<std::string> Names::petnames() const {
  std::vector<std::string> all;
  for (const auto& [key, petname] : petnames_) all.push_back(petname);
  return all;
}

std::optional<core::MessageId> message_id_in(const std::string& digits) {
  const auto bytes = core::from_hex(digits);
  core::MessageId id;
  if (!bytes || bytes->size() != id.bytes.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), id.bytes.begin());
  return id;
}

std::optional<Result<core::IdentityKey>> key_in(const std::string& word) {
  if (core::looks_like_address(word)) {
    auto address = core::parse_address(word);
    if (!address) return address.error();
    return Result<core::IdentityKey>(address->key);
  }
  if (word.size() != core::kKeyTextSize || !core::from_base32(word)) return std::nullopt;
  return core::parse_key_text(word);
}

namespace {

Error unknown(core::Store& store, const std::string& name) {
  Error error{Code::kUnknownRecipient, fmt::format("there is no peer '{}'", name),
              "p2pmail peers add NAME CARD"};
  if (auto names = Names::load(store)) {
    if (const auto meant = nearest(name, names->petnames())) {
      error.hint = fmt::format("did you mean {}?", *meant);
    }
  }
  return error;
}

}  // namespace

Result<core::Peer> find_peer(core::Store& store, const std::string& name) {
  // The user's own word for somebody wins over anything it may look like.
  auto named = store.state().find_peer(std::string_view(name));
  if (!named) return named.error();
  if (*named) return std::move(**named);
  const auto key = key_in(name);
  if (!key) return unknown(store, name);
  if (!*key) return key->error();
  auto found = store.state().find_peer(**key);
  if (!found) return found.error();
  if (*found) return std::move(**found);
  return Error{Code::kUnknownRecipient, fmt::format("no card for {}", name),
               "p2pmail peers add NAME CARD"};
}

}  // namespace p2pmail::cmd
