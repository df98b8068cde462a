// One accepted connection of the front: two sockets, the bytes between them, and what they add up
// to. Private to net/front*.cpp.
//
//   client --> held (at most kChunk) --> the router's socket      inbound
//   client <-- held (at most kChunk) <-- the router's socket      outbound
//
//   waiting   accepted; the router is dialed when the first byte comes, so that a connection that
//             says nothing costs one descriptor
//   met       the node has seen a message
//   ending    what comes from the client is thrown away, what the router still has to say goes out;
//             the deadline closes it
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "core/bytes.h"
#include "core/file.h"
#include "net/listener.h"

namespace p2pmail::net {

using FrontClock = std::chrono::steady_clock;
inline constexpr std::size_t kChunk = 64 * 1024;  // bytes moved at once

/// One direction.
class Flow {
 public:
  struct Moved {
    std::size_t read = 0;
    std::size_t written = 0;
    bool end = false;     // the source has no more, or is broken
    bool broken = false;  // the sink takes no more
  };
  /// Reads at most `limit` bytes through `scratch`; what `to` does not take is held. Only when
  /// nothing is held. `to` < 0: the bytes are thrown away.
  [[nodiscard]] Moved pull(int from, int to, core::ByteSpan scratch);
  /// Writes what is held.
  [[nodiscard]] Moved push(int to);
  [[nodiscard]] bool holds() const { return !held_.empty(); }
  void forget() { core::Bytes().swap(held_); }

 private:
  core::Bytes held_;  // memory only while the sink is slow
};

struct Link {
  std::uint32_t id = 0;  // its loopback address, in the byte order of this machine
  Network network;
  core::Fd client;
  core::Fd router;  // not open before the first byte
  Flow in;
  Flow out;
  bool connecting = false;
  bool client_end = false;   // nothing more comes from there
  bool client_gone = false;  // nothing more goes there
  bool router_end = false;
  bool told_router = false;  // shut down for writing
  bool told_client = false;
  bool met = false;
  bool befriended = false;
  bool ending = false;
  bool wants_bulk = false;  // the same, of pieces of blocks
  bool wants_room = false;  // the node has something for it and was told to wait
  std::uint32_t client_events = 0;  // as epoll knows them; 0 = not registered
  std::uint32_t router_events = 0;

  std::uint64_t unconsumed = 0;  // read from the client, not yet seen by the node
  std::uint64_t unsent = 0;      // given by the node, not yet taken by the client
  std::uint64_t taken = 0;       // by the client, since `progress`
  FrontClock::time_point accepted{};
  FrontClock::time_point consumed{};  // when the node last saw something, or it had room before
  FrontClock::time_point progress{};  // of what goes out
  std::optional<FrontClock::time_point> deadline;

  [[nodiscard]] bool waiting() const { return !met && !ending; }
};

}  // namespace p2pmail::net
