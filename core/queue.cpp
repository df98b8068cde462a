#include "core/queue.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
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
constexpr std::uint64_t kOrphanAge = 3600;      // seconds
constexpr std::chrono::seconds kLockWait{5};
constexpr std::size_t kLetterDigits = 32;
constexpr std::uint64_t kFewEntries = 16;
constexpr std::size_t kSyncedTogether = 256;  // open files of one step
constexpr std::string_view kEntrySuffix = ".entry";

/// Entries that have ended, by what their files are called until the notice is made.
struct EndedSuffix {
  Ending ending;
  std::string_view suffix;
};
constexpr EndedSuffix kEndedSuffixes[] = {{Ending::kExpired, ".expired"},
                                          {Ending::kFailed, ".failed"},
                                          {Ending::kDelivered, ".delivered"}};

std::string file_name(const std::string& id) { return id + std::string(kEntrySuffix); }

std::string ended_name(const std::string& id, Ending ending) {
  for (const EndedSuffix& row : kEndedSuffixes)
    if (row.ending == ending) return id + std::string(row.suffix);
  check(false);  // cancelled letters have no notice
  return {};
}

/// The file of an entry, whether it waits, has ended or is being written.
bool is_entry_file(std::string_view name) {
  return name.ends_with(kEntrySuffix) || std::ranges::any_of(kEndedSuffixes, [&](const auto& row) {
           return name.ends_with(row.suffix);
         });
}

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
    if (is_entry_file(name)) {
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
  if (entry.notify) inner["n"] = true;
  if (entry.siblings > 0) inner["c"] = entry.siblings;
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
  if (reader.has("c")) {
    entry.siblings = reader.number("c", kMaxLetterSize);
    if (entry.siblings == 0) reader.fail("\"c\" is zero");
  }
  if (reader.has("n")) {
    entry.notify = reader.boolean("n");
    if (!entry.notify) reader.fail("\"n\" is false");  // one way to write each entry
  }
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
  std::vector<Fd> open;
  std::vector<OpenPath> paths;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const QueueEntry& entry = entries[i];
    const fs::path path = directory_ / (entry.id + ".new");
    auto fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!fd) return fd.error();
    if (const auto w = write_at(fd->get(), 0, encode_entry(entry, key_), path); !w) return w;
    paths.push_back({fd->get(), path});
    open.push_back(std::move(*fd));
    if (open.size() < kSyncedTogether && i + 1 < entries.size()) continue;
    for (const Status& synced : sync_all(paths))
      if (!synced) return synced;
    paths.clear();
    open.clear();
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
  return load_file(id, directory_ / file_name(id));
}

Result<QueueEntry> Queue::load_file(const std::string& id, const fs::path& path) const {
  if (!is_entry_id(id)) return Error{Code::kMalformed, "not the name of a queue entry: " + id};
  const auto bytes = read_file(path, kMaxEntryFile);
  if (!bytes) return bytes.error();
  auto entry = decode_entry(id, *bytes, key_);
  if (!entry) return entry.error().in(path.string());
  return entry;
}

Result<std::vector<QueueEntry>> Queue::list(std::vector<DamagedEntry>* damaged) {
  std::error_code failure;
  std::vector<QueueEntry> all;
  fs::directory_iterator files(directory_, failure);
  if (failure) return errno_error(failure.value(), directory_, "cannot list");
  for (; files != fs::directory_iterator{}; files.increment(failure)) {
    if (failure) return errno_error(failure.value(), directory_, "cannot list");
    const std::string name = files->path().filename().string();
    const bool waits = name.ends_with(kEntrySuffix);
    if (!waits && (damaged == nullptr || !is_entry_file(name))) continue;
    const std::string id = name.substr(0, name.rfind('.'));
    auto entry = load_file(id, files->path());
    if (entry && waits) {
      all.push_back(std::move(*entry));
    } else if (!entry && damaged != nullptr && entry.error().code != Code::kNotFound) {
      damaged->push_back({waits ? id : name, entry.error().context});
    }
  }
  std::ranges::sort(all, [](const QueueEntry& a, const QueueEntry& b) {
    return std::tie(a.time, a.id) < std::tie(b.time, b.id);
  });
  return all;
}

Result<std::optional<Claim>> Queue::claim(const std::string& id) {
  return claim_file(id, directory_ / file_name(id));
}

Result<std::optional<Claim>> Queue::claim_ended(const EndedEntry& ended) {
  return claim_file(ended.id, directory_ / ended_name(ended.id, ended.ending));
}

Result<std::optional<Claim>> Queue::claim_file(const std::string& id, const fs::path& path) const {
  // For writing, so that letting go of a claim is an IN_CLOSE_WRITE and plain reading is not.
  auto lock = open_file(path, O_RDWR);
  if (!lock) {
    if (lock.error().code == Code::kNotFound) return std::optional<Claim>{};
    return lock.error();
  }
  if (flock(lock->get(), LOCK_EX | LOCK_NB) != 0) return std::optional<Claim>{};
  auto entry = load_file(id, path);  // again under the lock: it may have been finished meanwhile
  if (!entry) {
    if (entry.error().code == Code::kNotFound) return std::optional<Claim>{};
    return entry.error();
  }
  return std::optional<Claim>(Claim{std::move(*entry), std::move(*lock)});
}

