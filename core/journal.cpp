#include "core/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/crypto.h"
#include "core/file.h"
#include "core/partial.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

constexpr std::string_view kHead = "p2pmailJ";
constexpr Context kSeenContext{"p2pmail/seen"};
constexpr Context kCheckContext{"p2pmail/journal"};
constexpr std::uint8_t kType = 1;
constexpr std::size_t kCheckSize = 8;
constexpr std::size_t kFixedSize = 2 + 1 + 32 + 8 + 1 + 1 + kCheckSize;
constexpr std::size_t kMaxRecord = kFixedSize + 255 + 255;
constexpr std::uint64_t kStalePartial = 86400;  // seconds
constexpr std::uint64_t kStaleStream = 30 * kStalePartial;
constexpr std::uint64_t kPage = 4096;  // what a disk writes whole, or not at all
constexpr std::chrono::seconds kLockWait{30};
constexpr std::size_t kIndexBatch = 1000;       // rows of one transaction

Digest check_of(ByteView record) { return hash(kCheckContext, {record}); }

Bytes encode_record(const JournalEntry& entry) {
  check(entry.folder.size() <= 255 && entry.unique.size() <= 255);
  Bytes record(2);
  record.push_back(kType);
  append(record, seen_key(entry.sender, entry.root).view());
  std::array<std::uint8_t, 8> time{};
  put_be(time.data(), entry.time);
  append(record, time);
  record.push_back(static_cast<std::uint8_t>(entry.folder.size()));
  append(record, bytes_of(entry.folder));
  record.push_back(static_cast<std::uint8_t>(entry.unique.size()));
  append(record, bytes_of(entry.unique));
  put_be(record.data(), static_cast<std::uint16_t>(record.size() + kCheckSize));
  const Digest digest = check_of(record);
  append(record, digest.view().first(kCheckSize));
  return record;
}

/// The size of the record of any type at the start of `bytes`; 0 when torn or damaged.
std::size_t intact_size(ByteView bytes) {
  if (bytes.size() < kFixedSize) return 0;
  const auto size = get_be<std::uint16_t>(bytes.data());
  if (size < kFixedSize || size > kMaxRecord || size > bytes.size()) return 0;
  const ByteView record = bytes.first(size);
  const Digest digest = check_of(record.first(size - kCheckSize));
  return std::ranges::equal(digest.view().first(kCheckSize), record.last(kCheckSize)) ? size : 0;
}

/// One record at the start of `bytes`; its size is in `used`. nullopt when torn or damaged.
std::optional<State::SeenRow> decode_record(ByteView bytes, std::size_t& used) {
  const std::size_t size = intact_size(bytes);
  if (size == 0 || bytes[2] != kType) return std::nullopt;
  const ByteView record = bytes.first(size);
  State::SeenRow row;
  std::copy_n(record.begin() + 3, 32, row.key.bytes.begin());
  const std::size_t folder_size = record[43];
  if (44 + folder_size + 1 + kCheckSize > size) return std::nullopt;
  row.folder = text_of(record.subspan(44, folder_size));
  const std::size_t name_at = 44 + folder_size + 1;
  const std::size_t name_size = record[name_at - 1];
  if (name_at + name_size + kCheckSize != size) return std::nullopt;
  row.unique = text_of(record.subspan(name_at, name_size));
  used = size;
  return row;
}

Result<Fd> open_locked(const std::filesystem::path& path) {
  auto fd = open_file(path, O_RDWR | O_CREAT, 0600);
  if (!fd) return fd;
  // Held for milliseconds by others: an append and one sync. The bound is for a stuck disk.
  const auto locked = lock_file(fd->get(), LockKind::kExclusive, kLockWait, path);
  if (!locked) return locked.error();
  if (!*locked) return Error{Code::kBusy, path.string() + ": locked by another process"};
  return fd;
}

Result<std::uint64_t> size_of(int fd, const std::filesystem::path& path) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return errno_error(errno, path, "cannot stat");
  return static_cast<std::uint64_t>(info.st_size);
}

