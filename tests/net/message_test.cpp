// The wire form of messages: every verb there and back, every bound, every damage refused.
#include "net/message.h"

#include <gtest/gtest.h>

#include "core/card.h"
#include "core/cbor.h"
#include "core/envelope.h"
#include "core/receipt.h"
#include "core/tree.h"

namespace p2pmail::net {
namespace {

using core::Bytes;
using core::Code;

Message message(Verb verb, std::uint64_t number = 0, std::size_t body = 0) {
  Message out;
  out.verb = verb;
  out.number = number;
  out.body = Bytes(body, 0x5a);
  return out;
}

Message hello() {
  auto out = message(Verb::kHello, 0, 100);
  out.credit = 64;
  return out;
}

Message offer(std::uint64_t envelope, std::uint64_t size, bool inlined) {
  auto out = message(Verb::kOffer, 7, envelope + (inlined ? size : 0));
  out.envelope_size = envelope;
  out.size = size;
  out.inlined = inlined;
  out.root.bytes.fill(3);
  return out;
}

Message refusal(Kind kind, std::uint64_t number, std::size_t body = 0) {
  auto out = message(Verb::kError, number, body);
  out.kind = kind;
  out.text = "no";
  return out;
}

Message indexed(Verb verb, std::uint64_t index, std::size_t body = 0) {
  auto out = message(verb, 9, body);
  out.index = index;
  return out;
}

Message credit(std::uint64_t blocks) {
  auto out = message(Verb::kCredit, 9);
  out.credit = blocks;
  return out;
}

std::vector<Message> one_of_each() {
  return {hello(), offer(50, 70, true), offer(50, core::kMaxLetterSize, false),
          message(Verb::kTake, 1), indexed(Verb::kWant, 0), indexed(Verb::kHashes, 2, 64),
          indexed(Verb::kBlock, 5, 1000), credit(4), message(Verb::kStored, 3, 40),
          refusal(Kind::kLater, 0), refusal(Kind::kUnknownPrekey, 4, 65), message(Verb::kBye)};
}

core::Result<Message> through(const Message& in) {
  const Frames frames = encode_message(in);
  return decode_message(frames.head, frames.body);
}

bool refused(const Message& in) { return !through(in).has_value(); }

TEST(Message, EachVerbComesBackAsItWent) {
  for (const auto& in : one_of_each()) {
    const Frames frames = encode_message(in);
    const auto out = decode_message(frames.head, frames.body);
    ASSERT_TRUE(out) << out.error().context;
    const Frames again = encode_message(*out);
    EXPECT_EQ(again.head, frames.head);
    EXPECT_EQ(again.body, frames.body);
  }
}

TEST(Message, OfferKeepsItsFields) {
  const auto out = through(offer(50, 70, true));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->verb, Verb::kOffer);
  EXPECT_EQ(out->number, 7u);
  EXPECT_EQ(out->envelope_size, 50u);
  EXPECT_EQ(out->size, 70u);
  EXPECT_TRUE(out->inlined);
  EXPECT_EQ(out->root.bytes[31], 3);
}

TEST(Message, TruncatedHeadIsRefusedAtEveryLength) {
  for (const auto& in : one_of_each()) {
    const Frames frames = encode_message(in);
    for (std::size_t size = 0; size < frames.head.size(); ++size)
      EXPECT_FALSE(decode_message(core::ByteView(frames.head).first(size), frames.body));
  }
}

TEST(Message, TruncatedInlineOfferIsRefusedAtEveryLength) {
  const Frames frames = encode_message(offer(50, 70, true));
  for (std::size_t size = 0; size < frames.body.size(); ++size)
    EXPECT_FALSE(decode_message(frames.head, core::to_bytes(core::ByteView(frames.body).first(size))));
}

TEST(Message, FlippedBitIsRefusedOrAnotherValidMessage) {
  for (const auto& in : one_of_each()) {
    const Frames frames = encode_message(in);
    for (std::size_t bit = 0; bit < frames.head.size() * 8; ++bit) {
      Bytes head = frames.head;
      head[bit / 8] = static_cast<std::uint8_t>(head[bit / 8] ^ (1u << (bit % 8)));
      const auto out = decode_message(head, frames.body);
      if (out) {
        EXPECT_EQ(encode_message(*out).head, head);
      }
    }
  }
}

TEST(Message, TrailingByteIsRefused) {
  for (const auto& in : one_of_each()) {
    Frames frames = encode_message(in);
    frames.head.push_back(0);
    EXPECT_FALSE(decode_message(frames.head, frames.body));
  }
}

TEST(Message, UnknownFieldVerbOrKindIsRefused) {
  const auto decode = [](const core::Value& head) {
    return decode_message(core::encode_cbor(head), {});
  };
  EXPECT_TRUE(decode({{"v", "bye"}}));
  EXPECT_FALSE(decode({{"v", "bye"}, {"x", 1}}));
  EXPECT_FALSE(decode({{"v", "byte"}}));
  EXPECT_TRUE(decode({{"v", "error"}, {"n", 1}, {"k", "later"}, {"t", ""}}));
  EXPECT_FALSE(decode({{"v", "error"}, {"n", 1}, {"k", "never"}, {"t", ""}}));
  EXPECT_FALSE(decode(core::Value::array({"bye"})));
}

TEST(Message, AnotherProtocolIsUnsupportedWhateverElseItSays) {
  const auto out =
      decode_message(core::encode_cbor({{"v", "hello"}, {"p", 2}, {"new", true}}), {});
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Code::kUnsupported);
}

