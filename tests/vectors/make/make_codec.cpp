// CBOR: what the subset takes and refuses, byte by byte.
#include "core/text.h"
#include "tests/vectors/make/make.h"

namespace p2pmail::vectors {
namespace {

struct Plain {
  const char* name;
  const char* expect;
  const char* comment;
  const char* hex;
};

constexpr Plain kCases[] = {
    {"keys", "ok", "Keys by their characters: \"s\", \"su\", \"t\", \"to\", \"v\".",
     "a5617301627375016174016274 6f01617601"},
    {"keys-by-length", "malformed", "The order of RFC 8949, section 4.2.1: \"to\" after \"v\".",
     "a2617601 62746f01"},
    {"key-twice", "malformed", "One key twice.", "a2617601 617601"},
    {"key-number", "malformed", "A key that is a number.", "a10101"},
    {"key-not-utf8", "malformed", "A key that is not UTF-8.", "a161ff01"},
    {"empty-map", "ok", "An empty map.", "a0"},
    {"nothing", "malformed", "No bytes at all.", ""},
    {"after-the-end", "malformed", "A byte after the end.", "a000"},
    {"cut-off", "malformed", "A map of two with one field.", "a2617601"},
    {"largest-number", "ok", "2^64 - 1.", "a161761bffffffffffffffff"},
    {"long-number", "malformed", "1 in two bytes.", "a161761801"},
    {"long-number-8", "malformed", "2^32 - 1 in nine bytes.", "a161761b00000000ffffffff"},
    {"long-length", "malformed", "The length of a text in two bytes.", "a178017601"},
    {"long-map", "malformed", "The size of a map in two bytes.", "b801617601"},
    {"negative", "malformed", "-1.", "a1617620"},
    {"float", "malformed", "1.5.", "a16176f93e00"},
    {"null", "malformed", "null.", "a16176f6"},
    {"undefined", "malformed", "undefined.", "a16176f7"},
    {"simple", "malformed", "Simple value 19.", "a16176f3"},
    {"booleans", "ok", "true and false.", "a26161f46162f5"},
    {"tag", "malformed", "A tag in front of a number.", "a16176c101"},
    {"indefinite-map", "malformed", "A map of indefinite length.", "bf617601ff"},
    {"indefinite-list", "malformed", "A list of indefinite length.", "a161769f01ff"},
    {"indefinite-bytes", "malformed", "A byte string of indefinite length.", "a161765f4100ff"},
    {"indefinite-text", "malformed", "A text of indefinite length.", "a161767f6161ff"},
    {"reserved", "malformed", "Additional information 28.", "a161761c"},
    {"text", "ok", "A text of two, three and four bytes a character.",
     "a1617669c3bce282acf09f988a"},
    {"text-overlong", "malformed", "A slash in two bytes.", "a1617662c0af"},
    {"text-surrogate", "malformed", "Half of a surrogate pair.", "a1617663eda080"},
    {"text-too-high", "malformed", "U+110000.", "a1617664f4908080"},
    {"text-cut", "malformed", "A character without its second byte.", "a1617661c3"},
    {"depth-8", "ok", "Eight maps and lists inside each other.", "a16176 818181818181 80"},
    {"depth-9", "malformed", "Nine of them.", "a16176 81818181818181 80"},
    {"long-bytes", "malformed", "A byte string that is longer than the rest.",
     "a161765bffffffffffffffff00"},
    {"huge-list", "malformed", "A list that says it has 2^32 elements.",
     "a161769b0000000100000000"},
};

Bytes from(const std::string& text) {
  std::string packed;
  for (const char c : text)
    if (c != ' ') packed += c;
  auto bytes = core::from_hex(packed);
  core::check(bytes.has_value());
  return *bytes;
}

}  // namespace

void make_codec(const Kit& kit) {
  for (const Plain& one : kCases)
    kit.add("cbor", one.name, one.expect, one.comment).hex("bytes", from(one.hex));
  Bytes large = from("a16176 59 3ffa");
  large.resize(16 * 1024, 0x2a);
  kit.add("cbor", "16-kib", "ok", "As large as a structure may be.").hex("bytes", large);
  large = from("a16176 59 3ffb");
  large.resize(16 * 1024 + 1, 0x2a);
  kit.add("cbor", "16-kib-and-1", "malformed", "One byte larger.").hex("bytes", large);
}

}  // namespace p2pmail::vectors
