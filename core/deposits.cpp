#include "core/deposits.h"

#include <sstream>

#include "core/sqlite.h"

namespace p2pmail::core {
namespace {

using sqlite::Query;

constexpr const char* kSchema =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "CREATE TABLE IF NOT EXISTS deposits(entry TEXT, transport BLOB, identity BLOB NOT NULL,"
    " endpoints TEXT NOT NULL, box BLOB NOT NULL, envelope BLOB NOT NULL, since INTEGER NOT NULL,"
    " until INTEGER NOT NULL, silence INTEGER NOT NULL, PRIMARY KEY(entry, transport))"
    " WITHOUT ROWID;";
constexpr std::string_view kContext = "p2pmail/deposit";

template <class FixedType>
[[nodiscard]] bool fill(FixedType& out, const Bytes& bytes) {
  if (bytes.size() != FixedType::kSize) return false;
  std::ranges::copy(bytes, out.bytes.begin());
  return true;
}

/// What belongs to the box, so that it cannot be put beside another entry.
Bytes associated(std::string_view entry, const TransportKey& relay) {
  Bytes all = to_bytes(bytes_of(kContext));
  append(all, bytes_of(entry));
  append(all, relay.view());
  return all;
}

std::string text_of_all(const std::vector<Endpoint>& endpoints) {
  std::string all;
  for (const Endpoint& endpoint : endpoints) all += (all.empty() ? "" : " ") + endpoint.text();
  return all;
}

std::vector<Endpoint> endpoints_in(const std::string& text) {
  std::vector<Endpoint> all;
  std::istringstream words(text);
  for (std::string word; words >> word;)
    if (auto endpoint = parse_endpoint(word)) all.push_back(std::move(*endpoint));
  return all;
}

/// False for a damaged row.
[[nodiscard]] bool read_record(const Query& row, const SymmetricKey& key, DepositRecord& record) {
  record.entry = row.text(0);
  if (!fill(record.relay.transport, row.blob(1)) || !fill(record.relay.identity, row.blob(2)) ||
      !fill(record.envelope, row.blob(5)))
    return false;
  record.relay.endpoints = endpoints_in(row.text(3));
  const auto opened = box_open(key, associated(record.entry, record.relay.transport), row.blob(4));
  if (!opened || opened->view().size() != SymmetricKey::kSize) return false;
  record.relay_key = SymmetricKey(opened->view());
  record.since = row.number(6);
  record.until = row.number(7);
  record.silence = row.number(8);
  return true;
}

}  // namespace

struct Deposits::Impl {
  std::string name;
  sqlite::Db db;
  SymmetricKey key;

  Query query(const char* sql) { return {db.get(), name, sql}; }
  Status on(const char* sql, const std::string& entry, const TransportKey& relay) {
    return query(sql).bind(std::string_view(entry)).bind(relay.view()).run();
  }
};

Deposits::Deposits(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Deposits::Deposits(Deposits&&) noexcept = default;
Deposits& Deposits::operator=(Deposits&&) noexcept = default;
Deposits::~Deposits() = default;

Result<Deposits> Deposits::open(const std::filesystem::path& root, const SymmetricKey& key) {
  auto impl = std::make_unique<Impl>();
  impl->name = (root / "relay.db").string();
  auto db = sqlite::open_db(impl->name, kSchema);
  if (!db) return db.error();
  impl->db = std::move(*db);
  impl->key = key.clone();
  return Deposits(std::move(impl));
}

Status Deposits::add(const DepositRecord& record) {
  const Bytes box = box_seal(impl_->key, associated(record.entry, record.relay.transport),
                             record.relay_key.view());
  const std::string endpoints = text_of_all(record.relay.endpoints);
  return impl_->query("INSERT OR REPLACE INTO deposits VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(std::string_view(record.entry))
      .bind(record.relay.transport.view())
      .bind(record.relay.identity.view())
      .bind(std::string_view(endpoints))
      .bind(ByteView(box))
      .bind(record.envelope.view())
      .bind(record.since)
      .bind(record.until)
      .bind(record.silence)
      .run();
}

Result<std::vector<DepositRecord>> Deposits::of(const std::string& entry) {
  auto rows = impl_->query(
      "SELECT entry, transport, identity, endpoints, box, envelope, since, until, silence"
      " FROM deposits WHERE entry = ? ORDER BY since, transport");
  rows.bind(std::string_view(entry));
  std::vector<DepositRecord> all;
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) return all;
    DepositRecord record;
    if (read_record(rows, impl_->key, record)) all.push_back(std::move(record));
  }
}

Result<std::vector<std::string>> Deposits::entries() {
  auto rows = impl_->query("SELECT DISTINCT entry FROM deposits ORDER BY entry");
  std::vector<std::string> all;
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) return all;
    all.push_back(rows.text(0));
  }
}

Status Deposits::forget(const std::string& entry) {
  return impl_->query("DELETE FROM deposits WHERE entry = ?").bind(std::string_view(entry)).run();
}

Status Deposits::forget(const std::string& entry, const TransportKey& relay) {
  return impl_->on("DELETE FROM deposits WHERE entry = ? AND transport = ?", entry, relay);
}

Status Deposits::note_silence(const std::string& entry, const TransportKey& relay) {
  return impl_->on("UPDATE deposits SET silence = silence + 1 WHERE entry = ? AND transport = ?",
                   entry, relay);
}

Status Deposits::note_answer(const std::string& entry, const TransportKey& relay) {
  return impl_->on(
      "UPDATE deposits SET silence = 0 WHERE entry = ? AND transport = ? AND silence > 0", entry,
      relay);
}

}  // namespace p2pmail::core
