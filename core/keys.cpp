#include "core/keys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "core/cbor.h"
#include "core/deadline.h"
#include "core/file.h"
#include "core/letter.h"
#include "core/text.h"
#include "core/wiped.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

constexpr Context kDeviceFile{"p2pmail/devfile"};
constexpr Context kKeyTest{"p2pmail/keytest"};
constexpr std::string_view kAssociated = "p2pmail/keyfile";
constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kBoxOverhead = kXNonceSize + kTagSize;
constexpr std::uint64_t kKdfUnit = 1024;            // Argon2 counts memory in KiB
constexpr std::uint64_t kMinKdfMemory = 8192;       // libsodium's own minimum
constexpr std::array<std::uint8_t, 16> kNoBoot{};

/// Wipes every byte string of a value at the end of the scope, however deep (the codec bounds it).
class WipedTree {
 public:
  explicit WipedTree(Value& root) : root_(root) {}
  WipedTree(const WipedTree&) = delete;
  WipedTree& operator=(const WipedTree&) = delete;
  ~WipedTree() { clear(root_); }

 private:
  static void clear(Value& value) {
    if (value.is_binary()) wipe(value.get_binary());
    if (value.is_structured())
      for (Value& inner : value) clear(inner);
  }
  Value& root_;
};

Error malformed(const char* what, const char* why) {
  return {Code::kMalformed, std::string(what) + ": " + why};
}

