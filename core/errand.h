// What we do at one relay without saying who we are: leave letters for people who cannot be reached,
// and ask what became of those that we left. The Mailbox (core/mailbox.h) of such a conversation.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "core/mailbox.h"
#include "core/sending.h"
#include "core/stamp.h"

namespace p2pmail::core {

class Errand : public Mailbox {
 public:
  struct Options {
    std::function<Now()> clocks = read_clocks;
    StampWork stamps;
    NoticeOptions notices;
  };
  /// `store` must outlive the errand. The claims may be shared with errands to other relays: that one
  /// letter lies on several is one delivery all the same.
  Errand(Store& store, Options options, Relay relay);
  /// To be left there.
  void leave(std::shared_ptr<Claim> claim);
  /// To be asked for: left there before.
  void ask(std::shared_ptr<Claim> claim, DepositRecord record);
  /// Its entry has ended: the relay may let go of it.
  void withdraw(DepositRecord record);
  /// The relay could not be reached: whatever was to be asked stays without an answer.
  void unreached();
  [[nodiscard]] const Relay& relay() const { return relay_; }

  [[nodiscard]] Bytes card() override { return {}; }
  [[nodiscard]] Result<Caller> meet(const TransportKey& transport, ByteView card) override;
  [[nodiscard]] std::vector<std::unique_ptr<OutgoingLetter>> outgoing(const Caller& caller,
                                                                      std::size_t max) override;
  [[nodiscard]] Result<Considered> consider(const Caller& caller, ByteView envelope,
                                            ByteView admission) override;
  [[nodiscard]] std::vector<Result<Bytes>> commit(
      std::vector<std::unique_ptr<IncomingLetter>> letters) override;
  [[nodiscard]] std::vector<std::unique_ptr<Question>> questions(const Caller& caller) override;

 private:
  class Left;
  class Asked;
  [[nodiscard]] std::string name() const;
  Store& store_;
  Options options_;
  Relay relay_;
  /// A letter to be left. Given back when its conversation ends without an answer to it: the next
  /// place of the relay gets it then.
  struct Slot {
    std::shared_ptr<Claim> claim;
    bool is_out = false;
    bool has_ended = false;
  };
  std::deque<Slot> letters_;
  struct Pending {
    std::shared_ptr<Claim> claim;  // null = withdraw
    DepositRecord record;
  };
  [[nodiscard]] Deposits* deposits() const;
  std::deque<Pending> asked_;
};

/// The relays that the recipient's card names, each once, the first of each device first; none that is
/// the recipient himself.
[[nodiscard]] std::vector<Relay> relays_of(const Card& card);

}  // namespace p2pmail::core
