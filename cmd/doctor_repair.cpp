// doctor --repair: mends what a crash or a bad disk can leave. Whatever is taken away is set aside, or was
// promised to nobody.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "cmd/doctor.h"
#include "cmd/peers.h"
#include "core/file.h"
#include "core/repair.h"

namespace p2pmail::cmd {

namespace fs = std::filesystem;
using Level = Finding::Level;

namespace {

const char* loss_of(const std::string& name) {
  if (name == "state.db") return "the address book";
  if (name == "relay.db") return "what relays hold; letters of mine are sent again";
  return "how letters ended; the index is made again from the journal";
}

/// Puts the address book back from its copy; queued letters need the cards in it.
void restore_peers(Env& env, Findings& findings) {
  const fs::path copy = peers_copy(env);
  if (auto restored = import_peers(env, copy.string()); !restored) {
    findings.push_back({Level::kProblem, "peers", restored.error().context,
                        "p2pmail peers import, from a file that peers export has made"});
    return;
  }
  findings.push_back({Level::kWarning, "peers",
                      "the address book was put back from " + copy.string(),
                      "marks of verified and blocked peers have to be made again"});
}

std::size_t remove_stale(const fs::path& directory, std::uint64_t now) {
  std::error_code failure;
  std::vector<fs::path> stale;
  fs::directory_iterator files(directory, failure);
  for (; !failure && files != fs::directory_iterator{}; files.increment(failure))
    if (is_stale(files->path(), now)) stale.push_back(files->path());
  std::size_t removed = 0;
  for (const auto& path : stale) {
    // Somebody who still writes it holds a lock on it.
    auto fd = core::open_file(path, 0);
    if (!fd) continue;
    auto ours = core::lock_file(fd->get(), core::LockKind::kExclusive, {}, path);
    if (ours && *ours && unlink(path.c_str()) == 0) ++removed;
  }
  return removed;
}

}  // namespace

void check_databases(Env& env, bool repair, Findings& findings, bool& lost_peers) {
  for (const auto& name : core::damaged_databases(env.paths.root)) {
    const std::string damage = (env.paths.root / name).string() + ": damaged";
    if (!repair) {
      findings.push_back({Level::kProblem, "database", damage + "; it holds " + loss_of(name),
                          "stop p2pmail serve, then p2pmail doctor --repair"});
      continue;
    }
    const std::uint64_t now = env.clock().time;
    if (auto done = core::set_aside(env.paths.root, name, now); !done) {
      findings.push_back({Level::kProblem, "database", done.error().context, "make it writable"});
      continue;
    }
    lost_peers = lost_peers || name == "state.db";
    findings.push_back({Level::kWarning, "database",
                        fmt::format("{}: set aside as {}.damaged-{}", damage, name, now),
                        "remove it when all is well"});
  }
}

void repair_store(Env& env, bool lost_peers, Findings& findings) {
  if (lost_peers) restore_peers(env, findings);
  core::Maildir& maildir = env.store().maildir();
  const std::uint64_t now = env.clock().time;
  std::size_t removed = remove_stale(maildir.partial(), now);
  for (const auto& folder : maildir.folders())
    removed += remove_stale(maildir.directory(folder, "tmp"), now);
  if (removed > 0)
    findings.push_back({Level::kOk, "maildir", fmt::format("{} unfinished files removed", removed), ""});
}

}  // namespace p2pmail::cmd