/// A whole file that nobody but its owner can touch; looked at and read through one descriptor.
Result<SecretBytes> read_private_file(const fs::path& path) {
  // O_NONBLOCK: a FIFO in the place of a key must not hang us.
  const auto fd = open_file(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return fd.error();
  struct stat info {};
  if (fstat(fd->get(), &info) != 0) return errno_error(errno, path, "cannot stat");
  if (!S_ISREG(info.st_mode)) return Error{Code::kMalformed, path.string() + ": not a file"};
  if ((info.st_mode & 077U) != 0)
    return Error{Code::kDenied, path.string() + ": others may read this key",
                 "chmod 600 " + path.string()};
  if (static_cast<std::uint64_t>(info.st_size) > kMaxCborSize)
    return Error{Code::kMalformed, path.string() + ": too large"};
  SecretBytes bytes(static_cast<std::size_t>(info.st_size));
  const auto got = read_at(fd->get(), 0, bytes.span(), path);
  if (!got) return got.error();
  bytes.shorten(*got);
  return bytes;
}

SecretBytes secret_copy(ByteView from) {
  SecretBytes copy(from.size());
  std::ranges::copy(from, copy.span().begin());
  return copy;
}

/// public_of only reads the second half of the secret; a signature tells whether the seed fits it.
bool signing_fits(const SigningSecret& secret, ByteView public_key) {
  return equal_secret(public_of(secret), public_key) &&
         verify(public_key, kKeyTest, {}, sign(secret, kKeyTest, {}));
}

// ---- the device key file

OwnPrekey make_prekey(std::uint64_t now) {
  AgreePair pair = make_agree_pair();
  OwnPrekey prekey;
  prekey.secret = std::move(pair.secret);
  prekey.key.bytes = pair.public_key;
  prekey.created = std::min(now, kMaxTime);
  return prekey;
}

Value to_map(const OwnPrekey& prekey) {
  return Value{{"b", binary(prekey.observed_boot_id)},
               {"o", prekey.observed_boot_time},
               {"s", binary(prekey.secret.view())},
               {"t", prekey.created},
               {"x", prekey.superseded}};
}

Value to_map(const DeviceKeys& keys) {
  Value prekeys = Value::array();
  for (const OwnPrekey& prekey : keys.prekeys) prekeys.push_back(to_map(prekey));
  return Value{{"i", binary(keys.identity)},       {"k", std::move(prekeys)},
               {"q", binary(keys.queue.view())},   {"s", binary(keys.signing.view())},
               {"u", binary(keys.transport.view())}, {"v", 1u}};
}

Digest checksum_of(const Value& map) {
  Bytes bytes = encode_cbor(map);
  const WipedBytes wiped(bytes);
  return hash(kDeviceFile, {bytes});
}

Result<OwnPrekey> read_prekey(const Value& map) {
  MapReader in(map, "prekey");
  OwnPrekey prekey;
  in.fill("b", prekey.observed_boot_id);
  prekey.observed_boot_time = in.number("o", kMaxTime);
  in.fill("s", prekey.secret.span());
  prekey.created = in.number("t", kMaxTime);
  prekey.superseded = in.number("x", kMaxTime);
  if (Status status = in.finish(); !status) return status.error();
  prekey.key.bytes = public_of(prekey.secret);
  return prekey;
}

void read_prekeys(MapReader& in, DeviceKeys& keys) {
  std::set<PrekeyPublic> seen;
  for (const Value& element : in.list("k", kMaxPrekeySecrets)) {
    auto prekey = read_prekey(element);
    if (!prekey) return in.fail(prekey.error().context);
    if (!seen.insert(prekey->key).second) return in.fail("a prekey twice");
    if ((prekey->superseded == 0) != keys.prekeys.empty())
      return in.fail("the first prekey, and no other, is the current one");
    keys.prekeys.push_back(std::move(*prekey));
  }
  if (keys.prekeys.empty()) in.fail("no prekeys");
}

Result<DeviceKeys> read_device_keys(const Value& map) {
  MapReader in(map, "device keys");
  const std::uint64_t version = in.number("v", UINT64_MAX);
  if (version > 1) return Error{Code::kUnsupported, "device keys: a newer version"};
  if (version == 0) in.fail("no version");
  DeviceKeys keys;
  const auto checksum = in.fixed<Digest>("c");
  keys.identity = in.fixed<IdentityKey>("i");
  read_prekeys(in, keys);
  in.fill("q", keys.queue.span());
  in.fill("s", keys.signing.span());
  in.fill("u", keys.transport.span());
  if (Status status = in.finish(); !status) return status.error();
  Value again = to_map(keys);
  const WipedTree wiped(again);
  if (checksum_of(again) != checksum) return malformed("device keys", "damaged");
  keys.device.bytes = public_of(keys.signing);
  keys.transport_public.bytes = public_of(keys.transport);
  if (!signing_fits(keys.signing, keys.device))
    return Error{Code::kForged, "device keys: the signing key's halves do not fit"};
  return keys;
}

// ---- prekey upkeep

bool is_due(const OwnPrekey& prekey, const Now& now) {
  return prekey.superseded != 0 && prekey.superseded + kPrekeyKeep <= now.time;
}

/// Seen due once before, and an hour of running machine ago.
bool confirmed(const OwnPrekey& prekey, const Now& now) {
  return Observation{prekey.observed_boot_id, prekey.observed_boot_time}.is_confirmed(now);
}

/// An observation counts only while it holds: what a clock said that has been set back since is
/// forgotten, or two wrong hours years apart would do what one cannot.
bool note_due(std::vector<OwnPrekey>& prekeys, const Now& now) {
  bool noted = false;
  for (OwnPrekey& prekey : prekeys) {
    const bool due = is_due(prekey, now);
    if (due == (prekey.observed_boot_id != kNoBoot)) continue;
    prekey.observed_boot_id = due ? now.boot_id : kNoBoot;
    prekey.observed_boot_time = due ? std::min(now.boot_time, kMaxTime) : 0;
    noted = true;
  }
  return noted;
}

/// The oldest confirmed one: they stand newest first.
bool erase_one(std::vector<OwnPrekey>& prekeys, const Now& now) {
  const auto it = std::find_if(prekeys.rbegin(), prekeys.rend(), [&](const OwnPrekey& prekey) {
    return is_due(prekey, now) && confirmed(prekey, now);
  });
  if (it == prekeys.rend()) return false;
  prekeys.erase(std::prev(it.base()));
  return true;
}

bool rotate(std::vector<OwnPrekey>& prekeys, const Now& now) {
  if (prekeys.size() >= kMaxPrekeySecrets) return false;  // old mail before new secrets
  if (!prekeys.empty()) {
    OwnPrekey& current = prekeys.front();
    const std::uint64_t end = current.created + kPrekeyPeriod;
    const bool from_the_future = current.created > now.time + kPrekeyPeriod;
    if (end > now.time && !from_the_future) return false;
    // Which of the two clocks was wrong is unknown: the later time erases nothing too early.
    current.superseded = std::min(std::max(now.time, end), kMaxTime);
  }
  prekeys.insert(prekeys.begin(), make_prekey(now.time));
  return true;
}

// ---- protected keys

std::string_view name_of(KeyKind kind) {
  switch (kind) {
    case KeyKind::kIdentity: return "identity";
    case KeyKind::kStore: return "store";
  }
  return {};
}

std::size_t secret_size(KeyKind kind) {
  return kind == KeyKind::kIdentity ? SigningSecret::kSize : AgreeSecret::kSize;
}

bool fits(KeyKind kind, ByteView secret, ByteView public_key) {
  if (secret.size() != secret_size(kind) || public_key.size() != 32) return false;
  if (kind == KeyKind::kIdentity) return signing_fits(SigningSecret(secret), public_key);
  return equal_secret(public_of(AgreeSecret(secret)), public_key);
}

Bytes associated_data(KeyKind kind, ByteView public_key) {
  Bytes out = to_bytes(bytes_of(kAssociated));
  append(out, bytes_of(name_of(kind)));
  append(out, public_key);
  return out;
}

/// A protected file taken apart: either `open` or the rest.
struct KeyFile {
  std::array<std::uint8_t, 32> public_key{};
  bool is_open = false;
  SecretBytes open;
  Bytes box;
  Bytes salt;
  KdfCost cost;
};

Status read_secret_part(const Value& map, KeyKind kind, KeyFile& file) {
  MapReader in(map, "key: secret part");
  const std::size_t size = secret_size(kind);
  file.is_open = in.has("o");
  if (file.is_open) {
    file.open = SecretBytes(size);
    in.fill("o", file.open.span());
    return in.finish();
  }
  file.box = in.bytes("b", size + kBoxOverhead, size + kBoxOverhead);
  file.cost.memory = in.number("m", kMaxKdfMemory);
  if (file.cost.memory < kMinKdfMemory || file.cost.memory % kKdfUnit != 0)
    in.fail("\"m\" is too small or not whole KiB");
  file.cost.passes = in.number("p", kMaxKdfPasses);
  if (file.cost.passes < 1) in.fail("\"p\" is zero");
  file.salt = in.bytes("s", kSaltSize, kSaltSize);
  return in.finish();
}

Result<KeyFile> read_key_file(KeyKind kind, ByteView bytes) {
  auto map = decode_cbor(bytes, "key");
  if (!map) return map.error();
  const WipedTree wiped(*map);
  if (!map->is_object() || !map->contains("s")) return malformed("key", "no secret part");
  Value secret = std::move((*map)["s"]);
  const WipedTree wiped_secret(secret);
  map->erase("s");
  MapReader in(*map, "key");
  const std::uint64_t version = in.number("v", UINT64_MAX);
  if (version > 1) return Error{Code::kUnsupported, "key: a newer version"};
  if (version == 0) in.fail("no version");
  if (in.text("k", 16) != name_of(kind)) in.fail("it is a key of another kind");
  KeyFile file;
  in.fill("p", file.public_key);
  if (Status status = in.finish(); !status) return status.error();
  if (Status status = read_secret_part(secret, kind, file); !status) return status.error();
  return file;
}

Result<Value> seal_secret(KeyKind kind, ByteView public_key, ByteView secret,
                          const SecretBytes* passphrase, const KdfCost& cost) {
  if (passphrase == nullptr) return Value{{"o", binary(secret)}};
  if (passphrase->size() == 0) return Error{Code::kUsage, "an empty passphrase"};
  std::array<std::uint8_t, kSaltSize> salt{};
  random_bytes(salt);
  const std::uint64_t memory = cost.memory - cost.memory % kKdfUnit;
  const auto key = stretch_passphrase(passphrase->view(), salt, cost.passes, memory);
  if (!key) return key.error();
  return Value{{"b", binary(box_seal(*key, associated_data(kind, public_key), secret))},
               {"m", memory},
               {"p", cost.passes},
               {"s", binary(salt)}};
}

}  // namespace

