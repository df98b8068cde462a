#include "core/shelf.h"

#include <unistd.h>

#include "core/file.h"
#include "core/shelf_impl.h"
#include "core/tree.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;
using sqlite::Query;

constexpr const char* kSchema =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "CREATE TABLE IF NOT EXISTS owners(identity BLOB PRIMARY KEY, quota INTEGER NOT NULL,"
    " keep INTEGER NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS held(handle BLOB PRIMARY KEY, owner BLOB NOT NULL,"
    " root BLOB NOT NULL, size INTEGER NOT NULL, stamp INTEGER NOT NULL, envelope BLOB NOT NULL,"
    " missing BLOB NOT NULL, devices INTEGER NOT NULL, since INTEGER NOT NULL,"
    " until INTEGER NOT NULL, state INTEGER NOT NULL, receipt BLOB NOT NULL,"
    " tries INTEGER NOT NULL, boot BLOB NOT NULL, boot_time INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS held_owner ON held(owner, state, tries, since);"
    "CREATE INDEX IF NOT EXISTS held_root ON held(root, state);"
    "CREATE INDEX IF NOT EXISTS held_until ON held(until);"
    "CREATE TABLE IF NOT EXISTS shown(handle BLOB, device BLOB, PRIMARY KEY(handle, device))"
    " WITHOUT ROWID;";
constexpr const char* kOwnerColumns =
    "SELECT identity, quota, keep, owners.since,"
    " coalesce(sum(CASE state WHEN 0 THEN size + length(envelope) END), 0),"
    " count(CASE state WHEN 0 THEN 1 END)"
    " FROM owners LEFT JOIN held ON held.owner = identity ";

Bytes join(const std::vector<Digest>& hashes) {
  Bytes all;
  for (const Digest& hash : hashes) append(all, hash.view());
  return all;
}

std::vector<Digest> split(const Bytes& all) {
  std::vector<Digest> hashes(all.size() / Digest::kSize);
  for (std::size_t i = 0; i < hashes.size(); ++i)
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(i * Digest::kSize), Digest::kSize,
                hashes[i].bytes.begin());
  return hashes;
}

RelayOwner owner_in(const Query& row) {
  return {fixed_of<IdentityKey>(row.blob(0)), row.number(1), row.number(2),
          row.number(3),                      row.number(4), row.number(5)};
}

}  // namespace

Status Shelf::Impl::change(const std::function<Status()>& work) {
  loose.clear();
  if (const auto done = together(work); !done || loose.empty()) return done;
  return together([this]() -> Status {
    for (const Root& root : loose)
      if (const auto gone = drop_stream(root); !gone) return gone;
    return {};
  });
}

bool Shelf::Impl::has_stream(const Root& root, std::uint64_t size) const {
  std::error_code failure;
  if (fs::file_size(file(root, ".letter"), failure) != size || failure) return false;
  const std::uint64_t blocks = block_count(size);
  return blocks == 1 ||
         (fs::file_size(file(root, ".leaves"), failure) == blocks * Digest::kSize && !failure);
}

Status Shelf::Impl::drop_stream(const Root& root) {
  auto left = query("SELECT 1 FROM held WHERE root = ? AND state = 0 LIMIT 1");
  const auto row = left.bind(root.view()).step();
  if (!row) return row.error();
  if (*row) return {};
  (void)unlink(file(root, ".letter").c_str());
  (void)unlink(file(root, ".leaves").c_str());
  return {};
}

Status Shelf::Impl::conclude(const Digest& handle, const Root& root, HeldState state) {
  loose.insert(root);
  return query("UPDATE held SET state = ?, envelope = x'' WHERE handle = ?")
      .bind(static_cast<std::uint64_t>(state))
      .bind(handle.view())
      .run();
}

Status Shelf::Impl::erase(const Digest& handle, const Root& root) {
  loose.insert(root);
  const auto gone = query("DELETE FROM held WHERE handle = ?").bind(handle.view()).run();
  if (!gone) return gone;
  return query("DELETE FROM shown WHERE handle = ?").bind(handle.view()).run();
}

