// The kinds of letter that a PostOffice hands out (core/mailbox.h): private to its sources.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/capsule.h"
#include "core/partial.h"
#include "core/post_office.h"
#include "core/sending.h"
#include "core/stream_file.h"
#include "core/ticket.h"

namespace p2pmail::core {

/// A claimed queue entry with its stream.
class PostOffice::Outgoing : public OutgoingLetter {
 public:
  Outgoing(PostOffice& office, Claim claim, std::shared_ptr<Ephemeral> ephemeral,
           const TransportKey& transport)
      : office_(office),
        claim_(std::move(claim)),
        ephemeral_(std::move(ephemeral)),
        transport_(transport),
        stream_(stream_of(office.store_, claim_.entry)) {}

  const Root& root() const override { return claim_.entry.root; }
  std::uint64_t size() const override { return claim_.entry.size; }
  Result<Bytes> envelope() override;
  Result<Bytes> admission() override;
  Status want_stamp() override;
  Result<bool> work() override;
  Status read(std::uint64_t offset, ByteSpan out) override { return stream_.read(offset, out); }
  Result<Bytes> groups() override { return stream_.groups(); }
  Result<Bytes> leaves(std::uint64_t group) override { return stream_.leaves(group); }
  Status delivered(ByteView receipt) override;
  void failed(const Error& why) override;

 private:
  PostOffice& office_;
  Claim claim_;
  std::shared_ptr<Ephemeral> ephemeral_;
  TransportKey transport_;  // of the device that we talk to: its record says what stamp it wants
  StreamFile stream_;
  std::vector<Digest> envelopes_;
  std::optional<StampSearch> search_;
  std::optional<std::uint64_t> stamp_;
};

/// A letter that we hold for the owner of a device that is here (relay).
class PostOffice::Held : public OutgoingLetter {
 public:
  Held(PostOffice& office, Shelf& shelf, HeldLetter letter, const DeviceKey& device)
      : office_(office),
        shelf_(shelf),
        letter_(std::move(letter)),
        device_(device),
        stream_(shelf.letter_path(root()), 0, size(), shelf.leaves_path(root()),
                block_count(size()) > 1) {
    office_.out_.insert({letter_.deposit.handle, device_});
  }
  ~Held() override { office_.out_.erase({letter_.deposit.handle, device_}); }

  const Root& root() const override { return letter_.deposit.root; }
  std::uint64_t size() const override { return letter_.deposit.size; }
  Result<Bytes> envelope() override { return letter_.envelope; }
  Result<Bytes> admission() override { return encode_admission({letter_.stamp, std::nullopt}); }
  Status read(std::uint64_t offset, ByteSpan out) override { return stream_.read(offset, out); }
  Result<Bytes> groups() override { return stream_.groups(); }
  Result<Bytes> leaves(std::uint64_t group) override { return stream_.leaves(group); }
  Status delivered(ByteView relayed_receipt) override;
  void failed(const Error& why) override;

 private:
  PostOffice& office_;
  Shelf& shelf_;
  HeldLetter letter_;
  DeviceKey device_;
  StreamFile stream_;
};

/// A letter that comes for somebody else, into a file on the shelf (relay).
class PostOffice::HeldFile : public IncomingLetter {
 public:
  HeldFile(PostOffice& office, Shelf& shelf, HeldLetter letter, Room::Place place)
      : office_(office), shelf_(shelf), letter_(std::move(letter)), place_(std::move(place)),
        transfer_(letter_.deposit.root, letter_.deposit.size) {
    office_.coming_[letter_.owner] += bytes();
  }
  ~HeldFile() override;

  Transfer& transfer() override { return transfer_; }
  Status write(std::uint64_t index, ByteView block) override;
  /// Hash list, fsync, its name on the shelf; the directory is the caller's to sync. Afterwards the
  /// file is the shelf's, row or not.
  [[nodiscard]] Status complete();
  [[nodiscard]] const HeldLetter& letter() const { return letter_; }

