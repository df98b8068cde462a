// Who may come in when places are few. Policy only: no sockets. Private to net/front*.cpp.
//
// A newcomer is not known before its hello, so that it is always let in when somebody less worth
// keeping is there: first a connection that is ending, then one without hello of the network that
// has most of those (the oldest of those that began the key exchange, or of those that did not,
// whichever are more), then the oldest conversation with a stranger of the network that
// has most of those. A conversation with a friend is never ended for a newcomer. A handshake takes
// milliseconds: the oldest without hello is not somebody who is about to say it, unless half of
// `waiting` come in that time, and of those who begin a key exchange the other half too.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>

#include "net/front_link.h"

namespace p2pmail::net {

using Links = std::unordered_map<std::uint32_t, std::unique_ptr<Link>>;

struct FrontBounds {
  std::size_t connections = 512;
  std::size_t waiting = 256;      // of these, without hello
  std::size_t per_network = 64;   // not for loopback
  std::size_t rate = 32;          // accepted a second from one network, after `burst`
  std::size_t burst = 128;
  std::size_t local_rate = 10000;  // the same for an address of loopback, also its burst
  std::chrono::milliseconds hello{8000};   // from accept to the first message
  std::chrono::milliseconds stall{5000};   // see Front
  std::chrono::milliseconds reading{30000};  // a client that does not take kSlow bytes in this time
};

class Admission {
 public:
  explicit Admission(const FrontBounds& bounds) : bounds_(bounds) {}

  struct Answer {
    bool admitted = false;
    Link* victim = nullptr;  // to be closed for it
  };
  [[nodiscard]] Answer admit(const Links& links, const Network& from, FrontClock::time_point now);

 private:
  struct Bucket {
    double tokens = 0;
    FrontClock::time_point filled{};
  };
  [[nodiscard]] bool within_rate(const Network& from, FrontClock::time_point now);

  FrontBounds bounds_;
  std::map<Network, Bucket> buckets_;
};

}  // namespace p2pmail::net
