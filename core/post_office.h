// The Mailbox (core/mailbox.h) of a real store: delivers what comes, hands out what is queued.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "core/envelope.h"
#include "core/file.h"
#include "core/mailbox.h"
#include "core/receipt.h"
#include "core/room.h"
#include "core/sealed_file.h"
#include "core/stamp.h"
#include "core/store.h"
#include "core/ticket.h"

namespace p2pmail::core {

/// A message that was just delivered: what may be said about it without the store key.
struct NewMail {
  MessageId id;
  IdentityKey sender;
  std::string folder;
  std::string subject;  // as the envelope says; not cleaned
  std::uint64_t size = 0;
};

/// A letter that was offered and not taken, because it is larger than Options::max_size.
struct LetterWaiting {
  Waiting letter;
  std::string subject;  // as the envelope says; not cleaned, and kept nowhere
  bool is_new = false;  // not offered before, as far as is known
};

class PostOffice : public Mailbox {
 public:
  struct Options {
    HeaderPolicy policy = HeaderPolicy::kBaseline;
    std::uint64_t inline_max = kInlineMax;  // a larger stream lies beside the Maildir (core/blobs.h)
    RoomLimits room;
    StampWork stamps;
    std::function<Now()> clocks = read_clocks;
    std::function<void(const NewMail&)> on_mail;
    /// A larger letter for us is answered "later", and remembered. 0 = no limit; what we send to
    /// ourselves and what we hold for others has none.
    std::uint64_t max_size = 0;
    std::function<void(const LetterWaiting&)> on_waiting;
    /// Only entries with these ids are handed out (send's own); empty = all that are due.
    std::set<std::string> only;
    Backoff backoff = Backoff::kGrows;  // of what fails
    /// fetch and serve: entries whose next attempt lies in the future are left alone unless the
    /// recipient calls us.
  };
  /// `store` must outlive the post office and everything it hands out.
  PostOffice(Store& store, Options options);
  ~PostOffice() override;

  [[nodiscard]] Bytes card() override;
  [[nodiscard]] Result<Caller> meet(const TransportKey& transport, ByteView card) override;
  [[nodiscard]] bool knows(const IdentityKey& identity) override;
  [[nodiscard]] std::vector<std::unique_ptr<OutgoingLetter>> outgoing(const Caller& caller,
                                                                      std::size_t max) override;
  [[nodiscard]] Result<Considered> consider(const Caller& caller, ByteView envelope,
                                            ByteView admission) override;
  /// About letters that we hold for others, from their senders.
  [[nodiscard]] Result<Bytes> answer(const Caller& caller, ByteView question) override;
  [[nodiscard]] std::vector<Result<Bytes>> commit(
      std::vector<std::unique_ptr<IncomingLetter>> letters) override;

  /// Delivers queued letters whose recipient is this identity, without a network. What goes wrong
  /// with one of them is noted in the queue, as for any other recipient.
  [[nodiscard]] Status deliver_to_self();
  /// Entries delivered (receipt seen) since construction.
  [[nodiscard]] const std::set<std::string>& delivered() const { return delivered_; }

 private:
  class Outgoing;
  class Held;
  class HeldFile;
  class IncomingFile;
  struct Arrival;
  using Letters = std::vector<std::unique_ptr<IncomingLetter>>;
  /// A complete letter of a commit, and its place among the results.
  struct Coming {
    IncomingFile* letter;
    std::size_t place;
    OpenPath file;
  };
  void commit_mail(const Letters& letters, std::vector<Result<Bytes>>& results);
  void sync_files(std::vector<Coming>& complete, std::vector<Result<Bytes>>& results);
  void answer(std::vector<Coming> arrived, std::vector<Result<Bytes>>& results);
  [[nodiscard]] Receipt receipt_about(const OpenedEnvelope& opened);
  void commit_held(const Letters& letters, std::vector<Result<Bytes>>& results);
  [[nodiscard]] Result<Considered> hold(const Deposit& deposit,
                                        const std::optional<std::uint64_t>& stamp,
                                        ByteView envelope);
  [[nodiscard]] Result<Considered> take_or_add(Shelf& shelf, HeldLetter letter);
  [[nodiscard]] Result<IdentityKey> owner_of(Shelf& shelf, const Deposit& deposit);
  [[nodiscard]] Status check_quota(Shelf& shelf, const HeldLetter& letter);
  [[nodiscard]] Status check_stamp(const Card& card, const Root& root,
                                   const std::optional<std::uint64_t>& stamp);
  [[nodiscard]] Status check_size(const Caller& caller, const EnvelopeBody& body, bool known);
  [[nodiscard]] Status admit(const Caller& caller, const EnvelopeBody& body, bool& known,
                             const std::optional<std::uint64_t>& stamp);
  void add_held(const Caller& caller, std::size_t max,
                std::vector<std::unique_ptr<OutgoingLetter>>& letters);
  [[nodiscard]] Status hand_over(const Caller& self, OutgoingLetter& letter);
  [[nodiscard]] bool rests(const std::string& entry);
  [[nodiscard]] std::deque<std::string> entries_for(const IdentityKey& identity);
  /// Merges the sender's card and looks the sending device up in what we then know: kForged, or the
  /// burial is noted in `opened`.
  [[nodiscard]] Status check_device(OpenedEnvelope& opened);
  void forget_partial(const EnvelopeBody& body);
  [[nodiscard]] Result<std::shared_ptr<Arrival>> arrival_of(const EnvelopeBody& body, bool kept);
  Store& store_;
  Options options_;
  Room room_;
  std::set<std::string> delivered_;
  std::optional<LastAgreement> last_agreement_;  // between two commits
  std::map<IdentityKey, std::deque<std::string>> waiting_;  // entries found, not handed out yet
  std::set<std::pair<Digest, DeviceKey>> out_;       // held letters that are being offered
  /// Letters of several blocks on their way in, as long as a conversation brings them.
  std::map<std::pair<IdentityKey, Root>, std::weak_ptr<Arrival>> arrivals_;
  std::map<IdentityKey, std::uint64_t> coming_;      // bytes on their way, by owner: for his quota
  /// Refused lately, left alone by outgoing() for kRefusalRest, so that one conversation does not
  /// offer a letter again and again. A link that broke is no refusal.
  struct Refusal {
    IdentityKey who;
    std::chrono::steady_clock::time_point when;
  };
  std::map<std::string, Refusal> refused_;
};

}  // namespace p2pmail::core
