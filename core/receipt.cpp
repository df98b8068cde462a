#include "core/receipt.h"

#include "core/cbor.h"
#include "core/letter.h"

namespace p2pmail::core {
namespace {

constexpr Context kReceipt{"p2pmail/receipt"};

Result<Receipt> decode_body(ByteView body) {
  auto map = decode_cbor(body, "receipt", kMaxReceipt);
  if (!map) return map.error();
  MapReader in(*map, "receipt");
  const std::uint64_t version = in.number("v", UINT64_MAX);
  if (version > 1) return Error{Code::kUnsupported, "receipt of a newer version"};
  if (version == 0) in.fail("no version");
  Receipt receipt;
  receipt.device = in.fixed<DeviceKey>("d");
  receipt.envelope = in.fixed<Digest>("e");
  receipt.sender = in.fixed<IdentityKey>("f");
  receipt.outcome = static_cast<Outcome>(in.number("o", 0));
  receipt.root = in.fixed<Root>("r");
  receipt.time = in.number("t", kMaxTime);
  receipt.recipient = in.fixed<IdentityKey>("to");
  if (Status status = in.finish(); !status) return status.error();
  return receipt;
}

}  // namespace

Bytes sign_receipt(const Receipt& receipt, const SigningSecret& device) {
  const Bytes body = encode_cbor(Value{{"d", binary(receipt.device)},
                                       {"e", binary(receipt.envelope)},
                                       {"f", binary(receipt.sender)},
                                       {"o", static_cast<std::uint64_t>(receipt.outcome)},
                                       {"r", binary(receipt.root)},
                                       {"t", receipt.time},
                                       {"to", binary(receipt.recipient)},
                                       {"v", 1u}});
  const Signature signature = sign(device, kReceipt, body);
  return encode_cbor(Value{{"b", binary(body)}, {"s", binary(signature)}});
}

Result<Receipt> decode_receipt(ByteView bytes) {
  auto map = decode_cbor(bytes, "receipt", kMaxReceipt);
  if (!map) return map.error();
  MapReader in(*map, "receipt");
  const Bytes body = in.bytes("b", 1, kMaxReceipt);
  const auto signature = in.fixed<Signature>("s");
  if (Status status = in.finish(); !status) return status.error();
  auto receipt = decode_body(body);
  if (receipt && !verify(receipt->device, kReceipt, body, signature))
    return Error{Code::kForged, "receipt: signature does not fit"};
  return receipt;
}

}  // namespace p2pmail::core
