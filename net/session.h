// One conversation between two devices, without sockets and without a clock: messages and time in,
// messages and events out. Symmetric: whoever dialed, both sides push what they hold for the other.
//
//   start -> hello out (+ offers, pipelined: the dialer does not wait for the hello)
//   hello in -> met: card verified against the CURVE key -> our own offers out
//   offer in -> consider: stored | error | take ... hashes ... blocks -> complete -> commit -> stored
//   questions out (ask), each answered once (told | error)
//   nothing left to send and all answered -> bye out;  bye in and bye out -> done
//
// Small letters travel inside their offer, so one small mail costs one round trip after CURVE.
// Large ones flow in pieces of the blocks that the receiver asks for, one to kMostCredit blocks ahead,
// so that memory stays constant on both sides whatever the size. Several conversations may bring the
// same letter at once (core/transfer.h); each is asked for other blocks, and answered. Complete letters wait for `flush`, which commits them together; the
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

inline constexpr std::size_t kFirstCredit = 2;  // blocks asked for ahead, at the beginning
inline constexpr std::size_t kMostCredit = 8;
inline constexpr std::size_t kOfferWindow = 128;      // our unanswered offers
inline constexpr std::size_t kMaxOpenOffers = 128;    // the other side's unanswered offers
inline constexpr std::uint64_t kIdleSeconds = 30;     // without a message: the conversation ends
inline constexpr std::uint64_t kBulkIdleSeconds = 300;  // while blocks flow: 1 MiB on a slow link
inline constexpr std::uint64_t kNoProgressSeconds = 600;  // with messages that bring nobody further
inline constexpr std::uint64_t kHelloSeconds = 10;

