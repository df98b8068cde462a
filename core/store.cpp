#include "core/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/file.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kKeysWait{5};
constexpr std::chrono::seconds kKeygenWait{60};  // another keygen stretches a passphrase
constexpr std::uint64_t kPublishAgain = 3600;        // seconds
constexpr std::string_view kNewKeys = "keys.new-";

std::string stamp_of(const Paths& paths) {
  std::string all;
  for (const fs::path& path : {paths.device_keys(), paths.card()}) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) continue;
    all += fmt::format("{}.{}.{} ", info.st_ino, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  }
  return all;
}

Status write_new(const fs::path& path, ByteView bytes) {
  auto fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!fd) return fd.error();
  if (const auto written = write_at(fd->get(), 0, bytes, path); !written) return written;
  return sync_fd(fd->get(), path);
}

DeviceRecord first_record(const DeviceKeys& keys, std::uint64_t stamp_bits, std::uint64_t now) {
  DeviceRecord record;
  record.identity = keys.identity;
  record.device = keys.device;
  record.transport = keys.transport_public;
  record.time = now;
  record.prekeys = {{keys.prekeys.front().key, keys.prekeys.front().created}};
  record.stamp_bits = stamp_bits;
  random_bytes(record.stamp_nonce);
  return record;
}

/// Both key files of one passphrase, sealed; written to `directory`.
Status write_protected(const fs::path& directory, KeyKind kind, ByteView public_key,
                       ByteView secret, const CreateOptions& options) {
  const auto sealed = seal_key(kind, public_key, secret, options.passphrase, options.cost);
  if (!sealed) return sealed.error();
  return write_new(directory / (kind == KeyKind::kIdentity ? "identity" : "store"), *sealed);
}

Status write_keys(const fs::path& directory, const SigningPair& identity, const AgreePair& store,
                  const DeviceKeys& device, const CreateOptions& options) {
  if (const auto one = write_protected(directory, KeyKind::kIdentity, identity.public_key,
                                       identity.secret.view(), options);
      !one)
    return one;
  if (const auto two = write_protected(directory, KeyKind::kStore, store.public_key,
                                       store.secret.view(), options);
      !two)
    return two;
  const std::string text = to_hex(store.public_key) + "\n";
  if (const auto three = write_new(directory / "store.pub", bytes_of(text)); !three) return three;
  if (const auto four = save_device_keys(directory / "device", device); !four) return four;
  return sync_directory(directory);
}

/// An exclusive lock on a file that is there for that; nullopt when another process keeps it.
Result<std::optional<Fd>> lock_on(const fs::path& path, std::chrono::milliseconds wait) {
  auto fd = open_file(path, O_RDWR | O_CREAT, 0600);
  if (!fd) return fd.error();
  const auto locked = lock_file(fd->get(), LockKind::kExclusive, wait, path);
  if (!locked) return locked.error();
  return *locked ? std::optional<Fd>(std::move(*fd)) : std::nullopt;
}

Result<std::optional<Fd>> lock_keys(const Paths& paths, std::chrono::milliseconds wait) {
  return lock_on(paths.root / "keys/lock", wait);
}

Result<StoreKey> load_store_public(const fs::path& path) {
  const auto bytes = read_file(path, 256);
  if (!bytes) return bytes.error();
  std::string text(text_of(*bytes));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const auto raw = from_hex(text);
  if (!raw || raw->size() != StoreKey::kSize)
    return Error{Code::kMalformed, path.string() + ": not a store key"};
  StoreKey key;
  std::ranges::copy(*raw, key.bytes.begin());
  return key;
}

Result<Card> load_card(const fs::path& path, const DeviceKeys& device) {
  const auto bytes = read_file(path, kMaxCardSize);
  if (!bytes) return bytes.error();
  auto card = decode_card(*bytes);
  if (!card) return card.error().in(path.string());
  if (card->identity() != device.identity || card->record_of(device.device) == nullptr)
    return Error{Code::kConfig, path.string() + ": not the card of this device"};
  return card;
}

/// Keys that an interrupted keygen left: nobody was told about them, and they are secrets.
void remove_unborn_keys(const fs::path& root) {
  std::error_code failure, ignored;
  std::vector<fs::path> unborn;
  fs::directory_iterator files(root, failure);
  for (; !failure && files != fs::directory_iterator{}; files.increment(failure))
    if (files->path().filename().string().starts_with(kNewKeys)) unborn.push_back(files->path());
  for (const fs::path& path : unborn) fs::remove_all(path, ignored);
}

/// All directories but the one of the keys.
Status make_places(const Paths& paths) {
  if (const auto made = make_directories(paths.queue()); !made) return made;
  Maildir maildir(paths.mail());
  if (const auto made = maildir.create(); !made) return made;
  for (const char* folder : {".Sent", kRequests, ".Trash"})
    if (const auto made = maildir.create_folder(folder); !made) return made;
  return {};
}

