// p2pmail seal: seals standard input to one's own store key, as text. For a mail program's drafts
// (pgp_encrypt_only_command); `unseal` reads it back.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <memory>

#include "cmd/armored.h"
#include "cmd/command.h"
#include "core/file.h"
#include "core/outbox.h"

namespace p2pmail::cmd {

using core::Status;

namespace {

/// All of a descriptor, in pieces.
Status pour(int fd, const std::string& name, const core::Sink& sink) {
  core::Bytes piece(64 * 1024);
  while (true) {
    const ssize_t count = ::read(fd, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return core::errno_error(errno, name, "cannot read");
    if (count == 0) return {};
    if (auto put = sink(core::ByteView(piece).first(static_cast<std::size_t>(count))); !put) {
      return put;
    }
  }
}

Status run_seal(Env& env, const std::string& path) {
  core::Fd file;
  if (path != "-") {
    auto opened = core::open_file(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (!opened) return opened.error();
    file = std::move(*opened);
  }
  const int fd = path == "-" ? env.in : file.get();
  const ScratchFile sealed(env);
  auto done = core::seal_part(
      env.store(), sealed.path(),
      [&](const core::Sink& sink) { return pour(fd, path == "-" ? "standard input" : path, sink); },
      env.clock());
  if (!done) return done;
  return write_armored(env, sealed.path());
}

}  // namespace

Action add_seal(CLI::App& app) {
  auto path = std::make_shared<std::string>("-");
  app.add_option("file", *path, "What to seal; standard input when none is named")
      ->type_name("FILE");
  return [path](Env& env) { return run_seal(env, *path); };
}

}  // namespace p2pmail::cmd
