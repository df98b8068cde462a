// Compressed letters: what was sealed in segments opens again, from any place; no sender gets more
// memory or another reading out of a body that breaks the format. Long, because the hostile bodies
// and the letters that hold them share one kit.
#include "core/segments.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include "core/letter.h"

namespace p2pmail::core {
namespace {

/// Lines that no two are alike of, and that compress to about a third.
std::string text_of_size(std::size_t size) {
  std::string out;
  for (std::uint64_t n = 88172645463325252U; out.size() < size;) {
    n ^= n << 13, n ^= n >> 7, n ^= n << 17;
    out += "On line " + std::to_string(n % 100000) + " it says so.\n";
  }
  out.resize(size);
  return out;
}

Bytes noise(std::size_t size) {
  Bytes out(size);
  random_bytes(out);
  return out;
}

Bytes body_of(ByteView message) {
  Bytes body;
  SegmentWriter writer;
  const auto out = [&body](ByteView bytes) { return append(body, bytes), Status{}; };
  EXPECT_TRUE(writer.write(message, out));
  const auto whole = writer.finish(out);
  EXPECT_TRUE(whole && !*whole);
  return body;
}

SegmentReader::In reading(const Bytes& body) {
  return [&body](std::uint64_t offset, ByteSpan out) -> Status {
    if (offset > body.size() || out.size() > body.size() - offset)
      return Error{Code::kBug, "read outside of the body"};
    std::copy_n(body.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  };
}

Result<Bytes> message_in(const Bytes& body) {
  auto reader = SegmentReader::open(body.size(), reading(body));
  if (!reader) return reader.error();
  if (reader->message_size() > (100 << 20)) return Error{Code::kBug, "an impossible size"};
  Bytes message(static_cast<std::size_t>(reader->message_size()));
  if (Status status = reader->read(0, message, reading(body)); !status) return status.error();
  return message;
}

/// kBug: it opens.
Code refusal(const Bytes& body) {
  const auto message = message_in(body);
  return message ? Code::kBug : message.error().code;
}

Bytes frame_of(ByteView plain) {
  Bytes frame(ZSTD_compressBound(plain.size()));
  frame.resize(ZSTD_compress(frame.data(), frame.size(), plain.data(), plain.size(), 19));
  return frame;
}

template <class Int>
void add_be(Bytes& out, Int value) {
  std::array<std::uint8_t, sizeof(Int)> raw{};
  put_be(raw.data(), value);
  append(out, raw);
}

/// A body as a sender without scruples makes it: any segments, any message size.
Bytes made_of(const std::vector<Bytes>& segments, std::uint64_t message) {
  Bytes body;
  std::vector<std::uint64_t> starts;
  for (const Bytes& segment : segments) {
    starts.push_back(body.size());
    add_be(body, static_cast<std::uint32_t>(segment.size()));
    append(body, segment);
  }
  for (const std::uint64_t start : starts) add_be(body, start);
  add_be(body, message);
  add_be(body, static_cast<std::uint64_t>(segments.size()));
  return body;
}

class Segments : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, Segments,
                         testing::Values(kMinCompressed, 70'000, kSegmentSize - 1, kSegmentSize,
                                         kSegmentSize + 1, 3 * kSegmentSize, 2'500'000));

TEST_P(Segments, OpenAgain) {
  const std::string text = text_of_size(GetParam());
  const Bytes body = body_of(bytes_of(text));
  EXPECT_LT(body.size(), text.size() / 2);
  const auto message = message_in(body);
  ASSERT_TRUE(message);
  EXPECT_TRUE(text_of(*message) == text);
}

TEST_P(Segments, PiecesDoNotMatter) {
  const std::string text = text_of_size(GetParam());
  Bytes body;
  const auto out = [&body](ByteView bytes) { return append(body, bytes), Status{}; };
  SegmentWriter writer;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t take = std::min<std::size_t>(rest.size(), 65'537);
    ASSERT_TRUE(writer.write(bytes_of(rest.substr(0, take)), out));
    rest.remove_prefix(take);
  }
  ASSERT_TRUE(writer.finish(out));
  EXPECT_TRUE(body == body_of(bytes_of(text)));
}

TEST(SegmentWriter, LeavesAMessageWithoutGainAsItIs) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kMinCompressed, kSegmentSize}) {
    const Bytes message = noise(size);
    SegmentWriter writer;
    const auto out = [](ByteView) { return Status{Error{Code::kBug, "nothing to write"}}; };
    ASSERT_TRUE(writer.write(message, out));
    const auto whole = writer.finish(out);
    ASSERT_TRUE(whole && *whole);
    EXPECT_TRUE(std::ranges::equal(**whole, message));
  }
}

