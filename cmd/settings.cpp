#include "cmd/settings.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <iterator>
#include <sstream>

#include "cmd/format.h"
#include "core/file.h"
#include "core/stamp.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::HeaderPolicy;
using core::Result;
using core::Status;
using Shown = Settings::Shown;

namespace {

Error wrong(std::string words) { return Error{Code::kConfig, std::move(words), ""}; }

struct PolicyName {
  const char* name;
  HeaderPolicy policy;
};
constexpr PolicyName kPolicies[] = {{"none", HeaderPolicy::kNone},
                                    {"baseline", HeaderPolicy::kBaseline},
                                    {"shy", HeaderPolicy::kShy},
                                    {"sealed", HeaderPolicy::kSealed}};

Status set_policy(Settings& settings, const std::string& text) {
  for (const auto& row : kPolicies) {
    if (text != row.name) continue;
    settings.header_policy = row.policy;
    return {};
  }
  return wrong(fmt::format("'{}' is none of none, baseline, shy, sealed", text));
}

Status set_command(std::string& command, const std::string& text) {
  if (core::has_controls(text)) return wrong("the command has control characters");
  command = text;
  return {};
}

Status set_duration(std::chrono::milliseconds& duration, const std::string& text) {
  auto parsed = parse_duration(text);
  if (!parsed) return wrong(parsed.error().context);
  duration = *parsed;
  return {};
}

/// Not so short that a night without network ends a letter's way at once, nor for ever.
Status set_expire(Settings& settings, const std::string& text) {
  constexpr std::chrono::hours kLeast{1};
  constexpr std::chrono::hours kMost{1000 * 24};
  auto parsed = parse_duration(text, kMost);
  if (!parsed) return wrong(parsed.error().context);
  if (*parsed < kLeast) return wrong("at least 1h");
  settings.expire = *parsed;
  return {};
}

using ParsePlace = Result<core::Endpoint> (*)(std::string_view);

Status set_places(std::vector<core::Endpoint>& places, const std::string& text, ParsePlace parse) {
  places.clear();
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    auto place = parse(word);
    if (!place) return wrong(place.error().context);
    places.push_back(std::move(*place));
  }
  if (places.size() <= core::kMaxEndpoints) return {};
  return wrong(fmt::format("at most {} places", core::kMaxEndpoints));
}

Status set_size(std::uint64_t& size, const std::string& text) {
  auto parsed = parse_size(text);
  if (!parsed) return wrong(parsed.error().context);
  size = *parsed;
  return {};
}

/// Every file below the least size would be two.
Status set_inline_max(Settings& settings, const std::string& text) {
  constexpr std::uint64_t kLeast = 64 * 1024;
  auto set = set_size(settings.inline_max, text);
  return set && settings.inline_max < kLeast ? Status(wrong("at least 64K")) : set;
}

Status set_bits(std::uint64_t& bits, const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || value > core::kMaxStampBits)
    return wrong(fmt::format("'{}' is no number from 0 to {}", text, core::kMaxStampBits));
  bits = value;
  return {};
}

struct Row {
  const char* key;
  const char* usual;  // the default, as it would stand in the file
  Status (*set)(Settings&, const std::string&);
};
constexpr Row kRows[] = {
    {"header_policy", "baseline", set_policy},
    {"fallback_sendmail", "",
     [](Settings& s, const std::string& text) { return set_command(s.fallback_sendmail, text); }},
    {"unlock_for", "1h",
     [](Settings& s, const std::string& text) { return set_duration(s.unlock_for, text); }},
    {"fetch_timeout", "0",
     [](Settings& s, const std::string& text) { return set_duration(s.fetch_timeout, text); }},
    {"send_wait", "0",
     [](Settings& s, const std::string& text) { return set_duration(s.send_wait, text); }},
    {"expire", "30d", set_expire},
    {"listen", "tcp://*:7787",
     [](Settings& s, const std::string& text) {
       return set_places(s.listen, text, core::parse_listen);
     }},
    {"advertise", "",
     [](Settings& s, const std::string& text) {
       return set_places(s.advertise, text, core::parse_endpoint);
     }},
    {"pager", "less",
     [](Settings& s, const std::string& text) { return set_command(s.pager, text); }},
    {"stamp_bits", "20",
     [](Settings& s, const std::string& text) { return set_bits(s.stamp_bits, text); }},
    {"max_stamp_bits", "24",
     [](Settings& s, const std::string& text) { return set_bits(s.max_stamp_bits, text); }},
    {"keep_free", "64M",
     [](Settings& s, const std::string& text) { return set_size(s.keep_free, text); }},
    {"limit_rate", "0",
     [](Settings& s, const std::string& text) { return set_size(s.limit_rate, text); }},
    {"max_size", "0",
     [](Settings& s, const std::string& text) { return set_size(s.max_size, text); }},
    {"inline_max", "32M", set_inline_max},
};

