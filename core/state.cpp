#include "core/state.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include "core/text.h"

namespace p2pmail::core {
namespace {

constexpr int kBusyMilliseconds = 5000;

struct DbCloser {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
using Db = std::unique_ptr<sqlite3, DbCloser>;

Error db_error(sqlite3* db, const std::string& name) {
  const int code = sqlite3_errcode(db) & 0xff;
  const std::string why = name + ": " + sqlite3_errmsg(db);
  switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return {Code::kBusy, why};
    case SQLITE_FULL: return {Code::kNoSpace, why};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return {Code::kMalformed, name + ": the database is damaged"};
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY: return {Code::kDenied, why};
    default: return {Code::kIo, why};
  }
}

/// One prepared statement; parameters are bound in order, columns read in order.
class Query {
 public:
  Query(sqlite3* db, const std::string& name, const char* sql) : db_(db), name_(name) {
    ok_ = sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr) == SQLITE_OK;
  }
  ~Query() { sqlite3_finalize(statement_); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& bind(ByteView bytes) {
    if (ok_)
      ok_ = sqlite3_bind_blob64(statement_, ++parameter_, bytes.empty() ? "" : static_cast<const void*>(bytes.data()), bytes.size(),
                                SQLITE_TRANSIENT) == SQLITE_OK;
    return *this;
  }
  Query& bind(std::string_view text) {
    if (ok_)
      ok_ = sqlite3_bind_text64(statement_, ++parameter_, text.data(), text.size(),
                                SQLITE_TRANSIENT, SQLITE_UTF8) == SQLITE_OK;
    return *this;
  }
  Query& bind(std::uint64_t number) {
    if (ok_)
      ok_ = sqlite3_bind_int64(statement_, ++parameter_, static_cast<sqlite3_int64>(number)) ==
            SQLITE_OK;
    return *this;
  }
  /// True when there is a row.
  Result<bool> step() {
    if (!ok_) return db_error(db_, name_);
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return db_error(db_, name_);
  }
  Status run() {
    const auto row = step();
    return row ? Status{} : Status{row.error()};
  }
  [[nodiscard]] Bytes blob(int column) const {
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return data == nullptr ? Bytes{} : Bytes(data, data + size);
  }
  [[nodiscard]] std::string text(int column) const {
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return data == nullptr ? std::string{} : std::string(data, size);
  }
  [[nodiscard]] std::uint64_t number(int column) const {
    return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
  }

 private:
  sqlite3* db_;
  const std::string& name_;
  sqlite3_stmt* statement_ = nullptr;
  int parameter_ = 0;
  bool ok_ = false;
};

/// SQLite opens a database or its log read-only when it cannot have it for writing, for a passing reason
/// too, and then refuses every change until it is closed: a node would live on and never take mail.
Status check_writable(sqlite3* db, const std::string& path) {
  const Error refused{Code::kIo, path + ": cannot be opened for writing"};
  if (sqlite3_db_readonly(db, "main") != 0)  // all right on a medium for reading
    return access(path.c_str(), W_OK) == 0 ? Status{refused} : Status{};
  sqlite3_busy_timeout(db, 0);  // whoever writes just now need not be waited for
  const int begun = sqlite3_exec(db, "BEGIN IMMEDIATE; ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_busy_timeout(db, kBusyMilliseconds);
  return begun == SQLITE_READONLY ? Status{refused} : Status{};
}

Result<Db> open_db(const std::string& path, const char* schema) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  Db db(raw);
  if (raw == nullptr) return Error{Code::kIo, path + ": out of memory"};
  if (code != SQLITE_OK) return db_error(raw, path);
  sqlite3_busy_timeout(raw, kBusyMilliseconds);
  // The log and its shared memory stay when the last process closes: to make them anew takes space,
  // and on a full disk one must still be able to read mail and to remove it.
  int persist = 1;
  (void)sqlite3_file_control(raw, nullptr, SQLITE_FCNTL_PERSIST_WAL, &persist);
  if (sqlite3_exec(raw, schema, nullptr, nullptr, nullptr) != SQLITE_OK)
    return db_error(raw, path);
  if (const auto writable = check_writable(raw, path); !writable) return writable.error();
  return db;
}

constexpr const char* kStateSchema =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "CREATE TABLE IF NOT EXISTS peers(identity BLOB PRIMARY KEY, petname TEXT UNIQUE,"
    " blocked INTEGER NOT NULL DEFAULT 0, verified INTEGER NOT NULL DEFAULT 0,"
    " added INTEGER NOT NULL, card BLOB) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS progress(entry TEXT PRIMARY KEY, attempts INTEGER NOT NULL,"
    " next INTEGER NOT NULL, error TEXT NOT NULL) WITHOUT ROWID;";
constexpr const char* kSeenSchema =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    "CREATE TABLE IF NOT EXISTS seen(key BLOB PRIMARY KEY, folder TEXT NOT NULL,"
    " name TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS seen_name ON seen(name);"
    "CREATE TABLE IF NOT EXISTS outcomes(entry TEXT PRIMARY KEY, message BLOB NOT NULL,"
    " recipient BLOB NOT NULL, ending INTEGER NOT NULL, time INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS outcomes_message ON outcomes(message);"
    "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;";
constexpr const char* kPeerColumns =
    "SELECT identity, petname, blocked, verified, added, card FROM peers ";

}  // namespace

struct State::Impl {
  Db state;
  Db seen;
  std::string state_name;
  std::string seen_name;