Result<std::vector<Shelf::Impl::Name>> Shelf::Impl::names(Query& rows) {
  std::vector<Name> all;
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) return all;
    all.push_back({fixed_of<Digest>(rows.blob(0)), fixed_of<Root>(rows.blob(1))});
  }
}

Result<std::uint64_t> Shelf::Impl::number(Query& rows) {
  const auto row = rows.step();
  if (!row) return row.error();
  return *row ? rows.number(0) : std::uint64_t{0};
}

Shelf::Shelf(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Shelf::Shelf(Shelf&&) noexcept = default;
Shelf& Shelf::operator=(Shelf&&) noexcept = default;
Shelf::~Shelf() = default;

bool Shelf::exists(const fs::path& root) {
  std::error_code ignored;
  return fs::exists(root / "relay.db", ignored);
}

Result<Shelf> Shelf::open(const fs::path& root) {
  auto impl = std::make_unique<Impl>();
  impl->directory = root / "relay";
  impl->name = (root / "relay.db").string();
  if (const auto made = make_directories(impl->directory); !made) return made.error();
  auto db = sqlite::open_db(impl->name, kSchema);
  if (!db) return db.error();
  impl->db = std::move(*db);
  return Shelf(std::move(impl));
}

const fs::path& Shelf::directory() const { return impl_->directory; }
fs::path Shelf::letter_path(const Root& root) const { return impl_->file(root, ".letter"); }
fs::path Shelf::leaves_path(const Root& root) const { return impl_->file(root, ".leaves"); }

Status Shelf::allow(const RelayOwner& owner) {
  return impl_
      ->query("INSERT INTO owners VALUES(?1, ?2, ?3, ?4)"
              " ON CONFLICT(identity) DO UPDATE SET quota = ?2, keep = ?3")
      .bind(owner.identity.view())
      .bind(owner.quota)
      .bind(owner.keep)
      .bind(owner.since)
      .run();
}

Status Shelf::revoke(const IdentityKey& owner) {
  return impl_->change([&]() -> Status {
    const auto gone =
        impl_->query("DELETE FROM owners WHERE identity = ?").bind(owner.view()).run();
    if (!gone) return gone;
    if (sqlite3_changes(impl_->db.get()) == 0)
      return Error{Code::kNotFound, "nothing is held for him"};
    auto rows = impl_->query("SELECT handle, root FROM held WHERE owner = ?");
    rows.bind(owner.view());
    const auto names = impl_->names(rows);
    if (!names) return names.error();
    for (const auto& [handle, root] : *names)
      if (const auto erased = impl_->erase(handle, root); !erased) return erased;
    return {};
  });
}

Result<std::vector<RelayOwner>> Shelf::owners() {
  const std::string sql = std::string(kOwnerColumns) + "GROUP BY identity";
  auto rows = impl_->query(sql.c_str());
  std::vector<RelayOwner> all;
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) return all;
    all.push_back(owner_in(rows));
  }
}

Result<std::vector<IdentityKey>> Shelf::owner_keys() {
  auto rows = impl_->query("SELECT identity FROM owners");
  std::vector<IdentityKey> all;
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) return all;
    all.push_back(fixed_of<IdentityKey>(rows.blob(0)));
  }
}

Result<std::optional<RelayOwner>> Shelf::owner(const IdentityKey& identity) {
  const std::string sql = std::string(kOwnerColumns) + "WHERE identity = ? GROUP BY identity";
  auto rows = impl_->query(sql.c_str());
  const auto row = rows.bind(identity.view()).step();
  if (!row) return row.error();
  return *row ? std::optional<RelayOwner>(owner_in(rows)) : std::nullopt;
}

Result<std::optional<std::uint64_t>> Shelf::until_of(const Digest& handle) {
  auto rows = impl_->query("SELECT until FROM held WHERE handle = ?");
  const auto row = rows.bind(handle.view()).step();
  if (!row) return row.error();
  return *row ? std::optional<std::uint64_t>(rows.number(0)) : std::nullopt;
}

