#include "core/shelf.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "core/deadline.h"
#include "core/file.h"
#include "core/sqlite.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;
using sqlite::Query;

constexpr std::uint64_t kOrphanAge = 3600;  // seconds
constexpr const char* kSchema =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "CREATE TABLE IF NOT EXISTS owners(identity BLOB PRIMARY KEY, quota INTEGER NOT NULL,"
    " keep INTEGER NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID;"
    // state: see HeldState. missing: deletion hashes that were not shown, 32 bytes each.
    "CREATE TABLE IF NOT EXISTS held(handle BLOB PRIMARY KEY, owner BLOB NOT NULL,"
    " root BLOB NOT NULL, size INTEGER NOT NULL, stamp INTEGER NOT NULL, envelope BLOB NOT NULL,"
    " missing BLOB NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,"
    " state INTEGER NOT NULL, receipt BLOB NOT NULL, boot BLOB NOT NULL, boot_time INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS held_owner ON held(owner, state);"
    "CREATE INDEX IF NOT EXISTS held_root ON held(root, state);"
    "CREATE TABLE IF NOT EXISTS shown(handle BLOB, device BLOB, PRIMARY KEY(handle, device))"
    " WITHOUT ROWID;";

template <class FixedType>
FixedType fixed(const Bytes& bytes) {
  FixedType out;
  std::copy_n(bytes.begin(), std::min(bytes.size(), FixedType::kSize), out.bytes.begin());
  return out;
}

Bytes join(const std::vector<Digest>& hashes) {
  Bytes all;
  for (const Digest& hash : hashes) append(all, hash.view());
  return all;
}

std::vector<Digest> split(const Bytes& all) {
  std::vector<Digest> hashes;
  for (std::size_t at = 0; at + Digest::kSize <= all.size(); at += Digest::kSize) {
    Digest one;
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(at), Digest::kSize, one.bytes.begin());
    hashes.push_back(one);
  }
  return hashes;
}

constexpr std::uint64_t number_of(HeldState state) { return static_cast<std::uint64_t>(state); }

}  // namespace

struct Shelf::Impl {
  fs::path directory;
  std::string name;
  sqlite::Db db;
  std::set<Root> loose;  // whose letters left in this change

  Query query(const char* sql) { return Query(db.get(), name, sql); }
  Status together(const std::function<Status()>& work) {
    return sqlite::together(db.get(), name, work);
  }
  [[nodiscard]] fs::path file(const Root& root, const char* suffix) const {
    return directory / (to_hex(root) + suffix);
  }
  /// As together; afterwards streams that nothing waits for any more are removed. In this order: a
  /// commit that fails must find them, and a crash leaves what tidy removes.
  Status change(const std::function<Status()>& work) {
    loose.clear();
    if (const auto done = together(work); !done || loose.empty()) return done;
    return together([this]() -> Status {
      for (const Root& root : loose)
        if (const auto gone = drop_stream(root); !gone) return gone;
      return {};
    });
  }
  Status drop_stream(const Root& root) {
    auto left = query("SELECT 1 FROM held WHERE root = ? AND state = 0 LIMIT 1");
    const auto row = left.bind(root.view()).step();
    if (!row) return row.error();
    if (*row) return {};
    (void)unlink(file(root, ".letter").c_str());
    (void)unlink(file(root, ".leaves").c_str());
    return {};
  }
  /// A letter that waits no more; the row stays for its sender's question. Handle and root.
  Status conclude(const Digest& handle, const Root& root, HeldState state) {
    const auto changed = query("UPDATE held SET state = ?, envelope = x'' WHERE handle = ?")
                             .bind(number_of(state))
                             .bind(handle.view())
                             .run();
    loose.insert(root);
    return changed;
  }
  Status erase(const Digest& handle, const Root& root) {
    if (const auto gone = query("DELETE FROM held WHERE handle = ?").bind(handle.view()).run();
        !gone)
      return gone;
    if (const auto gone = query("DELETE FROM shown WHERE handle = ?").bind(handle.view()).run();
        !gone)
      return gone;
    loose.insert(root);
    return {};
  }
  struct Name {
    Digest handle;
    Root root;
  };
  Result<std::vector<Name>> names(Query& rows) {
    std::vector<Name> all;
    for (;;) {
      const auto row = rows.step();
      if (!row) return row.error();
      if (!*row) return all;
      all.push_back({fixed<Digest>(rows.blob(0)), fixed<Root>(rows.blob(1))});
    }
  }
  Result<bool> may_hold(const HeldLetter& letter);
  Status add(const HeldLetter& letter, bool& added);
  Status observe(const Now& now);
  void drop_orphans(std::uint64_t now);
};

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
  auto rows = impl_->query(
      "SELECT identity, quota, keep, owners.since,"
      " coalesce(sum(CASE state WHEN 0 THEN size + length(envelope) END), 0),"
      " count(CASE state WHEN 0 THEN 1 END), count(handle)"
      " FROM owners LEFT JOIN held ON held.owner = identity GROUP BY identity");
  std::vector<RelayOwner> all;
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) return all;
    all.push_back({fixed<IdentityKey>(rows.blob(0)), rows.number(1), rows.number(2),
                   rows.number(3), rows.number(4), rows.number(5), rows.number(6)});
  }
}

