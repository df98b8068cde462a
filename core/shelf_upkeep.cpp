// Upkeep of the shelf: letters whose time is over, and what a crash has left.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/deadline.h"
#include "core/file.h"
#include "core/shelf_impl.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kOrphanAge = 3600;  // seconds

bool is_old(const fs::path& path, std::uint64_t now) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         static_cast<std::uint64_t>(info.st_ctim.tv_sec) + kOrphanAge < now;
}

}  // namespace

/// Marks rows whose end has passed, and drops those that were marked an hour ago.
Status Shelf::Impl::observe(const Now& now) {
  if (now.boot_id == Observation{}.boot_id) return {};
  if (const auto back =
          query("UPDATE held SET boot = x'', boot_time = 0 WHERE until >= ? AND boot <> x''")
              .bind(now.time)
              .run();
      !back)
    return back;
  auto rows = query("SELECT handle, root, boot, boot_time FROM held WHERE until < ?");
  rows.bind(now.time);
  std::vector<Name> ended;
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) break;
    Observation seen;
    const Bytes boot = rows.blob(2);
    if (boot.size() == seen.boot_id.size()) std::ranges::copy(boot, seen.boot_id.begin());
    seen.boot_time = rows.number(3);
    if (seen.is_confirmed(now))
      ended.push_back({fixed_of<Digest>(rows.blob(0)), fixed_of<Root>(rows.blob(1))});
  }
  const auto marked =
      query("UPDATE held SET boot = ?, boot_time = ? WHERE until < ? AND length(boot) <> 16")
          .bind(ByteView(now.boot_id))
          .bind(now.boot_time)
          .bind(now.time)
          .run();
  if (!marked) return marked;
  for (const auto& [handle, root] : ended)
    if (const auto gone = erase(handle, root); !gone) return gone;
  return {};
}

// Inside the transaction, so that no row for one of them appears meanwhile. A hash list is written right
// before its letter gets its row, so that one without a row and an hour old belongs to nothing.
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
    if (!is_old(path, now)) continue;
    // Whoever writes a letter holds a lock on it, whatever the clock says.
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
