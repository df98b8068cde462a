#include "cmd/keyring.h"

#include <keyutils.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "core/crypto.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::AgreeSecret;
using core::Code;
using core::Error;
using core::Result;
using core::SecretBytes;
using core::Status;

namespace {

constexpr const char* kKind = "user";
// For the user, not only for whoever happens to hold a link to the keyring: a session keyring that
// is not linked to it (systemd's user services) still finds the key. keyctl_setperm(3).
constexpr key_perm_t kPermissions =
    KEY_POS_ALL | KEY_USR_VIEW | KEY_USR_READ | KEY_USR_WRITE | KEY_USR_SEARCH | KEY_USR_SETATTR;

std::string description_of(const core::StoreKey& store) {
  return "p2pmail:store:" + core::to_hex(store.bytes);
}

Error unavailable(const char* what) {
  const int number = errno;
  return Error{Code::kUnavailable,
               std::string("the kernel keyring ") + what + ": " + std::strerror(number), ""};
}

key_serial_t find(const core::StoreKey& store) {
  return static_cast<key_serial_t>(
      keyctl_search(KEY_SPEC_USER_KEYRING, kKind, description_of(store).c_str(), 0));
}

}  // namespace

Status keep_store_key(const core::StoreKey& store, const AgreeSecret& secret,
                      std::chrono::seconds timeout) {
  // Made anew each time: an old one may have expired, and then it cannot be changed any more.
  if (auto forgotten = forget_store_key(store); !forgotten) return forgotten.error();
  const key_serial_t key = add_key(kKind, description_of(store).c_str(), secret.view().data(),
                                   secret.view().size(), KEY_SPEC_USER_KEYRING);
  if (key < 0) return unavailable("does not take the key");
  const auto seconds = static_cast<unsigned>(
      std::clamp<std::chrono::seconds::rep>(timeout.count(), 1, 366L * 86400));
  // A key without its bound must not stay.
  if (keyctl_set_timeout(key, seconds) == 0 && keyctl_setperm(key, kPermissions) == 0) return {};
  const Error failure = unavailable("sets no time limit");
  keyctl_revoke(key);
  return failure;
}

std::optional<AgreeSecret> kept_store_key(const core::StoreKey& store) {
  const key_serial_t key = find(store);
  if (key < 0) return std::nullopt;
  SecretBytes bytes(AgreeSecret::kSize);
  const long size = keyctl_read(key, reinterpret_cast<char*>(bytes.span().data()), bytes.size());
  if (size != static_cast<long>(bytes.size())) return std::nullopt;
  AgreeSecret secret(bytes.view());
  const auto fits = core::public_of(secret);
  if (!std::equal(fits.begin(), fits.end(), store.bytes.begin())) return std::nullopt;
  return secret;
}

Result<bool> forget_store_key(const core::StoreKey& store) {
  const key_serial_t key = find(store);
  if (key < 0) return false;
  // Revoked: unreadable at once, even for whoever has found it already. Then out of sight.
  if (keyctl_revoke(key) != 0) return unavailable("does not revoke the key");
  keyctl_unlink(key, KEY_SPEC_USER_KEYRING);
  return true;
}

}  // namespace p2pmail::cmd
