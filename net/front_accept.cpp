// Newcomers: accepted, or closed at once.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "net/front_state.h"

namespace p2pmail::net {
namespace {

constexpr int kAcceptRound = 64;  // before the others get their turn
constexpr std::chrono::milliseconds kPause{100};
constexpr std::uint32_t kFirstId = 0x7f400000;  // 127.64.0.0/10
constexpr std::uint32_t kIds = 0x003fffff;

void set(int fd, int level, int option, int value) {
  static_cast<void>(setsockopt(fd, level, option, &value, sizeof value));
}

// zmq's own keepalive looks at the inner connection only. What a client does not read is bounded in
// the kernel too.
void set_up_client(int fd) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 30000);
  set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 2 * static_cast<int>(kChunk));
}

// Refused or dropped: nothing of it stays, in TIME_WAIT neither.
void reset_on_close(int fd) {
  const linger hard{1, 0};
  static_cast<void>(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard));
}

}  // namespace

void Front::State::accept_all(int listener) {
  for (int i = 0; i < kAcceptRound && !paused; ++i) {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    core::Fd client(::accept4(listener, reinterpret_cast<sockaddr*>(&from), &size,
                              SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (client) {
      welcome(std::move(client), network_of(from));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
    if (errno == EAGAIN) return;
    out_of_descriptors(listener);
  }
}

// The one that waits is closed with the descriptor kept for this, so that it is told, and epoll
// does not report it for ever; then all wait for a while.
void Front::State::out_of_descriptors(int listener) {
  spare = core::Fd();
  {
    const core::Fd refused(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (refused) reset_on_close(refused.get());
  }
  spare = core::Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  paused = FrontClock::now() + kPause;
  watch_listeners(false);
}

void Front::State::watch_listeners(bool on) {
  for (const auto& [fd, owner] : listeners) {
    epoll_event event{};
    event.events = on ? EPOLLIN : 0U;
    event.data.u64 = static_cast<std::uint64_t>(fd);
    static_cast<void>(epoll_ctl(epoll.get(), EPOLL_CTL_MOD, fd, &event));
  }
}

// Used again only after all the others.
std::uint32_t Front::State::free_id() {
  for (;;) {
    const std::uint32_t id = kFirstId | (++next_id & kIds);
    if (!links.contains(id)) return id;
  }
}

void Front::State::welcome(core::Fd client, const Network& from) {
  const auto now = FrontClock::now();
  const auto answer = admission.admit(links, from, now);
  if (!answer.admitted) return reset_on_close(client.get());
  if (answer.victim != nullptr) {
    reset_on_close(answer.victim->client.get());
    close(*answer.victim);
  }
  set_up_client(client.get());
  auto link = std::make_unique<Link>();
  link->id = free_id();
  link->network = from;
  link->client = std::move(client);
  link->accepted = link->consumed = link->progress = now;
  Link& fresh = *link;
  links.emplace(fresh.id, std::move(link));
  watch(fresh);
}

}  // namespace p2pmail::net
