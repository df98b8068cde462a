// The accept front: owns the listening sockets, and forwards each connection to the node's router,
// which only loopback can reach, from an address of its own in 127.64.0.0/10. That address arrives
// with every message as zmq's "Peer-Address" and is the connection's name in all calls here.
//
// Why: libzmq 4.3.4 takes in a multipart message without bound before anybody sees it, keeps idle
// connections for ever, and has no call that drops one. Here each of these has a bound:
//
//   connections       512, or as many as there are descriptors for; 256 of them without hello
//   one network       64 connections (an address of loopback: no bound of its own), 32 new ones a
//                     second after the first 128; see net/front_admit.h for who makes room
//   until hello       8 s from accept
//   inbound           kInWindow bytes read from a client and not reported as seen by the node; then
//                     it is not read from, and TCP pushes back. More than the longest message for
//                     5 s while the node has read everything else: a message without end; dropped
//   inbound, all      kInBudget; then only kInShare each, and kFriendsBudget more for friends; who
//                     holds most and got nothing finished for 5 s is dropped
//   outbound          may_send() is false beyond kOutWindow given to the router and not taken by
//                     the client, or kOutBudget of all; a client that takes less than 4 KiB in 30 s
//                     although there is more is dropped
//
// Memory of the whole node in the worst case:
//   inbound  (24 + 8) MiB + 512 x 16 KiB = 40 MiB as bytes; zmq keeps a frame of 35 bytes on the
//            wire as 64, one of 70 as about 150: up to 2.3 times that                       92 MiB
//   outbound 24 MiB, one message each beyond it (a card, at most 64 KiB; a piece of 128 KiB only
//            for somebody whom a letter waits for): 256 x 64 KiB                                 40 MiB
//   held     one chunk of 64 KiB each way where a sink is slow; both count in the two above
//   zmq      about 64 KiB for each connection that finished CURVE: 512 of them               32 MiB
//   the rest program, conversations, one round of input                                     50 MiB
//
// One thread of its own, because the node's may be in an fsync. All calls are safe from any thread
// and wait only for a chunk to be copied. Copying costs 0.4 s of processor time for a GiB, a tenth
// of what receiving it costs in all; splice(2) would need two pipes for each connection.
//
// Whoever runs programs on this machine can dial the router itself. The node hears only addresses
// that are connections here, so that such a caller has to pretend to be one of them meanwhile.
#pragma once

#include <memory>
#include <string>

#include "core/endpoint.h"
#include "core/result.h"
#include "net/front_admit.h"

namespace p2pmail::net {

inline constexpr std::uint64_t kInWindow = std::uint64_t{4} << 20;
inline constexpr std::uint64_t kInWaiting = std::uint64_t{256} << 10;  // before hello
inline constexpr std::uint64_t kLongestMessage = std::uint64_t{1536} << 10;  // with all overhead
inline constexpr std::uint64_t kInBudget = std::uint64_t{24} << 20;
inline constexpr std::uint64_t kFriendsBudget = std::uint64_t{8} << 20;
inline constexpr std::uint64_t kInShare = std::uint64_t{16} << 10;
inline constexpr std::uint64_t kOutWindow = std::uint64_t{3} << 20;
inline constexpr std::uint64_t kBulkWindow = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kOutBudget = std::uint64_t{24} << 20;

/// Raises the soft limit of descriptors as far as the bounds of a front need and the hard limit
/// lets. Call once, before a front is made: that derives its bounds from what is there.
void reserve_descriptors();

class Front {
 public:
  /// `router`: where the node's router listens, on IPv4 loopback.
  static core::Result<std::unique_ptr<Front>> create(const core::Endpoint& router,
                                                     const FrontBounds& bounds = {});
  /// Ends the thread and closes everything. What the router said before it was closed goes out, for
  /// at most 300 ms.
  ~Front();
  core::Result<core::Endpoint> listen(const core::Endpoint& endpoint);
  /// Accepts nobody any more.
  void retire();

  /// Where it really comes from; nullopt for an address that is not, or no longer, a connection
  /// that the node may hear.
  [[nodiscard]] std::optional<Network> origin(const std::string& address) const;
  /// The node saw `bytes` of it, as they are on the wire. Ends the time for hello.
  void consumed(const std::string& address, std::uint64_t bytes);
  /// The node has read all that was waiting.
  void drained();
  /// False: wait until wake_fd() is readable.
  [[nodiscard]] bool may_send(const std::string& address);
  /// The same for pieces of blocks, which leave room for small messages: less than kBulkWindow waits.
  [[nodiscard]] bool takes_bulk(const std::string& address);
  /// Before a message is given to the router; unsent() when it did not take it.
  void sending(const std::string& address, std::uint64_t bytes);
  void unsent(const std::string& address, std::uint64_t bytes);
  /// A conversation with somebody in the address book.
  void befriend(const std::string& address);
  /// The conversation is over: its last words go out, nothing comes in, then it is closed.
  void finish(const std::string& address);
  /// Closed at once.
  void drop(const std::string& address);

  /// Readable when somebody who was told to wait may send.
  [[nodiscard]] int wake_fd() const;
  void clear_wake();
  [[nodiscard]] std::size_t connections() const;

 private:
  Front();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace p2pmail::net
