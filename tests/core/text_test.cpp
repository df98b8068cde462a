// Encodings take exactly what they write; a stranger's text never reaches a terminal or a directory
// as anything but plain text.
#include "core/text.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/crypto.h"

namespace p2pmail::core {
namespace {

std::string base32(std::string_view text) { return to_base32(bytes_of(text)); }
std::string base64(std::string_view text) { return to_base64(bytes_of(text)); }

Bytes random_of(std::size_t size) {
  Bytes out(size);
  if (size > 0) random_bytes(out);
  return out;
}

const std::string kBad = "\xef\xbf\xbd";  // U+FFFD

TEST(Base32, MatchesTheVectorsOfRfc4648) {
  EXPECT_EQ(base32(""), "");
  EXPECT_EQ(base32("f"), "my");
  EXPECT_EQ(base32("fo"), "mzxq");
  EXPECT_EQ(base32("foo"), "mzxw6");
  EXPECT_EQ(base32("foob"), "mzxw6yq");
  EXPECT_EQ(base32("fooba"), "mzxw6ytb");
  EXPECT_EQ(base32("foobar"), "mzxw6ytboi");
}

TEST(Base64, MatchesTheVectorsOfRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(to_base64(Bytes{0xfb, 0xff}), "+/8=");
}

TEST(Encodings, ReadWhatTheyWroteAtEverySize) {
  for (std::size_t size = 0; size < 100; ++size) {
    const Bytes bytes = random_of(size);
    EXPECT_EQ(from_base32(to_base32(bytes)), bytes);
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
    EXPECT_EQ(from_hex(to_hex(bytes)), bytes);
  }
}

TEST(Base32, TakesUpperCaseAndNothingElse) {
  EXPECT_EQ(from_base32("MZXW6YTB"), to_bytes(bytes_of("fooba")));
  for (const char* text : {"my======", "m1", "m8", "m y", "m\xc3", "my\n"})
    EXPECT_FALSE(from_base32(text)) << text;
  EXPECT_FALSE(from_base32(std::string_view("m\0", 2)));
}

TEST(Base32, RefusesLeftOverBits) {
  EXPECT_TRUE(from_base32("my"));
  EXPECT_FALSE(from_base32("mz"));  // the two low bits are not zero
  EXPECT_FALSE(from_base32("m"));
  EXPECT_FALSE(from_base32("mya"));
  EXPECT_FALSE(from_base32("mzxw6a"));
}

TEST(Hex, RefusesOddLengthsAndOtherCharacters) {
  EXPECT_EQ(from_hex("00fFA9"), (Bytes{0, 255, 0xa9}));
  for (const char* text : {"0", "0g", "0x", " 0", "-1"}) EXPECT_FALSE(from_hex(text)) << text;
}

TEST(Base64, TakesWhiteSpaceAndNothingElse) {
  EXPECT_EQ(from_base64(" Zm9v\r\nYm\tFy\n"), to_bytes(bytes_of("foobar")));
  for (const char* text : {"Zg", "Zg=", "Zg===", "Z", "Zg==Zg==", "Zm9v=", "=", "==", "====",
                           "Zm9v====", "Zm-_", "Zm9v!", "Z=g="})
    EXPECT_FALSE(from_base64(text)) << text;
}

TEST(Base64, RefusesLeftOverBits) {
  EXPECT_FALSE(from_base64("Zh=="));
  EXPECT_FALSE(from_base64("Zm9="));
}

TEST(Armor, WrapsAtSixtyFourColumns) {
  const std::string text = armor("CARD", Bytes(49));
  EXPECT_EQ(text, "-----BEGIN P2PMAIL CARD-----\n" + std::string(64, 'A') + "\nAA==\n" +
                      "-----END P2PMAIL CARD-----\n");
}

TEST(Armor, IsFoundInsideOtherText) {
  for (std::size_t size = 0; size < 200; ++size) {
    const Bytes bytes = random_of(size);
    const auto back = unarmor("CARD", "hello\n" + armor("CARD", bytes) + "bye\n", size);
    ASSERT_TRUE(back) << size << ": " << back.error().context;
    EXPECT_EQ(*back, bytes);
  }
}

TEST(Armor, SurvivesCrlf) {
  std::string text;
  for (const char c : armor("CARD", Bytes(100, 9))) text += c == '\n' ? "\r\n" : std::string(1, c);
  EXPECT_EQ(*unarmor("CARD", text, 100), Bytes(100, 9));
}

TEST(Armor, TakesTheFirstBlockWithTheLabel) {
  const std::string text =
      armor("KEY", Bytes{1}) + armor("CARD", Bytes{2}) + armor("CARD", Bytes{3});
  EXPECT_EQ(*unarmor("CARD", text, 9), Bytes{2});
}

TEST(Armor, RefusesEveryTruncation) {
  const std::string text = armor("CARD", random_of(60));
  const std::size_t end = text.size() - 1;  // the last line end may be missing
  for (std::size_t size = 0; size < end; ++size)
    EXPECT_FALSE(unarmor("CARD", text.substr(0, size), 999)) << size;
  EXPECT_TRUE(unarmor("CARD", text.substr(0, end), 999));
}

TEST(Armor, RefusesWhatIsMissingTooLargeOrNotBase64) {
  const auto code = [](const std::string& text, std::size_t max) {
    const auto out = unarmor("CARD", text, max);
    return out ? Code::kBug : out.error().code;
  };
  EXPECT_EQ(code("", 9), Code::kMalformed);
  EXPECT_EQ(code(armor("KEY", Bytes{1}), 9), Code::kMalformed);
  EXPECT_EQ(code(armor("CARD", Bytes(10)), 9), Code::kMalformed);
  EXPECT_EQ(code(armor("CARD", Bytes(100'000)), 9), Code::kMalformed);
  EXPECT_EQ(code("-----BEGIN P2PMAIL CARD-----\n!!\n-----END P2PMAIL CARD-----\n", 9),
            Code::kMalformed);
}

// ---- UTF-8

TEST(Utf8, TakesTheEdgesOfEveryLength) {
  for (const char* text : {"", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(text)) << text;
}

TEST(Utf8, RefusesOverlongSurrogatesAndBeyond) {
  for (const char* text :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff", "\xc3",
        "\xe2\x82", "\xf0\x9f\x98", "\xc3(", "\xe2(\x82"})
    EXPECT_FALSE(is_utf8(text)) << to_hex(bytes_of(text));
}

TEST(Controls, AreSeenWhereverTheyHide) {
  for (const char* text : {"\n", "a\tb", "\x1b", "\x7f", "\xc2\x80", "\xc2\x9f", "\xff", "ok\xc3"})
    EXPECT_TRUE(has_controls(text)) << to_hex(bytes_of(text));
  EXPECT_TRUE(has_controls(std::string_view("\0", 1)));
  for (const char* text : {"", "plain", "gr\xc3\xbc\xc3\x9f", "\xc2\xa0", "\xf0\x9f\x98\x80"})
    EXPECT_FALSE(has_controls(text)) << text;
}

// ---- cleaning

TEST(CleanLine, LeavesPlainTextAlone) {
  const std::string text = "Gr\u00fc\u00df Gott, \u65e5\u672c \U0001f600 <a@b>";
  EXPECT_EQ(clean_line(text), text);
}

TEST(CleanLine, ReplacesControlsAndEscapes) {
  EXPECT_EQ(clean_line("a\tb"), "a b");
  EXPECT_EQ(clean_line("\x1b[31m"), kBad + "[31m");
  EXPECT_EQ(clean_line("a\r\nb"), "a" + kBad + kBad + "b");
  EXPECT_EQ(clean_line("\xc2\x9b" "2J"), kBad + "2J");
  EXPECT_EQ(clean_line(std::string_view("\0\x7f", 2)), kBad + kBad);
}

TEST(CleanLine, ReplacesEveryInvalidByte) {
  EXPECT_EQ(clean_line("a\xff\xc3" "b"), "a" + kBad + kBad + "b");
  EXPECT_EQ(clean_line("\xe2\x82"), kBad + kBad);
}

TEST(CleanLine, ReplacesWhatReordersOrHides) {
  for (const char* text :
       {"\u061c", "\u200b", "\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066",
        "\u2069", "\u2060", "\ufeff", "\u00ad", "\u3164", "\U000e0001", "\U000e0041"})
    EXPECT_EQ(clean_line(text), kBad) << to_hex(bytes_of(text));
}

TEST(CleanLine, CutsToColumnsWithAnEllipsis) {
  EXPECT_EQ(clean_line("abcdef", 6), "abcdef");
  EXPECT_EQ(clean_line("abcdefg", 6), "abcde\u2026");
  EXPECT_EQ(clean_line("\u65e5\u672c\u8a9e", 6), "\u65e5\u672c\u8a9e");
  EXPECT_EQ(clean_line("\u65e5\u672c\u8a9e", 5), "\u65e5\u672c\u2026");
  EXPECT_EQ(clean_line("\u65e5\u672c\u8a9e", 4), "\u65e5\u2026");
  EXPECT_EQ(clean_line("ab", 1), "\u2026");
}

TEST(CleanLine, GivesCleanTextWithinItsColumnsForAnyBytes) {
  for (int round = 0; round < 2000; ++round) {
    const Bytes bytes = random_of(static_cast<std::size_t>(random_below(40)));
    const std::size_t max = static_cast<std::size_t>(random_below(20));
    const std::string out = clean_line(text_of(bytes), max);
    EXPECT_FALSE(has_controls(out)) << to_hex(bytes);
    EXPECT_TRUE(max == 0 || columns(out) <= max) << to_hex(bytes);
    EXPECT_EQ(clean_line(out), out) << to_hex(bytes);
  }
}

TEST(CleanBody, KeepsLinesAndTabs) {
  EXPECT_EQ(clean_body("a\r\n\tb\nc"), "a\n\tb\nc");
  EXPECT_EQ(clean_body("a\rb\r"), "a" + kBad + "b" + kBad);
  EXPECT_EQ(clean_body("\r\r\n"), kBad + "\n");
}

TEST(CleanBody, ReplacesWhatALineWould) {
  EXPECT_EQ(clean_body("\x1b]0;x\x07\u202e\xff"), kBad + "]0;x" + kBad + kBad + kBad);
}

TEST(Columns, CountsWideAndMarks) {
  EXPECT_EQ(columns(""), 0U);
  EXPECT_EQ(columns("abc"), 3U);
  EXPECT_EQ(columns("\u65e5\uac00\U0001f600"), 6U);
  EXPECT_EQ(columns("e\u0301"), 1U);
  EXPECT_EQ(columns("\xff\xff"), 2U);
}

// ---- file names

TEST(SafeFileName, KeepsOrdinaryNames) {
  for (const char* name : {"report.pdf", "a b.txt", "\u00fcber.tar.gz", "x", "a-b.c", "1.2"})
    EXPECT_EQ(safe_file_name(name), name);
}

TEST(SafeFileName, KeepsOnlyTheLastComponent) {
  EXPECT_EQ(safe_file_name("/etc/passwd"), "passwd");
  EXPECT_EQ(safe_file_name("../../x"), "x");
  EXPECT_EQ(safe_file_name("C:\\temp\\x.doc"), "x.doc");
}

TEST(SafeFileName, HidesAndOptionsNothing) {
  EXPECT_EQ(safe_file_name(".bashrc"), "bashrc");
  EXPECT_EQ(safe_file_name("--help"), "help");
  EXPECT_EQ(safe_file_name(". -.x"), "x");
}

TEST(SafeFileName, IsAttachmentWhenNothingIsLeft) {
  for (const char* name : {"", ".", "..", "...", "/", "a/", "-", " ", ". ."})
    EXPECT_EQ(safe_file_name(name), "attachment") << name;
}

TEST(SafeFileName, ReplacesControlsAndBidi) {
  EXPECT_EQ(safe_file_name("a\nb\x1b.txt"), "a_b_.txt");
  EXPECT_EQ(safe_file_name("invoice\u202etxt.exe"), "invoice_txt.exe");
  EXPECT_EQ(safe_file_name(std::string_view("a\0b", 3)), "a_b");
  EXPECT_EQ(safe_file_name("a\xff" "b"), "a_b");
}

TEST(SafeFileName, CutsBeforeTheExtensionOnACharacter) {
  EXPECT_EQ(safe_file_name(std::string(200, 'a')), std::string(200, 'a'));
  EXPECT_EQ(safe_file_name(std::string(300, 'a') + ".pdf"), std::string(196, 'a') + ".pdf");
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "\u65e5";
  const std::string out = safe_file_name(wide + ".pdf");
  EXPECT_TRUE(is_utf8(out) && out.ends_with(".pdf"));
  EXPECT_EQ(out.size(), 195U + 4U);
}

TEST(SafeFileName, IsSafeForAnyBytes) {
  for (int round = 0; round < 3000; ++round) {
    const Bytes bytes = random_of(static_cast<std::size_t>(random_below(300)));
    const std::string out = safe_file_name(text_of(bytes));
    EXPECT_TRUE(!out.empty() && out.size() <= 200) << to_hex(bytes);
    EXPECT_TRUE(out.front() != '.' && out.front() != '-') << to_hex(bytes);
    EXPECT_EQ(out.find('/'), std::string::npos) << to_hex(bytes);
    EXPECT_FALSE(has_controls(out)) << to_hex(bytes);
  }
}

}  // namespace
}  // namespace p2pmail::core
