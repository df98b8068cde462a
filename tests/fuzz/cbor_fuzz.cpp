// The strict codec: whatever it accepts encodes to the bytes that came, and no reader of maps trips
// over what it accepted.
#include "core/cbor.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

int depth_of(const Value& value) {
  int deepest = 0;
  if (value.is_structured())
    for (const auto& inner : value) deepest = std::max(deepest, depth_of(inner));
  return deepest + (value.is_structured() ? 1 : 0);
}

void read_as_map(const Value& value) {
  MapReader reader(value, "map");
  (void)reader.bytes("b", 1, 8);
  (void)reader.fixed<Digest>("d");
  (void)reader.number("n", 100);
  demand(reader.text("t", 10).size() <= 10, "the bound of a text");
  demand(reader.list("l", 4).size() <= 4, "the bound of a list");
  (void)reader.boolean("o");
  (void)reader.has("z");
  if (reader.finish()) demand(value.size() == 6, "an unknown field is refused");
}

}  // namespace

void target(ByteView input) {
  const auto value = decode_cbor(input, "fuzz");
  if (!value) return;
  demand(input.size() <= kMaxCborSize && depth_of(*value) <= kMaxCborDepth, "bounds");
  demand(encode_cbor(*value) == to_bytes(input), "the encoding is the input");
  read_as_map(*value);
}

}  // namespace p2pmail::fuzz
