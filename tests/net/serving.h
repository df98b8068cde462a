// People with fake mailboxes, nodes that serve them on loopback, and dialing.
#pragma once

#include <unistd.h>

#include <atomic>
#include <thread>

#include "core/crypto.h"
#include "net/node.h"
#include "tests/net/fake_mailbox.h"

namespace p2pmail::net {

inline core::Endpoint loopback(std::uint16_t port = 0) {
  return core::Endpoint{core::Endpoint::Kind::kIp4, "127.0.0.1", port};
}

/// Somebody with a mailbox and a CURVE key.
struct Person {
  explicit Person(std::uint8_t name) : box(name) { box.transport.bytes = pair.public_key; }
  core::AgreePair pair = core::make_agree_pair();
  FakeMailbox box;
};

/// A node that runs in a thread of its own; its mailbox belongs to that thread until stop().
class Serving {
 public:
  explicit Serving(Person& person, NodeHooks hooks = {}) : hooks_(std::move(hooks)) {
    auto node = Node::create(person.box, person.pair.secret);
    core::check(node.has_value());
    node_ = std::move(*node);
    auto bound = node_->listen(loopback());
    core::check(bound.has_value());
    endpoint = *bound;
    core::check(::pipe(wake_) == 0);
    thread_ = std::thread([this] { status = node_->run(hooks_, wake_[0], stop_); });
  }
  ~Serving() {
    stop();
    ::close(wake_[0]);
    ::close(wake_[1]);
  }
  void wake() { core::check(::write(wake_[1], "x", 1) == 1); }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    node_.reset();
  }

  core::Endpoint endpoint;
  core::Status status;

 private:
  NodeHooks hooks_;
  std::unique_ptr<Node> node_;
  std::atomic<bool> stop_{false};
  int wake_[2] = {-1, -1};
  std::thread thread_;
};

inline Target target_of(const Person& person, const core::Endpoint& endpoint) {
  return Target{person.box.identity, {{endpoint, person.box.transport}}, true};
}

inline DialOutcome dial_one(Person& from, const Target& target, DialOptions options = {}) {
  auto outcomes = dial(from.box, from.pair.secret, {target}, options);
  core::check(outcomes.size() == 1);
  return outcomes[0];
}

}  // namespace p2pmail::net
