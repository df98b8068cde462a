// Headers: reading a stranger's fields, and writing values as fields that stay one field.
#include "core/mime.h"
#include "core/mime_fields.h"
#include "core/text.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

void check_mailboxes(const std::vector<Mailbox5322>& list) {
  for (const Mailbox5322& mailbox : list) {
    demand(is_utf8(mailbox.name) && is_utf8(mailbox.address), "mailboxes are UTF-8");
    demand(mailbox.name.find('\0') == std::string::npos, "without NUL");
  }
}

void check_fields(std::string_view text) {
  for (const auto& field : mime::split_fields(text)) {
    demand(!field.name.empty() && field.name.size() <= mime::kMaxFieldName, "names are bounded");
    demand(field.value.find_first_of(std::string_view("\0\n", 2)) == std::string::npos, "unfolded");
  }
  const auto about = mime::content_of(mime::split_fields(text), "text/plain");
  demand(!about.type.empty() && about.boundary.size() <= mime::kMaxBoundary, "bounds of MIME");
  demand(is_utf8(about.file_name), "a file name is UTF-8");
}

/// The line that we write for a value is one field, and ends.
void check_one_field(const std::string& line) {
  if (line.empty()) return;
  demand(line.ends_with('\n'), "a field ends");
  for (std::size_t at = line.find('\n'); at + 1 < line.size(); at = line.find('\n', at + 1))
    demand(line[at + 1] == ' ' || line[at + 1] == '\t', "a value cannot begin a field");
  demand(line.find_first_of(std::string_view("\0\r", 2)) == std::string::npos, "no CR, no NUL");
}

}  // namespace

void target(ByteView input) {
  const std::string_view text = text_of(input);
  check_fields(text);
  const auto header = parse_header(text);
  if (header) {
    demand(is_utf8(header->subject), "a subject is UTF-8");
    check_mailboxes(header->from);
    check_mailboxes(header->to);
    check_mailboxes(header->cc);
    check_one_field(address_header_line("To", header->to));
    check_one_field(header_line("Subject", header->subject));
  }
  check_one_field(header_line("Subject", clean_line(text)));
  check_one_field(address_header_line("From", {{clean_line(text), "a@example.alt"}}));
}

}  // namespace p2pmail::fuzz