Now read_clocks() {
  Now now;
  struct timespec at {};
  if (clock_gettime(CLOCK_REALTIME, &at) == 0 && at.tv_sec > 0)
    now.time = static_cast<std::uint64_t>(at.tv_sec);
  if (clock_gettime(CLOCK_BOOTTIME, &at) == 0)
    now.boot_time = static_cast<std::uint64_t>(at.tv_sec);
  // Without /proc the boot id stays zero, and upkeep erases nothing.
  const fs::path path = "/proc/sys/kernel/random/boot_id";
  const auto fd = open_file(path, O_RDONLY);
  if (!fd) return now;
  std::array<std::uint8_t, 64> raw{};
  const auto got = read_at(fd->get(), 0, raw, path);
  if (!got) return now;
  std::string text(text_of(ByteView(raw).first(*got)));
  std::erase_if(text, [](char c) { return c == '-' || c == '\n'; });
  const auto id = from_hex(text);
  if (id && id->size() == now.boot_id.size()) std::ranges::copy(*id, now.boot_id.begin());
  return now;
}

const OwnPrekey* DeviceKeys::prekey(const PrekeyPublic& key) const {
  const auto it = std::ranges::find(prekeys, key, &OwnPrekey::key);
  return it == prekeys.end() ? nullptr : &*it;
}