bool wants_notice(const QueueEntry& entry, Ending ending) {
  switch (ending) {
    case Ending::kDelivered: return entry.notify;
    case Ending::kCancelled: return false;
    case Ending::kExpired:
    case Ending::kFailed: return true;
  }
  return false;
}

Status Queue::finish(const Claim& claim, Ending ending, std::uint64_t now) {
  const QueueEntry& entry = claim.entry;
  const auto recorded =
      state_.record_end(entry.id, {entry.message, entry.recipient, ending, now});
  if (!recorded && ending != Ending::kDelivered) return recorded;
  // A crash here leaves an entry that has a record: an entry that is there counts more.
  if (!recorded) (void)state_.forget_end(entry.id);
  const fs::path path = directory_ / file_name(entry.id);
  const bool noticed = wants_notice(entry, ending);
  const int done = noticed
                       ? rename(path.c_str(), (directory_ / ended_name(entry.id, ending)).c_str())
                       : unlink(path.c_str());
  if (done != 0 && errno != ENOENT) {
    const int why = errno;
    (void)state_.forget_end(entry.id);
    return errno_error(why, path, noticed ? "cannot rename" : "cannot remove");
  }
  if (noticed || ending != Ending::kDelivered)
    if (const auto synced = sync_directory(directory_); !synced) return synced;
  if (noticed) return {};  // the notice tells of the progress, and needs the stream
  (void)state_.forget_progress(entry.id);
  return drop_letter(entry.letter, entry.siblings);
}

Result<std::vector<EndedEntry>> Queue::ended() const {
  std::vector<EndedEntry> all;
  std::error_code failure;
  fs::directory_iterator files(directory_, failure);
  for (; !failure && files != fs::directory_iterator{}; files.increment(failure)) {
    const std::string name = files->path().filename().string();
    for (const EndedSuffix& row : kEndedSuffixes) {
      if (!name.ends_with(row.suffix)) continue;
      std::string id = name.substr(0, name.size() - row.suffix.size());
      if (is_entry_id(id)) all.push_back({std::move(id), row.ending});
    }
  }
  if (failure) return errno_error(failure.value(), directory_, "cannot list");
  return all;
}

Status Queue::forget(const Claim& claim, Ending ending) {
  const fs::path path = directory_ / ended_name(claim.entry.id, ending);
  if (unlink(path.c_str()) != 0 && errno != ENOENT)
    return errno_error(errno, path, "cannot remove");
  (void)state_.forget_progress(claim.entry.id);
  return drop_letter(claim.entry.letter, claim.entry.siblings);
}

Status Queue::remove_damaged(const std::string& id) {
  const bool waits = !is_entry_file(id);
  const fs::path path = directory_ / (waits ? file_name(id) : id);
  const std::string name = waits ? id : id.substr(0, id.rfind('.'));
  const auto lock = open_file(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW);
  if (!lock) return lock.error();
  const auto ours = lock_file(lock->get(), LockKind::kExclusive, {}, path);
  if (!ours) return ours.error();
  if (!*ours) return Error{Code::kBusy, path.string() + ": another process has it"};
  if (load_file(name, path)) return Error{Code::kExists, path.string() + ": it can be read"};
  if (unlink(path.c_str()) != 0) return errno_error(errno, path, "cannot remove");
  if (const auto synced = sync_directory(directory_); !synced) return synced;
  (void)state_.forget_progress(name);
  return is_entry_id(name) ? drop_letter(name.substr(0, kLetterDigits)) : Status{};
}

/// Whether an entry of the letter is there, in whatever state. With few of them their names are looked
/// up: the directory may hold those of thousands of letters.
Result<bool> Queue::has_entries(const std::string& letter, std::uint64_t entries) const {
  const auto is_there = [this](const std::string& name) {
    return access((directory_ / name).c_str(), F_OK) == 0;
  };
  if (entries > 0 && entries <= kFewEntries) {
    for (std::uint64_t i = 1; i <= entries; ++i) {
      const std::string id = letter + "." + std::to_string(i);
      if (is_there(file_name(id)) || is_there(id + ".new")) return true;
      for (const EndedSuffix& row : kEndedSuffixes)
        if (is_there(id + std::string(row.suffix))) return true;
    }
    return false;
  }
  std::error_code failure;
  fs::directory_iterator files(directory_, failure);
  for (; !failure && files != fs::directory_iterator{}; files.increment(failure)) {
    const std::string name = files->path().filename().string();
    if (name.starts_with(letter) && (is_entry_file(name) || name.ends_with(".new"))) return true;
  }
  if (failure) return errno_error(failure.value(), directory_, "cannot list");
  return false;
}

/// The stream goes with the last entry of its letter.
Status Queue::drop_letter(const std::string& letter, std::uint64_t entries) {
  const auto wanted = has_entries(letter, entries);
  if (!wanted) return wanted.error();
  if (*wanted) return {};
  (void)unlink(stream_path(letter).c_str());
  (void)unlink(leaves_path(letter).c_str());
  return {};
}

}  // namespace p2pmail::core
