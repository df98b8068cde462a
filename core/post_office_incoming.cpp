// A letter on its way in: from its first block to its place in the Maildir.
#include <unistd.h>

#include "core/address.h"
#include "core/blobs.h"
#include "core/post_office_letters.h"
#include "core/receipt.h"
#include "core/text.h"

namespace p2pmail::core {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kHeaderBytes = 64 * 1024;  // of a message, read for the outer header

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
    case Verdict::kSelf:
      return "p2pmail.alt; p2pmail=pass " + signer + " policy.peer=self";
    case Verdict::kStranger:
      return "p2pmail.alt; p2pmail=pass " + signer + " policy.peer=none";
    case Verdict::kMismatch:
      return "p2pmail.alt; p2pmail=fail reason=\"From is not the signer\" " + signer;
    case Verdict::kBuried:
      return "p2pmail.alt; p2pmail=fail reason=\"signed by a retired device\" " + signer;
    case Verdict::kSent:
      return {};
  }
  return {};
}

fs::path partial_path(const Maildir& maildir, const EnvelopeBody& body) {
  return maildir.partial() /
         (to_hex(seen_key(body.sender, body.root)) + std::string(kPartialSuffix));
}

}  // namespace

PostOffice::IncomingFile::~IncomingFile() {
  // Before the journal has it, nobody was told about this file.
  if (writer_ && !committed_) (void)unlink(writer_->path().c_str());
}

Result<std::shared_ptr<PostOffice::Arrival>> PostOffice::arrival_of(const EnvelopeBody& body,
                                                                    bool kept) {
  std::erase_if(arrivals_, [](const auto& one) { return one.second.expired(); });
  const bool is_single = block_count(body.size) == 1;
  if (const auto found = arrivals_.find({body.sender, body.root});
      !is_single && found != arrivals_.end()) {
    auto arrival = found->second.lock();
    if (arrival->transfer.size() == body.size) return arrival;
    return Error{Code::kForged, "one letter of two sizes"};
  }
  std::optional<Partial> partial;
  std::uint64_t there = 0;
  if (!is_single) {
    auto opened = Partial::open(partial_path(store_.maildir(), body), body.size,
                                kept ? Partial::After::kKept : Partial::After::kRemoved);
    if (!opened) return opened.error();
    there = std::min(body.size, opened->on_disk());
    partial.emplace(std::move(*opened));
  }
  auto place = room_.reserve(body.size - there);
  if (!place) return place.error();
  auto arrival = std::make_shared<Arrival>(body.root, body.size, std::move(*place));
  if (!partial) return arrival;
  arrival->partial.emplace(std::move(*partial));
  arrival->transfer.set_recalled(0);
  arrivals_[{body.sender, body.root}] = arrival;
  return arrival;
}

/// What is stored came another way: nobody will ask for the rest.
void PostOffice::forget_partial(const EnvelopeBody& body) {
  if (block_count(body.size) == 1 || arrivals_.contains({body.sender, body.root})) return;
  const fs::path path = partial_path(store_.maildir(), body);
  std::error_code ignored;
  if (fs::exists(path, ignored)) (void)Partial::open(path, body.size, Partial::After::kRemoved);
}

Status PostOffice::IncomingFile::write(std::uint64_t index, ByteView block) {
  const auto then = arrival_->partial ? Then::kOnlyJudge : Then::kOpenFile;
  if (index == 0)
    if (const auto begun = begin(block, then); !begun) return begun;
  if (const auto room = arrival_->place.take(block.size()); !room) return room;
  const auto put = arrival_->partial ? arrival_->partial->write(index, block)
                                     : writer_->write(0, block);
  if (put) arrival_->transfer.got(index);
  return put;
}

// One block at a time, because each is read and hashed.
Result<bool> PostOffice::IncomingFile::recall() {
  Transfer& transfer = arrival_->transfer;
  const auto known = transfer.known();
  if (!arrival_->partial || transfer.recalled() >= known) return false;
  const auto index = arrival_->partial->next_data(transfer.recalled());
  transfer.set_recalled(std::min(index, known));
  if (index >= known) return false;
  transfer.set_recalled(index + 1);
  if (transfer.has(index)) return true;
  Bytes block(static_cast<std::size_t>(block_size(transfer.size(), index)));
  // What cannot be read is asked for again.
  const auto got = arrival_->partial->read(index, block);
  if (got && transfer.verifier().check_block(index, block)) transfer.got(index);
  return true;
}

