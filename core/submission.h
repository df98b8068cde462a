// A whole message as a mail program hands it to its sendmail command (RFC 6409 section 8 says what
// may be mended on the way): the fields that the program wrote stay as they are, what is missing is
// added, Bcc goes.
//
// The header is held in memory, at most 1 MiB; the body is streamed once. Line ends become LF when
// the header's first line ends in CRLF. A lone "." does not end the message: nothing is ever cut
// off.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/mime.h"
#include "core/result.h"

namespace p2pmail::core {

class Submission {
 public:
  /// Reads up to the end of the header from `fd`, which is not owned and must stay open.
  /// kMalformed: the header is longer than 1 MiB, holds NUL, or has more than 128 KiB of addresses.
  /// kIo. `name` is for errors, `stopped` as in Draft, also for the body.
  [[nodiscard]] static Result<Submission> read(int fd, const std::string& name,
                                               std::function<bool()> stopped = {});
  Submission(Submission&&) noexcept;
  Submission& operator=(Submission&&) noexcept;
  ~Submission();

  [[nodiscard]] const HeaderFields& fields() const;
  /// Recipients by the header: To, Cc and Bcc, or Resent-To, Resent-Cc and Resent-Bcc of a message
  /// that is sent again (RFC 5322 section 3.6.6). Addresses as written, also without a domain.
  [[nodiscard]] const std::vector<Mailbox5322>& open() const;
  [[nodiscard]] const std::vector<Mailbox5322>& blind() const;

  struct Changes {
    /// A From instead of the program's, which then is kept as X-Original-From; nullopt = no change.
    std::optional<Mailbox5322> from;
    /// Another mailbox for one of To or Cc, or nullopt to leave it. A field in which nothing
    /// changes stays as it was written.
    std::function<std::optional<Mailbox5322>(const Mailbox5322&)> resolve;
    // What is added when there is none.
    std::string message_id;  // without angle brackets
    std::uint64_t time = 0;  // for Date, seconds since 1970
  };
  /// The header for one copy, with its empty line; Bcc and Resent-Bcc are left out. What it says
  /// as fields goes to `said` when given.
  [[nodiscard]] std::string header(const Changes& changes, HeaderFields* said = nullptr) const;
  /// Everything after the header; once. kIo.
  [[nodiscard]] Status copy_body(const Sink& sink);

 private:
  struct State;
  explicit Submission(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace p2pmail::core
