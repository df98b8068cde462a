// The sealed store file: what its outer header says and hides, and that any bytes open or are
// refused.
#include "core/sealed_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "tests/core/full_disk.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

OuterHeader example(HeaderPolicy policy = HeaderPolicy::kBaseline) {
  OuterHeader outer;
  outer.fields.from = {{"Al\xc3\xad\x63ia", "alicia@example.alt"}};
  outer.fields.to = {{"Bob", "bob@example.alt"}};
  outer.fields.cc = {{"", "carol@example.alt"}};
  outer.fields.subject = "the plan";
  outer.fields.date = "Tue, 14 Nov 2023 23:13:20 +0100";
  outer.fields.time = 1700000000;
  outer.fields.message_id = "1@example.alt";
  outer.fields.in_reply_to = "0@example.alt";
  outer.fields.references = {"00@example.alt", "0@example.alt"};
  outer.authentication = "p2pmail.alt; auth=pass";
  outer.id.bytes.fill(0xab);
  outer.policy = policy;
  return outer;
}

bool has(const std::string& text, std::string_view what) {
  return text.find(what) != std::string::npos;
}

class SealedFileTest : public testing::Test {
 protected:
  SealedFileTest() {
    std::string pattern = fs::temp_directory_path() / "sealed-test-XXXXXX";
    base_ = mkdtemp(pattern.data());
    path_ = base_ / "mail";
  }
  ~SealedFileTest() override {
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }
  /// The bytes of a whole sealed file.
  std::string make(const std::string& prefix = sealed_prefix(example())) {
    fs::remove(path_);
    auto writer = SealedFileWriter::create(path_, prefix, capsule_.size());
    EXPECT_TRUE(writer);
    EXPECT_TRUE(writer->write(0, bytes_of(stream_)));
    EXPECT_TRUE(writer->finish(bytes_of(capsule_), stream_.size()));
    EXPECT_TRUE(writer->sync());
    std::ifstream in(path_);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Result<SealedFile> open(const std::string& bytes) {
    std::ofstream(path_, std::ios::trunc) << bytes;
    return SealedFile::open(path_);
  }
  Code open_error(const std::string& bytes) {
    auto file = open(bytes);
    EXPECT_FALSE(file);
    return file ? Code::kUsage : file.error().code;
  }
  void expect_content(const SealedFile& file) {
    EXPECT_EQ(text_of(file.capsule()), capsule_);
    ASSERT_EQ(file.stream_size(), stream_.size());
    Bytes read(stream_.size());
    ASSERT_TRUE(file.source()(0, read));
    EXPECT_EQ(text_of(read), stream_);
  }

  fs::path base_, path_;
  std::string capsule_ = std::string("cap\0sule", 8);
  std::string stream_ = std::string("stream\n\n\0--", 11) + std::string(100, '\xf0');
};

TEST_F(SealedFileTest, OpensWhatWasWritten) {
  make();
  auto file = SealedFile::open(path_);
  ASSERT_TRUE(file);
  expect_content(*file);
  EXPECT_TRUE(file->outer().starts_with("From: "));
  EXPECT_TRUE(file->outer().ends_with("\"\n"));
  EXPECT_FALSE(has(file->outer(), "Version: 1\n"));
}

TEST_F(SealedFileTest, IsAMultipartThatEnds) {
  const std::string bytes = make();
  const auto start = bytes.find("boundary=\"") + 10;
  const std::string boundary = bytes.substr(start, bytes.find('"', start) - start);
  EXPECT_GE(boundary.size(), 32u);
  EXPECT_TRUE(bytes.ends_with(stream_ + "\n--" + boundary + "--\n"));
  EXPECT_TRUE(
      has(bytes, "--" + boundary + "\nContent-Type: application/pgp-encrypted\n\nVersion: 1"));
  EXPECT_NE(make(), bytes) << "boundaries are random";
}

TEST_F(SealedFileTest, MatchesItsLayout) {
  const std::string bytes = make("prefix\n\n");
  const std::string head = std::string("p2pmail-sealed\x1a\n", 16) + std::string("\0\0\0\1", 4) +
                           std::string("\0\0\0\x08", 4) + std::string("\0\0\0\0\0\0\0\x6f", 8);
  EXPECT_EQ(bytes, "prefix\n\n" + head + capsule_ + stream_);
}

TEST_F(SealedFileTest, StreamMayComeInAnyOrder) {
  auto writer = SealedFileWriter::create(path_, "", capsule_.size());
  ASSERT_TRUE(writer);
  EXPECT_TRUE(writer->write(5, bytes_of(stream_).subspan(5)));
  EXPECT_TRUE(writer->write(0, bytes_of(stream_).first(5)));
  EXPECT_TRUE(writer->finish(bytes_of(capsule_), stream_.size()));
  auto file = SealedFile::open(path_);
  ASSERT_TRUE(file);
  expect_content(*file);
}

TEST_F(SealedFileTest, IsPrivateAndNeverReplacesAFile) {
  make();
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  auto again = SealedFileWriter::create(path_, "", 8);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().context.find(path_.string()), std::string::npos);
}

