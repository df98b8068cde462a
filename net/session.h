// One conversation between two devices, without sockets and without a clock: messages and time in,
// messages and events out. Symmetric: whoever dialed, both sides push what they hold for the other.
//
//   start -> hello out (+ offers, pipelined: the dialer does not wait for the hello)
//   hello in -> met: card verified against the CURVE key -> our own offers out
//   offer in -> consider: stored | error | take ... hashes ... blocks -> complete -> commit -> stored
//   nothing left to send and every offer answered -> bye out;  bye in and bye out -> done
//
// Small letters travel inside their offer, so one small mail costs one round trip after CURVE.
// Large ones flow with credit (kBlockCredit blocks ahead), so that memory stays constant on both
// sides whatever the size. Complete letters wait for `flush`, which commits them together; the
// driver calls it whenever it has read all that was waiting.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/mailbox.h"
#include "core/tree.h"
#include "net/message.h"

namespace p2pmail::net {

inline constexpr std::uint64_t kBlockCredit = 4;
inline constexpr std::size_t kOfferWindow = 64;       // our unanswered offers
inline constexpr std::size_t kMaxOpenOffers = 64;     // the other side's unanswered offers
inline constexpr std::uint64_t kIdleSeconds = 30;     // without a message: the conversation ends
inline constexpr std::uint64_t kHelloSeconds = 10;

/// What a driver or command may want to know, in order of happening.
struct Event {
  enum class Kind { kMet, kDelivered, kRefused, kReceived, kFailed };
  Kind kind = Kind::kMet;
  core::Root root;     // of the letter, for kDelivered, kRefused, kReceived, kFailed
  core::Error error;   // for kRefused, kFailed
};

class Session {
 public:
  enum class Role { kDialer, kListener };
  /// `expected`: whom the dialer means to talk to; another identity ends the conversation (kForged).
  /// `transport`: the other side's CURVE key. `mailbox` must outlive the session.
  struct Options {
    Role role = Role::kListener;
    core::TransportKey transport;
    std::optional<core::IdentityKey> expected;
    bool push = true;  // false: only meet (to get a card)
  };
  Session(core::Mailbox& mailbox, Options options, std::uint64_t now);
  ~Session();

  /// The other side's two frames, as they came. Never fails: what is wrong becomes an error message
  /// out, an event, and, when the other side broke the protocol, the end.
  void receive(core::ByteView head, core::ByteView body, std::uint64_t now);
  /// Commits complete letters together and answers them. Call when no input is waiting.
  void flush();
  /// Bounds on waiting. Seconds of a monotonic clock.
  void tick(std::uint64_t now);
  /// New queue entries may exist: ask the mailbox again (serve's notice).
  void wake();
  /// The link broke.
  void lost(const core::Error& why);

  /// The next message to send, or nullopt when there is none now. Bulk blocks are read only here, so
  /// that they are never piled up in memory; small messages go first.
  [[nodiscard]] std::optional<Frames> next();
  [[nodiscard]] std::optional<Event> next_event();

  [[nodiscard]] bool done() const { return ended_; }
  [[nodiscard]] const std::optional<core::Caller>& caller() const { return caller_; }
  /// The card that the other side sent, verified; empty before that.
  [[nodiscard]] const core::Bytes& peer_card() const { return peer_card_; }
  /// Why it ended early; nullopt after a regular end.
  [[nodiscard]] const std::optional<core::Error>& failure() const { return failure_; }
  /// Our offers that are not answered yet.
  [[nodiscard]] std::size_t unanswered() const { return sending_.size(); }

 private:
  struct Sending;
  struct Receiving;
  core::Mailbox& mailbox_;
  Options options_;
  bool ended_ = false;
  std::optional<core::Caller> caller_;
  core::Bytes peer_card_;
  std::optional<core::Error> failure_;
  std::map<std::uint64_t, std::unique_ptr<Sending>> sending_;
  std::map<std::uint64_t, std::unique_ptr<Receiving>> receiving_;
  std::deque<Message> control_;
  std::deque<Event> events_;
  std::uint64_t last_heard_ = 0;
  // The implementation adds what it needs.
};

}  // namespace p2pmail::net
