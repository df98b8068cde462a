#include "net/node.h"

#include <unistd.h>

#include <array>
#include <algorithm>
#include <cerrno>

#include "net/conversation.h"
#include "net/front.h"

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
constexpr seconds kLongestTick{5};         // while more comes than is read
constexpr milliseconds kConnect{15000};
constexpr int kInputRound = 256;           // messages before the others get their turn
constexpr std::size_t kMaxDialed = 32;
constexpr std::size_t kMaxConversationsPerNetwork = 64;
constexpr std::chrono::hours kStrangersTime{1};  // for a whole conversation
constexpr int kLongInput = 64;                   // rounds, after which everybody had a turn

/// A conversation that somebody else began.
struct Inbound {
  Inbound(core::Mailbox& mailbox, const Incoming& first, const Network& from,
          Clock::time_point start)
      : transport(first.transport),
        address(first.peer_address),
        network(from),
        started(start),
        connection(first.connection),
        session(mailbox, Session::Options{.role = Session::Role::kListener,
                                          .transport = first.transport,
                                          .expected = std::nullopt,
                                          .network = from.text()},
                seconds_of(start)) {}

  core::TransportKey transport;
  std::string address;  // its name for the front
  Network network;      // where it really is
  Clock::time_point started;
  int connection;       // -1 once it is gone
  bool gone = false;    // but its last messages may not be read yet
  bool known = false;   // somebody in the address book
  Session session;
  Pump pump;
};

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
  void deliver(Incoming& incoming, Clock::time_point now);
  Inbound* begin(const Incoming& incoming, Clock::time_point now);
  [[nodiscard]] bool make_room(const Incoming& incoming, const Network& from);
  [[nodiscard]] Inbound* least_worth(const Network* network) const;
  core::Result<bool> send(const core::Bytes& to, const std::string& address, Frames& frames);
  void say_farewell(const core::Bytes& to, const std::string& address, const std::string& why);
  void end(const core::Bytes& id, Inbound& one, const std::string& why);
  void settle_accounts();
  void mark_closed();
  void end_closed();
  void push_output();
  void push(const core::Bytes& id, Inbound& one);
  void tick(Clock::time_point now);
  void report(const NodeHooks& hooks);
  void step_dialed(const NodeHooks& hooks, Clock::time_point now);
  void dial_due(const NodeHooks& hooks, Clock::time_point now);
  [[nodiscard]] bool wake_talking(const core::IdentityKey& identity);
  void finish();
  [[nodiscard]] milliseconds rest();

  core::Mailbox& mailbox;
  core::AgreeSecret own;
  std::unique_ptr<Front> front;  // outlives the context, which lets last words out
  Context context;
  std::optional<Router> router;
  std::map<core::Bytes, std::unique_ptr<Inbound>> inbound;  // by routing id
  std::vector<std::unique_ptr<Conversation>> dialed;
  Throttle throttle;
  core::Bytes first_pushed;  // routing id
  bool dialed_first = false;
  bool input_left = false;
  int long_input = 0;
  bool due = true;
  Clock::time_point last_due{};
  Clock::time_point last_tick{};
};

void Node::State::read_input(Clock::time_point now) {
  router->serve_zap([this](const std::string& address) {
    return front && front->origin(address).has_value();
  });
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
  settle_accounts();
  if (!input_left) end_closed();
}

// After the flush, so that what was read counts as held until the letters are on the disk.
void Node::State::settle_accounts() {
  if (!front) return;
  for (const auto& taken : router->taken()) {
    front->consumed(taken.peer_address, taken.bytes);
    if (!taken.fits) front->drop(taken.peer_address);
  }
  long_input = input_left ? long_input + 1 : 0;
  if (input_left && long_input < kLongInput) return;
  long_input = 0;
  front->drained();
}

