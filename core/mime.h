// RFC 5322 and MIME. What values mean, charsets and encodings are GMime's work; where lines and
// parts lie is found here, because GMime's parser has no bound (mime_parts.h). Only the sources of
// this header (mime*.cpp) see GMime and glib.
//
// Nothing here holds a whole message in memory: composing pulls files through a bounded buffer into
// a sink, reading seeks in a source.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/file.h"
#include "core/letter.h"
#include "core/result.h"

namespace p2pmail::core {

/// A mailbox of a header: display name (UTF-8, may be empty) and addr-spec.
struct Mailbox5322 {
  std::string name;
  std::string address;
};

/// What `send` composes. Every text is UTF-8 without CR, LF or other controls (the caller checks).
struct Draft {
  Mailbox5322 from;
  std::vector<Mailbox5322> to;
  std::vector<Mailbox5322> cc;
  std::string subject;
  std::string message_id;   // without angle brackets
  std::string in_reply_to;  // without angle brackets; empty = none. Also starts References.
  std::uint64_t time = 0;   // seconds since 1970; the Date field is in the local time zone
  int body_fd = -1;         // read to its end, streamed; -1 = empty body. Not owned
  struct Attachment {
    std::string path;  // for errors
    std::string name;  // shown to the recipient: the last component of the path
    int fd = -1;       // not owned; read to its end from where it is
  };
  std::vector<Attachment> attachments;
  /// Asked while a file is waited for (a pipe, a terminal); true ends it with kTimeout. Empty: never.
  std::function<bool()> stopped = {};
  /// Told the path of an attachment that was written to while it was read: as many bytes were taken
  /// as it had when it was begun, but they may be of different times.
  std::function<void(const std::string& path)> changed = {};
};

/// Writes the message, LF line ends, to `sink`: text/plain in UTF-8 (a body that is not UTF-8 is
/// declared unknown-8bit), attachments with a guessed type and Content-Transfer-Encoding binary.
/// Regular files say their size (RFC 2183 section 2.7), and that many bytes follow: one that ends
/// sooner is kIo. No Bcc field ever. kIo when a file cannot be read, or the sink's error.
[[nodiscard]] Status compose(const Draft& draft, const Sink& sink);

/// The fields of a header that listing, verification and the outer header need. Decoded to UTF-8
/// (RFC 2047), unfolded, not cleaned for a terminal. Empty when absent.
struct HeaderFields {
  std::vector<Mailbox5322> from;
  std::vector<Mailbox5322> to;
  std::vector<Mailbox5322> cc;
  std::string subject;
  std::string date;        // as written
  std::uint64_t time = 0;  // of Date, seconds since 1970, 0 = none
  std::string message_id;  // without angle brackets, as the following
  std::string in_reply_to;
  std::vector<std::string> references;
};
/// Parses the header at the start of `text` (which may end anywhere after it, or inside it: then
/// what is there counts). nullopt when there is no header at all.
[[nodiscard]] std::optional<HeaderFields> parse_header(std::string_view text);

/// The fields at the start of `text`, which may go on after them, as others may see them. A field
/// that only this program writes (P2pmail-*, Authentication-Results of p2pmail.alt) is X-Original-…
/// in the output, so that nobody who sent a message speaks in our name. No empty line at the end.
[[nodiscard]] std::string rename_own_fields(std::string_view text);

/// Random access to the plaintext of a message.
struct MessageSource {
  std::uint64_t size = 0;
  /// Up to out.size() bytes at `offset`; 0 at the end.
  std::function<Result<std::size_t>(std::uint64_t offset, ByteSpan out)> read;
};

/// One part of a message, depth first, numbered from 1 as `show --part` takes it.
struct PartInfo {
  int number = 0;
  std::string type;       // "text/plain", lower case
  std::string file_name;  // proposed by the sender, UTF-8, not safe; empty = none
  bool is_attachment = false;
  std::uint64_t encoded_size = 0;  // bytes in the message
  std::uint64_t least_size = 0;    // bytes that its content has at least, decoded
};

/// How write_textual makes a message short: a part of more than `max_part` bytes (as it is in the
/// message) gives way to a text/plain part that says what `note` says (UTF-8, whole lines); its file
/// name, with ".txt", still tells which one it was.
struct Shortening {
  std::uint64_t max_part = UINT64_MAX;
  std::function<std::string(const PartInfo&)> note = {};
};

/// A parsed message over a source that must outlive it. Bounds: at most 10,000 parts, nesting 64,
/// 1 MiB for one header; kMalformed beyond. message/rfc822 is a part, and so is what is inside of
/// it.
class Message {
 public:
  [[nodiscard]] static Result<Message> parse(MessageSource source);
  Message(Message&&) noexcept;
  Message& operator=(Message&&) noexcept;
  ~Message();

  [[nodiscard]] const HeaderFields& header() const;
  [[nodiscard]] const std::vector<PartInfo>& parts() const;
  /// The text to show: all inline text/plain parts, in order, decoded to UTF-8; when there is none,
  /// a text/html part as plain text (tags dropped, entities decoded). At most `max` bytes.
  [[nodiscard]] std::string body_text(std::size_t max) const;
  /// A part's content, transfer encoding removed, streamed. kNotFound for an unknown number.
  [[nodiscard]] Status write_part(int number, const Sink& sink) const;
  /// The whole message for an 8-bit reader that takes NUL for the end of a string (mutt's decrypt
  /// hook): binary parts become base64. Our own fields are renamed (rename_own_fields) in the
  /// header of the message and of messages inside of it. A header that ends without an empty line
  /// gets one, and a message inside that is encoded (RFC 2046 section 5.2.1 forbids that) becomes
  /// application/octet-stream, so that the reader finds no other headers than we did. What gives way
  /// to a note is not read.
  [[nodiscard]] Status write_textual(const Sink& sink, const Shortening& shortening = {}) const;

 private:
  struct State;
  explicit Message(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// One header line "Name: value\n" for the outer header: values RFC 2047-encoded by GMime, folded.
[[nodiscard]] std::string header_line(std::string_view name, std::string_view utf8_value);
[[nodiscard]] std::string address_header_line(std::string_view name,
                                              const std::vector<Mailbox5322>& list);
/// An RFC 5322 date of `time` in UTC.
[[nodiscard]] std::string rfc5322_date(std::uint64_t time);

}  // namespace p2pmail::core