DeviceKeys make_device_keys(const IdentityKey& identity, std::uint64_t now) {
  SigningPair signing = make_signing_pair();
  AgreePair transport = make_agree_pair();
  DeviceKeys keys;
  keys.signing = std::move(signing.secret);
  keys.device.bytes = signing.public_key;
  keys.transport = std::move(transport.secret);
  keys.transport_public.bytes = transport.public_key;
  keys.queue = make_symmetric_key();
  keys.identity = identity;
  keys.prekeys.push_back(make_prekey(now));
  return keys;
}

SecretBytes encode_device_keys(const DeviceKeys& keys) {
  Value map = to_map(keys);
  const WipedTree wiped_map(map);
  map["c"] = binary(checksum_of(map));
  Bytes bytes = encode_cbor(map);
  const WipedBytes wiped(bytes);
  return secret_copy(bytes);
}

Result<DeviceKeys> decode_device_keys(ByteView bytes) {
  auto map = decode_cbor(bytes, "device keys");
  if (!map) return map.error();
  const WipedTree wiped(*map);
  return read_device_keys(*map);
}

Status save_device_keys(const fs::path& path, const DeviceKeys& keys) {
  return replace_file(path, encode_device_keys(keys).view(), 0600);
}

Result<DeviceKeys> load_device_keys(const fs::path& path) {
  const auto bytes = read_private_file(path);
  if (!bytes) return bytes.error();
  auto keys = decode_device_keys(bytes->view());
  if (!keys) return keys.error().in(path.string());
  return keys;
}

PrekeyUpkeep upkeep_prekeys(DeviceKeys& keys, const Now& now) {
  PrekeyUpkeep done;
  if (now.boot_id != kNoBoot) {
    done.erased = erase_one(keys.prekeys, now);
    done.changed = note_due(keys.prekeys, now);
  }
  done.rotated = rotate(keys.prekeys, now);
  done.changed = done.changed || done.erased || done.rotated;
  return done;
}

bool restart_succession(DeviceKeys& keys, const Now& now) {
  if (keys.prekeys.size() < 2) return false;
  OwnPrekey& before = keys.prekeys[1];
  const std::uint64_t later = std::max(before.superseded, std::min(now.time, kMaxTime));
  if (later == before.superseded && before.observed_boot_id == kNoBoot) return false;
  before.superseded = later;
  before.observed_boot_id = kNoBoot;
  before.observed_boot_time = 0;
  return true;
}

Result<DeviceKeys> copy_device_keys(const DeviceKeys& keys) {
  return decode_device_keys(encode_device_keys(keys).view());
}

Result<Bytes> seal_key(KeyKind kind, ByteView public_key, ByteView secret,
                       const SecretBytes* passphrase, const KdfCost& cost) {
  if (!fits(kind, secret, public_key))
    return Error{Code::kForged, "key: the secret does not fit the public key"};
  auto part = seal_secret(kind, public_key, secret, passphrase, cost);
  if (!part) return part.error();
  Value map{{"k", std::string(name_of(kind))}, {"p", binary(public_key)}, {"v", 1u}};
  const WipedTree wiped(map);
  map["s"] = std::move(*part);
  return encode_cbor(map);
}

Result<ProtectedKey> parse_key(KeyKind kind, ByteView bytes) {
  const auto file = read_key_file(kind, bytes);
  if (!file) return file.error();
  return ProtectedKey{kind, file->public_key, !file->is_open, secret_copy(bytes)};
}

Result<ProtectedKey> load_key(KeyKind kind, const fs::path& path) {
  const auto bytes = read_private_file(path);
  if (!bytes) return bytes.error();
  auto key = parse_key(kind, bytes->view());
  if (!key) return key.error().in(path.string());
  return key;
}

Result<SecretBytes> unseal_key(const ProtectedKey& key, const SecretBytes* passphrase) {
  auto file = read_key_file(key.kind, key.bytes.view());
  if (!file) return file.error();
  if (!file->is_open) {
    if (passphrase == nullptr) return Error{Code::kLocked, "key: it needs a passphrase"};
    const auto stretched = stretch_passphrase(passphrase->view(), file->salt, file->cost.passes,
                                              file->cost.memory);
    if (!stretched) return stretched.error();
    auto opened = box_open(*stretched, associated_data(key.kind, file->public_key), file->box);
    if (!opened) return Error{Code::kWrongPassphrase, "the passphrase does not open the key"};
    file->open = std::move(*opened);
  }
  if (!fits(key.kind, file->open.view(), file->public_key))
    return Error{Code::kForged, "key: the secret does not fit its public key"};
  return std::move(file->open);
}

}  // namespace p2pmail::core
