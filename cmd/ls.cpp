// p2pmail ls: lists a folder, oldest first, so that the newest stands next to the prompt.
//
//   6fa2c1d0  NFR! 2026-11-24 06:13  bob       Lunch
//
// N unread, F flagged, R replied, ! not genuine or damaged. A '?' before a name: not a petname. Of
// mail that I sent: Q waits for a recipient's receipt, X was cancelled for a recipient, E was given up
// for one (expired or failed).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "cmd/command.h"
#include "cmd/delivery.h"
#include "cmd/format.h"
#include "cmd/keyring.h"
#include "cmd/messages.h"
#include "cmd/names.h"
#include "cmd/new_mail.h"
#include "cmd/passphrase.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Listed;
using core::Result;
using core::Status;

namespace {

struct Options {
  std::string folder = std::string(core::kInbox);
  std::size_t count = 0;  // 0 = all
  bool unread = false;
  PassphraseOptions passphrase;
};

constexpr std::size_t kNameColumns = 24;

bool has_flag(const Listed& line, char flag) {
  return line.file.flags.find(flag) != std::string::npos;
}

bool is_suspect(const Listed& line) {
  if (!line.damage.empty()) return true;
  if (line.locked) return false;
  return line.verdict == core::Verdict::kMismatch || line.verdict == core::Verdict::kBuried;
}

using MaybeKey = std::optional<core::AgreeSecret>;

/// Only somebody who sits at both ends of the command is asked, and may decline with an empty line:
/// a list without subjects is still a list. ^C ends it.
Result<MaybeKey> ask_for_key(Env& env) {
  if (!env.in_is_terminal || !env.out_is_terminal) return MaybeKey();
  auto passphrase = old_passphrase(env, {});
  const bool declined = passphrase ? passphrase->size() == 0
                                   : passphrase.error().code == Code::kLocked && !env.stopped();
  if (declined) return MaybeKey();
  if (!passphrase) return passphrase.error();
  auto secret = env.store().unlock(&*passphrase);
  if (!secret) return secret.error();
  return MaybeKey(std::move(*secret));
}

/// The store key, or nullopt when it stays locked.
Result<MaybeKey> try_unlock(Env& env, const PassphraseOptions& options) {
  auto open = options.given() ? unlock_store(env, options) : env.store().unlock(nullptr);
  if (!open && !options.given()) {
    if (auto kept = kept_store_key(env.store().store_public())) return MaybeKey(std::move(*kept));
  }
  if (open) return MaybeKey(std::move(*open));
  if (options.given() || open.error().code != Code::kLocked) return open.error();
  return ask_for_key(env);
}

/// Enough digits to tell the listed messages apart. Copies of one message share its id.
std::size_t id_digits(const std::vector<Listed>& lines) {
  std::vector<std::string> ids;
  for (const auto& line : lines) ids.push_back(line.id);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::size_t digits = kShortId;
  for (std::size_t i = 1; i < ids.size(); ++i) {
    const auto& [a, b] =
        std::mismatch(ids[i - 1].begin(), ids[i - 1].end(), ids[i].begin(), ids[i].end());
    if (b != ids[i].end())
      digits = std::max(digits, static_cast<std::size_t>(b - ids[i].begin()) + 1);
  }
  return digits;
}

// The list of an outer header, taken apart again.
std::vector<core::Mailbox5322> mailboxes_in(const std::string& text) {
  const auto fields = core::parse_header("To: " + core::clean_line(text) + "\n\n");
  return fields ? fields->to : std::vector<core::Mailbox5322>{};
}

std::string sender_of(const Names& names, const Listed& line) {
  auto from = mailboxes_in(line.from);
  if (from.empty()) from.push_back({core::clean_line(line.from), ""});
  core::Mailbox5322 mailbox = from.front();
  // Unlocked, the key is proved; the name in front of it is still only what a stranger wrote.
  if (!line.locked) mailbox.address = address_of(line.sender);
  return names.brief(mailbox, !line.locked);
}

std::string recipients_of(const Names& names, const Listed& line) {
  std::string all;
  for (const auto& mailbox : mailboxes_in(line.to)) {
    all += (all.empty() ? "" : ", ") + names.brief(mailbox, !line.locked);
  }
  return all.empty() ? "-" : all;
}

/// What became of what I sent.
class Deliveries {
 public:
  explicit Deliveries(core::Store& store) : store_(&store) {}
  [[nodiscard]] Status load() {
    std::vector<core::DamagedEntry> damaged;  // `queue` and `fetch` tell of them
    auto entries = store_->queue().list(&damaged);
    if (!entries) return entries.error();
    for (const auto& entry : *entries) waiting_.insert(core::to_hex(entry.message));
    return {};
  }
  /// The least that is true of all recipients: "queued", "failed", "expired", "cancelled",
  /// "delivered"; "" = not known.
  [[nodiscard]] std::string state(const std::string& id) const {
    if (waiting_.contains(id)) return "queued";
    const auto message = message_id_in(id);
    if (!message) return "";
    const auto ends = store_->state().ends_of(*message);
    if (!ends || ends->empty()) return "";
    for (const auto worst :
         {core::Ending::kFailed, core::Ending::kExpired, core::Ending::kCancelled}) {
      const auto is_it = [worst](const auto& end) { return end.ending == worst; };
      if (std::any_of(ends->begin(), ends->end(), is_it)) return word_of(worst);
    }
    return word_of(core::Ending::kDelivered);
  }

