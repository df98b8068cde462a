// Capsules as they come, and maps that were signed and sealed after the damage.
#include "core/capsule.h"
#include "core/cbor.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

StoreKey store_key() {
  StoreKey key;
  key.bytes = store_pair().public_key;
  return key;
}

/// The format's own steps, but over any map.
std::optional<Bytes> sealed(ByteView input) {
  auto map = decode_cbor(input, "capsule", kMaxCapsule);
  if (!map || !map->is_object()) return std::nullopt;
  map->erase("s");
  const Digest digest = hash(Context{"p2pmail/verdict"}, {encode_cbor(*map)});
  (*map)["s"] = binary(sign(bob().devices[0].signing, Context{"p2pmail/verdict"}, digest));
  const Bytes plain = encode_cbor(*map);
  const AgreePair ephemeral = make_agree_pair();
  const auto shared = agree(ephemeral.secret, store_key());
  SymmetricKey key;
  keyed_hash(key.span(), Context{"p2pmail/capsule"}, shared->view(),
             {ephemeral.public_key, store_key()});
  Bytes out(32 + plain.size() + kTagSize);
  std::copy(ephemeral.public_key.begin(), ephemeral.public_key.end(), out.begin());
  aead_seal(ByteSpan(out).subspan(32), key, {}, {}, plain);
  return out;
}

void check_capsule(const Capsule& capsule, std::size_t size) {
  demand(sealed_capsule_size(capsule) == size, "the size is known before");
  const auto again = seal_capsule(capsule, store_key(), bob().devices[0]);
  demand(again && again->size() == size, "what was opened can be sealed");
  const auto opened = open_capsule(*again, store_pair().secret, store_key());
  demand(opened && opened->subject == capsule.subject && opened->bcc == capsule.bcc, "and opened");
  const bool proved = verify_capsule(capsule, bob().card).has_value();
  demand(proved == verify_capsule(*opened, bob().card).has_value(), "it proves the same");
  if (proved)
    demand(capsule.id == message_id(capsule.payload_key, capsule.sender, capsule.root),
           "its id is the derived one");
}

}  // namespace

void target(ByteView input) {
  (void)open_capsule(input, store_pair().secret, store_key());
  const auto bytes = sealed(input);
  if (!bytes) return;
  const auto capsule = open_capsule(*bytes, store_pair().secret, store_key());
  if (capsule) check_capsule(*capsule, bytes->size());
}

}  // namespace p2pmail::fuzz
