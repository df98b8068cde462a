// Where a passphrase comes from: a file or descriptor named by option, else the terminal. Never
// argv, never the environment, never stdin unless --passphrase-fd 0 says so.
#pragma once

#include <optional>
#include <string>

#include "cmd/env.h"
#include "core/result.h"
#include "core/secret.h"

namespace CLI {
class App;
}

namespace p2pmail::cmd {

struct PassphraseOptions {
  std::string file;
  int fd = -1;
  [[nodiscard]] bool given() const { return !file.empty() || fd >= 0; }
};
/// --passphrase-file and --passphrase-fd, which exclude each other.
void add_passphrase_options(CLI::App& app, PassphraseOptions& options);

/// The first line, without its end. kUsage when empty or longer than kMaxPassphrase.
[[nodiscard]] core::Result<core::SecretBytes> read_passphrase_file(const std::string& path);
[[nodiscard]] core::Result<core::SecretBytes> read_passphrase_fd(int fd);

/// From the options, else asked once. kLocked at once when there is nobody to ask.
[[nodiscard]] core::Result<core::SecretBytes> old_passphrase(Env& env,
                                                             const PassphraseOptions& options);
/// From the options, else asked twice.
[[nodiscard]] core::Result<core::SecretBytes> new_passphrase(Env& env,
                                                             const PassphraseOptions& options);
/// The store key: in the open, by the options' passphrase, as `unlock` keeps it, or asked for.
[[nodiscard]] core::Result<core::AgreeSecret> unlock_store(Env& env,
                                                           const PassphraseOptions& options);

}  // namespace p2pmail::cmd
