#include "core/post_office.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/file.h"
#include "core/post_office_letters.h"

namespace p2pmail::core {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds kRefusalRest{3};
constexpr std::uint64_t kSmallLetter = 64 * 1024;  // bytes: one that comes with its offer

}  // namespace

PostOffice::PostOffice(Store& store, Options options)
    : store_(store), options_(std::move(options)), room_(store.maildir(), options_.room) {}
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
  // A new conversation: whoever refused a letter may have changed his mind (fetch --max-size 0).
  std::erase_if(refused_, [&](const auto& one) { return one.second.who == caller.identity; });
  if (*peer) {
    const auto saved = store_.state().merge_peer_card(*card, false);
    if (!saved) return saved.error();
  }
  return caller;
}

bool PostOffice::knows(const IdentityKey& identity) {
  if (identity == store_.identity()) return true;
  const auto peer = store_.state().find_peer(identity);
  return peer && *peer && !(*peer)->petname.empty() && !(*peer)->blocked;
}

bool PostOffice::rests(const std::string& entry) {
  const auto refused = refused_.find(entry);
  if (refused == refused_.end()) return false;
  if (std::chrono::steady_clock::now() - refused->second.when < kRefusalRest) return true;
  refused_.erase(refused);
  return false;
}

std::vector<std::unique_ptr<OutgoingLetter>> PostOffice::outgoing(const Caller& caller,
                                                                  std::size_t max) {
  std::vector<std::unique_ptr<OutgoingLetter>> letters;
  std::shared_ptr<Ephemeral> ephemeral;
  const auto take = [&](std::deque<std::string>& waiting) {
    for (; letters.size() < max && !waiting.empty(); waiting.pop_front()) {
      auto claim = store_.queue().claim(waiting.front());
      if (!claim || !*claim || rests((*claim)->entry.id)) continue;
      if (!ephemeral) ephemeral = std::make_shared<Ephemeral>(make_agree_pair());
      letters.push_back(
          std::make_unique<Outgoing>(*this, std::move(**claim), ephemeral, caller.transport));
    }
  };
  // What the last look into the queue found for him; another look only once that is used up, because
  // each of them reads all entries.
  auto& waiting = waiting_[caller.identity];
  take(waiting);
  if (letters.empty()) {
    waiting = entries_for(caller.identity);
    take(waiting);
  }
  if (waiting.empty()) waiting_.erase(caller.identity);
  if (options_.only.empty()) add_held(caller, max, letters);
  return letters;
}

/// What is queued for this identity, oldest first.
std::deque<std::string> PostOffice::entries_for(const IdentityKey& identity) {
  std::deque<std::string> found;
  auto entries = store_.queue().list();
  if (!entries) return found;
  for (const QueueEntry& entry : *entries) {
    const bool is_wanted = options_.only.empty() || options_.only.contains(entry.id);
    if (entry.recipient == identity && is_wanted && !rests(entry.id)) found.push_back(entry.id);
  }
  return found;
}

// Any device of ours may have the record that the sender has seen.
Status PostOffice::check_stamp(const Card& card, const Root& root,
                               const std::optional<std::uint64_t>& stamp) {
  std::uint64_t bits = 0;
  for (const DeviceRecord* record : card.usable()) {
    bits = std::max(bits, record->stamp_bits);
    if (stamp && stamp_fits({card.identity(), root, record->stamp_nonce}, *stamp,
                            record->stamp_bits))
      return {};
  }
  if (bits == 0) return {};
  return Error{Code::kStampNeeded, fmt::format("a stamp of {} bits is needed", bits)};
}

/// Contacts are free; strangers need a stamp; whoever is blocked is a stranger whose time never comes.
Status PostOffice::admit(const Caller& caller, const EnvelopeBody& body, bool& known,
                         const std::optional<std::uint64_t>& stamp) {
  known = body.sender == store_.identity();
  bool blocked = false;
  for (const IdentityKey& key : {body.sender, caller.identity}) {
    auto peer = store_.state().find_peer(key);
    if (!peer) return peer.error();
    blocked = blocked || (*peer && (*peer)->blocked);
    if (key == body.sender && *peer && !(*peer)->petname.empty()) known = true;
    if (caller.identity == body.sender) break;
  }
  if (known && !blocked) return {};
  if (const auto stamped = check_stamp(store_.card(), body.root, stamp); !stamped) return stamped;
  return blocked ? Error{Code::kTimeout, "later"} : Status{};
}

/// The sender keeps what is too large for now, and hears why.
Status PostOffice::check_size(const Caller& caller, const EnvelopeBody& body, bool known) {
  if (options_.max_size == 0 || body.size <= options_.max_size) return {};
  if (body.sender == store_.identity()) return {};
  LetterWaiting waiting;
  waiting.letter = {body.sender, caller.identity,         body.root,
                    body.size,   options_.clocks().time, known};
  waiting.subject = body.subject;
  const auto added = store_.state().add_waiting(waiting.letter);
  waiting.is_new = !added || *added;
  if (options_.on_waiting) options_.on_waiting(waiting);
  return Error{Code::kTimeout, "later: larger than is taken unasked"};
}

