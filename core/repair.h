// A database that is damaged is set aside, so that a new one can take its place: state.db and relay.db
// hold what can be had again, seen.db is an index of the journal. Mail, keys and queued letters are files
// of their own and are not touched.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/result.h"

namespace p2pmail::core {

/// Names of the store's databases in which SQLite finds damage ("state.db").
[[nodiscard]] std::vector<std::string> damaged_databases(const std::filesystem::path& root);
/// Renames it, and its log, to NAME.damaged-<time>. Nobody may have the store open meanwhile.
[[nodiscard]] Status set_aside(const std::filesystem::path& root, const std::string& name,
                               std::uint64_t now);

}  // namespace p2pmail::core
