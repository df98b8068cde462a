#include "core/mime_own.h"

#include <algorithm>
#include <optional>

#include "core/address.h"
#include "core/mime.h"

namespace p2pmail::core {

namespace mime {

namespace {

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return lower;
}

/// Drops white space and comments (RFC 5322 section 3.2.2) from the front; false when one of them
/// does not end.
bool drop_comments(std::string_view& text) {
  std::size_t depth = 0;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (depth > 0 && c == '\\') {
      ++at;
    } else if (c == '(') {
      ++depth;
    } else if (depth > 0 && c == ')') {
      --depth;
    } else if (depth == 0 && c != ' ' && c != '\t') {
      break;
    }
  }
  text.remove_prefix(std::min(at, text.size()));
  return depth == 0;
}

/// The content of the quoted string at the front; nullopt when it does not end.
std::optional<std::string> quoted_string(std::string_view text) {
  std::string content;
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '"') return content;
    if (text[at] == '\\' && at + 1 < text.size()) ++at;
    content += text[at];
  }
  return std::nullopt;
}

/// The authserv-id of an Authentication-Results value, lower case.
std::optional<std::string> server_of(std::string_view value) {
  if (!drop_comments(value)) return std::nullopt;
  std::optional<std::string> name;
  if (value.starts_with('"')) {
    name = quoted_string(value);
  } else {
    name = value.substr(0, value.find_first_of(" \t()<>@,;:\\\"/[]?="));  // RFC 2045, tspecials
  }
  if (!name) return std::nullopt;
  while (name->ends_with('.')) name->pop_back();  // as DNS names may end
  return lower_case(*name);
}

}  // namespace

bool is_own(const Field& field) {
  if (field.name.starts_with("p2pmail-")) return true;
  if (field.name != "authentication-results") return false;
  if (const auto server = server_of(field.value)) return *server == kDomain;
  return lower_case(field.value).find(kDomain) != std::string::npos;
}

std::string safe_text(const Field& field, bool rename) {
  std::string text(rename ? kRenamed : "");
  text += field.text;
  if (!text.ends_with('\n')) text += '\n';
  for (std::size_t at = text.find('\r'); at != std::string::npos; at = text.find('\r', at + 1))
    if (text[at + 1] != '\n') text[at] = ' ';  // there is a line end after it
  return text;
}

}  // namespace mime

std::string rename_own_fields(std::string_view header) {
  std::string text;
  for (const auto& field : mime::split_fields(header))
    text += mime::safe_text(field, mime::is_own(field));
  return text;
}

}  // namespace p2pmail::core
