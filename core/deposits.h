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

/// Questions without an answer after which a relay's word does not count any more.
inline constexpr std::uint64_t kMaxSilence = 5;

struct DepositRecord {
  std::string entry;  // of the queue
  Relay relay;        // as the recipient's card named it then
  SymmetricKey relay_key;  // core/ticket.h
  Digest envelope;         // hash, for the receipt
  std::uint64_t since = 0;
  std::uint64_t until = 0;
  std::uint64_t silence = 0;  // questions since the last answer
};

class Deposits {
 public:
  /// Makes relay.db when it is missing. `key` seals the relay keys and is copied.
  [[nodiscard]] static Result<Deposits> open(const std::filesystem::path& root,
                                             const SymmetricKey& key);
  Deposits(Deposits&&) noexcept;
  Deposits& operator=(Deposits&&) noexcept;
  ~Deposits();

  /// Instead of an older one at the same machine.
  [[nodiscard]] Status add(const DepositRecord& record);
  /// In the order in which they were made; a damaged one is left out, which costs a second sending.
  [[nodiscard]] Result<std::vector<DepositRecord>> of(const std::string& entry);
  /// Entries that have any.
  [[nodiscard]] Result<std::vector<std::string>> entries();
  [[nodiscard]] Status forget(const std::string& entry);
  [[nodiscard]] Status forget(const std::string& entry, const TransportKey& relay);
  /// A question had no answer, or had one.
  [[nodiscard]] Status note_silence(const std::string& entry, const TransportKey& relay);
  [[nodiscard]] Status note_answer(const std::string& entry, const TransportKey& relay);

 private:
  struct Impl;
  explicit Deposits(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace p2pmail::core
