// The two kinds of letter that a PostOffice hands out (core/mailbox.h): private to its sources.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/capsule.h"
#include "core/post_office.h"

namespace p2pmail::core {

/// A claimed queue entry with its stream.
class PostOffice::Outgoing : public OutgoingLetter {
 public:
  Outgoing(PostOffice& office, Claim claim, std::shared_ptr<Ephemeral> ephemeral)
      : office_(office), claim_(std::move(claim)), ephemeral_(std::move(ephemeral)) {}

  const Root& root() const override { return claim_.entry.root; }
  std::uint64_t size() const override { return claim_.entry.size; }
  Result<Bytes> envelope() override;
  Status read(std::uint64_t offset, ByteSpan out) override;
  Result<Bytes> groups() override;
  Result<Bytes> leaves(std::uint64_t group) override;
  Status delivered(ByteView bytes) override;
  void failed(const Error& why) override;

 private:
  [[nodiscard]] Result<std::vector<Digest>> leaf_list(std::uint64_t group);
  PostOffice& office_;
  Claim claim_;
  std::shared_ptr<Ephemeral> ephemeral_;
  std::vector<Digest> envelopes_;
  Fd stream_;
};

/// A letter that is being received into a partial file.
class PostOffice::IncomingFile : public IncomingLetter {
 public:
  IncomingFile(PostOffice& office, OpenedEnvelope opened, Room::Place place)
      : office_(office), opened_(std::move(opened)), place_(std::move(place)) {}
  ~IncomingFile() override;

  Status write(std::uint64_t index, ByteView block) override;
  /// Everything but the rename: capsule, end, fsync.
  [[nodiscard]] Status complete();
  [[nodiscard]] JournalEntry journal_entry() const;
  [[nodiscard]] bool is_there() const { return writer_->is_there(); }
  /// After the journal has it. An intent without its partial means that it is delivered, by us or
  /// by another process that found our journal record.
  [[nodiscard]] Status deliver();
  /// The journal could not say whether it has this letter: the file stays, so that either way
  /// holds.
  void keep() { committed_ = true; }
  void drop();
  [[nodiscard]] Bytes receipt() const { return receipt_for(office_, opened_); }
  void announce() const;
  [[nodiscard]] static Bytes receipt_for(PostOffice& office, const OpenedEnvelope& opened);

 private:
  [[nodiscard]] Status begin(ByteView block);
  void judge(const HeaderFields& fields, bool known);
  void fill_capsule();
  [[nodiscard]] Status open_partial(const HeaderFields& fields, const std::string& petname);

  PostOffice& office_;
  OpenedEnvelope opened_;
  Room::Place place_;
  std::unique_ptr<Capsule> capsule_;
  std::unique_ptr<SealedFileWriter> writer_;
  std::string folder_;
  std::string unique_;
  Verdict verdict_ = Verdict::kMismatch;
  bool committed_ = false;
};

}  // namespace p2pmail::core