// One stamp serves one letter, however many envelopes of it come.
Result<bool> Shelf::Impl::is_full(const HeldLetter& letter) {
  auto twins = query("SELECT count(*) FROM held WHERE root = ? AND state = 0 AND owner = ?");
  twins.bind(letter.deposit.root.view()).bind(letter.owner.view());
  const auto same = number(twins);
  if (!same) return same.error();
  auto rows = query("SELECT count(*) FROM held WHERE owner = ?");
  rows.bind(letter.owner.view());
  const auto all = number(rows);
  if (!all) return all.error();
  auto left = query(
      "SELECT quota - coalesce((SELECT sum(size + length(envelope)) FROM held"
      " WHERE owner = identity AND state = 0), 0) >= ?2 AND"
      " (SELECT count(*) FROM held WHERE owner = identity AND state = 0) < ?3"
      " FROM owners WHERE identity = ?1");
  left.bind(letter.owner.view())
      .bind(letter.deposit.size + letter.envelope.size())
      .bind(kMaxHeld);
  const auto fits = number(left);
  if (!fits) return fits.error();
  return *same >= kMaxTwins || *all >= kMaxAnswers || *fits == 0;
}

// The stream is looked for inside the transaction: whoever removes streams does so in one of his own.
Result<Shelf::Held> Shelf::Impl::add(const HeldLetter& letter) {
  auto owner = query("SELECT 1 FROM owners WHERE identity = ?");
  const auto allowed = owner.bind(letter.owner.view()).step();
  if (!allowed) return allowed.error();
  if (!*allowed) return Held::kNoOwner;
  if (!has_stream(letter.deposit.root, letter.deposit.size)) return Held::kNoStream;
  const auto full = is_full(letter);
  if (!full) return full.error();
  if (*full) return Held::kFull;
  const auto put = query(
                       "INSERT OR IGNORE INTO held VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, x'', 0,"
                       " x'', 0)")
                       .bind(letter.deposit.handle.view())
                       .bind(letter.owner.view())
                       .bind(letter.deposit.root.view())
                       .bind(letter.deposit.size)
                       .bind(letter.stamp)
                       .bind(ByteView(letter.envelope))
                       .bind(ByteView(join(letter.deposit.deletions)))
                       .bind(std::uint64_t{letter.deposit.deletions.size()})
                       .bind(letter.since)
                       .bind(letter.until)
                       .run();
  return put ? Result<Held>(Held::kYes) : put.error();
}

Result<std::vector<Shelf::Held>> Shelf::add(const std::vector<HeldLetter>& letters) {
  std::vector<Held> added;
  const auto done = impl_->together([&]() -> Status {
    for (const HeldLetter& letter : letters) {
      const auto one = impl_->add(letter);
      if (!one) return one.error();
      added.push_back(*one);
    }
    return {};
  });
  if (!done) return done.error();
  return added;
}

Result<std::vector<Digest>> Shelf::waiting(const IdentityKey& owner, const DeviceKey& device,
                                           std::size_t max) {
  auto rows = impl_->query(
      "SELECT handle, root FROM held WHERE owner = ?1 AND state = 0 AND NOT EXISTS"
      " (SELECT 1 FROM shown WHERE shown.handle = held.handle AND device = ?2)"
      " ORDER BY tries, since, handle LIMIT ?3");
  rows.bind(owner.view()).bind(device.view()).bind(std::uint64_t{max});
  const auto names = impl_->names(rows);
  if (!names) return names.error();
  std::vector<Digest> handles;
  for (const auto& name : *names) handles.push_back(name.handle);
  return handles;
}