 private:
  [[nodiscard]] Status open();
  [[nodiscard]] std::uint64_t bytes() const {
    return letter_.deposit.size + letter_.envelope.size();
  }
  PostOffice& office_;
  Shelf& shelf_;
  HeldLetter letter_;
  Room::Place place_;
  std::filesystem::path path_;  // empty before the first block and once it was given away
  Fd file_;                     // locked as long as this lives
  Transfer transfer_;
  std::vector<Digest> leaves_;
};

/// A letter that is received, whatever number of conversations bring it.
struct PostOffice::Arrival {
  /// kOpen until one of the conversations makes it mail; kFailed when that can only begin anew.
  enum class State { kOpen, kTaken, kFailed };
  Arrival(const Root& root, std::uint64_t size, Room::Place room)
      : transfer(root, size), place(std::move(room)) {}
  Transfer transfer;
  Room::Place place;
  std::optional<Partial> partial;  // of a letter of several blocks
  State state = State::kOpen;
};

/// A letter as one conversation brings it. One of a single block goes straight into its sealed file; the
/// others are collected in a Partial, which becomes the blob, or is copied into the sealed file.
class PostOffice::IncomingFile : public IncomingLetter {
 public:
  /// `relayed`: it comes from a relay, which gets the receipt sealed.
  IncomingFile(PostOffice& office, OpenedEnvelope opened, std::shared_ptr<Arrival> arrival,
               bool relayed, std::string network)
      : office_(office),
        opened_(std::move(opened)),
        arrival_(std::move(arrival)),
        is_relayed_(relayed),
        network_(std::move(network)) {}
  ~IncomingFile() override;

  Transfer& transfer() override { return arrival_->transfer; }
  Status write(std::uint64_t index, ByteView block) override;
  Result<bool> recall() override;
  /// Everything but fsync and rename: capsule, end. Nothing when another conversation has done it.
  [[nodiscard]] Status complete();
  /// What has to be fsynced then: no descriptor when the file is another's.
  [[nodiscard]] OpenPath file() const {
    return writer_ ? OpenPath{writer_->fd(), writer_->path()} : OpenPath{};
  }
  [[nodiscard]] JournalEntry journal_entry() const;
  /// False also when the file is another's: then the journal has it, or it is not there.
  [[nodiscard]] bool is_there() const { return writer_ && writer_->is_there(); }
  /// After the journal has it. An intent without its partial means that it is delivered, by us or
  /// by another process that found our journal record. Answers the directory, to be fsynced.
  [[nodiscard]] Result<std::filesystem::path> deliver();
  /// The journal could not say whether it has this letter: the file stays, so that either way
  /// holds.
  void keep() { committed_ = true; }
  void drop();
  [[nodiscard]] Bytes receipt() const { return receipt_for(office_, opened_, is_relayed_); }
  [[nodiscard]] bool is_relayed() const { return is_relayed_; }
  [[nodiscard]] const IdentityKey& sender() const { return opened_.body.sender; }
  /// One for letters of one sender that did not come from a relay; at most kMaxReceiptLetters.
  [[nodiscard]] static Bytes receipt_of_all(std::span<const Coming> letters);
  void announce() const;
  [[nodiscard]] static Bytes receipt_for(PostOffice& office, const OpenedEnvelope& opened,
                                         bool relayed);

 private:
  enum class Then { kOnlyJudge, kOpenFile };
  [[nodiscard]] Status begin(ByteView block, Then then);
  [[nodiscard]] Status assemble();
  [[nodiscard]] Status copy_stream();
  [[nodiscard]] Status finish_stub(const Bytes& capsule);
  [[nodiscard]] Result<std::vector<Digest>> all_leaves();
  [[nodiscard]] bool is_large() const { return opened_.body.size > office_.options_.inline_max; }
  void judge(const HeaderFields& fields, bool known);
  void fill_capsule();
  [[nodiscard]] Status open_partial(const HeaderFields& fields, const std::string& petname);

  PostOffice& office_;
  OpenedEnvelope opened_;
  std::shared_ptr<Arrival> arrival_;
  bool is_relayed_;
  std::string network_;
  std::unique_ptr<Capsule> capsule_;
  std::unique_ptr<SealedFileWriter> writer_;
  std::string folder_;
  std::string unique_;
  Verdict verdict_ = Verdict::kMismatch;
  bool committed_ = false;
};

}  // namespace p2pmail::core
