#include "cmd/passphrase.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>

#include "cmd/keyring.h"
#include "cmd/terminal.h"
#include "core/crypto.h"
#include "core/file.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::SecretBytes;

void add_passphrase_options(CLI::App& app, PassphraseOptions& options) {
  auto* file =
      app.add_option("--passphrase-file", options.file, "File whose first line is the passphrase")
          ->type_name("FILE");
  app.add_option("--passphrase-fd", options.fd, "Descriptor to read the passphrase from")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 20))
      ->excludes(file);
}

namespace {

// Byte by byte, so that a descriptor may hold more lines for somebody else.
Result<SecretBytes> first_line(int fd, const std::string& subject) {
  SecretBytes line(kMaxPassphrase + 1);
  std::size_t size = 0;
  std::uint8_t letter = 0;
  while (true) {
    const ssize_t count = read(fd, &letter, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return core::errno_error(errno, subject, "cannot read the passphrase");
    if (count == 0 || letter == '\n') break;
    if (size == kMaxPassphrase) {
      return Error{Code::kUsage,
                   fmt::format("{}: a passphrase has at most {} bytes", subject, kMaxPassphrase),
                   ""};
    }
    line.span()[size++] = std::exchange(letter, std::uint8_t{0});
  }
  if (size > 0 && line.view()[size - 1] == '\r') --size;
  if (size == 0) return Error{Code::kUsage, subject + ": the passphrase is empty", ""};
  line.shorten(size);
  return line;
}

Error nobody_to_ask() {
  return Error{Code::kLocked, "a passphrase is needed and there is no terminal to ask on",
               "p2pmail unlock, or use --passphrase-file FILE or --passphrase-fd N"};
}

Result<SecretBytes> ask(Env& env, const std::string& prompt) {
  if (!env.ask) return nobody_to_ask();
  auto answer = env.ask(prompt);
  const bool nobody = !answer && answer.error().code == Code::kLocked && !env.stopped();
  if (nobody && answer.error().hint.empty()) {
    return Error{Code::kLocked, answer.error().context, nobody_to_ask().hint};
  }
  return answer;
}

Result<SecretBytes> from_options(const PassphraseOptions& options) {
  return options.file.empty() ? read_passphrase_fd(options.fd) : read_passphrase_file(options.file);
}

}  // namespace

Result<SecretBytes> read_passphrase_file(const std::string& path) {
  auto file = core::open_file(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (!file) return file.error();
  return first_line(file->get(), path);
}

Result<SecretBytes> read_passphrase_fd(int fd) {
  return first_line(fd, fmt::format("descriptor {}", fd));
}

Result<SecretBytes> old_passphrase(Env& env, const PassphraseOptions& options) {
  return options.given() ? from_options(options) : ask(env, "Passphrase: ");
}

Result<SecretBytes> new_passphrase(Env& env, const PassphraseOptions& options) {
  if (options.given()) return from_options(options);
  auto first = ask(env, "New passphrase: ");
  if (!first) return first;
  if (first->size() == 0) {
    return Error{Code::kUsage, "the passphrase is empty", "use --no-passphrase to have none"};
  }
  auto second = ask(env, "The same again: ");
  if (!second) return second;
  if (!core::equal_secret(first->view(), second->view())) {
    return Error{Code::kUsage, "the two passphrases differ", ""};
  }
  return first;
}

Result<core::AgreeSecret> unlock_store(Env& env, const PassphraseOptions& options) {
  auto open = env.store().unlock(nullptr);
  if (open || open.error().code != Code::kLocked) return open;
  if (!options.given()) {
    if (auto kept = kept_store_key(env.store().store_public())) return std::move(*kept);
  }
  auto passphrase = old_passphrase(env, options);
  if (!passphrase) return passphrase.error();
  return env.store().unlock(&*passphrase);
}

}  // namespace p2pmail::cmd
