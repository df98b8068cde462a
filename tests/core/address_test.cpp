// Addresses: one key, one spelling; a typo is caught and named before any mail goes astray.
#include "core/address.h"

#include <gtest/gtest.h>

#include <cctype>
#include <vector>

#include "core/crypto.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

IdentityKey some_key() {
  IdentityKey key;
  for (std::size_t i = 0; i < key.bytes.size(); ++i) key.bytes[i] = static_cast<std::uint8_t>(i);
  return key;
}

std::string refusal(const Result<IdentityKey>& key) {
  if (key) return "accepted";
  EXPECT_EQ(key.error().code, Code::kMalformed);
  return key.error().context;
}

std::string on_domain(const std::string& local) {
  return local + "@" + key_text(some_key()) + ".p2pmail.alt";
}

/// The key's text with another version and the checksum that goes with it.
std::string of_version(std::uint8_t version) {
  const IdentityKey key = some_key();
  const Digest digest = hash(Context{"p2pmail/address"}, {key.view(), ByteView(&version, 1)});
  Bytes all = to_bytes(key.view());
  append(all, digest.view().first(2));
  all.push_back(version);
  return to_base32(all);
}

TEST(KeyText, IsTheStatedConstruction) {
  EXPECT_EQ(key_text(some_key()), of_version(1));
  EXPECT_EQ(key_text(some_key()).size(), kKeyTextSize);
}

TEST(KeyText, ReadsWhatItWroteInAnyCase) {
  const std::string text = key_text(some_key());
  EXPECT_EQ(*parse_key_text(text), some_key());
  std::string upper = text;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  EXPECT_EQ(*parse_key_text(upper), some_key());
}

TEST(KeyText, RefusesEveryOtherLength) {
  const std::string text = key_text(some_key());
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_EQ(refusal(parse_key_text(text.substr(0, size))), "a key has 56 characters") << size;
  EXPECT_NE(refusal(parse_key_text(text + "a")), "accepted");
}

TEST(KeyText, CatchesATypoAnywhere) {
  const std::string text = key_text(some_key());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string typo = text;
    typo[i] = typo[i] == 'a' ? 'b' : 'a';
    EXPECT_NE(refusal(parse_key_text(typo)).find("a typo?"), std::string::npos) << i;
  }
}

TEST(KeyText, CatchesNeighboursThatChangedPlaces) {
  const std::string text = key_text(some_key());
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    std::string typo = text;
    std::swap(typo[i], typo[i + 1]);
    if (typo == text) continue;
    EXPECT_NE(refusal(parse_key_text(typo)), "accepted") << i;
  }
}

TEST(KeyText, NamesABadCharacter) {
  for (const char c : {'1', '8', '0', '=', ' ', '\n', '\0', '\xff'}) {
    std::string text = key_text(some_key());
    text[20] = c;
    EXPECT_NE(refusal(parse_key_text(text)).find("letters"), std::string::npos) << int{c};
  }
}

TEST(KeyText, TellsAnotherVersionFromATypo) {
  EXPECT_EQ(refusal(parse_key_text(of_version(2))), "a key of another version");
  EXPECT_EQ(refusal(parse_key_text(of_version(0))), "a key of another version");
}

TEST(TransportText, IsNoAddressAndTheOtherWayRound) {
  const TransportKey transport{some_key().bytes};
  const std::string text = transport_text(transport);
  EXPECT_EQ(*parse_transport_text(text), transport);
  EXPECT_NE(refusal(parse_key_text(text)), "accepted");
  EXPECT_EQ(parse_transport_text(key_text(some_key())).error().code, Code::kMalformed);
}

TEST(AddressTest, ReadsWhatItWrote) {
  for (const char* folder : {"", "work"}) {
    const Address address{"alice", folder, some_key()};
    const auto back = parse_address(address.text());
    ASSERT_TRUE(back) << back.error().context;
    EXPECT_EQ(back->local, "alice");
    EXPECT_EQ(back->folder, folder);
    EXPECT_EQ(back->key, some_key());
  }
}

