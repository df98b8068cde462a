// From a draft to the queue: composes, seals once, keeps a copy in .Sent, queues for every
// recipient.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/mime.h"
#include "core/sealed_file.h"
#include "core/store.h"

namespace p2pmail::core {

struct Posting {
  HeaderFields fields;  // of the message, for its outer header and its envelopes
  std::function<Status(const Sink&)> content;  // writes the whole message; called once
  std::vector<IdentityKey> open;               // recipients of To and Cc, each once
  std::vector<IdentityKey> blind;              // Bcc: each gets a letter of its own
  HeaderPolicy policy = HeaderPolicy::kBaseline;
  bool notify = false;  // a notice for each recipient's receipt
  std::uint64_t inline_max = kInlineMax;  // a larger stream lies beside the Maildir (core/blobs.h)
};
struct Posted {
  MessageId id;
  std::vector<QueueEntry> entries;  // in the order open, blind
};
/// What the header of a draft says.
[[nodiscard]] HeaderFields fields_of(const Draft& draft);
/// Seals what `content` writes to our own store key, as one sent message without an outer header
/// (core/sealed_file.h: a bare part), into the file `path`, which is created. For drafts.
[[nodiscard]] Status seal_part(Store& store, const std::filesystem::path& path,
                               const std::function<Status(const Sink&)>& content, const Now& now);
/// Afterwards everything is durable, or nothing is left behind and nothing was queued.
[[nodiscard]] Result<Posted> post(Store& store, const Posting& posting, const Now& now);

}  // namespace p2pmail::core
