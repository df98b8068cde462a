// doctor: files, keys, clock, and the programs around.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>

#include "cmd/doctor.h"
#include "cmd/format.h"
#include "cmd/keyring.h"
#include "core/card.h"
#include "core/file.h"
#include "core/keys.h"
#include "core/text.h"

extern char** environ;  // unistd.h: what a child inherits

namespace p2pmail::cmd {

namespace fs = std::filesystem;
using Level = Finding::Level;

void check_settings(Env& env, Findings& findings) {
  const auto read = env.read_settings();
  if (!read) {
    findings.push_back({Level::kProblem, "settings", read.error().context,
                        read.error().hint.empty() ? "correct the line" : read.error().hint});
  } else {
    findings.push_back(
        {Level::kOk, "settings", env.settings_file.string() + ": fine or not there", ""});
  }
}

void check_permissions(Env& env, Findings& findings) {
  std::vector<fs::path> paths{env.paths.root,           env.paths.root / "keys",
                              env.paths.identity_key(), env.paths.device_keys(),
                              env.paths.store_key(),    env.paths.mail(),
                              env.paths.queue(),        env.settings_file};
  std::size_t wrong = 0;
  for (const auto& path : paths) {
    struct stat facts {};
    if (stat(path.c_str(), &facts) != 0) continue;
    const bool is_settings = path == env.settings_file;
    const mode_t others = is_settings ? S_IWGRP | S_IWOTH : S_IRWXG | S_IRWXO;
    if (facts.st_uid != geteuid()) {
      findings.push_back({Level::kProblem, "permissions",
                          path.string() + ": belongs to somebody else",
                          "chown it to the user who reads this mail"});
    } else if ((facts.st_mode & others) != 0) {
      findings.push_back({Level::kProblem, "permissions", path.string() + ": others may use it",
                          "chmod go-rwx " + path.string()});
    } else {
      continue;
    }
    ++wrong;
  }
  if (wrong == 0) findings.push_back({Level::kOk, "permissions", "only mine", ""});
}

void check_keys(Env& env, Findings& findings) {
  std::error_code ignored;
  if (!fs::exists(env.paths.root / "keys", ignored)) return;  // said by the check of the store
  const auto device = core::load_device_keys(env.paths.device_keys());
  const auto store = core::load_key(core::KeyKind::kStore, env.paths.store_key());
  const auto identity = core::load_key(core::KeyKind::kIdentity, env.paths.identity_key());
  if (!device) {
    findings.push_back({Level::kProblem, "keys", device.error().context,
                        "restore it from a backup: without it no mail can be taken or sent"});
  }
  if (!store) {
    findings.push_back({Level::kProblem, "keys", store.error().context,
                        "restore it from a backup: without it stored mail cannot be read"});
  }
  const bool moved_off = !identity && identity.error().code == core::Code::kNotFound;
  if (!identity && !moved_off) {
    findings.push_back({Level::kProblem, "keys", identity.error().context,
                        "restore it from a backup: with it goes the address"});
  }
  const bool in_the_open =
      (store && !store->needs_passphrase) || (identity && !identity->needs_passphrase);
  if (in_the_open) {
    findings.push_back({Level::kWarning, "keys", "no passphrase protects the keys",
                        "p2pmail passwd, unless the disk is encrypted and only yours"});
  } else if (device && store) {
    findings.push_back({Level::kOk, "keys",
                        moved_off ? "whole; the identity key is not on this machine"
                                  : "whole, protected by the passphrase",
                        ""});
  }
}

void check_clock(Env& env, Findings& findings) {
  const std::uint64_t now = env.clock().time;
  const auto bytes = core::read_file(env.paths.card(), core::kMaxCardSize);
  if (!bytes) return;
  const auto card = core::decode_card(*bytes);
  if (!card) return;
  std::uint64_t latest = card->roster.value.time;
  for (const auto& record : card->records) latest = std::max(latest, record.value.time);
  constexpr std::uint64_t kSlack = 300;
  if (latest > now + kSlack) {
    findings.push_back({Level::kProblem, "clock",
                        fmt::format("{} is before my own card, which is from {}", local_time(now),
                                    local_time(latest)),
                        "set the clock; timedatectl says whether it is kept right"});
  } else {
    findings.push_back({Level::kOk, "clock", local_time(now), ""});
  }
}

void check_keyring(Env&, Findings& findings) {
  // A key that no store has, for a second.
  core::StoreKey nobody;
  const auto kept = keep_store_key(nobody, core::AgreeSecret(), std::chrono::seconds{1});
  if (!kept) {
    findings.push_back({Level::kWarning, "keyring", kept.error().context,
                        "unlock will not work here; use --passphrase-file"});
    return;
  }
  (void)forget_store_key(nobody);
  findings.push_back({Level::kOk, "keyring", "the kernel keeps keys for unlock", ""});
}

namespace {

constexpr std::chrono::seconds kPatience{5};
constexpr std::size_t kMaxOutput = 64 * 1024;

std::string read_until_end(int fd, std::chrono::steady_clock::time_point deadline) {
  std::string text;
  while (text.size() < kMaxOutput) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd item{fd, POLLIN, 0};
    if (left.count() <= 0 || poll(&item, 1, static_cast<int>(left.count())) <= 0) break;
    char piece[4096];
    const ssize_t count = read(fd, piece, sizeof piece);
    if (count <= 0) break;
    text.append(piece, static_cast<std::size_t>(count));
  }
  return text;
}

/// What a program prints, or nullopt when there is none of that name. Ended after five seconds.
std::optional<std::string> output_of(std::vector<std::string> words) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  core::Fd reading(ends[0]), writing(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, writing.get(), 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = -1;
  const int failure =
      posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) return std::nullopt;
  writing = core::Fd();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::string text = read_until_end(reading.get(), deadline);
  while (waitpid(child, nullptr, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() >= deadline) kill(child, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  return text;
}

bool says(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

void check_one(const std::string& program, const std::string& advice, Findings& findings) {
  const auto answer = output_of({program, "-Q", "pgp_decrypt_command", "-Q", "crypt_use_gpgme",
                                 "-Q", "tmpdir", "-Q", "crypt_replyencrypt"});
  if (!answer) return;
  if (!says(*answer, "unseal")) {
    findings.push_back({Level::kOk, "mutt", program + " is not set up for this mail", advice});
    return;
  }
  std::string wrong;
  if (says(*answer, "crypt_use_gpgme=yes") || says(*answer, "crypt_use_gpgme is set") ||
      says(*answer, "crypt_use_gpgme=\"yes\"")) {
    wrong = "crypt_use_gpgme is set: sealed mail will not open";
  } else if (says(*answer, "tmpdir=\"/tmp\"") || says(*answer, "tmpdir=\"/var/tmp\"")) {
    wrong = "tmpdir is on disk: what it shows is written there in the open";
  }
  if (wrong.empty()) {
    findings.push_back({Level::kOk, "mutt", program + " opens sealed mail", ""});
  } else {
    findings.push_back({Level::kWarning, "mutt", program + ": " + wrong, advice});
  }
}

}  // namespace

void check_mutt(Env& env, Findings& findings) {
  check_one("mutt", env.program + " muttrc > FILE, and source it", findings);
  check_one("neomutt", env.program + " muttrc --neomutt > FILE, and source it", findings);
}

}  // namespace p2pmail::cmd
