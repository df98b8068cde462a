// A Maildir as other programs see and change it: names, folders, delivery that never loses or
// replaces a message.
#include "core/maildir.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <set>

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

class MaildirTest : public testing::Test {
 protected:
  MaildirTest() {
    std::string pattern = fs::temp_directory_path() / "maildir-test-XXXXXX";
    base_ = mkdtemp(pattern.data());
    maildir_ = Maildir(base_ / "mail");
    EXPECT_TRUE(maildir_.create());
  }
  ~MaildirTest() override {
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }
  fs::path put(const fs::path& path, const std::string& content = "x") {
    std::ofstream(path) << content;
    return path;
  }
  fs::path partial(const std::string& name, const std::string& content = "x") {
    return put(maildir_.partial() / name, content);
  }
  static std::string content(const fs::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::vector<MailFile> list(const std::string& folder = "INBOX") {
    auto files = maildir_.list(folder);
    EXPECT_TRUE(files);
    return files ? *files : std::vector<MailFile>{};
  }
  MailFile deliver(const std::string& unique, const std::string& flags = "") {
    EXPECT_TRUE(maildir_.deliver(partial(unique), "INBOX", unique, flags));
    for (const MailFile& file : list())
      if (file.unique == unique) return file;
    ADD_FAILURE() << unique << " was not delivered";
    return {};
  }
  Code deliver_error(const fs::path& from, const std::string& unique, const std::string& flags = "",
                     const std::string& folder = "INBOX") {
    auto done = maildir_.deliver(from, folder, unique, flags);
    EXPECT_FALSE(done);
    return done ? Code::kUsage : done.error().code;
  }

  fs::path base_;
  Maildir maildir_{""};
};

TEST_F(MaildirTest, CreatesEverythingPrivately) {
  for (const char* sub : {"tmp", "new", "cur", ".p2pmail/partial"}) {
    struct stat status {};
    ASSERT_EQ(stat((maildir_.root() / sub).c_str(), &status), 0) << sub;
    EXPECT_EQ(status.st_mode & 0777, 0700u) << sub;
  }
  EXPECT_TRUE(maildir_.create());
}

TEST_F(MaildirTest, AcceptsFolderNames) {
  const std::pair<const char*, const char*> names[] = {
      {"Lists", ".Lists"},        {".Lists", ".Lists"}, {"inbox", "INBOX"},
      {".InBox", "INBOX"},        {"a.b", ".a.b"},      {"B\xc3\xbcro", ".B\xc3\xbcro"},
      {"p2pmail.x", ".p2pmail.x"}};
  for (const auto& [name, on_disk] : names) {
    auto folder = Maildir::folder_name(name);
    ASSERT_TRUE(folder) << name;
    EXPECT_EQ(*folder, on_disk);
  }
}

TEST_F(MaildirTest, RefusesFolderNames) {
  using namespace std::string_view_literals;
  for (const auto name : {""sv, "."sv, ".."sv, "..x"sv, "a..b"sv, "a."sv, "a/b"sv, "../x"sv, "/"sv,
                          "a\0b"sv, "a\nb"sv, "a\x7f"sv, "p2pmail"sv, ".P2PMAIL"sv, "\xff"sv}) {
    auto folder = Maildir::folder_name(name);
    ASSERT_FALSE(folder) << name;
    EXPECT_EQ(folder.error().code, Code::kUsage);
  }
}

TEST_F(MaildirTest, FolderNamesEndAt64Bytes) {
  EXPECT_TRUE(Maildir::folder_name(std::string(64, 'a')));
  EXPECT_FALSE(Maildir::folder_name(std::string(65, 'a')));
}

TEST_F(MaildirTest, ListsFoldersInOrder) {
  ASSERT_TRUE(maildir_.create_folder(".Sent"));
  ASSERT_TRUE(maildir_.create_folder(".Lists"));
  ASSERT_TRUE(maildir_.create_folder(".Lists"));
  fs::create_directory(maildir_.root() / ".not-a-folder");
  EXPECT_EQ(maildir_.folders(), (std::vector<std::string>{"INBOX", ".Lists", ".Sent"}));
  EXPECT_TRUE(fs::exists(maildir_.root() / ".Sent" / "maildirfolder"));
}

TEST_F(MaildirTest, PrivateDirectoryIsNoFolder) {
  fs::create_directories(maildir_.root() / ".p2pmail" / "cur");
  EXPECT_FALSE(maildir_.has_folder(".p2pmail"));
  EXPECT_EQ(maildir_.folders().size(), 1u);
}

TEST_F(MaildirTest, HasNoFolderOutsideOfItsRoot) {
  fs::create_directories(base_ / "cur");
  EXPECT_FALSE(maildir_.has_folder(".."));
  EXPECT_FALSE(maildir_.has_folder("../mail"));
  EXPECT_FALSE(maildir_.has_folder("./../mail"));
  EXPECT_TRUE(maildir_.has_folder("INBOX"));
}

TEST_F(MaildirTest, RefusesToCreateOtherNamesThanOnDisk) {
  EXPECT_FALSE(maildir_.create_folder("Lists"));
  EXPECT_FALSE(maildir_.create_folder(".."));
  EXPECT_TRUE(maildir_.create_folder("INBOX"));
}

TEST_F(MaildirTest, UniqueNamesAreUniqueAndUsable) {
  std::set<std::string> names;
  for (int i = 0; i < 1000; ++i) names.insert(Maildir::unique_name(1700000000));
  EXPECT_EQ(names.size(), 1000u);
  EXPECT_TRUE(names.begin()->starts_with("1700000000.M"));
  EXPECT_EQ(names.begin()->find_first_of("/: "), std::string::npos);
  EXPECT_LT(names.begin()->size(), 200u);
}

TEST_F(MaildirTest, DeliversIntoNew) {
  const MailFile file = deliver("1.host");
  EXPECT_TRUE(file.is_new);
  EXPECT_EQ(file.flags, "");
  EXPECT_EQ(file.path, maildir_.root() / "new" / "1.host");
  EXPECT_TRUE(fs::is_empty(maildir_.partial()));
}

TEST_F(MaildirTest, DeliversIntoCurWithSortedFlags) {
  const MailFile file = deliver("1.host", "SFS");
  EXPECT_FALSE(file.is_new);
  EXPECT_EQ(file.flags, "FS");
  EXPECT_EQ(file.path, maildir_.root() / "cur" / "1.host:2,FS");
}

TEST_F(MaildirTest, NeverReplacesAnotherMessage) {
  ASSERT_TRUE(maildir_.deliver(partial("a", "old"), "INBOX", "1.host", ""));
  const fs::path second = partial("b", "new");
  EXPECT_EQ(deliver_error(second, "1.host"), Code::kExists);
  EXPECT_EQ(content(maildir_.root() / "new" / "1.host"), "old");
  EXPECT_EQ(content(second), "new");
}

TEST_F(MaildirTest, DeliveryIsDoneOnce) {
  const fs::path from = partial("a");
  ASSERT_TRUE(maildir_.deliver(from, "INBOX", "1.host", ""));
  EXPECT_TRUE(maildir_.deliver(from, "INBOX", "1.host", ""));
  EXPECT_EQ(list().size(), 1u);
}

TEST_F(MaildirTest, DeliveryIsDoneWhenAReaderHasSeenIt) {
  ASSERT_TRUE(maildir_.set_flags(deliver("1.host"), "S"));
  EXPECT_TRUE(maildir_.deliver(maildir_.partial() / "1.host", "INBOX", "1.host", ""));
  EXPECT_EQ(list().size(), 1u);
}

TEST_F(MaildirTest, FinishesADeliveryThatStoppedBetweenLinkAndUnlink) {
  const fs::path from = partial("a");
  fs::create_hard_link(from, maildir_.root() / "new" / "1.host");
  EXPECT_TRUE(maildir_.deliver(from, "INBOX", "1.host", ""));
  EXPECT_FALSE(fs::exists(from));
  EXPECT_EQ(list().size(), 1u);
}

TEST_F(MaildirTest, DeliveryWithoutPartialAndTargetFails) {
  EXPECT_EQ(deliver_error(maildir_.partial() / "gone", "1.host"), Code::kNotFound);
}

TEST_F(MaildirTest, DeliveryToAMissingFolderKeepsThePartial) {
  const fs::path from = partial("a");
  EXPECT_EQ(deliver_error(from, "1.host", "", ".Gone"), Code::kNotFound);
  EXPECT_TRUE(fs::exists(from));
}

TEST_F(MaildirTest, DeliveryRefusesImpossibleNames) {
  const fs::path from = partial("a");
  for (const char* unique : {"", ".x", "a/b", "../x", "a:2,S"})
    EXPECT_EQ(deliver_error(from, unique), Code::kBug) << unique;
  EXPECT_EQ(deliver_error(from, "1.host", "S/"), Code::kBug);
  EXPECT_EQ(deliver_error(from, "1.host", "", ".."), Code::kBug);
  EXPECT_TRUE(fs::exists(from));
}

TEST_F(MaildirTest, SkipsWhatIsNoMessage) {
  const fs::path cur = maildir_.root() / "cur";
  for (const char* name : {".hidden", "a:1,x", "a:2", "b:2,S1", ":2,S"}) put(cur / name);
  fs::create_directory(cur / "directory");
  fs::create_symlink("/etc/passwd", cur / "link");
  put(cur / "good:2,S");
  const auto files = list();
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].unique, "good");
}

