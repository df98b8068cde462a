// The p2pmail program: process-wide settings, then cmd::run.
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>

#include "cmd/env.h"
#include "cmd/report.h"
#include "cmd/run.h"
#include "cmd/terminal.h"

namespace {

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set by a signal handler");

void set_up_process() {
  // Secrets must not end in a core file, nor be read by another process of the user.
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__)  // its leak check must be able to trace the process
  prctl(PR_SET_DUMPABLE, 0);
#endif
  umask(077);
  struct sigaction action {};
  action.sa_handler = [](int) { stop = true; };  // without SA_RESTART: waits must return
  sigaction(SIGTERM, &action, nullptr);
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second ^C ends at once
  sigaction(SIGINT, &action, nullptr);
  action.sa_flags = 0;
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace p2pmail;
  set_up_process();
  cmd::Env env;
  env.in_is_terminal = isatty(env.in) == 1;
  env.out_is_terminal = isatty(env.out) == 1;
  env.err_is_terminal = isatty(env.err) == 1;
  env.width = env.out_is_terminal ? cmd::terminal_width(env.out) : 0;
  env.notify_socket = cmd::take_notify_socket();
  env.stop = &stop;
  env.ask = cmd::ask_terminal;
  env.confirm = cmd::confirm_terminal;
  auto paths = cmd::find_paths();
  if (!paths) return cmd::report(env, paths.error());
  env.paths = *paths;
  env.settings_file = cmd::find_settings();
  env.variables = cmd::read_variables();
  env.program = cmd::find_program();
  env.runtime = cmd::find_runtime();
  if (const passwd* user = getpwuid(getuid()); user != nullptr) env.login = user->pw_name;
  return cmd::run(env, cmd::command_words(std::vector<std::string>(argv, argv + argc)));
}
