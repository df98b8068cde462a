// p2pmail peers add, peers import: people come into the address book.
#include <fmt/format.h>

#include <map>

#include "cmd/card_source.h"
#include "cmd/names.h"
#include "cmd/peers.h"
#include "core/address.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;

namespace {

/// Room for thousands of cards.
constexpr std::size_t kMaxExport = std::size_t{64} << 20;
constexpr std::string_view kBegin = "-----BEGIN P2PMAIL CARD-----";
constexpr std::string_view kEnd = "-----END P2PMAIL CARD-----";

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

/// Together: a card that contradicts the one we have must not leave a petname behind.
Status put_in_book(Env& env, const std::string& name, const FoundIdentity& found,
                   const std::string& source) {
  auto& state = env.store().state();
  return state.together([&]() -> Status {
    auto known = state.find_peer(found.identity);
    if (!known) return known.error();
    if (!*known || (*known)->petname != name) {
      auto added = state.add_peer(name, found.identity, env.clock().time);
      if (!added) return added;
    }
    return found.card ? merge(env, *found.card, source) : Status{};
  });
}

struct Entry {
  std::string petname;
  FoundIdentity found;
  std::string subject;  // FILE:LINE
};

/// Reads blocks of `peers export` from top to bottom. Nothing but such blocks may be there: a line
/// that is skipped could be a person who is missing afterwards.
class ExportReader {
 public:
  explicit ExportReader(const SourceText& source) : source_(source), rest_(source.text) {}

  Result<std::vector<Entry>> read() {
    while (!rest_.empty()) {
      const auto before = rest_;
      const std::string_view line = next_line();
      if (line.empty()) continue;
      if (line.starts_with('#')) {
        // The second comment of a block is the card's own, its address.
        if (!petname_)
          petname_ = line.substr(std::min(line.find_first_not_of("# \t"), line.size()));
      } else if (auto done = line == kBegin ? card(before) : address(line); !done) {
        return done.error();
      }
    }
    if (petname_) return wrong("nothing follows this petname");
    return std::move(entries_);
  }

 private:
  std::string_view next_line() {
    ++line_;
    const auto end = rest_.find('\n');
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    return line;
  }
  [[nodiscard]] std::string subject() const { return fmt::format("{}:{}", source_.subject, line_); }
  [[nodiscard]] Error wrong(const std::string& why) const {
    return Error{Code::kMalformed, subject() + ": " + why, ""};
  }

  /// `block` begins with the line that begins the card, which has been read.
  Status card(std::string_view block) {
    const std::string start = subject();
    while (!rest_.empty() && next_line() != kEnd) continue;
    auto parsed = core::parse_card_text(block.substr(0, block.size() - rest_.size()));
    if (!parsed) return parsed.error().in(start);
    const core::IdentityKey identity = parsed->identity();
    return take({identity, std::move(*parsed)}, start);
  }
  Status address(std::string_view line) {
    const auto key = key_in(std::string(line));
    if (!key) return wrong("neither a card nor an address");
    if (!*key) return key->error().in(subject());
    return take({**key, std::nullopt}, subject());
  }
  Status take(FoundIdentity found, const std::string& start) {
    if (!petname_) return Error{Code::kMalformed, start + ": no petname before it", ""};
    if (auto checked = check_new_name(*petname_); !checked) return checked.error().in(start);
    const auto named = by_name_.emplace(*petname_, found.identity).first;
    const auto known = by_key_.emplace(found.identity, *petname_).first;
    if (named->second != found.identity || known->second != *petname_) {
      return Error{Code::kMalformed,
                   fmt::format("{}: '{}' is somebody else above", start, *petname_), ""};
    }
    entries_.push_back({std::move(*petname_), std::move(found), start});
    petname_.reset();
    return {};
  }

  const SourceText& source_;
  std::string_view rest_;
  std::size_t line_ = 0;
  std::optional<std::string> petname_;
  std::map<std::string, core::IdentityKey> by_name_;
  std::map<core::IdentityKey, std::string> by_key_;
  std::vector<Entry> entries_;
};

/// The petname an entry ends up with: the user's own word for a key wins over the file's. Nullopt
/// for the user's own key.
Result<std::optional<std::string>> import_entry(Env& env, const Entry& entry) {
  if (entry.found.identity == env.store().identity()) {
    env.detail(fmt::format("{}: this is your own key; left out", entry.subject));
    return std::optional<std::string>{};
  }
  auto known = env.store().state().find_peer(entry.found.identity);
  if (!known) return known.error();
  std::string name = entry.petname;
  if (*known && !(*known)->petname.empty() && (*known)->petname != name) {
    name = (*known)->petname;
    env.note(fmt::format("{} is here already, as {}", entry.petname, name));
  }
  if (auto free = check_free(env, name, entry.found.identity); !free) {
    return free.error().in(entry.subject);
  }
  if (auto put = put_in_book(env, name, entry.found, entry.subject); !put) return put.error();
  return std::optional(name);
}

}  // namespace

Status check_new_name(const std::string& name) {
  if (auto checked = core::check_petname(name); !checked) return checked;
  if (name != kMe && !core::looks_like_address(name)) return {};
  return Error{Code::kUsage, fmt::format("'{}' cannot be a petname", name), ""};
}

Status add_peer(Env& env, const std::string& name, const std::string& source) {
  if (auto checked = check_new_name(name); !checked) return checked;
  auto found = find_identity(env, source);
  if (!found) return found.error();
  if (found->identity == env.store().identity()) {
    return Error{Code::kUsage, "this is your own card; write to yourself as 'me'", ""};
  }
  if (auto free = check_free(env, name, found->identity); !free) return free;
  return put_in_book(env, name, *found, source);
}

Status import_peers(Env& env, const std::string& source) {
  auto text = read_source(env, source, kMaxExport);
  if (!text) return text.error();
  auto entries = ExportReader(*text).read();
  if (!entries) return entries.error();
  if (entries->empty()) {
    return Error{Code::kMalformed, text->subject + ": nobody in it", "p2pmail peers export"};
  }
  std::vector<std::string> names;
  auto& state = env.store().state();
  auto done = state.together([&]() -> Status {
    for (const Entry& entry : *entries) {
      auto name = import_entry(env, entry);
      if (!name) return name.error();
      if (*name) names.push_back(**name);
    }
    return {};
  });
  if (!done || !env.json) return done;
  for (const auto& name : names) {
    auto peer = find_in_book(env, name);
    if (!peer) return peer.error();
    env.print(peer_json(*peer));
  }
  return {};
}

}  // namespace p2pmail::cmd
