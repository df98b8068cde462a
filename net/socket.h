// ZeroMQ with the rules of this project: CURVE always, ZAP always, linger set, sizes bounded, every
// wait bounded, EINTR an ordinary answer. The only header whose source sees zmq.
//
// The context is made before its sockets and outlives them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/endpoint.h"
#include "core/result.h"
#include "core/secret.h"
#include "net/message.h"

namespace p2pmail::net {

inline constexpr std::chrono::milliseconds kGoodbye{500};
inline constexpr std::size_t kBulkQueue = 4 * kPiece;

class Context {
 public:
  Context();
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

 private:
  friend class Dealer;
  friend class Router;
  friend class Poller;
  struct State;
  std::unique_ptr<State> state_;
};

/// Frames as they came; `from` is the routing id for a Router, `transport` its CURVE key.
struct Incoming {
  core::Bytes from;
  core::TransportKey transport;
  std::string peer_address;  // "Peer-Address" metadata, for bounds per address
  int connection = -1;       // see Router::closed
  Frames frames;
};

/// What a message takes on the wire: ZMTP's header and CURVE's box of each frame, no more.
[[nodiscard]] std::uint64_t wire_size(const Frames& frames);

/// One conversation that we dial.
class Dealer {
 public:
  /// `own` null = a one-time CURVE key. kUnavailable when the endpoint cannot be used.
  static core::Result<Dealer> connect(Context& context, const core::Endpoint& endpoint,
                                      const core::TransportKey& server,
                                      const core::AgreeSecret* own);
  Dealer(Dealer&&) noexcept;
  Dealer& operator=(Dealer&&) noexcept;
  ~Dealer();
  /// False when the pipe is full: try again after a poll for output. True: the body was taken, and is
  /// not copied.
  [[nodiscard]] core::Result<bool> send(Frames& frames);
  [[nodiscard]] core::Result<bool> send(Frames&& frames) { return send(frames); }
  /// Less than kBulkQueue bytes of bodies wait in zmq: pieces of blocks leave small messages a way.
  [[nodiscard]] bool takes_bulk() const;
  /// nullopt when nothing is waiting. More than two frames, or frames over the bounds, are an error.
  [[nodiscard]] core::Result<std::optional<Frames>> receive();
  /// What the monitor saw: connection refused, handshake failed, disconnected; nullopt = all is well
  /// so far. Once the handshake succeeded `connected` is true.
  [[nodiscard]] std::optional<core::Error> trouble();
  [[nodiscard]] bool connected() const;
  /// Lets what was sent go out after the destruction, for at most kGoodbye; else that is lost.
  void finish();

 private:
  friend class Poller;
  Dealer();
  struct State;
  std::unique_ptr<State> state_;
};

/// The listening side with its ZAP handler (accepts every CURVE client; its key is the User-Id).
class Router {
 public:
  static core::Result<Router> create(Context& context, const core::AgreeSecret& own);
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;
  ~Router();
  /// Answers the endpoint that was bound, with the port the system chose for port 0. kUnavailable
  /// ("address in use", "cannot assign address").
  core::Result<core::Endpoint> bind(const core::Endpoint& listen);
  [[nodiscard]] core::Result<bool> send(const core::Bytes& to, Frames& frames);
  [[nodiscard]] core::Result<bool> send(const core::Bytes& to, Frames&& frames) {
    return send(to, frames);
  }
  /// Messages of the wrong shape are dropped here and counted; the answer skips them.
  [[nodiscard]] core::Result<std::optional<Incoming>> receive();
  /// Every message that receive() took from the socket since the last call, in order; those of the
  /// wrong shape too.
  struct Taken {
    std::string peer_address;
    std::uint64_t bytes = 0;  // as in wire_size()
    bool fits = true;
  };
  [[nodiscard]] std::vector<Taken> taken();
  /// Answers pending ZAP requests; never blocks. `welcome` says no to addresses; empty = all may.
  void serve_zap(const std::function<bool(const std::string&)>& welcome = {});
  /// Connections that ended since the last call. Their numbers are used again, and zmq tells of an
  /// end before it uses a number again: ask before keeping the number of a message just received.
  /// Messages of an ended connection may still be waiting.
  [[nodiscard]] std::vector<int> closed();
  /// Messages of the wrong shape so far.
  [[nodiscard]] std::uint64_t dropped() const;
  /// As for a Dealer.
  void finish();

 private:
  friend class Poller;
  Router();
  struct State;
  std::unique_ptr<State> state_;
};

/// Waits for any of the registered things. Registration is by reference and must be renewed for
/// every wait (add..., wait, then clear()).
class Poller {
 public:
  /// `bulk`: also ready when it takes pieces of blocks again.
  void add(Dealer& dealer, bool output, bool bulk = false);
  void add(Router& router);  // always writable as a whole, so that waiting for output is no use
  void add(int fd);  // readable
  /// True when something is ready before `timeout`; EINTR counts as ready. `fd_ready` tells which of
  /// the plain descriptors is readable.
  [[nodiscard]] core::Result<bool> wait(std::chrono::milliseconds timeout);
  [[nodiscard]] bool fd_ready(int fd) const;
  void clear();

 private:
  struct Item {
    void* socket = nullptr;
    int fd = -1;
    bool output = false;
    short seen = 0;
  };
  std::vector<Item> items_;
  bool has_room_ = false;  // of a dealer
};

}  // namespace p2pmail::net
