// The queue: what is still to be delivered, one file per letter and recipient.
//
//   queue/<letter>.stream     hard link to the sealed file that holds the stream (.Sent's, or its own)
//   queue/<letter>.leaves     hash list of a letter of more than one block (32 bytes per MiB)
//   queue/<letter>.<n>.entry  one recipient: CBOR map {"b": box under the device's queue key,
//                             associated data "p2pmail/queue" and the file's name, "v": 1}; inside:
//     "c" number of the letter's entries, from 1; not there in those of older versions
//     "i" message id   "k" payload key   "l" leaves kept (bool)   "m" stream offset in the file
//     "n" true, when the sender wants a notice of the delivery; else not there
//     "q" recipient's identity   "r" root   "s" subject   "t" time queued   "z" stream size
//   queue/<letter>.<n>.expired, .failed, .delivered   the same file after its entry has ended, until the
//                             sender's notice (core/notice.h) is in the Maildir; nobody sends it again
// <letter> is 32 hex digits. An entry's file is there until its terminal state. Whoever sends an entry
// holds flock on its file; entries are created by rename, ended by rename or unlink. A letter that
// is being put together comes first as its stream, under a shared flock until publish or discard, so
// that drop_orphans leaves it alone whatever the clock says.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/crypto.h"
#include "core/file.h"
#include "core/result.h"
#include "core/state.h"

namespace p2pmail::core {

struct QueueEntry {
  std::string id;      // "<letter>.<n>"
  std::string letter;  // 32 hex digits
  IdentityKey recipient;
  MessageId message;  // of the copy in Sent, for all recipients of a message
  Root root;
  std::uint64_t size = 0;           // of the stream
  std::uint64_t stream_offset = 0;  // in the stream file
  std::uint64_t time = 0;           // queued, seconds since 1970
  std::string subject;              // bounded, for the envelope and notices
  bool has_leaves = false;
  std::uint64_t siblings = 0;  // entries of this letter, itself included; 0 = not known
  bool notify = false;  // the sender wants a notice when it is delivered
  SymmetricKey payload_key;
};

/// An entry that cannot be read.
struct DamagedEntry {
  std::string id;   // its file's name without ".entry", or with the suffix of an ended one
  std::string why;  // names the file
};

/// An entry that has ended and whose sender has not got the notice yet.
struct EndedEntry {
  std::string id;
  Ending ending = Ending::kExpired;
};

/// Whether the sender gets a notice when this entry ends so.
[[nodiscard]] bool wants_notice(const QueueEntry& entry, Ending ending);

/// A refusal that another attempt is not likely to change: "refused", "too-large", "unsupported".
[[nodiscard]] bool is_final(const Error& why);

/// A manual attempt must not make the next automatic one come later.
enum class Backoff { kGrows, kStays };

/// The right to send an entry; released when destroyed or when the process dies.
struct Claim {
  QueueEntry entry;
  Fd lock;
};

class Queue {
 public:
  /// `key` is copied. `state` keeps the progress and must outlive the queue.
  Queue(std::filesystem::path directory, const SymmetricKey& key, State& state);

  [[nodiscard]] std::filesystem::path stream_path(const std::string& letter) const;
  [[nodiscard]] std::filesystem::path leaves_path(const std::string& letter) const;
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

  /// A fresh letter name.
  [[nodiscard]] static std::string new_letter();
  /// Links `sealed_file` as the letter's stream and stores its leaves, durably. The letter is locked
  /// by this object until publish or discard.
  [[nodiscard]] Status add_letter(const std::string& letter, const std::filesystem::path& sealed_file,
                                  const std::vector<Digest>& leaves);
  /// Two steps, so that nothing is visible before all of it can be: prepare writes and fsyncs every
  /// entry under a temporary name, publish renames them and fsyncs the directory once.
  [[nodiscard]] Status prepare(const std::vector<QueueEntry>& entries);
  [[nodiscard]] Status publish(const std::vector<QueueEntry>& entries);
  /// Removes what prepare and add_letter left, after a failure.
  void discard(const std::string& letter);
  /// Removes letters that no entry names, that nobody is putting together and that are an hour old:
  /// left by a crash before their entries were published, so nobody was told that they were sent.
  void drop_orphans(std::uint64_t now);

  /// All entries, oldest first. Entries that cannot be read are reported in `damaged` when given.
  [[nodiscard]] Result<std::vector<QueueEntry>> list(std::vector<DamagedEntry>* damaged = nullptr);
  [[nodiscard]] Result<QueueEntry> load(const std::string& id);
  /// nullopt when somebody else has it or it is gone.
  [[nodiscard]] Result<std::optional<Claim>> claim(const std::string& id);
  /// Terminal: removes the entry, and the stream with the last entry of its letter, and records how
  /// it ended. A delivery is one even when it cannot be recorded; whatever else is durable before this
  /// returns, so that it does not come back. An entry that wants a notice is renamed instead, and
  /// `ended` has it until `forget`.
  [[nodiscard]] Status finish(const Claim& claim, Ending ending, std::uint64_t now);
  /// Entries whose notice is due, in no order.
  [[nodiscard]] Result<std::vector<EndedEntry>> ended() const;
  /// nullopt when somebody else makes the notice or it is gone.
  [[nodiscard]] Result<std::optional<Claim>> claim_ended(const EndedEntry& ended);
  /// After the notice: removes what `finish` left.
  [[nodiscard]] Status forget(const Claim& claim, Ending ending);
  /// Removes an entry that `list` reported as damaged, with the stream if it was the last one of its
  /// letter. kBusy while somebody holds it, kExists when it can be read after all.
  [[nodiscard]] Status remove_damaged(const std::string& id);

  /// Counts an attempt and sets the next one: jittered exponential backoff, 30 s to 6 h. With kStays
  /// only the words and the time are noted. A refusal for good (core/expiry.h) is counted.
  void note_failure(const std::string& id, const Error& why, std::uint64_t now,
                    Backoff backoff = Backoff::kGrows);
  /// Only the words, for what is no attempt to reach the recipient himself.
  void note_words(const std::string& id, const std::string& why);
  [[nodiscard]] Progress progress(const std::string& id);

 private:
  [[nodiscard]] Status drop_letter(const std::string& letter, std::uint64_t entries = 0);
  [[nodiscard]] Result<bool> has_entries(const std::string& letter, std::uint64_t entries) const;
  [[nodiscard]] Result<QueueEntry> load_file(const std::string& id,
                                             const std::filesystem::path& path) const;
  [[nodiscard]] Result<std::optional<Claim>> claim_file(const std::string& id,
                                                        const std::filesystem::path& path) const;
  std::filesystem::path directory_;
  SymmetricKey key_;
  State& state_;
  std::map<std::string, Fd> building_;  // locks on the streams of letters that are not published yet
};

/// Whether an attempt may be made now. One that is further away than the longest pause was planned while
/// the clock was wrong, and counts as due.
[[nodiscard]] bool is_due(const Progress& progress, std::uint64_t now);

/// Tells when entries appear or are released: an inotify descriptor to poll and drain.
class QueueWatch {
 public:
  [[nodiscard]] static Result<QueueWatch> create(const std::filesystem::path& directory);
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  Fd fd_;
};

}  // namespace p2pmail::core