TEST_F(SealedFileTest, LeavesNothingWhenTheDiskIsFull) {
  const test::FullDisk full;
  EXPECT_FALSE(SealedFileWriter::create(path_, sealed_prefix(example()), capsule_.size()));
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(SealedFileTest, UnfinishedFileOpensForNobody) {
  auto writer = SealedFileWriter::create(path_, sealed_prefix(example()), capsule_.size());
  ASSERT_TRUE(writer);
  EXPECT_TRUE(writer->write(0, bytes_of(stream_)));
  auto file = SealedFile::open(path_);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::kMalformed);
}

TEST_F(SealedFileTest, WriterRefusesImpossibleSizes) {
  EXPECT_FALSE(SealedFileWriter::create(path_, "", 0));
  EXPECT_FALSE(SealedFileWriter::create(path_, "", 192 * 1024 + 1));
  EXPECT_FALSE(SealedFileWriter::create(path_, std::string(kMaxPrefix + 1, 'x'), 8));
  EXPECT_FALSE(fs::exists(path_));
  auto writer = SealedFileWriter::create(path_, "", 8);
  ASSERT_TRUE(writer);
  EXPECT_FALSE(writer->finish(bytes_of("seven b"), 0));
}

TEST_F(SealedFileTest, OpensTheBarePart) {
  const std::string bytes = make();
  auto file = open(bytes.substr(bytes.find(kMagic)));
  ASSERT_TRUE(file);
  expect_content(*file);
  EXPECT_EQ(file->outer(), "");
}

TEST_F(SealedFileTest, OpensWithAHeaderThatAnotherProgramWrote) {
  const std::string bytes = make();
  const auto region = bytes.find(kMagic);
  std::string crlf;
  for (const char c : bytes.substr(0, region))
    crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  auto file = open("Received: here\r\n" + crlf + bytes.substr(region));
  ASSERT_TRUE(file);
  expect_content(*file);
  EXPECT_TRUE(file->outer().starts_with("Received: here\r\nFrom:"));
  EXPECT_EQ(id_in(file->outer()), example().id);
}

TEST_F(SealedFileTest, MagicCountsOnlyAfterAnEmptyLine) {
  const std::string bytes = make("");
  EXPECT_EQ(open_error("x" + bytes), Code::kMalformed);
  EXPECT_EQ(open_error("x\n" + bytes), Code::kMalformed);
  EXPECT_TRUE(open("X: " + std::string(kMagic) + "\n\n" + bytes));
}

TEST_F(SealedFileTest, MagicMayStartUpToTheLimit) {
  const std::string region = make("");
  EXPECT_TRUE(open(std::string(kMaxPrefix - 2, 'x') + "\n\n" + region));
  EXPECT_EQ(open_error(std::string(kMaxPrefix - 1, 'x') + "\n\n" + region), Code::kMalformed);
}

TEST_F(SealedFileTest, EveryTruncationIsRefused) {
  const std::string bytes = make();
  const auto end = bytes.find(stream_) + stream_.size();
  for (std::size_t size = 0; size < end; ++size)
    ASSERT_EQ(open_error(bytes.substr(0, size)), Code::kMalformed) << size;
  EXPECT_TRUE(open(bytes.substr(0, end)));
}

