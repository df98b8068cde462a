#include "net/front.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include "net/front_state.h"

namespace p2pmail::net {
namespace {

using core::Code;
using core::Error;
using std::chrono::milliseconds;

constexpr milliseconds kTick{100};
constexpr milliseconds kNobody{5000};  // a wait while there is nothing that time could end
constexpr milliseconds kFarewell{300};
constexpr std::size_t kOtherDescriptors = 1024;  // files, dialed conversations, the store
constexpr std::size_t kPerConnection = 3;       // the client, ours and zmq's end of the inner one
constexpr std::size_t kFewest = 16;

std::size_t descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 65536;
  return static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, 65536));
}

FrontBounds affordable(FrontBounds bounds) {
  const std::size_t limit = descriptor_limit();
  const std::size_t spare = limit > kOtherDescriptors ? limit - kOtherDescriptors : 0;
  const std::size_t most = std::max(kFewest, spare / kPerConnection);
  bounds.connections = std::min(bounds.connections, most);
  bounds.waiting = std::min(bounds.waiting, std::max<std::size_t>(1, bounds.connections / 2));
  return bounds;
}

/// Signals are for the thread that waits in the node, and interrupts its wait.
class Deaf {
 public:
  Deaf() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~Deaf() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  Deaf(const Deaf&) = delete;
  Deaf& operator=(const Deaf&) = delete;

 private:
  sigset_t before_{};
};

bool add_to_epoll(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<std::uint64_t>(fd);  // ids of links are above all descriptors
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

void reserve_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  const rlim_t wanted = FrontBounds{}.connections * kPerConnection + 2 * kOtherDescriptors;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : std::min(wanted, limit.rlim_max);
  static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));  // fewer connections then
}

Front::Front() = default;

core::Result<std::unique_ptr<Front>> Front::create(const core::Endpoint& router,
                                                   const FrontBounds& bounds) {
  std::unique_ptr<Front> front(new Front());
  front->state_ = std::make_unique<State>(router, affordable(bounds));
  State& state = *front->state_;
  state.epoll = core::Fd(epoll_create1(EPOLL_CLOEXEC));
  state.stop_event = core::Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  state.wake_event = core::Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  state.spare = core::Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!state.epoll || !state.stop_event || !state.wake_event ||
      !add_to_epoll(state.epoll.get(), state.stop_event.get()))
    return Error{Code::kBusy, std::string("cannot set up the front: ") + std::strerror(errno)};
  const Deaf deaf;
  try {
    state.thread = std::thread([&state] { state.run(); });
  } catch (const std::system_error& failure) {
    return Error{Code::kBusy, std::string("cannot set up the front: ") + failure.what()};
  }
  return front;
}

Front::~Front() {
  if (!state_ || !state_->thread.joinable()) return;
  retire();
  state_->stopping = true;
  const std::uint64_t one = 1;
  static_cast<void>(!::write(state_->stop_event.get(), &one, sizeof one));
  state_->thread.join();
}

core::Result<core::Endpoint> Front::listen(const core::Endpoint& endpoint) {
  auto listener = open_listener(endpoint);
  if (!listener) return listener.error();
  const std::lock_guard lock(state_->mutex);
  const int fd = listener->fd.get();
  if (!add_to_epoll(state_->epoll.get(), fd))
    return Error{Code::kBusy, std::string("cannot watch a socket: ") + std::strerror(errno)};
  state_->listeners.emplace(fd, std::move(listener->fd));
  return listener->bound;
}

void Front::retire() {
  const std::lock_guard lock(state_->mutex);
  state_->listeners.clear();
}

void Front::State::run() {
  std::array<epoll_event, 64> events{};
  std::optional<FrontClock::time_point> last;
  auto wait = kTick;
  for (;;) {
    const int count = epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()),
                                 static_cast<int>(wait.count()));
    for (int i = 0; i < count; ++i) {
      const std::lock_guard lock(mutex);  // each time, so that a caller gets its turn
      handle(events[static_cast<std::size_t>(i)].data.u64,
             events[static_cast<std::size_t>(i)].events);
    }
    const auto now = FrontClock::now();
    const std::lock_guard lock(mutex);
    if (now - last_tick >= kTick) tick(now);
    wait = links.empty() && !paused && !stopping ? kNobody : kTick;
    if (!stopping) continue;
    if (!last) last = now + kFarewell;
    if (now >= *last || finished()) break;
  }
  const std::lock_guard lock(mutex);
  links.clear();
}