TEST(Message, ProtocolThatIsNoNumberIsMalformed) {
  const auto out = decode_message(core::encode_cbor({{"v", "hello"}, {"p", "2"}, {"c", 1}}), {});
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Code::kMalformed);
}

TEST(Message, BoundsOfOffers) {
  EXPECT_FALSE(refused(offer(core::kMaxEnvelope, kMaxInline, true)));
  EXPECT_TRUE(refused(offer(core::kMaxEnvelope + 1, kMaxInline, true)));
  EXPECT_TRUE(refused(offer(10, kMaxInline + 1, true)));
  EXPECT_TRUE(refused(offer(10, core::kMaxLetterSize + 1, false)));
  EXPECT_TRUE(refused(offer(0, 10, true)));
  EXPECT_TRUE(refused(offer(10, 0, true)));
  auto without_number = offer(10, 10, true);
  without_number.number = 0;
  EXPECT_TRUE(refused(without_number));
}

TEST(Message, BoundsOfBodies) {
  EXPECT_TRUE(refused(indexed(Verb::kBlock, 0, 0)));
  EXPECT_TRUE(refused(indexed(Verb::kHashes, 0, 33)));
  EXPECT_TRUE(refused(indexed(Verb::kHashes, 0, 4097 * 32)));
  EXPECT_TRUE(refused(message(Verb::kTake, 1, 1)));
  EXPECT_TRUE(refused(message(Verb::kBye, 0, 1)));
  EXPECT_FALSE(refused(message(Verb::kStored, 1, 0)));  // the last receipt covers it
  EXPECT_TRUE(refused(message(Verb::kStored, 1, core::kMaxReceipt + 1)));
  auto big = hello();
  big.body.resize(core::kMaxCardSize + 1);
  EXPECT_TRUE(refused(big));
}

TEST(Message, BoundsOfNumbers) {
  EXPECT_TRUE(refused(credit(0)));
  EXPECT_FALSE(refused(credit(65536)));
  EXPECT_TRUE(refused(credit(65537)));
  EXPECT_FALSE(refused(indexed(Verb::kWant, core::kMaxGroups)));
  EXPECT_TRUE(refused(indexed(Verb::kWant, core::kMaxGroups + 1)));
  EXPECT_TRUE(refused(indexed(Verb::kBlock, core::kMaxGroups * core::kGroupLeaves, 1)));
  EXPECT_FALSE(refused(indexed(Verb::kBlock, core::kMaxGroups * core::kGroupLeaves - 1, kPiece)));
  EXPECT_TRUE(refused(indexed(Verb::kBlock, 0, kPiece + 1)));
  auto piece = indexed(Verb::kBlock, 0, 1);
  for (const std::uint64_t offset : {std::uint64_t{1}, std::uint64_t{kPiece - 1}, core::kBlockSize}) {
    piece.offset = offset;
    EXPECT_TRUE(refused(piece)) << offset;
  }
  piece.offset = core::kBlockSize - kPiece;
  EXPECT_FALSE(refused(piece));
}

TEST(Message, OnlyAPrekeyErrorCarriesACard) {
  EXPECT_TRUE(refused(refusal(Kind::kUnknownPrekey, 1)));
  EXPECT_TRUE(refused(refusal(Kind::kUnknownPrekey, 0, 65)));
  EXPECT_TRUE(refused(refusal(Kind::kLater, 1, 65)));
}

TEST(Message, TooLargeFramesAreRefusedUnread) {
  EXPECT_FALSE(decode_message(Bytes(kMaxHead + 1), {}));
  EXPECT_FALSE(decode_message({}, Bytes(kMaxBody + 1)));
}

TEST(Message, ErrorTextIsCleanedAndCutOnACharacter) {
  auto in = refusal(Kind::kRefused, 1);
  in.text = "a\x1b[31m\n\xff" + std::string(300, 'x');
  const auto out = through(in);
  ASSERT_TRUE(out) << out.error().context;
  EXPECT_LE(out->text.size(), 200u);
  EXPECT_EQ(out->text.find('\x1b'), std::string::npos);
  in.text.clear();
  for (int i = 0; i < 100; ++i) in.text += "x\xc3\xa4";
  EXPECT_TRUE(through(in));
}

TEST(Message, KindsKeepTheirMeaning) {
  for (const Code code : {Code::kUnknownPrekey, Code::kTimeout, Code::kRefused, Code::kNoSpace,
                          Code::kForged, Code::kMalformed, Code::kUnsupported})
    EXPECT_EQ(error_of(kind_of(code), "").code, code);
  EXPECT_EQ(kind_of(Code::kIo), Kind::kInternal);
  EXPECT_EQ(error_of(Kind::kTooLarge, "by far").context, "too-large: by far");
}

}  // namespace
}  // namespace p2pmail::net
