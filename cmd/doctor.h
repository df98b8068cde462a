// Inside of doctor only: findings, and the checks that make them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cmd/env.h"

namespace p2pmail::cmd {

struct Finding {
  enum class Level { kOk, kWarning, kProblem };
  Level level = Level::kOk;
  std::string check;    // "keys", "clock", ...: stable words
  std::string message;  // not cleaned
  std::string advice;   // a command to type or what to do; empty when all is well
};
using Findings = std::vector<Finding>;

// Without an open store.
void check_settings(Env& env, Findings& findings);
void check_permissions(Env& env, Findings& findings);
void check_keys(Env& env, Findings& findings);
void check_clock(Env& env, Findings& findings);
void check_keyring(Env& env, Findings& findings);
/// Runs `mutt -Q` and `neomutt -Q`, where they are installed, bounded in time.
void check_mutt(Env& env, Findings& findings);

/// Sets damaged databases aside with `repair`; whether the address book was among them.
void check_databases(Env& env, bool repair, Findings& findings, bool& lost_peers);

/// Old enough to be abandoned, as Maildir readers take it.
[[nodiscard]] bool is_stale(const std::filesystem::path& path, std::uint64_t now);

// With one.
void repair_store(Env& env, bool lost_peers, Findings& findings);
void check_card(Env& env, Findings& findings);
void check_maildir(Env& env, Findings& findings);
void check_queue(Env& env, Findings& findings);
void check_disk(Env& env, Findings& findings);
/// Dials my own places and those of my peers; nothing is exchanged but cards.
void check_places(Env& env, Findings& findings);

}  // namespace p2pmail::cmd
