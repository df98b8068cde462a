// Letters: what was sealed opens again, from any place; nothing that was cut, moved, changed or
// made up by a sender who breaks the format is taken for a letter.
#include "core/letter.h"

#include <gtest/gtest.h>

#include "core/cbor.h"

namespace p2pmail::core {
namespace {

const Bytes kNothing;

struct Letter {
  SymmetricKey key = make_symmetric_key();
  Bytes stream;
  LetterSealer::Sealed sealed;
};

std::string message_of(std::size_t size) {
  std::string out(size, ' ');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>('!' + i % 89);
  return out;
}

Letter seal(std::string_view message, std::size_t piece = SIZE_MAX, const Preamble& preamble = {}) {
  Letter letter;
  LetterSealer sealer(letter.key, preamble, [&letter](ByteView bytes) {
    append(letter.stream, bytes);
    return Status{};
  });
  for (std::string_view rest = message; !rest.empty();) {
    EXPECT_TRUE(sealer.write(bytes_of(rest.substr(0, piece))));
    rest.remove_prefix(std::min(piece, rest.size()));
  }
  auto sealed = sealer.finish();
  EXPECT_TRUE(sealed);
  if (sealed) letter.sealed = std::move(*sealed);
  return letter;
}

Source source_of(const Bytes& stream) {
  return [&stream](std::uint64_t offset, ByteSpan out) -> Status {
    if (offset > stream.size() || out.size() > stream.size() - offset)
      return Error{Code::kIo, "read past the end"};
    std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  };
}

Result<LetterOpener> open_letter(const Letter& letter) {
  return LetterOpener::open(letter.key, letter.stream.size(), source_of(letter.stream));
}

Result<std::string> open_all(const SymmetricKey& key, const Bytes& stream) {
  auto opener = LetterOpener::open(key, stream.size(), source_of(stream));
  if (!opener) return opener.error();
  std::string out(opener->message_size(), '\0');
  auto got = opener->read(0, {reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
  if (!got) return got.error();
  EXPECT_EQ(*got, out.size());
  return out;
}

Code refusal(const SymmetricKey& key, const Bytes& stream) {
  const auto opened = open_all(key, stream);
  return opened ? Code::kBug : opened.error().code;
}

/// Seals any plaintext, as the format says it and without LetterSealer: for hostile letters.
Bytes seal_plain(const SymmetricKey& key, ByteView plain) {
  Bytes out;
  for (std::uint8_t number = 0; !plain.empty(); ++number) {
    const std::size_t take = std::min(plain.size(), kChunkPlain);
    std::array<std::uint8_t, kNonceSize> nonce{};
    nonce[10] = number;
    nonce[11] = take == plain.size() ? 1 : 0;
    Bytes chunk(take + kTagSize);
    aead_seal(chunk, key, nonce, {}, plain.first(take));
    append(out, chunk);
    plain = plain.subspan(take);
  }
  return out;
}

Value preamble_map() {
  return Value{{"c", 0u}, {"i", binary(Bytes(16))}, {"m", "message/rfc822"}, {"t", 5u}, {"v", 1u}};
}

/// A whole plaintext with this preamble and message, and any size in the trailer.
Bytes plain_letter(const Value& preamble, std::string_view message, std::size_t total,
                   std::uint64_t trailer) {
  const Bytes encoded = encode_cbor(preamble);
  Bytes plain(2);
  put_be(plain.data(), static_cast<std::uint16_t>(encoded.size()));
  append(plain, encoded);
  append(plain, bytes_of(message));
  plain.resize(total);
  put_be(plain.data() + total - 8, trailer);
  return plain;
}

/// Where the message begins after a default preamble.
std::size_t message_start() { return 2 + encode_cbor(preamble_map()).size(); }

TEST(Letter, PaddingSizes) {
  EXPECT_EQ(padded_size(0), 4096u);
  EXPECT_EQ(padded_size(4096), 4096u);
  EXPECT_EQ(padded_size(4097), 4352u);
  EXPECT_EQ(padded_size(65520), 65536u);
  EXPECT_EQ(padded_size(1 << 20), 1u << 20);
  EXPECT_EQ(padded_size((1 << 20) + 1), (1u << 20) + 32768u);
  EXPECT_EQ(padded_size(UINT64_MAX), UINT64_MAX);
}

TEST(Letter, PaddingHoldsAndStaysUnderTwelvePercent) {
  for (std::uint64_t size = 4096; size < (std::uint64_t{1} << 50); size += size / 7 + 1) {
    const std::uint64_t padded = padded_size(size);
    EXPECT_GE(padded, size);
    EXPECT_LE(padded - size, size / 100 * 12);
    EXPECT_EQ(padded_size(padded), padded);
  }
}

TEST(Letter, SizesThereAndBack) {
  for (const std::uint64_t plain : {1u, 4096u, 65519u, 65520u, 65521u, 131040u, 131041u}) {
    const auto back = plain_size(sealed_size(plain));
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, plain);
  }
  EXPECT_EQ(sealed_size(kMaxLetterSize / kChunkSealed * kChunkPlain), kMaxLetterSize);
  EXPECT_EQ(sealed_size(UINT64_MAX), UINT64_MAX);
}

TEST(Letter, NoPlaintextHasTheseSizes) {
  for (const std::uint64_t sealed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{16},
                                     std::uint64_t{65537}, std::uint64_t{65552},
                                     kMaxLetterSize + 1, kMaxLetterSize + 4096, UINT64_MAX}) {
    const auto plain = plain_size(sealed);
    ASSERT_FALSE(plain) << sealed;
    EXPECT_EQ(plain.error().code, Code::kMalformed);
  }
}

class LetterSizes : public testing::TestWithParam<std::size_t> {};

TEST_P(LetterSizes, RoundTrip) {
  const std::string message = message_of(GetParam());
  for (const std::size_t piece : {SIZE_MAX, std::size_t{65519}}) {
    const Letter letter = seal(message, piece);
    const auto opened = open_all(letter.key, letter.stream);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(*opened == message);
  }
}

TEST_P(LetterSizes, SaysWhatWasSealed) {
  const Letter letter = seal(message_of(GetParam()));
  EXPECT_EQ(letter.sealed.size, letter.stream.size());
  EXPECT_EQ(letter.sealed.message_size, GetParam());
  EXPECT_EQ(letter.sealed.leaves.size(), block_count(letter.stream.size()));
  const auto root = hash_stream(letter.stream.size(), source_of(letter.stream));
  ASSERT_TRUE(root);
  EXPECT_EQ(*root, letter.sealed.root);
}

INSTANTIATE_TEST_SUITE_P(Sizes, LetterSizes,
                         testing::Values(0, 1, 4000, 4095, 4096, 4097, 61000, 65519, 65520, 65521,
                                         65536, 131039, 131040, 131041, 1048575, 1048576, 1100000));

// Every padded size is a multiple of 16, as kChunkPlain is, so a trailer never straddles two chunks
// in a true letter; chunks that are full to the last byte do occur.
TEST(Letter, AroundEachPaddingStep) {
  for (const std::size_t padded : {4096, 4352, 8192, 65536, 129024, 131072, 1 << 20})
    for (std::size_t full = padded - 2; full <= padded + 2; ++full) {
      const std::string message = message_of(full - message_start() - 8);
      const Letter letter = seal(message);
      EXPECT_EQ(letter.stream.size(), sealed_size(padded_size(full)));
      const auto opened = open_all(letter.key, letter.stream);
      ASSERT_TRUE(opened);
      ASSERT_TRUE(*opened == message);
    }
}

TEST(Letter, BytesOneByOne) {
  const Letter letter = seal(message_of(5000), 1);
  const auto opened = open_all(letter.key, letter.stream);
  ASSERT_TRUE(opened);
  EXPECT_EQ(*opened, message_of(5000));
}

TEST(Letter, PreambleComesBack) {
  Preamble preamble;
  random_bytes(preamble.id);
  preamble.time = kMaxTime;
  preamble.content_type = "text/plain";
  const Letter letter = seal("hello", SIZE_MAX, preamble);
  const auto opener = open_letter(letter);
  ASSERT_TRUE(opener);
  EXPECT_EQ(opener->preamble().id, preamble.id);
  EXPECT_EQ(opener->preamble().time, kMaxTime);
  EXPECT_EQ(opener->preamble().content_type, "text/plain");
}

TEST(Letter, OpensHandmadeLetter) {
  const SymmetricKey key = make_symmetric_key();
  const Bytes plain = plain_letter(preamble_map(), "hello", 4096, 5);
  const auto opened = open_all(key, seal_plain(key, plain));
  ASSERT_TRUE(opened);
  EXPECT_EQ(*opened, "hello");
}

TEST(Letter, ReadsAtAnyPlace) {
  const std::string message = message_of(200000);
  const Letter letter = seal(message);
  auto opener = open_letter(letter);
  ASSERT_TRUE(opener);
  for (const std::size_t at : {199990u, 0u, 65400u, 131000u, 65519u, 70000u, 199999u}) {
    Bytes out(300);
    const auto got = opener->read(at, out);
    ASSERT_TRUE(got);
    EXPECT_EQ(text_of(ByteView(out).first(*got)), message.substr(at, 300));
  }
}

TEST(Letter, ReadsNothingPastTheEnd) {
  const Letter letter = seal("hello");
  auto opener = open_letter(letter);
  ASSERT_TRUE(opener);
  Bytes out(10);
  EXPECT_EQ(*opener->read(5, out), 0u);
  EXPECT_EQ(*opener->read(UINT64_MAX, out), 0u);
  EXPECT_EQ(*opener->read(0, {}), 0u);
}

TEST(Letter, RefusesEachTruncationOfASmallLetter) {
  const Letter letter = seal("hello");
  Bytes stream = letter.stream;
  while (!stream.empty()) {
    stream.pop_back();
    EXPECT_NE(refusal(letter.key, stream), Code::kBug) << stream.size();
  }
}

TEST(Letter, RefusesTruncationAtAndAroundChunks) {
  const Letter letter = seal(message_of(190000));
  for (std::size_t chunk = 1; chunk * kChunkSealed < letter.stream.size(); ++chunk)
    for (const int more : {-1, 0, 1, 16, 17, 1000}) {
      Bytes stream = letter.stream;
      stream.resize(chunk * kChunkSealed + static_cast<std::size_t>(more));
      EXPECT_NE(refusal(letter.key, stream), Code::kBug) << stream.size();
    }
}

TEST(Letter, RefusesExtension) {
  const Letter letter = seal(message_of(60000));
  for (const std::size_t more : {1u, 16u, 17u, 4112u, 65536u, 65552u}) {
    Bytes stream = letter.stream;
    stream.resize(stream.size() + more);
    EXPECT_NE(refusal(letter.key, stream), Code::kBug) << more;
  }
  Bytes twice = letter.stream;
  append(twice, letter.stream);
  EXPECT_NE(refusal(letter.key, twice), Code::kBug);
}

TEST(Letter, RefusesReorderedChunks) {
  const Letter letter = seal(message_of(250000));
  const auto chunk = [](Bytes& stream, std::size_t n) {
    return stream.begin() + static_cast<std::ptrdiff_t>(n * kChunkSealed);
  };
  for (std::size_t a = 0; a < 2; ++a)
    for (std::size_t b = a + 1; b < 3; ++b) {
      Bytes stream = letter.stream;
      std::swap_ranges(chunk(stream, a), chunk(stream, a + 1), chunk(stream, b));
      EXPECT_EQ(refusal(letter.key, stream), Code::kForged);
    }
}

TEST(Letter, RefusesARepeatedChunk) {
  const Letter letter = seal(message_of(250000));
  Bytes stream = letter.stream;
  std::copy_n(stream.begin(), kChunkSealed, stream.begin() + kChunkSealed);
  EXPECT_EQ(refusal(letter.key, stream), Code::kForged);
}

TEST(Letter, RefusesEachFlippedBit) {
  const Letter letter = seal("hello");
  Bytes stream = letter.stream;
  for (std::size_t bit = 0; bit < stream.size() * 8; ++bit) {
    const auto mask = static_cast<std::uint8_t>(1u << (bit % 8));
    stream[bit / 8] ^= mask;
    ASSERT_EQ(refusal(letter.key, stream), Code::kForged) << bit;
    stream[bit / 8] ^= mask;
  }
}

TEST(Letter, RefusesAnotherKey) {
  EXPECT_EQ(refusal(make_symmetric_key(), seal("hello").stream), Code::kForged);
}

TEST(Letter, PassesOnWhatTheSourceSays) {
  const Letter letter = seal("hello");
  const auto opener = LetterOpener::open(letter.key, letter.stream.size(), source_of(kNothing));
  ASSERT_FALSE(opener);
  EXPECT_EQ(opener.error().code, Code::kIo);
}

Code refusal_of_plain(const Bytes& plain) {
  const SymmetricKey key = make_symmetric_key();
  return refusal(key, seal_plain(key, plain));
}

TEST(HostileLetter, RefusesTrailerThatDoesNotFit) {
  for (const std::uint64_t size : {std::uint64_t{4096}, std::uint64_t{1} << 44, UINT64_MAX})
    EXPECT_EQ(refusal_of_plain(plain_letter(preamble_map(), "hello", 4096, size)),
              Code::kMalformed);
}

TEST(HostileLetter, RefusesPaddingOfTheWrongSize) {
  EXPECT_EQ(refusal_of_plain(plain_letter(preamble_map(), "hello", 4352, 5)), Code::kMalformed);
  EXPECT_EQ(refusal_of_plain(plain_letter(preamble_map(), "hello", 5000, 4500)), Code::kMalformed);
}

TEST(HostileLetter, RefusesTrailerAcrossTwoChunks) {
  for (std::size_t more = 1; more < 8; ++more)
    EXPECT_EQ(refusal_of_plain(plain_letter(preamble_map(), "", kChunkPlain + more, 65000)),
              Code::kMalformed);
}

TEST(HostileLetter, RefusesPaddingThatIsNotZero) {
  for (const std::size_t at : {4000u, 4087u}) {
    Bytes plain = plain_letter(preamble_map(), "hello", 4096, 5);
    plain[at] = 1;
    EXPECT_EQ(refusal_of_plain(plain), Code::kMalformed);
  }
}

TEST(HostileLetter, RefusesTooSmallALetter) {
  for (const std::size_t size : {1u, 2u, 100u, 4095u})
    EXPECT_EQ(refusal_of_plain(Bytes(size)), Code::kMalformed);
}

TEST(HostileLetter, RefusesPreambleOutOfBounds) {
  for (const unsigned size : {0u, 1u, 1025u, 5000u, 65535u}) {
    Bytes plain = plain_letter(preamble_map(), "hello", 4096, 5);
    put_be(plain.data(), static_cast<std::uint16_t>(size));
    EXPECT_EQ(refusal_of_plain(plain), Code::kMalformed) << size;
  }
}

Code refusal_of_field(const char* name, const Value& value) {
  Value preamble = preamble_map();
  preamble[name] = value;
  return refusal_of_plain(plain_letter(preamble, "hello", 4096, 5));
}

TEST(HostileLetter, RefusesPreambleFields) {
  ASSERT_EQ(refusal_of_field("v", 1u), Code::kBug) << "unchanged, it opens";
  EXPECT_EQ(refusal_of_field("i", binary(Bytes(15))), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("m", "text\nplain"), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("t", kMaxTime + 1), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("v", 0u), Code::kMalformed);
  EXPECT_EQ(refusal_of_field("w", 0u), Code::kMalformed);
}

TEST(HostileLetter, DoesNotKnowOtherVersionsOrCompression) {
  EXPECT_EQ(refusal_of_field("v", 2u), Code::kUnsupported);
  EXPECT_EQ(refusal_of_field("c", 2u), Code::kUnsupported);
}

TEST(LetterSealer, AFailedSinkEndsIt) {
  int calls = 0;
  LetterSealer sealer(make_symmetric_key(), {}, [&calls](ByteView) -> Status {
    ++calls;
    return Error{Code::kNoSpace, "disk full"};
  });
  const auto written = sealer.write(bytes_of(message_of(5'000'000)));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::kNoSpace);
  EXPECT_FALSE(sealer.write(bytes_of("more")));
  const auto finished = sealer.finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, Code::kNoSpace);
  EXPECT_EQ(calls, 1);
}

