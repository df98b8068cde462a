// Text of parts: whatever a stranger writes, what comes out is bounded by what went in.
#include "core/mime_text.h"

#include <gtest/gtest.h>

namespace p2pmail::core::mime {
namespace {

constexpr std::size_t kTimes = 100'000;

std::string times(std::string_view text, std::size_t count = kTimes) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

TEST(HtmlToText, BreaksAndBlocksAreLines) {
  EXPECT_EQ(html_to_text("a<br>b<p>c<div>d</div>e"), "a\nb\n\nc\nd\ne\n");
  EXPECT_EQ(html_to_text("<br> a <br> <p> b"), "\na\n\nb\n");
  EXPECT_EQ(html_to_text("<ul><li>a<li>b</ul>"), "* a\n* b\n");
}

// Nothing is counted twice: each of these once took time with the square of its length.
TEST(HtmlToText, RunsOfLineEndsAreBounded) {
  EXPECT_EQ(html_to_text("a" + times("<br>") + times("<p>") + "b"), "a\n\n\n\nb\n");
  EXPECT_EQ(html_to_text(times("<br><p>") + "b"), "\n\n\n\nb\n");
  EXPECT_EQ(html_to_text("a" + times("<div><br>") + "b"), "a\n\n\n\nb\n");
}

TEST(HtmlToText, GivesNoMoreThanItTakes) {
  for (const char* piece :
       {"<", "<!--", "<p", "<br>", "<li>", "<td>x", "&", "&;", "&#;", "&#0;", "&#x10ffff;",
        "&aaaaaaaaaaaaaaa", "<script>", "</script>", " ", "\xff", "<br>&nbsp;<p>", "<td> <p>"}) {
    const std::string html = times(piece, 1000);
    EXPECT_LE(html_to_text(html).size(), html.size() + 1) << piece;
  }
}

TEST(ToUtf8, GivesAtMostThreeBytesForOne) {
  const std::string bad = times("\xff\xc3\x80", 1000);
  for (const char* charset : {"", "utf-8", "iso-8859-1", "utf-7", "utf-16", "iso-2022-jp",
                              "gb18030", "euc-jp", "shift_jis", "unknown", "//translit"}) {
    EXPECT_LE(to_utf8(bad, charset).size(), 3 * bad.size() + 3) << charset;
  }
}

}  // namespace
}  // namespace p2pmail::core::mime
