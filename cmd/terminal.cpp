#include "cmd/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "core/crypto.h"
#include "core/file.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::SecretBytes;
using core::Status;

namespace {

constexpr std::chrono::minutes kPatience{5};
constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
volatile std::sig_atomic_t caught = 0;

void note_signal(int number) { caught = number; }

/// Holds back the signals that would end or stop us, until the terminal is as it was; then they are
/// raised again, for whoever handled them before.
class SignalGuard {
 public:
  SignalGuard() {
    caught = 0;
    struct sigaction action {};
    action.sa_handler = note_signal;  // without SA_RESTART: poll and read must return
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &before_[i]);
  }
  ~SignalGuard() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      sigaction(kSignals[i], &before_[i], nullptr);
    }
    if (caught != 0) raise(caught);
  }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

 private:
  std::array<struct sigaction, kSignals.size()> before_{};
};

class EchoOff {
 public:
  explicit EchoOff(int fd) : fd_(fd), changed_(tcgetattr(fd, &before_) == 0) {
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (changed_) changed_ = tcsetattr(fd_, TCSAFLUSH, &quiet) == 0;
  }
  ~EchoOff() {
    if (changed_) tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;
  [[nodiscard]] bool works() const { return changed_; }

 private:
  int fd_;
  termios before_{};
  bool changed_;
};

bool wait_for_input(int fd, std::chrono::steady_clock::time_point deadline) {
  pollfd item{fd, POLLIN, 0};
  while (caught == 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    const int ready = poll(&item, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
  return false;
}

Result<SecretBytes> read_line(int fd) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  SecretBytes line(kMaxPassphrase);
  std::size_t size = 0;
  std::uint8_t letter = 0;
  while (wait_for_input(fd, deadline)) {
    const ssize_t count = read(fd, &letter, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 || (count == 0 && size == 0)) break;
    if (count == 0 || letter == '\n') {
      line.shorten(size);
      return line;
    }
    if (size == kMaxPassphrase) return Error{Code::kUsage, "the passphrase is too long", ""};
    line.span()[size++] = std::exchange(letter, std::uint8_t{0});
  }
  return Error{Code::kLocked, caught != 0 ? "interrupted" : "no passphrase was typed", ""};
}

}  // namespace

Result<SecretBytes> ask_terminal(const std::string& prompt) {
  const core::Fd tty(open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!tty) return Error{Code::kLocked, "a passphrase is needed and there is no terminal", ""};
  const SignalGuard signals;
  const EchoOff echo(tty.get());
  if (!echo.works()) return Error{Code::kLocked, "the terminal cannot hide a passphrase", ""};
  write_best_effort(tty.get(), prompt);
  auto line = read_line(tty.get());
  write_best_effort(tty.get(), "\n");
  return line;
}

std::optional<bool> confirm_terminal(const std::string& question) {
  const core::Fd tty(open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!tty) return std::nullopt;
  const SignalGuard signals;
  // A key that was pressed before the question stood there is not its answer.
  tcflush(tty.get(), TCIFLUSH);
  write_best_effort(tty.get(), core::clean_line(question) + " [y/N] ");
  const auto line = read_line(tty.get());
  if (!line) {
    write_best_effort(tty.get(), "\n");
    return std::nullopt;
  }
  std::string word(core::text_of(line->view()));
  const auto first = word.find_first_not_of(" \t"), last = word.find_last_not_of(" \t\r");
  word = first == std::string::npos ? "" : word.substr(first, last - first + 1);
  for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return word == "y" || word == "yes";
}

std::size_t terminal_width(int fd) {
  winsize size{};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

namespace {

/// In the child: the pager on the reading end, or exit 127.
[[noreturn]] void run_pager(const Env& env, int text) {
  dup2(text, 0);
  dup2(env.out, 1);
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (const int number : {SIGPIPE, SIGINT, SIGTERM}) sigaction(number, &usual, nullptr);
  setenv("LESS", "FRX", 0);  // what git does: short text needs no key to leave
  execl("/bin/sh", "sh", "-c", env.settings.pager.c_str(), static_cast<char*>(nullptr));
  _exit(127);
}

}  // namespace

Status page(Env& env, const std::string& text) {
  int ends[2];
  if (!env.out_is_terminal || env.settings.pager.empty() || pipe2(ends, O_CLOEXEC) != 0) {
    return env.write(core::bytes_of(text));
  }
  core::Fd reading(ends[0]), writing(ends[1]);
  const pid_t child = fork();
  if (child < 0) return env.write(core::bytes_of(text));
  if (child == 0) run_pager(env, reading.get());
  reading = core::Fd();
  write_best_effort(writing.get(), text);  // a pager that was left early is no error
  writing = core::Fd();
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  const bool missing =
      WIFEXITED(status) && (WEXITSTATUS(status) == 127 || WEXITSTATUS(status) == 126);
  return missing ? env.write(core::bytes_of(text)) : Status{};
}

}  // namespace p2pmail::cmd
