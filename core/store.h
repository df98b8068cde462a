// The store of one identity on one device: keys, card, Maildir, queue, journal, state, under one
// directory:
//
//   keys/{identity,device,store,store.pub}   card   mail/   queue/   journal   state.db   seen.db
//   relay.db   relay/   (once this node is a relay or uses one)
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/card.h"
#include "core/deposits.h"
#include "core/journal.h"
#include "core/keys.h"
#include "core/maildir.h"
#include "core/queue.h"
#include "core/result.h"
#include "core/shelf.h"
#include "core/state.h"

namespace p2pmail::core {

struct Paths {
  std::filesystem::path root;
  [[nodiscard]] std::filesystem::path identity_key() const { return root / "keys/identity"; }
  [[nodiscard]] std::filesystem::path device_keys() const { return root / "keys/device"; }
  [[nodiscard]] std::filesystem::path store_key() const { return root / "keys/store"; }
  [[nodiscard]] std::filesystem::path store_public() const { return root / "keys/store.pub"; }
  [[nodiscard]] std::filesystem::path card() const { return root / "card"; }
  [[nodiscard]] std::filesystem::path mail() const { return root / "mail"; }
  [[nodiscard]] std::filesystem::path queue() const { return root / "queue"; }
  [[nodiscard]] std::filesystem::path journal() const { return root / "journal"; }
};

struct CreateOptions {
  std::string name;                         // display name, may be empty
  const SecretBytes* passphrase = nullptr;  // null = keys in the open, at the user's word
  KdfCost cost;
  std::uint64_t stamp_bits = 0;  // asked of strangers
};
/// A new identity, device and store. kExists when there is any key already. The directory of keys
/// appears by one rename, so that an interrupted call leaves no half of an identity.
[[nodiscard]] Result<IdentityKey> create_store(const Paths& paths, const CreateOptions& options,
                                               const Now& now);
/// Re-seals keys/identity and keys/store. May be run again after an interruption: a key that opens
/// with the new passphrase already is left as it is. Null = no passphrase.
[[nodiscard]] Status change_passphrase(const Paths& paths, const SecretBytes* old_passphrase,
                                       const SecretBytes* new_passphrase, const KdfCost& cost);

class Store {
 public:
  /// kConfig ("no identity here", hint "p2pmail keygen") when there is none. Recovers interrupted
  /// deliveries as far as that is possible; the store opens all the same, so that one can read and
  /// make room on a full disk.
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(const Paths& paths, const Now& now);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// What went wrong when interrupted deliveries were recovered on opening: for whoever delivers.
  [[nodiscard]] const Status& recovered() const { return recovered_; }
  [[nodiscard]] const Paths& paths() const { return paths_; }
  [[nodiscard]] const IdentityKey& identity() const { return device_.identity; }
  [[nodiscard]] const DeviceKeys& device() const { return device_; }
  [[nodiscard]] const Card& card() const { return card_; }
  [[nodiscard]] const StoreKey& store_public() const { return store_public_; }
  [[nodiscard]] Maildir& maildir() { return maildir_; }
  [[nodiscard]] State& state() { return state_; }
  [[nodiscard]] Journal& journal() { return journal_; }
  [[nodiscard]] Queue& queue() { return queue_; }

  /// What this node holds for others, and what relays hold of ours (relay.db): null as long as nobody
  /// has ever made it. Owned by the store.
  [[nodiscard]] Result<Shelf*> shelf();
  [[nodiscard]] Result<Deposits*> deposits();
  [[nodiscard]] Result<Shelf*> make_shelf();
  [[nodiscard]] Result<Deposits*> make_deposits();

  /// Reads keys and card again when another process has replaced them. True when it has.
  [[nodiscard]] Result<bool> refresh();
  /// Prekey rotation and erasure (core/keys.h), then a new device record if one is due. Serialised
  /// between processes; a busy lock is not an error (somebody else does it).
  [[nodiscard]] Status upkeep(const Now& now);
  /// Publishes a new device record with what `change` makes of the current one; nothing happens when
  /// that is the same.
  [[nodiscard]] Status change_record(const std::function<void(DeviceRecord&)>& change,
                                     const Now& now);
  /// The same for these endpoints.
  [[nodiscard]] Status advertise(const std::vector<Endpoint>& endpoints, const Now& now);
  /// For a device that came back from a backup: others hold a newer record of it, with prekeys whose
  /// secrets are gone, and their mail cannot be opened. Publishes the current record above that one, at
  /// most once an hour; nothing happens while another process changes the keys.
  [[nodiscard]] Status publish_again(const Now& now);
  /// Opens keys/store. kLocked, kWrongPassphrase.
  [[nodiscard]] Result<AgreeSecret> unlock(const SecretBytes* passphrase) const;

 private:
  Store(Paths paths, DeviceKeys device, Card card, StoreKey store_public, State state);
  [[nodiscard]] Status recover(const Now& now);
  [[nodiscard]] Status publish_record(DeviceRecord record);
  Paths paths_;
  DeviceKeys device_;
  Card card_;
  StoreKey store_public_;
  Maildir maildir_;
  State state_;
  Journal journal_;
  Queue queue_;
  std::optional<Shelf> shelf_;
  std::optional<Deposits> deposits_;
  Status recovered_;
  std::string stamp_;  // identity and mtime of key and card files, for refresh
};

}  // namespace p2pmail::core