Result<std::optional<HeldLetter>> Shelf::find(const Digest& handle) {
  auto rows = impl_->query(
      "SELECT owner, root, size, stamp, envelope, missing, since, until FROM held"
      " WHERE handle = ? AND state = 0");
  const auto row = rows.bind(handle.view()).step();
  if (!row) return row.error();
  if (!*row) return std::optional<HeldLetter>{};
  HeldLetter letter;
  letter.owner = fixed_of<IdentityKey>(rows.blob(0));
  letter.deposit.handle = handle;
  letter.deposit.root = fixed_of<Root>(rows.blob(1));
  letter.deposit.size = rows.number(2);
  letter.stamp = rows.number(3);
  letter.envelope = rows.blob(4);
  letter.deposit.deletions = split(rows.blob(5));
  letter.since = rows.number(6);
  letter.until = rows.number(7);
  return std::optional<HeldLetter>(std::move(letter));
}

Status Shelf::Impl::settle(const Digest& handle) {
  auto rows = query(
      "SELECT root, receipt FROM held WHERE handle = ?1 AND state = 0 AND devices <="
      " (SELECT count(*) FROM shown WHERE shown.handle = ?1)");
  const auto row = rows.bind(handle.view()).step();
  if (!row) return row.error();
  if (!*row) return {};
  const auto end = rows.blob(1).empty() ? HeldState::kRefused : HeldState::kDelivered;
  return conclude(handle, fixed_of<Root>(rows.blob(0)), end);
}

Status Shelf::shown(const Digest& handle, const DeviceKey& device, const RelayedReceipt& receipt) {
  return impl_->change([&]() -> Status {
    auto letter = find(handle);
    if (!letter) return letter.error();
    if (!*letter) return {};  // somebody else was quicker
    auto& missing = (*letter)->deposit.deletions;
    const auto at = std::ranges::find(missing, receipt.deletion_hash);
    if (at == missing.end())
      return Error{Code::kForged, "a deletion secret that is not for this letter"};
    missing.erase(at);
    auto set = impl_->query("UPDATE held SET missing = ?, receipt = ? WHERE handle = ?")
                   .bind(ByteView(join(missing)))
                   .bind(ByteView(receipt.sealed))
                   .bind(handle.view())
                   .run();
    if (!set) return set;
    set = impl_->query("INSERT OR IGNORE INTO shown VALUES(?, ?)")
              .bind(handle.view())
              .bind(device.view())
              .run();
    return set ? impl_->settle(handle) : set;
  });
}

Status Shelf::refused(const Digest& handle, const DeviceKey& device) {
  return impl_->change([&]() -> Status {
    const auto set = impl_->query("INSERT OR IGNORE INTO shown SELECT handle, ?2 FROM held"
                                  " WHERE handle = ?1 AND state = 0")
                         .bind(handle.view())
                         .bind(device.view())
                         .run();
    return set ? impl_->settle(handle) : set;
  });
}

Status Shelf::tried(const Digest& handle) {
  return impl_->query("UPDATE held SET tries = tries + 1 WHERE handle = ?")
      .bind(handle.view())
      .run();
}

// Read first, so that a question costs no write.
Result<Shelf::Told> Shelf::ask(const HeldQuestion& question) {
  Told told;
  auto rows = impl_->query("SELECT state, until, receipt, root, owner FROM held WHERE handle = ?");
  const auto row = rows.bind(question.handle.view()).step();
  if (!row) return row.error();
  if (!*row) return told;
  const auto state = static_cast<HeldState>(rows.number(0));
  told.answer.state = state;
  told.answer.until = rows.number(1);
  told.answer.receipt = rows.blob(2);
  told.owner = fixed_of<IdentityKey>(rows.blob(4));
  // The first device's receipt is news already, however many others are to collect it.
  if (!told.answer.receipt.empty()) told.answer.state = HeldState::kDelivered;
  const bool others_wait = state == HeldState::kWaiting && !told.answer.receipt.empty();
  if (!question.withdraw || others_wait) return told;
  const auto root = fixed_of<Root>(rows.blob(3));
  const auto erased = impl_->change([&] { return impl_->erase(question.handle, root); });
  if (!erased) return erased.error();
  if (state == HeldState::kWaiting) told.answer.state = HeldState::kGone;
  return told;
}

}  // namespace p2pmail::core
