// Receipts: signed by the receiving device, "this letter is safely stored". Never answered by a
// receipt.
//
// CBOR map {"b": body, "s": signature}, context "p2pmail/receipt". Body = CBOR map:
//   "d" receiving device   "e" envelope hash   "f" sender's identity   "o" outcome (0 stored)
//   "r" root   "t" time (at most kMaxTime)   "to" recipient's identity   "v" 1
// For several letters that were stored together, "v" is 2 and "l" has the others: root and envelope hash
// of each, 64 bytes. One signature costs as much as the rest of a small letter's way to the disk.
#pragma once

#include <span>
#include <vector>

#include "core/bytes.h"
#include "core/card.h"
#include "core/crypto.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::size_t kMaxReceiptLetters = 128;
inline constexpr std::size_t kMaxReceipt = 1024 + 64 * kMaxReceiptLetters;

enum class Outcome : std::uint8_t { kStored = 0 };

struct Receipt {
  IdentityKey sender;
  IdentityKey recipient;
  DeviceKey device;
  Root root;
  Digest envelope;
  Outcome outcome = Outcome::kStored;
  std::uint64_t time = 0;
  struct Letter {
    Root root;
    Digest envelope;
  };
  std::vector<Letter> others;  // at most kMaxReceiptLetters - 1

  /// Whether it covers the letter in one of these envelopes.
  [[nodiscard]] bool covers(const Root& letter, std::span<const Digest> envelopes) const;
};
[[nodiscard]] Bytes sign_receipt(const Receipt& receipt, const SigningSecret& device);
/// Verifies the signature by the receipt's own device; whether that device belongs to the
/// recipient is for the caller to check against the recipient's card.
[[nodiscard]] Result<Receipt> decode_receipt(ByteView bytes);

}  // namespace p2pmail::core
