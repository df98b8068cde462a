// Dials several identities at once, one conversation each, in one thread.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "core/endpoint.h"
#include "core/mailbox.h"
#include "core/secret.h"
#include "net/session.h"

namespace p2pmail::net {

/// Whom to dial: every place where a device of the identity listens, in the order to try.
struct Target {
  struct Place {
    core::Endpoint endpoint;
    core::TransportKey transport;
  };
  std::optional<core::IdentityKey> identity;  // whom we expect there
  std::vector<Place> places;
  bool push = true;  // false: only fetch the card
  /// Instead of dial's own; must outlive the conversation. A nameless one gets a one-time CURVE key.
  core::Mailbox* mailbox = nullptr;
  bool nameless = false;
};

struct DialOptions {
  std::chrono::milliseconds connect{5000};  // per place, until CURVE and hello are through
  std::chrono::milliseconds total{0};       // for everything; 0 = as long as there is progress
  std::size_t at_once = 32;                 // conversations in flight
  std::uint64_t limit_rate = 0;             // bytes a second that we send, all together; 0 = no limit
  const std::atomic<bool>* stop = nullptr;  // set by a signal handler: end soon
};

struct DialOutcome {
  bool reached = false;               // a conversation took place
  std::optional<core::Error> error;   // of the last place tried, or why it ended early
  core::Bytes card;                   // the other side's, verified
  std::size_t delivered = 0;
  std::size_t received = 0;
};

/// Runs all conversations to their end; outcomes in the order of the targets. `on_event` sees each
/// event with the target's index.
[[nodiscard]] std::vector<DialOutcome> dial(
    core::Mailbox& mailbox, const core::AgreeSecret& own, const std::vector<Target>& targets,
    const DialOptions& options,
    const std::function<void(std::size_t, const Event&)>& on_event = {});

}  // namespace p2pmail::net
