#include "core/mime.h"

#include <algorithm>
#include <utility>

#include "core/mime_fields.h"
#include "core/mime_glib.h"
#include "core/mime_own.h"
#include "core/mime_parts.h"
#include "core/mime_text.h"
#include "core/text.h"

namespace p2pmail::core {

using namespace mime;

namespace {

GMimeContentEncoding gmime_encoding(Transfer transfer) {
  switch (transfer) {
    case Transfer::kIdentity:
      return GMIME_CONTENT_ENCODING_8BIT;
    case Transfer::kBinary:
      return GMIME_CONTENT_ENCODING_BINARY;
    case Transfer::kBase64:
      return GMIME_CONTENT_ENCODING_BASE64;
    case Transfer::kQuotedPrintable:
      return GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
    case Transfer::kUuencode:
      return GMIME_CONTENT_ENCODING_UUENCODE;
  }
  return GMIME_CONTENT_ENCODING_8BIT;
}

/// A transfer encoding taken off or put on, piece by piece.
class Coder {
 public:
  Coder(Transfer transfer, bool encode, Sink sink)
      : filter_(g_mime_filter_basic_new(gmime_encoding(transfer), encode ? TRUE : FALSE)),
        sink_(std::move(sink)) {}
  [[nodiscard]] Status write(ByteView bytes) { return run(g_mime_filter_filter, bytes); }
  [[nodiscard]] Status finish() { return run(g_mime_filter_complete, {}); }

 private:
  template <class Step>
  Status run(Step step, ByteView bytes) {
    // GMime takes the input as writable and wants room before it; it changes neither here.
    static char empty = 0;
    char* in =
        bytes.empty() ? &empty : const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
    char* out = nullptr;
    std::size_t size = 0, room = 0;
    step(filter_.get(), in, bytes.size(), 0, &out, &size, &room);
    if (size == 0) return {};
    return sink_(bytes_of(std::string_view(out, size)));
  }

