// Bytes between the two sides of a connection, and what they add up to.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "net/front_state.h"

namespace p2pmail::net {
namespace {

constexpr std::chrono::seconds kLastWords{3};
// The node may be in an fsync, and zmq sees an end only when it has room for what came before it.
constexpr std::chrono::seconds kLastInput{30};

enum class Waiting { kBytes, kNothing, kEnd };
Waiting look(int fd) {
  std::uint8_t one = 0;
  const auto got = ::recv(fd, &one, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got > 0) return Waiting::kBytes;
  return got < 0 && (errno == EAGAIN || errno == EINTR) ? Waiting::kNothing : Waiting::kEnd;
}

sockaddr_in ip4(std::uint32_t address, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(address);
  out.sin_port = htons(port);
  return out;
}

// A descriptor with nothing to wait for is taken out: epoll would tell of its end again and again.
void tell_epoll(int epoll, int fd, std::uint64_t tag, std::uint32_t wanted, std::uint32_t& known) {
  if (fd < 0 || wanted == known) return;
  epoll_event event{};
  event.events = wanted;
  event.data.u64 = tag;
  const int change = known == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  if (epoll_ctl(epoll, change, fd, &event) == 0) known = wanted;
}

}  // namespace

Link* Front::State::find(const std::string& address) const {
  in_addr raw{};
  if (inet_pton(AF_INET, address.c_str(), &raw) != 1) return nullptr;
  const auto found = links.find(ntohl(raw.s_addr));
  return found == links.end() ? nullptr : found->second.get();
}

bool Front::State::dial(Link& link) {
  core::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return false;
  const int on = 1;
  static_cast<void>(setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on));
  static_cast<void>(setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
  const auto own = ip4(link.id, 0);
  const auto there = ip4(INADDR_LOOPBACK, router.port);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) return false;
  const int made = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&there), sizeof there);
  if (made != 0 && errno != EINPROGRESS) return false;
  link.connecting = made != 0;
  link.router = std::move(fd);
  return true;
}

void Front::State::client_ready(Link& link) {
  push_out(link);
  if (!link.router && !link.ending) {
    const auto waiting = look(link.client.get());
    if (waiting == Waiting::kNothing) return;
    if (waiting == Waiting::kEnd || !dial(link)) return close(link);
  }
  const auto limit = link.client_end || link.in.holds() ? 0 : allowance(link);
  if (limit > 0) {
    const int sink = link.ending ? -1 : link.router.get();
    const auto moved =
        link.in.pull(link.client.get(), sink, core::ByteSpan(scratch).first(limit));
    if (!link.ending) count_in(link, link.unconsumed + moved.read);
    link.client_end = moved.end;
    if (moved.broken) end(link);
  }
  settle(link);
}

void Front::State::router_ready(Link& link, std::uint32_t events) {
  if (link.connecting) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(link.router.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return close(link);
    if ((events & (EPOLLOUT | EPOLLIN)) == 0) return;
    link.connecting = false;
  }
  push_in(link);
  if (!link.router_end && !link.out.holds()) {
    const int sink = link.client_gone ? -1 : link.client.get();
    const auto moved = link.out.pull(link.router.get(), sink, scratch);
    client_took(link, sink < 0 ? moved.read : moved.written);
    link.router_end = moved.end;
    if (moved.broken) link.client_gone = link.client_end = true;
  }
  settle(link);
}

void Front::State::push_in(Link& link) {
  if (link.in.push(link.router.get()).broken) end(link);
}

void Front::State::push_out(Link& link) {
  if (!link.out.holds()) return;
  const auto moved = link.out.push(link.client.get());
  client_took(link, moved.written);
  if (moved.broken) link.client_gone = link.client_end = true;
}

void Front::State::client_took(Link& link, std::uint64_t bytes) {
  if (bytes == 0) return;
  link.taken += bytes;
  const bool full = unsent >= kOutBudget;
  count_out(link, link.unsent - std::min(link.unsent, bytes));
  const bool room = unsent < kOutBudget;
  const bool own = link.unsent == 0 || (link.unsent < kOutWindow && room);
  const bool bulk = link.wants_bulk && link.unsent < kBulkWindow;
  if (!(full && room) && !(own && link.wants_room) && !bulk) return;
  link.wants_room = link.wants_bulk = false;
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_event.get(), &one, sizeof one));
}

/// Bytes that may be read from the client now.
std::uint64_t Front::State::allowance(const Link& link) const {
  if (link.ending) return kChunk;
  if (!link.router || link.connecting) return 0;
  const auto left = [](std::uint64_t limit, std::uint64_t used) {
    return limit > used ? limit - used : 0;
  };
  const auto budget = kInBudget + (link.befriended ? kFriendsBudget : 0);
  const auto own = left(link.met ? kInWindow : kInWaiting, link.unconsumed);
  const auto shared = std::max(left(budget, unconsumed), left(kInShare, link.unconsumed));
  return std::min({own, shared, std::uint64_t{kChunk}});
}

void Front::State::count_in(Link& link, std::uint64_t now) {
  const auto passes = [&](std::uint64_t mark) { return link.unconsumed <= mark && now > mark; };
  // What was idle before has its time from here on.
  if (passes(kInShare) || passes(kLongestMessage)) link.consumed = FrontClock::now();
  unconsumed += now - link.unconsumed;  // modulo 2^64, as is meant
  link.unconsumed = now;
}

void Front::State::count_out(Link& link, std::uint64_t now) {
  unsent += now - link.unsent;
  link.unsent = now;
}

void Front::State::end(Link& link) {
  link.ending = true;
  link.in.forget();
  link.deadline = FrontClock::now() + kLastWords;
}

void Front::State::settle(Link& link) {
  if (link.client_end && !link.told_router && link.router && !link.connecting && !link.in.holds()) {
    ::shutdown(link.router.get(), SHUT_WR);
    link.told_router = true;
    if (!link.deadline) link.deadline = FrontClock::now() + kLastInput;
  }
  if (link.router_end && !link.told_client && !link.out.holds()) {
    ::shutdown(link.client.get(), SHUT_WR);
    link.told_client = true;
    if (!link.ending) end(link);
  }
  if (link.client_end && (!link.router || link.ending || link.router_end)) return close(link);
  watch(link);
}

void Front::State::watch(Link& link) {
  std::uint32_t client = link.out.holds() ? std::uint32_t{EPOLLOUT} : 0;
  if (!link.client_end && !link.in.holds()) {
    const bool first = !link.router && !link.ending;
    if (first || allowance(link) > 0) client |= EPOLLIN;
    squeezed = squeezed || (link.router && !link.connecting && client == 0);
  }
  std::uint32_t inner = link.connecting || link.in.holds() ? std::uint32_t{EPOLLOUT} : 0;
  if (!link.connecting && !link.router_end && !link.out.holds()) inner |= EPOLLIN;
  const auto tag = std::uint64_t{link.id} << 32;
  tell_epoll(epoll.get(), link.client.get(), tag, client, link.client_events);
  tell_epoll(epoll.get(), link.router.get(), tag | 1, inner, link.router_events);
}

void Front::State::close(Link& link) {
  count_in(link, 0);
  count_out(link, 0);
  links.erase(link.id);  // epoll forgets descriptors that are closed
}

}  // namespace p2pmail::net
