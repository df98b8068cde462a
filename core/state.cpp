#include "core/state.h"

#include <fmt/format.h>

#include "core/sqlite.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

using sqlite::Db;
using sqlite::Query;
using sqlite::open_db;

constexpr const char* kStateSchema =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "CREATE TABLE IF NOT EXISTS peers(identity BLOB PRIMARY KEY, petname TEXT UNIQUE,"
    " blocked INTEGER NOT NULL DEFAULT 0, verified INTEGER NOT NULL DEFAULT 0,"
    " added INTEGER NOT NULL, card BLOB) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS progress(entry TEXT PRIMARY KEY, attempts INTEGER NOT NULL,"
    " next INTEGER NOT NULL, error TEXT NOT NULL) WITHOUT ROWID;"
    // Beside it and not in it: an older version of this program writes rows of four columns.
    "CREATE TABLE IF NOT EXISTS trials(entry TEXT PRIMARY KEY, last INTEGER NOT NULL,"
    " refusals INTEGER NOT NULL, since INTEGER NOT NULL, refusal TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS sightings(entry TEXT PRIMARY KEY, ending INTEGER NOT NULL,"
    " boot BLOB NOT NULL, boot_time INTEGER NOT NULL) WITHOUT ROWID;";
constexpr const char* kSeenSchema =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    "CREATE TABLE IF NOT EXISTS seen(key BLOB PRIMARY KEY, folder TEXT NOT NULL,"
    " name TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS seen_name ON seen(name);"
    "CREATE TABLE IF NOT EXISTS outcomes(entry TEXT PRIMARY KEY, message BLOB NOT NULL,"
    " recipient BLOB NOT NULL, ending INTEGER NOT NULL, time INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS outcomes_message ON outcomes(message);"
    "CREATE TABLE IF NOT EXISTS waiting(sender BLOB NOT NULL, root BLOB NOT NULL,"
    " via BLOB NOT NULL, size INTEGER NOT NULL, time INTEGER NOT NULL, known INTEGER NOT NULL,"
    " PRIMARY KEY(sender, root)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;";
constexpr const char* kPeerColumns =
    "SELECT identity, petname, blocked, verified, added, card FROM peers ";

}  // namespace

struct State::Impl {
  Db state;
  Db seen;
  std::string state_name;
  std::string seen_name;

  std::optional<sqlite::Statements> state_statements;
  std::optional<sqlite::Statements> seen_statements;

  Query query(std::string_view sql) { return Query(*state_statements, state_name, sql); }
  Query seen_query(std::string_view sql) { return Query(*seen_statements, seen_name, sql); }

  /// Empty when there is none.
  Result<Bytes> card_bytes(const IdentityKey& identity) {
    auto row = query("SELECT card FROM peers WHERE identity = ?");
    const auto found = row.bind(identity.view()).step();
    if (!found) return found.error();
    return *found ? row.blob(0) : Bytes{};
  }

  Result<LetterEnd> end_in(const Query& row) const {
    LetterEnd found;
    const Bytes message = row.blob(0);
    const Bytes recipient = row.blob(1);
    const auto ending = row.number(2);
    if (message.size() != MessageId::kSize || recipient.size() != IdentityKey::kSize ||
        ending < 1 || ending > static_cast<std::uint64_t>(Ending::kFailed))
      return Error{Code::kMalformed, seen_name + ": the end of a letter is damaged"};
    std::copy(message.begin(), message.end(), found.message.bytes.begin());
    std::copy(recipient.begin(), recipient.end(), found.recipient.bytes.begin());
    found.ending = static_cast<Ending>(ending);
    found.time = row.number(3);
    return found;
  }

  Result<Peer> peer_of(const Query& row) const {
    Peer peer;
    const Bytes identity = row.blob(0);
    if (identity.size() != IdentityKey::kSize)
      return Error{Code::kMalformed, state_name + ": a peer's key has the wrong size"};
    std::copy(identity.begin(), identity.end(), peer.identity.bytes.begin());
    peer.petname = row.text(1);
    peer.blocked = row.number(2) != 0;
    peer.verified = row.number(3) != 0;
    peer.added = row.number(4);
    const Bytes card = row.blob(5);
    if (card.empty()) return peer;
    auto decoded = decode_card(card);
    if (!decoded) return decoded.error().in(state_name);
    peer.card = std::move(*decoded);
    return peer;
  }
};