Result<std::optional<std::uint64_t>> Shelf::until_of(const Digest& handle) {
  auto rows = impl_->query("SELECT until FROM held WHERE handle = ?");
  const auto row = rows.bind(handle.view()).step();
  if (!row) return row.error();
  return *row ? std::optional<std::uint64_t>(rows.number(0)) : std::nullopt;
}

// Inside the transaction: whoever removes streams does so in one of his own, and of letters that came
// at once each was considered before any had its row.
Result<bool> Shelf::Impl::may_hold(const HeldLetter& letter) {
  auto owner = query(
      "SELECT quota, (SELECT coalesce(sum(size + length(envelope)), 0) FROM held"
      " WHERE owner = ?1 AND state = 0), (SELECT count(*) FROM held WHERE owner = ?1)"
      " FROM owners WHERE identity = ?1");
  const auto found = owner.bind(letter.owner.view()).step();
  if (!found) return found.error();
  if (!*found) return false;
  const std::uint64_t more = letter.deposit.size + letter.envelope.size();
  if (owner.number(1) + more > owner.number(0) || owner.number(2) >= kMaxHeld) {
    loose.insert(letter.deposit.root);
    return false;
  }
  // A root is of one size only: a row that says another could never be offered.
  std::error_code failure;
  const auto size = fs::file_size(file(letter.deposit.root, ".letter"), failure);
  return !failure && size == letter.deposit.size;
}

Status Shelf::Impl::add(const HeldLetter& letter, bool& added) {
  auto before = query("SELECT 1 FROM held WHERE handle = ?");
  const auto known = before.bind(letter.deposit.handle.view()).step();
  if (!known) return known.error();
  added = *known;
  if (added) return {};
  const auto may = may_hold(letter);
  if (!may) return may.error();
  added = *may;
  if (!added) return {};
  return query(
             "INSERT INTO held VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 0, x'', x'', 0)")
      .bind(letter.deposit.handle.view())
      .bind(letter.owner.view())
      .bind(letter.deposit.root.view())
      .bind(letter.deposit.size)
      .bind(letter.stamp)
      .bind(ByteView(letter.envelope))
      .bind(ByteView(join(letter.deposit.deletions)))
      .bind(letter.since)
      .bind(letter.until)
      .run();
}

Result<std::vector<bool>> Shelf::add(const std::vector<HeldLetter>& letters) {
  std::vector<bool> added(letters.size());
  const auto done = impl_->change([&]() -> Status {
    for (std::size_t i = 0; i < letters.size(); ++i) {
      bool one = false;
      if (const auto put = impl_->add(letters[i], one); !put) return put;
      added[i] = one;
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
      " ORDER BY since, handle LIMIT ?3");
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
  letter.owner = fixed<IdentityKey>(rows.blob(0));
  letter.deposit.handle = handle;
  letter.deposit.root = fixed<Root>(rows.blob(1));
  letter.deposit.size = rows.number(2);
  letter.stamp = rows.number(3);
  letter.envelope = rows.blob(4);
  letter.deposit.deletions = split(rows.blob(5));
  letter.since = rows.number(6);
  letter.until = rows.number(7);
  return std::optional<HeldLetter>(std::move(letter));
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
    if (!set || !missing.empty()) return set;
    return impl_->conclude(handle, (*letter)->deposit.root, HeldState::kDelivered);
  });
}

