#include "core/blob_upkeep.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <optional>
#include <set>

#include "core/cbor.h"
#include "core/deadline.h"
#include "core/sealed_file.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxMark = 256;
constexpr std::size_t kMaxDirectories = 100'000;
constexpr std::string_view kLeaves = ".leaves";
constexpr std::string_view kMark = ".unused";
constexpr std::string_view kBeside = ".new-";

std::optional<MessageId> name_of(std::string_view text) {
  const auto bytes = text.size() == 2 * MessageId::kSize ? from_hex(text) : std::nullopt;
  MessageId name;
  if (!bytes) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), name.bytes.begin());
  return to_hex(name) == text ? std::optional(name) : std::nullopt;  // lower case only
}

std::optional<struct stat> facts_of(const fs::path& path) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0) return std::nullopt;
  return facts;
}

/// What lies in the directory of blobs under one name.
struct Held {
  bool has_blob = false;
  bool is_linked = false;  // the queue has it too
  std::uint64_t size = 0;
};

/// A hash list or a mark that was left alone counts as well: it has to go too.
std::map<MessageId, Held> list_blobs(const Blobs& blobs) {
  std::map<MessageId, Held> all;
  std::error_code failure;
  fs::directory_iterator files(blobs.directory(), failure);
  for (; !failure && files != fs::directory_iterator{}; files.increment(failure)) {
    const std::string file = files->path().filename().string();
    const auto name = name_of(std::string_view(file).substr(0, 2 * MessageId::kSize));
    const std::string_view rest = std::string_view(file).substr(
        std::min(file.size(), 2 * MessageId::kSize));
    if (!name || !(rest.empty() || rest == kLeaves || rest == kMark)) continue;
    Held& held = all[*name];
    const auto facts = rest.empty() ? facts_of(files->path()) : std::nullopt;
    if (!facts) continue;
    held.has_blob = true;
    held.is_linked = facts->st_nlink > 1;
    held.size = static_cast<std::uint64_t>(facts->st_size);
  }
  return all;
}

/// Looks through everything below the Maildir for files that name blobs. Symbolic links are followed,
/// because a folder may lie on another disk; what a broken one leads to cannot be known.
class Walk {
 public:
  Walk(const Maildir& maildir, const Blobs& blobs) : root_(maildir.root()), blobs_(blobs) {}
  void run();
  std::set<MessageId> named;
  std::vector<BlobSurvey::Broken> broken;
  std::string doubt;

 private:
  void look_at(const fs::path& path);
  void read_directory(const fs::path& path);
  void read_file_at(const fs::path& path);
  void note_broken(const fs::path& path);
  void no_longer_certain(const std::string& why) {
    if (doubt.empty()) doubt = why;
  }
  fs::path root_;
  const Blobs& blobs_;
  std::vector<fs::path> directories_;
  std::set<std::pair<dev_t, ino_t>> seen_;
};

void Walk::run() {
  directories_.push_back(root_);
  while (!directories_.empty()) {
    const fs::path next = std::move(directories_.back());
    directories_.pop_back();
    read_directory(next);
  }
}

void Walk::read_directory(const fs::path& path) {
  std::error_code failure;
  fs::directory_iterator files(path, failure);
  for (; !failure && files != fs::directory_iterator{}; files.increment(failure))
    if (files->path() != blobs_.directory()) look_at(files->path());
  if (failure) no_longer_certain(errno_error(failure.value(), path, "cannot read").context);
}

void Walk::look_at(const fs::path& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0)
    return no_longer_certain(errno_error(errno, path, "cannot look at it").context);
  if (S_ISREG(facts.st_mode)) return read_file_at(path);
  if (!S_ISDIR(facts.st_mode) || !seen_.emplace(facts.st_dev, facts.st_ino).second) return;
  if (seen_.size() > kMaxDirectories) return no_longer_certain("too many directories");
  directories_.push_back(path);
}

void Walk::read_file_at(const fs::path& path) {
  const auto blob = blob_of(path);
  if (!blob) return no_longer_certain(blob.error().context);
  if (!*blob) return;
  named.insert((*blob)->name);
  note_broken(path);
}

void Walk::note_broken(const fs::path& path) {
  const auto file = SealedFile::open(path);
  if (!file || !file->blob()) return;  // damaged itself: whoever lists it says so
  const BlobRef& ref = *file->blob();
  const auto is_fitting = [](const fs::path& where, std::uint64_t offset, std::uint64_t size) {
    const auto facts = facts_of(where);
    if (!facts || !S_ISREG(facts->st_mode)) return false;
    const auto there = static_cast<std::uint64_t>(facts->st_size);
    return there == size || (there >= size && there - size == offset);
  };
  const auto say = [&](const fs::path& where) {
    broken.push_back({path, facts_of(where) ? where.string() + ": not the stream of this mail"
                                            : where.string() + ": missing"});
  };
  const fs::path blob = blobs_.path(ref.name), leaves = blobs_.leaves_path(ref.name);
  if (!is_fitting(blob, ref.offset, file->stream_size())) return say(blob);
  if (!is_fitting(leaves, 0, block_count(file->stream_size()) * Digest::kSize)) say(leaves);
}

// ---- marks

struct Mark {
  std::uint64_t since = 0;
  Observation passed;  // that the blob has been marked for long enough
};

fs::path mark_path(const Blobs& blobs, const MessageId& name) {
  return blobs.path(name).string() + std::string(kMark);
}

Status write_mark(const fs::path& path, const Mark& mark) {
  return replace_file(path, encode_cbor({{"b", binary(mark.passed.boot_id)},
                                         {"s", mark.since},
                                         {"u", mark.passed.boot_time},
                                         {"v", 1U}}));
}

