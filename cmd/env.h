// What a command may use of the world: streams, places, clock, terminal, store. Everything is a
// field, so that tests run commands in-process with pipes and a clock of their own.
//
// Output appears only on success: print() collects, and run() writes it when the command succeeded.
// Commands that stream or report while they work use write(), after everything that can be checked
// has been checked.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cmd/settings.h"
#include "core/keys.h"
#include "core/result.h"
#include "core/secret.h"
#include "core/store.h"

namespace p2pmail::cmd {

struct Env {
  // Descriptors, not owned.
  int in = 0;
  int out = 1;
  int err = 2;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  std::size_t width = 0;      // columns of the terminal on `out`; 0 = lines are not cut
  std::string notify_socket;  // of the service manager that started us (cmd/notify.h), or empty

  core::Paths paths;
  std::filesystem::path settings_file;
  Variables variables;
  std::string program = "p2pmail";  // what other programs call us by
  std::filesystem::path runtime;    // where plaintext may lie for a moment: in memory
  std::string login;                // the user's name on this machine; empty = not known
  std::function<core::Now()> clock = core::read_clocks;
  const std::atomic<bool>* stop = nullptr;  // set by a signal handler: end soon
  /// Asks for a secret on the terminal, without echo. Empty, or an answer of kLocked = no terminal.
  std::function<core::Result<core::SecretBytes>(const std::string& prompt)> ask;

  /// Asks a question of yes or no on the terminal. Empty, or nullopt = nobody answers.
  std::function<std::optional<bool>(const std::string& question)> confirm;

  // Options common to all commands.
  bool quiet = false;
  bool verbose = false;
  bool json = false;

  Settings settings;  // loaded by run() for commands that need the store

  /// Takes away the line that stands on the terminal (cmd/progress.h); set while there may be one.
  std::function<void()> clear_line;

  bool out_closed = false;  // the reader of `out` has gone: nothing more to say, no complaint

  /// Reads the settings; called by run() before open_store(). kConfig.
  [[nodiscard]] core::Status read_settings();
  /// Opens the store; called by run() for commands that need it.
  [[nodiscard]] core::Status open_store();
  /// Only after open_store().
  [[nodiscard]] core::Store& store();
  [[nodiscard]] bool stopped() const { return stop != nullptr && stop->load(); }

  /// Collects text for `out`.
  void print(std::string_view text) { pending_ += text; }
  [[nodiscard]] core::Status flush();
  /// What was collected, then these bytes, at once.
  [[nodiscard]] core::Status write(core::ByteView bytes);
  /// One line on stderr ("p2pmail: text"), cleaned. Not with --quiet.
  void note(std::string_view text);
  /// The same, only with --verbose.
  void detail(std::string_view text);

 private:
  std::string pending_;
  std::unique_ptr<core::Store> store_;
};

/// All of `text` to a descriptor; failures are ignored (there is nobody left to tell).
void write_best_effort(int fd, std::string_view text);

/// NOTIFY_SOCKET, which is taken out of the environment: no program that we start is the service.
[[nodiscard]] std::string take_notify_socket();

/// P2PMAIL_HOME, else $XDG_DATA_HOME/p2pmail, else ~/.local/share/p2pmail. kConfig without any.
[[nodiscard]] core::Result<core::Paths> find_paths();
/// "p2pmail" when $PATH leads to this very program, else its whole path.
[[nodiscard]] std::string find_program();
/// $XDG_RUNTIME_DIR/p2pmail, else /dev/shm/p2pmail-UID: both in memory. Not made here.
[[nodiscard]] std::filesystem::path find_runtime();
/// $P2PMAIL_HOME/config, else $XDG_CONFIG_HOME/p2pmail/config, else ~/.config/p2pmail/config.
[[nodiscard]] std::filesystem::path find_settings();
[[nodiscard]] Variables read_variables();

}  // namespace p2pmail::cmd
