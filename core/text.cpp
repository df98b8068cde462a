#include "core/text.h"

#include <algorithm>
#include <array>

namespace p2pmail::core {
namespace {

constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kReplacement = "\xef\xbf\xbd";
constexpr std::size_t kArmorColumns = 64;
constexpr std::size_t kMaxFileName = 200;

/// One code point at the start of `text`; size 0 when it is not valid UTF-8 (RFC 3629).
struct CodePoint {
  char32_t value = 0;
  std::size_t size = 0;
};
CodePoint decode_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return {};
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return {};
  char32_t value = first & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return {};
    value = (value << 6) | (byte(i) & 0x3fU);
  }
  const bool overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
  if (overlong || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return {};
  return {value, size};
}

bool is_control(char32_t c) { return c < 0x20 || c == 0x7f || (c >= 0x80 && c <= 0x9f); }

/// Characters that change how their neighbours look, or that nobody can see.
bool is_deceptive(char32_t c) {
  return c == 0xad || c == 0x34f || c == 0x61c || c == 0x115f || c == 0x1160 || c == 0x3164 ||
         c == 0xffa0 || (c >= 0x180b && c <= 0x180e) || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
         (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
}

std::size_t width_of(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  static constexpr std::array<Range, 8> kMarks{{{0x300, 0x36f},   {0x483, 0x489},
                                                {0x591, 0x5bd},   {0x64b, 0x65f},
                                                {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
                                                {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}}};
  static constexpr std::array<Range, 11> kWide{{{0x1100, 0x115f},   {0x2e80, 0x303e},
                                                {0x3041, 0xa4cf},   {0xa960, 0xa97f},
                                                {0xac00, 0xd7a3},   {0xf900, 0xfaff},
                                                {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                                                {0xffe0, 0xffe6},   {0x1f300, 0x1faff},
                                                {0x20000, 0x3fffd}}};
  const auto inside = [c](const Range& r) { return c >= r.first && c <= r.last; };
  if (std::ranges::any_of(kMarks, inside)) return 0;
  return std::ranges::any_of(kWide, inside) ? 2 : 1;
}

std::string clean(std::string_view text, bool body) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = decode_utf8(text);
    const std::size_t size = std::max<std::size_t>(point.size, 1);
    if (body && text.starts_with("\r\n")) {
      text.remove_prefix(1);
      continue;
    }
    if (point.size == 0 || is_deceptive(point.value)) {
      out += kReplacement;
    } else if (point.value == '\t') {
      out += body ? '\t' : ' ';
    } else if (body && point.value == '\n') {
      out += '\n';
    } else if (is_control(point.value)) {
      out += kReplacement;
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return out;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

std::string to_base32(ByteView bytes) {
  std::string out;
  unsigned buffer = 0;
  int bits = 0;
  for (const std::uint8_t byte : bytes) {
    buffer = (buffer << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) out += kBase32[(buffer >> (bits - 5)) & 31U];
    buffer &= 0xffU;
  }
  if (bits > 0) out += kBase32[(buffer << (5 - bits)) & 31U];
  return out;
}

std::optional<Bytes> from_base32(std::string_view text) {
  Bytes out;
  unsigned buffer = 0;
  int bits = 0;
  for (const char c : text) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    const auto at = kBase32.find(lower);
    if (at == std::string_view::npos) return std::nullopt;
    buffer = ((buffer << 5) | static_cast<unsigned>(at)) & 0xfffU;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<std::uint8_t>((buffer >> bits) & 0xffU));
    }
  }
  // 1, 3 or 6 characters left over encode no whole byte; left-over bits must be zero.
  if (bits >= 5 || (buffer & ((1U << bits) - 1U)) != 0) return std::nullopt;
  return out;
}

std::string to_hex(ByteView bytes) {
  std::string out;
  for (const std::uint8_t byte : bytes) {
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

std::optional<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    unsigned value = 0;
    for (const char c : text.substr(i, 2)) {
      const auto at = kHex.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
      if (at == std::string_view::npos) return std::nullopt;
      value = value * 16 + static_cast<unsigned>(at);
    }
    out.push_back(static_cast<std::uint8_t>(value));
  }
  return out;
}

std::string to_base64(ByteView bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    unsigned group = 0;
    for (std::size_t j = 0; j < 3; ++j) group = (group << 8) | (j < count ? bytes[i + j] : 0U);
    for (std::size_t j = 0; j < 4; ++j)
      out += j <= count ? kBase64[(group >> (18 - 6 * j)) & 63U] : '=';
  }
  return out;
}

std::optional<Bytes> from_base64(std::string_view text) {
  Bytes out;
  unsigned group = 0;
  std::size_t count = 0;
  std::size_t padding = 0;
  for (const char c : text) {
    if (is_space(c)) continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const auto at = kBase64.find(c);
    if (at == std::string_view::npos || padding > 0) return std::nullopt;
    group = (group << 6) | static_cast<unsigned>(at);
    if (++count % 4 == 0) {
      for (int shift = 16; shift >= 0; shift -= 8)
        out.push_back(static_cast<std::uint8_t>((group >> shift) & 0xffU));
      group = 0;
    }
  }
  const std::size_t rest = count % 4;
  if (rest == 1 || (rest + padding) % 4 != 0 || padding > 2) return std::nullopt;
  if (rest == 2) {
    if ((group & 15U) != 0) return std::nullopt;
    out.push_back(static_cast<std::uint8_t>(group >> 4));
  } else if (rest == 3) {
    if ((group & 3U) != 0) return std::nullopt;
    out.push_back(static_cast<std::uint8_t>(group >> 10));
    out.push_back(static_cast<std::uint8_t>((group >> 2) & 0xffU));
  }
  return out;
}

std::string armor(std::string_view label, ByteView bytes) {
  const std::string name = "P2PMAIL " + std::string(label);
  std::string out = "-----BEGIN " + name + "-----\n";
  const std::string all = to_base64(bytes);
  for (std::size_t i = 0; i < all.size(); i += kArmorColumns)
    out += all.substr(i, kArmorColumns) + "\n";
  return out + "-----END " + name + "-----\n";
}

Result<Bytes> unarmor(std::string_view label, std::string_view text, std::size_t max_bytes) {
  const std::string name = "P2PMAIL " + std::string(label);
  const std::string begin = "-----BEGIN " + name + "-----";
  const std::string end = "-----END " + name + "-----";
  const auto start = text.find(begin);
  if (start == std::string_view::npos)
    return Error{Code::kMalformed, "no \"" + begin + "\" in it"};
  const std::string_view rest = text.substr(start + begin.size());
  const auto stop = rest.find(end);
  if (stop == std::string_view::npos) return Error{Code::kMalformed, "no \"" + end + "\" in it"};
  // Lines of any length with any line end at most double base64's four characters for three bytes.
  if (stop / 2 > max_bytes + 64) return Error{Code::kMalformed, "the armored block is too large"};
  auto bytes = from_base64(rest.substr(0, stop));
  if (!bytes) return Error{Code::kMalformed, "the armored block is not base64"};
  if (bytes->size() > max_bytes) return Error{Code::kMalformed, "the armored block is too large"};
  return std::move(*bytes);
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = decode_utf8(text);
    if (point.size == 0) return false;
    text.remove_prefix(point.size);
  }
  return true;
}

