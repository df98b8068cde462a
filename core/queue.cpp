#include "core/queue.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/cbor.h"
#include "core/envelope.h"
#include "core/letter.h"
#include "core/text.h"
#include "core/tree.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxEntryFile = 8 * 1024;
constexpr std::size_t kMaxEntrySubject = 256;
constexpr std::uint64_t kFirstRetry = 30;       // seconds
constexpr std::uint64_t kLastRetry = 6 * 3600;  // seconds
constexpr std::uint64_t kOrphanAge = 3600;      // seconds
constexpr std::chrono::seconds kLockWait{5};
constexpr std::size_t kLetterDigits = 32;
constexpr std::string_view kEntrySuffix = ".entry";

std::string file_name(const std::string& id) { return id + std::string(kEntrySuffix); }

/// "<letter>.<something>": what this directory holds.
bool is_of_a_letter(std::string_view name) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return name.size() > kLetterDigits + 1 && name[kLetterDigits] == '.' &&
         std::ranges::all_of(name.substr(0, kLetterDigits), hex);
}

bool is_entry_id(std::string_view id) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return id.size() <= 44 && is_of_a_letter(id) &&
         std::ranges::all_of(id.substr(kLetterDigits + 1), digit);
}

/// The files of each letter that no entry names.
std::map<std::string, std::vector<fs::path>> loose_files(const fs::path& directory) {
  std::map<std::string, std::vector<fs::path>> loose;
  std::vector<std::string> wanted;
  std::error_code failure;
  fs::directory_iterator files(directory, failure);
  for (; !failure && files != fs::directory_iterator{}; files.increment(failure)) {
    const std::string name = files->path().filename().string();
    if (!is_of_a_letter(name)) continue;
    std::string letter = name.substr(0, kLetterDigits);
    if (name.ends_with(kEntrySuffix)) {
      wanted.push_back(std::move(letter));
    } else {
      loose[letter].push_back(files->path());
    }
  }
  if (failure) return {};  // an entry may have been missed
  for (const std::string& letter : wanted) loose.erase(letter);
  return loose;
}

bool is_old(const fs::path& path, std::uint64_t now) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 &&
         static_cast<std::uint64_t>(info.st_ctim.tv_sec) + kOrphanAge < now;
}

Bytes associated_of(const std::string& id) {
  Bytes all = to_bytes(bytes_of("p2pmail/queue"));
  append(all, bytes_of(file_name(id)));
  return all;
}

Bytes encode_entry(const QueueEntry& entry, const SymmetricKey& key) {
  Value inner = {{"i", binary(entry.message)},
                 {"k", binary(entry.payload_key.view())},
                 {"l", entry.has_leaves},
                 {"m", entry.stream_offset},
                 {"q", binary(entry.recipient)},
                 {"r", binary(entry.root)},
                 {"s", fit_text(entry.subject, kMaxEntrySubject)},  // else it could not be read again
                 {"t", entry.time},
                 {"z", entry.size}};
  Bytes plain = encode_cbor(inner);
  wipe(inner["k"].get_binary());
  const Bytes box = box_seal(key, associated_of(entry.id), plain);
  wipe(plain);
  return encode_cbor({{"b", binary(box)}, {"v", 1U}});
}

Result<QueueEntry> decode_entry(const std::string& id, ByteView bytes, const SymmetricKey& key) {
  const auto outer = decode_cbor(bytes, "queue entry");
  if (!outer) return outer.error();
  MapReader outer_reader(*outer, "queue entry");
  const std::uint64_t version = outer_reader.number("v", UINT64_MAX);
  if (version > 1) return Error{Code::kUnsupported, "a queue entry of a newer version"};
  if (version == 0) outer_reader.fail("no version");
  const Bytes box = outer_reader.bytes("b", 1, kMaxEntryFile);
  if (const auto done = outer_reader.finish(); !done) return done.error();
  const auto plain = box_open(key, associated_of(id), box);
  if (!plain) return Error{Code::kForged, "the queue entry does not open with this device's key"};
  auto inner = decode_cbor(plain->view(), "queue entry");
  if (!inner) return inner.error();
  MapReader reader(*inner, "queue entry");
  QueueEntry entry;
  entry.id = id;
  entry.letter = id.substr(0, 32);
  entry.message = reader.fixed<MessageId>("i");
  reader.fill("k", entry.payload_key.span());
  entry.has_leaves = reader.boolean("l");
  entry.stream_offset = reader.number("m", kMaxLetterSize);
  entry.recipient = reader.fixed<IdentityKey>("q");
  entry.root = reader.fixed<Root>("r");
  entry.subject = reader.text("s", kMaxEntrySubject);
  entry.time = reader.number("t", kMaxTime);
  entry.size = reader.number("z", kMaxLetterSize);
  const auto done = reader.finish();
  if (inner->contains("k") && (*inner)["k"].is_binary()) wipe((*inner)["k"].get_binary());
  if (!done) return done.error();
  return entry;
}

}  // namespace

