// What sending a queue entry needs, whoever carries it: the post office to the recipient himself, an
// errand (core/errand.h) to a relay.
#pragma once

#include <vector>

#include "core/envelope.h"
#include "core/notice.h"
#include "core/queue.h"
#include "core/store.h"
#include "core/stream_file.h"

namespace p2pmail::core {

/// A new envelope for the recipient's current prekeys. kUnknownRecipient without his card.
[[nodiscard]] Result<Bytes> envelope_for(Store& store, const QueueEntry& entry,
                                         const Ephemeral& ephemeral,
                                         SymmetricKey* relay_key = nullptr);
[[nodiscard]] StreamFile stream_of(Store& store, const QueueEntry& entry);
/// That this receipt proves the delivery of this entry, in one of the envelopes that we sent, to a
/// device that the recipient's card names. kForged.
[[nodiscard]] Status check_receipt(Store& store, const QueueEntry& entry, ByteView receipt,
                                   const std::vector<Digest>& envelopes);
/// The terminal state "delivered": out of the queue, with a notice when one was asked for.
[[nodiscard]] Status conclude_delivery(Store& store, const Claim& claim,
                                       const NoticeOptions& notices, const Now& now);

}  // namespace p2pmail::core
