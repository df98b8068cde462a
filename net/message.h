// Messages of the protocol: one CBOR head frame (strict, core/cbor.h, at most kMaxHead) and at most
// one body frame (at most kMaxBody). Bytes only; no sockets.
//
//   verb "v"  other head fields                       body            meaning
//   hello     "p" 1 (protocol), "c" credit            card, or - of    first from both sides, once
//                                                     a nameless dialer
//   offer     "n", "r" root, "z" size, "i" bool       envelope, and with "i" the whole letter after it:
//             "e" size of the envelope in the body
//             "a" admission, may be missing
//   take      "n"                                     -               send it (asked for hash lists first)
//   want      "n", "g" group + 1, or 0 for groups     -               ask for a hash list
//   hashes    "n", "g"                                concatenated    its answer
//   block     "n", "b" index, "o" offset in it        a piece of it   as the credit asks
//   credit    "n", "b" first, "c" how many            -               send these blocks, after the others
//   stored    "n"                                     receipt, or -   safely stored; - when the receipt
//                                                     that came last covers this letter too
//   error     "n" (0 = the conversation), "k" kind, "t" text          a refusal; with kind
//             "unknown-prekey" the body is the receiver's current card
//   ask       "n"                                     question        about letters that a relay holds
//   told      "n"                                     answer          its answer
//   bye       -                                       -               I have nothing more to send
//
// "n" is the number of the offer or question, chosen by its side, ascending from 1 in each direction.
// Kinds: unknown-prekey, later, refused, too-large, no-space, quota, stamp, forged, malformed,
// unsupported, internal. Texts are at most 200 bytes and never shown uncleaned.
#pragma once

#include <optional>
#include <string>

#include "core/bytes.h"
#include "core/result.h"

namespace p2pmail::net {

inline constexpr std::size_t kMaxHead = 1024;
inline constexpr std::size_t kMaxInline = 64 * 1024;         // letter bytes inside an offer
inline constexpr std::size_t kMaxBody = 256 * 1024;          // envelope and letter
/// Blocks go in pieces, so that a small mail never waits behind a whole one. All are of this size but the
/// last of a block.
inline constexpr std::size_t kPiece = 128 * 1024;

enum class Verb {
  kHello, kOffer, kTake, kWant, kHashes, kBlock, kCredit, kStored, kError, kBye, kAsk, kTold
};
enum class Kind {
  kUnknownPrekey, kLater, kRefused, kTooLarge, kNoSpace, kQuota, kStamp, kForged, kMalformed,
  kUnsupported, kInternal
};

/// One message. Fields that a verb does not use are zero and are not on the wire.
struct Message {
  Verb verb = Verb::kBye;
  std::uint64_t number = 0;    // "n"
  std::uint64_t protocol = 1;  // hello
  std::uint64_t credit = 0;    // hello: offers it takes before it answered; credit "c": blocks
  core::Root root;             // offer
  std::uint64_t size = 0;      // offer
  bool inlined = false;        // offer
  std::uint64_t envelope_size = 0;  // offer
  core::Bytes admission;       // offer; empty = none
  std::uint64_t index = 0;     // block, credit "b"; want, hashes "g"
  std::uint64_t offset = 0;    // block "o"
  Kind kind = Kind::kInternal;  // error
  std::string text;            // error
  core::Bytes body;            // empty = no body frame
};

/// The two frames as they go on the wire.
struct Frames {
  core::Bytes head;
  core::Bytes body;  // empty = one frame only
};
[[nodiscard]] Frames encode_message(Message message);
/// kMalformed for anything that breaks the table above or a bound; kUnsupported for protocol != 1.
[[nodiscard]] core::Result<Message> decode_message(core::ByteView head, core::Bytes body);

[[nodiscard]] Kind kind_of(core::Code code);
[[nodiscard]] core::Error error_of(Kind kind, const std::string& text);

}  // namespace p2pmail::net
