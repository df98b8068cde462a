// send, the other way: the whole message on standard input, as mutt, git send-email, s-nail and
// cron give it to a sendmail command.
//
// From must be the signer, or nobody would take the message for genuine: a From that is not an
// address of ours becomes ours, and what stood there is kept as X-Original-From. Copies for
// ordinary mail addresses keep the program's own From.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "cmd/fallback.h"
#include "cmd/names.h"
#include "cmd/recipients.h"
#include "cmd/send.h"
#include "core/address.h"
#include "core/submission.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Mailbox5322;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kMaxSender = 320;  // RFC 5321 section 4.5.3.1: 64 + "@" + 255

/// Whoever is named in header and arguments, each once.
class Addressees {
 public:
  explicit Addressees(Env& env) : env_(env) {}

  enum class Sight { kOpen, kBlind };
  Status add(const std::string& address, Sight sight);
  /// Whoever stands in To or Cc: everybody sees him there, and a petname must not go out, whether
  /// anything is sent to him or not.
  void learn(const std::string& word);

  /// The mailbox that stands in the header for a petname or "me"; nullopt for an address.
  [[nodiscard]] std::optional<Mailbox5322> instead_of(const Mailbox5322& written) const;
  [[nodiscard]] bool empty() const { return keys_.empty() && old_world_.empty(); }
  [[nodiscard]] const std::vector<std::string>& old_world() const { return old_world_; }
  void give(core::Posting& posting) const;

 private:
  Status add_old_world(const std::string& address);
  Env& env_;
  std::map<std::string, Resolved> known_;  // by the words of header or argument
  std::set<core::IdentityKey> shown_;      // in the header
  std::vector<std::pair<core::IdentityKey, Sight>> keys_;
  std::map<core::IdentityKey, std::size_t> place_;  // in keys_
  std::vector<std::string> old_world_;
  std::set<std::string> seen_;
};

Status Addressees::add_old_world(const std::string& address) {
  if (env_.settings.fallback_sendmail.empty()) {
    return Error{Code::kUnknownRecipient, fmt::format("{} is no p2pmail address", address),
                 "the setting fallback_sendmail names a command that takes such mail"};
  }
  if (seen_.insert(address).second) old_world_.push_back(address);
  return {};
}

Status Addressees::add(const std::string& address, Sight sight) {
  if (is_old_world(address)) return add_old_world(address);
  auto found = known_.find(address);
  if (found == known_.end()) {
    // Mail for the user of this machine, as cron writes it.
    const bool is_login = !env_.login.empty() && address == env_.login;
    auto resolved = resolve_recipient(env_, address);
    if (!resolved && is_login) resolved = resolve_recipient(env_, std::string(kMe));
    if (!resolved) return resolved.error();
    found = known_.emplace(address, std::move(*resolved)).first;
  }
  if (shown_.contains(found->second.key)) sight = Sight::kOpen;
  const auto [place, is_new] = place_.emplace(found->second.key, keys_.size());
  if (is_new) keys_.emplace_back(found->second.key, sight);
  if (sight == Sight::kOpen) keys_[place->second].second = sight;
  return {};
}

void Addressees::learn(const std::string& word) {
  if (known_.contains(word) || is_old_world(word)) return;
  auto resolved = resolve_recipient(env_, word);
  if (!resolved) return;
  shown_.insert(resolved->key);
  known_.emplace(word, std::move(*resolved));
}

std::optional<Mailbox5322> Addressees::instead_of(const Mailbox5322& written) const {
  if (written.address.find('@') != std::string::npos) return std::nullopt;
  const auto found = known_.find(written.address);
  if (found == known_.end()) return std::nullopt;
  return found->second.mailbox;
}

void Addressees::give(core::Posting& posting) const {
  for (const auto& [key, sight] : keys_) {
    (sight == Sight::kOpen ? posting.open : posting.blind).push_back(key);
  }
}

/// Recipients of the arguments who do not stand in the header are as good as blind.
Status collect(const SendOptions& options, const core::Submission& submission, Addressees& all) {
  using Sight = Addressees::Sight;
  for (const auto& mailbox : submission.open()) {
    all.learn(mailbox.address);
    if (!options.from_header) continue;
    if (auto added = all.add(mailbox.address, Sight::kOpen); !added) return added;
  }
  for (const auto& mailbox : submission.blind()) {
    if (!options.from_header) continue;
    if (auto added = all.add(mailbox.address, Sight::kBlind); !added) return added;
  }
  for (const auto& word : options.to) {
    const bool is_angled = word.starts_with('<') && word.ends_with('>') && word.size() > 2;
    const std::string address = is_angled ? word.substr(1, word.size() - 2) : word;
    if (auto added = all.add(address, Sight::kBlind); !added) return added;
  }
  if (!all.empty()) return {};
  return Error{Code::kUsage, "send: no recipient",
               options.from_header ? "To, Cc and Bcc are empty" : "-t takes them from the header"};
}

