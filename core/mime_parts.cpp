#include "core/mime_parts.h"

#include <algorithm>
#include <cstring>

namespace p2pmail::core::mime {

namespace {

constexpr std::size_t kPiece = 64 * 1024;
// What is kept of a line: enough for a boundary and for the name of a field.
constexpr std::size_t kLineStart = kMaxBoundary + 16;

struct Line {
  std::uint64_t start = 0;
  std::uint64_t end = 0;       // after the line end
  std::string_view text;       // at most kLineStart bytes of it, line end included
  std::uint64_t line_end = 0;  // where its line end starts
};

Error too_much(const char* what) {
  return Error{Code::kMalformed, std::string("message: ") + what};
}

/// Takes the lines of a message one after the other and keeps track of what they belong to.
class Splitter {
 public:
  explicit Splitter(const MessageSource& source) : source_(source) {}

  [[nodiscard]] Status start() { return open_node(-1, 0, 0); }
  [[nodiscard]] Status take(const Line& line);
  [[nodiscard]] Status finish(std::uint64_t size);
  [[nodiscard]] std::vector<Node> nodes() && { return std::move(nodes_); }

 private:
  enum class In { kHeader, kContent };
  struct Open {
    std::string boundary;
    int node;
  };

  [[nodiscard]] Status open_node(int parent, int depth, std::uint64_t at);
  [[nodiscard]] Status end_header(std::uint64_t header_end, std::uint64_t content);
  [[nodiscard]] bool take_boundary(const Line& line, Status& status);
  void close_until(int node, std::uint64_t end);
  [[nodiscard]] std::uint64_t content_end_before(const Line& boundary) const;
  Node& node(int index) { return nodes_[static_cast<std::size_t>(index)]; }

  const MessageSource& source_;
  std::vector<Node> nodes_;
  std::vector<Open> open_;
  int current_ = -1;
  In in_ = In::kHeader;
  bool has_field_ = false;
  Line last_;
};

Status Splitter::open_node(int parent, int depth, std::uint64_t at) {
  if (nodes_.size() >= kMaxParts) return too_much("more than 10,000 parts");
  if (depth > kMaxNesting) return too_much("parts nest too deeply");
  Node fresh;
  fresh.header = fresh.content = fresh.end = at;
  fresh.parent = parent;
  fresh.depth = depth;
  fresh.about.type = "text/plain";
  nodes_.push_back(std::move(fresh));
  current_ = static_cast<int>(nodes_.size()) - 1;
  in_ = In::kHeader;
  has_field_ = false;
  return {};
}

Status Splitter::end_header(std::uint64_t header_end, std::uint64_t content) {
  in_ = In::kContent;
  Node& part = node(current_);
  auto text = read_range(source_, part.header, header_end);
  if (!text) return text.error();
  const bool in_digest = part.parent >= 0 && node(part.parent).about.type == "multipart/digest";
  part.about = content_of(split_fields(*text), in_digest ? "message/rfc822" : "text/plain");
  part.content = content;
  part.has_empty_line = content > header_end;
  part.is_container = !part.about.boundary.empty();
  const bool is_plain =
      part.about.transfer == Transfer::kIdentity || part.about.transfer == Transfer::kBinary;
  part.is_message = is_message_type(part.about.type) && is_plain;
  if (part.is_container) open_.push_back({"--" + part.about.boundary, current_});
  if (part.is_message) return open_node(current_, part.depth + 1, content);
  return {};
}

/// Everything inside of `until` (not itself) ends.
void Splitter::close_until(int until, std::uint64_t end) {
  for (int index = current_; index != until && index >= 0; index = node(index).parent)
    node(index).end = std::max(end, node(index).content);
  current_ = until;
}

/// The line end before a boundary belongs to it. When the boundary ends with LF alone, so does that
/// line: a CR before is the last byte of a content.
std::uint64_t Splitter::content_end_before(const Line& boundary) const {
  const bool is_lf = boundary.end - boundary.line_end == 1;
  return is_lf && last_.end > last_.line_end ? last_.end - 1 : last_.line_end;
}

bool Splitter::take_boundary(const Line& line, Status& status) {
  if (!line.text.starts_with("--")) return false;
  const auto last = line.text.find_last_not_of(" \t\r\n");
  const auto text = line.text.substr(0, last + 1);
  for (std::size_t level = open_.size(); level-- > 0;) {
    const std::string& boundary = open_[level].boundary;
    if (!text.starts_with(boundary)) continue;
    const auto rest = text.substr(boundary.size());
    if (!rest.empty() && rest != "--") continue;
    const int container = open_[level].node;
    if (in_ == In::kHeader) status = end_header(line.start, line.start);
    close_until(container, content_end_before(line));
    open_.resize(level + (rest.empty() ? 1 : 0));
    in_ = In::kContent;
    if (status && rest.empty()) status = open_node(container, node(container).depth + 1, line.end);
    return true;
  }
  return false;
}

Status Splitter::take(const Line& line) {
  Status status;
  const bool is_boundary = take_boundary(line, status);
  last_ = line;
  if (is_boundary || in_ == In::kContent) return status;
  const bool is_mbox_start = line.start == 0 && line.text.starts_with("From ");
  const bool belongs = is_field_start(line.text) || (has_field_ && is_folded(line.text));
  if (is_empty_line(line.text)) return end_header(line.start, line.end);
  if (!belongs && !is_mbox_start) {
    // The empty line is missing: this is content already, the header of a message inside, or the
    // first boundary of the container that just became known.
    status = end_header(line.start, line.start);
    return status ? take(line) : status;
  }
  has_field_ = has_field_ || belongs;
  if (line.end - node(current_).header > kMaxHeader) return too_much("a header is too long");
  return {};
}

Status Splitter::finish(std::uint64_t size) {
  while (in_ == In::kHeader)
    if (auto ended = end_header(size, size); !ended) return ended;
  close_until(-1, size);
  // A multipart without a part has something to say all the same: it is one part.
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (i + 1 == nodes_.size() || nodes_[i + 1].parent != static_cast<int>(i))
      nodes_[i].is_container = false;
  return {};
}

/// Finds the lines in pieces of a message. Only the start of each is kept.
class LineFinder {
 public:
  explicit LineFinder(Splitter& splitter) : splitter_(splitter) {}

