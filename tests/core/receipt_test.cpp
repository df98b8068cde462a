// Receipts: what a device signed comes back; nothing else is a receipt.
#include "core/receipt.h"

#include <gtest/gtest.h>

#include "core/cbor.h"
#include "core/letter.h"

namespace p2pmail::core {
namespace {

struct ReceiptTest : testing::Test {
  SigningPair device = make_signing_pair();
  Receipt receipt;

  ReceiptTest() {
    random_bytes(receipt.sender.bytes);
    random_bytes(receipt.recipient.bytes);
    random_bytes(receipt.root.bytes);
    random_bytes(receipt.envelope.bytes);
    receipt.device.bytes = device.public_key;
    receipt.time = 1'800'000'000;
  }

  Value body() {
    auto outer = decode_cbor(sign_receipt(receipt, device.secret), "receipt");
    return *decode_cbor((*outer)["b"].get_binary(), "receipt body");
  }
  Code refusal_of_body(const Value& map) {
    const Bytes bytes = encode_cbor(map);
    const Signature signature = sign(device.secret, Context{"p2pmail/receipt"}, bytes);
    return refusal(encode_cbor(Value{{"b", binary(bytes)}, {"s", binary(signature)}}));
  }
  Code refusal_of_field(const char* name, const Value& value) {
    Value map = body();
    map[name] = value;
    return refusal_of_body(map);
  }
  static Code refusal(ByteView bytes) {
    const auto decoded = decode_receipt(bytes);
    return decoded ? Code::kBug : decoded.error().code;
  }
};

TEST_F(ReceiptTest, RoundTrip) {
  const auto decoded = decode_receipt(sign_receipt(receipt, device.secret));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->sender, receipt.sender);
  EXPECT_EQ(decoded->recipient, receipt.recipient);
  EXPECT_EQ(decoded->device, receipt.device);
  EXPECT_EQ(decoded->root, receipt.root);
  EXPECT_EQ(decoded->envelope, receipt.envelope);
  EXPECT_EQ(decoded->time, receipt.time);
  EXPECT_EQ(decoded->outcome, Outcome::kStored);
}

TEST_F(ReceiptTest, OneForManyLetters) {
  receipt.others.resize(kMaxReceiptLetters - 1);
  for (Receipt::Letter& one : receipt.others) {
    random_bytes(one.root.bytes);
    random_bytes(one.envelope.bytes);
  }
  const Bytes bytes = sign_receipt(receipt, device.secret);
  EXPECT_LE(bytes.size(), kMaxReceipt);
  for (int time = 0; time < 2; ++time) {  // the second comes from memory
    const auto decoded = decode_receipt(bytes);
    ASSERT_TRUE(decoded);
    EXPECT_TRUE(decoded->covers(receipt.root, {&receipt.envelope, 1}));
    for (std::size_t i = 0; i < receipt.others.size(); ++i) {
      const Receipt::Letter& one = receipt.others[i];
      EXPECT_TRUE(decoded->covers(one.root, {&one.envelope, 1})) << i;
      EXPECT_FALSE(decoded->covers(one.root, {&receipt.envelope, 1})) << "of another letter";
      EXPECT_FALSE(decoded->covers(receipt.root, {&one.envelope, 1})) << "of another letter";
    }
  }
  EXPECT_EQ(refusal_of_field("l", binary(Bytes(63))), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("l", binary(Bytes(0))), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("l", binary(Bytes(64 * kMaxReceiptLetters))), Code::kMalformed);
  Value old = body();
  old["v"] = 1u;
  EXPECT_EQ(refusal_of_body(old), Code::kMalformed);
}

TEST_F(ReceiptTest, FitsItsBound) {
  receipt.time = kMaxTime;
  const Bytes bytes = sign_receipt(receipt, device.secret);
  EXPECT_LE(bytes.size(), kMaxReceipt);
  EXPECT_TRUE(decode_receipt(bytes));
}

TEST_F(ReceiptTest, RefusesEachTruncationAndExtension) {
  Bytes bytes = sign_receipt(receipt, device.secret);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(refusal(ByteView(bytes).first(size)), Code::kMalformed) << size;
  bytes.push_back(0);
  EXPECT_EQ(refusal(bytes), Code::kMalformed);
  EXPECT_EQ(refusal(Bytes(kMaxReceipt + 1)), Code::kMalformed);
}

TEST_F(ReceiptTest, RefusesEachFlippedBit) {
  Bytes bytes = sign_receipt(receipt, device.secret);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<std::uint8_t>(1u << (bit % 8));
    bytes[bit / 8] ^= mask;
    EXPECT_FALSE(decode_receipt(bytes)) << bit;
    bytes[bit / 8] ^= mask;
  }
}

TEST_F(ReceiptTest, RefusesSignatureOfAnotherDevice) {
  EXPECT_EQ(refusal(sign_receipt(receipt, make_signing_pair().secret)), Code::kForged);
}

TEST_F(ReceiptTest, RefusesFieldsOutOfBounds) {
  ASSERT_EQ(refusal_of_field("v", 1u), Code::kBug) << "unchanged, it decodes";
  EXPECT_EQ(refusal_of_field("o", 1u), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("t", kMaxTime + 1), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("r", binary(Bytes(31))), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("v", 0u), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("zz", 0u), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("v", 3u), Code::kUnsupported);
  EXPECT_EQ(refusal_of_field("v", 2u), Code::kMalformed);  // without other letters
}

TEST_F(ReceiptTest, RefusesEachMissingField) {
  const Value whole = body();
  for (const auto& [name, value] : whole.items()) {
    Value map = whole;
    map.erase(name);
    EXPECT_EQ(refusal_of_body(map), Code::kMalformed) << name;
  }
}

}  // namespace
}  // namespace p2pmail::core
