// The journal of accepted mail: append-only, the truth about what was delivered, for ever.
//
// A delivery is: (1) the complete partial file is fsynced; (2) a record is appended here and synced;
// (3) the file is renamed into the Maildir; (4) the directory is fsynced; (5) the receipt is signed.
// Step 2 decides. A crash before it leaves a partial that nobody was told about; a crash after it
// leaves a partial that `recover` renames, or no partial, which means delivered. So nothing may be
// recorded whose partial is gone already: whoever writes a partial holds a shared flock on it, whoever
// removes one as stale needs the exclusive one, and `record` looks again under its own lock.
//
// File: 8 bytes "p2pmailJ", then records, all numbers big-endian:
//   size of the record (u16)   type (u8, 1)   key (32: BLAKE2b-256 "p2pmail/seen" of sender, root)
//   time (u64)   folder size (u8), folder   unique name size (u8), unique name
//   check (8: first bytes of BLAKE2b-256 "p2pmail/journal" of all before it in this record)
// A torn record at the end was never acted on: it is cut off by the next append. Damage with an intact
// record behind it is something else, and what was lost there would be accepted again: kMalformed. So
// that a power cut cannot look like that, an append that reaches into another page of the disk is
// synced before the next one begins.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/maildir.h"
#include "core/result.h"
#include "core/state.h"

namespace p2pmail::core {

struct JournalEntry {
  IdentityKey sender;
  Root root;
  std::uint64_t time = 0;
  std::string folder;
  std::string unique;
};

/// The journal's key for a letter of a sender.
[[nodiscard]] Digest seen_key(const IdentityKey& sender, const Root& root);

enum class Recorded {
  kNow,     // by this call
  kBefore,  // it was there, or stands twice in this call
  kGone,    // not recorded: its file is not there any more
};

class Journal {
 public:
  /// `state` holds the index and must outlive the journal.
  Journal(std::filesystem::path path, State& state);

  /// Whether this letter of this sender was accepted before.
  [[nodiscard]] Result<bool> seen(const IdentityKey& sender, const Root& root);
  /// Appends those that are not there yet and syncs once. Serialised between processes by flock on
  /// the file; `is_there(i)` is asked under that lock whether the partial of entries[i] has its name.
  [[nodiscard]] Result<std::vector<Recorded>> record(
      const std::vector<JournalEntry>& entries,
      const std::function<bool(std::size_t)>& is_there = [](std::size_t) { return true; });
  /// Finishes the delivery of a letter that is recorded, when a crash interrupted it.
  [[nodiscard]] Status finish(Maildir& maildir, const IdentityKey& sender, const Root& root);
  /// Finishes all deliveries that a crash interrupted, and discards partial files that no living
  /// process writes and nobody has written to for a day, or 30 days when the rest may still come
  /// (core/partial.h). Safe beside running processes. Does as much
  /// as can be done and answers the first error.
  [[nodiscard]] Status recover(Maildir& maildir, std::uint64_t now);

 private:
  [[nodiscard]] Status catch_up(int fd);
  std::filesystem::path path_;
  State& state_;
};

}  // namespace p2pmail::core
