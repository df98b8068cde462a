#include "core/mime_fields.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/mime.h"
#include "core/mime_glib.h"

namespace p2pmail::core {

namespace mime {

namespace {

constexpr std::size_t kMaxFileName = 1000;
constexpr std::size_t kMaxCharset = 40;

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return lower;
}

/// A value without its line ends and outer white space. NUL would end GMime's strings early and so
/// hide what follows; a bare CR is no line end.
std::string unfold(std::string_view raw) {
  std::string value;
  value.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const char c = raw[i];
    const bool is_end = c == '\n' || (c == '\r' && raw.substr(i + 1, 1) == "\n");
    if (!is_end) value += c == '\0' ? '?' : c == '\r' ? ' ' : c;
  }
  const auto first = value.find_first_not_of(" \t");
  if (first == std::string::npos) return {};
  return value.substr(first, value.find_last_not_of(" \t") - first + 1);
}

std::string cut(const char* text, std::size_t max) {
  std::string all = valid_utf8(text);
  if (all.size() <= max) return all;
  while (max > 0 && (static_cast<unsigned char>(all[max]) & 0xc0) == 0x80) --max;
  return all.substr(0, max);
}

Transfer transfer_of(const std::string& value) {
  switch (g_mime_content_encoding_from_string(value.c_str())) {
    case GMIME_CONTENT_ENCODING_BINARY:
      return Transfer::kBinary;
    case GMIME_CONTENT_ENCODING_BASE64:
      return Transfer::kBase64;
    case GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE:
      return Transfer::kQuotedPrintable;
    case GMIME_CONTENT_ENCODING_UUENCODE:
      return Transfer::kUuencode;
    default:
      return Transfer::kIdentity;
  }
}

void read_type(const std::string& value, Content& content) {
  const GRef<GMimeContentType> type(g_mime_content_type_parse(nullptr, value.c_str()));
  if (!type) return;
  const GText name(g_mime_content_type_get_mime_type(type.get()));
  content.type = cut(lower_case(name.get()).c_str(), kMaxFileName);
  content.charset = cut(g_mime_content_type_get_parameter(type.get(), "charset"), kMaxCharset + 1);
  if (content.file_name.empty())
    content.file_name = cut(g_mime_content_type_get_parameter(type.get(), "name"), kMaxFileName);
  const char* boundary = g_mime_content_type_get_parameter(type.get(), "boundary");
  if (!content.type.starts_with("multipart/") || boundary == nullptr) return;
  content.boundary = boundary;
  // A line is compared without the white space at its end; so must the boundary be.
  content.boundary.erase(content.boundary.find_last_not_of(" \t") + 1);
  if (content.boundary.size() > kMaxBoundary) content.boundary.clear();
}

void read_disposition(const std::string& value, Content& content) {
  const GRef<GMimeContentDisposition> disposition(
      g_mime_content_disposition_parse(nullptr, value.c_str()));
  if (!disposition) return;
  const char* kind = g_mime_content_disposition_get_disposition(disposition.get());
  content.is_attachment = kind != nullptr && lower_case(kind) == "attachment";
  auto name =
      cut(g_mime_content_disposition_get_parameter(disposition.get(), "filename"), kMaxFileName);
  if (!name.empty()) content.file_name = std::move(name);
  const char* size = g_mime_content_disposition_get_parameter(disposition.get(), "size");
  if (size == nullptr) return;
  const char* end = size + std::strlen(size);
  const auto [rest, failure] = std::from_chars(size, end, content.size);
  if (failure != std::errc{} || rest != end) content.size = 0;
}

const Field* find_field(const std::vector<Field>& fields, std::string_view name) {
  for (const Field& field : fields)
    if (field.name == name) return &field;
  return nullptr;
}

}  // namespace

bool is_field_start(std::string_view line) {
  line = line.substr(0, kMaxFieldName + 1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == ':') return i > 0;
    if (c <= ' ' || c >= '\x7f') {  // obsolete syntax has white space before the colon
      const auto rest = line.find_first_not_of(" \t", i);
      return i > 0 && (c == ' ' || c == '\t') && rest != std::string_view::npos &&
             line[rest] == ':';
    }
  }
  return false;
}

std::vector<Field> split_fields(std::string_view header) {
  header = header.substr(0, kMaxHeader);
  std::vector<Field> fields;
  for (std::size_t at = 0; at < header.size();) {
    const auto line_end = [&](std::size_t from) {
      const auto end = header.find('\n', from);
      return end == std::string_view::npos ? header.size() : end + 1;
    };
    std::size_t end = line_end(at);
    const auto line = header.substr(at, end - at);
    if (at == 0 && line.starts_with("From ")) {
      at = end;
      continue;
    }
    if (!is_field_start(line)) break;
    while (end < header.size() && is_folded(header.substr(end))) end = line_end(end);
    const auto text = header.substr(at, end - at);
    const auto colon = text.find(':');
    auto name = text.substr(0, colon);
    name = name.substr(0, name.find_first_of(" \t"));
    fields.push_back({lower_case(name), unfold(text.substr(colon + 1)), text});
    at = end;
  }
  return fields;
}