Queue::Queue(fs::path directory, const SymmetricKey& key, State& state)
    : directory_(std::move(directory)), key_(key.clone()), state_(state) {}

fs::path Queue::stream_path(const std::string& letter) const {
  return directory_ / (letter + ".stream");
}

fs::path Queue::leaves_path(const std::string& letter) const {
  return directory_ / (letter + ".leaves");
}

std::string Queue::new_letter() {
  std::array<std::uint8_t, 16> name{};
  random_bytes(name);
  return to_hex(name);
}

Status Queue::add_letter(const std::string& letter, const fs::path& sealed_file,
                         const std::vector<Digest>& leaves) {
  const fs::path stream = stream_path(letter);
  if (link(sealed_file.c_str(), stream.c_str()) != 0)
    return errno_error(errno, stream, "cannot link");
  // For reading: closing it is no news for a QueueWatch.
  auto lock = open_file(stream, O_RDONLY);
  if (!lock) return lock.error();
  const auto locked = lock_file(lock->get(), LockKind::kShared, kLockWait, stream);
  if (!locked) return locked.error();
  if (!*locked || !is_named(lock->get(), stream))
    return Error{Code::kBusy, stream.string() + ": another process has taken it"};
  building_[letter] = std::move(*lock);
  if (leaves.size() <= 1) return {};
  Bytes all;
  all.reserve(leaves.size() * Digest::kSize);
  for (const Digest& leaf : leaves) append(all, leaf.view());
  return replace_file(leaves_path(letter), all);
}

Status Queue::prepare(const std::vector<QueueEntry>& entries) {
  for (const QueueEntry& entry : entries) {
    const fs::path path = directory_ / (entry.id + ".new");
    auto fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!fd) return fd.error();
    if (const auto w = write_at(fd->get(), 0, encode_entry(entry, key_), path); !w) return w;
    if (const auto s = sync_fd(fd->get(), path); !s) return s;
  }
  return {};
}

Status Queue::publish(const std::vector<QueueEntry>& entries) {
  for (const QueueEntry& entry : entries) {
    const fs::path from = directory_ / (entry.id + ".new");
    if (rename(from.c_str(), (directory_ / file_name(entry.id)).c_str()) != 0)
      return errno_error(errno, from, "cannot rename");
  }
  for (const QueueEntry& entry : entries) building_.erase(entry.letter);
  return sync_directory(directory_);
}

void Queue::discard(const std::string& letter) {
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(directory_, ignored)) {
    if (file.path().filename().string().starts_with(letter)) fs::remove(file.path(), ignored);
  }
  building_.erase(letter);
}

