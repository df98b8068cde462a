// The post office as a relay: letters for others, on the shelf (core/shelf.h).
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "core/post_office_letters.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

const Error kNotHeld{Code::kRefused, "no letters are held here for this recipient"};
const Error kQuotaUsedUp{Code::kQuota, "the recipient's quota on this relay is used up"};

}  // namespace

PostOffice::HeldFile::~HeldFile() {
  if (!path_.empty()) (void)unlink(path_.c_str());
  const auto coming = office_.coming_.find(letter_.owner);
  if ((coming->second -= bytes()) == 0) office_.coming_.erase(coming);
}

Status PostOffice::HeldFile::open() {
  std::array<std::uint8_t, 16> name{};
  random_bytes(name);
  const fs::path path = shelf_.directory() / (to_hex(name) + ".part");
  auto file = open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!file) return file.error();
  path_ = path;
  file_ = std::move(*file);
  const auto locked = lock_file(file_.get(), LockKind::kShared, {}, path_);
  if (!locked) return locked.error();
  return *locked ? Status{} : Error{Code::kBusy, path_.string() + ": somebody else has it"};
}

Status PostOffice::HeldFile::write(std::uint64_t index, ByteView block) {
  if (path_.empty())
    if (const auto opened = open(); !opened) return opened;
  if (const auto room = place_.take(block.size()); !room) return room;
  leaves_.resize(static_cast<std::size_t>(transfer_.blocks()));
  leaves_[static_cast<std::size_t>(index)] = leaf_of(block);
  if (const auto put = write_at(file_.get(), index * kBlockSize, block, path_); !put) return put;
  start_writeback(file_.get(), index * kBlockSize, block.size());  // the last fsync is short then
  transfer_.got(index);
  return {};
}

// The hash list first: a letter that has its name is whole.
Status PostOffice::HeldFile::complete() {
  if (path_.empty() || !transfer_.complete())
    return Error{Code::kMalformed, "a letter without blocks"};
  const Root& root = letter_.deposit.root;
  if (leaves_.size() > 1) {
    Bytes all;
    for (const Digest& leaf : leaves_) append(all, leaf.view());
    if (const auto kept = replace_file(shelf_.leaves_path(root), all); !kept) return kept;
  }
  if (const auto synced = sync_fd(file_.get(), path_); !synced) return synced;
  const fs::path place = shelf_.letter_path(root);
  if (rename(path_.c_str(), place.c_str()) != 0) return errno_error(errno, place, "cannot rename");
  path_.clear();
  return {};
}

Status PostOffice::Held::delivered(ByteView bytes) {
  const auto receipt = decode_relayed_receipt(bytes);
  if (!receipt) return receipt.error();
  return shelf_.shown(letter_.deposit.handle, device_, *receipt);
}

// What will not change is the sender's business: with another envelope he may succeed. Whatever else went
// wrong, others have their turn first next time.
void PostOffice::Held::failed(const Error& why) {
  const Digest& handle = letter_.deposit.handle;
  if (why.code == Code::kUnavailable) return;
  office_.refused_[to_hex(handle)] = {letter_.owner, std::chrono::steady_clock::now()};
  const bool for_good = why.code == Code::kUnknownPrekey || why.code == Code::kForged ||
                        why.code == Code::kMalformed || why.code == Code::kUnsupported ||
                        why.code == Code::kRefused;
  (void)(for_good ? shelf_.refused(handle, device_) : shelf_.tried(handle));
}

void PostOffice::add_held(const Caller& caller, std::size_t max,
                          std::vector<std::unique_ptr<OutgoingLetter>>& letters) {
  if (caller.is_nobody() || letters.size() >= max) return;
  const auto shelf = store_.shelf();
  if (!shelf || *shelf == nullptr) return;
  // What is out, or was refused a moment ago, must not take the place of others.
  const auto handles =
      (*shelf)->waiting(caller.identity, caller.device, max + out_.size() + refused_.size());
  if (!handles) return;
  for (const Digest& handle : *handles) {
    if (letters.size() >= max) return;
    if (rests(to_hex(handle)) || out_.contains({handle, caller.device})) continue;
    auto letter = (*shelf)->find(handle);
    if (!letter || !*letter) continue;
    letters.push_back(
        std::make_unique<Held>(*this, **shelf, std::move(**letter), caller.device));
  }
}

Result<IdentityKey> PostOffice::owner_of(Shelf& shelf, const Deposit& deposit) {
  const auto owners = shelf.owner_keys();
  if (!owners) return owners.error();
  for (const IdentityKey& owner : *owners) {
    if (tag_of(store_.identity(), owner) != deposit.tag) continue;
    const auto peer = store_.state().find_peer(owner);
    if (!peer) return peer.error();
    if (*peer && (*peer)->blocked) break;
    return owner;
  }
  return kNotHeld;
}

