// Maildir++ (Bernstein's Maildir, Courier's folders) as a file system structure: names, flags,
// folders, the ladder of delivery. Knows nothing of sealing.
//
//   <root>/{tmp,new,cur}             the inbox, folder name "INBOX"
//   <root>/.<Folder>/{tmp,new,cur}   a folder, with the file `maildirfolder`
//   <root>/.p2pmail/partial/         letters on their way in and out; beside tmp/, because Maildir
//                                    readers may clean that; same file system, so rename works
// A file is "<unique>[:2,<flags>]", flags in ASCII order out of D F P R S T.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"

namespace p2pmail::core {

inline constexpr std::string_view kInbox = "INBOX";
inline constexpr const char* kRequests = ".Requests";  // mail of strangers and of doubtful senders

struct MailFile {
  std::filesystem::path path;
  std::string folder;  // "INBOX", ".Sent", ...: as on disk, with the dot
  std::string unique;  // name without flags
  std::string flags;   // sorted, e.g. "FS"
  bool is_new = false;  // lies in new/
};

class Maildir {
 public:
  explicit Maildir(std::filesystem::path root);

  /// Creates root, inbox, partial directory. Existing ones are fine.
  [[nodiscard]] Status create();
  [[nodiscard]] const std::filesystem::path& root() const { return root_; }
  [[nodiscard]] std::filesystem::path partial() const;

  /// A user's or sender's folder name as on disk: "INBOX" or "." and the name. Accepts "Lists",
  /// ".Lists", "inbox". kUsage for '/', NUL, controls, "..", leading or double dots, "p2pmail", more
  /// than 64 bytes, or invalid UTF-8.
  [[nodiscard]] static Result<std::string> folder_name(std::string_view name);
  [[nodiscard]] std::vector<std::string> folders() const;  // INBOX first, then sorted
  [[nodiscard]] bool has_folder(const std::string& folder) const;
  [[nodiscard]] Status create_folder(const std::string& folder);
  /// <root>[/folder]/<sub>, sub being "new", "cur" or "tmp".
  [[nodiscard]] std::filesystem::path directory(const std::string& folder, const char* sub) const;

  /// A fresh unique name: time.Mmicroseconds+pid+random.host (host without '/' and ':').
  [[nodiscard]] static std::string unique_name(std::uint64_t time);
  /// Moves a complete, already fsynced file into new/ (or cur/ with `flags` when not empty); answers
  /// the directory, which has to be fsynced then: many deliveries share that. A missing `partial` whose target exists means that somebody has finished
  /// this delivery: success. Never overwrites another file: kExists.
  [[nodiscard]] Result<std::filesystem::path> put(const std::filesystem::path& partial,
                                                  const std::string& folder,
                                                  const std::string& unique,
                                                  const std::string& flags) const;
  /// The same for one file, with the fsync.
  [[nodiscard]] Status deliver(const std::filesystem::path& partial, const std::string& folder,
                               const std::string& unique, const std::string& flags);

  /// Files of one folder, in no order. Files with names that are not Maildir's are skipped.
  [[nodiscard]] Result<std::vector<MailFile>> list(const std::string& folder) const;
  /// Renames (new/ becomes cur/). The file may have been renamed meanwhile by another program: it is
  /// then looked for by its unique name once. Answers the file as it is now.
  [[nodiscard]] Result<MailFile> set_flags(const MailFile& file, const std::string& flags) const;
  [[nodiscard]] Result<MailFile> move(const MailFile& file, const std::string& folder) const;
  [[nodiscard]] Status remove(const MailFile& file) const;

 private:
  std::filesystem::path root_;
};

}  // namespace p2pmail::core