TEST_F(MaildirTest, KeepsKeywordsOfOtherPrograms) {
  put(maildir_.root() / "cur" / "1.host,S=5:2,Sab");
  const auto files = list();
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].unique, "1.host,S=5");
  EXPECT_EQ(files[0].flags, "Sab");
}

TEST_F(MaildirTest, ListingAMissingFolderFails) {
  auto files = maildir_.list(".Gone");
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, Code::kNotFound);
}

TEST_F(MaildirTest, SetsFlags) {
  auto file = maildir_.set_flags(deliver("1.host"), "SR");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->path, maildir_.root() / "cur" / "1.host:2,RS");
  EXPECT_FALSE(file->is_new);
  EXPECT_TRUE(fs::exists(file->path));
  file = maildir_.set_flags(*file, "RS");
  ASSERT_TRUE(file);
  file = maildir_.set_flags(*file, "");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->path, maildir_.root() / "cur" / "1.host:2,");
}

TEST_F(MaildirTest, RefusesFlagsThatAreNone) {
  const MailFile file = deliver("1.host");
  auto changed = maildir_.set_flags(file, "S/../x");
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, Code::kUsage);
  EXPECT_TRUE(fs::exists(file.path));
}

TEST_F(MaildirTest, FollowsAFileThatAnotherProgramRenamed) {
  const MailFile file = deliver("1.host");
  fs::rename(file.path, maildir_.root() / "cur" / "1.host:2,F");
  auto changed = maildir_.set_flags(file, "S");
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->path, maildir_.root() / "cur" / "1.host:2,S");
}

