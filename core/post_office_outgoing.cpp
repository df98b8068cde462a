// What a conversation may do with a queue entry.
#include <fcntl.h>

#include "core/notice.h"
#include "core/post_office_letters.h"
#include "core/receipt.h"

namespace p2pmail::core {

namespace fs = std::filesystem;

Result<Bytes> PostOffice::Outgoing::envelope() {
  Store& store = office_.store_;
  auto peer = store.state().find_peer(claim_.entry.recipient);
  if (!peer) return peer.error();
  if (!*peer || !(*peer)->card) return Error{Code::kUnknownRecipient, "no card of the recipient"};
  EnvelopeBody body;
  body.sender = store.identity();
  body.sender_device = store.device().device;
  body.recipient = claim_.entry.recipient;
  body.root = claim_.entry.root;
  body.size = claim_.entry.size;
  body.time = claim_.entry.time;
  body.subject = claim_.entry.subject;
  body.sender_card = encode_card(store.card());
  body.payload_key = claim_.entry.payload_key.clone();
  auto sealed =
      seal_envelope(body, prekeys_of(*(*peer)->card), *ephemeral_, store.device().signing);
  if (sealed) envelopes_.push_back(hash_envelope(*sealed));
  return sealed;
}

Status PostOffice::Outgoing::read(std::uint64_t offset, ByteSpan out) {
  const fs::path path = office_.store_.queue().stream_path(claim_.entry.letter);
  if (!stream_) {
    auto fd = open_file(path, O_RDONLY);
    if (!fd) return fd.error();
    stream_ = std::move(*fd);
  }
  const auto got = read_at(stream_.get(), claim_.entry.stream_offset + offset, out, path);
  if (!got) return got.error();
  if (*got != out.size()) return Error{Code::kMalformed, path.string() + ": it is cut short"};
  return {};
}

Result<Bytes> PostOffice::Outgoing::groups() {
  Bytes all;
  for (std::uint64_t group = 0; group < group_count(size()); ++group) {
    const auto part = leaf_list(group);
    if (!part) return part.error();
    append(all, group_of(*part).view());
  }
  return all;
}

Result<Bytes> PostOffice::Outgoing::leaves(std::uint64_t group) {
  const auto list = leaf_list(group);
  if (!list) return list.error();
  Bytes all;
  for (const Digest& leaf : *list) append(all, leaf.view());
  return all;
}

Status PostOffice::Outgoing::delivered(ByteView bytes) {
  Store& store = office_.store_;
  const auto receipt = decode_receipt(bytes);
  if (!receipt) return receipt.error();
  auto peer = store.state().find_peer(claim_.entry.recipient);
  if (!peer) return peer.error();
  const bool device_fits =
      claim_.entry.recipient == store.identity()
          ? store.card().record_of(receipt->device) != nullptr
          : *peer && (*peer)->card && (*peer)->card->record_of(receipt->device) != nullptr;
  if (receipt->sender != store.identity() || receipt->recipient != claim_.entry.recipient ||
      receipt->root != claim_.entry.root || receipt->outcome != Outcome::kStored ||
      std::ranges::find(envelopes_, receipt->envelope) == envelopes_.end() || !device_fits)
    return Error{Code::kForged, "a receipt that is not for this letter"};
  if (const auto done = store.queue().finish(claim_, Ending::kDelivered, office_.options_.clocks().time);
      !done) return done;
  // What this cannot do now, the queue's upkeep does later.
  if (claim_.entry.notify)
    (void)end_with_notice(store, claim_, Ending::kDelivered,
                          {office_.options_.policy, office_.options_.on_mail},
                          office_.options_.clocks().time);
  office_.delivered_.insert(claim_.entry.id);
  return {};
}

void PostOffice::Outgoing::failed(const Error& why) {
  if (why.code != Code::kUnavailable)
    office_.refused_[claim_.entry.id] = std::chrono::steady_clock::now();
  office_.store_.queue().note_failure(claim_.entry.id, why, office_.options_.clocks().time,
                                      office_.options_.backoff);
}

Result<std::vector<Digest>> PostOffice::Outgoing::leaf_list(std::uint64_t group) {
  if (group >= group_count(size())) return Error{Code::kMalformed, "no such group of blocks"};
  const std::uint64_t first = group * kGroupLeaves;
  const std::uint64_t count = std::min(kGroupLeaves, block_count(size()) - first);
  std::vector<Digest> leaves(count);
  if (!claim_.entry.has_leaves) {
    Bytes block(block_size(size(), 0));  // one block: no list is kept
    if (const auto got = read(0, block); !got) return got.error();
    leaves.front() = leaf_of(block);
    return leaves;
  }
  const fs::path path = office_.store_.queue().leaves_path(claim_.entry.letter);
  const auto fd = open_file(path, O_RDONLY);
  if (!fd) return fd.error();
  Bytes raw(count * Digest::kSize);
  const auto got = read_at(fd->get(), first * Digest::kSize, raw, path);
  if (!got) return got.error();
  if (*got != raw.size()) return Error{Code::kMalformed, path.string() + ": it is cut short"};
  for (std::size_t i = 0; i < leaves.size(); ++i)
    std::copy_n(raw.begin() + static_cast<std::ptrdiff_t>(i * Digest::kSize), Digest::kSize,
                leaves[i].bytes.begin());
  return leaves;
}

}  // namespace p2pmail::core