/// What follows the last good record: nothing intact, or an error.
Status check_tail(int fd, std::uint64_t offset, const std::filesystem::path& path) {
  Bytes window(64 * 1024);
  for (std::uint64_t start = offset;; start += window.size() - kMaxRecord) {
    const auto got = read_at(fd, start, window, path);
    if (!got) return got.error();
    for (std::size_t at = 0; at < *got; ++at) {
      if (intact_size(ByteView(window).first(*got).subspan(at)) == 0) continue;
      if (start + at == offset)
        return Error{Code::kUnsupported, path.string() + ": a record of a newer version"};
      return Error{Code::kMalformed,
                   fmt::format("{}: damaged between bytes {} and {}", path.string(), offset,
                               start + at)};
    }
    if (*got < window.size()) return {};
  }
}

/// Writes and syncs records from `offset` on, page by page.
Status append_records(int fd, std::uint64_t offset, const std::vector<Bytes>& records,
                      const std::filesystem::path& path) {
  Bytes piece;
  for (std::size_t i = 0; i < records.size(); ++i) {
    append(piece, records[i]);
    const bool leaves_page = offset / kPage != (offset + piece.size()) / kPage;
    if (!leaves_page && i + 1 < records.size()) continue;
    if (const auto written = write_at(fd, offset, piece, path); !written) return written;
    if (const auto synced = sync_fd(fd, path); !synced) return synced;
    offset += piece.size();
    piece.clear();
  }
  return {};
}

/// Removes a partial that the journal does not know, unless somebody still writes to it. The age
/// alone proves nothing: a clock jumps. The lock is what a living writer holds.
void discard_stale(const std::filesystem::path& path, std::uint64_t now) {
  const auto fd = open_file(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  if (!fd) return;
  struct stat info {};
  if (fstat(fd->get(), &info) != 0 || !S_ISREG(info.st_mode)) return;
  const auto age = path.extension() == kPartialSuffix ? kStaleStream : kStalePartial;
  if (static_cast<std::uint64_t>(info.st_mtime) + age >= now) return;
  const auto ours = lock_file(fd->get(), LockKind::kExclusive, {}, path);
  if (ours && *ours) (void)unlink(path.c_str());
}

Status finish_delivery(Maildir& maildir, const State::SeenRow& row) {
  if (const auto made = maildir.create_folder(row.folder); !made) return made;
  return maildir.deliver(maildir.partial() / row.unique, row.folder, row.unique, "");
}

}  // namespace

Digest seen_key(const IdentityKey& sender, const Root& root) {
  return hash(kSeenContext, {sender.view(), root.view()});
}

Journal::Journal(std::filesystem::path path, State& state)
    : path_(std::move(path)), state_(state) {}

// Reads what the index does not know yet; afterwards the index's offset is the end of the last good
// record. The caller holds the lock.
Status Journal::catch_up(int fd) {
  const auto size = size_of(fd, path_);
  if (!size) return size.error();
  std::array<std::uint8_t, 8> head{};
  const auto head_size = read_at(fd, 0, head, path_);
  if (!head_size) return head_size.error();
  if (!kHead.starts_with(text_of(ByteView(head).first(*head_size))))
    return Error{Code::kMalformed, path_.string() + ": not a journal of p2pmail"};
  if (*head_size < kHead.size()) {  // new, or torn when it was
    if (const auto written = write_at(fd, 0, bytes_of(kHead), path_); !written) return written;
    if (const auto synced = sync_fd(fd, path_); !synced) return synced;
    if (const auto synced = sync_directory(path_.parent_path()); !synced) return synced;
    if (const auto cleared = state_.clear_journal_index(); !cleared) return cleared;
    return state_.index_journal({}, kHead.size());
  }
  auto offset = state_.journal_offset();
  if (!offset) return offset.error();
  if (*offset > *size) {  // the journal was restored from a backup: the index is about another one
    if (const auto cleared = state_.clear_journal_index(); !cleared) return cleared;
    offset = std::uint64_t{0};
  }
  if (*offset < kHead.size()) {
    offset = std::uint64_t{kHead.size()};
    if (const auto saved = state_.index_journal({}, *offset); !saved) return saved;
  }
  bool synced = false;
  Bytes window(kIndexBatch * 128);
  for (;;) {
    const auto got = read_at(fd, *offset, window, path_);
    if (!got) return got.error();
    std::vector<State::SeenRow> rows;
    std::size_t at = 0;
    std::size_t used = 0;
    while (auto row = decode_record(ByteView(window).first(*got).subspan(at), used)) {
      rows.push_back(std::move(*row));
      at += used;
    }
    if (rows.empty()) return *got == 0 ? Status{} : check_tail(fd, *offset, path_);
    // Whoever wrote them may have been killed before its sync, and is believed from here on.
    if (!std::exchange(synced, true))
      if (const auto done = sync_fd(fd, path_); !done) return done;
    *offset += at;
    if (const auto saved = state_.index_journal(rows, *offset); !saved) return saved;
  }
}

