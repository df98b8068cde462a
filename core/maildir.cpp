#include "core/maildir.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <optional>
#include <set>
#include <system_error>

#include "core/crypto.h"
#include "core/file.h"
#include "core/text.h"

namespace p2pmail::core {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxFolderName = 64;
constexpr const char* kSubs[] = {"tmp", "new", "cur"};
constexpr std::string_view kPrivate = "p2pmail";

bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

/// Sorted, each once. Other programs keep keywords in lower-case letters, which have to survive;
/// anything but a letter is no flag.
std::optional<std::string> sorted_flags(std::string_view flags) {
  if (!std::all_of(flags.begin(), flags.end(), is_letter)) return std::nullopt;
  std::string sorted(flags);
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  return sorted;
}

bool is_unique(std::string_view unique) {
  return !unique.empty() && unique.front() != '.' &&
         unique.find_first_of(std::string_view(":/\n\0", 4)) == std::string_view::npos;
}

/// Folder directories as they are on disk, whoever made them: one component, never out of the root.
bool is_folder(std::string_view folder) {
  if (folder == kInbox) return true;
  return folder.size() > 1 && folder.front() == '.' && folder != ".." &&
         folder.substr(1) != kPrivate &&
         folder.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

/// "<unique>[:2,<flags>]" taken apart, without folder and path.
std::optional<MailFile> parse_name(std::string_view name) {
  MailFile file;
  const auto colon = name.find(':');
  file.unique = name.substr(0, colon);
  if (!is_unique(file.unique)) return std::nullopt;
  if (colon == std::string_view::npos) return file;
  if (name.substr(colon, 3) != ":2,") return std::nullopt;
  auto flags = sorted_flags(name.substr(colon + 3));
  if (!flags) return std::nullopt;
  file.flags = std::move(*flags);
  return file;
}

fs::path cur_name(const std::string& unique, const std::string& flags) {
  return unique + ":2," + flags;
}

/// rename(2) that never replaces. Answers errno, 0 for success. File systems without
/// RENAME_NOREPLACE say EINVAL, old kernels ENOSYS: link and unlink do the same in two steps.
int rename_to_new_name(const fs::path& from, const fs::path& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (link(from.c_str(), to.c_str()) != 0) return errno;
  return unlink(from.c_str()) == 0 ? 0 : errno;
}

bool is_there(const fs::path& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0;
}

bool same_file(const fs::path& a, const fs::path& b) {
  struct stat one {
  }, other{};
  return lstat(a.c_str(), &one) == 0 && lstat(b.c_str(), &other) == 0 &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

Error not_found(const fs::path& path) {
  return Error{Code::kNotFound, path.string() + ": no such message"};
}

Status read_names(const fs::path& directory, bool is_new, const std::string& folder,
                  std::vector<MailFile>& out) {
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    auto file = parse_name(entries->path().filename().native());
    std::error_code gone;  // renamed or removed since: the next reading sees what became of it
    if (!file || entries->symlink_status(gone).type() != fs::file_type::regular) continue;
    file->path = entries->path();
    file->folder = folder;
    file->is_new = is_new;
    out.push_back(std::move(*file));
  }
  if (error) return errno_error(error.value(), directory, "cannot read");
  return {};
}

/// The file as another program has named it meanwhile.
std::optional<MailFile> find_unique(const Maildir& maildir, const std::string& folder,
                                    const std::string& unique) {
  auto files = maildir.list(folder);
  if (!files) return std::nullopt;
  for (MailFile& file : *files)
    if (file.unique == unique) return std::move(file);
  return std::nullopt;
}

/// Renames `file` to the name that `target` gives it, following it once when it has moved.
template <class Target>
Result<MailFile> rename_file(const Maildir& maildir, const MailFile& file, Target target) {
  MailFile now = file;
  for (int attempt = 0; attempt < 2; ++attempt) {
    MailFile then = target(now);
    if (then.path == now.path && is_there(now.path)) return then;
    const int failure = then.path == now.path ? ENOENT : rename_to_new_name(now.path, then.path);
    if (failure == 0) return then;
    if (failure != ENOENT) return errno_error(failure, then.path, "cannot rename to it");
    auto found = find_unique(maildir, file.folder, file.unique);
    if (!found) break;
    now = std::move(*found);
  }
  return not_found(file.path);
}

std::string host_name() {
  std::array<char, 256> buffer{};
  if (gethostname(buffer.data(), buffer.size() - 1) != 0 || buffer[0] == '\0') return "localhost";
  std::string host;
  for (const char c : std::string_view(buffer.data())) {
    if (c == '/')
      host += "\\057";
    else if (c == ':')
      host += "\\072";
    else
      host += c > ' ' && c < '\x7f' ? c : '_';
  }
  return host.substr(0, 64);  // names have 255 bytes at most, flags included
}

}  // namespace

Maildir::Maildir(fs::path root) : root_(std::move(root)) {}

fs::path Maildir::partial() const { return root_ / ".p2pmail" / "partial"; }

fs::path Maildir::directory(const std::string& folder, const char* sub) const {
  return folder == kInbox ? root_ / sub : root_ / folder / sub;
}

Status Maildir::create() {
  for (const char* sub : kSubs)
    if (auto made = make_directories(root_ / sub); !made) return made;
  return make_directories(partial());
}

Result<std::string> Maildir::folder_name(std::string_view name) {
  auto refuse = [](const char* why) {
    return Error{Code::kUsage, std::string("not a folder name: ") + why};
  };
  if (!name.empty() && name.front() == '.') name.remove_prefix(1);
  if (name.empty()) return refuse("it is empty");
  if (equal_ignoring_case(name, kInbox)) return std::string(kInbox);
  if (name.size() > kMaxFolderName) return refuse("it is longer than 64 bytes");
  if (has_controls(name)) return refuse("it has control characters or is not UTF-8");
  if (name.find('/') != std::string_view::npos)
    return refuse("it has a slash (subfolders are written with a dot)");
  if (name.front() == '.' || name.back() == '.' || name.find("..") != std::string_view::npos)
    return refuse("it has an empty part");
  if (equal_ignoring_case(name, kPrivate)) return refuse("p2pmail keeps its own files there");
  return "." + std::string(name);
}

std::vector<std::string> Maildir::folders() const {
  std::vector<std::string> names;
  std::error_code error, ignored;
  fs::directory_iterator entries(root_, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().native();
    if (name != kInbox && is_folder(name) && fs::is_directory(entries->path() / "cur", ignored))
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  names.insert(names.begin(), std::string(kInbox));
  return names;
}

bool Maildir::has_folder(const std::string& folder) const {
  std::error_code ignored;
  return is_folder(folder) && fs::is_directory(directory(folder, "cur"), ignored);
}

Status Maildir::create_folder(const std::string& folder) {
  auto name = folder_name(folder);
  if (!name) return name.error();
  if (*name != folder) return Error{Code::kUsage, folder + ": not a folder's name on disk"};
  // Its mark comes last, so that with it all is there and synced; unless somebody removed a part since.
  const auto is_made = [&](const char* part) { return is_there(root_ / folder / part); };
  if (folder != kInbox && is_made("maildirfolder") && is_made("tmp") && is_made("new") &&
      is_made("cur"))
    return {};
  for (const char* sub : kSubs)
    if (auto made = make_directories(directory(folder, sub)); !made) return made;
  if (folder == kInbox) return {};
  if (auto synced = sync_directory(root_ / folder); !synced) return synced;
  if (auto synced = sync_directory(root_); !synced) return synced;
  auto mark = open_file(root_ / folder / "maildirfolder", O_WRONLY | O_CREAT, 0600);
  return mark ? Status{} : mark.error();
}

std::string Maildir::unique_name(std::uint64_t time) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  std::array<std::uint8_t, 8> random{};
  random_bytes(random);
  // Names of one second sort as they were made, also when `time` was read a moment before the clock
  // went to the next second.
  const bool same_second = static_cast<std::uint64_t>(now.tv_sec) <= time;
  const std::string micros = std::to_string(same_second ? now.tv_nsec / 1000 : 999'999);
  return std::to_string(time) + ".M" + std::string(6 - micros.size(), '0') + micros + "P" +
         std::to_string(getpid()) + "R" + to_hex(random) + "." + host_name();
}

Status Maildir::deliver(const fs::path& partial, const std::string& folder,
                        const std::string& unique, const std::string& flags) {
  const auto directory = put(partial, folder, unique, flags);
  return directory ? sync_directory(*directory) : directory.error();
}

Result<fs::path> Maildir::put(const fs::path& partial, const std::string& folder,
                              const std::string& unique, const std::string& flags) const {
  auto sorted = sorted_flags(flags);
  if (!sorted || !is_unique(unique) || !is_folder(folder))
    return Error{Code::kBug, partial.string() + ": delivery to an impossible name"};
  const fs::path target = sorted->empty() ? directory(folder, "new") / unique
                                          : directory(folder, "cur") / cur_name(unique, *sorted);
  const int failure = rename_to_new_name(partial, target);
  if (failure == 0) return target.parent_path();
  if (failure != ENOENT && failure != EEXIST) return errno_error(failure, target, "cannot deliver");
  // Whoever was here before may have been interrupted before its fsync, or a reader may have
  // renamed the message already. When the partial is a second link to it, only the unlink is
  // missing.
  auto there = find_unique(*this, folder, unique);
  if (!there) return errno_error(failure, failure == ENOENT ? partial : target, "cannot deliver");
  if (failure == EEXIST) {
    if (!same_file(partial, there->path))
      return Error{Code::kExists, there->path.string() + ": another message has this name"};
    if (unlink(partial.c_str()) != 0) return errno_error(errno, partial, "cannot remove");
  }
  return there->path.parent_path();
}

Result<std::vector<MailFile>> Maildir::list(const std::string& folder) const {
  if (!has_folder(folder)) return Error{Code::kNotFound, folder + ": no such folder"};
  // new/ first: a message that a reader moves meanwhile is then seen twice rather than not at all.
  std::vector<MailFile> fresh, files;
  if (auto read = read_names(directory(folder, "new"), true, folder, fresh); !read)
    return read.error();
  if (auto read = read_names(directory(folder, "cur"), false, folder, files); !read)
    return read.error();
  std::set<std::string_view> seen;
  for (const MailFile& file : files) seen.insert(file.unique);
  std::vector<MailFile> still_new;
  for (MailFile& file : fresh)
    if (!seen.contains(file.unique) || is_there(file.path)) still_new.push_back(std::move(file));
  std::move(still_new.begin(), still_new.end(), std::back_inserter(files));
  return files;
}

Result<MailFile> Maildir::set_flags(const MailFile& file, const std::string& flags) const {
  auto sorted = sorted_flags(flags);
  if (!sorted) return Error{Code::kUsage, flags + ": not flags of a message"};
  return rename_file(*this, file, [&](const MailFile& now) {
    MailFile then = now;
    then.flags = *sorted;
    then.is_new = false;
    then.path = directory(now.folder, "cur") / cur_name(now.unique, *sorted);
    return then;
  });
}

Result<MailFile> Maildir::move(const MailFile& file, const std::string& folder) const {
  if (!has_folder(folder)) return Error{Code::kNotFound, folder + ": no such folder"};
  auto moved = rename_file(*this, file, [&](const MailFile& now) {
    MailFile then = now;
    then.folder = folder;
    then.path = directory(folder, now.is_new ? "new" : "cur") / now.path.filename();
    return then;
  });
  if (!moved) return moved;
  if (auto synced = sync_directory(moved->path.parent_path()); !synced) return synced.error();
  return moved;
}

Status Maildir::remove(const MailFile& file) const {
  fs::path path = file.path;
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (unlink(path.c_str()) == 0) return {};
    if (errno != ENOENT) return errno_error(errno, path, "cannot remove");
    auto found = find_unique(*this, file.folder, file.unique);
    if (!found) break;
    path = found->path;
  }
  return not_found(file.path);
}

}  // namespace p2pmail::core
