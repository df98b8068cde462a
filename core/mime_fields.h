// Inside of core/mime only: header text as fields, and what the MIME fields of a part say.
// Splitting lines is done here, the meaning of a value is GMime's work.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/mime.h"

namespace p2pmail::core::mime {

inline constexpr std::size_t kMaxHeader = 1024 * 1024;   // one header, all fields
inline constexpr std::size_t kMaxStructured = 8 * 1024;  // a value with parameters
inline constexpr std::size_t kMaxBoundary = 200;         // RFC 2046 allows 70
inline constexpr std::size_t kMaxFieldName = 100;

struct Field {
  std::string name;       // lower case
  std::string value;      // unfolded, bytes as they came, without NUL and bare CR
  std::string_view text;  // in the header, with its line ends
};

/// How a line continues a header. `line` may be cut after kMaxFieldName + 1 bytes.
[[nodiscard]] bool is_field_start(std::string_view line);
[[nodiscard]] inline bool is_folded(std::string_view line) {
  return line.starts_with(' ') || line.starts_with('\t');
}
[[nodiscard]] inline bool is_empty_line(std::string_view line) {
  return line == "\n" || line == "\r\n";
}

/// The fields at the start of `header`, up to an empty line or a line that is none. A "From " line
/// of an mbox in front is skipped. At most kMaxHeader bytes are looked at.
[[nodiscard]] std::vector<Field> split_fields(std::string_view header);

/// Bytes of From, To and Cc together that are parsed of a header; what is beyond does not count.
inline constexpr std::size_t kMaxAddresses = 128 * 1024;
/// Adds the mailboxes of an address field's value. `budget` is what may still be parsed of all the
/// address fields of a header.
void add_addresses(std::string_view value, std::size_t& budget, std::vector<Mailbox5322>& out);

enum class Transfer { kIdentity, kBinary, kBase64, kQuotedPrintable, kUuencode };

/// What a part's header says about its content. All of it is the sender's word.
struct Content {
  std::string type;      // "text/plain", lower case
  std::string charset;   // as written, bounded
  std::string boundary;  // empty = not a multipart that can be taken apart
  std::string file_name;
  Transfer transfer = Transfer::kIdentity;
  bool is_attachment = false;  // Content-Disposition: attachment
  std::uint64_t size = 0;      // of Content-Disposition (RFC 2183 section 2.7); 0 = none
};
[[nodiscard]] Content content_of(const std::vector<Field>& fields, std::string_view default_type);

}  // namespace p2pmail::core::mime