/// Keys and card; the caller holds the lock.
Result<IdentityKey> create_identity(const Paths& paths, const CreateOptions& options,
                                    const Now& now) {
  const SigningPair identity = make_signing_pair();
  const AgreePair store = make_agree_pair();
  IdentityKey address;
  address.bytes = identity.public_key;
  const DeviceKeys device = make_device_keys(address, now.time);
  Roster roster;
  roster.identity = address;
  roster.name = options.name;
  roster.time = now.time;
  roster.devices = {device.device};
  const Card card{sign_roster(roster, identity.secret),
                  {sign_record(first_record(device, options.stamp_bits, now.time), device.signing)}};

  std::array<std::uint8_t, 8> suffix{};
  random_bytes(suffix);
  const fs::path beside = paths.root / (std::string(kNewKeys) + to_hex(suffix));
  const fs::path keys = paths.root / "keys";
  if (const auto made = make_directories(beside); !made) return made.error();
  auto written = write_keys(beside, identity, store, device, options);
  if (written) written = replace_file(paths.card(), encode_card(card));
  if (written && rename(beside.c_str(), keys.c_str()) != 0)
    written = errno_error(errno, keys, "cannot create");
  if (written) written = sync_directory(paths.root);
  if (!written) {
    std::error_code ignored;
    fs::remove_all(beside, ignored);
    return written.error();
  }
  return address;
}

}  // namespace

Result<IdentityKey> create_store(const Paths& paths, const CreateOptions& options, const Now& now) {
  std::error_code ignored;
  const fs::path keys = paths.root / "keys";
  const Error there{Code::kExists, keys.string() + ": there is an identity already",
                    "p2pmail whoami"};
  if (fs::exists(keys, ignored)) return there;
  if (const auto made = make_directories(paths.root); !made) return made.error();
  // The card gets its place before the keys do: of two calls at once the loser must not touch it.
  const auto lock = lock_on(paths.root / "keygen.lock", kKeygenWait);
  if (!lock) return lock.error();
  if (!*lock) return Error{Code::kBusy, "another keygen is at it"};
  if (fs::exists(keys, ignored)) return there;
  remove_unborn_keys(paths.root);
  if (const auto made = make_places(paths); !made) return made.error();
  return create_identity(paths, options, now);
}

Status change_passphrase(const Paths& paths, const SecretBytes* old_passphrase,
                         const SecretBytes* new_passphrase, const KdfCost& cost) {
  struct Change {
    fs::path path;
    Bytes sealed;
  };
  std::vector<Change> changes;
  for (const KeyKind kind : {KeyKind::kIdentity, KeyKind::kStore}) {
    const fs::path path = kind == KeyKind::kIdentity ? paths.identity_key() : paths.store_key();
    const auto key = load_key(kind, path);
    if (!key) {
      // The identity secret may have been moved off the machine.
      if (kind == KeyKind::kIdentity && key.error().code == Code::kNotFound) continue;
      return key.error();
    }
    auto secret = unseal_key(*key, old_passphrase);
    if (!secret) {
      if (new_passphrase != nullptr && unseal_key(*key, new_passphrase)) continue;
      return secret.error().in(path.string());
    }
    auto sealed = seal_key(kind, key->public_key, secret->view(), new_passphrase, cost);
    if (!sealed) return sealed.error();
    changes.push_back({path, std::move(*sealed)});
  }
  for (const Change& change : changes)
    if (const auto saved = replace_file(change.path, change.sealed); !saved) return saved;
  return {};
}

Store::Store(Paths paths, DeviceKeys device, Card card, StoreKey store_public, State state)
    : paths_(std::move(paths)),
      device_(std::move(device)),
      card_(std::move(card)),
      store_public_(store_public),
      maildir_(paths_.mail()),
      state_(std::move(state)),
      journal_(paths_.journal(), state_),
      queue_(paths_.queue(), device_.queue, state_),
      stamp_(stamp_of(paths_)) {}

Result<std::unique_ptr<Store>> Store::open(const Paths& paths, const Now& now) {
  std::error_code ignored;
  if (!fs::exists(paths.root / "keys", ignored))
    return Error{Code::kConfig, paths.root.string() + ": no identity here",
                 "p2pmail keygen --name \"Your Name\""};
  auto device = load_device_keys(paths.device_keys());
  if (!device) return device.error();
  auto card = load_card(paths.card(), *device);
  if (!card) return card.error();
  const auto store_public = load_store_public(paths.store_public());
  if (!store_public) return store_public.error();
  auto state = State::open(paths.root);
  if (!state) return state.error();
  std::unique_ptr<Store> store(new Store(paths, std::move(*device), std::move(*card),
                                         *store_public, std::move(*state)));
  store->recovered_ = store->recover(now);
  return store;
}

Status Store::recover(const Now& now) {
  if (const auto made = maildir_.create(); !made) return made;
  if (const auto made = make_directories(paths_.queue()); !made) return made;
  queue_.drop_orphans(now.time);
  return journal_.recover(maildir_, now.time);
}

