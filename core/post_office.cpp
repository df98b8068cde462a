#include "core/post_office.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/address.h"
#include "core/capsule.h"
#include "core/receipt.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kRefusalRest{3};
constexpr std::size_t kHeaderBytes = 64 * 1024;  // of a message, read for the outer header

std::uint64_t free_bytes(const fs::path& path) {
  struct statvfs info {};
  if (statvfs(path.c_str(), &info) != 0) return 0;
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

/// The From field names the signer and nobody else.
bool from_is(const HeaderFields& fields, const IdentityKey& sender) {
  if (fields.from.size() != 1) return false;
  const auto address = parse_address(fields.from.front().address);
  return address && address->key == sender;
}

/// name+folder@our key in To or Cc: the folder, when it is there already; else empty.
std::string asked_folder(const HeaderFields& fields, const IdentityKey& own,
                         const Maildir& maildir) {
  for (const auto* list : {&fields.to, &fields.cc}) {
    for (const Mailbox5322& mailbox : *list) {
      const auto address = parse_address(mailbox.address);
      if (!address || address->key != own || address->folder.empty()) continue;
      const auto folder = Maildir::folder_name(address->folder);
      // The folders that we fill ourselves are not for others to write into.
      if (folder && maildir.has_folder(*folder) && *folder != ".Sent" && *folder != ".Trash")
        return *folder;
    }
  }
  return {};
}

std::string authentication_of(Verdict verdict, const IdentityKey& sender,
                              const std::string& petname) {
  const std::string signer = "policy.signer=" + key_text(sender);
  switch (verdict) {
    case Verdict::kPeer: {
      const bool plain = std::ranges::all_of(petname, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
      });
      return "p2pmail.alt; p2pmail=pass " + signer +
             (plain ? " policy.peer=" + petname : std::string(" policy.peer=known"));
    }
    case Verdict::kSelf: return "p2pmail.alt; p2pmail=pass " + signer + " policy.peer=self";
    case Verdict::kStranger: return "p2pmail.alt; p2pmail=pass " + signer + " policy.peer=none";
    case Verdict::kMismatch:
      return "p2pmail.alt; p2pmail=fail reason=\"From is not the signer\" " + signer;
    case Verdict::kBuried:
      return "p2pmail.alt; p2pmail=fail reason=\"signed by a retired device\" " + signer;
    case Verdict::kSent: return {};
  }
  return {};
}

}  // namespace

/// A claimed queue entry with its stream.
class PostOffice::Outgoing : public OutgoingLetter {
 public:
  Outgoing(PostOffice& office, Claim claim, std::shared_ptr<Ephemeral> ephemeral)
      : office_(office), claim_(std::move(claim)), ephemeral_(std::move(ephemeral)) {}

  const Root& root() const override { return claim_.entry.root; }
  std::uint64_t size() const override { return claim_.entry.size; }

  Result<Bytes> envelope() override {
    Store& store = office_.store_;
    auto peer = store.state().find_peer(claim_.entry.recipient);
    if (!peer) return peer.error();
    if (!*peer || !(*peer)->card)
      return Error{Code::kUnknownRecipient, "no card of the recipient"};
    EnvelopeBody body;
    body.sender = store.identity();
    body.sender_device = store.device().device;
    body.recipient = claim_.entry.recipient;
    body.root = claim_.entry.root;
    body.size = claim_.entry.size;
    body.time = claim_.entry.time;
    body.subject = claim_.entry.subject;
    body.sender_card = encode_card(store.card());
    body.payload_key = claim_.entry.payload_key.clone();
    auto sealed = seal_envelope(body, prekeys_of(*(*peer)->card), *ephemeral_,
                                store.device().signing);
    if (sealed) envelopes_.push_back(hash_envelope(*sealed));
    return sealed;
  }

  Status read(std::uint64_t offset, ByteSpan out) override {
    const fs::path path = office_.store_.queue().stream_path(claim_.entry.letter);
    if (!stream_) {
      auto fd = open_file(path, O_RDONLY);
      if (!fd) return fd.error();
      stream_ = std::move(*fd);
    }
    const auto got = read_at(stream_.get(), claim_.entry.stream_offset + offset, out, path);
    if (!got) return got.error();
    if (*got != out.size()) return Error{Code::kMalformed, path.string() + ": it is cut short"};
    return {};
  }