// The oldest conversation with a stranger, of that network or else of the one that has most.
Inbound* Node::State::least_worth(const Network* network) const {
  std::map<Network, std::size_t> counts;
  for (const auto& [id, one] : inbound) counts[one->network] += one->known ? 0 : 1;
  std::size_t most = 0;
  for (const auto& [where, count] : counts) most = std::max(most, count);
  Inbound* oldest = nullptr;
  for (const auto& [id, one] : inbound) {
    if (one->known || one->session.done()) continue;
    if (network != nullptr ? one->network != *network : counts[one->network] != most) continue;
    if (oldest == nullptr || one->started < oldest->started) oldest = one.get();
  }
  return oldest;
}

// Before its hello nobody knows who it is: strangers make room for it.
bool Node::State::make_room(const Incoming& incoming, const Network& from) {
  std::size_t open = 0;
  std::size_t same_key = 0;
  std::size_t same_network = 0;
  for (const auto& [id, one] : inbound) {
    open += one->session.done() ? 0 : 1;
    same_key += one->transport == incoming.transport ? 1 : 0;
    same_network += one->network == from && !one->session.done() ? 1 : 0;
  }
  if (same_key >= kMaxConversationsPerKey) return false;
  const bool crowded = !from.is_local() && same_network >= kMaxConversationsPerNetwork;
  if (!crowded && open < kMaxConversations) return true;
  Inbound* victim = least_worth(crowded ? &from : nullptr);
  if (victim == nullptr) return false;
  for (auto& [id, one] : inbound)
    if (one.get() == victim) end(id, *one, "too many conversations");
  return true;
}

core::Result<bool> Node::State::send(const core::Bytes& to, const std::string& address,
                                     Frames& frames) {
  const auto size = wire_size(frames);
  front->sending(address, size);
  auto sent = router->send(to, frames);
  if (!sent || !*sent) front->unsent(address, size);
  return sent;
}

void Node::State::say_farewell(const core::Bytes& to, const std::string& address,
                               const std::string& why) {
  Frames frames = farewell(why);
  static_cast<void>(send(to, address, frames));
}

void Node::State::end(const core::Bytes& id, Inbound& one, const std::string& why) {
  say_farewell(id, one.address, why);
  one.session.lost(Error{Code::kBusy, why});
}

// Null when it may not be talked to.
Inbound* Node::State::begin(const Incoming& incoming, Clock::time_point now) {
  // The end of an older connection with the same number is known from here on, not later.
  mark_closed();
  const auto from = front->origin(incoming.peer_address);
  if (!from) return nullptr;  // one connection is one conversation, and this one is over
  if (!make_room(incoming, *from)) {
    say_farewell(incoming.from, incoming.peer_address, "too many conversations");
    front->finish(incoming.peer_address);
    return nullptr;
  }
  auto fresh = std::make_unique<Inbound>(mailbox, incoming, *from, now);
  return inbound.emplace(incoming.from, std::move(fresh)).first->second.get();
}

void Node::State::deliver(Incoming& incoming, Clock::time_point now) {
  const auto found = inbound.find(incoming.from);
  Inbound* one = found == inbound.end() ? begin(incoming, now) : found->second.get();
  // A routing id proves nothing; the key and the connection do.
  if (one == nullptr || one->transport != incoming.transport ||
      one->address != incoming.peer_address)
    return;
  one->session.receive(incoming.frames.head, std::move(incoming.frames.body), seconds_of(now));
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

// Each round begins with another one: whoever is first has what a limit lets through.
void Node::State::push_output() {
  auto at = inbound.upper_bound(first_pushed);
  for (std::size_t i = 0; i < inbound.size(); ++i, ++at) {
    if (at == inbound.end()) at = inbound.begin();
    if (i == 0) first_pushed = at->first;
    push(at->first, *at->second);
  }
}

void Node::State::push(const core::Bytes& id, Inbound& one) {
  const auto status = one.pump.run(
      one.session, throttle, [&](Frames& frames) { return send(id, one.address, frames); },
      [&] {
        if (!front->may_send(one.address)) return Pump::Room::kNone;
        return front->takes_bulk(one.address) ? Pump::Room::kAll : Pump::Room::kSmall;
      });
  if (!status) one.session.lost(status.error());
}

void Node::State::tick(Clock::time_point now) {
  // What waits to be read may be what somebody is waited for; but not for ever.
  if (now - last_tick < (input_left ? kLongestTick : kTickInterval)) return;
  last_tick = now;
  for (auto& [id, one] : inbound) {
    one->session.tick(seconds_of(now));
    if (!one->known && !one->session.done() && now - one->started > kStrangersTime)
      end(id, *one, "this took too long");
  }
}

void Node::State::report(const NodeHooks& hooks) {
  for (auto& [id, one] : inbound) {
    while (auto event = one->session.next_event()) {
      if (event->kind == Event::Kind::kMet) {
        one->known = mailbox.knows(one->session.caller()->identity);
        if (one->known) front->befriend(one->address);
      }
      if (hooks.event) hooks.event(*event);
    }
  }
}

void Node::State::step_dialed(const NodeHooks& hooks, Clock::time_point now) {
  for (auto& one : dialed) {
    one->step(now, hooks.event);
    if (one->finished() && hooks.dialed) hooks.dialed(one->target(), one->outcome());
  }
  std::erase_if(dialed, [](const auto& one) { return one->finished(); });
  if (!dialed.empty()) std::rotate(dialed.begin(), dialed.begin() + 1, dialed.end());
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
        std::make_unique<Conversation>(context, mailbox, own, throttle, std::move(target),
                                       kConnect));
  }
}

