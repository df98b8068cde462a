// The codec takes one spelling of each value and refuses everything else before building anything.
#include "core/cbor.h"

#include <gtest/gtest.h>

namespace p2pmail::core {
namespace {

bool accepts(const Bytes& bytes) { return decode_cbor(bytes, "test").has_value(); }
Code refusal(const Bytes& bytes, std::size_t max = kMaxCborSize) {
  const auto out = decode_cbor(bytes, "test", max);
  return out ? Code::kBug : out.error().code;
}

Bytes nested(std::size_t depth) {
  Bytes out(depth, 0x81);  // an array of one
  out.push_back(0x00);
  return out;
}

TEST(Cbor, RoundTrip) {
  const Value value{{"a", 1u},
                    {"b", binary(Bytes{1, 2, 3})},
                    {"c", Value::array({true, false, "text"})},
                    {"d", UINT64_MAX},
                    {"e", Value::object()}};
  const auto read = decode_cbor(encode_cbor(value), "test");
  ASSERT_TRUE(read) << read.error().context;
  EXPECT_EQ(*read, value);
}

TEST(Cbor, NamesTheStructureInItsErrors) {
  EXPECT_TRUE(decode_cbor(Bytes{}, "roster").error().context.starts_with("roster: "));
}

TEST(Cbor, RefusesEveryTruncationAndTrailingBytes) {
  const Bytes bytes = encode_cbor(Value{{"a", 1000u}, {"b", binary(Bytes(30))}, {"c", "xyz"}});
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(refusal(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size))),
              Code::kMalformed) << size;
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(refusal(longer), Code::kMalformed);
}

TEST(Cbor, AFlippedBitIsRefusedOrReadsAsItself) {
  Bytes bytes = encode_cbor(Value{{"a", 1000u}, {"b", binary(Bytes(30))}, {"c", "xyz"}});
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    const auto read = decode_cbor(bytes, "test");
    EXPECT_TRUE(!read || encode_cbor(*read) == bytes) << bit;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
  }
}

TEST(Cbor, BoundsTheSize) {
  const Bytes bytes = encode_cbor(binary(Bytes(97)));
  ASSERT_EQ(bytes.size(), 99u);
  EXPECT_EQ(refusal(bytes, 99), Code::kBug);
  EXPECT_EQ(refusal(bytes, 98), Code::kMalformed);
}

