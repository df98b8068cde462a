#include "core/sending.h"

#include "core/receipt.h"

namespace p2pmail::core {

Result<Bytes> envelope_for(Store& store, const QueueEntry& entry, const Ephemeral& ephemeral,
                           SymmetricKey* relay_key) {
  auto peer = store.state().find_peer(entry.recipient);
  if (!peer) return peer.error();
  if (!*peer || !(*peer)->card) return Error{Code::kUnknownRecipient, "no card of the recipient"};
  EnvelopeBody body;
  body.sender = store.identity();
  body.sender_device = store.device().device;
  body.recipient = entry.recipient;
  body.root = entry.root;
  body.size = entry.size;
  body.time = entry.time;
  body.subject = entry.subject;
  body.sender_card = encode_card(store.card());
  body.payload_key = entry.payload_key.clone();
  return seal_envelope(body, prekeys_of(*(*peer)->card), ephemeral, store.device().signing,
                       relay_key);
}

StreamFile stream_of(Store& store, const QueueEntry& entry) {
  const Queue& queue = store.queue();
  return {queue.stream_path(entry.letter), entry.stream_offset, entry.size,
          queue.leaves_path(entry.letter), entry.has_leaves};
}

Status check_receipt(Store& store, const QueueEntry& entry, ByteView bytes,
                     const std::vector<Digest>& envelopes) {
  const auto receipt = decode_receipt(bytes);
  if (!receipt) return receipt.error();
  auto peer = store.state().find_peer(entry.recipient);
  if (!peer) return peer.error();
  const bool device_fits =
      entry.recipient == store.identity()
          ? store.card().record_of(receipt->device) != nullptr
          : *peer && (*peer)->card && (*peer)->card->record_of(receipt->device) != nullptr;
  if (receipt->sender != store.identity() || receipt->recipient != entry.recipient ||
      receipt->outcome != Outcome::kStored || !receipt->covers(entry.root, envelopes) ||
      !device_fits)
    return Error{Code::kForged, "a receipt that is not for this letter"};
  return {};
}

Status conclude_delivery(Store& store, const Claim& claim, const NoticeOptions& notices,
                         const Now& now) {
  const auto done = store.queue().finish(claim, Ending::kDelivered, now.time);
  if (!done) return done;
  // What this cannot do now, the queue's upkeep does later.
  if (claim.entry.notify)
    (void)end_with_notice(store, claim, Ending::kDelivered, notices, now.time);
  return {};
}

}  // namespace p2pmail::core