Status PostOffice::IncomingFile::complete() {
  if (!arrival_->transfer.complete())
    return Error{Code::kMalformed, "a letter without all its blocks"};
  if (arrival_->state == Arrival::State::kFailed)
    return Error{Code::kIo, "not stored: it has to come again"};
  if (arrival_->state == Arrival::State::kTaken) return {};
  if (arrival_->partial) {
    // That this envelope's key does not open it is no fault of those who bring it with another.
    Bytes first(static_cast<std::size_t>(kBlockSize));
    if (const auto got = arrival_->partial->read(0, first); !got) return got;
    if (const auto begun = begin(first, Then::kOpenFile); !begun) return begun;
  }
  arrival_->state = Arrival::State::kTaken;
  const auto done = assemble();
  if (!done) arrival_->state = Arrival::State::kFailed;
  return done;
}

Status PostOffice::IncomingFile::assemble() {
  const auto sealed =
      seal_capsule(*capsule_, office_.store_.store_public(), office_.store_.device());
  if (!sealed) return sealed.error();
  if (arrival_->partial && is_large()) return finish_stub(*sealed);
  if (arrival_->partial)
    if (const auto copied = copy_stream(); !copied) return copied;
  return writer_->finish(*sealed, opened_.body.size);
}

Status PostOffice::IncomingFile::copy_stream() {
  Bytes block;
  for (std::uint64_t index = 0; index < arrival_->transfer.blocks(); ++index) {
    block.resize(static_cast<std::size_t>(block_size(opened_.body.size, index)));
    if (const auto got = arrival_->partial->read(index, block); !got) return got;
    if (const auto put = writer_->write(index * kBlockSize, block); !put) return put;
  }
  return {};
}

/// A conversation has them; a letter of one block, and one that came from our own queue, has none yet.
Result<std::vector<Digest>> PostOffice::IncomingFile::all_leaves() {
  auto leaves = arrival_->transfer.verifier().known_leaves();
  if (leaves.size() == arrival_->transfer.blocks()) return leaves;
  TreeHasher hasher;
  Bytes block;
  for (std::uint64_t index = 0; index < arrival_->transfer.blocks(); ++index) {
    block.resize(static_cast<std::size_t>(block_size(opened_.body.size, index)));
    if (const auto got = arrival_->partial->read(index, block); !got) return got.error();
    hasher.update(block);
  }
  if (hasher.finish() == opened_.body.root) return hasher.leaves();
  return Error{Code::kForged, "the stored letter is another one"};
}

// The stream is durable under its name before the stub, which names it, can be mail.
Status PostOffice::IncomingFile::finish_stub(const Bytes& capsule) {
  Partial& partial = *arrival_->partial;
  if (const auto synced = partial.sync(); !synced) {
    partial.discard();  // what the disk did not take must come again
    return synced;
  }
  const BlobRef blob{capsule_->id, 0};
  if (const auto done = writer_->finish_stub(capsule, opened_.body.size, blob); !done) return done;
  if (const auto synced = writer_->sync(); !synced) return synced;
  const Blobs blobs(office_.store_.maildir().root());
  const auto leaves = all_leaves();
  if (!leaves) return leaves.error();
  if (!partial.is_there()) return Error{Code::kIo, "not stored: its file was removed"};
  if (const auto done = blobs.adopt(partial.path(), blob.name, *leaves); !done) return done;
  partial.given_away();
  return {};
}

JournalEntry PostOffice::IncomingFile::journal_entry() const {
  // When another conversation has made it mail, the journal has it.
  return {opened_.body.sender, opened_.body.root, capsule_ ? capsule_->time : 0, folder_, unique_};
}

