// Envelopes as they come, and signed bodies that were signed again after the damage.
#include "core/envelope.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

constexpr Context kEnvelope{"p2pmail/envelope"};

void check_body(const OpenedEnvelope& opened, const IdentityKey& recipient) {
  demand(opened.body.recipient == recipient, "it is addressed to the reader");
  demand(opened.card.identity() == opened.body.sender, "the card is the sender's");
  demand(opened.body.time <= kMaxTime && opened.body.subject.size() <= kMaxSubject, "bounds");
  demand(plain_size(opened.body.size).has_value(), "a letter can have this size");
}

/// What was accepted is sealed again and must open to the same.
void check_sealed_again(const OpenedEnvelope& opened) {
  EnvelopeBody body;
  body.sender = opened.body.sender;
  body.sender_device = opened.body.sender_device;
  body.recipient = opened.body.recipient;
  body.root = opened.body.root;
  body.size = opened.body.size;
  body.time = opened.body.time;
  body.subject = opened.body.subject;
  body.sender_card = opened.body.sender_card;
  body.payload_key = opened.body.payload_key.clone();
  const auto sealed =
      seal_envelope(body, prekeys_of(bob().card), make_agree_pair(), alice().devices[0].signing);
  if (!sealed) return;  // the card may leave no room
  const auto again = open_envelope(*sealed, bob().devices[0]);
  demand(again && again->body.root == body.root && again->body.subject == body.subject,
         "what was accepted can be sealed and opened");
}

}  // namespace

void target(ByteView input) {
  if (const auto opened = open_envelope(input, bob().devices[0])) check_body(*opened, bob().key());
  const Digest header = hash(Context{"p2pmail/envhead"}, {bytes_of("any header")});
  const auto body = signed_again(input, kEnvelope, alice().devices[0].signing, header);
  if (!body) return;
  const auto opened = verify_signed_body(*body, header, bob().key());
  if (!opened) return;
  check_body(*opened, bob().key());
  demand(opened->signed_body == *body, "the signed body is kept as it came");
  check_sealed_again(*opened);
}

}  // namespace p2pmail::fuzz
