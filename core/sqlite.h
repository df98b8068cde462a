// SQLite behind two small types; private to the sources of core/state.h, core/shelf.h and
// core/deposits.h, the only ones that see SQLite. Every wait for a lock is bounded (5 seconds).
#pragma once

#include <sqlite3.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/result.h"

namespace p2pmail::core::sqlite {

inline constexpr int kBusyMilliseconds = 5000;
inline constexpr int kLogPages = 200;

struct DbCloser {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
using Db = std::unique_ptr<sqlite3, DbCloser>;

inline Error db_error(sqlite3* db, const std::string& name) {
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

/// Statements that were prepared before: to parse one takes longer than most of them run. Dies before
/// its database.
class Statements {
 public:
  explicit Statements(sqlite3* db) : db_(db) {}
  ~Statements() {
    for (const auto& [sql, statement] : idle_) sqlite3_finalize(statement);
  }
  Statements(const Statements&) = delete;
  Statements& operator=(const Statements&) = delete;
  [[nodiscard]] sqlite3* db() const { return db_; }
  /// Null when the text is wrong.
  [[nodiscard]] sqlite3_stmt* take(std::string_view sql) {
    const auto found = idle_.find(sql);
    if (found != idle_.end()) {
      sqlite3_stmt* statement = found->second;
      idle_.erase(found);
      return statement;
    }
    sqlite3_stmt* statement = nullptr;
    const auto size = static_cast<int>(sql.size());
    if (sqlite3_prepare_v3(db_, sql.data(), size, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
        SQLITE_OK)
      return nullptr;
    return statement;
  }
  void give_back(sqlite3_stmt* statement) {
    if (statement == nullptr) return;
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    idle_.emplace(sqlite3_sql(statement), statement);
  }

 private:
  sqlite3* db_;
  std::multimap<std::string, sqlite3_stmt*, std::less<>> idle_;
};

/// One statement in use; `db` (or `kept`) and `name` must outlive it. Parameters are bound in order,
/// columns read in order.
class Query {
 public:
  Query(sqlite3* db, const std::string& name, const char* sql) : db_(db), name_(name) {
    ok_ = sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr) == SQLITE_OK;
  }
  Query(Statements& kept, const std::string& name, std::string_view sql)
      : db_(kept.db()), name_(name), statement_(kept.take(sql)), kept_(&kept) {
    ok_ = statement_ != nullptr;
  }
  ~Query() {
    if (kept_ != nullptr) {
      kept_->give_back(statement_);
    } else {
      sqlite3_finalize(statement_);
    }
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& bind(ByteView bytes) {
    if (ok_)
      ok_ = sqlite3_bind_blob64(statement_, ++parameter_,
                                bytes.empty() ? "" : static_cast<const void*>(bytes.data()),
                                bytes.size(), SQLITE_TRANSIENT) == SQLITE_OK;
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
  Statements* kept_ = nullptr;
  int parameter_ = 0;
  bool ok_ = false;
};

/// SQLite opens a database or its log read-only when it cannot have it for writing, for a passing reason
/// too, and then refuses every change until it is closed: a node would live on and never take mail.
inline Status check_writable(sqlite3* db, const std::string& path) {
  const Error refused{Code::kIo, path + ": cannot be opened for writing"};
  if (sqlite3_db_readonly(db, "main") != 0)  // all right on a medium for reading
    return access(path.c_str(), W_OK) == 0 ? Status{refused} : Status{};
  sqlite3_busy_timeout(db, 0);  // whoever writes just now need not be waited for
  const int begun = sqlite3_exec(db, "BEGIN IMMEDIATE; ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_busy_timeout(db, kBusyMilliseconds);
  return begun == SQLITE_READONLY ? Status{refused} : Status{};
}

inline Result<Db> open_db(const std::string& path, const char* schema) {
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
  // Nor is the log copied into the database whenever a command ends, which would be three syncs for
  // each database that it only looked at; it is copied once it has grown a little, so that opening
  // stays quick.
  (void)sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  (void)sqlite3_wal_autocheckpoint(raw, kLogPages);
  if (sqlite3_exec(raw, schema, nullptr, nullptr, nullptr) != SQLITE_OK)
    return db_error(raw, path);
  if (const auto writable = check_writable(raw, path); !writable) return writable.error();
  return db;
}

/// All changes that `work` makes, or none when it answers an error. One inside another is part of
/// the outer one. IMMEDIATE: two processes must not both start from what only one may change.
inline Status together(sqlite3* db, const std::string& name, const std::function<Status()>& work) {
  if (sqlite3_get_autocommit(db) == 0) return work();
  if (const auto begun = Query(db, name, "BEGIN IMMEDIATE").run(); !begun) return begun;
  const auto done = work();
  const auto ended = Query(db, name, done ? "COMMIT" : "ROLLBACK").run();
  return done ? ended : done;
}

}  // namespace p2pmail::core::sqlite
