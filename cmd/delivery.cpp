#include "cmd/delivery.h"

#include <algorithm>

namespace p2pmail::cmd {

using core::Code;
using core::Error;

core::PostOffice::Options post_office_options(const Env& env) {
  core::PostOffice::Options options;
  options.clocks = env.clock;
  options.policy = env.settings.header_policy;
  options.room.keep_free = env.settings.keep_free;
  return options;
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
                    std::uint64_t now) {
  for (const auto& entry : entries) {
    if (!core::is_due(store.queue().progress(entry), now)) continue;
    store.queue().note_failure(entry, why.context, now);
  }
}

bool is_gone(core::Store& store, const std::string& entry) {
  auto loaded = store.queue().load(entry);
  return !loaded && loaded.error().code == Code::kNotFound;
}

core::Status check_damage(const std::vector<std::string>& damaged) {
  if (damaged.empty()) return {};
  return Error{Code::kMalformed, "damaged queue entry: " + damaged.front(), ""};
}

}  // namespace p2pmail::cmd
