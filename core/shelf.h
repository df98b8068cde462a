// The shelf: what this node, as a relay, holds for people its owner chose.
//
//   relay.db              SQLite (WAL, synchronous=FULL): for whom, and every envelope that is held
//   relay/<root>.letter   the sealed stream, once for all its envelopes; <root> is 64 hex digits
//   relay/<root>.leaves   its hash list, for more than one block (core/stream_file.h)
//   relay/<hex>.part      a letter that is just coming; its writer holds a shared flock
//
// Order: stream fsynced, renamed, directory fsynced, then the row: that is the commit, and only then is
// the sender told. A stream without a row was promised to nobody and is removed after an hour. Rows go
// when every device of the owner has shown its deletion secret, or at their end (core/deadline.h); a
// stream goes after the last row that waits for it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "core/keys.h"
#include "core/result.h"
#include "core/ticket.h"

namespace p2pmail::core {

inline constexpr std::uint64_t kRelayQuota = std::uint64_t{1} << 30;  // bytes, the default
inline constexpr std::uint64_t kRelayKeep = 30 * 86400;               // seconds, the default
inline constexpr std::uint64_t kMaxHeld = 10'000;                     // letters and receipts, for one owner

struct RelayOwner {
  IdentityKey identity;
  std::uint64_t quota = kRelayQuota;  // bytes
  std::uint64_t keep = kRelayKeep;    // seconds
  std::uint64_t since = 0;
  std::uint64_t used = 0;     // bytes that wait
  std::uint64_t letters = 0;  // that wait
  std::uint64_t rows = 0;     // these, and the answers that senders have not asked for
};

struct HeldLetter {
  IdentityKey owner;
  Deposit deposit;
  std::uint64_t stamp = 0;
  Bytes envelope;  // as it came
  std::uint64_t since = 0;
  std::uint64_t until = 0;
};

class Shelf {
 public:
  /// Makes relay.db and the directory when they are missing.
  [[nodiscard]] static Result<Shelf> open(const std::filesystem::path& root);
  [[nodiscard]] static bool exists(const std::filesystem::path& root);
  Shelf(Shelf&&) noexcept;
  Shelf& operator=(Shelf&&) noexcept;
  ~Shelf();

  [[nodiscard]] Status allow(const RelayOwner& owner);
  /// Drops what is held for him, too. kNotFound.
  [[nodiscard]] Status revoke(const IdentityKey& owner);
  [[nodiscard]] Result<std::vector<RelayOwner>> owners();

  [[nodiscard]] const std::filesystem::path& directory() const;
  [[nodiscard]] std::filesystem::path letter_path(const Root& root) const;
  [[nodiscard]] std::filesystem::path leaves_path(const Root& root) const;

  /// Until when it is held, under this handle.
  [[nodiscard]] Result<std::optional<std::uint64_t>> until_of(const Digest& handle);
  /// One transaction: all of them are durable, or none. False for one that was not added: its stream
  /// is not there or has another size, its owner was revoked meanwhile, or his quota is used up, and
  /// then a stream that no row waits for is removed. A handle that is there stays as it is.
  [[nodiscard]] Result<std::vector<bool>> add(const std::vector<HeldLetter>& letters);
  /// Handles of what waits for this owner and was not shown to this device, oldest first.
  [[nodiscard]] Result<std::vector<Digest>> waiting(const IdentityKey& owner,
                                                    const DeviceKey& device, std::size_t max);
  [[nodiscard]] Result<std::optional<HeldLetter>> find(const Digest& handle);
  /// A device of the owner has it, and has shown its deletion secret. kForged for a hash that is not
  /// this letter's.
  [[nodiscard]] Status shown(const Digest& handle, const DeviceKey& device,
                             const RelayedReceipt& receipt);
  /// No device of the owner can open it: kept for the sender to be told.
  [[nodiscard]] Status refused(const Digest& handle);
  /// What became of it; withdraws it when asked to.
  [[nodiscard]] Result<HeldAnswer> ask(const HeldQuestion& question);
  /// Drops what has ended, and what a crash has left.
  [[nodiscard]] Status tidy(const Now& now);

 private:
  struct Impl;
  explicit Shelf(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace p2pmail::core