Status apply(Settings& settings, Shown shown) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows),
                                [&shown](const Row& one) { return shown.key == one.key; });
  if (row == std::end(kRows)) {
    const auto meant = nearest(shown.key, setting_keys());
    return Error{Code::kConfig, fmt::format("there is no setting '{}'", shown.key),
                 meant ? fmt::format("did you mean {}?", *meant) : "p2pmail config"};
  }
  if (auto set = row->set(settings, shown.value); !set) return set.error().in(shown.key);
  settings.shown[static_cast<std::size_t>(row - std::begin(kRows))] = std::move(shown);
  return {};
}

/// One line with CLI11's reader, so that quotes and comments are its own. It reads whole files, but
/// says nothing of where it stands: line by line we can name the one that is wrong. Lists are words
/// with blanks between, so its arrays are turned off.
Result<std::vector<CLI::ConfigItem>> read_line(const std::string& line) {
  CLI::ConfigBase reader;
  reader.arrayBounds('\1', '\1')->arrayDelimiter('\1');
  std::istringstream stream(line);
  try {
    return reader.from_config(stream);
  } catch (const CLI::Error& failure) {
    return wrong(failure.what());
  }
}

bool is_blank(const std::string& line) {
  const auto start = line.find_first_not_of(" \t\r");
  return start == std::string::npos || line[start] == '#' || line[start] == ';';
}

Status take_line(Settings& settings, const std::string& line, const std::string& file, int number) {
  if (is_blank(line)) return {};
  if (core::has_controls(std::string(line.substr(0, line.find_last_not_of("\r\t ") + 1)))) {
    return wrong("control characters, or not UTF-8");
  }
  const Error no_setting = wrong("not a line of the form key = value");
  const auto equals = line.find('=');
  if (equals == std::string::npos || line[line.find_first_not_of(" \t")] == '[') return no_setting;
  Shown shown{core::clean_line(CLI::detail::trim_copy(line.substr(0, equals))), "",
              Shown::Source::kFile, file, number};
  // CLI11 passes over what is shorter than three characters and has its own idea of an empty value.
  const std::string value = CLI::detail::trim_copy(line.substr(equals + 1));
  if (!value.empty()) {
    auto items = read_line(line);
    if (!items) return items.error();
    if (items->size() != 1 || !items->front().parents.empty() ||
        items->front().inputs.size() != 1) {
      return no_setting;
    }
    shown.value = items->front().inputs.front();
  }
  for (const auto& before : settings.shown) {
    if (before.key != shown.key || before.source != Shown::Source::kFile) continue;
    return wrong(fmt::format("{} is set in line {} already", shown.key, before.line));
  }
  return apply(settings, std::move(shown));
}

Status take_file(Settings& settings, const std::filesystem::path& file) {
  const auto bytes = core::read_file(file, kMaxSettings);
  if (!bytes && bytes.error().code == Code::kNotFound) return {};
  if (!bytes) return Error{Code::kConfig, bytes.error().context, ""};
  std::istringstream text{std::string(core::text_of(*bytes))};
  int number = 0;
  for (std::string line; std::getline(text, line);) {
    ++number;
    auto taken = take_line(settings, line, file.string(), number);
    if (!taken) return taken.error().in(fmt::format("{}:{}", file.string(), number));
  }
  return {};
}

Status take_variables(Settings& settings, const Variables& variables) {
  const auto set = [&settings](const std::string& name, const std::string& value) {
    Shown shown{"pager", value, Shown::Source::kEnvironment, name, 0};
    return apply(settings, std::move(shown));
  };
  if (!variables.p2pmail_pager.empty()) return set("P2PMAIL_PAGER", variables.p2pmail_pager);
  // As git orders it: our own variable, our own setting, then what is said to all programs.
  const auto is_pager = [](const Shown& shown) { return shown.key == "pager"; };
  const auto pager = std::find_if(settings.shown.begin(), settings.shown.end(), is_pager);
  const bool in_file = pager->source == Shown::Source::kFile;
  return variables.has_pager && !in_file ? set("PAGER", variables.pager) : Status{};
}

}  // namespace

std::vector<std::string> setting_keys() {
  std::vector<std::string> keys;
  for (const Row& row : kRows) keys.emplace_back(row.key);
  return keys;
}

Result<Settings> load_settings(const std::filesystem::path& file, const Variables& variables) {
  Settings settings;
  settings.shown.resize(std::size(kRows));
  for (const Row& row : kRows) {
    auto set = apply(settings, {row.key, row.usual, Shown::Source::kDefault, "", 0});
    core::check(set.has_value());
  }
  if (auto taken = take_file(settings, file); !taken) return taken.error();
  if (auto taken = take_variables(settings, variables); !taken) return taken.error();
  return settings;
}

}  // namespace p2pmail::cmd
