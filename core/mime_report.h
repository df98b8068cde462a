// Delivery status notifications (RFC 3464) about our own mail: a multipart/report (RFC 6522) of words
// for people, fields for programs, and the header of the message that it is about.
//
// MTA names and diagnostics have the type "x-p2pmail", because there is no DNS name behind them and
// no SMTP reply. Everything that somebody else chose (the words of a refusal, a display name, the
// header) is encoded or cleaned here; the text is what a terminal may show.
#pragma once

#include <string>

#include "core/mime.h"
#include "core/result.h"

namespace p2pmail::core {

/// Largest header of a message that a report quotes, in bytes.
inline constexpr std::size_t kMaxQuotedHeader = 64 * 1024;

struct DeliveryReport {
  enum class Action { kFailed, kDelivered };
  Action action = Action::kFailed;
  std::string status;     // RFC 3463: "4.4.7"
  Mailbox5322 self;       // whose report this is, from and to
  Mailbox5322 recipient;  // the petname, if there is one, and the address
  std::string reporter;   // name of the reporting device's MTA
  std::string message_id;   // of the report, without angle brackets
  std::uint64_t time = 0;   // of the report, seconds since 1970, as all times here

  // About the original message.
  std::string envelope_id;        // 40 hex digits
  std::string subject;
  std::string header;             // as it was sent; empty = not known. At most kMaxQuotedHeader count
  std::string original_id;        // its Message-ID without angle brackets; empty = not known
  std::vector<std::string> references;
  std::uint64_t queued = 0;
  std::uint64_t last_attempt = 0;  // 0 = none, or not known
  std::uint64_t attempts = 0;
  std::string reason;              // why it ended, as a half sentence
  std::string diagnostic;          // last error in words; empty = none
};

struct ComposedReport {
  HeaderFields fields;  // as they stand in `text`
  std::string text;     // the whole message, LF line ends, 8bit
};
[[nodiscard]] ComposedReport compose_report(const DeliveryReport& report);

}  // namespace p2pmail::core
