#include "core/mime_text.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "core/mime_glib.h"
#include "core/text.h"

namespace p2pmail::core::mime {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

std::string latin1_to_utf8(std::string_view raw) {
  std::string out;
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xc0 | (byte >> 6));
      out += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return out;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return lower;
}

/// iconv loads modules by name, so only names that look like one get there.
bool is_charset_name(std::string_view name) {
  return !name.empty() && name.size() <= 40 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
           c == ':';
  });
}

std::string convert(iconv_t converter, std::string_view raw) {
  std::string out;
  std::array<char, 4096> buffer;
  std::string copy(raw);  // iconv wants it writable
  char* in = copy.data();
  std::size_t left = copy.size();
  while (left > 0) {
    char* to = buffer.data();
    std::size_t room = buffer.size();
    const auto done = iconv(converter, &in, &left, &to, &room);
    const int failure = errno;
    out.append(buffer.data(), buffer.size() - room);
    if (done != static_cast<std::size_t>(-1) || failure == E2BIG) continue;
    out += kReplacement;
    if (failure == EINVAL) break;  // ends inside of a character
    ++in, --left;
  }
  return out;
}

class ToText {
 public:
  explicit ToText(std::string_view html) : html_(html) {}
  std::string run();

 private:
  void take_tag();
  void take_entity();
  void put(std::string_view text);
  void end_lines(std::size_t count);
  void new_line(std::size_t empty_lines);
  void skip_past(std::string_view end);

  std::string_view html_;
  std::size_t at_ = 0;
  bool space_ = false;    // white space is due before the next word
  std::size_t ends_ = 0;  // line ends at the end of out_
  std::string out_;
};

// More says nothing, and would move what follows out of sight.
constexpr std::size_t kMostEmptyLines = 3;

void ToText::put(std::string_view text) {
  if (space_ && !out_.empty() && ends_ == 0) out_ += ' ';
  space_ = false;
  ends_ = 0;
  out_ += text;
}

void ToText::end_lines(std::size_t count) {
  space_ = false;
  count = std::min(count, kMostEmptyLines + 1 - ends_);
  out_.append(count, '\n');
  ends_ += count;
}

void ToText::new_line(std::size_t empty_lines) {
  space_ = false;
  if (out_.empty() || ends_ > empty_lines) return;
  end_lines(empty_lines + 1 - ends_);
}

void ToText::skip_past(std::string_view end) {
  auto same = [](char a, char b) { return a == b || (a >= 'A' && a <= 'Z' && a + 32 == b); };
  const auto found = std::search(html_.begin() + static_cast<std::ptrdiff_t>(at_), html_.end(),
                                 end.begin(), end.end(), same);
  at_ = found == html_.end() ? html_.size()
                             : static_cast<std::size_t>(found - html_.begin()) + end.size();
}

void ToText::take_tag() {
  if (html_.substr(at_).starts_with("<!--")) return skip_past("-->");
  const auto start = at_ + 1;
  skip_past(">");
  const auto inside = html_.substr(start, at_ - start);
  const std::string name =
      lower_case(inside.substr(0, std::min(inside.find_first_of(" \t\r\n>", 1), std::size_t{12})));
  if (name == "script") return skip_past("</script>");
  if (name == "style") return skip_past("</style>");
  if (name == "title") return skip_past("</title>");
  if (name == "br" || name == "br/") end_lines(1);
  constexpr std::array<std::string_view, 7> kParagraphs{"p",  "/p",    "h1",        "h2",
                                                        "h3", "table", "blockquote"};
  constexpr std::array<std::string_view, 8> kLines{"div", "/div", "tr", "li",
                                                   "ul",  "ol",   "hr", "/h1"};
  if (std::find(kParagraphs.begin(), kParagraphs.end(), name) != kParagraphs.end()) new_line(1);
  if (std::find(kLines.begin(), kLines.end(), name) != kLines.end()) new_line(0);
  if (name == "li") put("* ");
  if (name == "td" || name == "th") space_ = true;
}

void ToText::take_entity() {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kNamed{
      {{"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}, {"nbsp", " "}}};
  const auto name = html_.substr(at_ + 1, html_.substr(at_ + 1, 12).find(';'));
  const bool is_closed = html_.substr(at_ + 1 + name.size()).starts_with(';');
  at_ += is_closed ? name.size() + 2 : 1;
  if (!is_closed || name.empty()) return put("&");
  for (const auto& [known, text] : kNamed)
    if (name == known) return put(text);
  if (name.front() != '#') return put("&" + std::string(name) + ";");
  const bool is_hex = name.size() > 1 && (name[1] == 'x' || name[1] == 'X');
  const std::string digits(name.substr(is_hex ? 2 : 1));
  const auto value = g_ascii_strtoull(digits.c_str(), nullptr, is_hex ? 16 : 10);
  std::array<char, 6> utf8{};
  // No control characters: what shows a text cleans it, and nobody writes them like that.
  const bool is_text =
      value >= ' ' && value <= 0x10ffff && g_unichar_validate(static_cast<gunichar>(value)) != 0;
  if (!is_text) return put(kReplacement);
  const int size = g_unichar_to_utf8(static_cast<gunichar>(value), utf8.data());
  put(std::string_view(utf8.data(), static_cast<std::size_t>(size)));
}

std::string ToText::run() {
  while (at_ < html_.size()) {
    const char c = html_[at_];
    if (c == '<') {
      take_tag();
    } else if (c == '&') {
      take_entity();
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      space_ = true;
      ++at_;
    } else {
      const auto end = std::min(html_.find_first_of("<& \t\r\n", at_), html_.size());
      put(html_.substr(at_, end - at_));
      at_ = end;
    }
  }
  if (!out_.empty() && ends_ == 0) out_ += '\n';
  return std::move(out_);
}

}  // namespace

std::string_view cut_utf8(std::string_view text, std::size_t max) {
  if (text.size() <= max) return text;
  std::size_t size = max;
  // A sequence has four bytes at most; what looks longer is not UTF-8 and may be cut anywhere.
  while (size > 0 && max - size < 3 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80)
    --size;
  return text.substr(0, size);
}

std::string to_utf8(std::string_view raw, const std::string& charset) {
  init();
  const std::string name = lower_case(charset);
  if (name == "utf-8" || name == "utf8") return valid_utf8(raw);
  const bool is_guess =
      name == "us-ascii" || name == "ascii" || name == "unknown-8bit" || !is_charset_name(name);
  if (!is_guess) {
    const iconv_t converter = g_mime_iconv_open("UTF-8", name.c_str());
    if (converter != reinterpret_cast<iconv_t>(-1)) {
      std::string text = convert(converter, raw);
      g_mime_iconv_close(converter);
      return valid_utf8(text);
    }
  }
  return is_utf8(raw) ? std::string(raw) : latin1_to_utf8(raw);
}

std::string html_to_text(std::string_view html) { return ToText(html).run(); }

}  // namespace p2pmail::core::mime