  GRef<GMimeFilter> filter_;
  Sink sink_;
};

bool is_plain(Transfer transfer) {
  return transfer == Transfer::kIdentity || transfer == Transfer::kBinary;
}

/// The content of `node` without its transfer encoding.
Status decode(const MessageSource& source, const Node& node, const Sink& sink) {
  if (is_plain(node.about.transfer) || node.is_message)
    return read_pieces(source, node.content, node.end, sink);
  Coder coder(node.about.transfer, false, sink);
  auto read = read_pieces(source, node.content, node.end,
                          [&](ByteView piece) { return coder.write(piece); });
  return read ? coder.finish() : read;
}

// Stands for NUL outside of contents. Not white space: that may follow a boundary.
constexpr char kNoNul = '?';

/// NUL ends a string for the reader of write_textual; outside of contents it means nothing.
Status write_without_nul(const MessageSource& source, std::uint64_t start, std::uint64_t end,
                         const Sink& sink) {
  return read_pieces(source, start, end, [&](ByteView piece) -> Status {
    if (std::find(piece.begin(), piece.end(), 0) == piece.end()) return sink(piece);
    Bytes clean = to_bytes(piece);
    std::replace(clean.begin(), clean.end(), std::uint8_t{0}, std::uint8_t{kNoNul});
    return sink(clean);
  });
}

/// Whether a part must become base64 for a reader of C strings: binary data, and any text with NUL,
/// or declared binary because of its CR.
Result<bool> needs_base64(const MessageSource& source, const Node& node) {
  const bool is_binary = node.about.transfer == Transfer::kBinary;
  if (is_binary && !node.about.type.starts_with("text/")) return true;
  bool found = false;
  auto read = read_pieces(source, node.content, node.end, [&](ByteView piece) -> Status {
    found = found || std::any_of(piece.begin(), piece.end(), [&](std::uint8_t byte) {
              return byte == 0 || (is_binary && byte == '\r');
            });
    return {};
  });
  if (!read) return read.error();
  return found;
}

/// How a part differs in write_textual.
struct Change {
  bool renames = false;  // the header of a message: fields of ours are renamed
  bool hides = false;    // an encoded message: its reader must not look inside
  bool encodes = false;  // the content becomes base64
  bool shortens = false;  // a note stands for the content
  [[nodiscard]] bool any() const { return renames || hides || encodes || shortens; }
  [[nodiscard]] bool replaces_content() const { return encodes || shortens; }
};

Result<Change> change_of(const MessageSource& source, const Node& node, bool is_message_header,
                         std::uint64_t max_part) {
  Change change;
  change.renames = is_message_header;
  if (node.is_container || node.is_message) return change;
  change.shortens = node.end - node.content > max_part;
  if (change.shortens) return change;
  change.hides = is_message_type(node.about.type);
  auto encodes = needs_base64(source, node);
  if (!encodes) return encodes.error();
  change.encodes = *encodes;
  return change;
}

/// "; filename=..." of a note (RFC 2183, RFC 2231); empty for a part without a name.
std::string note_name(const std::string& file_name) {
  if (file_name.empty()) return {};
  std::string value;
  for (const char c : safe_file_name(file_name) + ".txt") {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    if (is_plain) value += c;
    else value += "%" + to_hex(bytes_of(std::string_view(&c, 1)));
  }
  return ";\n filename*=utf-8''" + value;
}

/// The fields that describe a note, in place of those of the part.
std::string note_fields(const PartInfo& part) {
  return "Content-Type: text/plain; charset=utf-8\n"
         "Content-Transfer-Encoding: 8bit\n"
         "Content-Disposition: inline" +
         note_name(part.file_name) + "\n";
}

/// `around` is the message/rfc822 part that `node` is the content of, if any; `part` is what a note
/// stands for.
Status write_header(const MessageSource& source, const Node& node, const Node* around,
                    const Change& change, const PartInfo* part, const Sink& sink) {
  auto header = read_range(source, node.header, node.content);
  if (!header) return header.error();
  std::replace(header->begin(), header->end(), '\0', kNoNul);
  std::string text = around != nullptr && !around->has_empty_line ? "\n" : "";
  bool needs_version = change.replaces_content() && change.renames;  // messages do, parts do not
  for (const Field& field : split_fields(*header)) {
    if (change.shortens && field.name.starts_with("content-")) continue;
    if (change.encodes && field.name == "content-transfer-encoding") continue;
    if (field.name == "mime-version") needs_version = false;
    const bool is_hidden = change.hides && field.name == "content-type";
    text += safe_text(field, is_hidden || (change.renames && is_own(field)));
  }
  if (needs_version) text += "MIME-Version: 1.0\n";
  if (change.hides) text += "Content-Type: application/octet-stream\n";
  if (change.encodes) text += "Content-Transfer-Encoding: base64\n";
  if (change.shortens && part != nullptr) text += note_fields(*part);
  // A message/rfc822 part without an empty line gets it from the message inside.
  const bool lacks_end = node.content < node.end && !node.is_message;
  if (node.has_empty_line && header->ends_with("\r\n")) {
    text += "\r\n";
  } else if (node.has_empty_line || change.replaces_content() || lacks_end) {
    text += '\n';
  }
  return sink(bytes_of(text));
}

Status write_as_base64(const MessageSource& source, const Node& node, const Sink& sink) {
  Coder coder(Transfer::kBase64, true, sink);
  auto put = decode(source, node, [&](ByteView piece) { return coder.write(piece); });
  return put ? coder.finish() : put;
}

/// At most `max` bytes of what a part says.
std::string text_of_part(const MessageSource& source, const Node& node, std::size_t max) {
  // Four bytes in any charset make at least one in UTF-8; markup is longer than what it says.
  const std::size_t bound = max > SIZE_MAX / 8 ? max : max * 4 + 4096;
  std::string raw;
  const Error enough{Code::kRefused, "enough"};
  auto read = decode(source, node, [&](ByteView piece) -> Status {
    raw += text_of(piece).substr(0, bound - raw.size());
    return raw.size() < bound ? Status() : Status(enough);
  });
  (void)read;  // a part that cannot be read to its end shows what there is
  const std::string_view whole = raw.size() < bound ? raw : cut_utf8(raw, bound - 1);
  std::string text = to_utf8(whole, node.about.charset);
  if (node.about.type == "text/html") text = html_to_text(text);
  return std::string(cut_utf8(text, max));
}

/// Whatever the encoding: three characters for a byte in quoted-printable, two thirds of base64.
std::uint64_t least_size(const Node& node) {
  const std::uint64_t size = node.end - node.content;
  if (is_plain(node.about.transfer) || node.is_message) return size;
  return node.about.transfer == Transfer::kQuotedPrintable ? size / 3 : size / 3 * 2;
}

}  // namespace

struct Message::State {
  MessageSource source;
  std::vector<Node> nodes;
  std::vector<PartInfo> parts;
  std::vector<std::size_t> node_of;  // of parts
  HeaderFields header;

