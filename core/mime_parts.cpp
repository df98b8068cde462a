#include "core/mime_parts.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace p2pmail::core::mime {

namespace {

constexpr std::size_t kPiece = 64 * 1024;
// What is kept of a line: enough for a boundary and for the name of a field.
constexpr std::size_t kLineStart = kMaxBoundary + 16;
constexpr std::uint64_t kLeastSkip = kPiece;
constexpr int kMaxLies = 16;  // then sizes do not count: each costs a look into the distance

struct Line {
  std::uint64_t start = 0;
  std::uint64_t end = 0;       // after the line end
  std::string_view text;       // at most kLineStart bytes of it, line end included
  std::uint64_t line_end = 0;  // where its line end starts
};

/// A content's end that its size told.
struct Skip {
  std::uint64_t place = 0;
  std::uint8_t before = 0;  // the byte in front of it
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
  /// Only boundaries count in the line that comes, and only as its first bytes.
  [[nodiscard]] bool in_content() const { return in_ == In::kContent; }
  /// The last line of those that in_content allows not to show.
  void pass(const Line& line) { last_ = line; }
  /// Where to go on instead of right after the last line: the end of a content.
  [[nodiscard]] std::optional<Skip> take_skip() { return std::exchange(skip_, {}); }
  /// No boundary is open: the rest is content.
  [[nodiscard]] bool is_done() const { return in_content() && open_.empty(); }
  [[nodiscard]] std::vector<Node> nodes() && { return std::move(nodes_); }

 private:
  enum class In { kHeader, kContent };
  struct Open {
    std::string boundary;
    int node;
  };

  [[nodiscard]] Status open_node(int parent, int depth, std::uint64_t at);
  [[nodiscard]] Status end_header(std::uint64_t header_end, std::uint64_t content);
  [[nodiscard]] Status find_skip(const Node& part);
  [[nodiscard]] std::optional<std::size_t> level_of(std::string_view line, bool& is_last) const;
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
  std::optional<Skip> skip_;
  int lies_ = 0;  // sizes that no boundary proved
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
  return part.is_container ? Status() : find_skip(part);
}

/// The size is the sender's word, so a boundary must prove it. Not in text, which goes to mail programs
/// as it is (write_textual): what they find in it we must have seen.
Status Splitter::find_skip(const Node& part) {
  const std::uint64_t size = part.about.size;
  if (part.about.transfer != Transfer::kBinary || size < kLeastSkip || open_.empty()) return {};
  if (part.about.type.starts_with("text/")) return {};
  if (lies_ >= kMaxLies || part.content > source_.size || size >= source_.size - part.content)
    return {};
  const std::uint64_t end = part.content + size;
  auto text = read_range(source_, end - 1, std::min(source_.size, end + kLineStart + 2));
  if (!text) return text.error();
  std::string_view line = std::string_view(*text).substr(1);
  line.remove_prefix(line.starts_with("\r\n") ? 2 : line.starts_with('\n') ? 1 : line.size());
  line = line.substr(0, std::min(line.find('\n'), kLineStart));
  bool is_last = false;
  if (level_of(line, is_last))
    skip_ = Skip{end, static_cast<std::uint8_t>(text->front())};
  else
    ++lies_;
  return {};
}

/// Which of the open boundaries this line is, if any, and whether it closes.
std::optional<std::size_t> Splitter::level_of(std::string_view line, bool& is_last) const {
  if (!line.starts_with("--")) return std::nullopt;
  const auto text = line.substr(0, line.find_last_not_of(" \t\r\n") + 1);
  for (std::size_t level = open_.size(); level-- > 0;) {
    if (!text.starts_with(open_[level].boundary)) continue;
    const auto rest = text.substr(open_[level].boundary.size());
    is_last = rest == "--";
    if (rest.empty() || is_last) return level;
  }
  return std::nullopt;
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
  bool is_last = false;
  const auto level = level_of(line.text, is_last);
  if (!level) return false;
  const int container = open_[*level].node;
  if (in_ == In::kHeader) status = end_header(line.start, line.start);
  skip_.reset();
  close_until(container, content_end_before(line));
  open_.resize(*level + (is_last ? 0 : 1));
  in_ = In::kContent;
  if (status && !is_last) status = open_node(container, node(container).depth + 1, line.end);
  return true;
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

/// Finds the lines in pieces of a message. Only the start of each is kept, and of content, which
/// may be large, only lines that begin as a boundary does are looked at.
class LineFinder {
 public:
  explicit LineFinder(Splitter& splitter) : splitter_(splitter) {}

  /// The bytes at `next`, up to their end or to where the splitter skips.
  Status take(ByteView piece) {
    while (!piece.empty()) {
      const std::size_t size = line_size(piece);
      if (size == 0) return keep(piece), Status();
      const bool is_plain = (text_.empty() ? piece[0] : text_[0]) != '-';
      if (is_plain && splitter_.in_content()) {
        pass(piece.first(size));
      } else {
        keep(piece.first(size));
        if (auto done = end_line(true); !done) return done;
        const auto skip = splitter_.take_skip();
        if (skip && skip->place > at_) {
          const std::uint64_t distance = skip->place - at_;
          go_to(*skip);
          if (distance >= piece.size() - size) return {};
          piece = piece.subspan(static_cast<std::size_t>(distance));
        }
      }
      piece = piece.subspan(size);
    }
    return {};
  }
  Status finish() { return at_ == start_ ? Status() : end_line(false); }
  [[nodiscard]] std::uint64_t next() const { return at_; }

 private:
  /// With its line end; 0 = the piece has none.
  static std::size_t line_size(ByteView piece) {
    const void* found = std::memchr(piece.data(), '\n', piece.size());
    if (found == nullptr) return 0;
    return static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - piece.data()) + 1;
  }
  /// In the middle of a line of which it is known that it is no boundary.
  void go_to(const Skip& skip) {
    start_ = skip.place - 1;
    at_ = skip.place;
    text_ = '\0';
    last_ = skip.before;
  }
  void keep(ByteView bytes) {
    const std::size_t room = kLineStart - std::min(kLineStart, text_.size());
    text_ += text_of(bytes).substr(0, room);
    count(bytes);
  }
  void count(ByteView bytes) {
    before_last_ = bytes.size() > 1 ? bytes[bytes.size() - 2] : last_;
    last_ = bytes.back();
    at_ += bytes.size();
  }
  void pass(ByteView rest_of_line) {
    count(rest_of_line);
    splitter_.pass(line(true));
    start_line();
  }
  Status end_line(bool has_end) {
    auto taken = splitter_.take(line(has_end));
    start_line();
    return taken;
  }
  [[nodiscard]] Line line(bool has_end) const {
    const std::uint64_t size = !has_end ? 0 : before_last_ == '\r' && at_ - start_ > 1 ? 2 : 1;
    return {start_, at_, text_, at_ - size};
  }
  void start_line() {
    start_ = at_;
    text_.clear();
    before_last_ = last_ = 0;
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
  Bytes buffer(kPiece);
  while (lines.next() < source.size && !splitter.is_done()) {
    const std::uint64_t left = source.size - lines.next();
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, left));
    auto got = source.read(lines.next(), ByteSpan(buffer).first(want));
    if (!got) return got.error();
    if (*got == 0 || *got > want) return too_much("it ends too early");
    if (auto taken = lines.take(ByteView(buffer).first(*got)); !taken) return taken.error();
  }
  if (auto ended = lines.finish(); !ended) return ended.error();
  if (auto ended = splitter.finish(source.size); !ended) return ended.error();
  return std::move(splitter).nodes();
}

}  // namespace p2pmail::core::mime
