#include "net/message.h"

#include <array>
#include <string_view>

#include "core/card.h"
#include "core/cbor.h"
#include "core/envelope.h"
#include "core/mailbox.h"
#include "core/receipt.h"
#include "core/text.h"
#include "core/tree.h"

namespace p2pmail::net {
namespace {

using core::Code;
using core::Error;
using core::MapReader;

constexpr std::size_t kMaxText = 200;
constexpr std::uint64_t kMaxCredit = 65536;
constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 48;
constexpr std::uint64_t kMaxListSize = core::kGroupLeaves * core::Digest::kSize;
static_assert(core::kMaxGroups <= core::kGroupLeaves, "one bound serves both hash lists");
constexpr std::uint64_t kLastBlock = core::kMaxGroups * core::kGroupLeaves - 1;
static_assert(core::kMaxEnvelope + kMaxInline <= kMaxBody && kMaxListSize <= kMaxBody);
static_assert(core::kBlockSize % kPiece == 0);

struct VerbName {
  Verb verb;
  std::string_view name;
};
constexpr std::array<VerbName, 12> kVerbs = {{{Verb::kHello, "hello"},
                                              {Verb::kOffer, "offer"},
                                              {Verb::kTake, "take"},
                                              {Verb::kWant, "want"},
                                              {Verb::kHashes, "hashes"},
                                              {Verb::kBlock, "block"},
                                              {Verb::kCredit, "credit"},
                                              {Verb::kStored, "stored"},
                                              {Verb::kError, "error"},
                                              {Verb::kBye, "bye"},
                                              {Verb::kAsk, "ask"},
                                              {Verb::kTold, "told"}}};

struct KindName {
  Kind kind;
  std::string_view name;
  Code code;  // what the kind means to the side that is told
};
constexpr std::array<KindName, 11> kKinds = {
    {{Kind::kUnknownPrekey, "unknown-prekey", Code::kUnknownPrekey},
     {Kind::kLater, "later", Code::kTimeout},
     {Kind::kRefused, "refused", Code::kRefused},
     {Kind::kTooLarge, "too-large", Code::kRefused},
     {Kind::kNoSpace, "no-space", Code::kNoSpace},
     {Kind::kQuota, "quota", Code::kQuota},
     {Kind::kStamp, "stamp", Code::kStampNeeded},
     {Kind::kForged, "forged", Code::kForged},
     {Kind::kMalformed, "malformed", Code::kMalformed},
     {Kind::kUnsupported, "unsupported", Code::kUnsupported},
     {Kind::kInternal, "internal", Code::kUnavailable}}};

const VerbName& row_of(Verb verb) {
  for (const auto& row : kVerbs)
    if (row.verb == verb) return row;
  std::abort();  // every enumerator is in the table
}

const KindName& row_of(Kind kind) {
  for (const auto& row : kKinds)
    if (row.kind == kind) return row;
  std::abort();  // every enumerator is in the table
}

Error malformed(const std::string& why) { return Error{Code::kMalformed, "message: " + why}; }

// A text that the strict decoder of the other side takes, whatever an error of ours contains.
std::string wire_text(const std::string& text) {
  std::string clean = core::clean_line(text);
  if (clean.size() <= kMaxText) return clean;
  std::size_t cut = kMaxText;
  while (cut > 0 && (static_cast<unsigned char>(clean[cut]) & 0xc0) == 0x80) --cut;
  clean.resize(cut);
  return clean;
}

void read_hello(MapReader& reader, Message& out) {
  out.credit = reader.number("c", kMaxCredit);
  if (out.credit == 0) reader.fail("a credit of zero");
}

void read_offer(MapReader& reader, Message& out) {
  out.root = reader.fixed<core::Root>("r");
  out.size = reader.number("z", core::kMaxLetterSize);
  out.inlined = reader.boolean("i");
  out.envelope_size = reader.number("e", core::kMaxEnvelope);
  if (reader.has("a")) out.admission = reader.bytes("a", 1, core::kMaxAdmission);
  if (out.size == 0 || out.envelope_size == 0) reader.fail("an empty letter or envelope");
  if (out.inlined && out.size > kMaxInline) reader.fail("too large for an offer");
}

void read_error(MapReader& reader, Message& out) {
  const std::string name = reader.text("k", 32);
  out.text = reader.text("t", kMaxText);
  for (const auto& row : kKinds) {
    if (row.name != name) continue;
    out.kind = row.kind;
    if (out.kind == Kind::kUnknownPrekey && out.number == 0)
      reader.fail("a prekey error about no offer");
    return;
  }
  reader.fail("an unknown kind of error");
}

void read_number(MapReader& reader, Message& out) {
  if (out.verb == Verb::kHello || out.verb == Verb::kBye) return;
  out.number = reader.number("n", kMaxNumber);
  if (out.number == 0 && out.verb != Verb::kError) reader.fail("an offer without a number");
}

void read_fields(MapReader& reader, Message& out) {
  read_number(reader, out);
  switch (out.verb) {
    case Verb::kHello: read_hello(reader, out); break;
    case Verb::kOffer: read_offer(reader, out); break;
    case Verb::kWant:
    case Verb::kHashes: out.index = reader.number("g", core::kMaxGroups); break;
    case Verb::kBlock:
      out.index = reader.number("b", kLastBlock);
      out.offset = reader.number("o", core::kBlockSize - kPiece);
      if (out.offset % kPiece != 0) reader.fail("a piece of nowhere");
      break;
    case Verb::kCredit:
      out.index = reader.number("b", kLastBlock);
      out.credit = reader.number("c", kMaxCredit);
      if (out.credit == 0) reader.fail("a credit of zero");
      break;
    case Verb::kError: read_error(reader, out); break;
    case Verb::kTake:
    case Verb::kStored:
    case Verb::kAsk:
    case Verb::kTold:
    case Verb::kBye: break;
  }
}

bool body_fits(const Message& message, std::uint64_t size) {
  const auto between = [size](std::uint64_t low, std::uint64_t high) {
    return size >= low && size <= high;
  };
  switch (message.verb) {
    case Verb::kHello: return between(0, core::kMaxCardSize);
    case Verb::kOffer:
      return size == message.envelope_size + (message.inlined ? message.size : 0);
    case Verb::kHashes: return between(1, kMaxListSize) && size % core::Digest::kSize == 0;
    case Verb::kBlock: return between(1, kPiece);
    case Verb::kStored: return between(0, core::kMaxReceipt);
    case Verb::kAsk: return between(1, core::kMaxQuestion);
    case Verb::kTold: return between(1, core::kMaxAnswer);
    case Verb::kError:
      return message.kind == Kind::kUnknownPrekey ? between(1, core::kMaxCardSize) : size == 0;
    case Verb::kTake:
    case Verb::kWant:
    case Verb::kCredit:
    case Verb::kBye: return size == 0;
  }
  return false;
}

core::Value head_of(const Message& message) {
  core::Value head = core::Value::object();
  head["v"] = std::string(row_of(message.verb).name);
  if (message.verb != Verb::kHello && message.verb != Verb::kBye) head["n"] = message.number;
  switch (message.verb) {
    case Verb::kHello:
      head["p"] = message.protocol;
      head["c"] = message.credit;
      break;
    case Verb::kOffer:
      head["r"] = core::binary(message.root);
      head["z"] = message.size;
      head["i"] = message.inlined;
      head["e"] = message.envelope_size;
      if (!message.admission.empty()) head["a"] = core::binary(message.admission);
      break;
    case Verb::kWant:
    case Verb::kHashes: head["g"] = message.index; break;
    case Verb::kBlock:
      head["b"] = message.index;
      head["o"] = message.offset;
      break;
    case Verb::kCredit:
      head["b"] = message.index;
      head["c"] = message.credit;
      break;
    case Verb::kError:
      head["k"] = std::string(row_of(message.kind).name);
      head["t"] = wire_text(message.text);
      break;
    case Verb::kTake:
    case Verb::kStored:
    case Verb::kAsk:
    case Verb::kTold:
    case Verb::kBye: break;
  }
  return head;
}

}  // namespace

Frames encode_message(Message message) {
  return Frames{core::encode_cbor(head_of(message)), std::move(message.body)};
}

core::Result<Message> decode_message(core::ByteView head, core::Bytes body) {
  if (head.size() > kMaxHead || body.size() > kMaxBody) return malformed("too large");
  const auto value = core::decode_cbor(head, "message", kMaxHead);
  if (!value) return value.error();
  if (!value->is_object()) return malformed("not a map");
  MapReader reader(*value, "message");
  Message out;
  const std::string name = reader.text("v", 16);
  bool known = false;
  for (const auto& row : kVerbs) {
    if (row.name != name) continue;
    out.verb = row.verb;
    known = true;
  }
  if (!known) return malformed("an unknown verb");
  if (out.verb == Verb::kHello) {
    out.protocol = reader.number("p", UINT64_MAX);
    // Looked at first: what else a later protocol says in its hello is not ours to judge.
    if (reader.has("p") && value->at("p").is_number_unsigned() && out.protocol != 1)
      return Error{Code::kUnsupported, "message: a protocol that this program does not know"};
  }
  read_fields(reader, out);
  if (auto status = reader.finish(); !status) return status.error();
  if (!body_fits(out, body.size())) return malformed("a body of the wrong size");
  out.body = std::move(body);
  return out;
}

Kind kind_of(Code code) {
  switch (code) {
    case Code::kUnknownPrekey: return Kind::kUnknownPrekey;
    case Code::kTimeout:
    case Code::kBusy:
    case Code::kUnavailable:
    case Code::kLocked: return Kind::kLater;
    case Code::kRefused: return Kind::kRefused;
    case Code::kNoSpace: return Kind::kNoSpace;
    case Code::kQuota: return Kind::kQuota;
    case Code::kStampNeeded: return Kind::kStamp;
    case Code::kForged: return Kind::kForged;
    case Code::kMalformed: return Kind::kMalformed;
    case Code::kUnsupported: return Kind::kUnsupported;
    case Code::kUsage:
    case Code::kNotFound:
    case Code::kUnknownRecipient:
    case Code::kBug:
    case Code::kExists:
    case Code::kCannotCreate:
    case Code::kIo:
    case Code::kDenied:
    case Code::kWrongPassphrase:
    case Code::kConfig: return Kind::kInternal;
  }
  return Kind::kInternal;
}

Error error_of(Kind kind, const std::string& text) {
  const KindName& row = row_of(kind);
  const std::string name(row.name);
  return Error{row.code, text.empty() ? name : name + ": " + text};
}

}  // namespace p2pmail::net
