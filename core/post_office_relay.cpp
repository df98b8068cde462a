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
  if (index == 0)
    if (const auto opened = open(); !opened) return opened;
  if (const auto room = place_.take(block.size()); !room) return room;
  leaves_.push_back(leaf_of(block));
  return write_at(file_.get(), index * kBlockSize, block, path_);
}

// The hash list first: a letter that has its name is whole.
Status PostOffice::HeldFile::complete() {
  if (path_.empty()) return Error{Code::kMalformed, "a letter without blocks"};
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

// Only what cannot change is the sender's business: with another envelope he may succeed.
void PostOffice::Held::failed(const Error& why) {
  if (why.code != Code::kUnavailable)
    office_.refused_[to_hex(letter_.deposit.handle)] = std::chrono::steady_clock::now();
  if (why.code == Code::kUnknownPrekey) (void)shelf_.refused(letter_.deposit.handle);
}

void PostOffice::add_held(const Caller& caller, std::size_t max,
                          std::vector<std::unique_ptr<OutgoingLetter>>& letters) {
  if (caller.is_nobody() || letters.size() >= max) return;
  const auto shelf = store_.shelf();
  if (!shelf || *shelf == nullptr) return;
  const auto handles = (*shelf)->waiting(caller.identity, caller.device, max);
  if (!handles) return;
  for (const Digest& handle : *handles) {
    if (letters.size() >= max) return;
    if (rests(to_hex(handle))) continue;
    auto letter = (*shelf)->find(handle);
    if (!letter || !*letter) continue;
    std::error_code ignored;
    if (!fs::exists((*shelf)->letter_path((*letter)->deposit.root), ignored)) continue;
    letters.push_back(
        std::make_unique<Held>(*this, **shelf, std::move(**letter), caller.device));
  }
}

Result<std::optional<RelayOwner>> PostOffice::owner_of(const Deposit& deposit) {
  const auto shelf = store_.shelf();
  if (!shelf) return shelf.error();
  if (*shelf == nullptr) return std::optional<RelayOwner>{};
  auto owners = (*shelf)->owners();
  if (!owners) return owners.error();
  for (RelayOwner& owner : *owners)
    if (tag_of(store_.identity(), owner.identity) == deposit.tag)
      return std::optional<RelayOwner>(std::move(owner));
  return std::optional<RelayOwner>{};
}

Result<Considered> PostOffice::hold(const Deposit& deposit,
                                    const std::optional<std::uint64_t>& stamp,
                                    ByteView envelope) {
  const auto owner = owner_of(deposit);
  if (!owner) return owner.error();
  if (!*owner) return kNotHeld;
  auto peer = store_.state().find_peer((*owner)->identity);
  if (!peer) return peer.error();
  if (*peer && (*peer)->blocked) return kNotHeld;
  if (*peer && (*peer)->card)
    if (const auto fits = check_stamp(*(*peer)->card, deposit.root, stamp); !fits)
      return fits.error();
  Shelf& shelf = **store_.shelf();
  const auto before = shelf.until_of(deposit.handle);
  if (!before) return before.error();
  if (*before) return Considered(StoredAlready{encode_held(**before)});
  const auto coming = coming_.find((*owner)->identity);
  const std::uint64_t taken = (*owner)->used + (coming == coming_.end() ? 0 : coming->second);
  if (taken + deposit.size + envelope.size() > (*owner)->quota)
    return Error{Code::kQuota, "the recipient's quota on this relay is used up"};
  if ((*owner)->rows >= kMaxHeld)
    return Error{Code::kQuota, "too many letters for the recipient are on this relay"};
  HeldLetter letter;
  letter.owner = (*owner)->identity;
  letter.deposit = deposit;
  letter.stamp = stamp.value_or(0);
  letter.envelope = to_bytes(envelope);
  letter.since = options_.clocks().time;
  letter.until = letter.since + (*owner)->keep;
  // The same letter for another recipient: its stream is here once.
  const auto added = shelf.add({letter});
  if (!added) return added.error();
  if (added->front()) return Considered(StoredAlready{encode_held(letter.until)});
  auto place = room_.reserve(deposit.size);
  if (!place) return place.error();
  TakeIt take;
  take.root = deposit.root;
  take.size = deposit.size;
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
  const auto added = synced ? shelf.add(complete) : Result<std::vector<bool>>(synced.error());
  for (std::size_t i = 0; i < complete.size(); ++i) {
    if (!added) {
      results[places[i]] = added.error();
    } else if ((*added)[i]) {
      results[places[i]] = encode_held(complete[i].until);
    } else {
      results[places[i]] = kNotHeld;
    }
  }
}

Result<Bytes> PostOffice::answer(const Caller&, ByteView bytes) {
  const auto question = decode_question(bytes);
  if (!question) return question.error();
  const auto shelf = store_.shelf();
  if (!shelf) return shelf.error();
  if (*shelf == nullptr) return encode_answer({});
  auto answer = (*shelf)->ask(*question);
  if (!answer) return answer.error();
  return encode_answer(*answer);
}

}  // namespace p2pmail::core