TEST(AddressTest, WritesTheStatedForm) {
  const Address address{"alice", "work", some_key()};
  EXPECT_EQ(address.text(), "alice+work@" + key_text(some_key()) + ".p2pmail.alt");
}

TEST(AddressTest, IgnoresTheCaseOfTheDomainOnly) {
  std::string text = on_domain("Alice");
  const auto at = text.find('@');
  for (std::size_t i = at; i < text.size(); ++i)
    text[i] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[i])));
  const auto address = parse_address(text);
  ASSERT_TRUE(address) << address.error().context;
  EXPECT_EQ(address->local, "Alice");
  EXPECT_EQ(address->key, some_key());
}

TEST(AddressTest, BoundsTheLocalPart) {
  EXPECT_TRUE(parse_address(on_domain("a")));
  EXPECT_TRUE(parse_address(on_domain(std::string(64, 'a'))));
  EXPECT_FALSE(parse_address(on_domain(std::string(65, 'a'))));
  EXPECT_TRUE(parse_address(on_domain("o'brien/x.y_z{1}~")));
}

TEST(AddressTest, RefusesOtherLocalParts) {
  for (const char* local :
       {"", ".a", "a.", "a..b", "a b", "a@b", "\"a\"", "a,b", "a:b", "<a", "a\n", "a\\b", "(a)",
        "\xc3\xbc", "+work", "a+", "a+b+c", "a+.b", "a+..", "a[b]"})
    EXPECT_EQ(parse_address(on_domain(local)).error().code, Code::kMalformed) << local;
}

TEST(AddressTest, RefusesOtherDomains) {
  const std::string key = key_text(some_key());
  const std::vector<std::string> texts{
      "", "a" + key, "a@", "a@" + key, "a@" + key + ".p2pmail", "a@.p2pmail.alt", "a@p2pmail.alt",
      "a@" + key + ".p2pmail.alt.", "a@x." + key + ".p2pmail.alt", "a@" + key + ".p2pmail.alt ",
      "a@" + key + "p2pmail.alt", "a@example.org"};
  for (const std::string& text : texts)
    EXPECT_EQ(parse_address(text).error().code, Code::kMalformed) << text;
}

TEST(AddressTest, RefusesEveryTruncation) {
  const std::string text = on_domain("alice");
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(parse_address(text.substr(0, size))) << size;
}

TEST(AddressTest, SaysThatItIsATypo) {
  std::string text = on_domain("alice");
  text[10] = text[10] == 'a' ? 'b' : 'a';
  EXPECT_NE(parse_address(text).error().context.find("typo"), std::string::npos);
}

TEST(LocalPart, IsMadeFromAName) {
  EXPECT_EQ(local_part_of("Alice"), "alice");
  EXPECT_EQ(local_part_of("Alice B. Cooper"), "alice.b.cooper");
  EXPECT_EQ(local_part_of("J\xc3\xbcrgen_2-x"), "jrgen_2-x");
}

TEST(LocalPart, IsMailWhenNothingIsLeft) {
  for (const char* name : {"", " ", "...", "\xe6\x97\xa5", "@@@"})
    EXPECT_EQ(local_part_of(name), "mail") << name;
}

TEST(LocalPart, IsAlwaysOneThatParses) {
  for (int round = 0; round < 1000; ++round) {
    Bytes name(static_cast<std::size_t>(1 + random_below(100)));
    random_bytes(name);
    for (auto& byte : name) byte = static_cast<std::uint8_t>(byte % 128);
    const std::string local = local_part_of(text_of(name));
    EXPECT_TRUE(parse_address(on_domain(local))) << local;
  }
}

TEST(LooksLikeAddress, SeesTheDomainOnly) {
  EXPECT_TRUE(looks_like_address(on_domain("alice")));
  EXPECT_TRUE(looks_like_address("anything at all@typo.P2PMAIL.alt"));
  for (const char* text : {"", "alice", "p2pmail.alt", "a@p2pmail.alt.example.org",
                           "a@xp2pmail.alt", "a@b.p2pmail.alt@example.org"})
    EXPECT_FALSE(looks_like_address(text)) << text;
}

}  // namespace
}  // namespace p2pmail::core
