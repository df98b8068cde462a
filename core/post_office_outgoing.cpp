// What a conversation may do with a queue entry.
#include "core/post_office_letters.h"
#include "core/sending.h"

namespace p2pmail::core {

Result<Bytes> PostOffice::Outgoing::envelope() {
  auto sealed = envelope_for(office_.store_, claim_.entry, *ephemeral_);
  if (sealed) envelopes_.push_back(hash_envelope(*sealed));
  return sealed;
}

Result<Bytes> PostOffice::Outgoing::admission() {
  if (!stamp_) return Bytes{};
  return encode_admission({stamp_, std::nullopt});
}

Status PostOffice::Outgoing::want_stamp() {
  if (search_) return Error{Code::kStampNeeded, "the stamp was not taken"};
  auto peer = office_.store_.state().find_peer(claim_.entry.recipient);
  if (!peer) return peer.error();
  const DeviceRecord* record =
      *peer && (*peer)->card ? (*peer)->card->record_of(transport_) : nullptr;
  if (record == nullptr) return Error{Code::kUnknownRecipient, "no card of the recipient"};
  search_.emplace(StampTarget{claim_.entry.recipient, claim_.entry.root, record->stamp_nonce},
                  record->stamp_bits, office_.options_.stamps);
  return {};
}

Result<bool> PostOffice::Outgoing::work() {
  if (!search_ || stamp_) return true;
  const auto found = search_->slice();
  if (!found) return found.error();
  stamp_ = *found;
  return stamp_.has_value();
}

Status PostOffice::Outgoing::delivered(ByteView receipt) {
  Store& store = office_.store_;
  if (const auto proved = check_receipt(store, claim_.entry, receipt, envelopes_); !proved)
    return proved;
  const NoticeOptions notices{office_.options_.policy, office_.options_.on_mail};
  if (const auto done = conclude_delivery(store, claim_, notices, office_.options_.clocks()); !done)
    return done;
  office_.delivered_.insert(claim_.entry.id);
  return {};
}

void PostOffice::Outgoing::failed(const Error& why) {
  if (why.code != Code::kUnavailable)
    office_.refused_[claim_.entry.id] = {claim_.entry.recipient, std::chrono::steady_clock::now()};
  office_.store_.queue().note_failure(claim_.entry.id, why, office_.options_.clocks().time,
                                      office_.options_.backoff);
}

}  // namespace p2pmail::core
