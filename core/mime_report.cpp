#include "core/mime_report.h"

#include <fmt/format.h>

#include "core/crypto.h"
#include "core/mime_input.h"
#include "core/text.h"

namespace p2pmail::core {

namespace {

constexpr std::size_t kMaxReferences = 20;
constexpr std::size_t kMaxWords = 512;  // bytes of a diagnostic

bool is_failure(const DeliveryReport& report) {
  return report.action == DeliveryReport::Action::kFailed;
}

std::string subject_of(const DeliveryReport& report) {
  const std::string subject = clean_line(report.subject);
  return (is_failure(report) ? "Not delivered: " : "Delivered: ") +
         (subject.empty() ? "(no subject)" : subject);
}

/// The first one starts the thread, the last ones are what readers look for.
std::vector<std::string> references_of(const DeliveryReport& report) {
  std::vector<std::string> all = report.references;
  if (!report.original_id.empty()) all.push_back(report.original_id);
  if (all.size() > kMaxReferences)
    all.erase(all.begin() + 1, all.end() - static_cast<std::ptrdiff_t>(kMaxReferences - 1));
  return all;
}

HeaderFields fields_of(const DeliveryReport& report) {
  HeaderFields fields;
  fields.from = {{"Mail delivery", report.self.address}};
  fields.to = {report.self};
  fields.subject = subject_of(report);
  fields.time = report.time;
  fields.date = rfc5322_date(report.time);
  fields.message_id = report.message_id;
  fields.in_reply_to = report.original_id;
  fields.references = references_of(report);
  return fields;
}

std::string references_field(const std::vector<std::string>& ids) {
  std::string all;
  for (const std::string& id : ids) {
    const std::string line = mime::id_field("References", id);
    if (line.empty()) continue;
    // One field of several folded ids (RFC 5322 section 3.6.4).
    all += all.empty() ? line : " " + line.substr(line.find('<'));
  }
  return all;
}

std::string header_of(const HeaderFields& fields, const DeliveryReport& report,
                      const std::string& boundary) {
  return address_header_line("From", fields.from) + address_header_line("To", fields.to) +
         header_line("Subject", fields.subject) + mime::date_field(report.time) +
         mime::id_field("Message-ID", fields.message_id) +
         mime::id_field("In-Reply-To", fields.in_reply_to) + references_field(fields.references) +
         // RFC 3834: nobody may answer this by a program.
         "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
         "Content-Type: multipart/report; report-type=delivery-status;\n boundary=\"" +
         boundary + "\"\n\n";
}

std::string date_of(std::uint64_t time) { return rfc5322_date(time); }

std::string words_of(const DeliveryReport& report) {
  const std::string name = clean_line(report.recipient.name);
  const std::string who =
      name.empty() ? report.recipient.address : name + " <" + report.recipient.address + ">";
  std::string text =
      fmt::format("Your message {} to\n\n    {}\n\n",
                  is_failure(report) ? "could not be delivered" : "was delivered", who);
  if (is_failure(report)) {
    text += fmt::format("{}. It is not tried again.\n", clean_line(report.reason));
    if (report.attempts > 0) text += fmt::format("Attempts: {}\n", report.attempts);
    const std::string why = clean_line(report.diagnostic);
    if (!why.empty()) text += fmt::format("The last error: {}\n", why);
    text += "\nYour copy is still in the folder Sent. What was sent before may have arrived\n"
            "although no receipt came back.\n";
  } else {
    text += "A device of the recipient has signed a receipt: the message is stored there.\n"
            "Whether anybody has read it is not known.\n";
  }
  text += fmt::format("\nSubject: {}\nQueued:  {}\nId:      {}\n", clean_line(report.subject),
                      date_of(report.queued), report.envelope_id);
  return text;
}

/// RFC 3464 section 2.2 and 2.3; an empty line between what is about the message and what is about
/// the recipient.
std::string status_fields(const DeliveryReport& report) {
  std::string text = header_line("Original-Envelope-Id", report.envelope_id) +
                     header_line("Reporting-MTA", "x-p2pmail; " + report.reporter) +
                     header_line("Arrival-Date", date_of(report.queued)) + "\n";
  text += header_line("Final-Recipient", "rfc822; " + report.recipient.address) +
          (is_failure(report) ? "Action: failed\n" : "Action: delivered\n") +
          header_line("Status", report.status);
  const std::string why = clean_line(report.diagnostic).substr(0, kMaxWords);
  if (!why.empty()) text += header_line("Diagnostic-Code", "x-p2pmail; " + why);
  if (report.last_attempt > 0)
    text += header_line("Last-Attempt-Date", date_of(report.last_attempt));
  return text;
}

/// Whole fields only, in the words that others may see (rename_own_fields).
std::string quoted_header(const DeliveryReport& report) {
  std::string_view header = report.header;
  if (header.size() > kMaxQuotedHeader) {
    header = header.substr(0, kMaxQuotedHeader);
    auto end = header.rfind('\n');
    while (end != std::string_view::npos && end + 1 < header.size() &&
           (header[end + 1] == ' ' || header[end + 1] == '\t'))
      end = end == 0 ? std::string_view::npos : header.rfind('\n', end - 1);
    header = header.substr(0, end == std::string_view::npos ? 0 : end + 1);
  }
  std::string text = rename_own_fields(header);
  std::ranges::replace(text, '\0', '?');  // RFC 2045 section 2.8: not in 8bit
  return text.empty() ? header_line("Subject", clean_line(report.subject)) : text;
}

}  // namespace

ComposedReport compose_report(const DeliveryReport& report) {
  std::array<std::uint8_t, 16> random{};
  random_bytes(random);
  const std::string boundary = "p2pmail-" + to_hex(random);
  const std::string next = "\n--" + boundary + "\n";
  ComposedReport out;
  out.fields = fields_of(report);
  out.text = header_of(out.fields, report, boundary) + next.substr(1) +
             "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" +
             words_of(report) + next + "Content-Type: message/delivery-status\n\n" +
             status_fields(report) + next +
             "Content-Type: text/rfc822-headers; charset=utf-8\n"
             "Content-Transfer-Encoding: 8bit\n\n" +
             quoted_header(report) + "\n--" + boundary + "--\n";
  return out;
}

}  // namespace p2pmail::core
