#include "cmd/relays.h"

#include <fmt/format.h>

#include <algorithm>

#include "cmd/delivery.h"
#include "cmd/format.h"
#include "cmd/progress.h"
#include "core/post_office.h"
#include "core/tree.h"

namespace p2pmail::cmd {

using core::Result;
using core::Status;

namespace {

/// A letter larger than this is left at one relay at a time, a smaller one at all of them at once.
constexpr std::uint64_t kLeftEverywhere = core::kBlockSize;
constexpr std::size_t kMaxLetters = 128;  // in a round: a descriptor and some keys each
constexpr std::uint64_t kLastWord = 20;   // questions in vain before a withdrawal is given up

Result<std::vector<core::DepositRecord>> deposits_of(core::Store& store, const std::string& entry) {
  auto deposits = store.deposits();
  if (!deposits) return deposits.error();
  if (*deposits == nullptr) return std::vector<core::DepositRecord>{};
  return (*deposits)->of(entry);
}

/// The relays of the recipient's newest card, none of them this identity.
std::vector<core::Relay> relays_for(core::Store& store, const core::IdentityKey& recipient) {
  auto peer = peer_of(store, recipient);
  if (!peer || !*peer || !(*peer)->card) return {};
  auto relays = core::relays_of(*(*peer)->card);
  std::erase_if(relays, [&store](const auto& one) { return one.identity == store.identity(); });
  return relays;
}

bool names(const std::vector<core::Relay>& relays, const core::TransportKey& transport) {
  return std::ranges::find(relays, transport, &core::Relay::transport) != relays.end();
}

/// The recipient still comes there for it, and the relay stands by its word.
bool is_live(const core::DepositRecord& record, const std::vector<core::Relay>& relays,
             std::uint64_t now) {
  return record.until > now && record.silence < core::kMaxSilence &&
         names(relays, record.relay.transport);
}

std::string places_of(const core::Relay& relay) {
  std::string all;
  for (const auto& endpoint : relay.endpoints) all += endpoint.text() + " ";
  return all;
}

bool is_peer(core::Store& store, const core::IdentityKey& identity) {
  auto peer = peer_of(store, identity);
  return peer && *peer && !(*peer)->petname.empty();
}

}  // namespace

core::Errand& RelayRound::errand_to(Env& env, const core::Relay& relay) {
  auto& errand = errands_[Key{relay.identity, relay.transport, places_of(relay)}];
  if (errand) return *errand;
  core::Errand::Options options;
  options.clocks = env.clock;
  options.stamps = stamp_work(env);
  options.notices = {env.settings.header_policy, on_mail_};
  errand = std::make_unique<core::Errand>(env.store(), std::move(options), relay);
  return *errand;
}

Status RelayRound::add(Env& env, const core::QueueEntry& entry) {
  core::Store& store = env.store();
  auto records = deposits_of(store, entry.id);
  if (!records) return records.error();
  auto relays = relays_for(store, entry.recipient);
  if (relays.empty() && records->empty()) return {};
  auto claimed = store.queue().claim(entry.id);
  if (!claimed) return claimed.error();
  if (!*claimed) return {};
  ++letters_;
  const auto claim = std::make_shared<core::Claim>(std::move(**claimed));
  const std::uint64_t now = env.clock().time;
  bool is_held = false;
  for (auto& record : *records) {
    is_held = is_held || is_live(record, relays, now);
    std::erase_if(relays, [&](const auto& one) {
      return one.transport == record.relay.transport && record.silence >= core::kMaxSilence;
    });
    const core::Relay relay = record.relay;
    errand_to(env, relay).ask(claim, std::move(record));
  }
  if (is_held || relays.empty()) return {};
  // After failures the next one has its turn.
  const auto first = store.queue().progress(entry.id).attempts % relays.size();
  std::rotate(relays.begin(), relays.begin() + static_cast<std::ptrdiff_t>(first), relays.end());
  if (entry.size > kLeftEverywhere) relays.resize(1);
  for (const auto& relay : relays) errand_to(env, relay).leave(claim);
  return {};
}

Status RelayRound::withdraw_ended(Env& env) {
  core::Store& store = env.store();
  auto deposits = store.deposits();
  if (!deposits) return deposits.error();
  if (*deposits == nullptr) return {};
  const auto entries = (*deposits)->entries();
  if (!entries) return entries.error();
  for (const auto& entry : *entries) {
    if (letters_ >= kMaxLetters) return {};
    if (!is_gone(store, entry)) continue;
    auto records = (*deposits)->of(entry);
    if (!records) return records.error();
    if (records->empty())  // damaged
      if (const auto gone = (*deposits)->forget(entry); !gone) return gone;
    for (auto& record : *records) {
      ++letters_;
      if (record.until <= env.clock().time || record.silence >= kLastWord) {
        if (const auto gone = (*deposits)->forget(entry, record.relay.transport); !gone) return gone;
        continue;
      }
      const core::Relay relay = record.relay;
      errand_to(env, relay).withdraw(std::move(record));
    }
  }
  return {};
}

Result<RelayRound> RelayRound::plan(Env& env, const std::vector<core::QueueEntry>& entries,
                                    std::function<void(const core::NewMail&)> on_mail) {
  RelayRound round;
  round.on_mail_ = std::move(on_mail);
  for (const auto& entry : entries) {
    if (round.letters_ >= kMaxLetters) break;
    const auto added = round.add(env, entry);
    if (!added) env.store().queue().note_words(entry.id, added.error().context);
  }
  if (const auto withdrawn = round.withdraw_ended(env); !withdrawn) return withdrawn.error();
  return round;
}

// Places that only a peer may aim us at: what a card says of a third machine is its owner's word alone.
std::vector<net::Target> RelayRound::targets(Env& env) const {
  std::vector<net::Target> all;
  for (const auto& [key, errand] : errands_) {
    const core::Relay& relay = errand->relay();
    const bool known = is_peer(env.store(), relay.identity);
    net::Target target;
    target.identity = relay.identity;
    target.mailbox = errand.get();
    target.nameless = true;
    for (const auto& endpoint : relay.endpoints) {
      if (endpoint.kind == core::Endpoint::Kind::kOnion) continue;
      if (known || endpoint.is_public()) target.places.push_back({endpoint, relay.transport});
    }
    all.push_back(std::move(target));
  }
  return all;
}

void RelayRound::ended(const core::Mailbox* errand, bool reached) {
  for (auto& [key, one] : errands_)
    if (one.get() == errand && !reached) one->unreached();
  std::erase_if(errands_, [errand](const auto& one) { return one.second.get() == errand; });
}

void carry_out(Env& env, RelayRound& round, std::chrono::milliseconds total) {
  core::Store& store = env.store();
  core::PostOffice post_office(store, post_office_options(env));
  const auto targets = round.targets(env);
  Progress progress(env);
  const auto outcomes =
      net::dial(post_office, store.device().transport, targets, dial_options(env, total),
                [&progress](std::size_t, const auto& event) { progress.take(event); });
  for (std::size_t i = 0; i < targets.size(); ++i)
    round.ended(targets[i].mailbox, outcomes[i].reached);
}

std::vector<HeldBy> held_by(Env& env, const Names& names, const core::QueueEntry& entry) {
  const auto records = deposits_of(env.store(), entry.id);
  if (!records || records->empty()) return {};
  const auto relays = relays_for(env.store(), entry.recipient);
  std::vector<HeldBy> held;
  for (const auto& record : *records) {
    if (!is_live(record, relays, env.clock().time)) continue;
    held.push_back({names.label(record.relay.identity), record.since, record.until});
  }
  return held;
}

std::string text_of(const std::vector<HeldBy>& held) {
  std::string all;
  for (const auto& one : held)
    all += (all.empty() ? "" : ", ") + one.relay + " until " + local_time(one.until);
  return all;
}

Status keep_record(Env& env) {
  core::Store& store = env.store();
  const auto* record = store.card().record_of(store.device().device);
  if (record == nullptr) return {};
  Status status;
  const auto change = [&](core::DeviceRecord& next) {
    next.stamp_bits = env.settings.stamp_bits;
    for (auto& relay : next.relays) {
      auto peer = peer_of(store, relay.identity);
      if (!peer) status = peer.error();
      if (!peer || !*peer || !(*peer)->card) continue;
      const auto* newest = (*peer)->card->record_of(relay.transport);
      if (newest != nullptr && !newest->endpoints.empty()) relay.endpoints = newest->endpoints;
    }
  };
  core::DeviceRecord next = *record;
  change(next);
  if (!status || next == *record) return status;
  const auto changed = store.change_record(change, env.clock());
  // Somebody else is at it: the next run does it.
  return !changed && changed.error().code == core::Code::kBusy ? Status{} : changed;
}

Status tidy_relays(Env& env) {
  auto shelf = env.store().shelf();
  if (!shelf) return shelf.error();
  return *shelf == nullptr ? Status{} : (*shelf)->tidy(env.clock());
}

}  // namespace p2pmail::cmd