TEST(SegmentWriter, StoresNoiseAndCompressesTheRest) {
  Bytes message = noise(40 * kSegmentSize);
  append(message, bytes_of(text_of_size(40 * kSegmentSize)));
  const Bytes body = body_of(message);
  EXPECT_GT(body.size(), 40 * kSegmentSize);
  // At most 15 segments of text pass before it is tried again.
  EXPECT_LT(body.size(), 56 * kSegmentSize + 25 * kSegmentSize / 2);
  const auto back = message_in(body);
  ASSERT_TRUE(back);
  EXPECT_TRUE(*back == message);
}

TEST(SegmentWriter, NeverTakesMoreThanItSays) {
  for (const std::size_t size : {kSegmentSize + 1, 5 * kSegmentSize, 5 * kSegmentSize + 100})
    EXPECT_LE(body_of(noise(size)).size(), max_body_size(size));
  EXPECT_EQ(max_body_size(UINT64_MAX), UINT64_MAX);
}

TEST(SegmentWriter, ZerosAreNoBomb) {
  const Bytes zeros(3 * kSegmentSize + 12345);
  const Bytes body = body_of(zeros);
  EXPECT_GE(body.size() * kMaxRatio, zeros.size());
  EXPECT_LT(body.size(), zeros.size() / 50);
  const auto message = message_in(body);
  ASSERT_TRUE(message);
  EXPECT_TRUE(*message == zeros);
}

TEST(SegmentWriter, EverySizeOfZeros) {
  for (std::size_t size = kMinCompressed; size < 6000; ++size) {
    const Bytes zeros(size);
    ASSERT_TRUE(message_in(body_of(zeros))) << size;
  }
}

TEST(SegmentReader, ReadsAnywhere) {
  const std::string text = text_of_size(4 * kSegmentSize - 5);
  const Bytes body = body_of(bytes_of(text));
  auto reader = SegmentReader::open(body.size(), reading(body));
  ASSERT_TRUE(reader);
  for (const std::size_t at : {4 * kSegmentSize - 305, std::size_t{0}, 2 * kSegmentSize - 100,
                               kSegmentSize, 3 * kSegmentSize - 1, kSegmentSize - 300}) {
    Bytes out(300);
    ASSERT_TRUE(reader->read(at, out, reading(body)));
    EXPECT_EQ(text_of(out), text.substr(at, 300));
  }
}

// More entries than are kept of the table at once, which the reader passes in both directions.
TEST(SegmentReader, ALongTable) {
  constexpr std::size_t kMany = 1500;
  const Bytes zeros(kSegmentSize);
  Bytes segment = body_of(Bytes(2 * kSegmentSize));
  segment = Bytes(segment.begin() + 4, segment.begin() + 4 + get_be<std::uint32_t>(segment.data()));
  const Bytes body = made_of(std::vector<Bytes>(kMany, segment), kMany * kSegmentSize);
  auto reader = SegmentReader::open(body.size(), reading(body));
  ASSERT_TRUE(reader);
  for (const std::size_t number : {0u, 1023u, 1024u, 1499u, 1022u, 5u}) {
    Bytes out(10, 1);
    ASSERT_TRUE(reader->read(number * kSegmentSize + 7, out, reading(body))) << number;
    EXPECT_EQ(out, Bytes(10));
  }
}

TEST(HostileSegments, RefusesEachTruncation) {
  const Bytes body = body_of(bytes_of(text_of_size(4000)));
  for (std::size_t size = 0; size < body.size(); ++size)
    EXPECT_EQ(refusal(Bytes(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(size))),
              Code::kMalformed);
}

TEST(HostileSegments, RefusesWhatFollows) {
  const Bytes text = to_bytes(bytes_of(text_of_size(5000)));
  Bytes frame = frame_of(text);
  EXPECT_EQ(refusal(made_of({frame}, 5000)), Code::kBug) << "it opens as it is";
  for (const char* more : {"\x01", "\x28", "\xff"}) {
    Bytes longer = frame;
    append(longer, bytes_of(more));
    EXPECT_EQ(refusal(made_of({longer}, 5000)), Code::kMalformed);
  }
  append(frame, frame);
  EXPECT_EQ(refusal(made_of({frame}, 5000)), Code::kMalformed) << "twice as much as it may be";
}

