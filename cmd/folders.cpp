// p2pmail folders: lists the folders with how many messages they hold.
#include <fmt/format.h>

#include <algorithm>

#include "cmd/command.h"
#include "cmd/format.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Status;

namespace {

// JSON: {"folder", "total", "unread"}
Status run_folders(Env& env) {
  core::Maildir& maildir = env.store().maildir();
  const auto folders = maildir.folders();
  std::size_t width = 0;
  for (const auto& folder : folders)
    width = std::max(width, core::columns(core::clean_line(folder)));
  for (const auto& folder : folders) {
    auto files = maildir.list(folder);
    if (!files) return files.error();
    const auto unread = std::count_if(files->begin(), files->end(), [](const core::MailFile& file) {
      return file.flags.find('S') == std::string::npos;
    });
    const std::string name = core::clean_line(folder);
    env.print(
        env.json
            ? json_line("folder", {{"folder", name}, {"total", files->size()}, {"unread", unread}})
            : fmt::format("{}  {:>6}  {:>6} unread\n", padded(name, width), files->size(), unread));
  }
  return {};
}

}  // namespace

Action add_folders(CLI::App&) { return run_folders; }

}  // namespace p2pmail::cmd