std::string name_in(const std::vector<Mailbox5322>& from) {
  return from.size() == 1 ? from.front().name : std::string();
}

/// The From of our own copies; nullopt when the program's own is ours already.
std::optional<Mailbox5322> own_from(Env& env, const SendOptions& options,
                                    const std::vector<Mailbox5322>& written) {
  const auto& roster = env.store().card().roster.value;
  if (written.size() == 1) {
    const auto address = core::parse_address(written.front().address);
    if (address && address->key == roster.identity) return std::nullopt;
  }
  // Who a local program says it is ("Cron Daemon") is worth keeping; the name of somebody with an
  // address elsewhere would make it look like his.
  std::string name = roster.name;
  const bool is_local =
      written.empty() || (written.size() == 1 && !is_old_world(written.front().address) &&
                          !core::looks_like_address(written.front().address));
  if (is_local && !name_in(written).empty())
    name = name_in(written);
  else if (is_local && !options.full_name.empty())
    name = options.full_name;
  return Mailbox5322{name, address_of(roster)};
}

std::string sender_for_fallback(const SendOptions& options, const core::HeaderFields& fields) {
  if (is_old_world(options.sender)) return options.sender;
  const bool fits = fields.from.size() == 1 && is_old_world(fields.from.front().address);
  return fits ? fields.from.front().address : std::string();
}

struct Copies {
  std::string header;           // of the sealed message
  std::string fallback_header;  // of the one that is handed over
};

/// The message to both sides at once: a body from a pipe is read only once, and kept nowhere.
Status write_copies(Env& env, core::Submission& submission, const Copies& copies,
                    const std::string& sender, const std::vector<std::string>& old_world,
                    const core::Sink& sink) {
  if (old_world.empty()) {
    auto put = sink(core::bytes_of(copies.header));
    return put ? submission.copy_body(sink) : put;
  }
  auto fallback = Fallback::start(env, sender, old_world);
  if (!fallback) return fallback.error();
  auto put = fallback->write(core::bytes_of(copies.fallback_header));
  if (put) put = sink(core::bytes_of(copies.header));
  if (put) {
    put = submission.copy_body([&](core::ByteView bytes) -> Status {
      auto handed = fallback->write(bytes);
      return handed ? sink(bytes) : handed;
    });
  }
  return put ? fallback->finish() : put;
}

Status check_words(const SendOptions& options) {
  for (const auto& word : {options.sender, options.full_name}) {
    if (core::has_controls(word)) {
      return Error{Code::kUsage, "send: -f or -F has control characters or is not UTF-8", ""};
    }
  }
  if (options.sender.size() <= kMaxSender && options.full_name.size() <= core::kMaxName) return {};
  return Error{Code::kUsage, "send: -f or -F is too long", ""};
}

}  // namespace

Result<Prepared> prepare_message(Env& env, const SendOptions& options) {
  if (auto checked = check_words(options); !checked) return checked.error();
  if (env.in_is_terminal) env.note("type the message with its header, end it with ^D");
  auto read =
      core::Submission::read(env.in, "standard input", [&env] { return env.stopped(); });
  if (!read) return read.error();
  const auto submission = std::make_shared<core::Submission>(std::move(*read));
  Addressees all(env);
  if (auto collected = collect(options, *submission, all); !collected) return collected.error();
  core::Submission::Changes changes;
  changes.resolve = [&all](const Mailbox5322& written) { return all.instead_of(written); };
  changes.message_id = fresh_message_id(env.store());
  changes.time = env.clock().time;
  const auto& written = submission->fields().from;
  Copies copies;
  if (written.empty()) changes.from = own_from(env, options, written);
  copies.fallback_header = submission->header(changes);
  changes.from = own_from(env, options, written);
  Prepared prepared;
  copies.header = submission->header(changes, &prepared.posting.fields);
  all.give(prepared.posting);
  prepared.handed_over = all.old_world();
  prepared.posting.content =
      [&env, submission, copies, all = all.old_world(),
       sender = sender_for_fallback(options, submission->fields())](const core::Sink& sink) {
        return write_copies(env, *submission, copies, sender, all, sink);
      };
  return prepared;
}

}  // namespace p2pmail::cmd
