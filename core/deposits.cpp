#include "core/deposits.h"

#include "core/sqlite.h"

namespace p2pmail::core {
namespace {

using sqlite::Query;

constexpr const char* kSchema =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "CREATE TABLE IF NOT EXISTS deposits(entry TEXT, relay BLOB, box BLOB NOT NULL,"
    " envelope BLOB NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,"
    " PRIMARY KEY(entry, relay)) WITHOUT ROWID;";
constexpr std::string_view kContext = "p2pmail/deposit";

template <class FixedType>
[[nodiscard]] bool fill(FixedType& out, const Bytes& bytes) {
  if (bytes.size() != FixedType::kSize) return false;
  std::ranges::copy(bytes, out.bytes.begin());
  return true;
}

}  // namespace

struct Deposits::Impl {
  std::string name;
  sqlite::Db db;
  SymmetricKey key;

  Query query(const std::string& sql) { return Query(db.get(), name, sql.c_str()); }
  Result<DepositRecord> record_in(const Query& row) const;
  Result<std::vector<DepositRecord>> records(Query& rows) const;
};

/// What belongs to the box, so that it cannot be put beside another entry.
static Bytes associated(std::string_view entry, const IdentityKey& relay) {
  Bytes all = to_bytes(bytes_of(kContext));
  append(all, bytes_of(entry));
  append(all, relay.view());
  return all;
}

Result<DepositRecord> Deposits::Impl::record_in(const Query& row) const {
  DepositRecord record;
  record.entry = row.text(0);
  const bool whole = fill(record.relay, row.blob(1)) && fill(record.envelope, row.blob(3));
  const auto opened = box_open(key, associated(record.entry, record.relay), row.blob(2));
  if (!whole || !opened || opened->view().size() != SymmetricKey::kSize)
    return Error{Code::kMalformed, name + ": a deposit is damaged"};
  record.relay_key = SymmetricKey(opened->view());
  record.since = row.number(4);
  record.until = row.number(5);
  return record;
}

Result<std::vector<DepositRecord>> Deposits::Impl::records(Query& rows) const {
  std::vector<DepositRecord> all;
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) return all;
    auto record = record_in(rows);
    if (!record) return record.error();
    all.push_back(std::move(*record));
  }
}

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
  const Bytes box =
      box_seal(impl_->key, associated(record.entry, record.relay), record.relay_key.view());
  return impl_->query("INSERT OR REPLACE INTO deposits VALUES(?, ?, ?, ?, ?, ?)")
      .bind(std::string_view(record.entry))
      .bind(record.relay.view())
      .bind(ByteView(box))
      .bind(record.envelope.view())
      .bind(record.since)
      .bind(record.until)
      .run();
}

constexpr const char* kColumns =
    "SELECT entry, relay, box, envelope, since, until FROM deposits ";

Result<std::vector<DepositRecord>> Deposits::of(const std::string& entry) {
  auto rows = impl_->query(std::string(kColumns) + "WHERE entry = ? ORDER BY since, relay");
  rows.bind(std::string_view(entry));
  return impl_->records(rows);
}

Result<std::vector<DepositRecord>> Deposits::all() {
  auto rows = impl_->query(std::string(kColumns) + "ORDER BY since, entry, relay");
  return impl_->records(rows);
}

Status Deposits::forget(const std::string& entry) {
  return impl_->query("DELETE FROM deposits WHERE entry = ?").bind(std::string_view(entry)).run();
}

Status Deposits::forget(const std::string& entry, const IdentityKey& relay) {
  return impl_->query("DELETE FROM deposits WHERE entry = ? AND relay = ?")
      .bind(std::string_view(entry))
      .bind(relay.view())
      .run();
}

}  // namespace p2pmail::core