Result<fs::path> PostOffice::IncomingFile::deliver() {
  committed_ = true;
  arrival_->place.keep();
  if (arrival_->partial) arrival_->partial->discard();
  const Maildir& maildir = office_.store_.maildir();
  auto put = maildir.put(writer_->path(), folder_, unique_, "");
  std::error_code ignored;
  if (put || fs::exists(writer_->path(), ignored)) return put;
  return maildir.directory(folder_, "new");
}

void PostOffice::IncomingFile::drop() {
  if (writer_) (void)unlink(writer_->path().c_str());
  if (arrival_->partial) arrival_->partial->discard();
  committed_ = true;
}

void PostOffice::IncomingFile::announce() const {
  if (!office_.options_.on_mail) return;
  office_.options_.on_mail(
      {capsule_->id, opened_.body.sender, folder_, opened_.body.subject, opened_.body.size});
}

Receipt PostOffice::receipt_about(const OpenedEnvelope& opened) {
  Receipt receipt;
  receipt.sender = opened.body.sender;
  receipt.recipient = store_.identity();
  receipt.device = store_.device().device;
  receipt.root = opened.body.root;
  receipt.envelope = opened.envelope_hash;
  receipt.time = options_.clocks().time;
  return receipt;
}

Bytes PostOffice::IncomingFile::receipt_of_all(std::span<const Coming> letters) {
  const IncomingFile& first = *letters.front().letter;
  Receipt receipt = first.office_.receipt_about(first.opened_);
  for (const Coming& one : letters.subspan(1))
    receipt.others.push_back({one.letter->opened_.body.root, one.letter->opened_.envelope_hash});
  return sign_receipt(receipt, first.office_.store_.device().signing);
}

Bytes PostOffice::IncomingFile::receipt_for(PostOffice& office, const OpenedEnvelope& opened,
                                            bool relayed) {
  const Receipt receipt = office.receipt_about(opened);
  Bytes bytes = sign_receipt(receipt, office.store_.device().signing);
  if (!relayed) return bytes;
  return encode_relayed_receipt(opened.relay_key, office.store_.device().device, bytes);
}

/// With block 0 the header is known: judges the sender, and opens the file.
Status PostOffice::IncomingFile::begin(ByteView block, Then then) {
  const EnvelopeBody& body = opened_.body;
  auto prefix = open_prefix(body.payload_key, body.size, block, kHeaderBytes);
  if (!prefix) return prefix.error();
  const auto fields = parse_header(prefix->message).value_or(HeaderFields{});
  auto peer = office_.store_.state().find_peer(body.sender);
  if (!peer) return peer.error();
  const bool known = *peer && !(*peer)->petname.empty();
  judge(fields, known);
  if (folder_ == kRequests)
    if (const auto entered = arrival_->place.enter_requests(network_); !entered) return entered;
  if (then == Then::kOnlyJudge) return {};
  fill_capsule();
  return open_partial(fields, known ? (*peer)->petname : std::string{});
}

void PostOffice::IncomingFile::fill_capsule() {
  const EnvelopeBody& body = opened_.body;
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
  capsule_->device = office_.store_.device().device;
}

Status PostOffice::IncomingFile::open_partial(const HeaderFields& fields,
                                              const std::string& petname) {
  OuterHeader outer;
  outer.fields = fields;
  outer.authentication = authentication_of(verdict_, opened_.body.sender, petname);
  outer.id = capsule_->id;
  outer.policy = office_.options_.policy;
  Maildir& maildir = office_.store_.maildir();
  if (const auto made = maildir.create_folder(folder_); !made) return made;
  unique_ = Maildir::unique_name(capsule_->time);
  auto writer = SealedFileWriter::create(maildir.partial() / unique_, sealed_prefix(outer),
                                         sealed_capsule_size(*capsule_));
  if (!writer) return writer.error();
  writer_ = std::make_unique<SealedFileWriter>(std::move(*writer));
  return {};
}

void PostOffice::IncomingFile::judge(const HeaderFields& fields, bool known) {
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
  folder_ = kRequests;
  if (verdict_ != Verdict::kPeer && verdict_ != Verdict::kSelf) return;
  const std::string asked = asked_folder(fields, own, office_.store_.maildir());
  folder_ = asked.empty() ? std::string(kInbox) : asked;
}

}  // namespace p2pmail::core
