// Longer than other files, because it is the only one that sees zmq.
#include "net/socket.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "core/crypto.h"
#include "core/file.h"
#include "core/text.h"

namespace p2pmail::net {
namespace {

using core::Code;
using core::Error;

constexpr std::size_t kMaxRoutingId = 255;
constexpr int kMaxMessage = static_cast<int>(kMaxBody) + 1024;
// Messages in a pipe. A dealer's own limits are those of the session; the router's outward pipes
// are longer, because one that is full cannot be waited for.
constexpr int kDealerWater = 32;
constexpr int kRouterInWater = 16;
constexpr int kRouterOutWater = 128;
constexpr int kBacklog = 1024;  // the front dials for all who dial at once
constexpr int kNeverAgain = 24 * 3600 * 1000;  // ms; no conversation lasts that long
constexpr int kMaxZapRound = 256;
constexpr int kMaxDropRound = 64;
constexpr const char* kZapAddress = "inproc://zeromq.zap.01";

Error failure(const std::string& what) {
  const int error = zmq_errno();
  Code code = Code::kUnavailable;
  if (error == EMFILE || error == ENOMEM) code = Code::kBusy;
  return Error{code, what + ": " + zmq_strerror(error)};
}

/// A zmq socket that closes itself. Its context must outlive it.
class Socket {
 public:
  Socket(void* context, int type) : raw_(zmq_socket(context, type)) {}
  ~Socket() {
    if (raw_ != nullptr) zmq_close(raw_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  [[nodiscard]] void* raw() const { return raw_; }
  [[nodiscard]] bool set(int option, int value) {
    return zmq_setsockopt(raw_, option, &value, sizeof value) == 0;
  }
  [[nodiscard]] bool set(int option, core::ByteView value) {
    return zmq_setsockopt(raw_, option, value.data(), value.size()) == 0;
  }

 private:
  void* raw_;
};

/// One frame, initialised and closed.
class Frame {
 public:
  Frame() { zmq_msg_init(&raw_); }
  ~Frame() { zmq_msg_close(&raw_); }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  [[nodiscard]] zmq_msg_t* raw() { return &raw_; }
  [[nodiscard]] bool more() { return zmq_msg_more(&raw_) != 0; }
  [[nodiscard]] core::ByteView bytes() {
    return {static_cast<const std::uint8_t*>(zmq_msg_data(&raw_)), zmq_msg_size(&raw_)};
  }
  [[nodiscard]] std::string property(const char* name) {
    const char* value = zmq_msg_gets(&raw_, name);
    return value == nullptr ? std::string() : std::string(value);
  }

 private:
  zmq_msg_t raw_;
};

// ZMTP 3.1: flags and a size of 1 or 8 bytes; CurveZMQ's MESSAGE: name, nonce, box, inner flags.
std::uint64_t frame_wire_size(std::size_t size) {
  const std::uint64_t boxed = size + 8 + 8 + 16 + 1;
  return boxed + (boxed > 255 ? 9 : 2);
}

enum class Got { kFrame, kNothing, kFailed };

Got receive_frame(void* socket, Frame& frame) {
  for (;;) {
    if (zmq_msg_recv(frame.raw(), socket, ZMQ_DONTWAIT) >= 0) return Got::kFrame;
    if (zmq_errno() == EINTR) continue;
    return zmq_errno() == EAGAIN ? Got::kNothing : Got::kFailed;
  }
}

/// A whole message: at most `limit` frames are kept, each copied only within its bound; the rest of
/// the message is taken from the socket and forgotten.
struct Parts {
  Got got = Got::kNothing;
  bool fits = true;
  std::vector<core::Bytes> frames;
  std::string user;
  std::string address;
  int connection = -1;
  std::uint64_t wire = 0;  // of all frames but the first, which a router adds itself
};

Parts receive_parts(void* socket, std::initializer_list<std::size_t> bounds) {
  Parts out;
  bool more = true;
  for (std::size_t i = 0; more; ++i) {
    Frame frame;
    const Got got = receive_frame(socket, frame);
    if (i == 0) out.got = got;
    if (got != Got::kFrame) {
      out.fits = false;  // in the middle of a message this does not happen with zmq
      return out;
    }
    more = frame.more();
    if (i > 0) out.wire += frame_wire_size(frame.bytes().size());
    if (!more) out.address = frame.property("Peer-Address");
    if (i >= bounds.size() || frame.bytes().size() > bounds.begin()[i]) {
      out.fits = false;
      continue;
    }
    if (!out.fits) continue;
    out.frames.push_back(core::to_bytes(frame.bytes()));
    if (!more) {
      out.user = frame.property("User-Id");
      out.connection = zmq_msg_get(frame.raw(), ZMQ_SRCFD);
    }
  }
  return out;
}

core::Result<bool> send_frame(void* socket, core::ByteView bytes, int flags) {
  for (;;) {
    if (zmq_send(socket, bytes.data(), bytes.size(), flags | ZMQ_DONTWAIT) >= 0) return true;
    if (zmq_errno() == EINTR) continue;
    if (zmq_errno() == EAGAIN) return false;
    return failure("cannot send");
  }
}

/// Bytes of bodies that zmq has not encrypted yet. Shared with zmq's own thread, which may be later than
/// the socket.
struct Queued {
  explicit Queued(int fd) : room(fd) {}
  std::atomic<std::size_t> bytes{0};
  core::Fd room;  // an eventfd: told when there is room for pieces again
};

/// A body that zmq holds.
struct Lent {
  core::Bytes bytes;
  std::shared_ptr<Queued> queued;
};

void give_back(void*, void* hint) {
  const std::unique_ptr<Lent> lent(static_cast<Lent*>(hint));
  if (!lent->queued) return;
  const auto before = lent->queued->bytes.fetch_sub(lent->bytes.size());
  if (before < kBulkQueue || before - lent->bytes.size() >= kBulkQueue) return;
  const std::uint64_t one = 1;
  static_cast<void>(!::write(lent->queued->room.get(), &one, sizeof one));
}

// Takes the bytes, and copies none of them.
core::Result<bool> send_body(void* socket, core::Bytes& body, const std::shared_ptr<Queued>& queued) {
  auto lent = std::make_unique<Lent>(Lent{std::move(body), queued});
  zmq_msg_t frame;
  if (zmq_msg_init_data(&frame, lent->bytes.data(), lent->bytes.size(), give_back, lent.get()) != 0)
    return failure("cannot send");
  if (queued) queued->bytes += lent->bytes.size();
  static_cast<void>(lent.release());
  for (;;) {
    if (zmq_msg_send(&frame, socket, ZMQ_DONTWAIT) >= 0) return true;
    if (zmq_errno() == EINTR) continue;
    const auto why = failure("cannot send the second frame");
    zmq_msg_close(&frame);
    return why;
  }
}

// Once the first frame is in, zmq takes the others without asking for room.
core::Result<bool> send_rest(void* socket, Frames& frames, const std::shared_ptr<Queued>& queued) {
  auto sent = send_frame(socket, frames.head, frames.body.empty() ? 0 : ZMQ_SNDMORE);
  if (!sent || !*sent || frames.body.empty()) return sent;
  return send_body(socket, frames.body, queued);
}

bool set_common(Socket& socket) {
  return socket.set(ZMQ_LINGER, 0) &&
         zmq_setsockopt(socket.raw(), ZMQ_MAXMSGSIZE,
                        std::array<std::int64_t, 1>{kMaxMessage}.data(),
                        sizeof(std::int64_t)) == 0 &&
         socket.set(ZMQ_HANDSHAKE_IVL, 8000) &&
         // A heartbeat waits behind a block; a dead link is noticed by TCP itself, sooner.
         socket.set(ZMQ_HEARTBEAT_IVL, 10000) && socket.set(ZMQ_HEARTBEAT_TIMEOUT, 120000) &&
         socket.set(ZMQ_TCP_KEEPALIVE, 1) && socket.set(ZMQ_TCP_KEEPALIVE_IDLE, 15) &&
         socket.set(ZMQ_TCP_KEEPALIVE_INTVL, 5) && socket.set(ZMQ_TCP_KEEPALIVE_CNT, 3) &&
         socket.set(ZMQ_TCP_MAXRT, 30000);
}

bool set_client_keys(Socket& socket, const core::TransportKey& server,
                     const core::AgreeSecret* own) {
  std::optional<core::AgreePair> once;
  if (own == nullptr) own = &once.emplace(core::make_agree_pair()).secret;
  const auto public_key = core::public_of(*own);
  return socket.set(ZMQ_CURVE_SERVERKEY, server) && socket.set(ZMQ_CURVE_PUBLICKEY, public_key) &&
         socket.set(ZMQ_CURVE_SECRETKEY, own->view());
}

std::string zmq_text(const core::Endpoint& endpoint) {
  const bool bracket = endpoint.host.find(':') != std::string::npos;
  return "tcp://" + (bracket ? "[" + endpoint.host + "]" : endpoint.host) + ":" +
         std::to_string(endpoint.port);
}

// Events of `watched` come out of `monitor`. No water mark: zmq's own thread would wait for room.
core::Status start_monitor(Socket& watched, Socket& monitor, const std::string& address,
                           int events) {
  if (!monitor.set(ZMQ_LINGER, 0) || !monitor.set(ZMQ_RCVHWM, 0) ||
      zmq_socket_monitor(watched.raw(), address.c_str(), events) != 0 ||
      zmq_connect(monitor.raw(), address.c_str()) != 0)
    return failure("cannot watch a socket");
  return {};
}

void stop_monitor(const Socket& watched) {
  if (watched.raw() != nullptr) zmq_socket_monitor(watched.raw(), nullptr, 0);
}

struct MonitorEvent {
  std::uint16_t event = 0;
  std::int32_t value = 0;
};
std::optional<MonitorEvent> next_monitor_event(Socket& monitor) {
  for (;;) {
    const auto parts = receive_parts(monitor.raw(), {6, 1024});
    if (parts.got != Got::kFrame) return std::nullopt;
    if (parts.frames.empty() || parts.frames[0].size() != 6) continue;
    MonitorEvent out;  // in the byte order of this machine, as zmq_socket_monitor(3) says
    std::memcpy(&out.event, parts.frames[0].data(), sizeof out.event);
    std::memcpy(&out.value, parts.frames[0].data() + sizeof out.event, sizeof out.value);
    return out;
  }
}

}  // namespace

std::uint64_t wire_size(const Frames& frames) {
  const auto head = frame_wire_size(frames.head.size());
  return frames.body.empty() ? head : head + frame_wire_size(frames.body.size());
}

struct Context::State {
  void* raw = zmq_ctx_new();
  std::atomic<unsigned> monitors{0};
};

Context::Context() : state_(std::make_unique<State>()) {
  core::crypto_init();
  core::check(state_->raw != nullptr);
  // Two sockets for each dialed conversation, and the pair that a monitor needs inside.
  zmq_ctx_set(state_->raw, ZMQ_MAX_SOCKETS, 4096);
}

Context::~Context() {
  while (zmq_ctx_term(state_->raw) != 0 && zmq_errno() == EINTR) {
  }
}

struct Dealer::State {
  explicit State(void* context) : socket(context, ZMQ_DEALER), monitor(context, ZMQ_PAIR) {}
  ~State() { stop_monitor(socket); }
  void note(std::uint16_t event);

