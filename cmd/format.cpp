#include "cmd/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <numeric>

#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;

std::string local_time(std::uint64_t seconds_since_1970) {
  // Beyond the year 9999 a stranger's clock is nonsense, and columns would shift.
  constexpr std::uint64_t kLast = 253402300799;
  if (seconds_since_1970 == 0 || seconds_since_1970 > kLast) return "-";
  const auto time = static_cast<std::time_t>(seconds_since_1970);
  std::tm parts{};
  if (localtime_r(&time, &parts) == nullptr) return "-";
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &parts);
  return {text.data(), size};
}

std::string short_duration(std::uint64_t seconds) {
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m", seconds / 60);
  if (seconds < 86400) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86400);
}

std::string human_size(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  for (const char* unit : {"KiB", "MiB", "GiB"}) {
    if (value < 1024) return fmt::format("{:.1f} {}", value, unit);
    value /= 1024;
  }
  return fmt::format("{:.1f} TiB", value);
}

core::Result<std::chrono::milliseconds> parse_duration(std::string_view text,
                                                       std::chrono::seconds most) {
  const Error wrong{Code::kUsage, fmt::format("'{}' is not a duration such as 30s, 5m or 1h", text),
                    ""};
  std::uint64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, count);
  if (failure != std::errc{} || end - rest > 1) return wrong;
  std::uint64_t unit = 1;
  switch (rest == end ? 's' : *rest) {
    case 's':
      unit = 1;
      break;
    case 'm':
      unit = 60;
      break;
    case 'h':
      unit = 3600;
      break;
    case 'd':
      unit = 86400;
      break;
    default:
      return wrong;
  }
  if (count > static_cast<std::uint64_t>(most.count()) / unit) return wrong;
  return std::chrono::milliseconds{static_cast<std::int64_t>(count * unit * 1000)};
}

core::Result<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";
  const Error wrong{Code::kUsage, fmt::format("'{}' is not a size such as 500K, 64M or 2G", text),
                    ""};
  std::uint64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, count);
  if (failure != std::errc{} || end - rest > 1) return wrong;
  if (rest == end) return count;
  const auto unit = kUnits.find(*rest);
  if (unit == std::string_view::npos) return wrong;
  const std::uint64_t shift = 10 * (unit + 1);
  if (count > (std::uint64_t{1} << 60 >> shift)) return wrong;
  return count << shift;
}

std::string padded(std::string_view clean_text, std::size_t width) {
  const std::size_t used = core::columns(clean_text);
  return std::string(clean_text) + std::string(used < width ? width - used : 0, ' ');
}

std::size_t slips(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, change});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
  constexpr std::size_t kLongestWord = 64;
  if (word.size() > kLongestWord) return std::nullopt;
  std::optional<std::string> best;
  // A third of the word may be wrong, two letters at most; a different word is no help.
  std::size_t bound = std::min<std::size_t>(2, (word.size() + 2) / 3);
  for (const auto& candidate : candidates) {
    const std::size_t distance = slips(word, candidate);
    if (distance > bound || (best && distance == bound)) continue;
    bound = distance;
    best = candidate;
  }
  return best;
}

std::string json_line(const char* type, const nlohmann::ordered_json& fields) {
  nlohmann::ordered_json object{{"v", kJsonVersion}, {"type", type}};
  object.update(fields);
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace p2pmail::cmd
