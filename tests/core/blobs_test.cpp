// Blobs: adopted durably or not at all, and never read without being checked.
#include "core/blobs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"
#include "tests/core/fixture.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

/// A stream of three blocks after some bytes that mean nothing.
class BlobsTest : public ::testing::Test {
 protected:
  BlobsTest() {
    EXPECT_TRUE(make_directories(maildir_ / ".p2pmail/partial"));
    ref_.name.bytes.fill(0xab);
    ref_.offset = 1000;
    stream_.resize(2 * kBlockSize + 77);
    for (std::size_t i = 0; i < stream_.size(); ++i)
      stream_[i] = static_cast<std::uint8_t>(i * 31 + i / 65536);
    TreeHasher hasher;
    hasher.update(stream_);
    root_ = hasher.finish();
    leaves_ = hasher.leaves();
  }
  fs::path partial(std::size_t before) {
    const fs::path path = maildir_ / ".p2pmail/partial/one";
    Bytes all(before, 0xee);
    append(all, stream_);
    EXPECT_TRUE(replace_file(path, all));
    return path;
  }
  void adopt(std::size_t before = 1000) {
    ASSERT_TRUE(blobs_.adopt(partial(before), ref_.name, leaves_));
  }
  Result<BlobReader> open() { return BlobReader::open(blobs_, ref_, stream_.size(), root_); }
  Code open_error() {
    auto reader = open();
    EXPECT_FALSE(reader);
    return reader ? Code::kBug : reader.error().code;
  }
  void flip(const fs::path& path, std::uint64_t at) {
    const auto fd = open_file(path, O_RDWR);
    ASSERT_TRUE(fd);
    Bytes byte(1);
    ASSERT_TRUE(read_at(fd->get(), at, byte, path));
    byte[0] ^= 1;
    ASSERT_TRUE(write_at(fd->get(), at, byte, path));
  }

  testing::TempDir dir_;
  fs::path maildir_ = dir_.path() / "mail";
  Blobs blobs_{maildir_};
  BlobRef ref_;
  Bytes stream_;
  Root root_;
  std::vector<Digest> leaves_;
};

TEST_F(BlobsTest, ReadsWhatWasAdopted) {
  adopt();
  EXPECT_FALSE(fs::exists(maildir_ / ".p2pmail/partial/one"));
  auto reader = open();
  ASSERT_TRUE(reader) << reader.error().context;
  Bytes all(stream_.size());
  ASSERT_TRUE(reader->read(0, all));
  EXPECT_EQ(all, stream_);
  Bytes some(70000);
  ASSERT_TRUE(reader->read(kBlockSize - 5, some));
  EXPECT_TRUE(std::equal(some.begin(), some.end(), stream_.begin() + kBlockSize - 5));
  EXPECT_FALSE(reader->read(stream_.size() - 1, some)) << "beyond the end";
  EXPECT_FALSE(reader->read(UINT64_MAX, some));
}

TEST_F(BlobsTest, AdoptsAgainWhatWasAdoptedBefore) {
  const auto path = partial(1000);
  ASSERT_TRUE(blobs_.adopt(path, ref_.name, leaves_));
  EXPECT_TRUE(blobs_.adopt(path, ref_.name, leaves_)) << "interrupted after the rename";
  MessageId other;
  EXPECT_FALSE(blobs_.adopt(path, other, leaves_));
  EXPECT_FALSE(fs::exists(blobs_.path(other)));
}

TEST_F(BlobsTest, AHashListOfAnotherLengthIsRefused) {
  EXPECT_FALSE(blobs_.adopt(partial(0), ref_.name, {}));
  leaves_.pop_back();
  leaves_.pop_back();
  EXPECT_FALSE(blobs_.adopt(partial(0), ref_.name, leaves_));
  EXPECT_FALSE(fs::exists(blobs_.path(ref_.name)));
}

TEST_F(BlobsTest, TheCopyFromOurselvesServesTheStubOfWhatWeSent) {
  adopt();
  adopt(0);
  auto reader = open();
  ASSERT_TRUE(reader) << reader.error().context;
  Bytes all(stream_.size());
  ASSERT_TRUE(reader->read(0, all));
  EXPECT_EQ(all, stream_);
}

TEST_F(BlobsTest, EveryChangedBlockIsRefusedWhenItIsRead) {
  for (const std::uint64_t at : {std::uint64_t{0}, kBlockSize, stream_.size() - 1}) {
    adopt();
    flip(blobs_.path(ref_.name), 1000 + at);
    auto reader = open();
    ASSERT_TRUE(reader);
    Bytes byte(1);
    const auto read = reader->read(at, byte);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Code::kForged);
    Bytes other(1);
    EXPECT_TRUE(reader->read(at < kBlockSize ? kBlockSize : 0, other)) << "the others can be read";
    EXPECT_FALSE(reader->read(at, byte)) << "a refused block is not kept";
  }
}

TEST_F(BlobsTest, TheHashListIsCheckedAtOnce) {
  adopt();
  flip(blobs_.leaves_path(ref_.name), 40);
  EXPECT_EQ(open_error(), Code::kForged);
  adopt();
  ASSERT_EQ(truncate(blobs_.leaves_path(ref_.name).c_str(), 64), 0);
  EXPECT_EQ(open_error(), Code::kMalformed);
  root_.bytes[0] ^= 1;
  adopt();
  EXPECT_EQ(open_error(), Code::kForged) << "of another letter";
}

TEST_F(BlobsTest, LengthsThatDoNotFitAreRefused) {
  adopt();
  ASSERT_EQ(truncate(blobs_.path(ref_.name).c_str(), 999 + static_cast<off_t>(stream_.size())), 0);
  EXPECT_EQ(open_error(), Code::kMalformed);
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{999}, UINT64_MAX}) {
    adopt();
    ref_.offset = offset;
    EXPECT_EQ(open_error(), Code::kMalformed) << offset;
    ref_.offset = 1000;
  }
  EXPECT_FALSE(BlobReader::open(blobs_, ref_, 0, root_));
  EXPECT_FALSE(BlobReader::open(blobs_, ref_, UINT64_MAX, root_));
}

TEST_F(BlobsTest, OnlyARegularFileIsABlob) {
  EXPECT_EQ(open_error(), Code::kNotFound);
  adopt();
  const auto path = blobs_.path(ref_.name);
  ASSERT_EQ(rename(path.c_str(), (path.string() + "x").c_str()), 0);
  EXPECT_EQ(open_error(), Code::kNotFound);
  ASSERT_EQ(symlink((path.string() + "x").c_str(), path.c_str()), 0);
  EXPECT_EQ(open_error(), Code::kMalformed);
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(open_error(), Code::kMalformed);
}

}  // namespace
}  // namespace p2pmail::core