  Result<Bytes> groups() override {
    Bytes all;
    for (std::uint64_t group = 0; group < group_count(size()); ++group) {
      const auto part = leaf_list(group);
      if (!part) return part.error();
      append(all, group_of(*part).view());
    }
    return all;
  }

  Result<Bytes> leaves(std::uint64_t group) override {
    const auto list = leaf_list(group);
    if (!list) return list.error();
    Bytes all;
    for (const Digest& leaf : *list) append(all, leaf.view());
    return all;
  }

  Status delivered(ByteView bytes) override {
    Store& store = office_.store_;
    const auto receipt = decode_receipt(bytes);
    if (!receipt) return receipt.error();
    auto peer = store.state().find_peer(claim_.entry.recipient);
    if (!peer) return peer.error();
    const bool device_fits =
        claim_.entry.recipient == store.identity()
            ? store.card().record_of(receipt->device) != nullptr
            : *peer && (*peer)->card && (*peer)->card->record_of(receipt->device) != nullptr;
    if (receipt->sender != store.identity() || receipt->recipient != claim_.entry.recipient ||
        receipt->root != claim_.entry.root || receipt->outcome != Outcome::kStored ||
        std::ranges::find(envelopes_, receipt->envelope) == envelopes_.end() || !device_fits)
      return Error{Code::kForged, "a receipt that is not for this letter"};
    if (const auto done = store.queue().finish(claim_); !done) return done;
    office_.delivered_.insert(claim_.entry.id);
    return {};
  }

  void failed(const Error& why) override {
    if (why.code != Code::kUnavailable)
      office_.refused_[claim_.entry.id] = std::chrono::steady_clock::now();
    office_.store_.queue().note_failure(claim_.entry.id, why.context, office_.options_.clocks().time);
  }

 private:
  Result<std::vector<Digest>> leaf_list(std::uint64_t group) {
    if (group >= group_count(size())) return Error{Code::kMalformed, "no such group of blocks"};
    const std::uint64_t first = group * kGroupLeaves;
    const std::uint64_t count = std::min(kGroupLeaves, block_count(size()) - first);
    std::vector<Digest> leaves(count);
    if (!claim_.entry.has_leaves) {
      Bytes block(block_size(size(), 0));  // one block: no list is kept
      if (const auto got = read(0, block); !got) return got.error();
      leaves.front() = leaf_of(block);
      return leaves;
    }
    const fs::path path = office_.store_.queue().leaves_path(claim_.entry.letter);
    const auto fd = open_file(path, O_RDONLY);
    if (!fd) return fd.error();
    Bytes raw(count * Digest::kSize);
    const auto got = read_at(fd->get(), first * Digest::kSize, raw, path);
    if (!got) return got.error();
    if (*got != raw.size()) return Error{Code::kMalformed, path.string() + ": it is cut short"};
    for (std::size_t i = 0; i < leaves.size(); ++i)
      std::copy_n(raw.begin() + static_cast<std::ptrdiff_t>(i * Digest::kSize), Digest::kSize,
                  leaves[i].bytes.begin());
    return leaves;
  }

  PostOffice& office_;
  Claim claim_;
  std::shared_ptr<Ephemeral> ephemeral_;
  std::vector<Digest> envelopes_;
  Fd stream_;
};

/// A letter that is being received into a partial file.
class PostOffice::IncomingFile : public IncomingLetter {
 public:
  IncomingFile(PostOffice& office, OpenedEnvelope opened)
      : office_(office), opened_(std::move(opened)) {}

  ~IncomingFile() override {
    // Before the journal has it, nobody was told about this file.
    if (writer_ && !committed_) (void)unlink(writer_->path().c_str());
  }

  Status write(std::uint64_t index, ByteView block) override {
    if (index == 0) {
      if (const auto begun = begin(block); !begun) return begun;
    }
    if (!writer_) return Error{Code::kBug, "a letter that does not start with block 0"};
    return writer_->write(index * kBlockSize, block);
  }