Result<bool> Store::refresh() {
  const std::string stamp = stamp_of(paths_);
  if (stamp == stamp_) return false;
  auto device = load_device_keys(paths_.device_keys());
  if (!device) return device.error();
  auto card = load_card(paths_.card(), *device);
  if (!card) return card.error();
  device_ = std::move(*device);
  card_ = std::move(*card);
  stamp_ = stamp;
  return true;
}

// The caller holds the lock on keys and has refreshed. Time is the floor of the sequence number, so that
// a device that came back from a backup is above all that it published before.
Status Store::publish_record(DeviceRecord record) {
  record.sequence = std::max(record.sequence + 1, record.time);
  record.roster_sequence = std::max(record.roster_sequence, card_.roster.value.sequence);
  Card newer = card_;
  const auto merged =
      merge_card(newer, Card{card_.roster, {sign_record(record, device_.signing)}});
  if (!merged) return merged.error();
  if (const auto saved = replace_file(paths_.card(), encode_card(newer)); !saved) return saved;
  card_ = std::move(newer);
  stamp_ = stamp_of(paths_);
  return {};
}

Status Store::upkeep(const Now& now) {
  const auto lock = lock_keys(paths_, {});
  if (!lock) return lock.error();
  if (!*lock) return {};
  if (const auto fresh = refresh(); !fresh) return fresh.error();
  // A killed process may have left secrets that were erased since.
  for (const fs::path& path : {paths_.device_keys(), paths_.identity_key(), paths_.store_key(),
                               paths_.card()})
    remove_leftovers(path);
  const DeviceRecord* current = card_.record_of(device_.device);
  if (current == nullptr) return Error{Code::kConfig, "this device is not on the identity's card"};
  const auto is_published = [&] {
    return current->prekeys.front().key == device_.prekeys.front().key;
  };
  auto changed = copy_device_keys(device_);
  if (!changed) return changed.error();
  const bool must_save = is_published() ? upkeep_prekeys(*changed, now).changed
                                        : restart_succession(*changed, now);
  if (must_save) {
    // The secret is durable before anybody can see its public half; until then it does not count.
    if (const auto saved = save_device_keys(paths_.device_keys(), *changed); !saved) return saved;
    device_ = std::move(*changed);
    stamp_ = stamp_of(paths_);
  }
  if (is_published()) return {};
  const OwnPrekey& newest = device_.prekeys.front();
  DeviceRecord next = *current;
  next.prekeys = {{newest.key, newest.created}};
  next.time = now.time;
  return publish_record(std::move(next));
}

Status Store::change_record(const std::function<void(DeviceRecord&)>& change, const Now& now) {
  const auto lock = lock_keys(paths_, kKeysWait);
  if (!lock) return lock.error();
  if (!*lock) return Error{Code::kBusy, "another process is changing the keys"};
  if (const auto fresh = refresh(); !fresh) return fresh.error();
  const DeviceRecord* current = card_.record_of(device_.device);
  if (current == nullptr) return Error{Code::kConfig, "this device is not on the identity's card"};
  DeviceRecord next = *current;
  change(next);
  if (next == *current) return {};
  next.time = now.time;
  return publish_record(std::move(next));
}

Status Store::advertise(const std::vector<Endpoint>& endpoints, const Now& now) {
  return change_record([&](DeviceRecord& record) { record.endpoints = endpoints; }, now);
}

Result<Shelf*> Store::shelf() {
  if (!shelf_ && !Shelf::exists(paths_.root)) return nullptr;
  return make_shelf();
}

Result<Deposits*> Store::deposits() {
  if (!deposits_ && !Shelf::exists(paths_.root)) return nullptr;
  return make_deposits();
}

Result<Shelf*> Store::make_shelf() {
  if (!shelf_) {
    auto shelf = Shelf::open(paths_.root);
    if (!shelf) return shelf.error();
    shelf_.emplace(std::move(*shelf));
  }
  return &*shelf_;
}

Result<Deposits*> Store::make_deposits() {
  if (!deposits_) {
    auto deposits = Deposits::open(paths_.root, device_.queue);
    if (!deposits) return deposits.error();
    deposits_.emplace(std::move(*deposits));
  }
  return &*deposits_;
}

Status Store::publish_again(const Now& now) {
  const auto lock = lock_keys(paths_, {});
  if (!lock) return lock.error();
  if (!*lock) return {};
  if (const auto fresh = refresh(); !fresh) return fresh.error();
  const DeviceRecord* current = card_.record_of(device_.device);
  if (current == nullptr) return Error{Code::kConfig, "this device is not on the identity's card"};
  if (now.time >= current->time && now.time - current->time < kPublishAgain) return {};
  DeviceRecord next = *current;
  next.time = now.time;
  return publish_record(std::move(next));
}

Result<AgreeSecret> Store::unlock(const SecretBytes* passphrase) const {
  const auto key = load_key(KeyKind::kStore, paths_.store_key());
  if (!key) return key.error();
  const auto secret = unseal_key(*key, passphrase);
  if (!secret) return secret.error().in(paths_.store_key().string());
  return AgreeSecret(secret->view());
}

}  // namespace p2pmail::core
