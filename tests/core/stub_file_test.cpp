// Stub files: sealed mail whose stream lies in a blob, and heads that lie about it.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "core/sealed_file.h"
#include "tests/core/fixture.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

/// The bytes of a stub of a stream of 2^33 + 5 bytes.
std::string make_stub(const fs::path& path, const std::string& prefix, const std::string& capsule,
                      const BlobRef& blob) {
  fs::remove(path);
  auto writer = SealedFileWriter::create(path, prefix, capsule.size());
  EXPECT_TRUE(writer);
  EXPECT_TRUE(writer->finish_stub(bytes_of(capsule), (std::uint64_t{1} << 33) + 5, blob));
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

BlobRef example_blob() {
  BlobRef blob;
  blob.name.bytes.fill(0xcd);
  blob.offset = 0x1234;
  return blob;
}

class StubFileTest : public ::testing::Test {
 protected:
  Code open_error(const std::string& bytes) {
    std::ofstream(path_, std::ios::trunc) << bytes;
    auto file = SealedFile::open(path_);
    EXPECT_FALSE(file);
    return file ? Code::kUsage : file.error().code;
  }
  static std::string prefix() {
    OuterHeader outer;
    outer.fields.subject = "the film";
    return sealed_prefix(outer);
  }

  testing::TempDir dir_;
  fs::path base_ = dir_.path();
  fs::path path_ = base_ / "mail";
  std::string capsule_ = std::string("cap\0sule", 8);
  std::string stream_ = "stream";
};

TEST_F(StubFileTest, AStubMatchesItsLayout) {
  const std::string bytes = make_stub(path_, "prefix\n\n", capsule_, example_blob());
  const std::string head = std::string("p2pmail-sealed\x1a\n", 16) + std::string("\0\0\0\2", 4) +
                           std::string("\0\0\0\x08", 4) + std::string("\0\0\0\2\0\0\0\5", 8) +
                           std::string("\0\0\0\0\0\0\x12\x34", 8) + std::string(20, '\xcd');
  EXPECT_EQ(bytes, "prefix\n\n" + head + capsule_);
}

TEST_F(StubFileTest, AStubSaysWhereItsStreamLies) {
  const std::string bytes =
      make_stub(path_, prefix(), capsule_, example_blob());
  auto file = SealedFile::open(path_);
  ASSERT_TRUE(file);
  EXPECT_EQ(text_of(file->capsule()), capsule_);
  EXPECT_EQ(file->stream_size(), (std::uint64_t{1} << 33) + 5);
  ASSERT_TRUE(file->blob());
  EXPECT_EQ(file->blob()->offset, 0x1234u);
  Bytes byte(1);
  EXPECT_FALSE(file->source()(0, byte)) << "it has no stream of its own";
  const auto named = blob_of(path_);
  ASSERT_TRUE(named && *named);
  EXPECT_EQ((*named)->name, example_blob().name);
  EXPECT_TRUE(bytes.ends_with("--\n"));
}

TEST_F(StubFileTest, AStubWithAnImpossibleHeadIsRefused) {
  const std::string bytes = make_stub(path_, "", capsule_, example_blob());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(open_error(bytes.substr(0, size)), Code::kMalformed) << size;
  for (const std::size_t high : {std::size_t{24}, std::size_t{32}}) {  // stream size, offset
    std::string changed = bytes;
    changed[high] = '\x7f';
    EXPECT_EQ(open_error(changed), Code::kMalformed) << high;
  }
  std::string empty = bytes;
  empty.replace(24, 8, 8, '\0');
  EXPECT_EQ(open_error(empty), Code::kMalformed);
  std::string newer = bytes;
  newer[19] = '\3';
  EXPECT_EQ(open_error(newer), Code::kUnsupported);
}

TEST_F(StubFileTest, TheBlobIsFoundBehindALongHeader) {
  make_stub(path_, std::string(kMaxPrefix - 2, 'x') + "\n\n", capsule_, example_blob());
  const auto named = blob_of(path_);
  ASSERT_TRUE(named && *named);
  EXPECT_EQ((*named)->name, example_blob().name);
  fs::remove(path_);
  auto writer = SealedFileWriter::create(path_, prefix(), capsule_.size());
  ASSERT_TRUE(writer && writer->write(0, bytes_of(stream_)));
  ASSERT_TRUE(writer->finish(bytes_of(capsule_), stream_.size()));
  EXPECT_FALSE(*blob_of(path_)) << "a file with its stream";
  std::ofstream(path_, std::ios::trunc) << "From: x\n\nhello\n";
  EXPECT_FALSE(*blob_of(path_));
  EXPECT_FALSE(blob_of(base_ / "missing"));
}

TEST_F(StubFileTest, AStubIsWrittenWithoutAStream) {
  auto writer = SealedFileWriter::create(path_, "", capsule_.size());
  ASSERT_TRUE(writer);
  EXPECT_FALSE(writer->finish_stub(bytes_of("short"), 5, example_blob()));
  ASSERT_TRUE(writer->write(0, bytes_of(stream_)));
  EXPECT_FALSE(writer->finish_stub(bytes_of(capsule_), 5, example_blob()));
}

}  // namespace
}  // namespace p2pmail::core