void Node::State::round(const NodeHooks& hooks) {
  const auto now = Clock::now();
  read_input(now);
  dial_due(hooks, now);
  tick(now);
  dialed_first = !dialed_first;
  if (dialed_first) step_dialed(hooks, now);
  push_output();
  report(hooks);
  if (!dialed_first) step_dialed(hooks, now);
  std::erase_if(inbound, [this, now](const auto& entry) {
    const bool over = entry.second->pump.finished(entry.second->session, now);
    if (over) front->finish(entry.second->address);
    return over;
  });
}

milliseconds Node::State::rest() {
  bool blocked = false;
  bool throttled = false;
  bool busy = input_left;
  for (const auto& [id, one] : inbound) {
    blocked = blocked || one->pump.blocked();
    busy = busy || one->pump.more();
    throttled = throttled || one->pump.throttled();
  }
  for (const auto& one : dialed) {
    busy = busy || one->busy();
    throttled = throttled || one->throttled();
  }
  if (busy) return milliseconds(0);
  const auto longest = blocked ? kBlockedRest : due ? kDueSpacing : kRest;
  return throttled ? std::min(longest, throttle.wait(Clock::now())) : longest;
}

void Node::State::finish() {
  for (auto& [id, one] : inbound)
    if (!one->session.done()) say_farewell(id, one->address, "shutting down");
  router->finish();
  if (front) front->retire();
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
  if (!state_->front) {
    const auto inner =
        state_->router->bind(core::Endpoint{core::Endpoint::Kind::kIp4, "127.0.0.1", 0});
    if (!inner) return inner.error();
    auto front = Front::create(*inner);
    if (!front) return front.error();
    state_->front = std::move(*front);
  }
  return state_->front->listen(endpoint);
}

void Node::limit_rate(std::uint64_t bytes_per_second) { state_->throttle = Throttle(bytes_per_second); }

core::Status Node::run(const NodeHooks& hooks, int wake_fd, const std::atomic<bool>& stop) {
  while (!stop) {
    Poller poller;
    poller.add(*state_->router);
    if (wake_fd >= 0) poller.add(wake_fd);
    if (state_->front) poller.add(state_->front->wake_fd());
    for (auto& one : state_->dialed) one->add_to(poller);
    const auto ready = poller.wait(state_->rest());
    if (!ready) return ready.error();
    if (wake_fd >= 0 && poller.fd_ready(wake_fd)) {
      state_->due = true;
      if (!drain(wake_fd)) wake_fd = -1;
    }
    if (state_->front && poller.fd_ready(state_->front->wake_fd())) state_->front->clear_wake();
    state_->round(hooks);
  }
  state_->finish();
  return {};
}

}  // namespace p2pmail::net