// The router's ends are closed and all that they said is on its way.
bool Front::State::finished() const {
  return std::ranges::all_of(links, [](const auto& entry) {
    const Link& link = *entry.second;
    return !link.router || (link.router_end && !link.out.holds());
  });
}

// A descriptor of ours, or a link's id in the upper half and its side in the lowest bit.
void Front::State::handle(std::uint64_t tag, std::uint32_t events) {
  const auto id = static_cast<std::uint32_t>(tag >> 32);
  if (id == 0) {
    const int fd = static_cast<int>(tag);
    if (fd == stop_event.get()) {
      std::uint64_t waste = 0;
      static_cast<void>(!::read(fd, &waste, sizeof waste));
    } else if (listeners.contains(fd)) {
      accept_all(fd);
    }
    return;
  }
  const auto found = links.find(id);
  if (found == links.end()) return;  // closed a moment ago
  Link& link = *found->second;
  if ((tag & 1) != 0) {
    router_ready(link, events);
  } else {
    client_ready(link);
  }
}

std::optional<Network> Front::origin(const std::string& address) const {
  const std::lock_guard lock(state_->mutex);
  const Link* link = state_->find(address);
  if (link == nullptr || link->ending) return std::nullopt;
  return link->network;
}

void Front::consumed(const std::string& address, std::uint64_t bytes) {
  const std::lock_guard lock(state_->mutex);
  Link* link = state_->find(address);
  if (link == nullptr) return;
  if (!link->met) {
    // All that the key exchange said both ways has arrived before the client's first message, and
    // was not the node's to count.
    link->met = true;
    state_->count_out(*link, 0);
    bytes += kHandshake;
  }
  link->consumed = FrontClock::now();
  state_->count_in(*link, link->unconsumed - std::min(link->unconsumed, bytes));
  state_->watch(*link);
  if (!state_->squeezed || state_->unconsumed >= kInBudget) return;
  state_->squeezed = false;
  for (auto& [id, other] : state_->links) state_->watch(*other);
}

void Front::drained() {
  const std::lock_guard lock(state_->mutex);
  state_->drained = FrontClock::now();
}

bool Front::may_send(const std::string& address) {
  const std::lock_guard lock(state_->mutex);
  Link* link = state_->find(address);
  if (link == nullptr || link->unsent == 0) return true;
  if (link->unsent < kOutWindow && state_->unsent < kOutBudget) return true;
  link->wants_room = true;
  return false;
}

bool Front::takes_bulk(const std::string& address) {
  const std::lock_guard lock(state_->mutex);
  Link* link = state_->find(address);
  if (link == nullptr || link->unsent < kBulkWindow) return true;
  link->wants_bulk = true;
  return false;
}

void Front::sending(const std::string& address, std::uint64_t bytes) {
  const std::lock_guard lock(state_->mutex);
  Link* link = state_->find(address);
  if (link == nullptr) return;
  if (link->unsent == 0) {
    link->progress = FrontClock::now();
    link->taken = 0;
  }
  state_->count_out(*link, link->unsent + bytes);
}

void Front::unsent(const std::string& address, std::uint64_t bytes) {
  const std::lock_guard lock(state_->mutex);
  Link* link = state_->find(address);
  if (link != nullptr) state_->count_out(*link, link->unsent - std::min(link->unsent, bytes));
}

void Front::befriend(const std::string& address) {
  const std::lock_guard lock(state_->mutex);
  Link* link = state_->find(address);
  if (link != nullptr) link->befriended = true;
}

void Front::finish(const std::string& address) {
  const std::lock_guard lock(state_->mutex);
  Link* link = state_->find(address);
  if (link == nullptr || link->ending) return;
  state_->end(*link);
  state_->settle(*link);
}

void Front::drop(const std::string& address) {
  const std::lock_guard lock(state_->mutex);
  Link* link = state_->find(address);
  if (link != nullptr) state_->close(*link);
}

int Front::wake_fd() const { return state_->wake_event.get(); }

void Front::clear_wake() {
  std::uint64_t waste = 0;
  static_cast<void>(!::read(state_->wake_event.get(), &waste, sizeof waste));
}

std::size_t Front::connections() const {
  const std::lock_guard lock(state_->mutex);
  return state_->links.size();
}

}  // namespace p2pmail::net
