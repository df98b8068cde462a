// What relays hold for our recipients: which letter, where, until when, and the key that a receipt
// comes back under. In relay.db, beside the shelf's own tables; when it is lost, letters are sent
// again, and the recipient drops the second copy.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/card.h"
#include "core/crypto.h"
#include "core/result.h"

namespace p2pmail::core {

struct DepositRecord {
  std::string entry;  // of the queue
  IdentityKey relay;
  SymmetricKey relay_key;  // core/ticket.h
  Digest envelope;         // hash, for the receipt
  std::uint64_t since = 0;
  std::uint64_t until = 0;
};

class Deposits {
 public:
  /// Makes relay.db when it is missing. `key` seals the relay keys and is copied.
  [[nodiscard]] static Result<Deposits> open(const std::filesystem::path& root,
                                             const SymmetricKey& key);
  Deposits(Deposits&&) noexcept;
  Deposits& operator=(Deposits&&) noexcept;
  ~Deposits();

  [[nodiscard]] Status add(const DepositRecord& record);
  /// In the order in which they were made.
  [[nodiscard]] Result<std::vector<DepositRecord>> of(const std::string& entry);
  [[nodiscard]] Result<std::vector<DepositRecord>> all();
  [[nodiscard]] Status forget(const std::string& entry);
  [[nodiscard]] Status forget(const std::string& entry, const IdentityKey& relay);

 private:
  struct Impl;
  explicit Deposits(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace p2pmail::core