 private:
  core::Store* store_;
  std::set<std::string> waiting_;
};

// In folders of our own mail the interesting name is the other one.
bool shows_recipients(const Listed& line) {
  if (line.locked) return line.file.folder == ".Sent";
  return line.verdict == core::Verdict::kSent && line.damage.empty();
}

std::string person_of(const Names& names, const Listed& line) {
  if (shows_recipients(line)) return recipients_of(names, line);
  return line.damage.empty() || !line.from.empty() ? sender_of(names, line) : "-";
}

char first_flag(const Listed& line, const Deliveries& deliveries) {
  const std::string state = shows_recipients(line) ? deliveries.state(line.id) : "";
  if (state == "queued") return 'Q';
  if (state == "cancelled") return 'X';
  if (state == "expired" || state == "failed") return 'E';
  return has_flag(line, 'S') ? ' ' : 'N';
}

std::string as_text(const Names& names, const Deliveries& deliveries, const Listed& line,
                    std::size_t digits, std::size_t width) {
  const std::string flags{first_flag(line, deliveries), has_flag(line, 'F') ? 'F' : ' ',
                          has_flag(line, 'R') ? 'R' : ' ', is_suspect(line) ? '!' : ' '};
  const std::string id = line.id.empty() ? "-" : line.id.substr(0, digits);
  const std::string what = line.damage.empty() ? line.subject : "damaged: " + line.damage;
  return fmt::format("{}  {} {}  {}  {}", padded(id, digits), flags, local_time(line.time),
                     padded(core::clean_line(person_of(names, line), kNameColumns), width),
                     core::clean_line(what));
}

// JSON: {"id", "folder", "flags" (as Maildir), "unread", "time" (delivered, seconds since 1970),
// "from", or "to" and "delivery" (Deliveries::state), as shown, "address" (of the signer, "" while
// locked), "subject", "locked", "verdict" ("" while locked), "damage"}
std::string as_json(const Names& names, const Deliveries& deliveries, const Listed& line) {
  const bool known = !line.locked && line.damage.empty();
  nlohmann::ordered_json object({{"id", line.id},
                                 {"folder", core::clean_line(line.file.folder)},
                                 {"flags", line.file.flags},
                                 {"unread", !has_flag(line, 'S')},
                                 {"time", line.time},
                                 {shows_recipients(line) ? "to" : "from", person_of(names, line)},
                                 {"address", known ? address_of(line.sender) : ""},
                                 {"subject", core::clean_line(line.subject)},
                                 {"locked", line.locked},
                                 {"verdict", known ? verdict_name(line.verdict) : ""},
                                 {"damage", core::clean_line(line.damage)}});
  if (shows_recipients(line)) object["delivery"] = deliveries.state(line.id);
  return json_line("message", std::move(object));
}

void print_lines(Env& env, const Names& names, const Deliveries& deliveries,
                 const std::vector<Listed>& lines, std::size_t digits) {
  std::size_t width = 0;
  for (const auto& line : lines) {
    width = std::max(width, core::columns(core::clean_line(person_of(names, line), kNameColumns)));
  }
  for (const auto& line : lines) {
    env.print(
        env.json
            ? as_json(names, deliveries, line)
            : core::clean_line(as_text(names, deliveries, line, digits, width), env.width) + "\n");
  }
}

Status run_ls(Env& env, const Options& options) {
  core::Store& store = env.store();
  auto folder = core::Maildir::folder_name(options.folder);
  if (!folder) return folder.error();
  if (!store.maildir().has_folder(*folder)) {
    return Error{Code::kNotFound, options.folder + ": no such folder", "p2pmail folders"};
  }
  auto names = Names::load(store);
  if (!names) return names.error();
  auto secret = try_unlock(env, options.passphrase);
  if (!secret) return secret.error();
  const core::AgreeSecret* key = *secret ? &**secret : nullptr;
  auto lines = core::list_folder(store, *folder, key);
  if (!lines) return lines.error();
  if (key == nullptr && !lines->empty()) env.note("the store is locked: subjects are not shown");
  const std::size_t digits = id_digits(*lines);
  if (options.unread) std::erase_if(*lines, [](const Listed& line) { return has_flag(line, 'S'); });
  if (options.count > 0 && lines->size() > options.count) {
    lines->erase(lines->begin(), lines->end() - static_cast<std::ptrdiff_t>(options.count));
  }
  Deliveries deliveries(store);
  if (std::any_of(lines->begin(), lines->end(), shows_recipients)) {
    if (auto loaded = deliveries.load(); !loaded) return loaded;
  }
  print_lines(env, *names, deliveries, *lines, digits);
  return {};
}

}  // namespace

Action add_ls(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("folder", options->folder, "INBOX when none is named")->type_name("FOLDER");
  app.add_option("-n", options->count, "Only the newest N")->type_name("N");
  app.add_flag("--unread", options->unread, "Only what was not read yet");
  add_passphrase_options(app, options->passphrase);
  return [options](Env& env) { return run_ls(env, *options); };
}

}  // namespace p2pmail::cmd
