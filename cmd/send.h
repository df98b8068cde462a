// Inside of send only: what was asked for, and the two ways to a message: composed from options and
// a body on standard input, or taken whole from standard input as a mail program hands it to
// sendmail.
#pragma once

#include <string>
#include <vector>

#include "cmd/env.h"
#include "core/outbox.h"

namespace p2pmail::cmd {

struct SendOptions {
  // Composing.
  std::string subject;
  std::vector<std::string> attachments;
  std::vector<std::string> cc, bcc;
  std::string in_reply_to;
  // The sendmail way: any of these means that the whole message comes on standard input.
  bool from_header = false;          // -t
  bool ignore_dots = false;          // -i: a dot never ends a message here, with or without it
  std::vector<std::string> modes;    // -oWORD
  std::string sender;                // -f
  std::string full_name;             // -F
  std::vector<std::string> ignored;  // -B, -N, -R
  // Both.
  std::vector<std::string> to;
  std::string wait;
  std::string limit_rate;
  bool no_push = false;
  bool notify = false;

  [[nodiscard]] bool takes_message() const {
    return from_header || ignore_dots || !modes.empty() || !sender.empty() || !full_name.empty() ||
           !ignored.empty();
  }
};

struct Prepared {
  core::Posting posting;
  std::uint64_t size = 0;  // about so many bytes will be sealed; 0 = not known
  /// Ordinary mail addresses that the fallback command takes while the message is read.
  std::vector<std::string> handed_over;
};
/// Everything that can be checked has been checked: nothing was sent to anybody yet.
[[nodiscard]] core::Result<Prepared> prepare_draft(Env& env, const SendOptions& options);
[[nodiscard]] core::Result<Prepared> prepare_message(Env& env, const SendOptions& options);

/// 32 hex digits and our own domain, without angle brackets.
[[nodiscard]] std::string fresh_message_id(const core::Store& store);

}  // namespace p2pmail::cmd