TEST(LetterSealer, FinishesOnce) {
  LetterSealer sealer(make_symmetric_key(), {}, [](ByteView) { return Status{}; });
  ASSERT_TRUE(sealer.finish());
  EXPECT_FALSE(sealer.finish());
  EXPECT_FALSE(sealer.write(bytes_of("late")));
}

TEST(LetterSealer, RefusesPreambleOutOfBounds) {
  for (const char* type : {"a\nb", "\xff", ""}) {
    Preamble preamble;
    preamble.content_type = *type == '\0' ? std::string(2000, 'a') : type;
    LetterSealer sealer(make_symmetric_key(), preamble, [](ByteView) { return Status{}; });
    const auto written = sealer.write(bytes_of("hello"));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, Code::kMalformed);
  }
}

TEST(LetterSealer, RefusesMoreThanALetterHolds) {
  LetterSealer sealer(make_symmetric_key(), {}, [](ByteView) { return Status{}; });
  const std::uint8_t byte = 0;
  // Only the size of this view is looked at.
  const auto written = sealer.write(ByteView(&byte, kMaxLetterSize - 1000));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::kMalformed);
  EXPECT_FALSE(sealer.finish());
}

Result<OpenedPrefix> prefix_of(const Letter& letter, std::size_t size, std::size_t max) {
  return open_prefix(letter.key, letter.stream.size(), ByteView(letter.stream).first(size), max);
}

