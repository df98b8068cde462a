#include "core/repair.h"

#include <fmt/format.h>

#include <cstdio>

#include "core/file.h"
#include "core/sqlite.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDatabases[] = {"state.db", "seen.db", "relay.db"};

bool is_damaged(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return false;
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
  const sqlite::Db db(raw);
  if (opened != SQLITE_OK) return false;  // another trouble, which opening the store tells
  sqlite3_busy_timeout(raw, sqlite::kBusyMilliseconds);
  const std::string name = path.string();
  sqlite::Query check(raw, name, "PRAGMA quick_check(1)");
  const auto row = check.step();
  if (!row) return row.error().code == Code::kMalformed;
  return *row && check.text(0) != "ok";
}

}  // namespace

std::vector<std::string> damaged_databases(const fs::path& root) {
  std::vector<std::string> damaged;
  for (const char* name : kDatabases)
    if (is_damaged(root / name)) damaged.emplace_back(name);
  return damaged;
}

// The log first: a new database must never meet the log of the old one.
Status set_aside(const fs::path& root, const std::string& name, std::uint64_t now) {
  for (const char* suffix : {"-shm", "-wal", ""}) {
    const fs::path from = root / (name + suffix);
    const fs::path to = root / fmt::format("{}.damaged-{}{}", name, now, suffix);
    if (rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
      return errno_error(errno, from, "cannot rename");
  }
  return sync_directory(root);
}

}  // namespace p2pmail::core
