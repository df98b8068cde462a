// Inside of core/mime only: where the parts of a message lie.
//
// The lines of a message are read once, in constant memory, and its boundaries found. GMime's own
// parser is not used for that: it has no bound (measured with 3.2.13: a message of 5 MB, all
// boundaries, takes 1.3 GB; one header of 100 MB takes 700 MB), and glib aborts when memory ends.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/mime.h"
#include "core/mime_fields.h"
#include "core/result.h"

namespace p2pmail::core::mime {

inline constexpr std::size_t kMaxParts = 10'000;
inline constexpr int kMaxNesting = 64;

/// A part as it lies in the message: header, empty line, content.
struct Node {
  std::uint64_t header = 0;
  std::uint64_t content = 0;  // after the empty line
  std::uint64_t end = 0;      // without the line end that belongs to the boundary after it
  int parent = -1;            // index; -1 = the message itself
  int depth = 0;
  bool has_empty_line = false;  // between header and content
  bool is_container = false;    // multipart: its parts follow
  bool is_message = false;  // is_message_type, not encoded: the message inside follows as one node
  Content about;
};

/// What readers show as a message of its own (RFC 2046, RFC 6532, RFC 5537).
[[nodiscard]] inline bool is_message_type(std::string_view type) {
  return type == "message/rfc822" || type == "message/global" || type == "message/news";
}

/// Reads a whole range of `source` into memory; the caller has bounded it. kMalformed when the
/// source ends before.
[[nodiscard]] Result<std::string> read_range(const MessageSource& source, std::uint64_t start,
                                             std::uint64_t end);
/// Calls `each` with the bytes from `start` to `end`, in pieces.
[[nodiscard]] Status read_pieces(const MessageSource& source, std::uint64_t start,
                                 std::uint64_t end, const Sink& each);

/// A binary part that says its size is not read when a boundary stands where its content then ends:
/// what looks like a boundary inside of it is content. Any other size changes nothing.
///
/// All nodes, parents before their parts, in the order of the message. kMalformed when there are
/// more than kMaxParts, they nest deeper than kMaxNesting, or a header is longer than kMaxHeader.
[[nodiscard]] Result<std::vector<Node>> split_parts(const MessageSource& source);

}  // namespace p2pmail::core::mime