Content content_of(const std::vector<Field>& fields, std::string_view default_type) {
  init();
  Content content;
  content.type = default_type;
  auto value = [&](std::string_view name) {
    const Field* field = find_field(fields, name);
    return field == nullptr ? std::string() : field->value.substr(0, kMaxStructured);
  };
  if (const auto text = value("content-disposition"); !text.empty())
    read_disposition(text, content);
  if (const auto text = value("content-type"); !text.empty()) read_type(text, content);
  content.transfer = transfer_of(value("content-transfer-encoding"));
  return content;
}

}  // namespace mime

namespace {

using namespace mime;

constexpr std::size_t kAddressSlice = 2 * 1024;
constexpr std::size_t kMaxReferences = 64 * 1024;
constexpr std::size_t kMaxUnstructured = 64 * 1024;

/// How much of `list` may be parsed at once: up to a comma that separates addresses. GMime 3.2
/// takes quadratic time (64 KiB of "a," take 2 seconds), so a long list is parsed in slices; one
/// without a comma is no list that anybody wrote.
std::size_t slice_of(std::string_view list) {
  bool is_quoted = false;
  int comments = 0;
  std::size_t last_comma = 0;
  for (std::size_t i = 0; i < std::min(list.size(), kAddressSlice); ++i) {
    const char c = list[i];
    if (c == '\\') {
      ++i;
    } else if (c == '"' && comments == 0) {
      is_quoted = !is_quoted;
    } else if (!is_quoted) {
      comments = std::max(0, comments + (c == '(' ? 1 : c == ')' ? -1 : 0));
      if (c == ',' && comments == 0) last_comma = i + 1;
    }
  }
  if (list.size() <= kAddressSlice) return list.size();
  return last_comma > 0 ? last_comma : kAddressSlice;
}

void add_mailboxes(InternetAddressList* list, std::vector<Mailbox5322>& out) {
  // Groups are opened up, without recursion: a stranger chooses how deep they nest.
  std::vector<InternetAddress*> todo;
  auto push = [&](InternetAddressList* members) {
    for (int i = members == nullptr ? 0 : internet_address_list_length(members); i-- > 0;)
      todo.push_back(internet_address_list_get_address(members, i));
  };
  push(list);
  while (!todo.empty()) {
    InternetAddress* address = todo.back();
    todo.pop_back();
    if (INTERNET_ADDRESS_IS_GROUP(address)) {
      push(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)));
    } else if (INTERNET_ADDRESS_IS_MAILBOX(address)) {
      auto* mailbox = INTERNET_ADDRESS_MAILBOX(address);
      out.push_back({valid_utf8(internet_address_get_name(address)),
                     valid_utf8(internet_address_mailbox_get_addr(mailbox))});
    }
  }
}

}  // namespace

void mime::add_addresses(std::string_view value, std::size_t& budget,
                         std::vector<Mailbox5322>& out) {
  init();
  value = value.substr(0, budget);
  budget -= value.size();
  while (!value.empty()) {
    const std::size_t size = slice_of(value);
    const GRef<InternetAddressList> list(
        internet_address_list_parse(nullptr, std::string(value.substr(0, size)).c_str()));
    add_mailboxes(list.get(), out);
    value.remove_prefix(size);
  }
}

namespace {

std::string message_id_of(const std::string& value) {
  const GText id(g_mime_utils_decode_message_id(value.substr(0, kMaxStructured).c_str()));
  return valid_utf8(id.get());
}

std::vector<std::string> references_of(const std::string& value) {
  GMimeReferences* list = g_mime_references_parse(nullptr, value.substr(0, kMaxReferences).c_str());
  std::vector<std::string> ids;
  for (int i = 0; i < g_mime_references_length(list); ++i)
    ids.push_back(valid_utf8(g_mime_references_get_message_id(list, i)));
  g_mime_references_free(list);
  return ids;
}

std::uint64_t time_of(const std::string& date) {
  const GTime time(g_mime_utils_header_decode_date(date.substr(0, kMaxStructured).c_str()));
  if (!time) return 0;
  const gint64 seconds = g_date_time_to_unix(time.get());
  return seconds < 0 ? 0 : static_cast<std::uint64_t>(seconds);
}

std::string decoded(const std::string& value) {
  const GText text(
      g_mime_utils_header_decode_text(nullptr, value.substr(0, kMaxUnstructured).c_str()));
  return valid_utf8(text.get());
}

}  // namespace

std::optional<HeaderFields> parse_header(std::string_view text) {
  init();
  const auto fields = split_fields(text);
  if (fields.empty()) return std::nullopt;
  HeaderFields out;
  std::size_t budget = kMaxAddresses;
  // Two From fields give the mailboxes of both, so that nobody can choose which one counts. Of
  // fields with a single value the first one counts.
  for (const Field& field : fields) {
    if (field.name == "from") add_addresses(field.value, budget, out.from);
    if (field.name == "to") add_addresses(field.value, budget, out.to);
    if (field.name == "cc") add_addresses(field.value, budget, out.cc);
    if (field.name == "subject" && out.subject.empty()) out.subject = decoded(field.value);
    if (field.name == "date" && out.date.empty()) {
      out.date = valid_utf8(std::string_view(field.value));
      out.time = time_of(field.value);
    }
    if (field.name == "message-id" && out.message_id.empty())
      out.message_id = message_id_of(field.value);
    if (field.name == "in-reply-to" && out.in_reply_to.empty())
      out.in_reply_to = message_id_of(field.value);
    if (field.name == "references" && out.references.empty())
      out.references = references_of(field.value);
  }
  return out;
}

}  // namespace p2pmail::core
