#include "core/sealed_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <map>
#include <mutex>

#include "core/crypto.h"
#include "core/region_head.h"
#include "core/text.h"

namespace p2pmail::core {

namespace {

// What a prefix may take: three address lists of 12 KiB, twenty references and some single values
// stay below kMaxPrefix even when every byte of a value needs three in RFC 2047.
constexpr std::size_t kMaxAddresses = 50;
constexpr std::size_t kMaxListLine = 12 * 1024;
constexpr std::size_t kMaxName = 200;
constexpr std::size_t kMaxAddress = 320;
constexpr std::size_t kMaxReferences = 20;
constexpr std::size_t kMaxReference = 250;
constexpr std::size_t kMaxValue = 2000;
constexpr std::size_t kMaxDate = 100;
constexpr std::uint64_t kWriteback = 8 << 20;
constexpr std::size_t kUsualHeader = 4096;
constexpr std::chrono::seconds kLockWait{5};
constexpr std::string_view kIdField = "P2pmail-Id";

/// At most `max` bytes, not inside a UTF-8 sequence.
std::string cut(std::string_view text, std::size_t max) {
  if (text.size() <= max) return std::string(text);
  while (max > 0 && (static_cast<unsigned char>(text[max]) & 0xc0) == 0x80) --max;
  return std::string(text.substr(0, max));
}

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
}

/// An address that is too long or unprintable is left out: cut it would be somebody else's.
bool is_usable(const Mailbox5322& mailbox) {
  return !mailbox.address.empty() && mailbox.address.size() <= kMaxAddress &&
         !has_controls(mailbox.address);
}

/// The lines that were made last: mail of one conversation has the same few again and again, and
/// GMime looks at each address as if it were new (IDNA among others).
class KnownLines {
 public:
  std::string line(std::string_view name, const std::vector<Mailbox5322>& list) {
    std::string key(name);
    for (const Mailbox5322& mailbox : list)
      for (const std::string* text : {&mailbox.name, &mailbox.address})
        key += ' ' + std::to_string(text->size()) + ':' + *text;
    if (key.size() > kLongest) return address_header_line(name, list);
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto known = lines_.find(key);
    if (known != lines_.end()) return known->second;
    if (lines_.size() >= kMost) lines_.clear();
    return lines_[std::move(key)] = address_header_line(name, list);
  }