  void list_parts();
  /// Null for a container.
  [[nodiscard]] const PartInfo* part_of(std::size_t node) const;
  /// Inside of something that its sender attached.
  [[nodiscard]] bool is_attached(const Node& node) const;
  [[nodiscard]] std::string texts(std::string_view type, std::size_t count, std::size_t max) const;
};

void Message::State::list_parts() {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    if (node.is_container) continue;
    PartInfo part;
    part.number = static_cast<int>(parts.size()) + 1;
    part.type = node.about.type;
    part.file_name = node.about.file_name;
    part.is_attachment =
        node.about.is_attachment || (!node.is_message && !node.about.type.starts_with("text/"));
    part.encoded_size = node.end - node.content;
    part.least_size = least_size(node);
    parts.push_back(std::move(part));
    node_of.push_back(i);
  }
}

const PartInfo* Message::State::part_of(std::size_t node) const {
  const auto found = std::lower_bound(node_of.begin(), node_of.end(), node);
  if (found == node_of.end() || *found != node) return nullptr;
  return &parts[static_cast<std::size_t>(found - node_of.begin())];
}

bool Message::State::is_attached(const Node& node) const {
  if (node.about.is_attachment) return true;
  for (int at = node.parent; at >= 0; at = nodes[static_cast<std::size_t>(at)].parent)
    if (nodes[static_cast<std::size_t>(at)].about.is_attachment) return true;
  return false;
}

std::string Message::State::texts(std::string_view type, std::size_t count, std::size_t max) const {
  std::string text;
  for (const Node& node : nodes) {
    if (count == 0 || text.size() >= max) break;
    if (node.is_container || node.about.type != type || is_attached(node)) continue;
    if (!text.empty() && text.back() != '\n') text += '\n';
    text += text_of_part(source, node, max - text.size());
    --count;
  }
  return text;
}

Message::Message(std::unique_ptr<State> state) : state_(std::move(state)) {}
Message::Message(Message&&) noexcept = default;
Message& Message::operator=(Message&&) noexcept = default;
Message::~Message() = default;

Result<Message> Message::parse(MessageSource source) {
  init();
  auto state = std::make_unique<State>();
  state->source = std::move(source);
  auto nodes = split_parts(state->source);
  if (!nodes) return nodes.error();
  state->nodes = std::move(*nodes);
  auto header = read_range(state->source, 0, state->nodes.front().content);
  if (!header) return header.error();
  state->header = parse_header(*header).value_or(HeaderFields{});
  state->list_parts();
  return Message(std::move(state));
}

const HeaderFields& Message::header() const { return state_->header; }

const std::vector<PartInfo>& Message::parts() const { return state_->parts; }

std::string Message::body_text(std::size_t max) const {
  std::string text = state_->texts("text/plain", kMaxParts, max);
  return text.empty() ? state_->texts("text/html", 1, max) : text;
}

Status Message::write_part(int number, const Sink& sink) const {
  if (number < 1 || static_cast<std::size_t>(number) > state_->parts.size())
    return Error{Code::kNotFound, "part " + std::to_string(number) + ": there is no such part"};
  const auto index = state_->node_of[static_cast<std::size_t>(number) - 1];
  return decode(state_->source, state_->nodes[index], sink);
}

Status Message::write_textual(const Sink& sink, const Shortening& shortening) const {
  const MessageSource& source = state_->source;
  std::uint64_t written = 0;
  for (std::size_t i = 0; i < state_->nodes.size(); ++i) {
    const Node& node = state_->nodes[i];
    const Node* parent =
        node.parent < 0 ? nullptr : &state_->nodes[static_cast<std::size_t>(node.parent)];
    const Node* around = parent != nullptr && parent->is_message ? parent : nullptr;
    const PartInfo* part = state_->part_of(i);
    const auto change = change_of(source, node, parent == nullptr || around != nullptr,
                                  shortening.note ? shortening.max_part : UINT64_MAX);
    if (!change) return change.error();
    if (!change->any()) continue;
    auto put = write_without_nul(source, written, node.header, sink);
    if (put) put = write_header(source, node, around, *change, part, sink);
    if (put && change->encodes) put = write_as_base64(source, node, sink);
    if (put && change->shortens) put = sink(bytes_of(shortening.note(*part)));
    if (!put) return put;
    written = change->replaces_content() ? node.end : node.content;
  }
  return write_without_nul(source, written, source.size, sink);
}

}  // namespace p2pmail::core