  /// Everything but the rename: capsule, end, fsync.
  Status complete() {
    if (!writer_) return Error{Code::kMalformed, "a letter without blocks"};
    const auto sealed =
        seal_capsule(*capsule_, office_.store_.store_public(), office_.store_.device());
    if (!sealed) return sealed.error();
    if (const auto done = writer_->finish(*sealed, opened_.body.size); !done) return done;
    return writer_->sync();
  }

  [[nodiscard]] JournalEntry journal_entry() const {
    return {opened_.body.sender, opened_.body.root, capsule_->time, folder_, unique_};
  }

  [[nodiscard]] bool is_there() const { return writer_->is_there(); }

  /// After the journal has it. An intent without its partial means that it is delivered, by us or
  /// by another process that found our journal record.
  Status deliver() {
    committed_ = true;
    Maildir& maildir = office_.store_.maildir();
    const auto done = maildir.deliver(writer_->path(), folder_, unique_, "");
    std::error_code ignored;
    if (done || fs::exists(writer_->path(), ignored)) return done;
    return sync_directory(maildir.directory(folder_, "new"));
  }

  /// The journal could not say whether it has this letter: the file stays, so that either way holds.
  void keep() { committed_ = true; }

  void drop() {
    (void)unlink(writer_->path().c_str());
    committed_ = true;
  }

  [[nodiscard]] Bytes receipt() const { return office_receipt(office_, opened_); }

  void announce() const {
    if (!office_.options_.on_mail) return;
    office_.options_.on_mail({capsule_->id, opened_.body.sender, folder_, opened_.body.subject,
                              opened_.body.size});
  }

  static Bytes office_receipt(PostOffice& office, const OpenedEnvelope& opened) {
    Receipt receipt;
    receipt.sender = opened.body.sender;
    receipt.recipient = office.store_.identity();
    receipt.device = office.store_.device().device;
    receipt.root = opened.body.root;
    receipt.envelope = opened.envelope_hash;
    receipt.time = office.options_.clocks().time;
    return sign_receipt(receipt, office.store_.device().signing);
  }

 private:
  /// With block 0 the header is known: judges the sender, opens the file.
  Status begin(ByteView block) {
    Store& store = office_.store_;
    const EnvelopeBody& body = opened_.body;
    auto prefix = open_prefix(body.payload_key, body.size, block, kHeaderBytes);
    if (!prefix) return prefix.error();
    const auto fields = parse_header(prefix->message).value_or(HeaderFields{});
    auto peer = store.state().find_peer(body.sender);
    if (!peer) return peer.error();
    const bool known = *peer && !(*peer)->petname.empty();
    const std::string petname = known ? (*peer)->petname : std::string{};
    judge(fields, known);

    capsule_ = std::make_unique<Capsule>();
    capsule_->id = message_id(body.payload_key, body.sender, body.root);
    capsule_->root = body.root;
    capsule_->size = body.size;
    capsule_->payload_key = body.payload_key.clone();
    capsule_->sender = body.sender;
    capsule_->signed_body = opened_.signed_body;
    capsule_->header_hash = opened_.header_hash;
    capsule_->subject = body.subject;
    capsule_->folder = folder_;
    capsule_->verdict = verdict_;
    capsule_->time = office_.options_.clocks().time;
    capsule_->device = store.device().device;

    OuterHeader outer;
    outer.fields = fields;
    outer.authentication = authentication_of(verdict_, body.sender, petname);
    outer.id = capsule_->id;
    outer.policy = office_.options_.policy;
    if (const auto made = store.maildir().create_folder(folder_); !made) return made;
    unique_ = Maildir::unique_name(capsule_->time);
    auto writer = SealedFileWriter::create(store.maildir().partial() / unique_,
                                           sealed_prefix(outer), sealed_capsule_size(*capsule_));
    if (!writer) return writer.error();
    writer_ = std::make_unique<SealedFileWriter>(std::move(*writer));
    return {};
  }