bool has_controls(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = decode_utf8(text);
    if (point.size == 0 || is_control(point.value)) return true;
    text.remove_prefix(point.size);
  }
  return false;
}

std::string clean_line(std::string_view text, std::size_t max_columns) {
  std::string all = clean(text, false);
  if (max_columns == 0 || columns(all) <= max_columns) return all;
  std::string out;
  std::size_t used = 0;
  for (std::string_view rest = all; !rest.empty();) {
    const CodePoint point = decode_utf8(rest);
    used += width_of(point.value);
    if (used > max_columns - 1) break;
    out += rest.substr(0, point.size);
    rest.remove_prefix(point.size);
  }
  return out + "\u2026";
}

std::string clean_body(std::string_view text) { return clean(text, true); }

std::size_t columns(std::string_view text) {
  std::size_t total = 0;
  while (!text.empty()) {
    const CodePoint point = decode_utf8(text);
    total += point.size == 0 ? 1 : width_of(point.value);
    text.remove_prefix(std::max<std::size_t>(point.size, 1));
  }
  return total;
}

std::string safe_file_name(std::string_view proposed) {
  // A backslash separates directories where some senders come from.
  if (const auto slash = proposed.find_last_of("/\\"); slash != std::string_view::npos)
    proposed.remove_prefix(slash + 1);
  std::string name;
  while (!proposed.empty()) {
    const CodePoint point = decode_utf8(proposed);
    const std::size_t size = std::max<std::size_t>(point.size, 1);
    const bool bad = point.size == 0 || is_control(point.value) || is_deceptive(point.value);
    name += bad ? std::string_view("_") : proposed.substr(0, size);
    proposed.remove_prefix(size);
  }
  const auto first = name.find_first_not_of(". -");
  name.erase(0, std::min(first, name.size()));
  while (!name.empty() && (name.back() == ' ' || name.back() == '.')) name.pop_back();
  if (name.size() > kMaxFileName) {
    const auto dot = name.rfind('.');
    const bool short_extension = dot != std::string::npos && name.size() - dot <= 16;
    const std::string extension = short_extension ? name.substr(dot) : std::string{};
    std::size_t keep = kMaxFileName - extension.size();
    while (keep > 0 && (static_cast<unsigned char>(name[keep]) & 0xc0U) == 0x80U) --keep;
    name = name.substr(0, keep) + extension;
  }
  return name.empty() ? "attachment" : name;
}

}  // namespace p2pmail::core
