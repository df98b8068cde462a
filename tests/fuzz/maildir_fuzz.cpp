// Folder names and file names with flags: what is accepted stays inside the Maildir, and changes of
// flags lose nothing.
#include <fstream>

#include "core/maildir.h"
#include "core/text.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

constexpr std::size_t kMaxName = 200;

void check_folder(std::string_view text) {
  const auto folder = Maildir::folder_name(text);
  if (!folder) return;
  demand(folder->size() <= 65 && folder->find('/') == std::string::npos, "one short component");
  demand(!has_controls(*folder) && *folder != "." && *folder != "..", "that is a name");
  demand(*folder == kInbox || (folder->starts_with('.') && !folder->starts_with("..")), "a folder");
  const auto again = Maildir::folder_name(*folder);
  demand(again && *again == *folder, "the name on disk is its own name");
}

void check_file(Maildir& maildir, const std::string& name, const std::string& flags) {
  const auto path = maildir.directory(std::string(kInbox), "cur") / name;
  { std::ofstream(path) << "x"; }
  const auto files = maildir.list(std::string(kInbox));
  demand(files.has_value() && files->size() <= 1, "a folder can be listed");
  if (!files->empty()) {
    const MailFile& file = files->front();
    demand(file.path == path && std::ranges::is_sorted(file.flags), "the file is where it lies");
    const auto changed = maildir.set_flags(file, flags);
    if (changed) demand(changed->unique == file.unique && exists(changed->path), "nothing is lost");
  }
  for (const char* sub : {"cur", "new"})
    for (const auto& left :
         std::filesystem::directory_iterator(maildir.directory(std::string(kInbox), sub)))
      std::filesystem::remove(left.path());
}

}  // namespace

void target(ByteView input) {
  static Maildir maildir(scratch() / "mail");
  static const bool made = maildir.create().has_value();
  demand(made, "a Maildir");
  check_folder(text_of(input));
  FuzzedDataProvider in(input.data(), input.size());
  const std::string flags = in.ConsumeRandomLengthString(10);
  const std::string name = in.ConsumeRandomLengthString(kMaxName);
  const bool possible = !name.empty() && name != "." && name != ".." &&
                        name.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
  if (possible) check_file(maildir, name, flags);
}

}  // namespace p2pmail::fuzz
