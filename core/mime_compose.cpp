// Writing: GMime makes the values of a header, the bytes of body and attachments pass through as
// they are. Every length is unknown (a body may be a pipe), so the structure is written as it goes.
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <limits>
#include <utility>

#include "core/crypto.h"
#include "core/mime.h"
#include "core/mime_glib.h"
#include "core/mime_input.h"
#include "core/mime_text.h"
#include "core/text.h"

namespace p2pmail::core {

using namespace mime;

namespace {

constexpr std::size_t kMaxFileName = 255;  // encoded it still is one line
constexpr std::size_t kMaxWord = 200;
constexpr std::size_t kLine = 78;

/// What cannot stand in a header becomes a space or U+FFFD.
std::string clean_value(std::string_view value) {
  std::string clean = valid_utf8(value);
  for (char& c : clean)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  return clean;
}

/// An address as it may stand between angle brackets without becoming another one.
bool is_addr_spec(std::string_view address) {
  return !address.empty() && !has_controls(address) &&
         address.find_first_of(" <>()[],;:\\\"") == std::string_view::npos;
}

/// RFC 2047 section 2: an encoded word has at most 75 characters, which is 45 bytes in base64.
std::string encode_all(std::string_view value) {
  std::string words;
  while (!value.empty()) {
    const std::string_view piece = cut_utf8(value, 45);
    const GText base64(
        g_base64_encode(reinterpret_cast<const guchar*>(piece.data()), piece.size()));
    words += (words.empty() ? "=?UTF-8?B?" : " =?UTF-8?B?") + std::string(base64.get()) + "?=";
    value.remove_prefix(piece.size());
  }
  return words;
}

/// GMime's encoding where its result is what a reader takes for the value: it leaves text that looks
/// like an encoded word as it is, and words longer than a line may be (RFC 5322 section 2.1.1).
std::string encode_value(const std::string& value) {
  std::size_t word = 0, longest = 0;  // with the blanks before it: a line is not broken there
  for (std::size_t i = 0; i < value.size(); ++i) {
    const bool starts = value[i] == ' ' && (i == 0 || value[i - 1] != ' ');
    longest = std::max(longest, word = starts ? 1 : word + 1);
  }
  if (longest > kMaxWord || value.find("=?") != std::string::npos) return encode_all(value);
  const GText encoded(g_mime_utils_header_encode_text(nullptr, value.c_str(), "utf-8"));
  return encoded.get();
}

/// RFC 5322 section 2.2.3. Only before a space that a word follows, so that no line begins another
/// field or is empty; GMime's own folding (3.2.13) breaks lines inside what it takes for an encoded
/// word.
std::string fold_field(const std::string& line) {
  std::string folded;
  for (std::size_t at = 0; at < line.size();) {
    const auto space = line.find(' ', line.find_first_not_of(' ', at));
    const auto end = std::min(space, line.size());
    const auto column = folded.size() - (folded.rfind('\n') + 1);
    const bool is_value = folded.find(' ') != std::string::npos;
    const bool has_word = line.find_first_not_of(' ', at) < line.size();
    if (is_value && has_word && column + end - at > kLine) folded += '\n';
    folded.append(line, at, end - at);
    at = end;
  }
  return folded + '\n';
}

std::string format_date(GTime time) {
  if (!time) time.reset(g_date_time_new_from_unix_utc(0));
  const GText text(g_mime_utils_header_format_date(time.get()));
  return text.get();
}

gint64 seconds(std::uint64_t time) {
  return static_cast<gint64>(
      std::min(time, static_cast<std::uint64_t>(std::numeric_limits<gint64>::max())));
}

struct KnownType {
  const char* extension;
  const char* type;
};
// A guess for the reader's convenience. No message/* (an .eml file need not be one, and its bytes
// count) and no multipart/*.
constexpr KnownType kTypes[] = {
    {"txt", "text/plain"},
    {"md", "text/markdown"},
    {"html", "text/html"},
    {"htm", "text/html"},
    {"css", "text/css"},
    {"csv", "text/csv"},
    {"c", "text/x-csrc"},
    {"h", "text/x-chdr"},
    {"cpp", "text/x-c++src"},
    {"py", "text/x-python"},
    {"sh", "text/x-sh"},
    {"patch", "text/x-diff"},
    {"diff", "text/x-diff"},
    {"log", "text/plain"},
    {"ics", "text/calendar"},
    {"vcf", "text/vcard"},
    {"json", "application/json"},
    {"xml", "application/xml"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"gz", "application/gzip"},
    {"tgz", "application/gzip"},
    {"xz", "application/x-xz"},
    {"bz2", "application/x-bzip2"},
    {"zst", "application/zstd"},
    {"tar", "application/x-tar"},
    {"7z", "application/x-7z-compressed"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"svg", "image/svg+xml"},
    {"mp3", "audio/mpeg"},
    {"ogg", "audio/ogg"},
    {"flac", "audio/flac"},
    {"wav", "audio/x-wav"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
    {"mkv", "video/x-matroska"},
    {"rtf", "application/rtf"},
    {"epub", "application/epub+zip"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"odp", "application/vnd.oasis.opendocument.presentation"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
};

const char* type_of(const std::string& name) {
  const auto dot = name.rfind('.');
  if (dot != std::string::npos)
    for (const KnownType& known : kTypes)
      if (g_ascii_strcasecmp(name.c_str() + dot + 1, known.extension) == 0) return known.type;
  return "application/octet-stream";
}

/// A file name as a parameter: RFC 2231 for all but the plainest. GMime would leave ASCII alone,
/// even where readers take it for RFC 2047.
std::string name_parameter(std::string_view name) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  bool is_plain = true;
  std::string encoded;
  for (const char c : cut_utf8(name, kMaxFileName)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_simple = g_ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
    is_plain = is_plain && (is_simple || c == ' ');
    if (is_simple)
      encoded += c;
    else
      encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return is_plain ? "filename=\"" + std::string(cut_utf8(name, kMaxFileName)) + "\""
                  : "filename*=utf-8''" + encoded;
}

std::string attachment_fields(const std::string& name, const Input& input) {
  const std::string type = type_of(name);
  const bool is_utf8_text = type.starts_with("text/") && starts_as_utf8(input);
  return "Content-Type: " + type + (is_utf8_text ? "; charset=utf-8" : "") +
         "\nContent-Disposition: attachment;\n " + name_parameter(clean_value(name)) +
         (input.size() ? ";\n size=" + std::to_string(*input.size()) : "") +
         "\nContent-Transfer-Encoding: binary\n\n";
}

std::string message_fields(const Draft& draft) {
  std::string text = address_header_line("From", {draft.from});
  if (!draft.to.empty()) text += address_header_line("To", draft.to);
  if (!draft.cc.empty()) text += address_header_line("Cc", draft.cc);
  text += header_line("Subject", draft.subject);
  text += date_field(draft.time);
  text += id_field("Message-ID", draft.message_id);
  text += id_field("In-Reply-To", draft.in_reply_to);
  text += id_field("References", draft.in_reply_to);
  return text + "MIME-Version: 1.0\n";
}

}  // namespace

std::string mime::id_field(std::string_view name, std::string_view id) {
  std::string clean;
  std::copy_if(id.begin(), id.end(), std::back_inserter(clean),
               [](char c) { return c > ' ' && c < '\x7f' && c != '<' && c != '>'; });
  return clean.empty() ? "" : std::string(name) + ": <" + clean + ">\n";
}

std::string mime::date_field(std::uint64_t time) {
  init();
  return "Date: " + format_date(GTime(g_date_time_new_from_unix_local(seconds(time)))) + "\n";
}

std::string header_line(std::string_view name, std::string_view utf8_value) {
  init();
  return fold_field(std::string(name) + ": " + encode_value(clean_value(utf8_value)));
}

std::string address_header_line(std::string_view name, const std::vector<Mailbox5322>& list) {
  init();
  const GRef<InternetAddressList> addresses(internet_address_list_new());
  for (const Mailbox5322& mailbox : list) {
    if (!is_addr_spec(mailbox.address)) continue;
    const std::string shown = clean_value(mailbox.name);
    const GRef<InternetAddress> address(internet_address_mailbox_new(
        shown.empty() ? nullptr : shown.c_str(), mailbox.address.c_str()));
    internet_address_set_charset(address.get(), "utf-8");
    internet_address_list_add(addresses.get(), address.get());
  }
  if (internet_address_list_length(addresses.get()) == 0) return {};
  const GText text(internet_address_list_to_string(addresses.get(), nullptr, TRUE));
  return std::string(name) + ": " + text.get() + "\n";
}

std::string rfc5322_date(std::uint64_t time) {
  init();
  return format_date(GTime(g_date_time_new_from_unix_utc(seconds(time))));
}

Status compose(const Draft& draft, const Sink& sink) {
  init();
  auto put = [&](const std::string& text) { return sink(bytes_of(text)); };
  Input body(draft.body_fd, "message body", {}, draft.stopped);
  if (auto read = body.peek(); !read) return read;
  if (draft.attachments.empty()) {
    auto done = put(message_fields(draft) + body_fields(body));
    return done ? body.copy(sink) : done;
  }
  std::array<std::uint8_t, 16> random{};
  random_bytes(random);
  const std::string boundary = "p2pmail-" + to_hex(random);
  auto done = put(message_fields(draft) + "Content-Type: multipart/mixed; boundary=\"" + boundary +
                  "\"\n\n--" + boundary + "\n" + body_fields(body));
  if (done) done = body.copy(sink);
  for (const Draft::Attachment& attachment : draft.attachments) {
    if (!done) return done;
    Input file(attachment.fd, attachment.path, {}, draft.stopped);
    file.expect_size();
    if (auto read = file.peek(); !read) return read;
    done = put("\n--" + boundary + "\n" + attachment_fields(attachment.name, file));
    if (done) done = file.copy(sink);
    if (done && draft.changed && file.has_changed()) draft.changed(attachment.path);
  }
  return done ? put("\n--" + boundary + "--\n") : done;
}

}  // namespace p2pmail::core
