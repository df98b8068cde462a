// What a store remembers besides mail, in SQLite: peers with their cards, progress of the queue, and
// the index of the journal. The only header whose source sees SQLite.
//
// state.db  WAL, synchronous=FULL: peers (truth), progress of attempts (may be lost), which deadlines
//           were seen passed (may be lost: it takes an hour more then)
// seen.db   WAL, synchronous=NORMAL: index of the journal, caught up or rebuilt from it
// Several processes use both at once; every wait for a lock is bounded (5 seconds, then kBusy).
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/card.h"
#include "core/result.h"

namespace p2pmail::core {

struct Peer {
  IdentityKey identity;
  std::string petname;  // unique; empty: not in the address book, only a card we have seen
  bool blocked = false;
  bool verified = false;
  std::uint64_t added = 0;  // seconds since 1970
  std::optional<Card> card;
};

/// kUsage unless 1 to 64 bytes of UTF-8 without controls, blanks, '@', ',', ':', '<', '>', '"', '/',
/// and not starting with '-' or '.'.
[[nodiscard]] Status check_petname(std::string_view name);

struct Progress {
  std::uint64_t attempts = 0;
  std::uint64_t next_attempt = 0;   // seconds since 1970
  std::string last_error;           // in words, may be empty
  std::uint64_t last_attempt = 0;   // seconds since 1970; 0 = none, or not known
  std::uint64_t refusals = 0;       // final ones (core/expiry.h) with nothing milder between them
  std::uint64_t refused_since = 0;  // the first of them; 0 = none
  std::string refusal;              // the last of them, in words
};

/// How a letter left the queue, for one recipient.
enum class Ending : std::uint8_t {
  kDelivered = 1,  // a device of the recipient signed a receipt
  kCancelled = 2,  // by the user; what was sent before may still arrive
  kExpired = 3,    // waited longer than the setting allows; what was sent before may have arrived
  kFailed = 4,     // the recipient's device refused it for good, as often as core/expiry.h says
};

/// The first time that a queue entry's deadline was seen passed.
struct Sighting {
  Ending ending = Ending::kExpired;  // what is to become of the entry
  std::uint64_t boot_time = 0;       // seconds, CLOCK_BOOTTIME
  std::array<std::uint8_t, 16> boot_id{};
};
struct LetterEnd {
  MessageId message;
  IdentityKey recipient;
  Ending ending = Ending::kDelivered;
  std::uint64_t time = 0;  // seconds since 1970
};

/// A letter that was offered and not taken, because nobody asked for one of that size.
struct Waiting {
  IdentityKey sender;
  IdentityKey via;  // who offered it: the sender, or a relay
  Root root;
  std::uint64_t size = 0;  // of the sealed stream, bytes
  std::uint64_t time = 0;  // of the last offer, seconds since 1970
  bool known = false;      // the sender is in the address book
};
/// Of these the oldest go, strangers' first.
inline constexpr std::size_t kMaxWaiting = 1000;

class State {
 public:
  /// Creates the files when they are missing. kMalformed when one is damaged (named).
  [[nodiscard]] static Result<State> open(const std::filesystem::path& directory);
  State(State&&) noexcept;
  State& operator=(State&&) noexcept;
  ~State();

  // Peers.
  [[nodiscard]] Result<std::vector<Peer>> peers();  // with a petname, sorted by it
  [[nodiscard]] Result<std::optional<Peer>> find_peer(std::string_view petname);
  [[nodiscard]] Result<std::optional<Peer>> find_peer(const IdentityKey& identity);
  /// kExists when the petname belongs to another identity or the identity has another petname.
  [[nodiscard]] Status add_peer(std::string_view petname, const IdentityKey& identity,
                                std::uint64_t now);
  /// Out of the address book. The card stays: tombstones and sequence numbers hold for ever.
  [[nodiscard]] Status remove_peer(const IdentityKey& identity);
  [[nodiscard]] Status rename_peer(const IdentityKey& identity, std::string_view petname);
  [[nodiscard]] Status set_blocked(const IdentityKey& identity, bool blocked);
  /// The user has compared fingerprints (core/fingerprint.h). The mark belongs to this key: whoever is
  /// removed and added again has to be verified again. kNotFound without such a row.
  [[nodiscard]] Status set_verified(const IdentityKey& identity, bool verified);
  /// Merges into the card that is there (core/card.h: highest sequence wins). For anybody whose row
  /// exists or `create` is true.
  [[nodiscard]] Result<MergeOutcome> merge_peer_card(const Card& card, bool create);

  /// All changes to peers and progress that `work` makes, or none when it answers an error. One
  /// inside another is part of the outer one.
  [[nodiscard]] Status together(const std::function<Status()>& work);

  // Progress of queue entries, by entry id.
  [[nodiscard]] Result<Progress> progress(const std::string& entry);
  [[nodiscard]] Status set_progress(const std::string& entry, const Progress& progress);
  [[nodiscard]] Status forget_progress(const std::string& entry);

  // Deadlines of queue entries that were seen passed, by entry id.
  [[nodiscard]] Result<std::map<std::string, Sighting>> sightings();
  [[nodiscard]] Status set_sighting(const std::string& entry, const Sighting& sighting);
  [[nodiscard]] Status forget_sighting(const std::string& entry);

  // Endings of queue entries. Not synced at once: a power cut may forget the last ones, and then
  // nothing is said about them.
  [[nodiscard]] Status record_end(const std::string& entry, const LetterEnd& end);
  [[nodiscard]] Status forget_end(const std::string& entry);
  /// nullopt when nothing is known.
  [[nodiscard]] Result<std::optional<LetterEnd>> end_of(const std::string& entry);
  /// Of one message, in the order of its entries.
  [[nodiscard]] Result<std::vector<LetterEnd>> ends_of(const MessageId& message);

  // Letters that wait to be asked for. Not synced at once: whoever offers them offers them again.
  /// True: not known before.
  [[nodiscard]] Result<bool> add_waiting(const Waiting& letter);
  /// The largest first.
  [[nodiscard]] Result<std::vector<Waiting>> waiting();
  [[nodiscard]] Status forget_waiting(const IdentityKey& sender, const Root& root);

  // Index of the journal.
  struct SeenRow {
    Digest key;
    std::string folder;
    std::string unique;
  };
  [[nodiscard]] Result<std::uint64_t> journal_offset();
  /// Adds rows and moves the offset in one transaction.
  [[nodiscard]] Status index_journal(const std::vector<SeenRow>& rows, std::uint64_t offset);
  [[nodiscard]] Status clear_journal_index();
  [[nodiscard]] Result<std::optional<SeenRow>> find_seen(const Digest& key);
  [[nodiscard]] Result<std::optional<SeenRow>> find_seen_file(const std::string& unique);

 private:
  struct Impl;
  explicit State(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace p2pmail::core
