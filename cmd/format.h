// Small texts for people: times, sizes, durations, columns, the nearest name.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace p2pmail::cmd {

/// "2026-11-24 06:13", local time; "-" for 0.
[[nodiscard]] std::string local_time(std::uint64_t seconds_since_1970);
/// "3m", "2h", "5d": the largest unit, rounded down.
[[nodiscard]] std::string short_duration(std::uint64_t seconds);
/// "812 B", "4.2 KiB".
[[nodiscard]] std::string human_size(std::uint64_t bytes);
/// "90", "30s", "5m", "1h", "2d"; at most a year, unless another bound is given. kUsage.
[[nodiscard]] core::Result<std::chrono::milliseconds> parse_duration(
    std::string_view text, std::chrono::seconds most = std::chrono::hours{366 * 24});
/// "0", "500", "64K", "64M", "2G", "1T": bytes, powers of 1024. kUsage.
[[nodiscard]] core::Result<std::uint64_t> parse_size(std::string_view text);
/// Filled with blanks to `width` columns.
[[nodiscard]] std::string padded(std::string_view clean_text, std::size_t width);
/// Typing slips between two words: insertions, deletions, changes, swaps of neighbours (optimal
/// string alignment). Quadratic in their length; callers bound it.
[[nodiscard]] std::size_t slips(std::string_view a, std::string_view b);
/// The candidate that was probably meant: at most two typing slips away.
[[nodiscard]] std::optional<std::string> nearest(std::string_view word,
                                                 const std::vector<std::string>& candidates);
/// What every JSON object of ours begins with: "v" (1 until a field changes its meaning or goes; new
/// fields may come at any time) and "type", which says what the rest is. p2pmail-json(5).
inline constexpr int kJsonVersion = 1;
/// One object as one line. Text in it has been cleaned by the caller.
[[nodiscard]] std::string json_line(const char* type, const nlohmann::ordered_json& fields);

}  // namespace p2pmail::cmd
