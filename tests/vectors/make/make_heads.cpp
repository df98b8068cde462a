// Messages on the wire.
#include "core/text.h"
#include "net/message.h"
#include "tests/vectors/make/make.h"

namespace p2pmail::vectors {
namespace {

using net::Kind;
using net::Message;
using net::Verb;
using Edit = std::function<void(Value&)>;

Message message(Verb verb, std::uint64_t number, Bytes body = {}) {
  Message out;
  out.verb = verb;
  out.number = number;
  out.body = std::move(body);
  return out;
}

void frames(Case& out, ByteView head, ByteView body) {
  out.hex("head", head);
  if (!body.empty()) out.hex("body", body);
}

void good(const Kit& kit, const std::string& name, const char* verb, const Message& one,
          std::string_view comment, const std::function<void(Case&)>& rest) {
  Case out = kit.add("head", name, "ok", comment);
  const auto sent = net::encode_message(one);
  frames(out, sent.head, sent.body);
  out.text("verb", verb).number("number", one.number);
  rest(out);
}

Message offer(std::uint64_t size, bool inlined) {
  Message out = message(Verb::kOffer, 1, Bytes(100 + (inlined ? size : 0), 0xee));
  out.root = filled<core::Root>(0x77);
  out.size = size;
  out.inlined = inlined;
  out.envelope_size = 100;
  return out;
}

void make_good(const Kit& kit) {
  const auto nothing = [](Case&) {};
  Message hello = message(Verb::kHello, 0, Bytes(50, 0xca));
  hello.credit = 64;
  good(kit, "hello", "hello", hello, "First from both sides.",
       [](Case& out) { out.number("credit", 64); });
  hello.body.clear();
  good(kit, "hello-no-card", "hello", hello, "Of somebody who only leaves letters at a relay.",
       [](Case& out) { out.number("credit", 64); });
  for (const bool inlined : {true, false}) {
    const std::uint64_t size = inlined ? 4112 : std::uint64_t{1} << 44;
    good(kit, inlined ? "offer-inline" : "offer", "offer", offer(size, inlined),
         inlined ? "With its letter." : "Of the largest letter.", [&](Case& out) {
           out.hex("root", filled<core::Root>(0x77))
               .number("size", size)
               .number("inline", inlined ? 1 : 0)
               .number("envelope-size", 100);
         });
  }
  Message admitted = offer(4112, true);
  admitted.admission = Bytes(704, 0xad);
  good(kit, "offer-admission", "offer", admitted, "With the longest admission.", [&](Case& out) {
    out.hex("root", filled<core::Root>(0x77))
        .number("size", 4112)
        .number("inline", 1)
        .number("envelope-size", 100)
        .hex("admission", admitted.admission);
  });
  good(kit, "take", "take", message(Verb::kTake, std::uint64_t{1} << 48), "The largest number.",
       nothing);
  Message want = message(Verb::kWant, 2);
  want.index = 4096;
  good(kit, "want", "want", want, "The leaves of the last group.",
       [](Case& out) { out.number("list", 4096); });
  Message hashes = message(Verb::kHashes, 2, Bytes(96, 0xaa));
  good(kit, "hashes", "hashes", hashes, "Three groups.", [](Case& out) { out.number("list", 0); });
  Message block = message(Verb::kBlock, 2, Bytes(128 * 1024, 0xbb));
  block.index = 16777215;
  block.offset = 896 * 1024;
  good(kit, "block", "block", block, "The last piece of the last block that there can be.",
       [](Case& out) { out.number("index", 16777215).number("offset", 896 * 1024); });
  Message credit = message(Verb::kCredit, 2);
  credit.index = 16777215;
  credit.credit = 65536;
  good(kit, "credit", "credit", credit, "As much as can be given.",
       [](Case& out) { out.number("index", 16777215).number("credit", 65536); });
  good(kit, "stored", "stored", message(Verb::kStored, 2, Bytes(1024, 0xcc)), "With a receipt.",
       nothing);
  good(kit, "stored-none", "stored", message(Verb::kStored, 3), "The last receipt covers it too.",
       nothing);
  Message error = message(Verb::kError, 0);
  error.kind = Kind::kLater;
  error.text = "nicht jetzt, später";
  good(kit, "error", "error", error, "About the whole conversation.",
       [&](Case& out) { out.text("error", "later").text("text", error.text); });
  error = message(Verb::kError, 3, Bytes(50, 0xca));
  error.kind = Kind::kUnknownPrekey;
  good(kit, "error-unknown-prekey", "error", error, "With the receiver's card.",
       [&](Case& out) { out.text("error", "unknown-prekey").text("text", ""); });
  error = message(Verb::kError, 3);
  for (const auto& [kind, word] : {std::pair{Kind::kQuota, "quota"}, std::pair{Kind::kStamp, "stamp"}}) {
    error.kind = kind;
    good(kit, std::string("error-") + word, "error", error, "Without words.",
         [&, said = word](Case& out) { out.text("error", said).text("text", ""); });
  }
  good(kit, "ask", "ask", message(Verb::kAsk, 4, Bytes(1024, 0xaa)), "A question.", nothing);
  good(kit, "told", "told", message(Verb::kTold, 4, Bytes(80 * 1024, 0xbb)), "Its answer.", nothing);
  good(kit, "bye", "bye", message(Verb::kBye, 0), "Nothing more to send.", nothing);
}

Value head_of(const Message& one) {
  return *core::decode_cbor(net::encode_message(one).head, "head");
}

void make_bad(const Kit& kit) {
  const auto bad = [&](const std::string& name, std::string_view comment, const Message& from,
                       const Edit& edit, std::string_view expect = "malformed") {
    Value map = head_of(from);
    edit(map);
    Case out = kit.add("head", name, expect, comment);
    frames(out, core::encode_cbor(map), from.body);
  };
  const auto set = [](const char* key, Value value) {
    return [key, value](Value& map) { map[key] = value; };
  };
  const auto nothing = [](Value&) {};
  Message hello = message(Verb::kHello, 0, Bytes(50, 0xca));
  hello.credit = 64;
  bad(
      "protocol-2", "A newer protocol, with a field that nobody knows.", hello,
      [](Value& map) { map["p"] = 2u, map["x"] = 1u; }, "unsupported");
  bad("protocol-text", "A protocol that is no number.", hello, set("p", "1"));
  bad("credit-0", "A credit of nothing.", hello, set("c", 0u));
  bad("credit-65537", "Too much credit.", hello, set("c", 65537u));
  bad("hello-number", "A hello with a number.", hello, set("n", 1u));
  bad(
      "hello-large-card", "A card above 64 KiB.",
      [&] {
        auto one = hello;
        return one.body.resize(65537), one;
      }(),
      nothing);
  const Message inline_offer = offer(4112, true);
  bad("offer-0", "An offer without a number.", inline_offer, set("n", 0u));
  bad("offer-2-48", "A number above 2^48.", inline_offer, set("n", (1ull << 48) + 1));
  bad("offer-size-0", "An empty letter.", inline_offer, set("z", 0u));
  bad("offer-size-large", "A letter above 16 TiB.", inline_offer, set("z", (1ull << 44) + 1));
  bad("offer-body", "A body that is not envelope and letter.", inline_offer, set("z", 4113u));
  bad("offer-envelope-0", "No envelope.", inline_offer, set("e", 0u));
  bad("offer-large-inline", "A letter above 64 KiB in its offer.", offer(65537, true), nothing);
  bad("offer-inline-number", "A number in the place of true.", inline_offer, set("i", 1u));
  bad("offer-root", "A root of 31 bytes.", inline_offer, set("r", core::binary(Bytes(31))));
  bad("offer-admission-0", "An admission of no bytes.", inline_offer, set("a", core::binary({})));
  bad("offer-admission-705", "An admission above 704 bytes.", inline_offer,
      set("a", core::binary(Bytes(705))));
  bad("ask-none", "A question of no bytes.", message(Verb::kAsk, 1), nothing);
  bad("ask-large", "A question above 1,024 bytes.", message(Verb::kAsk, 1, Bytes(1025)), nothing);
  bad("told-none", "An answer of no bytes.", message(Verb::kTold, 1), nothing);
  bad("told-large", "An answer above 80 KiB.", message(Verb::kTold, 1, Bytes(80 * 1024 + 1)),
      nothing);
  bad("want-4097", "A group that no letter has.", message(Verb::kWant, 1), set("g", 4097u));
  bad("want-body", "A body that has no place.", message(Verb::kWant, 1, Bytes(1)), nothing);
  bad("hashes-33", "Not whole hashes.", message(Verb::kHashes, 1, Bytes(33)), nothing);
  bad("hashes-none", "No hash.", message(Verb::kHashes, 1), nothing);
  bad("hashes-4097", "Too many hashes.", message(Verb::kHashes, 1, Bytes(4097 * 32)), nothing);
  bad("block-none", "An empty block.", message(Verb::kBlock, 1), nothing);
  bad("block-large", "A piece above 128 KiB.", message(Verb::kBlock, 1, Bytes(128 * 1024 + 1)),
      nothing);
  bad("block-offset", "A piece between two.", message(Verb::kBlock, 1, Bytes(1)), set("o", 1000u));
  bad("block-offset-end", "A piece behind the block.", message(Verb::kBlock, 1, Bytes(1)),
      set("o", 1048576u));
  bad("block-index", "A block that no letter has.", message(Verb::kBlock, 1, Bytes(1)),
      set("b", 16777216u));
  bad("stored-large", "A receipt above 9,216 bytes.", message(Verb::kStored, 1, Bytes(9217)),
      nothing);
  Message error = message(Verb::kError, 1);
  error.kind = Kind::kRefused;
  bad("error-kind", "An unknown kind.", error, set("k", "whatever"));
  bad("error-text-201", "A text of 201 bytes.", error, set("t", std::string(201, 't')));
  bad("error-control", "A text with an escape.", error, set("t", "\x1b[2J"));
  bad(
      "error-body", "A body with another kind than unknown-prekey.",
      [&] {
        auto one = error;
        return one.body.resize(1), one;
      }(),
      nothing);
  bad(
      "error-prekey-0", "unknown-prekey about no offer.",
      [&] {
        auto one = message(Verb::kError, 0, Bytes(50));
        one.kind = Kind::kUnknownPrekey;
        return one;
      }(),
      nothing);
  bad("unknown-verb", "An unknown verb.", message(Verb::kBye, 0), set("v", "quit"));
  bad("bye-field", "A field that a verb does not use.", message(Verb::kBye, 0), set("n", 1u));
  bad("take-no-number", "A field is missing.", message(Verb::kTake, 1),
      [](Value& map) { map.erase("n"); });
  Bytes large = core::encode_cbor(Value{{"v", "bye"}, {"x", std::string(1024, 'x')}});
  kit.add("head", "head-large", "malformed", "A head above 1,024 bytes.").hex("head", large);
  kit.add("head", "not-canonical", "malformed", "A number written too long.")
      .hex("head", *core::from_hex("a2616e180161766474616b65"));
  kit.add("head", "list", "malformed", "No map.").hex("head", *core::from_hex("8163627965"));
}

}  // namespace

void make_heads(const Kit& kit) {
  make_good(kit);
  make_bad(kit);
}

}  // namespace p2pmail::vectors