  Socket socket;
  Socket monitor;
  std::shared_ptr<Queued> queued = std::make_shared<Queued>(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  bool connected = false;
  std::optional<Error> trouble;
};

void Dealer::State::note(std::uint16_t event) {
  const auto first = [this](const char* why) {
    if (!trouble) trouble = Error{Code::kUnavailable, why};
  };
  switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: connected = true; break;
    case ZMQ_EVENT_CLOSED:
    case ZMQ_EVENT_CONNECT_RETRIED: first("cannot connect"); break;
    case ZMQ_EVENT_DISCONNECTED:
      first(connected ? "connection lost" : "the key exchange failed");
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: first("the key exchange failed"); break;
    default: break;
  }
}

Dealer::Dealer() = default;
Dealer::Dealer(Dealer&&) noexcept = default;
Dealer& Dealer::operator=(Dealer&&) noexcept = default;
Dealer::~Dealer() = default;

core::Result<Dealer> Dealer::connect(Context& context, const core::Endpoint& endpoint,
                                     const core::TransportKey& server,
                                     const core::AgreeSecret* own) {
  if (endpoint.kind == core::Endpoint::Kind::kOnion)
    return Error{Code::kUnavailable, "onion endpoints need a SOCKS proxy"};
  Dealer dealer;
  dealer.state_ = std::make_unique<State>(context.state_->raw);
  Socket& socket = dealer.state_->socket;
  Socket& monitor = dealer.state_->monitor;
  if (socket.raw() == nullptr || monitor.raw() == nullptr || !dealer.state_->queued->room)
    return failure("no socket");
  const bool ready =
      set_common(socket) && set_client_keys(socket, server, own) &&
      socket.set(ZMQ_SNDHWM, kDealerWater) && socket.set(ZMQ_RCVHWM, kDealerWater) &&
      socket.set(ZMQ_CONNECT_TIMEOUT, 5000) &&
      // One connection per conversation: whether to try again is for the queue to decide. A long
      // interval, because with none at all (-1), or with ZMQ_IMMEDIATE, libzmq takes the pipe away
      // when the connection ends, and the other side's last words, come but not read yet, with it.
      socket.set(ZMQ_RECONNECT_IVL, kNeverAgain) &&
      socket.set(ZMQ_IPV6, endpoint.kind == core::Endpoint::Kind::kIp6 ? 1 : 0);
  if (!ready) return failure("cannot set up a socket");
  const std::string watch = "inproc://monitor-" + std::to_string(context.state_->monitors++);
  if (auto status = start_monitor(socket, monitor, watch, ZMQ_EVENT_ALL); !status)
    return status.error();
  if (zmq_connect(socket.raw(), zmq_text(endpoint).c_str()) != 0)
    return failure("cannot connect").in(endpoint.text());
  return dealer;
}

core::Result<bool> Dealer::send(Frames& frames) {
  return send_rest(state_->socket.raw(), frames, state_->queued);
}

bool Dealer::takes_bulk() const { return state_->queued->bytes < kBulkQueue; }

core::Result<std::optional<Frames>> Dealer::receive() {
  auto parts = receive_parts(state_->socket.raw(), {kMaxHead, kMaxBody});
  if (parts.got == Got::kNothing) return std::optional<Frames>();
  if (parts.got == Got::kFailed) return failure("cannot receive");
  if (!parts.fits) return Error{Code::kMalformed, "a message of the wrong shape"};
  Frames frames{std::move(parts.frames[0]), {}};
  if (parts.frames.size() > 1) frames.body = std::move(parts.frames[1]);
  return std::optional<Frames>(std::move(frames));
}

std::optional<Error> Dealer::trouble() {
  while (const auto event = next_monitor_event(state_->monitor)) state_->note(event->event);
  return state_->trouble;
}

bool Dealer::connected() const { return state_->connected; }

void Dealer::finish() {
  static_cast<void>(state_->socket.set(ZMQ_LINGER, static_cast<int>(kGoodbye.count())));
}

struct Router::State {
  explicit State(void* context)
      : zap(context, ZMQ_REP), socket(context, ZMQ_ROUTER), monitor(context, ZMQ_PAIR) {}
  ~State() { stop_monitor(socket); }

