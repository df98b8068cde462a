// Words to compare aloud: the table keeps its promises, and the derivation is what the page says.
#include "core/fingerprint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "core/text.h"

namespace p2pmail::core {
namespace {

IdentityKey filled(std::uint8_t byte) {
  IdentityKey key;
  key.bytes.fill(byte);
  return key;
}

/// Letters to change, add or drop to make one word of the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, change}));
    }
  }
  return row[b.size()];
}

TEST(FingerprintWords, AreShortLowerCaseAscii) {
  for (const auto word : fingerprint_words()) {
    EXPECT_TRUE(word.size() >= 4 && word.size() <= 8) << word;
    EXPECT_TRUE(std::ranges::all_of(word, [](char c) { return c >= 'a' && c <= 'z'; })) << word;
  }
}

TEST(FingerprintWords, AreInAlphabeticalOrder) {
  EXPECT_TRUE(std::ranges::is_sorted(fingerprint_words()));
}

TEST(FingerprintWords, DifferInTheirFirstFourLetters) {
  std::set<std::string_view> starts;
  for (const auto word : fingerprint_words()) starts.insert(word.substr(0, 4));
  EXPECT_EQ(starts.size(), 256U);
}

TEST(FingerprintWords, DifferInThreeLettersAtLeast) {
  for (const auto one : fingerprint_words()) {
    for (const auto other : fingerprint_words()) {
      EXPECT_TRUE(one == other || distance(one, other) >= 3) << one << " " << other;
    }
  }
}

// Made with libsodium's crypto_pwhash called from Python.
TEST(Fingerprint, MatchesTheVectors) {
  EXPECT_EQ(to_hex(*fingerprint(filled(0x00))), "857ff94aed1ffb0b");
  EXPECT_EQ(to_hex(*fingerprint(filled(0xff))), "11c73160155bc8cd");
}

TEST(PairWords, AreTheSameOnBothSidesSmallerKeyFirst) {
  const auto words = *words_of_pair(filled(0xff), filled(0x00));
  EXPECT_EQ(words, *words_of_pair(filled(0x00), filled(0xff)));
  const PairWords expected{"mercury", "lobster", "wizard",  "farmer", "vinegar", "captain",
                           "worker",  "avocado", "beaver",  "shadow", "cowboy",  "herring",
                           "blossom", "granite", "shelter", "soccer"};
  EXPECT_EQ(words, expected);
}

}  // namespace
}  // namespace p2pmail::core
