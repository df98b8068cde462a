// Key files: protected keys, and the device file with its checksum made to fit.
#include "core/cbor.h"
#include "core/keys.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

void check_key(KeyKind kind, ByteView input) {
  const auto key = parse_key(kind, input);
  if (!key) return;
  demand(key->kind == kind && key->bytes.size() == input.size(), "a parsed key is the file");
  const auto secret = unseal_key(*key, nullptr);
  if (key->needs_passphrase) demand(!secret && secret.error().code == Code::kLocked, "locked");
  if (!secret) return;
  const auto again = seal_key(kind, key->public_key, secret->view(), nullptr, KdfCost{});
  demand(again && *again == to_bytes(input), "a key in the open seals to its file");
}

void check_device(ByteView bytes) {
  auto keys = decode_device_keys(bytes);
  if (!keys) return;
  const SecretBytes again = encode_device_keys(*keys);
  demand(equal_secret(again.view(), bytes), "device keys encode to their file");
  for (std::uint64_t day = 0; day < 200; day += 60) {
    const Now now{test::kTestTime + day * 86400, day * 86400, {1}};
    (void)upkeep_prekeys(*keys, now);
    demand(!keys->prekeys.empty(), "there is always a prekey");
    const SecretBytes kept = encode_device_keys(*keys);
    demand(decode_device_keys(kept.view()).has_value(), "upkeep leaves keys that can be read");
  }
}

}  // namespace

void target(ByteView input) {
  check_key(KeyKind::kIdentity, input);
  check_key(KeyKind::kStore, input);
  check_device(input);
  auto map = decode_cbor(input, "device keys");
  if (!map || !map->is_object()) return;
  map->erase("c");
  (*map)["c"] = binary(hash(Context{"p2pmail/devfile"}, {encode_cbor(*map)}));
  check_device(encode_cbor(*map));
}

}  // namespace p2pmail::fuzz
