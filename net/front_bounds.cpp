// What time says: handshakes that take too long, messages without end, clients that do not read.
#include <algorithm>
#include <vector>

#include "net/front_state.h"

namespace p2pmail::net {
namespace {

// Heartbeats count as read from the client and are never seen by the node: one of 42 bytes in 10
// seconds. Bytes for each tick, of which there are 10 a second.
constexpr std::uint64_t kHeartbeats = 8;
constexpr std::uint64_t kSlow = 4096;

}  // namespace

bool Front::State::overdue(Link& link, FrontClock::time_point now) const {
  if (link.deadline && now >= *link.deadline) return true;
  // The node had its chance to see what came.
  const auto limit = link.accepted + bounds.hello;
  if (link.waiting() && now >= limit && (!link.router || drained >= limit)) return true;
  if (link.unconsumed > kLongestMessage && drained >= link.consumed + bounds.stall) return true;
  if (link.unsent == 0 || link.taken >= kSlow) {
    link.progress = now;
    link.taken = 0;
  }
  return now - link.progress > bounds.reading;
}

void Front::State::tick(FrontClock::time_point now) {
  last_tick = now;
  if (paused && now >= *paused) {
    paused.reset();
    watch_listeners(true);
  }
  std::vector<Link*> over;
  for (auto& [id, link] : links) {
    count_in(*link, link->unconsumed - std::min(link->unconsumed, kHeartbeats));
    if (overdue(*link, now)) over.push_back(link.get());
  }
  for (Link* link : over) close(*link);
  relieve();
}

// All that may be in memory is there: who holds most of it and finishes nothing has to go,
// strangers before friends.
void Front::State::relieve() {
  while (unconsumed >= kInBudget) {
    Link* most = nullptr;
    const auto before = [](const Link& a, const Link& b) {
      if (a.befriended != b.befriended) return b.befriended;
      return a.unconsumed > b.unconsumed;
    };
    for (auto& [id, link] : links) {
      if (link->unconsumed <= kInShare || drained < link->consumed + bounds.stall) continue;
      if (most == nullptr || before(*link, *most)) most = link.get();
    }
    if (most == nullptr) break;
    close(*most);
  }
  if (!squeezed) return;
  squeezed = false;
  for (auto& [id, link] : links) watch(*link);
}

}  // namespace p2pmail::net
