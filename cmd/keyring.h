// The kernel's keyring (keyrings(7)): holds the store key between commands, so that there is no agent
// process of ours. The key lies in the user keyring, which every session of the user shares, under
// "p2pmail:store:" and the store's public key in hex; the kernel forgets it after its time. The memory
// that holds it belongs to the kernel and is never swapped out.
//
// Anybody who may read keys/store as the user may read it as well: while a store is unlocked, the
// account is what protects it.
#pragma once

#include <chrono>
#include <optional>

#include "core/bytes.h"
#include "core/result.h"
#include "core/secret.h"

namespace p2pmail::cmd {

/// Replaces what is kept for this store. kUnavailable when the kernel has no keyring for us.
[[nodiscard]] core::Status keep_store_key(const core::StoreKey& store,
                                          const core::AgreeSecret& secret,
                                          std::chrono::seconds timeout);
/// nullopt when none is kept, it has expired, or it does not fit the store.
[[nodiscard]] std::optional<core::AgreeSecret> kept_store_key(const core::StoreKey& store);
/// Forgets it at once. True when there was one. kUnavailable when it cannot be taken out.
[[nodiscard]] core::Result<bool> forget_store_key(const core::StoreKey& store);

}  // namespace p2pmail::cmd