Result<bool> Journal::seen(const IdentityKey& sender, const Root& root) {
  auto fd = open_locked(path_);
  if (!fd) return fd.error();
  if (const auto ready = catch_up(fd->get()); !ready) return ready.error();
  const auto row = state_.find_seen(seen_key(sender, root));
  if (!row) return row.error();
  return row->has_value();
}

Result<std::vector<Recorded>> Journal::record(const std::vector<JournalEntry>& entries,
                                              const std::function<bool(std::size_t)>& is_there) {
  auto fd = open_locked(path_);
  if (!fd) return fd.error();
  if (const auto ready = catch_up(fd->get()); !ready) return ready.error();
  std::vector<Recorded> answers;
  std::vector<State::SeenRow> rows;
  std::vector<Bytes> appended;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const JournalEntry& entry = entries[i];
    const Digest key = seen_key(entry.sender, entry.root);
    const auto row = state_.find_seen(key);
    if (!row) return row.error();
    const bool twice = std::ranges::any_of(rows, [&](const auto& r) { return r.key == key; });
    const bool known = row->has_value() || twice;
    answers.push_back(known ? Recorded::kBefore : is_there(i) ? Recorded::kNow : Recorded::kGone);
    if (answers.back() != Recorded::kNow) continue;
    appended.push_back(encode_record(entry));
    rows.push_back({key, entry.folder, entry.unique});
  }
  if (rows.empty()) return answers;
  const auto offset = state_.journal_offset();
  if (!offset) return offset.error();
  // A torn record of a crash may follow the last good one.
  if (ftruncate(fd->get(), static_cast<off_t>(*offset)) != 0)
    return errno_error(errno, path_, "cannot truncate");
  if (const auto written = append_records(fd->get(), *offset, appended, path_); !written) {
    // Not acted on, so it must not count later either.
    if (ftruncate(fd->get(), static_cast<off_t>(*offset)) != 0)
      return errno_error(errno, path_, "cannot truncate");
    return written.error();
  }
  // The index is only a cache: if this fails, the next catch_up does it.
  std::uint64_t end = *offset;
  for (const Bytes& record : appended) end += record.size();
  (void)state_.index_journal(rows, end);
  return answers;
}

Status Journal::finish(Maildir& maildir, const IdentityKey& sender, const Root& root) {
  auto fd = open_locked(path_);
  if (!fd) return fd.error();
  if (const auto ready = catch_up(fd->get()); !ready) return ready;
  const auto row = state_.find_seen(seen_key(sender, root));
  if (!row) return row.error();
  std::error_code ignored;
  if (!*row) return {};
  if (std::filesystem::exists(maildir.partial() / (*row)->unique, ignored))
    return finish_delivery(maildir, **row);
  // It has its name; whether the directory was synced before its process ended nobody knows.
  if (!maildir.has_folder((*row)->folder)) return {};  // removed since, by the user
  return sync_directory(maildir.directory((*row)->folder, "new"));
}

Status Journal::recover(Maildir& maildir, std::uint64_t now) {
  std::error_code failure;
  const auto partial = maildir.partial();
  std::filesystem::directory_iterator files(partial, failure);
  if (failure || files == std::filesystem::directory_iterator{}) return {};
  auto fd = open_locked(path_);
  if (!fd) return fd.error();
  if (const auto ready = catch_up(fd->get()); !ready) return ready;
  Status result;
  const auto note = [&result](const Status& done) {
    if (result && !done) result = done;
  };
  for (; !failure && files != std::filesystem::directory_iterator{}; files.increment(failure)) {
    const auto path = files->path();
    const auto row = state_.find_seen_file(path.filename().string());
    if (!row) {
      note(row.error());
    } else if (*row) {
      note(finish_delivery(maildir, **row));
    } else {
      discard_stale(path, now);
    }
  }
  return result;
}

}  // namespace p2pmail::core
