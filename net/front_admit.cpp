#include "net/front_admit.h"

#include <algorithm>
#include <functional>

namespace p2pmail::net {
namespace {

// Networks whose rate is remembered. Whoever has more of them has more than a rate can bound.
constexpr std::size_t kMaxBuckets = 4096;

using Filter = std::function<bool(const Link&)>;

// Greeting and HELLO of a key exchange are 266 bytes: whoever sent that many pays for it.
constexpr std::uint64_t kBegun = 200;
bool has_begun(const Link& link) { return link.met || link.unconsumed >= kBegun; }

/// The first to go of the network that has most of those that `fits`.
Link* first_of_most(const Links& links, const Filter& fits) {
  std::map<Network, std::size_t> counts;
  for (const auto& [id, link] : links)
    if (fits(*link)) ++counts[link->network];
  std::size_t most = 0;
  for (const auto& [network, count] : counts) most = std::max(most, count);
  Link* oldest[2] = {nullptr, nullptr};  // of those that began the key exchange: the second
  std::size_t of[2] = {0, 0};
  for (const auto& [id, link] : links) {
    if (!fits(*link) || counts[link->network] != most) continue;
    const std::size_t kind = has_begun(*link) ? 1 : 0;
    ++of[kind];
    if (oldest[kind] == nullptr || link->accepted < oldest[kind]->accepted)
      oldest[kind] = link.get();
  }
  return of[1] > of[0] ? oldest[1] : oldest[0];
}

}  // namespace

bool Admission::within_rate(const Network& from, FrontClock::time_point now) {
  const auto rate = static_cast<double>(from.is_local() ? bounds_.local_rate : bounds_.rate);
  const auto burst = static_cast<double>(from.is_local() ? bounds_.local_rate : bounds_.burst);
  if (buckets_.size() >= kMaxBuckets && !buckets_.contains(from)) buckets_.clear();
  auto [found, fresh] = buckets_.try_emplace(from, Bucket{burst, now});
  Bucket& bucket = found->second;
  const std::chrono::duration<double> passed = now - bucket.filled;
  bucket.tokens = std::min(burst, bucket.tokens + passed.count() * rate);
  bucket.filled = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

Admission::Answer Admission::admit(const Links& links, const Network& from,
                                   FrontClock::time_point now) {
  if (!within_rate(from, now)) return {};
  std::size_t waiting = 0;
  std::size_t same = 0;
  for (const auto& [id, link] : links) {
    waiting += link->waiting() ? 1 : 0;
    same += link->network == from ? 1 : 0;
  }
  const bool crowded = !from.is_local() && same >= bounds_.per_network;
  const bool full = links.size() >= bounds_.connections;
  if (!crowded && !full && waiting < bounds_.waiting) return {true, nullptr};
  const auto here = [&](const Link& link) { return !crowded || link.network == from; };
  Link* victim = nullptr;
  if (crowded || full)
    victim = first_of_most(links, [&](const Link& link) { return link.ending && here(link); });
  if (victim == nullptr)
    victim = first_of_most(links, [&](const Link& link) { return link.waiting() && here(link); });
  if (victim == nullptr)
    victim = first_of_most(
        links, [&](const Link& link) { return link.met && !link.befriended && here(link); });
  return {victim != nullptr, victim};
}

}  // namespace p2pmail::net