  void judge(const HeaderFields& fields, bool known) {
    const IdentityKey& own = office_.store_.identity();
    if (!from_is(fields, opened_.body.sender)) {
      verdict_ = Verdict::kMismatch;
    } else if (opened_.device_buried) {
      verdict_ = Verdict::kBuried;
    } else if (opened_.body.sender == own) {
      verdict_ = Verdict::kSelf;
    } else {
      verdict_ = known ? Verdict::kPeer : Verdict::kStranger;
    }
    folder_ = ".Requests";
    if (verdict_ != Verdict::kPeer && verdict_ != Verdict::kSelf) return;
    const std::string asked = asked_folder(fields, own, office_.store_.maildir());
    folder_ = asked.empty() ? std::string(kInbox) : asked;
  }

  PostOffice& office_;
  OpenedEnvelope opened_;
  std::unique_ptr<Capsule> capsule_;
  std::unique_ptr<SealedFileWriter> writer_;
  std::string folder_;
  std::string unique_;
  Verdict verdict_ = Verdict::kMismatch;
  bool committed_ = false;
};

PostOffice::PostOffice(Store& store, Options options)
    : store_(store), options_(std::move(options)) {}
PostOffice::~PostOffice() = default;

Bytes PostOffice::card() {
  (void)store_.refresh();  // the card we have is still a good card
  return encode_card(store_.card());
}

Result<Caller> PostOffice::meet(const TransportKey& transport, ByteView bytes) {
  auto card = decode_card(bytes);
  if (!card) return card.error();
  auto peer = store_.state().find_peer(card->identity());
  if (!peer) return peer.error();
  // What we know counts too: an older card must not revive a device that was buried since.
  if (*peer && (*peer)->card) {
    Card merged = *(*peer)->card;
    const auto outcome = merge_card(merged, *card);
    if (!outcome) return outcome.error();
    *card = std::move(merged);
  }
  const DeviceRecord* record = card->record_of(transport);
  if (record == nullptr)
    return Error{Code::kForged, "the card does not name the transport key of this connection"};
  const Caller caller{transport, card->identity(), record->device};
  if (*peer) {
    const auto saved = store_.state().merge_peer_card(*card, false);
    if (!saved) return saved.error();
  }
  return caller;
}

bool PostOffice::rests(const std::string& entry) {
  const auto refused = refused_.find(entry);
  if (refused == refused_.end()) return false;
  if (std::chrono::steady_clock::now() - refused->second < kRefusalRest) return true;
  refused_.erase(refused);
  return false;
}

std::vector<std::unique_ptr<OutgoingLetter>> PostOffice::outgoing(const Caller& caller,
                                                                  std::size_t max) {
  std::vector<std::unique_ptr<OutgoingLetter>> letters;
  auto entries = store_.queue().list();
  if (!entries) return letters;
  std::shared_ptr<Ephemeral> ephemeral;
  for (const QueueEntry& entry : *entries) {
    if (letters.size() >= max) break;
    if (entry.recipient != caller.identity || rests(entry.id)) continue;
    if (!options_.only.empty() && !options_.only.contains(entry.id)) continue;
    auto claim = store_.queue().claim(entry.id);
    if (!claim || !*claim) continue;
    if (!ephemeral) ephemeral = std::make_shared<Ephemeral>(make_agree_pair());
    letters.push_back(std::make_unique<Outgoing>(*this, std::move(**claim), ephemeral));
  }
  return letters;
}

