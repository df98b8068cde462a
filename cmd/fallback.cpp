#include "cmd/fallback.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <thread>

#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kMaxDomain = 253;  // RFC 1035 section 2.3.4
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kLikeOurKey = 45;  // a key has 56 characters; some may be missing
constexpr std::string_view kSpecial[] = {"alt",     "onion", "local",      "localhost", "invalid",
                                         "test",    "arpa",  "internal",   "home",      "lan",
                                         "p2pmail", "p2p",   "localdomain"};

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= kMaxLabel && label.front() != '-' &&
         label.back() != '-' && std::all_of(label.begin(), label.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

std::string lower(std::string_view text) {
  std::string all(text);
  for (char& c : all)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return all;
}

std::vector<std::string> words_for(const std::string& command, const std::string& sender,
                                   const std::vector<std::string>& recipients) {
  std::vector<std::string> words{"sh", "-c", command + " \"$@\"", "sh"};
  if (!sender.empty()) words.insert(words.end(), {"-f", sender});
  words.emplace_back("--");
  words.insert(words.end(), recipients.begin(), recipients.end());
  return words;
}

/// In the child.
[[noreturn]] void become(const Env& env, int input, std::vector<std::string>& words) {
  dup2(input, 0);
  dup2(env.err, 1);
  dup2(env.err, 2);
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (const int number : {SIGPIPE, SIGINT, SIGTERM}) sigaction(number, &usual, nullptr);
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execv("/bin/sh", arguments.data());
  _exit(127);
}

}  // namespace

bool is_old_world(std::string_view address) {
  const auto at = address.rfind('@');
  if (at == 0 || at == std::string_view::npos || core::has_controls(address)) return false;
  if (address.find_first_of(" \t<>()[],;:\\\"") != std::string_view::npos || address[0] == '-') {
    return false;
  }
  const std::string domain = lower(address.substr(at + 1));
  if (domain.size() > kMaxDomain || domain.find('.') == std::string::npos) return false;
  std::string last;
  for (std::size_t start = 0; start <= domain.size();) {
    const auto end = std::min(domain.find('.', start), domain.size());
    last = domain.substr(start, end - start);
    if (!is_label(last) || last.size() >= kLikeOurKey || last == "p2pmail") return false;
    start = end + 1;
  }
  const bool is_number = last.find_first_not_of("0123456789") == std::string::npos;
  return !is_number && last.size() >= 2 &&
         std::find(std::begin(kSpecial), std::end(kSpecial), last) == std::end(kSpecial);
}

Result<Fallback> Fallback::start(const Env& env, const std::string& sender,
                                 const std::vector<std::string>& recipients) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return core::errno_error(errno, "fallback_sendmail", "no pipe");
  core::Fd reading(ends[0]), writing(ends[1]);
  // Only our end: the command may expect its input to block.
  fcntl(writing.get(), F_SETFL, O_NONBLOCK);
  auto words = words_for(env.settings.fallback_sendmail, sender, recipients);
  const pid_t child = fork();
  if (child < 0) return core::errno_error(errno, "fallback_sendmail", "cannot start");
  if (child == 0) become(env, reading.get(), words);
  return Fallback(child, std::move(writing));
}

Fallback::Fallback(Fallback&& other) noexcept
    : child_(std::exchange(other.child_, -1)), input_(std::move(other.input_)) {}

Fallback::~Fallback() {
  if (child_ < 0) return;
  // Killed before its input ends: half a message must never look like a whole one.
  kill(child_, SIGKILL);
  while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) continue;
}

Status Fallback::write(core::ByteView bytes) {
  const auto deadline = Clock::now() + kFallbackPatience;
  while (!bytes.empty()) {
    const ssize_t count = ::write(input_.get(), bytes.data(), bytes.size());
    if (count > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      if (Clock::now() >= deadline)
        return Error{Code::kTimeout, "fallback_sendmail does not read", ""};
      pollfd item{input_.get(), POLLOUT, 0};
      poll(&item, 1, 500);
    } else if (errno != EINTR) {
      // Why is in its exit status.
      auto ended = finish();
      if (!ended) return ended;
      return Error{Code::kUnavailable, "fallback_sendmail did not read the whole message", ""};
    }
  }
  return {};
}

Status Fallback::outcome(int status) const {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  const std::string how = WIFEXITED(status) ? fmt::format("exited with {}", WEXITSTATUS(status))
                                            : fmt::format("ended by signal {}", WTERMSIG(status));
  return Error{Code::kUnavailable, "fallback_sendmail " + how + "; nothing was sent to anybody",
               "p2pmail config fallback_sendmail"};
}

Status Fallback::finish() {
  input_ = core::Fd();
  const auto deadline = Clock::now() + kFallbackPatience;
  while (child_ >= 0) {
    int status = 0;
    const pid_t ended = waitpid(child_, &status, WNOHANG);
    if (ended == child_ || (ended < 0 && errno != EINTR)) {
      child_ = -1;
      return outcome(status);
    }
    if (Clock::now() >= deadline)
      return Error{Code::kTimeout, "fallback_sendmail does not end", ""};
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  return {};
}

}  // namespace p2pmail::cmd
