// Blobs (core/blobs.h) and the mail that names them: which blobs nobody needs any longer, and their
// end.
//
// A blob is in use while a file anywhere below the Maildir's root names it (all folders with tmp/ and
// .Trash, letters under construction, folders of other programs), or while the queue has a hard link to
// it. Mail programs move, copy and remove stubs as they like, and so a blob goes late and only when it
// is certain that nobody names it:
//
//   <40 hex>.unused   the mark of a blob that is not in use: CBOR map {"b": boot id of the first
//                     sighting of the deadline (16 bytes, zeros = not yet), "s": since (seconds since
//                     1970), "u": CLOCK_BOOTTIME of that sighting, "v": 1}
//   checked           of the last run; its modification time is compared with the clock
//
// It goes when it has been marked for kBlobKeep and that was seen twice as core/deadline.h has it. Any
// file or directory that cannot be read, and any that moves while we look: nothing is marked and nothing
// goes in that run. A sighting in use takes the mark away.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/blobs.h"
#include "core/keys.h"
#include "core/maildir.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::uint64_t kBlobKeep = 30 * 86400;  // seconds
inline constexpr std::uint64_t kBlobRound = 86400;      // seconds between two runs

struct BlobSurvey {
  struct Unused {
    MessageId name;
    std::uint64_t size = 0;  // bytes; 0 when only the hash list is left
  };
  struct Broken {
    std::filesystem::path file;  // the stub
    std::string why;
  };
  std::size_t blobs = 0;
  std::vector<Unused> unused;
  std::vector<Broken> broken;     // stubs whose blob or hash list is missing or too short
  std::vector<MessageId> in_use;  // blobs
  std::string doubt;              // why `unused` is not certain; empty = it is
};
/// Reads the first bytes of every file below the Maildir, unless there are no blobs and `all` is not
/// asked for (then broken stubs are not looked for).
enum class SurveyOf { kBlobs, kAll };
[[nodiscard]] BlobSurvey survey_blobs(const Maildir& maildir, SurveyOf what);

/// One round of upkeep, at most daily; else, and without blobs, it costs one or two calls of lstat.
/// Answers the first error; what could not be certain is none.
[[nodiscard]] Status tend_blobs(const Maildir& maildir, const Now& now);

}  // namespace p2pmail::core
