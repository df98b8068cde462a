// What a conversation needs from a device's store, and nothing more: `net` drives this interface and
// never knows what a Maildir is. Implemented by core/post_office, and by fakes in net's tests.
//
// One Mailbox serves many conversations of one thread. Nothing here blocks on the network.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"
#include "core/transfer.h"

namespace p2pmail::core {

/// Who is at the other end, as far as it was proved: the transport key by CURVE, the rest by a card
/// whose device record names that transport key. Whoever shows no card is nobody: zero identity and
/// device, a transport key that means nothing; he can only leave letters for others and ask questions.
struct Caller {
  TransportKey transport;
  IdentityKey identity;
  DeviceKey device;
  std::string network = {};  // where he calls from, for bounds; empty = we called, or it is local

  [[nodiscard]] bool is_nobody() const { return identity == IdentityKey{}; }
};

inline constexpr std::size_t kMaxAdmission = 704;     // bytes, see OutgoingLetter::admission
inline constexpr std::size_t kMaxQuestion = 1024;     // bytes
inline constexpr std::size_t kMaxAnswer = 80 * 1024;  // bytes: a card of 64 KiB fits

/// A queue entry claimed for one conversation; nobody else sends it while this lives. Destroying it
/// gives the claim back.
class OutgoingLetter {
 public:
  virtual ~OutgoingLetter() = default;
  [[nodiscard]] virtual const Root& root() const = 0;
  [[nodiscard]] virtual std::uint64_t size() const = 0;  // of the sealed stream
  /// A new envelope for the recipient's current prekeys; at most kMaxEnvelope bytes.
  [[nodiscard]] virtual Result<Bytes> envelope() = 0;
  /// What admits the offer: a stamp, or what a relay has to know (core/ticket.h); asked for after
  /// `envelope`. At most kMaxAdmission bytes, empty for somebody who lets us in as we are.
  [[nodiscard]] virtual Result<Bytes> admission() { return Bytes{}; }
  /// The other side wants a stamp; it may be offered again once `work` is done. An error when it has
  /// had one.
  [[nodiscard]] virtual Status want_stamp() {
    return Error{Code::kStampNeeded, "a stamp is asked for"};
  }
  /// Some milliseconds of what has to be done before `admission`: false = call again.
  [[nodiscard]] virtual Result<bool> work() { return true; }
  /// All of `out` from the stream at `offset`.
  [[nodiscard]] virtual Status read(std::uint64_t offset, ByteSpan out) = 0;
  /// Hash lists for letters of more than one block (see core/tree.h): all groups, or the leaves of
  /// one group, concatenated.
  [[nodiscard]] virtual Result<Bytes> groups() = 0;
  [[nodiscard]] virtual Result<Bytes> leaves(std::uint64_t group) = 0;
  /// The recipient's device said that the letter is safely stored: verifies the receipt and records
  /// the delivery. kForged when it proves nothing; the entry then stays queued.
  [[nodiscard]] virtual Status delivered(ByteView receipt) = 0;
  /// The other side refused, or the attempt failed: recorded in words for `queue`. The entry stays
  /// queued; whether it is tried again is the queue's business.
  virtual void failed(const Error& why) = 0;
  /// The mailbox has another letter of this root, which it gives out once this one is delivered.
  [[nodiscard]] virtual bool has_twin() const { return false; }
};

/// A letter on its way in, as one conversation sees it. The same letter offered in several
/// conversations is received once: their objects share a Transfer. Destroying the last of them before
/// commit discards what came, or leaves it on the disk for a later offer (see recall).
class IncomingLetter {
 public:
  virtual ~IncomingLetter() = default;
  /// What is there of it. Of a letter that came inside its offer nobody asks.
  [[nodiscard]] virtual Transfer& transfer() = 0;
  /// A verified block, of those that are not there, in whatever order they were asked for; it is
  /// there then.
  [[nodiscard]] virtual Status write(std::uint64_t index, ByteView block) = 0;
  /// Looks at one more block that an earlier transfer may have left, of those whose leaves are known:
  /// false when there is none to look at now.
  [[nodiscard]] virtual Result<bool> recall() { return false; }
};

/// How an offered envelope is answered: take the letter, or it is stored already (a fresh receipt).
struct TakeIt {
  std::unique_ptr<IncomingLetter> letter;
  Root root;                // what the envelope says, to be checked against the offer
  std::uint64_t size = 0;
};
struct StoredAlready {
  Bytes receipt;
};
using Considered = std::variant<TakeIt, StoredAlready>;

/// Something to ask the other side, once.
class Question {
 public:
  virtual ~Question() = default;
  [[nodiscard]] virtual Bytes text() const = 0;  // 1 to kMaxQuestion bytes
  virtual void answered(const Result<Bytes>& answer) = 0;
};

class Mailbox {
 public:
  virtual ~Mailbox() = default;
  /// Our own current card, encoded.
  [[nodiscard]] virtual Bytes card() = 0;
  /// Verifies a card from the other side and that one of its usable records names `transport`;
  /// merges it into the address book when its identity is a peer. kForged, kMalformed.
  [[nodiscard]] virtual Result<Caller> meet(const TransportKey& transport, ByteView card) = 0;
  /// Whether this identity is in the address book, and not blocked: its conversations stay when places
  /// are few.
  [[nodiscard]] virtual bool knows(const IdentityKey&) { return false; }
  /// Claims at most `max` queued letters for this identity that this conversation has not been given
  /// yet (`after` = how many it was given so far is not needed: a claimed or failed one is skipped
  /// by the mailbox until the conversation ends).
  [[nodiscard]] virtual std::vector<std::unique_ptr<OutgoingLetter>> outgoing(const Caller& caller,
                                                                              std::size_t max) = 0;
  /// Opens an offered envelope, or takes it for somebody else when `admission` asks for that.
  /// kUnknownPrekey (answered with our card), kRefused (with kTimeout: "later"), kStampNeeded, kQuota,
  /// kForged, kMalformed, kNoSpace.
  [[nodiscard]] virtual Result<Considered> consider(const Caller& caller, ByteView envelope,
                                                    ByteView admission) = 0;
  /// Makes complete letters durable together (group commit): afterwards each is safely in the
  /// Maildir, or an error says why not. One result per letter, in order: the signed receipt.
  [[nodiscard]] virtual std::vector<Result<Bytes>> commit(
      std::vector<std::unique_ptr<IncomingLetter>> letters) = 0;
  /// What we want to know from this caller; asked once in a conversation.
  [[nodiscard]] virtual std::vector<std::unique_ptr<Question>> questions(const Caller&) {
    return {};
  }
  /// 1 to kMaxAnswer bytes, or kRefused.
  [[nodiscard]] virtual Result<Bytes> answer(const Caller&, ByteView) {
    return Error{Code::kRefused, "no questions are answered here"};
  }
};

}  // namespace p2pmail::core
