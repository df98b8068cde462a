#include "cmd/env.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "core/file.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Status;

namespace {

// An inherited descriptor may be non-blocking: then we wait for it instead of losing output.
bool wait_writable(int fd) {
  pollfd item{fd, POLLOUT, 0};
  return poll(&item, 1, -1) >= 0 || errno == EINTR;
}

/// 0 or the errno that ended it.
int write_all(int fd, core::ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN && wait_writable(fd)) {
      continue;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

Status Env::open_store() {
  if (store_) return {};
  auto opened = core::Store::open(paths, clock());
  if (!opened) return opened.error();
  store_ = std::move(opened).value();
  return {};
}

Status Env::read_settings() {
  auto loaded = load_settings(settings_file, variables);
  if (!loaded) return loaded.error();
  settings = std::move(*loaded);
  return {};
}

core::Store& Env::store() {
  core::check(store_ != nullptr);
  return *store_;
}

Status Env::flush() {
  const std::string text = std::move(pending_);
  pending_.clear();
  if (!text.empty() && clear_line) clear_line();
  const int failure = write_all(out, core::bytes_of(text));
  if (failure == 0) return {};
  out_closed = failure == EPIPE;
  return core::errno_error(failure, "standard output", "cannot write");
}

Status Env::write(core::ByteView bytes) {
  if (auto flushed = flush(); !flushed) return flushed;
  if (clear_line) clear_line();
  const int failure = write_all(out, bytes);
  if (failure == 0) return {};
  out_closed = failure == EPIPE;
  return core::errno_error(failure, "standard output", "cannot write");
}

void Env::note(std::string_view text) {
  if (quiet) return;
  if (clear_line) clear_line();
  write_best_effort(err, "p2pmail: " + core::clean_line(text) + "\n");
}

void Env::detail(std::string_view text) {
  if (verbose) note(text);
}

void write_best_effort(int fd, std::string_view text) { (void)write_all(fd, core::bytes_of(text)); }

namespace {

std::filesystem::path from(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string take_notify_socket() {
  const char* value = std::getenv("NOTIFY_SOCKET");
  std::string socket = value == nullptr ? "" : value;
  unsetenv("NOTIFY_SOCKET");
  return socket;
}

core::Result<core::Paths> find_paths() {
  if (const auto home = from("P2PMAIL_HOME"); !home.empty()) {
    return core::Paths{std::filesystem::absolute(home)};
  }
  // The XDG specification: a relative path is invalid and ignored.
  if (const auto data = from("XDG_DATA_HOME"); data.is_absolute()) {
    return core::Paths{data / "p2pmail"};
  }
  if (const auto home = from("HOME"); home.is_absolute()) {
    return core::Paths{home / ".local/share/p2pmail"};
  }
  return Error{Code::kConfig, "neither P2PMAIL_HOME nor HOME is set", ""};
}

std::string find_program() {
  constexpr const char* kName = "p2pmail";
  std::error_code failure;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failure);
  if (failure) return kName;
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  for (std::string directory; std::getline(directories, directory, ':');) {
    const auto candidate = std::filesystem::path(directory) / kName;
    if (!directory.empty() && std::filesystem::exists(candidate, failure)) {
      return std::filesystem::equivalent(candidate, self, failure) ? kName : self.string();
    }
  }
  return self.string();
}

std::filesystem::path find_runtime() {
  const auto runtime = from("XDG_RUNTIME_DIR");
  if (runtime.is_absolute()) return runtime / "p2pmail";
  return "/dev/shm/p2pmail-" + std::to_string(getuid());
}

std::filesystem::path find_settings() {
  if (const auto home = from("P2PMAIL_HOME"); !home.empty()) {
    return std::filesystem::absolute(home) / "config";
  }
  const auto config = from("XDG_CONFIG_HOME");
  return (config.is_absolute() ? config : from("HOME") / ".config") / "p2pmail/config";
}

Variables read_variables() {
  Variables variables;
  variables.home = from("P2PMAIL_HOME");
  variables.p2pmail_pager = from("P2PMAIL_PAGER");
  variables.pager = from("PAGER");
  variables.has_pager = std::getenv("PAGER") != nullptr;
  return variables;
}

}  // namespace p2pmail::cmd
