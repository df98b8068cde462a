// Words that two people read to each other to make sure that each has the other's real key.
//
// Fingerprint of an identity = the first 64 bits of Argon2id (RFC 9106, version 1.3; 2 passes, 64
// MiB, one lane, 32-byte result, the salt "p2pmail/fprint" zero padded to 16 bytes) of the identity
// key; each byte is one word of the table, first byte first. What is compared is the pair: eight
// words of either identity, those of the smaller key (as bytes) first, so that both sides read the
// same.
//
// Why each identity has words of its own: whoever stands between shows A a key M1 as B's, and B a
// key M2 as A's. The words agree only if M1 has the words of B and M2 those of A: two second
// preimages of 64 bits. Words of the pair as a whole would agree as soon as any M1 and any M2
// collide, which takes the square root of that. And why the hash is slow: making keys costs
// microseconds, so the 2^64 tries have to cost more, about 0.1 s and 64 MiB each; whoever verifies
// pays that twice.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "core/bytes.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::size_t kFingerprintSize = 8;  // bytes, and words
using Fingerprint = Fixed<struct FingerprintTag, kFingerprintSize>;
using PairWords = std::array<std::string_view, 2 * kFingerprintSize>;

/// Takes about 0.1 s and 64 MiB. kUnavailable without the memory.
[[nodiscard]] Result<Fingerprint> fingerprint(const IdentityKey& identity);
/// The same whichever comes first. The keys must differ.
[[nodiscard]] Result<PairWords> words_of_pair(const IdentityKey& one, const IdentityKey& other);

/// 256 words in alphabetical order: lower-case ASCII letters, 4 to 8 of them, no two with the same
/// first four and none that sounds like another.
[[nodiscard]] std::span<const std::string_view, 256> fingerprint_words();

}  // namespace p2pmail::core
