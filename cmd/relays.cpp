#include "cmd/relays.h"

#include <fmt/format.h>

#include <algorithm>

#include "cmd/delivery.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "core/tree.h"

namespace p2pmail::cmd {

using core::Result;
using core::Status;

namespace {

/// A letter larger than this is left at one relay at a time, a smaller one at all of them at once.
constexpr std::uint64_t kLeftEverywhere = core::kBlockSize;

Result<std::vector<core::DepositRecord>> deposits_of(core::Store& store, const std::string& entry) {
  auto deposits = store.deposits();
  if (!deposits) return deposits.error();
  if (*deposits == nullptr) return std::vector<core::DepositRecord>{};
  return (*deposits)->of(entry);
}

}  // namespace

core::Errand& RelayRound::errand_to(Env& env, const core::Relay& relay) {
  auto& errand = errands_[relay.transport];
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
  auto peer = peer_of(store, entry.recipient);
  if (!peer) return peer.error();
  if (!*peer || !(*peer)->card) return {};
  auto records = deposits_of(store, entry.id);
  if (!records) return records.error();
  auto relays = core::relays_of(*(*peer)->card);
  std::erase_if(relays, [&store](const auto& one) { return one.identity == store.identity(); });
  if (relays.empty()) return {};
  auto claimed = store.queue().claim(entry.id);
  if (!claimed) return claimed.error();
  if (!*claimed) return {};
  const auto claim = std::make_shared<core::Claim>(std::move(**claimed));
  // What lies with a relay that he has left may never be collected.
  bool is_held = false;
  for (auto& record : *records) {
    const auto at = std::ranges::find(relays, record.relay, &core::Relay::identity);
    if (at == relays.end()) continue;
    is_held = true;
    errand_to(env, *at).ask(claim, std::move(record));
  }
  if (is_held) return {};
  // After failures the next one has its turn.
  const auto first = store.queue().progress(entry.id).attempts % relays.size();
  std::ranges::rotate(relays, relays.begin() + static_cast<std::ptrdiff_t>(first));
  if (entry.size > kLeftEverywhere) relays.resize(1);
  for (const auto& relay : relays) errand_to(env, relay).leave(claim);
  return {};
}

Result<RelayRound> RelayRound::plan(Env& env, const std::vector<core::QueueEntry>& entries,
                                    std::function<void(const core::NewMail&)> on_mail) {
  RelayRound round;
  round.on_mail_ = std::move(on_mail);
  for (const auto& entry : entries)
    if (const auto added = round.add(env, entry); !added) return added.error();
  return round;
}

std::vector<net::Target> RelayRound::targets() const {
  std::vector<net::Target> all;
  for (const auto& [transport, errand] : errands_) {
    net::Target target;
    target.identity = errand->relay().identity;
    target.mailbox = errand.get();
    target.nameless = true;
    for (const auto& endpoint : errand->relay().endpoints) {
      if (endpoint.kind != core::Endpoint::Kind::kOnion)
        target.places.push_back({endpoint, transport});
    }
    all.push_back(std::move(target));
  }
  return all;
}

void RelayRound::drop(const core::Mailbox* errand) {
  std::erase_if(errands_, [errand](const auto& one) { return one.second.get() == errand; });
}

std::string held_by(Env& env, const std::string& entry) {
  const auto records = deposits_of(env.store(), entry);
  const auto names = Names::load(env.store());
  std::string all;
  if (!records || !names) return all;
  for (const auto& record : *records) {
    all += all.empty() ? "" : ", ";
    all += names->label(record.relay) + " until " + local_time(record.until);
  }
  return all;
}

Status keep_record(Env& env) {
  core::Store& store = env.store();
  const auto* record = store.card().record_of(store.device().device);
  if (record == nullptr) return {};
  core::DeviceRecord next = *record;
  next.stamp_bits = env.settings.stamp_bits;
  for (auto& relay : next.relays) {
    auto peer = peer_of(store, relay.identity);
    if (!peer) return peer.error();
    if (!*peer || !(*peer)->card) continue;
    const auto* newest = (*peer)->card->record_of(relay.transport);
    if (newest != nullptr && !newest->endpoints.empty()) relay.endpoints = newest->endpoints;
  }
  if (next == *record) return {};
  return store.change_record(
      [&next](auto& fresh) {
        fresh.stamp_bits = next.stamp_bits;
        fresh.relays = next.relays;
      },
      env.clock());
}

Status tidy_relays(Env& env) {
  core::Store& store = env.store();
  auto shelf = store.shelf();
  if (!shelf) return shelf.error();
  if (*shelf == nullptr) return {};
  if (const auto tidied = (*shelf)->tidy(env.clock()); !tidied) return tidied;
  // Cancelled or expired: nobody will ask for them.
  auto deposits = store.deposits();
  if (!deposits) return deposits.error();
  auto records = (*deposits)->all();
  if (!records) return records.error();
  for (const auto& record : *records) {
    if (!is_gone(store, record.entry)) continue;
    if (const auto gone = (*deposits)->forget(record.entry); !gone) return gone;
  }
  return {};
}

}  // namespace p2pmail::cmd