TEST(LetterPrefix, WholeLetterEndsWithTheMessage) {
  for (const std::size_t size : {0u, 5u, 60000u, 200000u}) {
    const Letter letter = seal(message_of(size));
    const auto opened = prefix_of(letter, letter.stream.size(), SIZE_MAX);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->message == message_of(size));
  }
}

TEST(LetterPrefix, GivesAtMostMax) {
  const Letter letter = seal(message_of(200000));
  for (const std::size_t max : {0u, 1u, 65520u, 100000u}) {
    const auto opened = prefix_of(letter, letter.stream.size(), max);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->message == message_of(max));
  }
}

TEST(LetterPrefix, LeavesOutIncompleteChunks) {
  const std::string message = message_of(200000);
  const Letter letter = seal(message);
  for (const std::size_t chunks : {1u, 2u, 3u})
    for (const std::size_t more : {0u, 1u, 2000u}) {
      const auto opened = prefix_of(letter, chunks * kChunkSealed + more, SIZE_MAX);
      ASSERT_TRUE(opened);
      EXPECT_LE(opened->message.size(), chunks * kChunkPlain);
      EXPECT_GT(opened->message.size(), chunks * kChunkPlain - 200);
      EXPECT_TRUE(message.starts_with(opened->message));
    }
}

TEST(LetterPrefix, FirstBlockOfALongLetter) {
  const std::string message = message_of(1500000);
  const Letter letter = seal(message);
  const auto opened = prefix_of(letter, kBlockSize, SIZE_MAX);
  ASSERT_TRUE(opened);
  EXPECT_GT(opened->message.size(), 16 * kChunkPlain - 200);
  EXPECT_TRUE(message.starts_with(opened->message));
}