/// What a driver or command may want to know, in order of happening.
struct Event {
  enum class Kind { kMet, kDelivered, kRefused, kReceived, kFailed, kProgress };
  Kind kind = Kind::kMet;
  core::Root root;     // of the letter, for all but kMet
  core::Error error;   // for kRefused, kFailed
  /// For kProgress, of letters of more than one block only: bytes of the sealed stream; at most one for
  /// every 4 MiB and one at the end. `done` counts what was there from an earlier transfer.
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  bool outgoing = false;
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
    bool nameless = false;  // dialer: no card in our hello, so that nobody learns who we are
    std::string network = {};  // listener: where the other side calls from (core/mailbox.h)
    /// False when the driver will try another place: an end before meeting then gives the claimed
    /// letters back instead of marking them failed.
    bool last_chance = true;
  };
  Session(core::Mailbox& mailbox, Options options, std::uint64_t now);
  ~Session();

  /// The other side's two frames, as they came. Never fails: what is wrong becomes an error message
  /// out, an event, and, when the other side broke the protocol, the end.
  void receive(core::ByteView head, core::Bytes body, std::uint64_t now);
  /// Commits complete letters together and answers them. Call when no input is waiting.
  void flush();
  /// Bounds on waiting. Seconds of a monotonic clock.
  void tick(std::uint64_t now);
  /// New queue entries may exist: ask the mailbox again (serve's notice).
  void wake();
  /// The link broke.
  void lost(const core::Error& why);

  /// The next message to send, or nullopt when there is none now. Pieces of blocks are read only here,
  /// so that they are never piled up in memory; small messages go first, and pieces only with kWanted.
  enum class Bulk { kWanted, kNotNow };
  [[nodiscard]] std::optional<Frames> next(Bulk bulk = Bulk::kWanted);
  [[nodiscard]] std::optional<Event> next_event();

  /// The last next() gave nothing because something of ours has to be computed first, in slices: ask
  /// again without waiting.
  [[nodiscard]] bool is_working() const { return is_working_ && !ended_; }
  /// The last next() gave nothing, but has a piece of a block for when that is wanted.
  [[nodiscard]] bool has_bulk() const { return has_bulk_ && !ended_; }
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
  using Asked = std::map<std::uint64_t, std::unique_ptr<core::Question>>;
  /// Blocks that were asked for, as they will come, and how much of the first has come.
  struct Coming {
    std::deque<std::uint64_t> blocks;
    std::uint64_t offset = 0;
    /// False for a piece that is not the next one. `size` is that of the letter.
    [[nodiscard]] bool take(const Message& piece, std::uint64_t size);
  };
  /// What a bulk letter that we answered half-way may still have in flight.
  struct Dropped {
    std::uint64_t size = 0;
    Coming coming;
    bool hashes = false;
  };

  // net/session.cpp: the conversation as a whole.
  void dispatch(Message& message);
  void handle_hello(const Message& message);
  void handle_error(const Message& message);
  void handle_bye();
  void say_hello();
  void fail(const core::Error& why, bool tell);
  void violation(const std::string& why);
  void give_up_letters(const core::Error& why);
  void note(Event::Kind kind, const core::Root& root, const core::Error& error);
  void note_progress(const core::Root& root, std::uint64_t done, std::uint64_t total,
                     std::uint64_t& noted, bool outgoing);
  [[nodiscard]] Message make_bye();

  // net/session_send.cpp: our offers.
  [[nodiscard]] bool claim();
  [[nodiscard]] std::optional<Message> next_hashes();
  [[nodiscard]] std::optional<Message> next_offer();
  [[nodiscard]] std::optional<Message> next_piece();
  [[nodiscard]] bool has_piece() const;
  [[nodiscard]] bool fits_window(const Sending& sending) const;
  [[nodiscard]] core::Result<Message> make_offer(Sending& sending);
  [[nodiscard]] bool may_say_bye() const;
  void handle_take(const Message& message);
  void handle_want(const Message& message);
  void handle_credit(const Message& message);
  void handle_stored(const Message& message);
  void handle_refusal(const Message& message);
  void give_up(std::unique_ptr<Sending> sending, const core::Error& why, Event::Kind kind);
  void offer_stamped(std::unique_ptr<Sending> sending);
  [[nodiscard]] bool make_ready(std::unique_ptr<Sending>& sending);
  [[nodiscard]] bool offer_again(std::unique_ptr<Sending>& sending, const Message& message);

  // net/session_ask.cpp: questions, of both sides.
  [[nodiscard]] std::optional<Message> next_question();
  void handle_ask(const Message& message);
  void handle_told(const Message& message);
  void give_up_questions(const core::Error& why);

  // net/session_receive.cpp: theirs.
  void handle_offer(const Message& message);
  void handle_hashes(const Message& message);
  void handle_block(const Message& message);
  [[nodiscard]] std::size_t open_bulk() const;
  [[nodiscard]] bool on_its_way(const core::Root& root);
  void accept(const Message& offer, core::TakeIt taken);
  void accept_inline(std::uint64_t number, Receiving& receiving, core::ByteView letter);
  void activate();
  void recall();
  void advance(std::uint64_t number, Receiving& receiving);
  void request_hashes(std::uint64_t number, Receiving& receiving);
  void request_blocks(std::uint64_t number, Receiving& receiving);
  void take_block(std::uint64_t number, Receiving& receiving, std::uint64_t index,
                  const core::Bytes& block);
  void complete_shared();
  void let_pass(std::uint64_t number, Receiving& receiving);
  void complete(std::uint64_t number, Receiving& receiving);
  void refuse(std::uint64_t number, const core::Error& why);
  void drop(std::uint64_t number, const core::Error& why);
  void answer(std::uint64_t number, const core::Root& root, core::Result<core::Bytes> receipt);
  void count_needless_offer();
  void reply(Verb verb, std::uint64_t number, std::uint64_t index = 0, std::uint64_t credit = 0);

  core::Mailbox& mailbox_;
  Options options_;
  bool ended_ = false;
  std::optional<core::Caller> caller_;
  core::Bytes peer_card_;
  std::optional<core::Error> failure_;
  std::deque<Message> control_;
  std::deque<Event> events_;
  std::uint64_t started_ = 0;
  std::uint64_t last_heard_ = 0;
  std::uint64_t last_progress_ = 0;  // when something came that brought us further
  std::uint64_t now_ = 0;
  bool hello_said_ = false;
  bool bye_said_ = false;
  bool bye_heard_ = false;

  std::map<std::uint64_t, std::unique_ptr<Sending>> sending_;  // offered, not answered
  std::deque<std::unique_ptr<Sending>> waiting_;               // claimed, not offered yet
  std::set<core::Root> tried_;  // failed in this conversation: not offered again
  std::uint64_t next_number_ = 1;
  std::uint64_t window_ = kOfferWindow;
  std::uint64_t inline_in_flight_ = 0;  // bytes
  bool is_working_ = false;             // on a stamp, or on our disk: ask next() again soon
  bool has_bulk_ = false;
  bool exhausted_ = false;              // the mailbox had nothing more when we last asked
  bool questions_taken_ = false;
  std::deque<std::unique_ptr<core::Question>> questions_;  // not asked yet
  Asked asked_;                                            // not answered yet

  std::map<std::uint64_t, std::unique_ptr<Receiving>> receiving_;  // not answered
  std::map<std::uint64_t, Dropped> dropped_;
  std::uint64_t last_number_ = 0;  // the highest number that the other side used
  std::uint64_t in_transfer_ = 0;  // the number of the bulk letter whose blocks come, or 0
  std::size_t questions_heard_ = 0;
  std::size_t needless_ = 0;  // offers refused, or of letters we have
  std::size_t ready_ = 0;  // complete, waiting for flush
  std::uint64_t ready_bytes_ = 0;
  core::Bytes receipt_said_;   // one may cover many letters: it goes out once
  core::Bytes receipt_heard_;
};

}  // namespace p2pmail::net
