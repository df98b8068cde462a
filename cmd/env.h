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
#include <string>
#include <string_view>

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
  std::size_t width = 0;      // columns of the terminal on `out`; 0 = lines are not cut
  std::string pager;          // command for long text on a terminal; empty = none
  std::string notify_socket;  // of the service manager that started us (cmd/notify.h), or empty

  core::Paths paths;
  std::function<core::Now()> clock = core::read_clocks;
  const std::atomic<bool>* stop = nullptr;  // set by a signal handler: end soon
  /// Asks for a secret on the terminal, without echo. Empty, or an answer of kLocked = no terminal.
  std::function<core::Result<core::SecretBytes>(const std::string& prompt)> ask;

  // Options common to all commands.
  bool quiet = false;
  bool verbose = false;
  bool json = false;

  bool out_closed = false;  // the reader of `out` has gone: nothing more to say, no complaint

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

}  // namespace p2pmail::cmd