/// nullopt when there is none, or none that can be read: then it is made again.
std::optional<Mark> read_mark(const fs::path& path) {
  const auto bytes = read_file(path, kMaxMark);
  if (!bytes) return std::nullopt;
  const auto map = decode_cbor(*bytes, "mark", kMaxMark);
  if (!map) return std::nullopt;
  MapReader reader(*map, "mark");
  Mark mark;
  reader.fill("b", mark.passed.boot_id);
  mark.since = reader.number("s", kMaxTime);
  mark.passed.boot_time = reader.number("u", UINT64_MAX);
  if (reader.number("v", 1) != 1 || !reader.finish()) return std::nullopt;
  return mark;
}

/// Notes that a blob is not in use. True when that has been so for long enough, twice.
Result<bool> observe(const Blobs& blobs, const MessageId& name, const Now& now) {
  const fs::path path = mark_path(blobs, name);
  const auto found = read_mark(path);
  // A mark from the future was made by a clock that was wrong.
  if (!found || found->since > now.time) {
    if (const auto made = write_mark(path, {now.time, {}}); !made) return made.error();
    return false;
  }
  Mark mark = *found;
  const bool is_over = now.time - mark.since >= kBlobKeep;
  if (is_over && mark.passed.is_confirmed(now)) return true;
  const bool is_stale = mark.passed.is_made() &&
                        (!is_over || (mark.passed.boot_id == now.boot_id &&
                                      mark.passed.boot_time > now.boot_time));
  if (is_stale) mark.passed = {};
  if (is_over && !mark.passed.is_made()) mark.passed = {now.boot_id, now.boot_time};
  if (is_stale || mark.passed.is_made() != found->passed.is_made())
    if (const auto kept = write_mark(path, mark); !kept) return kept.error();
  return false;
}

/// Whether the last run is so near that this one may be left out; else this one is noted.
Result<bool> was_checked(const Blobs& blobs, const Now& now) {
  const fs::path path = blobs.directory() / "checked";
  const auto facts = facts_of(path);
  const auto last = facts ? static_cast<std::uint64_t>(facts->st_mtim.tv_sec) : 0;
  if (facts && last <= now.time && now.time - last < kBlobRound) return true;
  const auto fd = open_file(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
  if (!fd) return fd.error();
  const timespec time{static_cast<time_t>(now.time), 0};
  const timespec times[] = {time, time};
  if (futimens(fd->get(), times) != 0) return errno_error(errno, path, "cannot date it");
  return false;
}

/// What calls of replace_file left when they were killed.
void remove_all_leftovers(const Blobs& blobs) {
  std::set<std::string> names;
  std::error_code failure;
  fs::directory_iterator files(blobs.directory(), failure);
  for (; !failure && files != fs::directory_iterator{}; files.increment(failure)) {
    const std::string file = files->path().filename().string();
    if (const auto at = file.find(kBeside); at != std::string::npos) names.insert(file.substr(0, at));
  }
  for (const std::string& name : names) remove_leftovers(blobs.directory() / name);
}

/// Marks what is not in use; what may go.
Result<std::vector<MessageId>> mark_unused(const Blobs& blobs, const BlobSurvey& survey,
                                           const Now& now) {
  std::vector<MessageId> over;
  for (const MessageId& name : survey.in_use) (void)unlink(mark_path(blobs, name).c_str());
  if (!survey.doubt.empty() || now.boot_id == Observation{}.boot_id) return over;
  for (const auto& unused : survey.unused) {
    const auto may_go = observe(blobs, unused.name, now);
    if (!may_go) return may_go.error();
    if (*may_go) over.push_back(unused.name);
  }
  return over;
}

}  // namespace

BlobSurvey survey_blobs(const Maildir& maildir, SurveyOf what) {
  BlobSurvey survey;
  const Blobs blobs(maildir.root());
  const auto held = list_blobs(blobs);
  if (held.empty() && what == SurveyOf::kBlobs) return survey;
  Walk walk(maildir, blobs);
  walk.run();
  survey.broken = std::move(walk.broken);
  survey.doubt = std::move(walk.doubt);
  for (const auto& [name, one] : held) {
    if (one.has_blob) ++survey.blobs;
    if (one.is_linked || walk.named.contains(name))
      survey.in_use.push_back(name);
    else
      survey.unused.push_back({name, one.size});
  }
  return survey;
}

// A stub that is moved between two folders while we look at them in the other order is seen in
// neither: what may go is looked for once more.
Status tend_blobs(const Maildir& maildir, const Now& now) {
  const Blobs blobs(maildir.root());
  if (!facts_of(blobs.directory())) return {};
  const auto checked = was_checked(blobs, now);
  if (!checked) return checked.error();
  if (*checked || list_blobs(blobs).empty()) return {};
  remove_all_leftovers(blobs);
  const auto over = mark_unused(blobs, survey_blobs(maildir, SurveyOf::kBlobs), now);
  if (!over) return over.error();
  if (over->empty()) return {};
  const BlobSurvey again = survey_blobs(maildir, SurveyOf::kBlobs);
  const auto still = mark_unused(blobs, again, now);
  if (!still) return still.error();
  const std::set<MessageId> both(over->begin(), over->end());
  for (const MessageId& name : *still) {
    // Without its mark it has come anew in the meantime.
    if (!both.contains(name) || access(mark_path(blobs, name).c_str(), F_OK) != 0) continue;
    blobs.remove(name);
    (void)unlink(mark_path(blobs, name).c_str());
  }
  return {};
}

}  // namespace p2pmail::core
