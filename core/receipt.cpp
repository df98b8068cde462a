#include "core/receipt.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "core/cbor.h"
#include "core/letter.h"

namespace p2pmail::core {
namespace {

constexpr Context kReceipt{"p2pmail/receipt"};

constexpr std::size_t kLetterSize = Root::kSize + Digest::kSize;

std::vector<Receipt::Letter> letters_in(ByteView bytes) {
  std::vector<Receipt::Letter> all(bytes.size() / kLetterSize);
  for (Receipt::Letter& one : all) {
    std::ranges::copy(bytes.first(Root::kSize), one.root.bytes.begin());
    std::ranges::copy(bytes.subspan(Root::kSize, Digest::kSize), one.envelope.bytes.begin());
    bytes = bytes.subspan(kLetterSize);
  }
  return all;
}

/// The receipt that was verified last: it comes once for each letter that it covers.
class LastReceipt {
 public:
  std::optional<Receipt> find(const Digest& name) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return name == name_ ? receipt_ : std::nullopt;
  }
  void keep(const Digest& name, const Receipt& receipt) {
    const std::lock_guard<std::mutex> lock(mutex_);
    name_ = name;
    receipt_ = receipt;
  }

 private:
  std::mutex mutex_;
  Digest name_;
  std::optional<Receipt> receipt_;
};

Result<Receipt> decode_body(ByteView body) {
  auto map = decode_cbor(body, "receipt", kMaxReceipt);
  if (!map) return map.error();
  MapReader in(*map, "receipt");
  const std::uint64_t version = in.number("v", UINT64_MAX);
  if (version > 2) return Error{Code::kUnsupported, "receipt of a newer version"};
  if (version == 0) in.fail("no version");
  Receipt receipt;
  receipt.device = in.fixed<DeviceKey>("d");
  receipt.envelope = in.fixed<Digest>("e");
  receipt.sender = in.fixed<IdentityKey>("f");
  if (version == 2) {
    const Bytes others = in.bytes("l", kLetterSize, kLetterSize * (kMaxReceiptLetters - 1));
    if (others.size() % kLetterSize != 0) in.fail("\"l\" has an impossible size");
    receipt.others = letters_in(others);
  }
  receipt.outcome = static_cast<Outcome>(in.number("o", 0));
  receipt.root = in.fixed<Root>("r");
  receipt.time = in.number("t", kMaxTime);
  receipt.recipient = in.fixed<IdentityKey>("to");
  if (Status status = in.finish(); !status) return status.error();
  return receipt;
}

}  // namespace

bool Receipt::covers(const Root& letter, std::span<const Digest> envelopes) const {
  const auto is_one = [&](const Root& one, const Digest& hash) {
    return one == letter && std::ranges::find(envelopes, hash) != envelopes.end();
  };
  return is_one(root, envelope) || std::ranges::any_of(others, [&](const Letter& other) {
           return is_one(other.root, other.envelope);
         });
}

Bytes sign_receipt(const Receipt& receipt, const SigningSecret& device) {
  Value map{{"d", binary(receipt.device)},
            {"e", binary(receipt.envelope)},
            {"f", binary(receipt.sender)},
            {"o", static_cast<std::uint64_t>(receipt.outcome)},
            {"r", binary(receipt.root)},
            {"t", receipt.time},
            {"to", binary(receipt.recipient)},
            {"v", receipt.others.empty() ? 1u : 2u}};
  if (!receipt.others.empty()) {
    Bytes others;
    for (const Receipt::Letter& one : receipt.others) {
      append(others, one.root.view());
      append(others, one.envelope.view());
    }
    map["l"] = binary(others);
  }
  const Bytes body = encode_cbor(map);
  const Signature signature = sign(device, kReceipt, body);
  return encode_cbor(Value{{"b", binary(body)}, {"s", binary(signature)}});
}

Result<Receipt> decode_receipt(ByteView bytes) {
  static LastReceipt last;
  const Digest name = hash(kReceipt, {bytes});
  if (auto known = last.find(name)) return std::move(*known);
  auto map = decode_cbor(bytes, "receipt", kMaxReceipt);
  if (!map) return map.error();
  MapReader in(*map, "receipt");
  const Bytes body = in.bytes("b", 1, kMaxReceipt);
  const auto signature = in.fixed<Signature>("s");
  if (Status status = in.finish(); !status) return status.error();
  auto receipt = decode_body(body);
  if (receipt && !verify(receipt->device, kReceipt, body, signature))
    return Error{Code::kForged, "receipt: signature does not fit"};
  if (receipt) last.keep(name, *receipt);
  return receipt;
}

}  // namespace p2pmail::core
