#include "net/node.h"

#include <unistd.h>

#include <array>
#include <algorithm>
#include <cerrno>

#include "net/conversation.h"

namespace p2pmail::net {
namespace {

using core::Code;
using core::Error;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kRest{200};         // the longest wait: `stop` is looked at that often
constexpr milliseconds kBlockedRest{20};   // some pipe is full, and zmq cannot tell which has room
constexpr seconds kDueInterval{5};
constexpr milliseconds kDueSpacing{100};   // looking into the queue may itself be seen as a change
constexpr seconds kTickInterval{1};
constexpr milliseconds kConnect{15000};
constexpr int kInputRound = 256;           // messages before the others get their turn
constexpr std::size_t kMaxDialed = 32;
constexpr std::size_t kMaxConversationsPerAddress = 64;

/// A conversation that somebody else began.
struct Inbound {
  Inbound(core::Mailbox& mailbox, const Incoming& first, std::uint64_t now)
      : transport(first.transport),
        address(first.peer_address),
        connection(first.connection),
        session(mailbox, Session::Options{.role = Session::Role::kListener,
                                          .transport = first.transport,
                                          .expected = std::nullopt},
                now) {}

  core::TransportKey transport;
  std::string address;
  int connection;     // -1 once it is gone
  bool gone = false;  // but its last messages may not be read yet
  Session session;
  Pump pump;
};

// Many identities on one machine, or behind one local proxy, share these.
bool is_local(const std::string& address) {
  return address.starts_with("127.") || address == "::1" || address.starts_with("::ffff:127.");
}

Frames farewell(const std::string& why) {
  Message out;
  out.verb = Verb::kError;
  out.kind = Kind::kLater;
  out.text = why;
  return encode_message(std::move(out));
}

// False when there will never be anything more to read. One read: the descriptor may block.
bool drain(int fd) {
  std::array<char, 4096> waste;
  const auto got = ::read(fd, waste.data(), waste.size());
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

}  // namespace

struct Node::State {
  State(core::Mailbox& box, const core::AgreeSecret& key) : mailbox(box), own(key.clone()) {}

  void round(const NodeHooks& hooks);
  void read_input(Clock::time_point now);
  void deliver(const Incoming& incoming, Clock::time_point now);
  [[nodiscard]] bool has_room(const Incoming& incoming) const;
  void mark_closed();
  void end_closed();
  void push_output();
  void tick(Clock::time_point now);
  void report(const NodeHooks& hooks);
  void step_dialed(const NodeHooks& hooks, Clock::time_point now);
  void dial_due(const NodeHooks& hooks, Clock::time_point now);
  [[nodiscard]] bool wake_talking(const core::IdentityKey& identity);
  void finish();
  [[nodiscard]] milliseconds rest() const;

