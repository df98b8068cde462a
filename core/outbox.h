// From a draft to the queue: composes, seals once, keeps a copy in .Sent, queues for every recipient.
#pragma once

#include <string>
#include <vector>

#include "core/mime.h"
#include "core/sealed_file.h"
#include "core/store.h"

namespace p2pmail::core {

struct Posting {
  Draft draft;                     // from, to, cc as shown in the header
  std::vector<IdentityKey> open;   // recipients of To and Cc, each once
  std::vector<IdentityKey> blind;  // Bcc: each gets a letter of its own
  HeaderPolicy policy = HeaderPolicy::kBaseline;
};
struct Posted {
  MessageId id;
  std::vector<QueueEntry> entries;  // in the order open, blind
};
/// Afterwards everything is durable, or nothing is left behind and nothing was queued.
[[nodiscard]] Result<Posted> post(Store& store, const Posting& posting, const Now& now);

}  // namespace p2pmail::core