Result<Considered> PostOffice::consider(const Caller& caller, ByteView envelope,
                                        ByteView admission) {
  const auto admitted = decode_admission(admission);
  if (!admitted) return admitted.error();
  if (admitted->deposit) return hold(*admitted->deposit, admitted->stamp, envelope);
  if (caller.is_nobody()) return Error{Code::kRefused, "mail needs a card"};
  auto opened = open_envelope(envelope, store_.device(), &last_agreement_);
  if (!opened && opened.error().code == Code::kUnknownPrekey) {
    // Another process of ours may have made a newer prekey meanwhile.
    const auto fresh = store_.refresh();
    if (fresh && *fresh) opened = open_envelope(envelope, store_.device());
  }
  if (!opened) {
    // Whoever wrote this hears the answer, and finds our record in the next conversation.
    if (opened.error().code == Code::kUnknownPrekey) (void)store_.publish_again(options_.clocks());
    return opened.error();
  }
  const EnvelopeBody& body = opened->body;
  if (body.size == 0 || body.size > kMaxLetterSize || !plain_size(body.size))
    return Error{Code::kMalformed, "a letter of an impossible size"};
  bool known = false;
  if (const auto let_in = admit(caller, body, known, admitted->stamp); !let_in)
    return let_in.error();
  const bool relayed = caller.identity != body.sender;
  const auto seen = store_.journal().seen(body.sender, body.root);
  if (!seen) return seen.error();
  if (*seen) {
    // The journal has it; its rename may still be open after a crash.
    const auto whole = store_.journal().finish(store_.maildir(), body.sender, body.root);
    if (!whole) return whole.error();
    forget_partial(body);
    return Considered(StoredAlready{IncomingFile::receipt_for(*this, *opened, relayed)});
  }
  if (const auto trusted = check_device(*opened); !trusted) return trusted.error();
  if (const auto fits = check_size(caller, body, known); !fits) return fits.error();
  const bool doubtful = !known || opened->device_buried;
  auto arrival = arrival_of(body, !doubtful);
  if (!arrival) return arrival.error();
  if (doubtful)
    if (const auto entered = (*arrival)->place.enter_requests(caller.network); !entered)
      return entered.error();
  if (body.size > kSmallLetter) last_agreement_.reset();  // it will be a while until a commit
  TakeIt take;
  take.root = body.root;
  take.size = body.size;
  take.letter = std::make_unique<IncomingFile>(*this, std::move(*opened), std::move(*arrival),
                                               relayed, caller.network);
  return Considered(std::move(take));
}

// The card in the envelope is the sender's choice, and a thief of a retired device's key chooses one
// that does not know of the burial yet. What we know ourselves decides.
Status PostOffice::check_device(OpenedEnvelope& opened) {
  if (const auto saved = store_.state().merge_peer_card(opened.card, false); !saved) {
    // A card that drops a tombstone is a forgery by whoever holds the identity's old key.
    if (saved.error().code == Code::kForged) return saved.error();
  }
  const EnvelopeBody& body = opened.body;
  std::optional<Card> known = store_.card();
  if (body.sender != store_.identity()) {
    auto peer = store_.state().find_peer(body.sender);
    if (!peer) return peer.error();
    known = *peer ? std::move((*peer)->card) : std::nullopt;
  }
  if (!known) return {};
  if (known->tombstone_of(body.sender_device)) {
    opened.device_buried = true;
    return {};
  }
  // Ours is at least as new, unless it could not be saved just now.
  const Roster& ours = known->roster.value;
  const bool named = std::ranges::find(ours.devices, body.sender_device) != ours.devices.end();
  if (named || opened.device_buried || ours.sequence < opened.card.roster.value.sequence) return {};
  return Error{Code::kForged, "the sending device is not on the sender's newest roster"};
}

std::vector<Result<Bytes>> PostOffice::commit(Letters letters) {
  last_agreement_.reset();
  std::vector<Result<Bytes>> results(letters.size(), Error{Code::kIo, "not stored"});
  commit_mail(letters, results);
  commit_held(letters, results);
  return results;
}