  core::Mailbox& mailbox;
  core::AgreeSecret own;
  Context context;
  std::optional<Router> router;
  std::map<core::Bytes, std::unique_ptr<Inbound>> inbound;  // by routing id
  std::vector<std::unique_ptr<Conversation>> dialed;
  bool input_left = false;
  bool due = true;
  Clock::time_point last_due{};
  Clock::time_point last_tick{};
};

void Node::State::read_input(Clock::time_point now) {
  router->serve_zap();
  mark_closed();
  input_left = true;
  for (int i = 0; i < kInputRound; ++i) {
    auto incoming = router->receive();
    if (!incoming || !*incoming) {
      input_left = false;
      break;
    }
    deliver(**incoming, now);
  }
  for (auto& [id, one] : inbound) one->session.flush();
  if (!input_left) end_closed();
}

bool Node::State::has_room(const Incoming& incoming) const {
  if (inbound.size() >= kMaxConversations) return false;
  std::size_t same_key = 0;
  std::size_t same_address = 0;
  for (const auto& [id, one] : inbound) {
    same_key += one->transport == incoming.transport ? 1 : 0;
    same_address += one->address == incoming.peer_address ? 1 : 0;
  }
  return same_key < kMaxConversationsPerKey &&
         (is_local(incoming.peer_address) || same_address < kMaxConversationsPerAddress);
}

void Node::State::deliver(const Incoming& incoming, Clock::time_point now) {
  auto found = inbound.find(incoming.from);
  if (found == inbound.end()) {
    // The end of an older connection with the same number is known from here on, not later.
    mark_closed();
    if (!has_room(incoming)) {
      static_cast<void>(router->send(incoming.from, farewell("too many conversations")));
      return;
    }
    auto fresh = std::make_unique<Inbound>(mailbox, incoming, seconds_of(now));
    found = inbound.emplace(incoming.from, std::move(fresh)).first;
  }
  // A routing id proves nothing; the key does.
  if (found->second->transport != incoming.transport) return;
  found->second->session.receive(incoming.frames.head, incoming.frames.body, seconds_of(now));
}

void Node::State::mark_closed() {
  for (const int connection : router->closed()) {
    for (auto& [id, one] : inbound) {
      if (one->connection != connection) continue;
      one->connection = -1;
      one->gone = true;
    }
  }
}

void Node::State::end_closed() {
  for (auto& [id, one] : inbound)
    if (one->gone) one->session.lost(Error{Code::kUnavailable, "connection lost"});
}

void Node::State::push_output() {
  for (auto& [id, one] : inbound) {
    const auto status = one->pump.run(
        one->session, [&, &to = id](const Frames& frames) { return router->send(to, frames); });
    if (!status) one->session.lost(status.error());
  }
}

void Node::State::tick(Clock::time_point now) {
  if (now - last_tick < kTickInterval || input_left) return;
  last_tick = now;
  for (auto& [id, one] : inbound) one->session.tick(seconds_of(now));
}

void Node::State::report(const NodeHooks& hooks) {
  for (auto& [id, one] : inbound)
    while (auto event = one->session.next_event())
      if (hooks.event) hooks.event(*event);
}

void Node::State::step_dialed(const NodeHooks& hooks, Clock::time_point now) {
  for (auto& one : dialed) {
    one->step(now, hooks.event);
    if (one->finished() && hooks.dialed) hooks.dialed(one->target(), one->outcome());
  }
  std::erase_if(dialed, [](const auto& one) { return one->finished(); });
}

// True when there is a conversation with this identity; it looks into the queue again.
bool Node::State::wake_talking(const core::IdentityKey& identity) {
  bool talking = false;
  for (auto& [id, one] : inbound) {
    if (one->session.done() || !one->session.caller()) continue;
    if (one->session.caller()->identity != identity) continue;
    one->session.wake();
    talking = true;
  }
  for (auto& one : dialed) {
    if (one->finished() || one->identity() != identity || one->target().nameless) continue;
    one->wake();
    talking = true;
  }
  return talking;
}

void Node::State::dial_due(const NodeHooks& hooks, Clock::time_point now) {
  if (now - last_due < (due ? milliseconds(kDueSpacing) : milliseconds(kDueInterval))) return;
  due = false;
  last_due = now;
  if (!hooks.due) return;
  for (Target& target : hooks.due()) {
    if (target.mailbox != nullptr) {
      const auto same = [&target](const auto& one) { return one->target().mailbox == target.mailbox; };
      if (std::ranges::any_of(dialed, same)) continue;
    } else if (target.identity && wake_talking(*target.identity)) {
      continue;
    }
    if (dialed.size() >= kMaxDialed) continue;  // it will be due again
    dialed.push_back(
        std::make_unique<Conversation>(context, mailbox, own, std::move(target), kConnect));
  }
}

void Node::State::round(const NodeHooks& hooks) {
  const auto now = Clock::now();
  read_input(now);
  dial_due(hooks, now);
  tick(now);
  push_output();
  report(hooks);
  step_dialed(hooks, now);
  std::erase_if(inbound, [now](const auto& entry) {
    return entry.second->pump.finished(entry.second->session, now);
  });
}

milliseconds Node::State::rest() const {
  bool blocked = false;
  bool busy = input_left;
  for (const auto& [id, one] : inbound) {
    blocked = blocked || one->pump.blocked();
    busy = busy || one->pump.more();
  }
  for (const auto& one : dialed) busy = busy || one->busy();
  if (busy) return milliseconds(0);
  if (blocked) return kBlockedRest;
  return due ? kDueSpacing : kRest;
}

void Node::State::finish() {
  for (auto& [id, one] : inbound)
    if (!one->session.done()) static_cast<void>(router->send(id, farewell("shutting down")));
  router->finish();
  inbound.clear();
  for (auto& one : dialed) one->interrupt();
  dialed.clear();
}

Node::Node() = default;
Node::~Node() = default;

core::Result<std::unique_ptr<Node>> Node::create(core::Mailbox& mailbox,
                                                 const core::AgreeSecret& own) {
  std::unique_ptr<Node> node(new Node());
  node->state_ = std::make_unique<State>(mailbox, own);
  auto router = Router::create(node->state_->context, own);
  if (!router) return router.error();
  node->state_->router.emplace(std::move(*router));
  return node;
}

core::Result<core::Endpoint> Node::listen(const core::Endpoint& endpoint) {
  return state_->router->bind(endpoint);
}

core::Status Node::run(const NodeHooks& hooks, int wake_fd, const std::atomic<bool>& stop) {
  while (!stop) {
    Poller poller;
    poller.add(*state_->router);
    if (wake_fd >= 0) poller.add(wake_fd);
    for (auto& one : state_->dialed) one->add_to(poller);
    const auto ready = poller.wait(state_->rest());
    if (!ready) return ready.error();
    if (wake_fd >= 0 && poller.fd_ready(wake_fd)) {
      state_->due = true;
      if (!drain(wake_fd)) wake_fd = -1;
    }
    state_->round(hooks);
  }
  state_->finish();
  return {};
}

}  // namespace p2pmail::net
