// Files: bounded reads, durable replacement that leaves nothing behind, errors told apart.
#include "core/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

struct FileTest : testing::Test {
  fs::path root;
  FileTest() {
    std::string name = (fs::temp_directory_path() / "p2pmail-file-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    root = name;
  }
  ~FileTest() override {
    std::error_code ignored;
    fs::remove_all(root, ignored);
  }
  [[nodiscard]] fs::path write(const char* name, std::string_view text) const {
    std::ofstream(root / name) << text;
    return root / name;
  }
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(root), {}));
  }
  static unsigned mode_of(const fs::path& path) {
    struct stat info {};
    EXPECT_EQ(stat(path.c_str(), &info), 0);
    return info.st_mode & 0777U;
  }
};

TEST(ErrnoError, MapsWhatCallersTellApart) {
  const auto code = [](int number) { return errno_error(number, "x", "cannot open").code; };
  EXPECT_EQ(code(ENOENT), Code::kNotFound);
  for (const int number : {EACCES, EPERM, EROFS}) EXPECT_EQ(code(number), Code::kDenied);
  for (const int number : {ENOSPC, EDQUOT}) EXPECT_EQ(code(number), Code::kNoSpace);
  EXPECT_EQ(code(EEXIST), Code::kExists);
  for (const int number : {EIO, EINVAL, EMFILE}) EXPECT_EQ(code(number), Code::kIo);
}

TEST(ErrnoError, NamesPathActionAndReason) {
  EXPECT_EQ(errno_error(ENOENT, "/a/b", "cannot open").context,
            "/a/b: cannot open: No such file or directory");
}

TEST_F(FileTest, ReadsAWholeFileUpToTheBound) {
  const auto path = write("a", "12345");
  EXPECT_EQ(text_of(*read_file(path, 5)), "12345");
  EXPECT_EQ(read_file(path, 4).error().code, Code::kMalformed);
  EXPECT_EQ(text_of(read_secret_file(path, 5)->view()), "12345");
  EXPECT_EQ(read_secret_file(path, 4).error().code, Code::kMalformed);
}

TEST_F(FileTest, ReadsAnEmptyFile) {
  const auto path = write("a", "");
  EXPECT_TRUE(read_file(path, 0)->empty());
  EXPECT_EQ(read_secret_file(path, 0)->size(), 0U);
}

TEST_F(FileTest, TellsMissingFromDirectory) {
  EXPECT_EQ(read_file(root / "none", 9).error().code, Code::kNotFound);
  EXPECT_EQ(read_secret_file(root / "none", 9).error().code, Code::kNotFound);
  EXPECT_EQ(read_file(root, 99999).error().code, Code::kMalformed);
}

TEST_F(FileTest, DoesNotCreateOverAnExistingFile) {
  const auto path = write("a", "x");
  EXPECT_EQ(open_file(path, O_WRONLY | O_CREAT | O_EXCL).error().code, Code::kExists);
}