void PostOffice::commit_mail(const Letters& letters, std::vector<Result<Bytes>>& results) {
  std::vector<Coming> complete;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    auto* letter = dynamic_cast<IncomingFile*>(letters[i].get());
    if (letter == nullptr) continue;
    if (const auto done = letter->complete(); done) {
      complete.push_back({letter, i, letter->file()});
    } else {
      results[i] = done.error();
    }
  }
  sync_files(complete, results);
  if (complete.empty()) return;
  std::vector<JournalEntry> entries;
  for (const Coming& one : complete) entries.push_back(one.letter->journal_entry());
  const auto recorded = store_.journal().record(
      entries, [&complete](std::size_t i) { return complete[i].letter->is_there(); });
  std::map<fs::path, std::vector<Coming>> moved;  // by the directory, which is not synced yet
  std::vector<std::size_t> known;                 // were there before, or come twice in this call
  for (std::size_t i = 0; i < complete.size(); ++i) {
    const auto& [letter, place, file] = complete[i];
    if (!recorded) {
      letter->keep();
      results[place] = recorded.error();
    } else if ((*recorded)[i] == Recorded::kGone) {
      results[place] = Error{Code::kIo, "not stored: its file was removed before it was whole"};
    } else if ((*recorded)[i] == Recorded::kBefore) {
      letter->drop();
      known.push_back(i);
    } else if (const auto directory = letter->deliver(); directory) {
      moved[*directory].push_back(complete[i]);
    } else {
      results[place] = directory.error();
    }
  }
  for (const auto& [directory, arrived] : moved) {
    if (const auto synced = sync_directory(directory); synced) {
      answer(arrived, results);
    } else {
      for (const Coming& one : arrived) results[one.place] = synced.error();
    }
  }
  for (const std::size_t i : known) {
    const auto whole =
        store_.journal().finish(store_.maildir(), entries[i].sender, entries[i].root);
    results[complete[i].place] = whole ? Result<Bytes>(complete[i].letter->receipt()) : whole.error();
  }
}

/// Receipts for letters that are safe: one for all that a sender has sent us himself.
void PostOffice::answer(std::vector<Coming> arrived, std::vector<Result<Bytes>>& results) {
  const auto group = [](const Coming& one) {
    return std::pair(one.letter->is_relayed(), one.letter->sender());
  };
  std::ranges::stable_sort(arrived, {}, group);
  for (std::span<const Coming> rest(arrived); !rest.empty();) {
    const auto end = std::ranges::find_if(
        rest, [&](const Coming& one) { return group(one) != group(rest.front()); });
    const auto alike = rest.front().letter->is_relayed()
                           ? 1
                           : std::min<std::size_t>(static_cast<std::size_t>(end - rest.begin()),
                                                   kMaxReceiptLetters);
    const auto letters = rest.first(alike);
    const Bytes receipt = letters.size() == 1 ? letters.front().letter->receipt()
                                              : IncomingFile::receipt_of_all(letters);
    for (const Coming& one : letters) {
      results[one.place] = receipt;
      one.letter->announce();
    }
    rest = rest.subspan(alike);
  }
}

/// All their bytes, then their names: both must survive a power cut before the journal counts on them.
/// Those that failed are left out.
void PostOffice::sync_files(std::vector<Coming>& complete, std::vector<Result<Bytes>>& results) {
  std::vector<OpenPath> files;
  for (const Coming& one : complete) files.push_back(one.file);
  auto synced = sync_all(files);
  if (!complete.empty())
    if (const auto names = sync_directory(store_.maildir().partial()); !names)
      std::ranges::fill(synced, names);
  std::vector<Coming> durable;
  for (std::size_t i = 0; i < complete.size(); ++i) {
    if (synced[i]) {
      durable.push_back(complete[i]);
    } else {
      results[complete[i].place] = synced[i].error();
    }
  }
  complete = std::move(durable);
}

Status PostOffice::deliver_to_self() {
  const Caller self{store_.device().transport_public, store_.identity(), store_.device().device};
  if (const auto saved = store_.state().merge_peer_card(store_.card(), true); !saved)
    return saved.error();
  for (auto& letter : outgoing(self, SIZE_MAX))
    if (const auto done = hand_over(self, *letter); !done) letter->failed(done.error());
  return {};
}

/// What a conversation does with one letter, without a conversation.
Status PostOffice::hand_over(const Caller& self, OutgoingLetter& letter) {
  const auto envelope = letter.envelope();
  if (!envelope) return envelope.error();
  auto considered = consider(self, *envelope, {});
  if (!considered) return considered.error();
  auto* take = std::get_if<TakeIt>(&*considered);
  if (take == nullptr) return letter.delivered(std::get<StoredAlready>(*considered).receipt);
  Bytes block;
  for (std::uint64_t index = 0; index < block_count(letter.size()); ++index) {
    block.resize(block_size(letter.size(), index));
    if (const auto got = letter.read(index * kBlockSize, block); !got) return got;
    if (const auto put = take->letter->write(index, block); !put) return put;
  }
  std::vector<std::unique_ptr<IncomingLetter>> one;
  one.push_back(std::move(take->letter));
  const auto committed = commit(std::move(one));
  if (!committed.front()) return committed.front().error();
  return letter.delivered(*committed.front());
}

}  // namespace p2pmail::core