TEST_F(SealedFileTest, EveryFlippedBitOfTheHeadIsRefusedOrFitsTheFile) {
  const std::string bytes = make("");
  for (std::size_t bit = 0; bit < kRegionHead * 8; ++bit) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    auto file = open(changed);
    if (!file) continue;
    EXPECT_GE(bit / 8, 20u);
    EXPECT_LE(file->stream_offset() + file->stream_size(), bytes.size());
  }
}

TEST_F(SealedFileTest, RefusesOverflowingSizes) {
  std::string bytes = make("");
  for (std::size_t i = 24; i < 32; ++i) bytes[i] = '\xff';
  EXPECT_EQ(open_error(bytes), Code::kMalformed);
  for (std::size_t i = 20; i < 24; ++i) bytes[i] = '\xff';
  EXPECT_EQ(open_error(bytes), Code::kMalformed);
}

TEST_F(SealedFileTest, NamesTheVersionThatItDoesNotKnow) {
  std::string bytes = make("");
  bytes[19] = 3;
  EXPECT_EQ(open_error(bytes), Code::kUnsupported);
}

TEST_F(SealedFileTest, SourceStaysInsideTheStream) {
  make();
  auto file = SealedFile::open(path_);
  ASSERT_TRUE(file);
  Bytes byte(1);
  EXPECT_TRUE(file->source()(stream_.size() - 1, byte));
  EXPECT_FALSE(file->source()(stream_.size(), byte));
  EXPECT_FALSE(file->source()(UINT64_MAX, byte));
}