  Status take(ByteView piece) {
    while (!piece.empty()) {
      const void* found = std::memchr(piece.data(), '\n', piece.size());
      const std::size_t size =
          found == nullptr
              ? piece.size()
              : static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - piece.data()) +
                    1;
      keep(piece.first(size));
      if (found != nullptr)
        if (auto done = end_line(true); !done) return done;
      piece = piece.subspan(size);
    }
    return {};
  }
  Status finish() { return at_ == start_ ? Status() : end_line(false); }

 private:
  void keep(ByteView bytes) {
    const std::size_t room = kLineStart - std::min(kLineStart, text_.size());
    text_ += text_of(bytes).substr(0, room);
    before_last_ = bytes.size() > 1 ? bytes[bytes.size() - 2] : last_;
    last_ = bytes.back();
    at_ += bytes.size();
  }
  Status end_line(bool has_end) {
    const std::uint64_t size = !has_end ? 0 : before_last_ == '\r' && at_ - start_ > 1 ? 2 : 1;
    const Line line{start_, at_, text_, at_ - size};
    auto taken = splitter_.take(line);
    start_ = at_;
    text_.clear();
    before_last_ = last_ = 0;
    return taken;
  }

  Splitter& splitter_;
  std::string text_;
  std::uint64_t start_ = 0;
  std::uint64_t at_ = 0;
  std::uint8_t last_ = 0;
  std::uint8_t before_last_ = 0;
};

}  // namespace

Status read_pieces(const MessageSource& source, std::uint64_t start, std::uint64_t end,
                   const Sink& each) {
  Bytes buffer(kPiece);
  while (start < end) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, end - start));
    auto got = source.read(start, ByteSpan(buffer).first(want));
    if (!got) return got.error();
    if (*got == 0 || *got > want) return too_much("it ends too early");
    if (auto taken = each(ByteView(buffer).first(*got)); !taken) return taken;
    start += *got;
  }
  return {};
}

Result<std::string> read_range(const MessageSource& source, std::uint64_t start,
                               std::uint64_t end) {
  std::string text;
  auto read = read_pieces(source, start, end, [&](ByteView piece) -> Status {
    text += text_of(piece);
    return {};
  });
  if (!read) return read.error();
  return text;
}

Result<std::vector<Node>> split_parts(const MessageSource& source) {
  Splitter splitter(source);
  if (auto started = splitter.start(); !started) return started.error();
  LineFinder lines(splitter);
  auto read =
      read_pieces(source, 0, source.size, [&](ByteView piece) { return lines.take(piece); });
  if (!read) return read.error();
  if (auto ended = lines.finish(); !ended) return ended.error();
  if (auto ended = splitter.finish(source.size); !ended) return ended.error();
  return std::move(splitter).nodes();
}

}  // namespace p2pmail::core::mime
