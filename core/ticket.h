// What an offer says beside its envelope, and what is said about a letter that a relay holds.
//
// Admission = CBOR map, at most kMaxAdmission:
//   "s" stamp (number, see core/stamp.h; may be missing)   "v" 1
// and for a deposit at a relay also, all of them:
//   "d" list of deletion hashes (32 each, 1 to 16)   "h" handle (32)   "r" root   "t" tag (16)
//   "z" size of the letter
//
// Everything about a deposit is derived from its envelope key, which only the sender and the
// recipient's devices have, by keyed BLAKE2b-256:
//   relay key       "p2pmail/relay"   key = envelope key
//   handle secret   "p2pmail/handle"  key = relay key;  handle = BLAKE2b-256 "p2pmail/handid" of it
//   deletion secret "p2pmail/delete"  key = relay key, over the device key; its hash = BLAKE2b-256
//                                     "p2pmail/delhash" of it
//   reply key       "p2pmail/reply"   key = relay key
// Tag = first 16 bytes of BLAKE2b-256 "p2pmail/tag" of the relay's identity and the recipient's.
//
// Held ("stored" for a deposit) = CBOR {"u": until (seconds since 1970), "v": 1}.
// Relayed receipt ("stored" to a relay) = CBOR {"d": deletion secret, "r": box of the receipt under
// the reply key, associated data "p2pmail/reply", "v": 1}: the relay learns neither sender nor device.
// Question = CBOR {"h": handle secret, "v": 1, "w": withdraw (bool)}.
// Answer = CBOR {"c": recipient's card (empty but for refused), "r": box of the receipt (empty but for
// delivered), "s": 0 waiting | 1 delivered | 2 refused | 3 gone, "u": until, "v": 1}.
#pragma once

#include <optional>
#include <vector>

#include "core/bytes.h"
#include "core/card.h"
#include "core/crypto.h"
#include "core/result.h"

namespace p2pmail::core {

using Tag = Fixed<struct RelayTag, 16>;

struct Deposit {
  Tag tag;
  Digest handle;
  std::vector<Digest> deletions;
  Root root;
  std::uint64_t size = 0;  // of the sealed stream
};
struct Admission {
  std::optional<std::uint64_t> stamp;
  std::optional<Deposit> deposit;
};
[[nodiscard]] Bytes encode_admission(const Admission& admission);
/// Of no bytes: an empty one. kMalformed, kUnsupported.
[[nodiscard]] Result<Admission> decode_admission(ByteView bytes);

[[nodiscard]] Tag tag_of(const IdentityKey& relay, const IdentityKey& recipient);
[[nodiscard]] SymmetricKey relay_key_of(const SymmetricKey& envelope_key);
[[nodiscard]] SymmetricKey handle_secret_of(const SymmetricKey& relay_key);
[[nodiscard]] Digest handle_of(ByteView handle_secret);
[[nodiscard]] SymmetricKey deletion_secret_of(const SymmetricKey& relay_key, const DeviceKey& device);
[[nodiscard]] Digest deletion_hash_of(ByteView deletion_secret);

[[nodiscard]] Bytes encode_held(std::uint64_t until);
[[nodiscard]] Result<std::uint64_t> decode_held(ByteView bytes);

struct RelayedReceipt {
  Digest deletion_hash;  // of the secret that was shown
  Bytes sealed;          // the receipt, for the sender
};
[[nodiscard]] Bytes encode_relayed_receipt(const SymmetricKey& relay_key, const DeviceKey& device,
                                           ByteView receipt);
[[nodiscard]] Result<RelayedReceipt> decode_relayed_receipt(ByteView bytes);
/// nullopt when it was not sealed for this deposit.
[[nodiscard]] std::optional<Bytes> open_relayed_receipt(const SymmetricKey& relay_key,
                                                        ByteView sealed);

struct HeldQuestion {
  Digest handle;
  bool withdraw = false;
};
[[nodiscard]] Bytes encode_question(const SymmetricKey& relay_key, bool withdraw);
[[nodiscard]] Result<HeldQuestion> decode_question(ByteView bytes);

enum class HeldState : std::uint8_t { kWaiting = 0, kDelivered = 1, kRefused = 2, kGone = 3 };
struct HeldAnswer {
  HeldState state = HeldState::kGone;
  std::uint64_t until = 0;
  Bytes receipt;  // sealed
  Bytes card;
};
[[nodiscard]] Bytes encode_answer(const HeldAnswer& answer);
[[nodiscard]] Result<HeldAnswer> decode_answer(ByteView bytes);

}  // namespace p2pmail::core