/// With what is on its way to the same owner: it is not in the database yet.
Status PostOffice::check_quota(Shelf& shelf, const HeldLetter& letter) {
  const auto owner = shelf.owner(letter.owner);
  if (!owner) return owner.error();
  if (!*owner) return kNotHeld;
  const std::uint64_t size = letter.deposit.size + letter.envelope.size();
  const std::uint64_t taken = (*owner)->used + coming_[letter.owner];
  if (taken > (*owner)->quota || size > (*owner)->quota - taken) return kQuotaUsedUp;
  return (*owner)->letters >= kMaxHeld ? kQuotaUsedUp : Status{};
}

// Cheap questions first: whoever has no stamp costs a few reads.
Result<Considered> PostOffice::hold(const Deposit& deposit,
                                    const std::optional<std::uint64_t>& stamp,
                                    ByteView envelope) {
  const auto found = store_.shelf();
  if (!found) return found.error();
  if (*found == nullptr) return kNotHeld;
  Shelf& shelf = **found;
  const auto owner = owner_of(shelf, deposit);
  if (!owner) return owner.error();
  auto peer = store_.state().find_peer(*owner);
  if (!peer) return peer.error();
  if (*peer && (*peer)->card)
    if (const auto fits = check_stamp(*(*peer)->card, deposit.root, stamp); !fits)
      return fits.error();
  const auto before = shelf.until_of(deposit.handle);
  if (!before) return before.error();
  if (*before) return Considered(StoredAlready{encode_held(**before)});
  HeldLetter letter;
  letter.owner = *owner;
  letter.deposit = deposit;
  letter.stamp = stamp.value_or(0);
  letter.envelope = to_bytes(envelope);
  letter.since = options_.clocks().time;
  if (const auto fits = check_quota(shelf, letter); !fits) return fits.error();
  const auto terms = shelf.owner(*owner);
  if (!terms) return terms.error();
  letter.until = letter.since + (*terms ? (*terms)->keep : 0);
  return take_or_add(shelf, std::move(letter));
}

/// The same letter for another recipient: its stream is here once.
Result<Considered> PostOffice::take_or_add(Shelf& shelf, HeldLetter letter) {
  // Another process may just have given it its name.
  std::error_code ignored;
  if (fs::exists(shelf.letter_path(letter.deposit.root), ignored))
    if (const auto synced = sync_directory(shelf.directory()); !synced) return synced.error();
  const auto added = shelf.add({letter});
  if (!added) return added.error();
  switch (added->front()) {
    case Shelf::Held::kYes: return Considered(StoredAlready{encode_held(letter.until)});
    case Shelf::Held::kNoOwner: return kNotHeld;
    case Shelf::Held::kFull: return kQuotaUsedUp;
    case Shelf::Held::kNoStream: break;
  }
  auto place = room_.reserve(letter.deposit.size);
  if (!place) return place.error();
  TakeIt take;
  take.root = letter.deposit.root;
  take.size = letter.deposit.size;
  take.letter = std::make_unique<HeldFile>(*this, shelf, std::move(letter), std::move(*place));
  return Considered(std::move(take));
}

void PostOffice::commit_held(const Letters& letters, std::vector<Result<Bytes>>& results) {
  std::vector<HeldLetter> complete;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    auto* file = dynamic_cast<HeldFile*>(letters[i].get());
    if (file == nullptr) continue;
    if (const auto done = file->complete(); !done) {
      results[i] = done.error();
      continue;
    }
    complete.push_back(file->letter());
    places.push_back(i);
  }
  if (complete.empty()) return;
  Shelf& shelf = **store_.shelf();
  const auto synced = sync_directory(shelf.directory());
  const auto added =
      synced ? shelf.add(complete) : Result<std::vector<Shelf::Held>>(synced.error());
  for (std::size_t i = 0; i < complete.size(); ++i) {
    if (!added) {
      results[places[i]] = added.error();
    } else if ((*added)[i] == Shelf::Held::kYes) {
      results[places[i]] = encode_held(complete[i].until);
    } else {
      results[places[i]] = (*added)[i] == Shelf::Held::kFull ? kQuotaUsedUp : kNotHeld;
    }
  }
}

Result<Bytes> PostOffice::answer(const Caller&, ByteView bytes) {
  const auto question = decode_question(bytes);
  if (!question) return question.error();
  const auto shelf = store_.shelf();
  if (!shelf) return shelf.error();
  if (*shelf == nullptr) return encode_answer({});
  auto told = (*shelf)->ask(*question);
  if (!told) return told.error();
  if (told->answer.state == HeldState::kRefused) {
    // What its devices said when they could not open it: their newest prekeys.
    auto peer = store_.state().find_peer(told->owner);
    if (peer && *peer && (*peer)->card) told->answer.card = encode_card(*(*peer)->card);
  }
  return encode_answer(told->answer);
}

}  // namespace p2pmail::core