  Query query(const char* sql) { return Query(state.get(), state_name, sql); }
  Query seen_query(const char* sql) { return Query(seen.get(), seen_name, sql); }

  Result<LetterEnd> end_in(const Query& row) const {
    LetterEnd found;
    const Bytes message = row.blob(0);
    const Bytes recipient = row.blob(1);
    const auto ending = row.number(2);
    if (message.size() != MessageId::kSize || recipient.size() != IdentityKey::kSize ||
        ending < 1 || ending > static_cast<std::uint64_t>(Ending::kCancelled))
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
  return State(std::move(impl));
}

Result<std::vector<Peer>> State::peers() {
  Query query(impl_->state.get(), impl_->state_name,
              (std::string(kPeerColumns) + "WHERE petname IS NOT NULL ORDER BY petname").c_str());
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
  Query query(impl_->state.get(), impl_->state_name,
              (std::string(kPeerColumns) + "WHERE petname = ?").c_str());
  const auto row = query.bind(petname).step();
  if (!row) return row.error();
  if (!*row) return std::optional<Peer>{};
  auto peer = impl_->peer_of(query);
  if (!peer) return peer.error();
  return std::optional<Peer>(std::move(*peer));
}

Result<std::optional<Peer>> State::find_peer(const IdentityKey& identity) {
  Query query(impl_->state.get(), impl_->state_name,
              (std::string(kPeerColumns) + "WHERE identity = ?").c_str());
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
  if (sqlite3_get_autocommit(impl_->state.get()) == 0) return work();
  // IMMEDIATE: two processes that merge at once must not both start from the older card.
  if (const auto begun = impl_->query("BEGIN IMMEDIATE").run(); !begun) return begun;
  const auto done = work();
  const auto ended = impl_->query(done ? "COMMIT" : "ROLLBACK").run();
  return done ? ended : done;
}

Result<MergeOutcome> State::merge_peer_card(const Card& card, bool create) {
  MergeOutcome outcome;
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
  auto query = impl_->query("SELECT attempts, next, error FROM progress WHERE entry = ?");
  const auto row = query.bind(std::string_view(entry)).step();
  if (!row) return row.error();
  if (!*row) return Progress{};
  return Progress{query.number(0), query.number(1), query.text(2)};
}

Status State::set_progress(const std::string& entry, const Progress& progress) {
  return impl_->query("INSERT OR REPLACE INTO progress VALUES(?, ?, ?, ?)")
      .bind(std::string_view(entry))
      .bind(progress.attempts)
      .bind(progress.next_attempt)
      .bind(std::string_view(progress.last_error))
      .run();
}

Status State::forget_progress(const std::string& entry) {
  return impl_->query("DELETE FROM progress WHERE entry = ?").bind(std::string_view(entry)).run();
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
