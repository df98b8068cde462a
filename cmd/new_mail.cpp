#include "cmd/new_mail.h"

#include <fmt/format.h>

#include "cmd/format.h"
#include "core/text.h"

namespace p2pmail::cmd {

// JSON: {"id", "from" (petname, "me" or address), "address", "folder", "subject", "size"}
void announce(Env& env, const Names& names, const core::NewMail& mail) {
  const std::string id = core::to_hex(mail.id);
  const std::string who = names.label(mail.sender);
  const std::string subject = core::clean_line(mail.subject);
  if (env.json) {
    env.print(json_line("new-mail", {{"id", id},
                                     {"from", who},
                                     {"address", address_of(mail.sender)},
                                     {"folder", core::clean_line(mail.folder)},
                                     {"subject", subject},
                                     {"size", mail.size}}));
  } else if (env.out_is_terminal && !env.quiet) {
    env.print(core::clean_line(fmt::format("{}  {}  {}", id.substr(0, kShortId), who, subject),
                               env.width) +
              "\n");
  }
  // The mail is stored; a reader who left must not stop the delivery of the rest.
  if (auto written = env.flush(); !written) env.detail(written.error().context);
}

}  // namespace p2pmail::cmd