TEST_F(SealedFileTest, MissingAndSpecialFilesAreErrors) {
  auto missing = SealedFile::open(path_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_FALSE(SealedFile::open(base_));
  ASSERT_EQ(mkfifo((base_ / "fifo").c_str(), 0600), 0);
  EXPECT_FALSE(SealedFile::open(base_ / "fifo"));
  EXPECT_FALSE(read_outer(base_ / "fifo"));
}

TEST_F(SealedFileTest, ReadsOuterHeaders) {
  make();
  auto outer = read_outer(path_);
  ASSERT_TRUE(outer);
  EXPECT_EQ(*outer, SealedFile::open(path_)->outer());
  make("");
  EXPECT_EQ(*read_outer(path_), "");
  std::ofstream(path_, std::ios::trunc) << "A: " << std::string(100'000, 'x');
  EXPECT_EQ(read_outer(path_)->size(), kMaxPrefix);
  std::ofstream(path_, std::ios::trunc) << "A: " << std::string(10'000, 'x') << "\n\nbody";
  EXPECT_EQ(read_outer(path_)->size(), 10'004u);
}

TEST(SealedPrefix, SaysWhatThePolicyLets) {
  const std::string none = sealed_prefix(example(HeaderPolicy::kNone));
  EXPECT_TRUE(has(none, "Subject: the plan\n"));
  const std::string baseline = sealed_prefix(example(HeaderPolicy::kBaseline));
  EXPECT_TRUE(has(baseline, "Subject: [...]\n"));
  EXPECT_FALSE(has(baseline, "the plan"));
  EXPECT_TRUE(has(baseline, "To: Bob <bob@example.alt>\n"));
  EXPECT_TRUE(has(baseline, "Date: Tue, 14 Nov 2023 23:13:20 +0100\n"));
  EXPECT_TRUE(has(baseline, "References: <00@example.alt>\n <0@example.alt>\n"));
  EXPECT_TRUE(has(baseline, "Authentication-Results: p2pmail.alt; auth=pass\n"));
}

TEST(SealedPrefix, ShyHidesNamesAndZone) {
  const std::string shy = sealed_prefix(example(HeaderPolicy::kShy));
  EXPECT_FALSE(has(shy, "Bob"));
  EXPECT_TRUE(has(shy, "bob@example.alt"));
  EXPECT_TRUE(has(shy, "Date: Tue, 14 Nov 2023 22:13:20 +0000\n"));
}

TEST(SealedPrefix, SealedHidesWho) {
  const std::string sealed = sealed_prefix(example(HeaderPolicy::kSealed));
  for (const char* secret : {"alicia", "bob@", "carol", "plan", "Authentication", "+0100"})
    EXPECT_FALSE(has(sealed, secret)) << secret;
  EXPECT_TRUE(sealed.starts_with("From: sealed <sealed@p2pmail.alt>\n"));
  EXPECT_TRUE(has(sealed, "Message-ID: <1@example.alt>\n"));
  EXPECT_EQ(id_in(sealed), example().id);
}

TEST(SealedPrefix, StaysBoundedWhateverTheFieldsHold) {
  for (const char* unit : {"\xf0\x9f\x98\x80", "x", "\xff", "\n", "=?utf-8?q?x?= "}) {
    std::string big;
    while (big.size() < 100'000) big += unit;
    OuterHeader outer = example(HeaderPolicy::kNone);
    const std::string address = std::string(300, 'a') + "@example.alt";
    outer.fields.to.assign(1000, {big, address});
    outer.fields.cc = outer.fields.from = outer.fields.to;
    outer.fields.subject = outer.fields.date = outer.authentication = big;
    outer.fields.message_id = outer.fields.in_reply_to = big;
    outer.fields.references.assign(1000, std::string(250, 'r'));
    const std::string prefix = sealed_prefix(outer);
    EXPECT_LE(prefix.size(), kMaxPrefix);
    EXPECT_EQ(id_in(prefix), outer.id);
    EXPECT_TRUE(has(prefix, "\nTo: "));
  }
}

TEST(SealedPrefix, LeavesOutWhatItCannotSayTruly) {
  OuterHeader outer = example();
  outer.fields.to = {{"Long", std::string(400, 'a') + "@x.alt"}, {"Bad", "a@b>, <evil@c"}};
  outer.fields.message_id = "a> <b";
  outer.fields.references.assign(30, "n@x");
  outer.fields.references.back() = "last@x";
  const std::string prefix = sealed_prefix(outer);
  EXPECT_FALSE(has(prefix, "\nTo: "));
  EXPECT_FALSE(has(prefix, "Message-ID"));
  EXPECT_TRUE(has(prefix, "<last@x>\n"));
}

TEST(SealedPrefix, NoValueAddsAField) {
  for (const HeaderPolicy policy : {HeaderPolicy::kNone, HeaderPolicy::kShy}) {
    OuterHeader outer = example(policy);
    const std::string evil = "x\r\nEvil: 1\n\nbody\n--b";
    outer.fields.from = {{evil, "a@b.alt"}};
    outer.fields.to = {{"", "a@b.alt\nEvil: 1"}};
    outer.fields.subject = outer.fields.date = outer.fields.message_id = outer.authentication =
        evil;
    outer.fields.references = {evil};
    const std::string prefix = sealed_prefix(outer);
    EXPECT_FALSE(has(prefix, "\nEvil"));
    EXPECT_FALSE(has(prefix, "\nbody"));
    EXPECT_EQ(id_in(prefix), outer.id);
  }
}

TEST(IdIn, FindsTheFieldHoweverItIsWritten) {
  const std::string hex(40, 'a');
  for (const std::string& text :
       {"P2pmail-Id: " + hex + "\n", "A: b\np2PMAIL-id:" + hex + "\r\n\r\n",
        "P2pmail-Id:\n " + hex + "\nB: c\n", "P2pmail-Id: " + hex,
        "P2PMAIL-ID:\r\n\t" + hex + "\r\n"}) {
    const auto id = id_in(text);
    ASSERT_TRUE(id) << text;
    EXPECT_EQ(id->bytes[19], 0xaa);
  }
}

TEST(IdIn, RefusesEverythingElse) {
  const std::string hex(40, 'a');
  for (const std::string& text :
       {std::string(), std::string("P2pmail-Id:"), "P2pmail-Id: " + hex.substr(1) + "\n",
        "P2pmail-Id: " + hex + "a\n", "P2pmail-Id: g" + hex.substr(1) + "\n",
        "A: b\n\nP2pmail-Id: " + hex + "\n", "XP2pmail-Id: " + hex + "\n",
        "P2pmail-Idx: " + hex + "\n", "A: x\n P2pmail-Id: " + hex + "\n",
        "A: b\r\n\r\nP2pmail-Id: " + hex + "\n"})
    EXPECT_FALSE(id_in(text)) << text;
}

}  // namespace
}  // namespace p2pmail::core