 private:
  static constexpr std::size_t kLongest = 1024;  // bytes
  static constexpr std::size_t kMost = 64;
  std::mutex mutex_;
  std::map<std::string, std::string> lines_;
};

std::string known_address_line(std::string_view name, const std::vector<Mailbox5322>& list) {
  static KnownLines known;
  return known.line(name, list);
}

std::string address_field(std::string_view name, const std::vector<Mailbox5322>& list,
                          HeaderPolicy policy) {
  std::vector<Mailbox5322> shown;
  for (const Mailbox5322& mailbox : list) {
    if (shown.size() == kMaxAddresses) break;
    if (!is_usable(mailbox)) continue;
    const bool named = policy < HeaderPolicy::kShy;
    shown.push_back({named ? cut(mailbox.name, kMaxName) : "", mailbox.address});
  }
  std::string line = shown.empty() ? "" : known_address_line(name, shown);
  while (line.size() > kMaxListLine) {
    shown.resize(shown.size() / 2);
    line = shown.empty() ? "" : known_address_line(name, shown);
  }
  return line;
}

bool is_reference(std::string_view id) {
  return !id.empty() && id.size() <= kMaxReference && is_printable_ascii(id) &&
         id.find_first_of(" <>") == std::string_view::npos;
}

/// "Name: <id>\n <id>\n": folded by us, because an id must never be encoded or broken.
std::string reference_field(std::string_view name, const std::vector<std::string>& ids) {
  std::string value;
  const std::size_t skipped = ids.size() > kMaxReferences ? ids.size() - kMaxReferences : 0;
  for (std::size_t i = skipped; i < ids.size(); ++i)
    if (is_reference(ids[i])) value += (value.empty() ? "<" : "\n <") + ids[i] + ">";
  return value.empty() ? "" : std::string(name) + ": " + value + "\n";
}

std::string date_field(const HeaderFields& fields, HeaderPolicy policy) {
  const bool as_written = policy < HeaderPolicy::kShy && !fields.date.empty() &&
                          fields.date.size() <= kMaxDate && is_printable_ascii(fields.date);
  if (as_written) return "Date: " + fields.date + "\n";
  return fields.time == 0 ? "" : "Date: " + rfc5322_date(fields.time) + "\n";
}

std::string message_fields(const OuterHeader& outer) {
  const HeaderFields& fields = outer.fields;
  std::string text;
  if (outer.policy == HeaderPolicy::kSealed) {
    text += "From: sealed <sealed@p2pmail.alt>\n";  // programs want a From
  } else {
    text += address_field("From", fields.from, outer.policy);
    text += address_field("To", fields.to, outer.policy);
    text += address_field("Cc", fields.cc, outer.policy);
  }
  text += date_field(fields, outer.policy);
  text += reference_field("Message-ID", {fields.message_id});
  text += reference_field("In-Reply-To", {fields.in_reply_to});
  text += reference_field("References", fields.references);
  text += outer.policy == HeaderPolicy::kNone
              ? header_line("Subject", cut(fields.subject, kMaxValue))
              : "Subject: [...]\n";
  return text;
}

/// 128 random bits: the letter's stream was fixed before, so nobody can have put it there.
std::string make_boundary() {
  std::array<std::uint8_t, 16> random{};
  random_bytes(random);
  return "p2pmail-" + to_hex(random);
}

/// The boundary of the last part that a prefix opens; empty for a bare part.
std::string_view boundary_of(std::string_view prefix) {
  const auto line = prefix.rfind("\n--");
  if (line == std::string_view::npos) return {};
  const auto start = line + 3;
  return prefix.substr(start, prefix.find('\n', start) - start);
}

/// Where the header ends: after the line end of its last line; everything when no empty line comes.
std::string_view header_of(std::string_view text) {
  if (text.starts_with(kMagic)) return {};
  for (std::size_t line = 0; line < text.size();) {
    const auto end = text.find('\n', line);
    if (end == std::string_view::npos) break;
    const bool is_empty = end == line || (end == line + 1 && text[line] == '\r');
    if (is_empty) return text.substr(0, line);
    line = end + 1;
  }
  return text;
}

bool follows_empty_line(std::string_view text, std::size_t at) {
  const auto before = text.substr(0, at);
  return at == 0 || before.ends_with("\n\n") || before.ends_with("\n\r\n");
}

/// Offset of the region head in the first bytes of a file.
std::optional<std::size_t> find_region(std::string_view text) {
  for (auto at = text.find(kMagic); at <= kMaxPrefix; at = text.find(kMagic, at + 1))
    if (follows_empty_line(text, at)) return at;
  return std::nullopt;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// The id field's value without white space: another program may have folded it.
std::optional<std::string> id_value(std::string_view header) {
  for (std::size_t line = 0; line < header.size();) {
    std::size_t end = std::min(header.find('\n', line), header.size());
    const auto name = header.substr(line, kIdField.size());
    const bool is_it = std::equal(name.begin(), name.end(), kIdField.begin(), kIdField.end(),
                                  [](char a, char b) { return lower(a) == lower(b); }) &&
                       header.substr(line + name.size()).starts_with(':');
    while (is_it && end + 1 < header.size() && (header[end + 1] == ' ' || header[end + 1] == '\t'))
      end = std::min(header.find('\n', end + 1), header.size());
    if (is_it) {
      std::string value(header.substr(line, end - line).substr(kIdField.size() + 1));
      std::erase_if(value, [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
      return value;
    }
    line = end + 1;
  }
  return std::nullopt;
}

Result<std::string> read_start(int fd, std::size_t max, const std::filesystem::path& path) {
  std::string text(max, '\0');
  auto* bytes = reinterpret_cast<std::uint8_t*>(text.data());
  auto size = read_at(fd, 0, ByteSpan(bytes, max), path);
  if (!size) return size.error();
  text.resize(*size);
  return text;
}

Result<std::uint64_t> regular_size(int fd, const std::filesystem::path& path) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return errno_error(errno, path, "cannot stat");
  if (!S_ISREG(status.st_mode)) return Error{Code::kMalformed, path.string() + ": not a file"};
  return static_cast<std::uint64_t>(status.st_size);
}

/// Locks a file that was just created, and writes its first bytes. Whoever tidies up may have taken
/// the lock, and the name, before us.
Status begin_file(int fd, std::string_view prefix, const std::filesystem::path& path) {
  const auto locked = lock_file(fd, LockKind::kShared, kLockWait, path);
  if (!locked) return locked.error();
  if (!*locked || !is_named(fd, path))
    return Error{Code::kBusy, path.string() + ": another process has taken it"};
  return write_at(fd, 0, bytes_of(prefix), path);
}

}  // namespace

std::string sealed_prefix(const OuterHeader& outer) {
  const std::string boundary = make_boundary();
  std::string text = message_fields(outer);
  // Who signed says who wrote: hidden together with From.
  if (!outer.authentication.empty() && outer.policy != HeaderPolicy::kSealed)
    text += header_line("Authentication-Results", cut(outer.authentication, kMaxValue));
  text += std::string(kIdField) + ": " + to_hex(outer.id) + "\n";
  text +=
      "MIME-Version: 1.0\n"
      "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\n"
      " boundary=\"" +
      boundary +
      "\"\n\n"
      "--" +
      boundary +
      "\n"
      "Content-Type: application/pgp-encrypted\n\n"
      "Version: 1\n\n"
      "--" +
      boundary +
      "\n"
      "Content-Type: application/octet-stream\n"
      "Content-Transfer-Encoding: binary\n\n";
  check(text.size() <= kMaxPrefix);
  return text;
}

Result<SealedFileWriter> SealedFileWriter::create(const std::filesystem::path& path,
                                                  std::string_view prefix,
                                                  std::size_t capsule_size) {
  if (prefix.size() > kMaxPrefix || capsule_size == 0 || capsule_size > kMaxSealedCapsule)
    return Error{Code::kBug, path.string() + ": a sealed file cannot have these sizes"};
  auto fd = open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!fd) return fd.error();
  SealedFileWriter writer;
  writer.path_ = path;
  writer.fd_ = std::move(*fd);
  writer.capsule_size_ = capsule_size;
  writer.region_ = prefix.size();
  writer.stream_offset_ = prefix.size() + kRegionHead + capsule_size;
  writer.boundary_ = boundary_of(prefix);
  if (auto begun = begin_file(writer.fd_.get(), prefix, path); !begun) {
    (void)unlink(path.c_str());
    return begun.error();
  }
  return writer;
}

Status SealedFileWriter::write(std::uint64_t offset, ByteView bytes) {
  has_stream_ = true;
  const std::uint64_t end = stream_offset_ + offset + bytes.size();
  if (Status put = write_at(fd_.get(), end - bytes.size(), bytes, path_); !put) return put;
  unstarted_ += bytes.size();
  if (unstarted_ >= kWriteback) {
    start_writeback(fd_.get(), end - std::min(end, unstarted_), std::min(end, unstarted_));
    unstarted_ = 0;
  }
  return {};
}

Status SealedFileWriter::put_end(std::uint64_t at) {
  if (boundary_.empty()) return {};
  return write_at(fd_.get(), at, bytes_of("\n--" + boundary_ + "--\n"), path_);
}

Status SealedFileWriter::finish(ByteView capsule, std::uint64_t stream_size) {
  if (capsule.size() != capsule_size_)
    return Error{Code::kBug, path_.string() + ": the capsule is not as long as its room"};
  if (const auto put = put_end(stream_offset_ + stream_size); !put) return put;
  Bytes head = make_head({static_cast<std::uint32_t>(capsule.size()), stream_size, {}});
  append(head, capsule);
  return write_at(fd_.get(), region_, head, path_);
}

Status SealedFileWriter::finish_stub(ByteView capsule, std::uint64_t stream_size,
                                     const BlobRef& blob) {
  if (capsule.size() != capsule_size_ || has_stream_)
    return Error{Code::kBug, path_.string() + ": a stub has a capsule of its size and no stream"};
  if (const auto put = put_end(region_ + kStubHead + capsule.size()); !put) return put;
  Bytes head = make_head({static_cast<std::uint32_t>(capsule.size()), stream_size, blob});
  append(head, capsule);
  return write_at(fd_.get(), region_, head, path_);
}

Status SealedFileWriter::sync() { return sync_fd(fd_.get(), path_); }

Result<SealedFile> SealedFile::open(const std::filesystem::path& path) {
  auto fd = open_file(path, O_RDONLY | O_NONBLOCK);  // a FIFO must not hang us
  if (!fd) return fd.error();
  auto size = regular_size(fd->get(), path);
  if (!size) return size.error();
  auto start = read_start(fd->get(), kMaxPrefix + kStubHead, path);
  if (!start) return start.error();
  const auto region = find_region(*start);
  if (!region || start->size() - *region < kRegionHead)
    return Error{Code::kMalformed, path.string() + ": not a sealed mail"};
  auto head = parse_head(bytes_of(*start).subspan(*region));
  if (!head) return head.error().in(path.string());
  const std::uint64_t capsule_at = *region + head->size();
  if (auto fits = check_head(*head, *size - std::min(*size, capsule_at)); !fits)
    return fits.error().in(path.string());
  SealedFile file;
  file.capsule_.resize(head->capsule);
  auto read = read_at(fd->get(), capsule_at, file.capsule_, path);
  if (!read) return read.error();
  if (*read != file.capsule_.size())
    return Error{Code::kMalformed, path.string() + ": the sealed mail is cut off"};
  file.path_ = path;
  file.fd_ = std::move(*fd);
  file.outer_ = header_of(std::string_view(*start).substr(0, *region));
  file.stream_offset_ = head->blob ? 0 : capsule_at + head->capsule;
  file.stream_size_ = head->stream;
  file.blob_ = head->blob;
  return file;
}

Source SealedFile::source() const {
  return [fd = fd_.get(), path = path_, start = stream_offset_,
          size = blob_ ? 0 : stream_size_](
             std::uint64_t offset, ByteSpan out) -> Status {
    if (offset > size || out.size() > size - offset)
      return Error{Code::kMalformed, path.string() + ": the sealed mail ends too early"};
    auto read = read_at(fd, start + offset, out, path);
    if (!read) return read.error();
    if (*read == out.size()) return {};
    return Error{Code::kMalformed, path.string() + ": the sealed mail is cut off"};
  };
}

Result<std::optional<BlobRef>> blob_of(const std::filesystem::path& path) {
  auto fd = open_file(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return fd.error();
  if (auto size = regular_size(fd->get(), path); !size) return size.error();
  // Most regions begin early, and whoever asks this asks it of every file.
  for (const std::size_t max : {kUsualHeader, kMaxPrefix + kStubHead}) {
    auto start = read_start(fd->get(), max, path);
    if (!start) return start.error();
    const auto region = find_region(*start);
    if (start->size() == max && max == kUsualHeader && (!region || max - *region < kStubHead))
      continue;
    if (!region) break;
    const auto head = parse_head(bytes_of(*start).subspan(*region));
    if (!head && head.error().code == Code::kUnsupported) return head.error().in(path.string());
    return head ? head->blob : std::optional<BlobRef>();
  }
  return std::optional<BlobRef>();
}

Result<std::string> read_outer(const std::filesystem::path& path) {
  auto fd = open_file(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return fd.error();
  if (auto size = regular_size(fd->get(), path); !size) return size.error();
  // Most headers are short, and a listing reads many.
  for (const std::size_t max : {kUsualHeader, kMaxPrefix}) {
    auto start = read_start(fd->get(), max, path);
    if (!start) return start.error();
    const auto header = header_of(*start);
    if (header.size() < max || max == kMaxPrefix) return std::string(header);
  }
  return std::string();
}

std::optional<MessageId> id_in(std::string_view outer) {
  const auto value = id_value(header_of(outer));
  const auto bytes =
      value && value->size() == 2 * MessageId::kSize ? from_hex(*value) : std::nullopt;
  if (!bytes) return std::nullopt;
  MessageId id;
  std::copy(bytes->begin(), bytes->end(), id.bytes.begin());
  return id;
}

}  // namespace p2pmail::core
