// The inside of a front: what its thread and its callers share. Private to net/front*.cpp.
// Everything but `stopping` is touched with `mutex` held.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "net/front.h"

namespace p2pmail::net {

// What a client's key exchange comes to, at most; nobody reports it as seen.
inline constexpr std::uint64_t kHandshake = 1024;

struct Front::State {
  State(const core::Endpoint& router_place, const FrontBounds& limits)
      : router(router_place), bounds(limits), admission(limits) {}

  // net/front.cpp: the thread.
  void run();
  void handle(std::uint64_t tag, std::uint32_t events);
  [[nodiscard]] bool finished() const;

  // net/front_accept.cpp: newcomers.
  void accept_all(int listener);
  void welcome(core::Fd client, const Network& from);
  void out_of_descriptors(int listener);
  void watch_listeners(bool on);
  [[nodiscard]] std::uint32_t free_id();

  // net/front_forward.cpp: bytes between the two sides of a connection.
  void client_ready(Link& link);
  void router_ready(Link& link, std::uint32_t events);
  [[nodiscard]] bool dial(Link& link);
  void push_in(Link& link);
  void push_out(Link& link);
  void client_took(Link& link, std::uint64_t bytes);
  [[nodiscard]] std::uint64_t allowance(const Link& link) const;
  void settle(Link& link);  // closes it, or tells epoll what to wait for
  void watch(Link& link);
  void close(Link& link);
  void end(Link& link);
  void count_in(Link& link, std::uint64_t unconsumed);
  void count_out(Link& link, std::uint64_t unsent);
  [[nodiscard]] Link* find(const std::string& address) const;

  // net/front_bounds.cpp: what time says.
  void tick(FrontClock::time_point now);
  [[nodiscard]] bool overdue(Link& link, FrontClock::time_point now) const;
  void relieve();

  const core::Endpoint router;
  const FrontBounds bounds;
  mutable std::mutex mutex;
  Admission admission;
  Links links;
  std::map<int, core::Fd> listeners;
  core::Fd epoll;
  core::Fd stop_event;
  core::Fd wake_event;
  core::Fd spare;  // given up for a moment when descriptors run out
  std::uint32_t next_id = 0;
  std::uint64_t unconsumed = 0;  // of all links
  std::uint64_t unsent = 0;
  bool squeezed = false;  // somebody was not read from because of the budget
  FrontClock::time_point drained{};
  FrontClock::time_point last_tick{};
  std::optional<FrontClock::time_point> paused;  // no accepting until then
  std::array<std::uint8_t, kChunk> scratch{};
  std::atomic<bool> stopping{false};
  std::thread thread;
};

}  // namespace p2pmail::net