TEST(LetterPrefix, RefusesPrefixesOutOfBounds) {
  const Letter small = seal("hello");
  EXPECT_FALSE(prefix_of(small, small.stream.size() - 1, 10));
  EXPECT_FALSE(prefix_of(small, 0, 10));
  EXPECT_FALSE(open_prefix(small.key, small.stream.size() - 16, small.stream, 10));
  const Letter large = seal(message_of(1500000));
  EXPECT_FALSE(prefix_of(large, kBlockSize + 1, 10));
  EXPECT_FALSE(prefix_of(large, kChunkSealed - 1, 10));
}

TEST(LetterPrefix, RefusesDamage) {
  Letter letter = seal(message_of(200000));
  letter.stream[kChunkSealed + 7] ^= 1;
  EXPECT_TRUE(prefix_of(letter, kChunkSealed, SIZE_MAX));
  const auto opened = prefix_of(letter, 2 * kChunkSealed, SIZE_MAX);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kForged);
}

TEST(HashStream, RefusesSizesOutOfBounds) {
  EXPECT_FALSE(hash_stream(0, source_of(kNothing)));
  EXPECT_FALSE(hash_stream(kMaxLetterSize + 1, source_of(kNothing)));
  const auto failed = hash_stream(10, source_of(kNothing));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kIo);
}

}  // namespace
}  // namespace p2pmail::core
