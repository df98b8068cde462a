#include <algorithm>
#include <utility>

#include "core/mime_fields.h"
#include "core/mime_glib.h"
#include "core/mime_input.h"
#include "core/submission.h"

namespace p2pmail::core {

using namespace mime;

namespace {

struct Extent {
  std::size_t header = 0;  // bytes of header fields, without the empty line
  std::size_t body = 0;    // where the body starts
};

/// Looks at the complete lines of `text` from `at` on, which is moved along. nullopt = the header
/// goes on after `text`. A line that is no field starts the body, as sendmail has it.
std::optional<Extent> find_end(std::string_view text, bool is_all, std::size_t& at) {
  while (at < text.size()) {
    auto end = text.find('\n', at);
    if (end == std::string_view::npos && !is_all) return std::nullopt;
    end = end == std::string_view::npos ? text.size() : end + 1;
    const auto line = text.substr(at, end - at);
    if (is_empty_line(line)) return Extent{at, end};
    const bool is_mbox_line = at == 0 && line.starts_with("From ");
    if (!is_mbox_line && !is_field_start(line) && (at == 0 || !is_folded(line)))
      return Extent{at, at};
    at = end;
  }
  return is_all ? std::optional<Extent>({at, at}) : std::nullopt;
}

/// CRLF becomes LF, across pieces; a CR that stands alone stays.
class LineEnds {
 public:
  LineEnds(bool change, Sink sink) : change_(change), sink_(std::move(sink)) {}
  [[nodiscard]] Status write(ByteView bytes) {
    if (!change_) return sink_(bytes);
    Bytes out;
    out.reserve(bytes.size() + 1);
    for (const std::uint8_t byte : bytes) {
      if (held_ && byte != '\n') out.push_back('\r');
      held_ = byte == '\r';
      if (!held_) out.push_back(byte);
    }
    return sink_(out);
  }
  [[nodiscard]] Status finish() { return held_ ? sink_(bytes_of("\r")) : Status{}; }