// A device that could open it has shown its secret before: then it is not refused.
Status Shelf::refused(const Digest& handle) {
  return impl_->change([&]() -> Status {
    auto rows = impl_->query(
        "SELECT handle, root FROM held WHERE handle = ? AND state = 0 AND receipt = x''");
    rows.bind(handle.view());
    const auto names = impl_->names(rows);
    if (!names) return names.error();
    for (const auto& name : *names)
      if (const auto done = impl_->conclude(handle, name.root, HeldState::kRefused); !done)
        return done;
    return {};
  });
}

Result<HeldAnswer> Shelf::ask(const HeldQuestion& question) {
  HeldAnswer answer;
  const auto done = impl_->change([&]() -> Status {
    auto rows = impl_->query("SELECT state, until, receipt, root FROM held WHERE handle = ?");
    const auto row = rows.bind(question.handle.view()).step();
    if (!row) return row.error();
    if (!*row) return {};
    answer.state = static_cast<HeldState>(rows.number(0));
    answer.until = rows.number(1);
    answer.receipt = rows.blob(2);
    // The first device's receipt is news already, however many others are to collect it.
    if (!answer.receipt.empty()) answer.state = HeldState::kDelivered;
    if (!question.withdraw || answer.state == HeldState::kDelivered) return {};
    answer.state = HeldState::kGone;
    return impl_->erase(question.handle, fixed<Root>(rows.blob(3)));
  });
  if (!done) return done.error();
  return answer;
}

/// Marks rows whose end has passed, and drops those that were marked an hour ago.
Status Shelf::Impl::observe(const Now& now) {
  if (const auto back =
          query("UPDATE held SET boot = x'', boot_time = 0 WHERE until >= ? AND boot <> x''")
              .bind(now.time)
              .run();
      !back)
    return back;
  auto rows = query("SELECT handle, root, boot, boot_time FROM held WHERE until < ?");
  rows.bind(now.time);
  std::vector<Name> ended;
  std::vector<Digest> first;
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) break;
    const Bytes boot = rows.blob(2);
    Observation seen;
    if (boot.size() == seen.boot_id.size()) std::ranges::copy(boot, seen.boot_id.begin());
    seen.boot_time = rows.number(3);
    const Digest handle = fixed<Digest>(rows.blob(0));
    if (!seen.is_made()) first.push_back(handle);
    if (seen.is_confirmed(now)) ended.push_back({handle, fixed<Root>(rows.blob(1))});
  }
  for (const Digest& handle : first) {
    const auto marked = query("UPDATE held SET boot = ?, boot_time = ? WHERE handle = ?")
                            .bind(ByteView(now.boot_id))
                            .bind(now.boot_time)
                            .bind(handle.view())
                            .run();
    if (!marked) return marked;
  }
  for (const auto& [handle, root] : ended)
    if (const auto gone = erase(handle, root); !gone) return gone;
  return {};
}

// Inside the transaction, so that no row for one of them appears meanwhile.
void Shelf::Impl::drop_orphans(std::uint64_t now) {
  std::set<std::string> wanted;
  auto rows = query("SELECT DISTINCT root FROM held WHERE state = 0");
  for (;;) {
    const auto row = rows.step();
    if (!row) return;
    if (!*row) break;
    wanted.insert(to_hex(rows.blob(0)));
  }
  std::error_code failure;
  std::vector<fs::path> orphans;
  fs::directory_iterator files(directory, failure);
  for (; !failure && files != fs::directory_iterator{}; files.increment(failure))
    if (!wanted.contains(files->path().stem().string())) orphans.push_back(files->path());
  for (const fs::path& path : orphans) {
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    if (static_cast<std::uint64_t>(info.st_ctim.tv_sec) + kOrphanAge >= now) continue;
    // Whoever is about to give it a row holds a lock on it, whatever the clock says.
    const auto fd = open_file(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    if (!fd) continue;
    const auto ours = lock_file(fd->get(), LockKind::kExclusive, {}, path);
    if (ours && *ours) (void)unlink(path.c_str());
  }
}

Status Shelf::tidy(const Now& now) {
  return impl_->change([&]() -> Status {
    if (const auto observed = impl_->observe(now); !observed) return observed;
    impl_->drop_orphans(now.time);
    return {};
  });
}

}  // namespace p2pmail::core