Status check_petname(std::string_view name) {
  const auto refuse = [](const char* why) {
    return Error{Code::kUsage, std::string("not a petname: ") + why};
  };
  if (name.empty()) return refuse("it is empty");
  if (name.size() > 64) return refuse("it is longer than 64 bytes");
  if (has_controls(name)) return refuse("it has control characters or is not UTF-8");
  if (clean_line(name) != name) return refuse("it has invisible or direction characters");
  if (name.front() == '-' || name.front() == '.') return refuse("it starts with '-' or '.'");
  if (name.find_first_of(" @,:<>\"/?") != std::string_view::npos)
    return refuse("blanks and the characters @ , : < > \" / ? are not allowed");
  return {};
}

State::State(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
State::State(State&&) noexcept = default;
State& State::operator=(State&&) noexcept = default;
State::~State() = default;

Result<State> State::open(const std::filesystem::path& directory) {
  auto impl = std::make_unique<Impl>();
  impl->state_name = (directory / "state.db").string();
  impl->seen_name = (directory / "seen.db").string();
  auto state = open_db(impl->state_name, kStateSchema);
  if (!state) return state.error();
  auto seen = open_db(impl->seen_name, kSeenSchema);
  if (!seen) return seen.error();
  impl->state = std::move(*state);
  impl->seen = std::move(*seen);
  impl->state_statements.emplace(impl->state.get());
  impl->seen_statements.emplace(impl->seen.get());
  return State(std::move(impl));
}

Result<std::vector<Peer>> State::peers() {
  auto query =
      impl_->query(std::string(kPeerColumns) + "WHERE petname IS NOT NULL ORDER BY petname");
  std::vector<Peer> all;
  for (;;) {
    const auto row = query.step();
    if (!row) return row.error();
    if (!*row) return all;
    auto peer = impl_->peer_of(query);
    if (!peer) return peer.error();
    all.push_back(std::move(*peer));
  }
}

Result<std::optional<Peer>> State::find_peer(std::string_view petname) {
  auto query = impl_->query(std::string(kPeerColumns) + "WHERE petname = ?");
  const auto row = query.bind(petname).step();
  if (!row) return row.error();
  if (!*row) return std::optional<Peer>{};
  auto peer = impl_->peer_of(query);
  if (!peer) return peer.error();
  return std::optional<Peer>(std::move(*peer));
}

Result<std::optional<Peer>> State::find_peer(const IdentityKey& identity) {
  auto query = impl_->query(std::string(kPeerColumns) + "WHERE identity = ?");
  const auto row = query.bind(identity.view()).step();
  if (!row) return row.error();
  if (!*row) return std::optional<Peer>{};
  auto peer = impl_->peer_of(query);
  if (!peer) return peer.error();
  return std::optional<Peer>(std::move(*peer));
}

Status State::add_peer(std::string_view petname, const IdentityKey& identity, std::uint64_t now) {
  if (const auto name = check_petname(petname); !name) return name;
  const auto same_name = find_peer(petname);
  if (!same_name) return same_name.error();
  if (*same_name && (*same_name)->identity != identity)
    return Error{Code::kExists, fmt::format("the petname {} belongs to somebody else", petname),
                 fmt::format("p2pmail peers rename {} OTHER", petname)};
  const auto same_key = find_peer(identity);
  if (!same_key) return same_key.error();
  if (*same_key && !(*same_key)->petname.empty() && (*same_key)->petname != petname)
    return Error{Code::kExists,
                 fmt::format("this key is in the address book as {}", (*same_key)->petname),
                 fmt::format("p2pmail peers rename {} {}", (*same_key)->petname, petname)};
  return impl_
      ->query("INSERT INTO peers(identity, petname, added) VALUES(?1, ?2, ?3)"
              " ON CONFLICT(identity) DO UPDATE SET petname = ?2, added = ?3")
      .bind(identity.view())
      .bind(petname)
      .bind(now)
      .run();
}

Status State::remove_peer(const IdentityKey& identity) {
  return impl_
      ->query("UPDATE peers SET petname = NULL, blocked = 0, verified = 0 WHERE identity = ?")
      .bind(identity.view())
      .run();
}

Status State::rename_peer(const IdentityKey& identity, std::string_view petname) {
  if (const auto name = check_petname(petname); !name) return name;
  const auto taken = find_peer(petname);
  if (!taken) return taken.error();
  if (*taken && (*taken)->identity != identity)
    return Error{Code::kExists, fmt::format("the petname {} belongs to somebody else", petname)};
  return impl_->query("UPDATE peers SET petname = ? WHERE identity = ?")
      .bind(petname)
      .bind(identity.view())
      .run();
}

Status State::set_blocked(const IdentityKey& identity, bool blocked) {
  return impl_->query("UPDATE peers SET blocked = ? WHERE identity = ?")
      .bind(std::uint64_t{blocked ? 1U : 0U})
      .bind(identity.view())
      .run();
}

Status State::set_verified(const IdentityKey& identity, bool verified) {
  const auto set = impl_->query("UPDATE peers SET verified = ? WHERE identity = ?")
                       .bind(std::uint64_t{verified ? 1U : 0U})
                       .bind(identity.view())
                       .run();
  if (!set || sqlite3_changes(impl_->state.get()) == 1) return set;
  return Error{Code::kNotFound, "this key is not in the address book any more"};
}

Status State::together(const std::function<Status()>& work) {
  return sqlite::together(impl_->state.get(), impl_->state_name, work);
}

Result<MergeOutcome> State::merge_peer_card(const Card& card, bool create) {
  MergeOutcome outcome;
  // Most often it is the one that we have, byte for byte: nothing to lock for.
  if (const auto known = impl_->card_bytes(card.identity()); known && *known == encode_card(card))
    return outcome;
  const auto merged = together([&]() -> Status {
    auto known = find_peer(card.identity());
    if (!known) return known.error();
    if (!*known && !create) return {};
    outcome.changed = true;
    Card best = card;
    if (*known && (*known)->card) {
      best = std::move(*(*known)->card);
      auto result = merge_card(best, card);
      if (!result) return result.error();
      outcome = *result;
    }
    if (!outcome.changed) return {};
    const Bytes bytes = encode_card(best);
    return impl_
        ->query("INSERT INTO peers(identity, added, card) VALUES(?1, 0, ?2)"
                " ON CONFLICT(identity) DO UPDATE SET card = ?2")
        .bind(card.identity().view())
        .bind(ByteView(bytes))
        .run();
  });
  if (!merged) return merged.error();
  return outcome;
}

Result<Progress> State::progress(const std::string& entry) {
  auto query = impl_->query(
      "SELECT attempts, next, error, last, refusals, since, refusal"
      " FROM progress LEFT JOIN trials USING(entry) WHERE entry = ?");
  const auto row = query.bind(std::string_view(entry)).step();
  if (!row) return row.error();
  if (!*row) return Progress{};
  return Progress{query.number(0), query.number(1), query.text(2), query.number(3),
                  query.number(4), query.number(5), query.text(6)};
}

Status State::set_progress(const std::string& entry, const Progress& progress) {
  return together([&]() -> Status {
    const auto first = impl_->query("INSERT OR REPLACE INTO progress VALUES(?, ?, ?, ?)")
                           .bind(std::string_view(entry))
                           .bind(progress.attempts)
                           .bind(progress.next_attempt)
                           .bind(std::string_view(progress.last_error))
                           .run();
    if (!first) return first;
    return impl_->query("INSERT OR REPLACE INTO trials VALUES(?, ?, ?, ?, ?)")
        .bind(std::string_view(entry))
        .bind(progress.last_attempt)
        .bind(progress.refusals)
        .bind(progress.refused_since)
        .bind(std::string_view(progress.refusal))
        .run();
  });
}

Status State::forget_progress(const std::string& entry) {
  const auto one =
      impl_->query("DELETE FROM progress WHERE entry = ?").bind(std::string_view(entry)).run();
  // Most letters are delivered at the first attempt and have no row in either table.
  if (!one || sqlite3_changes(impl_->state.get()) == 0) return one;
  return impl_->query("DELETE FROM trials WHERE entry = ?").bind(std::string_view(entry)).run();
}

Result<std::map<std::string, Sighting>> State::sightings() {
  auto query = impl_->query("SELECT entry, ending, boot, boot_time FROM sightings");
  std::map<std::string, Sighting> all;
  for (;;) {
    const auto row = query.step();
    if (!row) return row.error();
    if (!*row) return all;
    Sighting one;
    const auto ending = query.number(1);
    const Bytes boot = query.blob(2);
    // A row that makes no sense is a sighting of nothing; it is overwritten by the next one.
    if (boot.size() != one.boot_id.size() || ending > static_cast<std::uint64_t>(Ending::kFailed))
      continue;
    one.ending = static_cast<Ending>(ending);
    std::ranges::copy(boot, one.boot_id.begin());
    one.boot_time = query.number(3);
    all.emplace(query.text(0), one);
  }
}

Status State::set_sighting(const std::string& entry, const Sighting& sighting) {
  return impl_->query("INSERT OR REPLACE INTO sightings VALUES(?, ?, ?, ?)")
      .bind(std::string_view(entry))
      .bind(static_cast<std::uint64_t>(sighting.ending))
      .bind(ByteView(sighting.boot_id))
      .bind(sighting.boot_time)
      .run();
}

Status State::forget_sighting(const std::string& entry) {
  return impl_->query("DELETE FROM sightings WHERE entry = ?").bind(std::string_view(entry)).run();
}

Status State::record_end(const std::string& entry, const LetterEnd& end) {
  return impl_->seen_query("INSERT OR REPLACE INTO outcomes VALUES(?, ?, ?, ?, ?)")
      .bind(std::string_view(entry))
      .bind(end.message.view())
      .bind(end.recipient.view())
      .bind(static_cast<std::uint64_t>(end.ending))
      .bind(end.time)
      .run();
}

Status State::forget_end(const std::string& entry) {
  return impl_->seen_query("DELETE FROM outcomes WHERE entry = ?")
      .bind(std::string_view(entry))
      .run();
}

Result<std::optional<LetterEnd>> State::end_of(const std::string& entry) {
  auto query = impl_->seen_query(
      "SELECT message, recipient, ending, time FROM outcomes WHERE entry = ?");
  const auto row = query.bind(std::string_view(entry)).step();
  if (!row) return row.error();
  if (!*row) return std::optional<LetterEnd>();
  auto found = impl_->end_in(query);
  if (!found) return found.error();
  return std::optional<LetterEnd>(*found);
}

Result<std::vector<LetterEnd>> State::ends_of(const MessageId& message) {
  auto query = impl_->seen_query(
      "SELECT message, recipient, ending, time FROM outcomes WHERE message = ? ORDER BY entry");
  query.bind(message.view());
  std::vector<LetterEnd> all;
  for (;;) {
    const auto row = query.step();
    if (!row) return row.error();
    if (!*row) return all;
    auto found = impl_->end_in(query);
    if (!found) return found.error();
    all.push_back(*found);
  }
}

Result<bool> State::add_waiting(const Waiting& letter) {
  const auto row = impl_->seen_query("SELECT 1 FROM waiting WHERE sender = ? AND root = ?")
                       .bind(letter.sender.view())
                       .bind(letter.root.view())
                       .step();
  if (!row) return row.error();
  const auto added = impl_->seen_query("INSERT OR REPLACE INTO waiting VALUES(?, ?, ?, ?, ?, ?)")
                         .bind(letter.sender.view())
                         .bind(letter.root.view())
                         .bind(letter.via.view())
                         .bind(letter.size)
                         .bind(letter.time)
                         .bind(std::uint64_t{letter.known})
                         .run();
  if (!added) return added.error();
  const auto trimmed =
      impl_->seen_query("DELETE FROM waiting WHERE (sender, root) IN (SELECT sender, root FROM"
                        " waiting ORDER BY known DESC, time DESC LIMIT -1 OFFSET ?)")
          .bind(std::uint64_t{kMaxWaiting})
          .run();
  if (!trimmed) return trimmed.error();
  return !*row;
}

Result<std::vector<Waiting>> State::waiting() {
  auto query = impl_->seen_query(
      "SELECT sender, root, via, size, time, known FROM waiting ORDER BY size DESC");
  std::vector<Waiting> all;
  for (;;) {
    const auto row = query.step();
    if (!row) return row.error();
    if (!*row) return all;
    Waiting one;
    const Bytes sender = query.blob(0), root = query.blob(1), via = query.blob(2);
    if (sender.size() != IdentityKey::kSize || root.size() != Root::kSize ||
        via.size() != IdentityKey::kSize)
      continue;  // it makes no sense, and is offered again
    std::ranges::copy(sender, one.sender.bytes.begin());
    std::ranges::copy(root, one.root.bytes.begin());
    std::ranges::copy(via, one.via.bytes.begin());
    one.size = query.number(3);
    one.time = query.number(4);
    one.known = query.number(5) != 0;
    all.push_back(one);
  }
}

Status State::forget_waiting(const IdentityKey& sender, const Root& root) {
  return impl_->seen_query("DELETE FROM waiting WHERE sender = ? AND root = ?")
      .bind(sender.view())
      .bind(root.view())
      .run();
}

Result<std::uint64_t> State::journal_offset() {
  auto query = impl_->seen_query("SELECT value FROM meta WHERE name = 'offset'");
  const auto row = query.step();
  if (!row) return row.error();
  return *row ? query.number(0) : std::uint64_t{0};
}

Status State::index_journal(const std::vector<SeenRow>& rows, std::uint64_t offset) {
  if (const auto begun = impl_->seen_query("BEGIN IMMEDIATE").run(); !begun) return begun;
  const auto added = [&]() -> Status {
    for (const SeenRow& row : rows) {
      const auto one = impl_->seen_query("INSERT OR IGNORE INTO seen VALUES(?, ?, ?)")
                           .bind(row.key.view())
                           .bind(std::string_view(row.folder))
                           .bind(std::string_view(row.unique))
                           .run();
      if (!one) return one;
    }
    return impl_->seen_query("INSERT OR REPLACE INTO meta VALUES('offset', ?)").bind(offset).run();
  }();
  const auto ended = impl_->seen_query(added ? "COMMIT" : "ROLLBACK").run();
  return added ? ended : added;
}

Status State::clear_journal_index() {
  if (const auto rows = impl_->seen_query("DELETE FROM seen").run(); !rows) return rows;
  return impl_->seen_query("DELETE FROM meta").run();
}

namespace {
Result<std::optional<State::SeenRow>> seen_row(Query& query) {
  const auto row = query.step();
  if (!row) return row.error();
  if (!*row) return std::optional<State::SeenRow>{};
  State::SeenRow found;
  const Bytes key = query.blob(0);
  std::copy_n(key.begin(), std::min(key.size(), Digest::kSize), found.key.bytes.begin());
  found.folder = query.text(1);
  found.unique = query.text(2);
  return std::optional<State::SeenRow>(found);
}
}  // namespace

Result<std::optional<State::SeenRow>> State::find_seen(const Digest& key) {
  auto query = impl_->seen_query("SELECT key, folder, name FROM seen WHERE key = ?");
  query.bind(key.view());
  return seen_row(query);
}

Result<std::optional<State::SeenRow>> State::find_seen_file(const std::string& unique) {
  auto query = impl_->seen_query("SELECT key, folder, name FROM seen WHERE name = ?");
  query.bind(std::string_view(unique));
  return seen_row(query);
}

}  // namespace p2pmail::core