 private:
  bool change_;
  bool held_ = false;  // a CR that may belong to an LF
  Sink sink_;
};

/// A field as it goes out: LF line ends, no other CR, ended.
std::string field_text(std::string_view raw) {
  std::string text;
  text.reserve(raw.size() + 1);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\r')
      text += raw[i];
    else if (raw.substr(i + 1, 1) != "\n")
      text += ' ';
  }
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

/// The mailboxes of a list, split at its commas here: GMime reads "bob, Carol <c@x.org>", where the
/// first is a word without a domain, as one mailbox of the name "bob, Carol", and bob would get
/// nothing.
std::vector<std::string_view> split_list(std::string_view list) {
  std::vector<std::string_view> pieces;
  std::size_t start = 0;
  int comments = 0;
  bool is_quoted = false, is_angled = false, is_group = false;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const char c = list[i];
    if (c == '\\') {
      ++i;
    } else if (c == '"' && comments == 0) {
      is_quoted = !is_quoted;
    } else if (is_quoted) {
      continue;
    } else if (c == '(' || c == ')') {
      comments = std::max(0, comments + (c == '(' ? 1 : -1));
    } else if (comments > 0) {
      continue;
    } else if (c == '<' || c == '>') {
      is_angled = c == '<';
    } else if (c == ':' && !is_angled) {
      is_group = true;
    } else if (c == ';') {
      is_group = false;
    } else if (c == ',' && !is_angled && !is_group) {
      pieces.push_back(list.substr(start, i - start));
      start = i + 1;
    }
  }
  pieces.push_back(list.substr(start));
  return pieces;
}

/// False when the budget of all address fields is used up.
bool add_list(std::string_view value, std::size_t& budget, std::vector<Mailbox5322>& out) {
  for (const auto piece : split_list(value)) {
    if (piece.size() > budget) return false;
    add_addresses(piece, budget, out);
  }
  return true;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

struct Submission::State {
  std::string raw;            // the header as it came
  std::vector<Field> fields;  // look into raw
  HeaderFields said;
  std::vector<Mailbox5322> open, blind;
  std::unique_ptr<Input> body;
  bool has_crlf = false;
  std::string body_type;  // fields for a body that the program says nothing about

  [[nodiscard]] Status take(std::string text, Extent extent, int fd, const std::string& name,
                            const Input::Stopped& stopped);
  [[nodiscard]] Status list_recipients(const std::string& name);
  [[nodiscard]] bool has(std::string_view field) const {
    return std::any_of(fields.begin(), fields.end(),
                       [field](const Field& one) { return one.name == field; });
  }
  [[nodiscard]] std::string address_field(const Field& field, const Changes& changes) const;
  [[nodiscard]] std::string missing(const Changes& changes) const;
};

Status Submission::State::list_recipients(const std::string& name) {
  const bool again = has("resent-to") || has("resent-cc") || has("resent-bcc");
  std::size_t budget = kMaxAddresses;
  bool fits = true;
  for (const Field& field : fields) {
    const bool is_resent = field.name.starts_with("resent-");
    const auto plain = is_resent ? field.name.substr(7) : field.name;
    if (again != is_resent) continue;
    if (is_one_of(plain, {"to", "cc"})) fits = add_list(field.value, budget, open) && fits;
    if (plain == "bcc") fits = add_list(field.value, budget, blind) && fits;
  }
  if (fits) return {};
  return Error{Code::kMalformed, name + ": more than 128 KiB of addresses in one header", ""};
}

Status Submission::State::take(std::string text, Extent extent, int fd, const std::string& name,
                               const Input::Stopped& stopped) {
  if (text.substr(0, extent.header).find('\0') != std::string::npos) {
    return Error{Code::kMalformed, name + ": NUL in the header", ""};
  }
  const auto first = text.find('\n');
  has_crlf = first != std::string::npos && first > 0 && text[first - 1] == '\r';
  body = std::make_unique<Input>(fd, name, std::string_view(text).substr(extent.body), stopped);
  text.resize(extent.header);
  raw = std::move(text);
  fields = split_fields(raw);
  said = parse_header(raw).value_or(HeaderFields{});
  if (auto listed = list_recipients(name); !listed) return listed;
  if (has("content-type") || has("content-transfer-encoding")) return {};
  if (auto read = body->peek(); !read) return read;
  body_type = body_fields(*body);
  return {};
}

std::string Submission::State::address_field(const Field& field, const Changes& changes) const {
  std::vector<Mailbox5322> list;
  std::size_t budget = kMaxAddresses;
  (void)add_list(field.value, budget, list);  // refused before when it is too long
  bool is_changed = false;
  for (auto& mailbox : list) {
    auto other = changes.resolve ? changes.resolve(mailbox) : std::nullopt;
    if (!other) continue;
    mailbox = std::move(*other);
    is_changed = true;
  }
  if (!is_changed) return field_text(field.text);
  return address_header_line(field.text.substr(0, field.name.size()), list);
}

std::string Submission::State::missing(const Changes& changes) const {
  std::string text;
  if (!has("date")) text += date_field(changes.time);
  if (!has("message-id")) text += id_field("Message-ID", changes.message_id);
  if (body_type.empty()) return text + "\n";
  if (!has("mime-version")) text += "MIME-Version: 1.0\n";
  return text + body_type;
}

Submission::Submission(std::unique_ptr<State> state) : state_(std::move(state)) {}
Submission::Submission(Submission&&) noexcept = default;
Submission& Submission::operator=(Submission&&) noexcept = default;
Submission::~Submission() = default;

Result<Submission> Submission::read(int fd, const std::string& name,
                                    std::function<bool()> stopped) {
  init();
  constexpr std::size_t kPiece = 16 * 1024;
  std::string text;
  std::size_t at = 0;
  std::optional<Extent> extent;
  for (bool is_all = false; !extent; extent = find_end(text, is_all, at)) {
    if (text.size() > kMaxHeader) {
      return Error{Code::kMalformed, name + ": the header is longer than 1 MiB", ""};
    }
    const std::size_t size = text.size();
    text.resize(size + kPiece);
    const ByteSpan room(reinterpret_cast<std::uint8_t*>(text.data()) + size, kPiece);
    auto got = read_some(fd, name, room, stopped);
    if (!got) return got.error();
    text.resize(size + *got);
    is_all = *got == 0;
  }
  auto state = std::make_unique<State>();
  if (auto taken = state->take(std::move(text), *extent, fd, name, stopped); !taken)
    return taken.error();
  return Submission(std::move(state));
}

const HeaderFields& Submission::fields() const { return state_->said; }
const std::vector<Mailbox5322>& Submission::open() const { return state_->open; }
const std::vector<Mailbox5322>& Submission::blind() const { return state_->blind; }

std::string Submission::header(const Changes& changes, HeaderFields* said) const {
  std::string text;
  if (changes.from) text += address_header_line("From", {*changes.from});
  for (const Field& field : state_->fields) {
    if (is_one_of(field.name, {"bcc", "resent-bcc"})) continue;
    if (field.name == "from" && changes.from) {
      text += field_text("X-Original-From" + std::string(field.text.substr(field.name.size())));
    } else if (is_one_of(field.name, {"to", "cc", "resent-to", "resent-cc"})) {
      text += state_->address_field(field, changes);
    } else {
      text += field_text(field.text);
    }
  }
  text += state_->missing(changes);
  if (said != nullptr) *said = parse_header(text).value_or(HeaderFields{});
  return text;
}

Status Submission::copy_body(const Sink& sink) {
  LineEnds lines(state_->has_crlf, sink);
  auto copied = state_->body->copy([&lines](ByteView bytes) { return lines.write(bytes); });
  return copied ? lines.finish() : copied;
}

}  // namespace p2pmail::core