  Socket zap;  // bound before the router, closed after it
  Socket socket;
  Socket monitor;
  std::uint64_t dropped = 0;
  std::vector<Router::Taken> taken;
};

Router::Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;
Router::~Router() = default;

core::Result<Router> Router::create(Context& context, const core::AgreeSecret& own) {
  Router router;
  router.state_ = std::make_unique<State>(context.state_->raw);
  Socket& socket = router.state_->socket;
  Socket& zap = router.state_->zap;
  Socket& monitor = router.state_->monitor;
  if (socket.raw() == nullptr || zap.raw() == nullptr || monitor.raw() == nullptr)
    return failure("no socket");
  if (!zap.set(ZMQ_LINGER, 0) || zmq_bind(zap.raw(), kZapAddress) != 0)
    return failure("cannot set up authentication");
  const bool ready =
      set_common(socket) && socket.set(ZMQ_CURVE_SERVER, 1) &&
      socket.set(ZMQ_CURVE_SECRETKEY, own.view()) &&
      zmq_setsockopt(socket.raw(), ZMQ_ZAP_DOMAIN, "p2pmail", 7) == 0 &&
      socket.set(ZMQ_SNDHWM, kRouterOutWater) && socket.set(ZMQ_RCVHWM, kRouterInWater) &&
      socket.set(ZMQ_BACKLOG, kBacklog) &&
      socket.set(ZMQ_ROUTER_MANDATORY, 1) && socket.set(ZMQ_ROUTER_HANDOVER, 0);
  if (!ready) return failure("cannot set up a socket");
  const std::string watch = "inproc://monitor-" + std::to_string(context.state_->monitors++);
  if (auto status = start_monitor(socket, monitor, watch, ZMQ_EVENT_DISCONNECTED); !status)
    return status.error();
  return router;
}

core::Result<core::Endpoint> Router::bind(const core::Endpoint& listen) {
  Socket& socket = state_->socket;
  const bool ip6 = listen.host.find(':') != std::string::npos;
  if (!socket.set(ZMQ_IPV6, ip6 ? 1 : 0)) return failure("cannot set up a socket");
  if (zmq_bind(socket.raw(), zmq_text(listen).c_str()) != 0) {
    const bool used = zmq_errno() == EADDRINUSE;
    if (used) return Error{Code::kUnavailable, zmq_text(listen) + ": address in use"};
    return Error{Code::kUnavailable, zmq_text(listen) + ": cannot assign address"};
  }
  std::array<char, 512> last{};
  std::size_t size = last.size();
  if (zmq_getsockopt(socket.raw(), ZMQ_LAST_ENDPOINT, last.data(), &size) != 0)
    return failure("cannot tell the port");
  const std::string_view text(last.data());
  const std::size_t colon = text.rfind(':');
  core::Endpoint bound = listen;
  if (colon == std::string_view::npos) return Error{Code::kBug, "an endpoint without a port"};
  const auto port = text.substr(colon + 1);
  std::from_chars(port.data(), port.data() + port.size(), bound.port);
  return bound;
}

core::Result<bool> Router::send(const core::Bytes& to, Frames& frames) {
  auto sent = send_frame(state_->socket.raw(), to, ZMQ_SNDMORE);
  if (!sent || !*sent) return sent;
  return send_rest(state_->socket.raw(), frames, nullptr);
}

core::Result<std::optional<Incoming>> Router::receive() {
  // Bounded, so that somebody who only sends nonsense does not keep the others waiting.
  for (int round = 0; round < kMaxDropRound; ++round) {
    auto parts = receive_parts(state_->socket.raw(), {kMaxRoutingId, kMaxHead, kMaxBody});
    if (parts.got == Got::kNothing) return std::optional<Incoming>();
    if (parts.got == Got::kFailed) return failure("cannot receive");
    Incoming incoming;
    const auto key = core::from_hex(parts.user);
    const bool fits = parts.fits && parts.frames.size() >= 2 && key &&
                      key->size() == incoming.transport.bytes.size();
    state_->taken.push_back(Taken{parts.address, parts.wire, fits});
    if (!fits) {
      ++state_->dropped;
      continue;
    }
    std::copy(key->begin(), key->end(), incoming.transport.bytes.begin());
    incoming.from = std::move(parts.frames[0]);
    incoming.peer_address = std::move(parts.address);
    incoming.connection = parts.connection;
    incoming.frames.head = std::move(parts.frames[1]);
    if (parts.frames.size() > 2) incoming.frames.body = std::move(parts.frames[2]);
    return std::optional<Incoming>(std::move(incoming));
  }
  return std::optional<Incoming>();
}

std::vector<int> Router::closed() {
  std::vector<int> out;
  while (const auto event = next_monitor_event(state_->monitor)) out.push_back(event->value);
  return out;
}

std::vector<Router::Taken> Router::taken() { return std::exchange(state_->taken, {}); }

std::uint64_t Router::dropped() const { return state_->dropped; }

void Router::finish() {
  static_cast<void>(state_->socket.set(ZMQ_LINGER, static_cast<int>(kGoodbye.count())));
}

// RFC 27 (ZAP): version, request id, domain, address, routing id, mechanism, credentials.
void Router::serve_zap(const std::function<bool(const std::string&)>& welcome) {
  for (int round = 0; round < kMaxZapRound; ++round) {
    auto request = receive_parts(state_->zap.raw(), {8, 255, 255, 255, 255, 16, 64});
    if (request.got != Got::kFrame) return;
    const auto& parts = request.frames;
    const auto is = [&parts](std::size_t at, std::string_view text) {
      return parts.size() > at && core::text_of(parts[at]) == text;
    };
    const bool good = request.fits && parts.size() == 7 && is(0, "1.0") && is(5, "CURVE") &&
                      parts[6].size() == core::TransportKey::kSize &&
                      (!welcome || welcome(std::string(core::text_of(parts[3]))));
    const std::string id = parts.size() > 1 ? std::string(core::text_of(parts[1])) : "";
    const std::array<std::string, 6> reply = {"1.0",
                                              id,
                                              good ? "200" : "400",
                                              good ? "OK" : "refused",
                                              good ? core::to_hex(parts[6]) : "",
                                              ""};
    for (std::size_t i = 0; i < reply.size(); ++i)
      static_cast<void>(send_frame(state_->zap.raw(), core::bytes_of(reply[i]),
                                   i + 1 < reply.size() ? ZMQ_SNDMORE : 0));
  }
}

void Poller::add(Dealer& dealer, bool output, bool bulk) {
  if (bulk) {
    // What it told before counts no more, but it may have told just now.
    std::uint64_t waste = 0;
    const int fd = dealer.state_->queued->room.get();
    static_cast<void>(!::read(fd, &waste, sizeof waste));
    items_.push_back(Item{nullptr, fd, false, 0});
    has_room_ = has_room_ || dealer.takes_bulk();
  }
  items_.push_back(Item{dealer.state_->socket.raw(), -1, output, 0});
  items_.push_back(Item{dealer.state_->monitor.raw(), -1, false, 0});
}

void Poller::add(Router& router) {
  items_.push_back(Item{router.state_->socket.raw(), -1, false, 0});
  items_.push_back(Item{router.state_->zap.raw(), -1, false, 0});
  items_.push_back(Item{router.state_->monitor.raw(), -1, false, 0});
}

void Poller::add(int fd) { items_.push_back(Item{nullptr, fd, false, 0}); }

core::Result<bool> Poller::wait(std::chrono::milliseconds timeout) {
  std::vector<zmq_pollitem_t> polled;
  polled.reserve(items_.size());
  for (const Item& item : items_) {
    const auto events = static_cast<short>(item.output ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN);
    polled.push_back(zmq_pollitem_t{item.socket, item.fd, events, 0});
  }
  if (has_room_) timeout = std::chrono::milliseconds(0);
  const auto wait = std::max<long>(0, static_cast<long>(timeout.count()));  // never for ever
  const int count = zmq_poll(polled.data(), static_cast<int>(polled.size()), wait);
  if (count < 0 && zmq_errno() == EINTR) return true;
  if (count < 0) return failure("cannot wait");
  for (std::size_t i = 0; i < items_.size(); ++i) items_[i].seen = polled[i].revents;
  return count > 0 || has_room_;
}

bool Poller::fd_ready(int fd) const {
  for (const Item& item : items_)
    if (item.socket == nullptr && item.fd == fd && item.seen != 0) return true;
  return false;
}

void Poller::clear() {
  items_.clear();
  has_room_ = false;
}

}  // namespace p2pmail::net
