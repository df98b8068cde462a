// The vector kit's messages on the wire: taken or refused as it says, and encoded again byte by
// byte.
#include "net/message.h"
#include "tests/vectors/kit.h"

namespace p2pmail::net {
namespace {

using vectors::as_expected;
using vectors::Case;

std::string text_of(Verb verb) {
  switch (verb) {
    case Verb::kHello:
      return "hello";
    case Verb::kOffer:
      return "offer";
    case Verb::kTake:
      return "take";
    case Verb::kWant:
      return "want";
    case Verb::kHashes:
      return "hashes";
    case Verb::kBlock:
      return "block";
    case Verb::kCredit:
      return "credit";
    case Verb::kStored:
      return "stored";
    case Verb::kError:
      return "error";
    case Verb::kBye:
      return "bye";
    case Verb::kAsk:
      return "ask";
    case Verb::kTold:
      return "told";
  }
  return {};
}

std::string text_of(Kind kind) {
  // With no text of its own an error is called by its kind.
  return error_of(kind, "").context;
}

void compare(const Case& one, const Message& message) {
  EXPECT_EQ(text_of(message.verb), one.text("verb"));
  EXPECT_EQ(message.number, one.number("number"));
  if (one.has("credit")) {
    EXPECT_EQ(message.credit, one.number("credit"));
  }
  if (one.has("root")) {
    EXPECT_EQ(message.root, one.fixed<core::Root>("root"));
  }
  if (one.has("size")) {
    EXPECT_EQ(message.size, one.number("size"));
  }
  if (one.has("inline")) {
    EXPECT_EQ(message.inlined, one.number("inline") == 1);
  }
  if (one.has("envelope-size")) {
    EXPECT_EQ(message.envelope_size, one.number("envelope-size"));
  }
  if (one.has("admission")) {
    EXPECT_EQ(message.admission, one.bytes("admission"));
  }
  if (one.has("list")) {
    EXPECT_EQ(message.index, one.number("list"));
  }
  if (one.has("offset")) {
    EXPECT_EQ(message.offset, one.number("offset"));
  }
  if (one.has("index")) {
    EXPECT_EQ(message.index, one.number("index"));
  }
  if (one.has("error")) {
    EXPECT_EQ(text_of(message.kind), one.text("error"));
  }
  if (one.has("text")) {
    EXPECT_EQ(message.text, one.text("text"));
  }
}

TEST(Vectors, Head) {
  vectors::each_case("head", 40, [](const Case& one) {
    const auto head = one.bytes("head");
    const auto body = one.has("body") ? one.bytes("body") : core::Bytes();
    auto message = decode_message(head, body);
    if (!as_expected(one, message)) return;
    compare(one, *message);
    const auto again = encode_message(std::move(*message));
    EXPECT_EQ(again.head, head);
    EXPECT_EQ(again.body, body);
  });
}

}  // namespace
}  // namespace p2pmail::net