TEST(HostileSegments, RefusesBombs) {
  const Bytes zeros(kSegmentSize);
  const Bytes frame = frame_of(zeros);
  ASSERT_LT(frame.size() * kMaxRatio, zeros.size());
  EXPECT_EQ(refusal(made_of({frame}, kSegmentSize)), Code::kMalformed);
  EXPECT_EQ(refusal(made_of({frame, frame}, 2 * kSegmentSize)), Code::kMalformed);
  // Hidden behind a segment that does not expand at all.
  EXPECT_EQ(refusal(made_of({noise(kSegmentSize), frame}, 2 * kSegmentSize)), Code::kMalformed);
  // A frame of more than its segment.
  const Bytes large = frame_of(Bytes(8 * kSegmentSize));
  EXPECT_EQ(refusal(made_of({noise(kSegmentSize), large}, kSegmentSize + 5000)), Code::kMalformed);
}

TEST(HostileSegments, RefusesSizesThatDoNotFit) {
  const Bytes frame = frame_of(bytes_of(text_of_size(5000)));
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4999},
                                   std::uint64_t{5001}, std::uint64_t{kSegmentSize + 1},
                                   kMaxLetterSize, kMaxLetterSize + 1, UINT64_MAX})
    EXPECT_EQ(refusal(made_of({frame}, size)), Code::kMalformed) << size;
  for (const std::uint64_t count : {std::uint64_t{0}, std::uint64_t{2}, std::uint64_t{1} << 61,
                                    UINT64_MAX}) {
    Bytes body = made_of({frame}, 5000);
    put_be(body.data() + body.size() - 8, count);
    EXPECT_EQ(refusal(body), Code::kMalformed) << count;
  }
}

TEST(HostileSegments, RefusesATableThatDisagrees) {
  const Bytes frame = frame_of(bytes_of(text_of_size(kSegmentSize)));
  const Bytes body = made_of({frame, frame, frame}, 3 * kSegmentSize);
  ASSERT_EQ(refusal(body), Code::kBug) << "it opens as it is";
  const std::size_t table = body.size() - 16 - 3 * 8;
  for (std::size_t i = 0; i < 3; ++i)
    for (const std::uint64_t start :
         {get_be<std::uint64_t>(body.data() + table + i * 8) + 1, std::uint64_t{4},
          std::uint64_t{table}, std::uint64_t{body.size()}, UINT64_MAX, UINT64_MAX - 3}) {
      Bytes changed = body;
      put_be(changed.data() + table + i * 8, start);
      EXPECT_EQ(refusal(changed), Code::kMalformed) << i << " " << start;
    }
  Bytes changed = body;
  changed[3] ^= 1;  // the size in front of the first segment
  EXPECT_EQ(refusal(changed), Code::kMalformed);
}

TEST(HostileSegments, RefusesOneSegmentThatIsNotCompressed) {
  EXPECT_EQ(refusal(made_of({noise(5000)}, 5000)), Code::kMalformed);
  EXPECT_EQ(refusal(made_of({noise(kSegmentSize), noise(5000)}, kSegmentSize + 5000)), Code::kBug);
}

TEST(HostileSegments, RefusesNothingAndTooMuch) {
  EXPECT_EQ(refusal(made_of({}, 0)), Code::kMalformed);
  EXPECT_EQ(refusal(made_of({noise(kSegmentSize), {}}, kSegmentSize + 1)), Code::kMalformed);
  EXPECT_EQ(refusal(made_of({noise(kSegmentSize + 1), noise(5)}, kSegmentSize + 6)),
            Code::kMalformed);
}

TEST(HostileSegments, EachFlippedBitOpensAsTheSameSizeOrNotAtAll) {
  const Bytes body = body_of(bytes_of(text_of_size(4000)));
  for (std::size_t bit = 0; bit < body.size() * 8; ++bit) {
    Bytes changed = body;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    const auto message = message_in(changed);
    if (message)
      EXPECT_EQ(message->size(), 4000u) << bit;
    else
      EXPECT_EQ(message.error().code, Code::kMalformed) << bit;
  }
}

