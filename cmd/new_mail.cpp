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

namespace {

constexpr std::uint64_t kForgotten = 30 * 86400;  // seconds without an offer

std::string asking_for(Env& env, const Names& names, const core::Waiting& letter) {
  const auto petname = names.petname(letter.via);
  return env.program + " fetch --max-size 0 " + (petname ? *petname : address_of(letter.via));
}

// JSON: {"root", "from", "address", "size", "time" (of the last offer), "subject" (when it was offered
// just now), "hint" (the command)}
void print_waiting(Env& env, const Names& names, const core::Waiting& letter,
                   const std::string& subject) {
  const std::string who = names.label(letter.sender);
  const std::string command = asking_for(env, names, letter);
  if (!env.json) {
    env.print(core::clean_line(fmt::format("{}  {}  {}{}: {}", who, human_size(letter.size), subject,
                                           subject.empty() ? "waits" : "  waits", command)) +
              "\n");
    return;
  }
  nlohmann::ordered_json fields{{"root", core::to_hex(letter.root)},
                                {"from", who},
                                {"address", address_of(letter.sender)},
                                {"size", letter.size},
                                {"time", letter.time}};
  if (!subject.empty()) fields["subject"] = subject;
  fields["hint"] = command;
  env.print(json_line("waiting", fields));
}

}  // namespace

void announce_waiting(Env& env, const Names& names, const core::Waiting& letter,
                      const std::string& subject) {
  if (!env.json && (env.quiet || !(env.out_is_terminal || env.verbose))) return;
  print_waiting(env, names, letter, core::clean_line(subject));
  if (auto written = env.flush(); !written) env.detail(written.error().context);
}

core::Status list_waiting(Env& env, const Names& names) {
  core::Store& store = env.store();
  auto letters = store.state().waiting();
  if (!letters) return letters.error();
  const std::uint64_t now = env.clock().time;
  for (const auto& letter : *letters) {
    const auto seen = store.journal().seen(letter.sender, letter.root);
    if (!seen) return seen.error();
    if (!*seen && letter.time + kForgotten > now) {
      print_waiting(env, names, letter, "");
    } else if (auto gone = store.state().forget_waiting(letter.sender, letter.root); !gone) {
      return gone;
    }
  }
  return {};
}

}  // namespace p2pmail::cmd