Result<Considered> PostOffice::consider(const Caller& caller, ByteView envelope) {
  auto opened = open_envelope(envelope, store_.device());
  if (!opened && opened.error().code == Code::kUnknownPrekey) {
    // Another process of ours may have made a newer prekey meanwhile.
    const auto fresh = store_.refresh();
    if (fresh && *fresh) opened = open_envelope(envelope, store_.device());
  }
  if (!opened) return opened.error();
  const EnvelopeBody& body = opened->body;
  if (body.size == 0 || body.size > kMaxLetterSize || !plain_size(body.size))
    return Error{Code::kMalformed, "a letter of an impossible size"};
  for (const IdentityKey& key : {body.sender, caller.identity}) {
    auto peer = store_.state().find_peer(key);
    if (!peer) return peer.error();
    if (*peer && (*peer)->blocked) return Error{Code::kTimeout, "later"};
  }
  const auto seen = store_.journal().seen(body.sender, body.root);
  if (!seen) return seen.error();
  if (*seen) {
    // The journal has it; its rename may still be open after a crash.
    const auto whole = store_.journal().finish(store_.maildir(), body.sender, body.root);
    if (!whole) return whole.error();
    return Considered(StoredAlready{IncomingFile::office_receipt(*this, *opened)});
  }
  if (free_bytes(store_.maildir().partial()) < body.size + options_.keep_free)
    return Error{Code::kNoSpace, "the recipient's disk is full"};
  if (const auto saved = store_.state().merge_peer_card(opened->card, false); !saved) {
    // A card that drops a tombstone is a forgery by whoever holds the identity's old key.
    if (saved.error().code == Code::kForged) return saved.error();
  }
  TakeIt take;
  take.root = body.root;
  take.size = body.size;
  take.letter = std::make_unique<IncomingFile>(*this, std::move(*opened));
  return Considered(std::move(take));
}

std::vector<Result<Bytes>> PostOffice::commit(std::vector<std::unique_ptr<IncomingLetter>> letters) {
  std::vector<Result<Bytes>> results;
  std::vector<IncomingFile*> complete;
  std::vector<std::size_t> places;
  std::vector<JournalEntry> entries;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    auto* letter = static_cast<IncomingFile*>(letters[i].get());
    const auto done = letter->complete();
    results.emplace_back(done ? Error{Code::kIo, "not stored"} : done.error());
    if (!done) continue;
    complete.push_back(letter);
    places.push_back(i);
    entries.push_back(letter->journal_entry());
  }
  if (complete.empty()) return results;
  // The partial's name must survive a power cut as well as its bytes, before the journal counts on it.
  if (const auto synced = sync_directory(store_.maildir().partial()); !synced) {
    for (const std::size_t place : places) results[place] = synced.error();
    return results;
  }
  const auto recorded = store_.journal().record(
      entries, [&complete](std::size_t i) { return complete[i]->is_there(); });
  for (std::size_t i = 0; i < complete.size(); ++i) {
    if (!recorded) {
      complete[i]->keep();
      results[places[i]] = recorded.error();
    } else if ((*recorded)[i] == Recorded::kGone) {
      results[places[i]] = Error{Code::kIo, "not stored: its file was removed before it was whole"};
    } else if ((*recorded)[i] == Recorded::kBefore) {
      complete[i]->drop();
      const auto whole =
          store_.journal().finish(store_.maildir(), entries[i].sender, entries[i].root);
      results[places[i]] = whole ? Result<Bytes>(complete[i]->receipt()) : whole.error();
    } else if (const auto done = complete[i]->deliver(); !done) {
      results[places[i]] = done.error();
    } else {
      results[places[i]] = complete[i]->receipt();
      complete[i]->announce();
    }
  }
  return results;
}

Status PostOffice::deliver_to_self() {
  const Caller self{store_.device().transport_public, store_.identity(), store_.device().device};
  if (const auto saved = store_.state().merge_peer_card(store_.card(), true); !saved)
    return saved.error();
  for (auto& letter : outgoing(self, SIZE_MAX)) {
    const auto envelope = letter->envelope();
    if (!envelope) return envelope.error();
    auto considered = consider(self, *envelope);
    if (!considered) return considered.error();
    Bytes receipt;
    if (auto* take = std::get_if<TakeIt>(&*considered)) {
      Bytes block;
      for (std::uint64_t index = 0; index < block_count(letter->size()); ++index) {
        block.resize(block_size(letter->size(), index));
        if (const auto got = letter->read(index * kBlockSize, block); !got) return got;
        if (const auto put = take->letter->write(index, block); !put) return put;
      }
      std::vector<std::unique_ptr<IncomingLetter>> one;
      one.push_back(std::move(take->letter));
      auto committed = commit(std::move(one));
      if (!committed.front()) return committed.front().error();
      receipt = std::move(*committed.front());
    } else {
      receipt = std::get<StoredAlready>(*considered).receipt;
    }
    if (const auto done = letter->delivered(receipt); !done) return done;
  }
  return {};
}

}  // namespace p2pmail::core
