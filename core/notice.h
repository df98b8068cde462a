// Notices: what the sender is told when a letter has ended, as a delivery status notification
// (core/mime_report.h) in his own inbox. Nothing here needs the store key: the header of the original
// is read from the sealed stream with the payload key of the queue entry.
//
// A notice is mail from oneself to oneself that never was in the queue: it is sealed to the store key
// with an envelope for our own device, so that it is proved like any received mail and shows as
// genuine (Verdict::kSelf), but has no copy in .Sent and no notice of its own.
//
// Each entry has one notice at most, ever. Its place in the journal is taken by a mark made from the
// entry's name instead of the root of its letter, which is another one at each try:
//   1 the entry's file is renamed (Queue::finish): it has ended, nobody sends it any more
//   2 the notice lies complete and fsynced in the partial directory
//   3 the journal records mark and file: this decides
//   4 the file is renamed into the inbox      5 the entry's file and stream are removed
// A crash before 3 leaves the work to the next upkeep; after 3 the journal's own recovery makes 4, and
// the next upkeep finds the mark and makes 5 only.
#pragma once

#include <functional>

#include "core/post_office.h"
#include "core/sealed_file.h"
#include "core/store.h"

namespace p2pmail::core {

struct NoticeOptions {
  HeaderPolicy policy = HeaderPolicy::kBaseline;
  std::function<void(const NewMail&)> on_mail;  // once for each notice that was delivered now
};

/// Steps 2 to 4, or nothing when they were made before.
[[nodiscard]] Status deliver_notice(Store& store, const QueueEntry& entry, Ending ending,
                                    const NoticeOptions& options, std::uint64_t now);
/// Steps 2 to 5 for an entry that Queue::finish has ended; `claim` is held by the caller.
[[nodiscard]] Status end_with_notice(Store& store, const Claim& claim, Ending ending,
                                     const NoticeOptions& options, std::uint64_t now);

}  // namespace p2pmail::core
