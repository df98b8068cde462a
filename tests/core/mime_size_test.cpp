// Attachments say their size (RFC 2183 section 2.7), so that a reader need not look for their end
// in what may be 10 GiB. A size that is wrong changes nothing; a file that changes meanwhile is
// said.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "core/mime.h"

namespace p2pmail::core {
namespace {

constexpr std::size_t kLarge = 300'000;

/// Counts the bytes that are read of it.
struct Counted {
  std::string text;
  std::uint64_t read = 0;
  std::size_t at_once = SIZE_MAX;
  MessageSource source() {
    return {text.size(), [this](std::uint64_t offset, ByteSpan out) -> Result<std::size_t> {
              const auto piece =
                  std::string_view(text).substr(offset, std::min(at_once, out.size()));
              std::copy(piece.begin(), piece.end(), out.begin());
              read += piece.size();
              return piece.size();
            }};
  }
};

/// What a reader makes of a message: every part's type and content.
std::vector<std::string> parts_of(const std::string& text, std::size_t at_once = SIZE_MAX) {
  Counted counted{text, 0, at_once};
  auto message = Message::parse(counted.source());
  EXPECT_TRUE(message);
  std::vector<std::string> all;
  for (const PartInfo& part : message->parts()) {
    all.push_back(part.type + "\n");
    EXPECT_TRUE(message->write_part(part.number, [&](ByteView bytes) -> Status {
      all.back() += text_of(bytes);
      return {};
    }));
  }
  return all;
}

/// All kinds of line ends, and lines that nearly are the boundary.
std::string binary(std::size_t size) {
  std::string content;
  std::uint32_t state = 1;
  while (content.size() < size) {
    state = state * 1664525 + 1013904223;
    content += static_cast<char>(state >> 24);
    if (state % 97 == 0) content += "\r\n--b0\n--\n-\r--b-";
  }
  content.resize(size);
  return content;
}

std::string message_with(const std::string& field, const std::string& content,
                         const std::string& end = "\n--b\n") {
  return "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: a/b\n"
         "Content-Transfer-Encoding: binary\nContent-Disposition: attachment; " +
         field + "\n\n" + content + end + "Content-Type: c/d\n\nsecond\n--b--\n";
}

std::string with_size(std::uint64_t size, const std::string& content,
                      const std::string& end = "\n--b\n") {
  return message_with("size=" + std::to_string(size), content, end);
}

TEST(Size, ContentIsNotReadAndComesBackExactly) {
  for (const char* end : {"\n--b\n", "\r\n--b\r\n", "\n--b \t\n"}) {
    const std::string content = binary(kLarge);
    Counted counted{with_size(kLarge, content, end)};
    auto message = Message::parse(counted.source());
    ASSERT_TRUE(message);
    EXPECT_EQ(message->parts().size(), 2u);
    EXPECT_LT(counted.read, kLarge);
    EXPECT_EQ(parts_of(counted.text).at(0), "a/b\n" + content);
    EXPECT_EQ(parts_of(counted.text).at(1), "c/d\nsecond");
  }
}

TEST(Size, TheLastPartCountsToo) {
  const std::string content = binary(kLarge);
  const std::string text =
      "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: binary\n"
      "Content-Disposition: attachment; size=300000\n\n" +
      content + "\n--b--";
  EXPECT_EQ(parts_of(text), std::vector<std::string>{"text/plain\n" + content});
}

// Text goes to other programs as it is, and they look into it.
TEST(Size, TextIsAlwaysLookedThrough) {
  const auto message = [](const std::string& parameter) {
    return "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n"
           "Content-Transfer-Encoding: binary\nContent-Disposition: inline" + parameter + "\n\n" +
           "x\n--b\nContent-Type: e/f\n\n" + std::string(kLarge - 25, 'y') + "\n--b--\n";
  };
  const auto parts = parts_of(message(""));
  EXPECT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts_of(message("; size=" + std::to_string(kLarge))), parts);
}

// At every place around a line end, and wherever the read-ahead ends.
TEST(Size, AWrongSizeChangesNothing) {
  const std::string content = binary(kLarge) + "\r";
  const auto truth = parts_of(message_with("junk=1", content));
  for (const std::uint64_t size :
       {kLarge - 100'000, kLarge - 2, kLarge - 1, kLarge, kLarge + 1, kLarge + 2, kLarge + 3,
        kLarge + 5, kLarge + 40, kLarge + 60, kLarge + 1'000'000}) {
    EXPECT_TRUE(parts_of(with_size(size, content)) == truth) << size;
    EXPECT_TRUE(parts_of(with_size(size, content), 7) == truth) << size;
  }
  for (const char* word : {"size=18446744073709551615", "size=18446744073709551616", "size=-1",
                           "size=300001x", "size=\"\"", "size=0x493e1", "size=300001; size=5"})
    EXPECT_TRUE(parts_of(message_with(word, content)) == truth) << word;
}

TEST(Size, EveryLineEndInFrontOfTheBoundaryIsReadAsWithout) {
  for (const char* last : {"", "\r", "\n", "\r\n", "\n\r", "\n\n"}) {
    for (const char* end : {"\n--b\n", "\r\n--b\r\n", "\r\n--b\n", "\n--b\r\n"}) {
      const std::string content = binary(kLarge) + last;
      const auto truth = parts_of(message_with("junk=1", content, end));
      for (const std::size_t less : {0, 1, 2}) {
        const auto size = content.size() - less;
        EXPECT_TRUE(parts_of(with_size(size, content, end)) == truth) << last << less;
      }
    }
  }
}

TEST(Size, WhatLooksLikeABoundaryInsideIsContent) {
  const std::string content = "\n--b\n\n--b--\n" + binary(kLarge) + "\n--b\nX: y\n\n--b--\nrest";
  const auto parts = parts_of(with_size(content.size(), content));
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_TRUE(parts[0] == "a/b\n" + content);
}

// As if the content ended there, which is all that anybody without the size could say, too.
TEST(Size, ALieThatPointsToABoundaryGivesWhatScanningGives) {
  const std::string first = binary(kLarge);
  const std::string text = with_size(kLarge, first + "\n--b\nContent-Type: e/f\n\n" + first);
  EXPECT_TRUE(parts_of(text) ==
              parts_of(message_with("junk=1", first + "\n--b\nContent-Type: e/f\n\n" + first)));
}

TEST(Size, ManyLiesCostLittle) {
  std::string text = "Content-Type: multipart/mixed; boundary=b\n";
  for (int i = 0; i < 5000; ++i)
    text +=
        "\n--b\nContent-Transfer-Encoding: binary\nContent-Disposition: attachment; "
        "size=70000\n\nx";
  Counted counted{text + "\n--b--\n"};
  ASSERT_TRUE(Message::parse(counted.source()));
  EXPECT_LT(counted.read, 3 * counted.text.size());
}

// ---- composing

Fd file_of(const std::string& content) {
  Fd fd(memfd_create("input", MFD_CLOEXEC));
  EXPECT_TRUE(write_at(fd.get(), 0, bytes_of(content), "input"));
  return fd;
}

Draft draft_with(int fd) {
  Draft draft;
  draft.from = {"", "alice@example.alt"};
  draft.attachments.push_back({"dir/f.bin", "f.bin", fd});
  return draft;
}

/// `middle` runs once the file has been begun.
Status compose_and(const Draft& draft, const std::function<void()>& middle, std::string& out) {
  return compose(draft, [&](ByteView bytes) -> Status {
    if (bytes.size() > 1000 && out.size() < 2000) middle();
    out += text_of(bytes);
    return {};
  });
}

TEST(ComposedSize, IsThatOfTheFile) {
  const std::string content = binary(kLarge);
  const Fd file = file_of(content);
  std::string text;
  ASSERT_TRUE(compose_and(
      draft_with(file.get()), [] {}, text));
  EXPECT_NE(text.find("size=300000\n"), std::string::npos);
  Counted counted{text};
  ASSERT_TRUE(Message::parse(counted.source()));
  EXPECT_LT(counted.read, kLarge);
  EXPECT_TRUE(parts_of(text).at(1) == "application/octet-stream\n" + content);
}

TEST(ComposedSize, IsThatOfTheRestOfAFile) {
  const Fd file = file_of("0123456789");
  lseek(file.get(), 4, SEEK_SET);
  std::string text;
  ASSERT_TRUE(compose_and(
      draft_with(file.get()), [] {}, text));
  EXPECT_NE(text.find("size=6\n"), std::string::npos);
}

TEST(ComposedSize, FilesThatSayNothingTrueAreReadToTheirEnd) {
  for (const char* path : {"/proc/self/status", "/sys/kernel/mm/transparent_hugepage/enabled"}) {
    const Fd file(open(path, O_RDONLY | O_CLOEXEC));
    if (!file) continue;
    std::string text;
    ASSERT_TRUE(compose_and(
        draft_with(file.get()), [] {}, text))
        << path;
    EXPECT_GT(parts_of(text).at(1).size(), 30u) << path;
  }
}

TEST(ComposedSize, AFileThatGrowsIsAsLongAsItWas) {
  const std::string content = binary(kLarge);
  const Fd file = file_of(content);
  Draft draft = draft_with(file.get());
  std::vector<std::string> changed;
  draft.changed = [&](const std::string& path) { changed.push_back(path); };
  std::string text;
  const auto grow = [&] { EXPECT_TRUE(write_at(file.get(), kLarge, bytes_of("more"), "f")); };
  ASSERT_TRUE(compose_and(draft, grow, text));
  EXPECT_EQ(changed, std::vector<std::string>{"dir/f.bin"});
  EXPECT_TRUE(parts_of(text).at(1) == "application/octet-stream\n" + content);
}

TEST(ComposedSize, AFileThatShrinksIsAnError) {
  const Fd file = file_of(binary(kLarge));
  std::string text;
  const auto shrink = [&] { EXPECT_EQ(ftruncate(file.get(), 1000), 0); };
  const auto done = compose_and(draft_with(file.get()), shrink, text);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kIo);
  EXPECT_NE(done.error().context.find("dir/f.bin: became shorter"), std::string::npos);
}

TEST(ComposedSize, WaitingForAPipeCanBeStopped) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Fd in(ends[0]), out(ends[1]);
  Draft draft = draft_with(in.get());
  int asked = 0;
  draft.stopped = [&asked] { return ++asked > 2; };
  std::string text;
  const auto done = compose_and(
      draft, [] {}, text);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kTimeout);
}

}  // namespace
}  // namespace p2pmail::core
