// Key files. The passphrases cost as little as libsodium allows.
#include "core/keys.h"
#include "core/text.h"
#include "tests/vectors/make/make.h"

namespace p2pmail::vectors {
namespace {

using core::KeyKind;

constexpr core::KdfCost kCost{.passes = 1, .memory = 8192};
constexpr std::string_view kPassphrase = "Grüße aus Köln";
using Edit = std::function<void(Value&)>;

core::SecretBytes secret_of(std::string_view text) {
  core::SecretBytes out(text.size());
  std::ranges::copy(core::bytes_of(text), out.span().begin());
  return out;
}

struct Pair {
  KeyKind kind;
  const char* name;
  Bytes public_key;
  Bytes secret;
};

Bytes file_of(const Pair& pair, std::string_view passphrase) {
  const auto words = secret_of(passphrase);
  return *core::seal_key(pair.kind, pair.public_key, pair.secret,
                         passphrase.empty() ? nullptr : &words, kCost);
}

void key_case(const Kit& kit, const Pair& pair, std::string_view passphrase) {
  const std::string name = std::string(pair.name) + (passphrase.empty() ? "-open" : "-protected");
  Case out = kit.add("key", name, "ok",
                     passphrase.empty() ? "Without a passphrase." : "With a passphrase.");
  out.text("kind", pair.name).hex("bytes", file_of(pair, passphrase));
  if (!passphrase.empty()) out.text("passphrase", passphrase);
  out.hex("public", pair.public_key).hex("secret", pair.secret);
}

void make_refused(const Kit& kit, const Pair& store, const Pair& identity) {
  reseed("key/store-protected");
  const Bytes sealed = file_of(store, kPassphrase);
  const Bytes open = file_of(store, "");
  const auto edited = [&](const std::string& name, std::string_view expect,
                          std::string_view comment, const Bytes& from, const Edit& edit,
                          const char* kind = "store") {
    Value map = *core::decode_cbor(from, "key");
    edit(map);
    kit.add("key", name, expect, comment)
        .text("kind", kind)
        .hex("bytes", core::encode_cbor(map))
        .text("passphrase", kPassphrase);
  };
  kit.add("key", "wrong-passphrase", "wrong-passphrase", "Another passphrase.")
      .text("kind", "store")
      .hex("bytes", sealed)
      .text("passphrase", "Gruesse aus Koeln");
  kit.add("key", "no-passphrase", "locked", "No passphrase at all.")
      .text("kind", "store")
      .hex("bytes", sealed);
  kit.change("key", "cut", "store-protected", "malformed", "One byte less.",
             "cut: bytes " + std::to_string(sealed.size() - 1));
  kit.change("key", "box", "store-protected", "wrong-passphrase",
             "One bit of the box: nobody can tell that from another passphrase.",
             flip("bytes", sealed, place_of(Bytes{0x61, 'm', 0x19}, sealed) - 1));
  edited(
      "other-kind", "malformed", "A store's key where an identity's is wanted.", open,
      [](Value&) {}, "identity");
  edited(
      "renamed-kind", "malformed", "A store's secret under the name of an identity.", open,
      [](Value& map) { map["k"] = "identity"; }, "identity");
  edited("public-open", "forged", "The public key of somebody else.", open,
         [&](Value& map) { map["p"] = core::binary(identity.public_key); });
  edited("public-protected", "wrong-passphrase",
         "The public key of somebody else, which is associated data.", sealed,
         [&](Value& map) { map["p"] = core::binary(identity.public_key); });
  edited("memory-large", "malformed", "More than 1 GiB of memory.", sealed,
         [](Value& map) { map["s"]["m"] = (1u << 30) + 1024u; });
  edited("memory-small", "malformed", "Less than 8 KiB of memory.", sealed,
         [](Value& map) { map["s"]["m"] = 7168u; });
  edited("memory-unit", "malformed", "Not whole KiB.", sealed,
         [](Value& map) { map["s"]["m"] = 8193u; });
  edited("passes-0", "malformed", "No pass.", sealed, [](Value& map) { map["s"]["p"] = 0u; });
  edited("passes-17", "malformed", "Too many passes.", sealed,
         [](Value& map) { map["s"]["p"] = 17u; });
  edited("open-and-box", "malformed", "Both forms at once.", sealed,
         [&](Value& map) { map["s"]["o"] = core::binary(store.secret); });
  edited("secret-31", "malformed", "A secret of 31 bytes.", open,
         [](Value& map) { map["s"]["o"] = core::binary(Bytes(31)); });
  edited("version-2", "unsupported", "A newer version.", open, [](Value& map) { map["v"] = 2u; });
  edited("unknown-field", "malformed", "An unknown field.", open,
         [](Value& map) { map["z"] = 1u; });
  edited(
      "halves", "forged", "An identity's secret whose seed is another one.", file_of(identity, ""),
      [&](Value& map) {
        Bytes mixed = identity.secret;
        mixed[0] ^= 1U;
        map["s"]["o"] = core::binary(mixed);
      },
      "identity");
}

/// Two prekeys: the older one seen due.
core::DeviceKeys device_keys() {
  reseed("device-keys");
  core::DeviceKeys keys =
      core::make_device_keys(filled<core::IdentityKey>(0x11), core::test::kTestTime);
  core::DeviceKeys other =
      core::make_device_keys(keys.identity, core::test::kTestTime - 100 * 86400);
  other.prekeys[0].superseded = core::test::kTestTime - 93 * 86400;
  other.prekeys[0].observed_boot_time = 5000;
  other.prekeys[0].observed_boot_id.fill(0x77);
  keys.prekeys.push_back(std::move(other.prekeys[0]));
  return keys;
}

/// With the checksum that belongs to it.
Bytes checked(Value map) {
  map.erase("c");
  map["c"] = core::binary(core::hash(core::Context{"p2pmail/devfile"}, {core::encode_cbor(map)}));
  return core::encode_cbor(map);
}

void make_device_files(const Kit& kit) {
  const core::DeviceKeys keys = device_keys();
  const auto encoded = core::encode_device_keys(keys);
  const Bytes bytes = core::to_bytes(encoded.view());
  {
    Case out = kit.add("device-keys", "two-prekeys", "ok", "The older prekey was seen due once.");
    out.hex("bytes", bytes)
        .hex("identity", keys.identity)
        .hex("device", keys.device)
        .hex("transport", keys.transport_public)
        .hex("queue", keys.queue.view());
    for (const auto& prekey : keys.prekeys)
      out.hex("prekey-secret", prekey.secret.view())
          .text("prekey", core::to_hex(prekey.key) + " " + std::to_string(prekey.created) + " " +
                              std::to_string(prekey.superseded));
  }
  const auto edited = [&](const std::string& name, std::string_view expect,
                          std::string_view comment, const Edit& edit) {
    Value map = *core::decode_cbor(bytes, "device keys");
    edit(map);
    kit.add("device-keys", name, expect, comment).hex("bytes", checked(map));
  };
  kit.change("device-keys", "damaged", "two-prekeys", "malformed",
             "One bit of the transport secret: the checksum tells.",
             flip("bytes", bytes, place_of(keys.transport.view(), bytes)));
  edited("halves", "forged", "A signing secret whose seed is another one.", [](Value& map) {
    auto& secret = map["s"].get_binary();
    secret[0] = static_cast<std::uint8_t>(secret[0] ^ 1U);
  });
  edited("prekey-twice", "malformed", "A prekey twice.",
         [](Value& map) { map["k"][1]["s"] = map["k"][0]["s"]; });
  edited("two-current", "malformed", "Two prekeys that nothing has superseded.",
         [](Value& map) { map["k"][1]["x"] = 0u; });
  edited("no-prekeys", "malformed", "No prekey.", [](Value& map) { map["k"] = Value::array(); });
  edited("version-2", "unsupported", "A newer version.", [](Value& map) { map["v"] = 2u; });
}

}  // namespace

void make_keys(const Kit& kit) {
  reseed("keys");
  const auto agree = core::make_agree_pair();
  const auto signing = core::make_signing_pair();
  const Pair store{KeyKind::kStore, "store", core::to_bytes(agree.public_key),
                   core::to_bytes(agree.secret.view())};
  const Pair identity{KeyKind::kIdentity, "identity", core::to_bytes(signing.public_key),
                      core::to_bytes(signing.secret.view())};
  for (const Pair* pair : {&store, &identity}) {
    key_case(kit, *pair, "");
    key_case(kit, *pair, kPassphrase);
  }
  make_refused(kit, store, identity);
  make_device_files(kit);
}

}  // namespace p2pmail::vectors
