// The node: listens, holds many conversations, dials out for the queue.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "core/endpoint.h"
#include "core/mailbox.h"
#include "core/secret.h"
#include "net/dial.h"
#include "net/session.h"
#include "net/socket.h"

namespace p2pmail::net {

inline constexpr std::size_t kMaxConversations = 256;
inline constexpr std::size_t kMaxConversationsPerKey = 4;

/// What a node asks its owner (cmd/serve) while it runs; all called from the node's thread.
struct NodeHooks {
  /// Whom to dial now because something is queued for them and their backoff has passed. Called after
  /// every wake-up and at least every few seconds. A target whose identity is being talked to already
  /// (in either direction) is not dialed; its session is woken instead.
  std::function<std::vector<Target>()> due;
  /// A dialed conversation has ended.
  std::function<void(const Target&, const DialOutcome&)> dialed;
  std::function<void(const Event&)> event;
};

class Node {
 public:
  static core::Result<std::unique_ptr<Node>> create(core::Mailbox& mailbox,
                                                    const core::AgreeSecret& own);
  ~Node();
  core::Result<core::Endpoint> listen(const core::Endpoint& endpoint);
  /// Bytes a second that it sends, in all conversations together; 0 = no limit. Before run.
  void limit_rate(std::uint64_t bytes_per_second);
  /// Runs until *stop (checked at least every 200 ms; ends within a second). `wake_fd` (readable =
  /// the queue may have changed; the node reads and discards what is in it) may be -1.
  core::Status run(const NodeHooks& hooks, int wake_fd, const std::atomic<bool>& stop);

 private:
  Node();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace p2pmail::net
