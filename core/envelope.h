// Envelopes: small, one per recipient identity. Opens one letter for that identity's devices and
// proves who sent it.
//
// Envelope = CBOR map {"b": sealed body, "h": header}, at most kMaxEnvelope.
// Header = CBOR map:
//   "c" commitment to the envelope key: BLAKE2b-256, "p2pmail/envcmt", of the key
//   "e" ephemeral X25519 key (32)   "n" envelope salt (16)
//   "s" stanzas: one byte string, 64 bytes each, their number a power of two, 4 to 64
//   "v" 1 (suite)
// For each prekey one stanza: 48 bytes = keyed BLAKE2b ("p2pmail/stanza", key = X25519(ephemeral,
// prekey), over ephemeral, prekey, salt), of which 16 are the stanza's tag and 32 the wrap key; the
// stanza is the tag and the envelope key sealed with ChaCha20-Poly1305 under the wrap key (nonce
// zero, no associated data: 48 bytes). Random stanzas fill up; all are shuffled. An all-zero shared
// secret is refused.
// Sealed body = ChaCha20-Poly1305 under the envelope key (32 random bytes, used once), nonce zero,
// associated data = header bytes, of CBOR map {"b": body, "s": signature}, the signature by the
// sending device under "p2pmail/envelope" over BLAKE2b-256 "p2pmail/envhead" of the header, then
// the body's bytes. Body = CBOR map:
//   "c" sender's card (byte string)      "d" sending device     "f" sender's identity
//   "k" payload key (32)   "m" commitment to it: BLAKE2b-256 "p2pmail/paycmt"
//   "r" letter root   "s" subject (text, at most 256 bytes, may be cut)
//   "t" time (at most kMaxTime)   "to" recipient's identity   "v" 1
//   "z" letter size (one that plain_size accepts)
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/card.h"
#include "core/crypto.h"
#include "core/keys.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::size_t kMaxEnvelope = 128 * 1024;  // a card of 64 KiB fits
inline constexpr std::size_t kMaxSubject = 256;          // bytes of UTF-8
inline constexpr std::size_t kMaxStanzas = 64;

/// A text as the formats here take it: controls and invalid UTF-8 replaced (clean_line) when there
/// are any, then cut to `max` bytes between characters.
[[nodiscard]] std::string fit_text(std::string_view text, std::size_t max);

/// What the sender says and signs. The subject is fitted to kMaxSubject on sealing.
struct EnvelopeBody {
  IdentityKey sender;
  DeviceKey sender_device;
  IdentityKey recipient;
  Root root;
  std::uint64_t size = 0;  // of the sealed stream
  std::uint64_t time = 0;
  std::string subject;
  Bytes sender_card;
  SymmetricKey payload_key;
};

/// One ephemeral key: fresh for each deposit at a relay and each renewal; within one direct
/// conversation it may serve many envelopes, each with its own salt, and then agrees only once with each
/// prekey. Not for several threads.
class Ephemeral {
 public:
  Ephemeral(AgreePair pair) : pair_(std::move(pair)) {}
  [[nodiscard]] const std::array<std::uint8_t, 32>& public_key() const { return pair_.public_key; }
  /// Valid as long as this object, until the next call. kForged as for `agree`.
  [[nodiscard]] Result<const SymmetricKey*> with(const PrekeyPublic& prekey) const;

 private:
  AgreePair pair_;
  mutable std::vector<std::pair<PrekeyPublic, SymmetricKey>> agreed_;
};

/// The receiver's side of that: what the last envelope's ephemeral key and our prekey agreed on. Whoever
/// keeps one forgets it (`reset`) when the letters of the moment are through.
struct LastAgreement {
  std::array<std::uint8_t, 32> ephemeral{};
  PrekeyPublic prekey;
  SymmetricKey shared;
};

/// Seals for these prekeys (1 to kMaxStanzas); `relay_key`, when given, is what a deposit of it at a
/// relay is derived from (core/ticket.h). kForged for a prekey of small order, kMalformed when
/// a number or size is out of bounds.
[[nodiscard]] Result<Bytes> seal_envelope(const EnvelopeBody& body,
                                          std::span<const PrekeyPublic> prekeys,
                                          const Ephemeral& ephemeral,
                                          const SigningSecret& sender_device,
                                          SymmetricKey* relay_key = nullptr);
/// The newest prekey of each usable device of a card.
[[nodiscard]] std::vector<PrekeyPublic> prekeys_of(const Card& card);

/// An envelope that was opened and whose signature was verified against the card inside.
struct OpenedEnvelope {
  EnvelopeBody body;
  Card card;             // the sender's, verified, of body.sender
  Digest header_hash;    // "p2pmail/envhead"
  Digest envelope_hash;  // "p2pmail/envelope" of the whole envelope, for the receipt
  Bytes signed_body;     // the CBOR {"b","s"}: what a capsule keeps. Holds the payload key
  bool device_buried = false;  // the sending device is tombstoned: to .Requests
  SymmetricKey relay_key;      // core/ticket.h; zero from verify_signed_body
};
/// kUnknownPrekey when no prekey of `keys` fits a stanza; kForged, kMalformed, kUnsupported.
/// kForged also when the recipient is not `keys.identity`, and when the sending device is not in
/// the sender's roster (a tombstoned one is reported, not refused).
[[nodiscard]] Result<OpenedEnvelope> open_envelope(ByteView envelope, const DeviceKeys& keys,
                                                   std::optional<LastAgreement>* last = nullptr);
[[nodiscard]] Digest hash_envelope(ByteView envelope);
/// Verifies a kept signed body again (for `show`): signature, card, recipient. The answer's
/// envelope_hash stays zero: the envelope is gone.
[[nodiscard]] Result<OpenedEnvelope> verify_signed_body(ByteView signed_body,
                                                        const Digest& header_hash,
                                                        const IdentityKey& recipient);

}  // namespace p2pmail::core