TEST_F(FileTest, OpensPrivateAndClosedOnExec) {
  const auto fd = open_file(root / "new", O_WRONLY | O_CREAT);
  ASSERT_TRUE(fd);
  EXPECT_EQ(mode_of(root / "new"), 0600U);
  EXPECT_NE(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(FileTest, ReadsAndWritesAtOffsets) {
  const auto path = write("a", "0123456789");
  const auto fd = open_file(path, O_RDWR);
  ASSERT_TRUE(write_at(fd->get(), 8, bytes_of("abcd"), path));
  std::array<std::uint8_t, 6> out{};
  EXPECT_EQ(*read_at(fd->get(), 4, out, path), 6U);
  EXPECT_EQ(text_of(out), "4567ab");
  EXPECT_EQ(*read_at(fd->get(), 10, out, path), 2U);
  EXPECT_EQ(*read_at(fd->get(), 12, out, path), 0U);
}

TEST_F(FileTest, ReportsReadsAndWritesThatFail) {
  const auto path = write("a", "x");
  const auto fd = open_file(path, O_RDONLY);
  EXPECT_EQ(write_at(fd->get(), 0, bytes_of("y"), path).error().code, Code::kIo);
  std::array<std::uint8_t, 1> out{};
  EXPECT_EQ(read_at(-1, 0, out, path).error().code, Code::kIo);
  EXPECT_EQ(read_at(fd->get(), UINT64_MAX, out, path).error().code, Code::kIo);
  EXPECT_FALSE(sync_fd(-1, path));
}

TEST_F(FileTest, TellsAFullDisk) {
  const auto fd = open_file("/dev/full", O_WRONLY);
  if (!fd) GTEST_SKIP() << "no /dev/full here";
  EXPECT_EQ(write_at(fd->get(), 0, bytes_of("y"), "/dev/full").error().code, Code::kNoSpace);
}

TEST_F(FileTest, ReplacesAtomicallyAndLeavesNothingBeside) {
  const auto path = write("a", "old");
  ASSERT_TRUE(replace_file(path, bytes_of("new")));
  EXPECT_EQ(text_of(*read_file(path, 9)), "new");
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_EQ(entries(), 1U);
}

TEST_F(FileTest, RemovesWhatAKilledReplacementLeft) {
  const auto path = write("a", "old");
  (void)write("a.new-0123456789abcdef", "secret");
  const auto held = write("a.new-00000000000000ff", "being written");
  (void)write("a.new-notes", "the user's");
  (void)write("b.new-0123456789abcdef", "of another file");
  const auto writer = open_file(held, O_RDONLY);
  ASSERT_TRUE(writer);
  ASSERT_TRUE(lock_file(writer->get(), LockKind::kShared, {}, held));
  remove_leftovers(path);
  EXPECT_FALSE(fs::exists(root / "a.new-0123456789abcdef"));
  EXPECT_EQ(entries(), 4U);
}

TEST_F(FileTest, LocksForOneOrForMany) {
  const auto path = write("a", "");
  const auto one = open_file(path, O_RDONLY);
  const auto two = open_file(path, O_RDONLY);
  ASSERT_TRUE(one && two);
  EXPECT_TRUE(*lock_file(one->get(), LockKind::kShared, {}, path));
  EXPECT_TRUE(*lock_file(two->get(), LockKind::kShared, {}, path));
  EXPECT_FALSE(*lock_file(two->get(), LockKind::kExclusive, std::chrono::milliseconds(20), path));
  EXPECT_TRUE(is_named(one->get(), path));
  fs::rename(path, root / "b");
  EXPECT_FALSE(is_named(one->get(), path));
}

TEST_F(FileTest, ReplacingCreatesWithTheMode) {
  ASSERT_TRUE(replace_file(root / "a", bytes_of("x"), 0400));
  EXPECT_EQ(mode_of(root / "a"), 0400U);
}

TEST_F(FileTest, ReplacingDoesNotWriteThroughALink) {
  const auto target = write("target", "theirs");
  fs::create_symlink(target, root / "link");
  ASSERT_TRUE(replace_file(root / "link", bytes_of("ours")));
  EXPECT_EQ(text_of(*read_file(target, 9)), "theirs");
  EXPECT_EQ(text_of(*read_file(root / "link", 9)), "ours");
}

TEST_F(FileTest, AFailedReplacementLeavesOldContentAndNothingElse) {
  fs::create_directories(root / "a/inside");
  EXPECT_FALSE(replace_file(root / "a", bytes_of("new")));
  EXPECT_TRUE(fs::is_directory(root / "a/inside"));
  EXPECT_EQ(entries(), 1U);
  EXPECT_EQ(replace_file(root / "no/file", bytes_of("x")).error().code, Code::kCannotCreate);
}

TEST_F(FileTest, ReplacesInTheWorkingDirectory) {
  const auto before = fs::current_path();
  fs::current_path(root);
  const auto done = replace_file("plain", bytes_of("x"));
  fs::current_path(before);
  EXPECT_TRUE(done);
  EXPECT_TRUE(fs::exists(root / "plain"));
}

TEST_F(FileTest, MakesPrivateDirectories) {
  ASSERT_TRUE(make_directories(root / "a/b/c"));
  EXPECT_EQ(mode_of(root / "a"), 0700U);
  EXPECT_EQ(mode_of(root / "a/b/c"), 0700U);
  EXPECT_TRUE(make_directories(root / "a/b/c"));
}

TEST_F(FileTest, RefusesADirectoryWhereAFileIs) {
  const auto path = write("a", "x");
  EXPECT_FALSE(make_directories(path));
  EXPECT_FALSE(make_directories(path / "b"));
}

TEST_F(FileTest, SyncsOnlyDirectoriesThatExist) {
  EXPECT_TRUE(sync_directory(root));
  EXPECT_EQ(sync_directory(root / "none").error().code, Code::kNotFound);
}

TEST_F(FileTest, ClosesOnceAndMoves) {
  Fd first = std::move(*open_file(root, O_RDONLY | O_DIRECTORY));
  const int number = first.get();
  {
    const Fd second(std::move(first));
    EXPECT_FALSE(first);  // NOLINT: a moved-from Fd is empty, that is the claim
    EXPECT_EQ(second.get(), number);
  }
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

}  // namespace
}  // namespace p2pmail::core