TEST(FirstSegment, IsTheStartOfTheMessage) {
  const std::string text = text_of_size(2 * kSegmentSize);
  const Bytes body = body_of(bytes_of(text));
  for (const std::size_t there : {std::size_t{0}, std::size_t{3}, std::size_t{4}, std::size_t{5000},
                                  std::size_t{200'000}, body.size()})
    for (const std::size_t max : {std::size_t{0}, std::size_t{1}, std::size_t{65'536}, kSegmentSize}) {
      Bytes out(max);
      const auto got = read_first_segment(out, ByteView(body).first(there));
      ASSERT_TRUE(got);
      EXPECT_TRUE(text.starts_with(text_of(ByteView(out).first(*got))));
      EXPECT_GE(*got, there < 200'000 ? 0 : std::min<std::size_t>(max, 131'072));
      EXPECT_TRUE(there < body.size() || *got == max);
    }
}

TEST(FirstSegment, OfNoiseToo) {
  const Bytes message = noise(kSegmentSize + 5);
  const Bytes body = body_of(message);
  Bytes out(5000);
  const auto got = read_first_segment(out, ByteView(body).first(4004));
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, 4000u);
  EXPECT_TRUE(std::equal(message.begin(), message.begin() + 4000, out.begin()));
}

TEST(FirstSegment, RefusesWhatIsNoStart) {
  Bytes out(1000);
  for (const std::uint32_t size : {0u, 0x100001u, 0xffffffffu}) {
    Bytes body(500);
    put_be(body.data(), size);
    EXPECT_FALSE(read_first_segment(out, body)) << size;
  }
  Bytes body(500, 7);
  put_be(body.data(), std::uint32_t{496});
  EXPECT_FALSE(read_first_segment(out, body));
}

TEST(FirstSegment, RefusesAWindowLargerThanASegment) {
  // Magic, a window of 2^21 and no content size: RFC 8878 section 3.1.1.
  const Bytes frame{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x03, 0x00, 0x00, 'a'};
  Bytes body(4);
  put_be(body.data(), static_cast<std::uint32_t>(frame.size()));
  append(body, frame);
  Bytes out(10);
  EXPECT_FALSE(read_first_segment(out, body));
  body[9] = 0x50;  // 2^20
  EXPECT_TRUE(read_first_segment(out, body));
}

// Letters as a whole.

struct Letter {
  SymmetricKey key = make_symmetric_key();
  Bytes stream;
};

Letter seal(ByteView message) {
  Letter letter;
  Preamble preamble;
  preamble.compression = kSegments;
  LetterSealer sealer(letter.key, preamble,
                      [&letter](ByteView bytes) { return append(letter.stream, bytes), Status{}; });
  EXPECT_TRUE(sealer.write(message));
  const auto sealed = sealer.finish();
  EXPECT_TRUE(sealed);
  EXPECT_EQ(sealed->message_size, message.size());
  EXPECT_EQ(sealed->root, *hash_stream(letter.stream.size(), reading(letter.stream)));
  return letter;
}

TEST(CompressedLetter, OpensAgain) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{100}, std::size_t{5000},
                                 kSegmentSize, 5 * kSegmentSize + 17}) {
    const std::string text = text_of_size(size);
    const Letter letter = seal(bytes_of(text));
    auto opener = LetterOpener::open(letter.key, letter.stream.size(), reading(letter.stream));
    ASSERT_TRUE(opener);
    EXPECT_EQ(opener->preamble().compression, size < kMinCompressed ? 0u : 1u);
    ASSERT_EQ(opener->message_size(), size);
    Bytes out(size + 5);
    const auto got = opener->read(0, out);
    ASSERT_TRUE(got);
    EXPECT_TRUE(text_of(ByteView(out).first(*got)) == text);
  }
}

TEST(CompressedLetter, NoiseStaysAsItIs) {
  const Bytes message = noise(100'000);
  const Letter letter = seal(message);
  auto opener = LetterOpener::open(letter.key, letter.stream.size(), reading(letter.stream));
  ASSERT_TRUE(opener);
  EXPECT_EQ(opener->preamble().compression, kUncompressed);
}

TEST(CompressedLetter, ItsFirstBlockTellsHowItBegins) {
  for (const bool noisy : {false, true}) {
    const Bytes message =
        noisy ? noise(4 * kSegmentSize) : to_bytes(bytes_of(text_of_size(8 * kSegmentSize)));
    const Letter letter = seal(message);
    ASSERT_GT(letter.stream.size(), kBlockSize);
    for (const std::size_t size : {std::size_t{kBlockSize}, 5 * kChunkSealed + 3}) {
      const auto prefix = open_prefix(letter.key, letter.stream.size(),
                                      ByteView(letter.stream).first(size), 65'536);
      ASSERT_TRUE(prefix);
      EXPECT_EQ(prefix->message.size(), 65'536u);
      EXPECT_TRUE(text_of(message).starts_with(prefix->message));
    }
  }
}

TEST(CompressedLetter, AWholeSmallOneHasAPrefixToo) {
  const std::string text = text_of_size(50'000);
  const Letter letter = seal(bytes_of(text));
  const auto prefix = open_prefix(letter.key, letter.stream.size(), letter.stream, SIZE_MAX);
  ASSERT_TRUE(prefix);
  EXPECT_TRUE(prefix->message == text);
}

TEST(CompressedLetter, NoOtherCompressionIsSealed) {
  Preamble preamble;
  preamble.compression = 2;
  LetterSealer sealer(make_symmetric_key(), preamble, [](ByteView) { return Status{}; });
  EXPECT_FALSE(sealer.write(bytes_of("hello")));
  EXPECT_FALSE(sealer.finish());
}

}  // namespace
}  // namespace p2pmail::core
