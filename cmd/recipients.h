// To whom a message goes: words of the user, checked before anything is sent to anybody.
#pragma once

#include <string>
#include <vector>

#include "cmd/env.h"
#include "core/bytes.h"
#include "core/mime.h"
#include "core/result.h"

namespace p2pmail::cmd {

struct Resolved {
  core::IdentityKey key;
  core::Mailbox5322 mailbox;  // for the header: what the recipient calls itself, never a petname
};
/// A petname, an address or "me". kUnknownRecipient for whoever is not known or has no card, with
/// the nearest petname as a hint, also for an address whose checksum does not fit.
[[nodiscard]] core::Result<Resolved> resolve_recipient(Env& env, const std::string& word);

struct Recipients {
  std::vector<core::Mailbox5322> to;  // for the header
  std::vector<core::Mailbox5322> cc;
  std::vector<core::IdentityKey> open;   // of To and Cc, each once
  std::vector<core::IdentityKey> blind;  // of Bcc, each once, none of `open`
};
/// Petnames, addresses, "me". kUnknownRecipient for whoever is not known or has no card.
[[nodiscard]] core::Result<Recipients> resolve_recipients(Env& env,
                                                          const std::vector<std::string>& to,
                                                          const std::vector<std::string>& cc,
                                                          const std::vector<std::string>& bcc);

}  // namespace p2pmail::cmd
