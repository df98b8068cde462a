#include "cmd/delivery.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "core/blob_upkeep.h"
#include "core/expiry.h"

#include "cmd/format.h"
#include "cmd/names.h"

namespace p2pmail::cmd {

namespace {
constexpr std::uint64_t kLongStamp = 21;  // bits, about half a second
}  // namespace

using core::Code;
using core::Error;

core::PostOffice::Options post_office_options(Env& env) {
  core::PostOffice::Options options;
  options.clocks = env.clock;
  options.policy = env.settings.header_policy;
  options.inline_max = env.settings.inline_max;
  options.room.keep_free = env.settings.keep_free;
  options.max_size = env.settings.max_size;
  options.stamps = stamp_work(env);
  return options;
}

net::DialOptions dial_options(const Env& env, std::chrono::milliseconds total) {
  net::DialOptions options;
  options.stop = env.stop;
  options.total = total;
  options.limit_rate = env.settings.limit_rate;
  return options;
}

core::Status take_limit_rate(Env& env, const std::string& text) {
  if (text.empty()) return {};
  auto parsed = parse_size(text);
  if (!parsed) return parsed.error().in("--limit-rate");
  env.settings.limit_rate = *parsed;
  return {};
}

core::Status take_max_size(Env& env, const std::string& text) {
  if (text.empty()) return {};
  auto parsed = parse_size(text);
  if (!parsed) return parsed.error().in("--max-size");
  env.settings.max_size = *parsed;
  return {};
}

core::StampWork stamp_work(Env& env) {
  core::StampWork work;
  work.max_bits = env.settings.max_stamp_bits;
  work.stopped = [&env] { return env.stopped(); };
  work.on_work = [&env](const core::IdentityKey& recipient, std::uint64_t bits) {
    // Less than that is done before anybody has read it.
    const auto names = Names::load(env.store());
    const auto words = fmt::format("computing a stamp of {} bits for {}", bits,
                                   names ? names->label(recipient) : address_of(recipient));
    bits >= kLongStamp && env.out_is_terminal ? env.note(words) : env.detail(words);
  };
  return work;
}

net::Target target_of(const core::Peer& peer) {
  net::Target target;
  target.identity = peer.identity;
  if (!peer.card) return target;
  for (const core::DeviceRecord* record : peer.card->usable()) {
    for (const auto& endpoint : record->endpoints) {
      // Without Tor's SOCKS port an onion name would go to the resolver, and leak.
      if (endpoint.kind == core::Endpoint::Kind::kOnion) continue;
      target.places.push_back({endpoint, record->transport});
    }
  }
  std::stable_partition(target.places.begin(), target.places.end(),
                        [](const auto& place) { return place.endpoint.is_public(); });
  return target;
}

core::Result<std::optional<core::Peer>> peer_of(core::Store& store,
                                                const core::IdentityKey& identity) {
  return store.state().find_peer(identity);
}

void note_unreached(core::Store& store, const std::vector<std::string>& entries, const Error& why,
                    std::uint64_t now, core::Backoff backoff) {
  for (const auto& entry : entries) {
    const bool counts = backoff == core::Backoff::kGrows;
    if (counts && !core::is_due(store.queue().progress(entry), now)) continue;
    store.queue().note_failure(entry, why, now, backoff);
  }
}

bool is_gone(core::Store& store, const std::string& entry) {
  auto loaded = store.queue().load(entry);
  return !loaded && loaded.error().code == Code::kNotFound;
}

core::Status check_damage(const std::vector<core::DamagedEntry>& damaged) {
  if (damaged.empty()) return {};
  return Error{Code::kMalformed, "damaged queue entry: " + damaged.front().why,
               "p2pmail queue cancel " + damaged.front().id};
}

core::Status tend_queue(Env& env, std::function<void(const core::NewMail&)> on_mail) {
  core::ExpiryOptions options;
  options.expire = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(env.settings.expire).count());
  options.notice = {env.settings.header_policy, std::move(on_mail)};
  return core::tend_queue(env.store(), options, env.clock());
}

core::Status tend_blobs(Env& env) {
  return core::tend_blobs(env.store().maildir(), env.clock());
}

const char* word_of(core::Ending ending) {
  switch (ending) {
    case core::Ending::kDelivered: return "delivered";
    case core::Ending::kCancelled: return "cancelled";
    case core::Ending::kExpired: return "expired";
    case core::Ending::kFailed: return "failed";
  }
  return "unknown";
}

}  // namespace p2pmail::cmd