TEST_F(MaildirTest, DoesNotClaimFlagsOfAFileThatIsGone) {
  MailFile file = deliver("1.host", "S");
  fs::remove(file.path);
  auto changed = maildir_.set_flags(file, "S");
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, Code::kNotFound);
}

TEST_F(MaildirTest, FlagsNeverReplaceAFile) {
  const MailFile file = deliver("1.host");
  put(maildir_.root() / "cur" / "1.host:2,S", "other");
  auto changed = maildir_.set_flags(file, "S");
  ASSERT_FALSE(changed);
  EXPECT_EQ(content(maildir_.root() / "cur" / "1.host:2,S"), "other");
}

TEST_F(MaildirTest, MovesBetweenFolders) {
  ASSERT_TRUE(maildir_.create_folder(".Lists"));
  auto fresh = maildir_.move(deliver("1.host"), ".Lists");
  ASSERT_TRUE(fresh);
  EXPECT_EQ(fresh->path, maildir_.root() / ".Lists" / "new" / "1.host");
  auto read = maildir_.move(deliver("2.host", "S"), ".Lists");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->path, maildir_.root() / ".Lists" / "cur" / "2.host:2,S");
  EXPECT_EQ(list(".Lists").size(), 2u);
  EXPECT_TRUE(list().empty());
}

TEST_F(MaildirTest, DoesNotMoveToAMissingFolder) {
  const MailFile file = deliver("1.host");
  EXPECT_FALSE(maildir_.move(file, ".Gone"));
  EXPECT_FALSE(maildir_.move(file, "../mail"));
  EXPECT_TRUE(fs::exists(file.path));
}

TEST_F(MaildirTest, RemovesAlsoWhatWasRenamed) {
  const MailFile file = deliver("1.host");
  fs::rename(file.path, maildir_.root() / "cur" / "1.host:2,S");
  EXPECT_TRUE(maildir_.remove(file));
  EXPECT_TRUE(list().empty());
  auto again = maildir_.remove(file);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kNotFound);
}

}  // namespace
}  // namespace p2pmail::core