TEST(Cbor, BoundsTheDepth) {
  EXPECT_TRUE(accepts(nested(kMaxCborDepth)));
  EXPECT_FALSE(accepts(nested(kMaxCborDepth + 1)));
  EXPECT_EQ(refusal(nested(200'000), 1 << 20), Code::kMalformed);
}

TEST(Cbor, BoundsTheDepthOfMapsToo) {
  Bytes bytes;
  for (int i = 0; i < 200'000; ++i) append(bytes, Bytes{0xa1, 0x61, 'a'});
  bytes.push_back(0);
  EXPECT_EQ(refusal(bytes, 1 << 20), Code::kMalformed);
}

TEST(Cbor, RefusesNestedTags) {
  Bytes bytes(200'000, 0xc1);
  bytes.push_back(0);
  EXPECT_EQ(refusal(bytes, 1 << 20), Code::kMalformed);
}

TEST(Cbor, RefusesNestedIndefiniteStrings) {
  EXPECT_EQ(refusal(Bytes(200'000, 0x5f), 1 << 20), Code::kMalformed);
  EXPECT_EQ(refusal(Bytes(200'000, 0x7f), 1 << 20), Code::kMalformed);
}

TEST(Cbor, RefusesDuplicateKeys) {
  EXPECT_TRUE(accepts({0xa2, 0x61, 'a', 0x01, 0x61, 'b', 0x01}));
  EXPECT_FALSE(accepts({0xa2, 0x61, 'a', 0x01, 0x61, 'a', 0x01}));
  EXPECT_FALSE(accepts({0xa2, 0x61, 'a', 0x01, 0x61, 'a', 0x02}));
}

TEST(Cbor, RefusesKeysOutOfOrder) {
  EXPECT_FALSE(accepts({0xa2, 0x61, 'b', 0x01, 0x61, 'a', 0x01}));
}

TEST(Cbor, SortsKeysByBytesAndNotByLength) {
  EXPECT_TRUE(accepts({0xa2, 0x62, 'a', 'a', 0x01, 0x61, 'b', 0x01}));
  EXPECT_FALSE(accepts({0xa2, 0x61, 'b', 0x01, 0x62, 'a', 'a', 0x01}));
}

TEST(Cbor, RefusesKeysThatAreNotText) {
  EXPECT_FALSE(accepts({0xa1, 0x01, 0x01}));
  EXPECT_FALSE(accepts({0xa1, 0x41, 'a', 0x01}));
}

TEST(Cbor, RefusesNumbersLongerThanNeeded) {
  EXPECT_TRUE(accepts({0x17}));
  EXPECT_FALSE(accepts({0x18, 0x17}));
  EXPECT_TRUE(accepts({0x18, 0x18}));
  EXPECT_FALSE(accepts({0x19, 0x00, 0xff}));
  EXPECT_FALSE(accepts({0x1a, 0x00, 0x00, 0xff, 0xff}));
  EXPECT_FALSE(accepts({0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}));
}

TEST(Cbor, RefusesLengthsLongerThanNeeded) {
  EXPECT_TRUE(accepts({0x41, 0x00}));
  EXPECT_FALSE(accepts({0x58, 0x01, 0x00}));
  EXPECT_FALSE(accepts({0x78, 0x01, 'a'}));
  EXPECT_FALSE(accepts({0x98, 0x01, 0x00}));
  EXPECT_FALSE(accepts({0xb8, 0x01, 0x61, 'a', 0x00}));
}

TEST(Cbor, RefusesIndefiniteLengths) {
  EXPECT_FALSE(accepts({0x9f, 0x01, 0xff}));
  EXPECT_FALSE(accepts({0xbf, 0x61, 'a', 0x01, 0xff}));
  EXPECT_FALSE(accepts({0x5f, 0x41, 0x01, 0xff}));
  EXPECT_FALSE(accepts({0x7f, 0x61, 'a', 0xff}));
}

TEST(Cbor, RefusesHugeDeclaredLengths) {
  for (const unsigned major : {0x40U, 0x60U, 0x80U, 0xa0U}) {
    Bytes bytes{static_cast<std::uint8_t>(major | 0x1bU)};
    bytes.resize(9, 0xff);
    EXPECT_FALSE(accepts(bytes)) << major;
    bytes[1] = 0x7f;
    EXPECT_FALSE(accepts(bytes)) << major;
    EXPECT_FALSE(accepts({static_cast<std::uint8_t>(major | 0x1aU), 0xff, 0xff, 0xff, 0xff}));
  }
}

TEST(Cbor, RefusesWhatTheSubsetLeavesOut) {
  EXPECT_TRUE(accepts({0xf5}));
  EXPECT_FALSE(accepts({0x20}));                                      // -1
  EXPECT_FALSE(accepts({0xf6}));                                      // null
  EXPECT_FALSE(accepts({0xf7}));                                      // undefined
  EXPECT_FALSE(accepts({0xf9, 0x3c, 0x00}));                          // 1.0, half
  EXPECT_FALSE(accepts({0xfa, 0x3f, 0x80, 0x00, 0x00}));              // 1.0, single
  EXPECT_FALSE(accepts({0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0}));        // 1.0, double
  EXPECT_FALSE(accepts({0xc1, 0x00}));                                // tag
  EXPECT_FALSE(accepts({0xd8, 0x20, 0x00}));                          // tag, one byte
  EXPECT_FALSE(accepts({0xd8, 0x20, 0x41, 0x00}));                    // tagged byte string
  EXPECT_FALSE(accepts({0xf8, 0x20}));                                // simple value
  EXPECT_FALSE(accepts({0xff}));                                      // break
}

TEST(Cbor, RefusesTextThatIsNotUtf8) {
  EXPECT_TRUE(accepts({0x62, 0xc3, 0xa9}));
  EXPECT_FALSE(accepts({0x61, 0xff}));
  EXPECT_FALSE(accepts({0x62, 0xc0, 0x80}));
  EXPECT_FALSE(accepts({0x63, 0xed, 0xa0, 0x80}));  // a surrogate
  EXPECT_FALSE(accepts({0xa1, 0x61, 0xff, 0x01}));
}

TEST(MapReader, ReadsAWholeMap) {
  const Value map{{"b", binary(Bytes{1, 2})}, {"l", Value::array({1u})},
                  {"n", 5u},                  {"o", true},
                  {"t", "text"}};
  MapReader in(map, "test");
  EXPECT_EQ(in.bytes("b", 0, 2), (Bytes{1, 2}));
  EXPECT_EQ(in.list("l", 1).size(), 1u);
  EXPECT_EQ(in.number("n", 5), 5u);
  EXPECT_TRUE(in.boolean("o"));
  EXPECT_EQ(in.text("t", 4), "text");
  EXPECT_TRUE(in.finish());
}

TEST(MapReader, RefusesUnreadFields) {
  const Value map{{"a", 1u}, {"b", 1u}};
  MapReader in(map, "test");
  (void)in.number("a", 1);
  EXPECT_FALSE(in.finish());
}

TEST(MapReader, RefusesWhatIsNotAMap) {
  const Value value = 1u;
  MapReader in(value, "test");
  EXPECT_FALSE(in.has("a"));
  EXPECT_EQ(in.number("a", 9), 0u);
  EXPECT_EQ(in.finish().error().code, Code::kMalformed);
}

/// One getter on a map with one field: accepted or not.
template <class Get>
bool reads(const Value& field, Get get) {
  const Value map = Value::object({{"a", field}});
  MapReader in(map, "test");
  get(in);
  return in.finish().has_value();
}

TEST(MapReader, BoundsEachGetter) {
  const auto number = [](MapReader& in) { (void)in.number("a", 5); };
  EXPECT_TRUE(reads(5u, number));
  EXPECT_FALSE(reads(6u, number));
  EXPECT_FALSE(reads("5", number));
  const auto bytes = [](MapReader& in) { (void)in.bytes("a", 2, 3); };
  EXPECT_TRUE(reads(binary(Bytes(2)), bytes));
  EXPECT_TRUE(reads(binary(Bytes(3)), bytes));
  EXPECT_FALSE(reads(binary(Bytes(1)), bytes));
  EXPECT_FALSE(reads(binary(Bytes(4)), bytes));
  EXPECT_FALSE(reads("ab", bytes));
  const auto list = [](MapReader& in) { (void)in.list("a", 1); };
  EXPECT_TRUE(reads(Value::array({1u}), list));
  EXPECT_FALSE(reads(Value::array({1u, 2u}), list));
  EXPECT_FALSE(reads(Value::object(), list));
  EXPECT_FALSE(reads(1u, [](MapReader& in) { (void)in.boolean("a"); }));
}

TEST(MapReader, TakesOnlyCleanTextAndExactKeys) {
  const auto text = [](MapReader& in) { (void)in.text("a", 4); };
  EXPECT_TRUE(reads("abcd", text));
  EXPECT_FALSE(reads("abcde", text));
  EXPECT_FALSE(reads("a\n", text));
  EXPECT_FALSE(reads("\x1b[m", text));
  EXPECT_FALSE(reads("\xc2\x9b", text));  // C1
  const auto key = [](MapReader& in) { (void)in.fixed<DeviceKey>("a"); };
  EXPECT_TRUE(reads(binary(Bytes(32)), key));
  EXPECT_FALSE(reads(binary(Bytes(31)), key));
  EXPECT_FALSE(reads(binary(Bytes(33)), key));
}

TEST(MapReader, KeepsTheFirstFailure) {
  const Value map = Value::object({{"a", 1u}});
  MapReader in(map, "test");
  in.fail("first");
  in.fail("second");
  EXPECT_EQ(in.finish().error().context, "test: first");
}

}  // namespace
}  // namespace p2pmail::core