void Queue::drop_orphans(std::uint64_t now) {
  for (const auto& [letter, files] : loose_files(directory_)) {
    if (!std::ranges::all_of(files, [now](const fs::path& path) { return is_old(path, now); }))
      continue;
    const fs::path stream = stream_path(letter);
    auto lock = open_file(stream, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    if (!lock && lock.error().code != Code::kNotFound) continue;
    if (lock) {
      const auto ours = lock_file(lock->get(), LockKind::kExclusive, {}, stream);
      // Published between the listing and the lock? Then it has an entry now.
      if (!ours || !*ours || !loose_files(directory_).contains(letter)) continue;
    }
    for (const fs::path& path : files) (void)unlink(path.c_str());
  }
}

Result<QueueEntry> Queue::load(const std::string& id) {
  if (!is_entry_id(id)) return Error{Code::kMalformed, "not the name of a queue entry: " + id};
  const fs::path path = directory_ / file_name(id);
  const auto bytes = read_file(path, kMaxEntryFile);
  if (!bytes) return bytes.error();
  auto entry = decode_entry(id, *bytes, key_);
  if (!entry) return entry.error().in(path.string());
  return entry;
}

Result<std::vector<QueueEntry>> Queue::list(std::vector<std::string>* damaged) {
  std::error_code failure;
  std::vector<QueueEntry> all;
  fs::directory_iterator files(directory_, failure);
  if (failure) return errno_error(failure.value(), directory_, "cannot list");
  for (; files != fs::directory_iterator{}; files.increment(failure)) {
    if (failure) return errno_error(failure.value(), directory_, "cannot list");
    const std::string name = files->path().filename().string();
    if (!name.ends_with(kEntrySuffix)) continue;
    auto entry = load(name.substr(0, name.size() - kEntrySuffix.size()));
    if (entry) {
      all.push_back(std::move(*entry));
    } else if (damaged != nullptr && entry.error().code != Code::kNotFound) {
      damaged->push_back(entry.error().context);
    }
  }
  std::ranges::sort(all, [](const QueueEntry& a, const QueueEntry& b) {
    return std::tie(a.time, a.id) < std::tie(b.time, b.id);
  });
  return all;
}

Result<std::optional<Claim>> Queue::claim(const std::string& id) {
  const fs::path path = directory_ / file_name(id);
  // For writing, so that letting go of a claim is an IN_CLOSE_WRITE and plain reading is not.
  auto lock = open_file(path, O_RDWR);
  if (!lock) {
    if (lock.error().code == Code::kNotFound) return std::optional<Claim>{};
    return lock.error();
  }
  if (flock(lock->get(), LOCK_EX | LOCK_NB) != 0) return std::optional<Claim>{};
  auto entry = load(id);  // again under the lock: it may have been finished meanwhile
  if (!entry) {
    if (entry.error().code == Code::kNotFound) return std::optional<Claim>{};
    return entry.error();
  }
  return std::optional<Claim>(Claim{std::move(*entry), std::move(*lock)});
}

Status Queue::finish(const Claim& claim, Ending ending, std::uint64_t now) {
  const QueueEntry& entry = claim.entry;
  const auto recorded =
      state_.record_end(entry.id, {entry.message, entry.recipient, ending, now});
  if (!recorded && ending != Ending::kDelivered) return recorded;
  // A crash here leaves an entry that has a record: an entry that is there counts more.
  if (!recorded) (void)state_.forget_end(entry.id);
  const fs::path path = directory_ / file_name(claim.entry.id);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    const int why = errno;
    (void)state_.forget_end(entry.id);
    return errno_error(why, path, "cannot remove");
  }
  if (ending != Ending::kDelivered)
    if (const auto synced = sync_directory(directory_); !synced) return synced;
  (void)state_.forget_progress(claim.entry.id);
  std::error_code failure;
  for (const auto& file : fs::directory_iterator(directory_, failure)) {
    const std::string name = file.path().filename().string();
    if (name.starts_with(claim.entry.letter) &&
        (name.ends_with(kEntrySuffix) || name.ends_with(".new")))
      return {};
  }
  if (failure) return errno_error(failure.value(), directory_, "cannot list");
  (void)unlink(stream_path(claim.entry.letter).c_str());
  (void)unlink(leaves_path(claim.entry.letter).c_str());
  return {};
}

void Queue::note_failure(const std::string& id, const std::string& why, std::uint64_t now) {
  Progress next = progress(id);
  ++next.attempts;
  const std::uint64_t step = kFirstRetry << std::min<std::uint64_t>(next.attempts - 1, 12);
  const std::uint64_t wait = std::min(step, kLastRetry);
  next.next_attempt = now + wait / 2 + random_below(wait / 2 + 1);
  next.last_error = clean_line(why).substr(0, 512);
  (void)state_.set_progress(id, next);  // lost progress costs a retry, never mail
}

Progress Queue::progress(const std::string& id) {
  auto known = state_.progress(id);
  return known ? *known : Progress{};
}

bool is_due(const Progress& progress, std::uint64_t now) {
  return progress.next_attempt <= now || progress.next_attempt - now > kLastRetry;
}

Result<QueueWatch> QueueWatch::create(const fs::path& directory) {
  QueueWatch watch;
  watch.fd_ = Fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch.fd_) return errno_error(errno, directory, "cannot watch");
  // A new entry appears by rename; an entry that `send` claimed is released when it is closed.
  if (inotify_add_watch(watch.fd_.get(), directory.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
    return errno_error(errno, directory, "cannot watch");
  return watch;
}

}  // namespace p2pmail::core
