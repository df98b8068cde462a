// Letters: streams that are written down, and streams that are made of chunks by whoever reads the
// case: number, mark, plaintext. So a case of a megabyte has a few lines.
#include <optional>

#include "core/letter.h"
#include "core/text.h"
#include "tests/vectors/make/make.h"

namespace p2pmail::vectors {
namespace {

using Edit = std::function<void(Value&)>;

struct Chunk {
  std::uint64_t number = 0;
  bool last = false;
  Bytes plain;
};

std::array<std::uint8_t, core::kNonceSize> nonce_of(const Chunk& chunk) {
  std::array<std::uint8_t, core::kNonceSize> nonce{};
  core::put_be(nonce.data() + 3, chunk.number);
  nonce[11] = chunk.last ? 1 : 0;
  return nonce;
}

Bytes seal(const core::SymmetricKey& key, const std::vector<Chunk>& chunks) {
  Bytes stream;
  for (const Chunk& chunk : chunks) {
    Bytes sealed(chunk.plain.size() + core::kTagSize);
    core::aead_seal(sealed, key, nonce_of(chunk), {}, chunk.plain);
    core::append(stream, sealed);
  }
  return stream;
}

core::Preamble preamble_of() {
  core::Preamble preamble;
  preamble.id.fill(0x99);
  preamble.time = core::test::kTestTime;
  return preamble;
}

Value preamble_map() {
  return Value{{"c", 0u},
               {"i", core::binary(preamble_of().id)},
               {"m", "message/rfc822"},
               {"t", core::test::kTestTime},
               {"v", 1u}};
}

/// The plaintext as it should be, but for what is asked otherwise.
struct Recipe {
  Bytes preamble = core::encode_cbor(preamble_map());
  Bytes message = core::to_bytes(core::bytes_of("Subject: a\r\n\r\nb\r\n"));
  std::uint64_t size = 0;  // 0: as PADME gives
  std::optional<std::uint64_t> trailer{};
};

Bytes plain_of(const Recipe& recipe) {
  Bytes plain(2);
  core::put_be(plain.data(), static_cast<std::uint16_t>(recipe.preamble.size()));
  core::append(plain, recipe.preamble);
  core::append(plain, recipe.message);
  const auto size = recipe.size != 0 ? recipe.size : core::padded_size(plain.size() + 8);
  plain.resize(static_cast<std::size_t>(size));
  core::put_be(plain.data() + size - 8, recipe.trailer.value_or(recipe.message.size()));
  return plain;
}

std::vector<Chunk> chunks_of(ByteView plain) {
  std::vector<Chunk> chunks;
  while (!plain.empty()) {
    const std::size_t take = std::min(plain.size(), core::kChunkPlain);
    chunks.push_back({chunks.size(), take == plain.size(), core::to_bytes(plain.first(take))});
    plain = plain.subspan(take);
  }
  return chunks;
}

core::Source memory(const Bytes& stream) {
  return [&stream](std::uint64_t offset, core::ByteSpan out) -> core::Status {
    core::check(offset + out.size() <= stream.size());
    std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  };
}

class Letters {
 public:
  explicit Letters(const Kit& kit) : kit_(kit) {
    reseed("letter");
    key_ = core::make_symmetric_key();
  }

  void chunks(const std::string& name, std::string_view expect, std::string_view comment,
              const std::vector<Chunk>& list, const Bytes& message = {}) const {
    Case out = kit_.add("letter", name, expect, comment);
    out.hex("payload-key", key_.view());
    for (const Chunk& chunk : list)
      out.text("chunk", std::to_string(chunk.number) + (chunk.last ? " 1 " : " 0 ") +
                            short_hex(chunk.plain));
    if (expect != "ok") return;
    const Bytes stream = seal(key_, list);
    out.number("size", stream.size())
        .hex("root", *core::hash_stream(stream.size(), memory(stream)))
        .hex("id", preamble_of().id)
        .number("time", core::test::kTestTime)
        .hex("message", message);
  }
  void recipe(const std::string& name, std::string_view expect, std::string_view comment,
              const Recipe& recipe) const {
    chunks(name, expect, comment, chunks_of(plain_of(recipe)), recipe.message);
  }
  void preamble(const std::string& name, std::string_view expect, std::string_view comment,
                const Edit& edit) const {
    Value map = preamble_map();
    edit(map);
    Recipe made;
    made.preamble = core::encode_cbor(map);
    recipe(name, expect, comment, made);
  }
  /// What the program seals, byte for byte.
  void sealed(const std::string& name, std::string_view comment, const Bytes& message) const {
    Bytes stream;
    core::LetterSealer sealer(key_, preamble_of(), [&](ByteView bytes) -> core::Status {
      core::append(stream, bytes);
      return {};
    });
    core::check(sealer.write(message).has_value());
    const auto done = sealer.finish();
    kit_.add("letter", name, "ok", comment)
        .hex("payload-key", key_.view())
        .hex("stream", stream)
        .number("size", stream.size())
        .hex("root", done->root)
        .hex("id", preamble_of().id)
        .number("time", core::test::kTestTime)
        .hex("message", message);
  }

 private:
  const Kit& kit_;
  core::SymmetricKey key_;
};

void make_chunk_cases(const Kit& kit, const Letters& letters) {
  const Recipe two{.message = Bytes(70000, 'a')};
  const auto good = chunks_of(plain_of(two));
  letters.chunks("two-chunks", "ok", "More than one chunk.", good, two.message);
  letters.chunks("truncated", "forged", "Without its last chunk: a full one without the mark.",
                 {good[0]});
  letters.chunks("reordered", "forged", "Two chunks in each other's place.",
                 {{1, false, good[0].plain}, {0, true, good[1].plain}});
  auto extended = good;
  extended[1] = {1, false, Bytes(core::kChunkPlain)};
  extended.push_back({2, true, good[1].plain});
  letters.chunks("extended", "malformed",
                 "A chunk more than its sender had: it opens, but trailer and size disagree.",
                 extended);
  letters.chunks("extended-after-last", "forged", "A chunk after the one with the mark.",
                 {good[0], {1, true, Bytes(core::kChunkPlain)}, {2, false, Bytes(5000)}});
  letters.chunks("mark-missing", "forged", "A last chunk without the mark.",
                 {good[0], {1, false, good[1].plain}});
  letters.chunks("numbers-from-1", "forged", "Chunks are counted from 0.",
                 {{1, false, good[0].plain}, {2, true, good[1].plain}});
  letters.chunks("empty-last", "malformed", "A last chunk of nothing.", {good[0], {1, true, {}}});
  letters.recipe("two-blocks", "ok", "More than one block, hence two leaves.",
                 {.message = Bytes(1'100'000, 'b')});
  // 1,040,000 bytes are padded to 1,048,576: the padding begins a chunk before the last.
  const Recipe long_padding{.message = Bytes(1'040'000, 'c')};
  auto dirty = chunks_of(plain_of(long_padding));
  const std::size_t before = dirty.size() - 2;
  dirty[before].plain.back() = 1;
  core::check(2 + 1'040'000 + 1024 < (before + 1) * core::kChunkPlain);
  letters.chunks("padding-not-in-last-chunk", "ok",
                 "Padding that is not zero, but not in the last chunk: nobody looks.", dirty,
                 long_padding.message);
  kit.change("letter", "flipped", "small", "forged", "One bit of the ciphertext.",
             "put: stream 100 00ff");
}

void make_plain_cases(const Kit& kit, const Letters& letters) {
  const std::uint64_t start = 2 + core::encode_cbor(preamble_map()).size();
  const std::uint64_t room = core::kMinPlain - start - 8;
  letters.recipe("empty", "ok", "A message of no bytes.", {.message = {}});
  letters.recipe("exact", "ok", "A message that leaves no padding.", {.message = Bytes(room, 'x')});
  letters.recipe("one-more", "ok", "One byte more: the next size of PADME, 4,352.",
                 {.message = Bytes(room + 1, 'x')});
  letters.recipe("trailer-large", "malformed", "A trailer that says more than there is.",
                 {.trailer = room + 1});
  letters.recipe("trailer-huge", "malformed", "A trailer of 2^64 - 1.", {.trailer = UINT64_MAX});
  letters.recipe("trailer-small", "malformed",
                 "A trailer that says less: what follows is no padding.", {.trailer = 3});
  letters.recipe("trailer-padme", "malformed", "A size that PADME does not give for it.",
                 {.size = 4608, .trailer = 4});
  letters.recipe("not-padme", "malformed", "4,097 bytes of plaintext.", {.size = 4097});
  letters.recipe("too-small", "malformed", "4,095 bytes of plaintext.", {.size = 4095});
  Recipe dirty;
  auto chunk = chunks_of(plain_of(dirty));
  chunk[0].plain[3000] = 1;
  letters.chunks("padding-not-zero", "malformed", "Padding that is not zero.", chunk);
  letters.preamble("version-2", "unsupported", "A newer version.",
                   [](Value& map) { map["v"] = 2u, map["zz"] = 1u; });
  letters.preamble("compressed", "unsupported", "A compression that nobody knows.",
                   [](Value& map) { map["c"] = 2u; });
  letters.preamble("unknown-field", "malformed", "An unknown field.",
                   [](Value& map) { map["z"] = 1u; });
  letters.preamble("time", "malformed", "A second after the year 9999.",
                   [](Value& map) { map["t"] = 253402300800; });
  letters.preamble("type-control", "malformed", "A content type with a line end.",
                   [](Value& map) { map["m"] = "a\nb"; });
  letters.preamble("other-type", "ok", "Another content type: readers do not look at it.",
                   [](Value& map) { map["m"] = "text/plain"; });
  letters.recipe("preamble-not-canonical", "malformed", "The version is written too long.",
                 {.preamble = longer_version(preamble_map())});
  Value large = preamble_map();
  large["m"] = std::string(1000, 'm');
  letters.recipe("preamble-large", "malformed", "A preamble of more than 1,024 bytes.",
                 {.preamble = core::encode_cbor(large)});
  letters.recipe("preamble-nothing", "malformed", "A preamble of no bytes.", {.preamble = {}});
  kit.change("letter", "stream-cut", "small", "malformed",
             "One byte less: no letter has this size.", "cut: stream 4111");
}

/// A frame that any version of Zstandard would have to write so: RFC 8878 section 3.1.1, a content
/// size of four bytes and blocks that repeat one byte. Then zeros that are skipped, as the ratio asks.
Bytes repeating_frame(std::uint8_t byte, std::uint32_t size, std::uint32_t padded) {
  Bytes out{0x28, 0xb5, 0x2f, 0xfd, 0xa0};
  const auto little = [&out](std::uint32_t value, int bytes) {
    for (; bytes > 0; --bytes, value >>= 8) out.push_back(static_cast<std::uint8_t>(value));
  };
  little(size, 4);
  while (size > 0) {
    const std::uint32_t take = std::min<std::uint32_t>(size, 128 * 1024);
    size -= take;
    little((take << 3) | (1 << 1) | (size == 0 ? 1 : 0), 3);
    out.push_back(byte);
  }
  if (out.size() + 8 > padded) return out;
  const auto rest = padded - static_cast<std::uint32_t>(out.size()) - 8;
  core::append(out, Bytes{0x50, 0x2a, 0x4d, 0x18});
  little(rest, 4);
  out.resize(padded);
  return out;
}

/// A body of segments, core/segments.h.
Bytes segments_of(const std::vector<Bytes>& segments, std::uint64_t message) {
  Bytes body, table;
  const auto put = [](Bytes& out, auto value) {
    out.resize(out.size() + sizeof value);
    core::put_be(out.data() + out.size() - sizeof value, value);
  };
  for (const Bytes& segment : segments) {
    put(table, static_cast<std::uint64_t>(body.size()));
    put(body, static_cast<std::uint32_t>(segment.size()));
    core::append(body, segment);
  }
  core::append(body, table);
  put(body, message);
  put(body, static_cast<std::uint64_t>(segments.size()));
  return body;
}

void make_compressed_cases(const Letters& letters) {
  Value map = preamble_map();
  map["c"] = 1u;
  const auto add = [&](const std::string& name, std::string_view expect, std::string_view comment,
                       const Bytes& body, const Bytes& message) {
    const Recipe recipe{.preamble = core::encode_cbor(map), .message = body};
    letters.chunks(name, expect, comment, chunks_of(plain_of(recipe)), message);
  };
  const auto whole = static_cast<std::uint32_t>(core::kSegmentSize);
  const Bytes frame = repeating_frame('a', 6400, 100);
  const Bytes first = repeating_frame('a', whole, whole / 64);
  Bytes two(whole, 'a');
  two.resize(whole + 3000, 'b');
  add("segment", "ok", "One segment, which expands as much as it may.", segments_of({frame}, 6400),
      Bytes(6400, 'a'));
  add("segments", "ok", "Two segments, the second as it is.",
      segments_of({first, Bytes(3000, 'b')}, whole + 3000), two);
  const auto bad = [&](const char* name, std::string_view comment, const Bytes& body) {
    add(name, "malformed", comment, body, {});
  };
  bad("segment-bomb", "One byte more than 64 times as much.",
      segments_of({repeating_frame('a', 6401, 100)}, 6401));
  bad("segment-other-size", "A frame of another size than the message.", segments_of({frame}, 6399));
  bad("segment-not-compressed", "A message of one segment that is not compressed.",
      segments_of({Bytes(3000, 'b')}, 3000));
  bad("segment-no-frame", "A segment that is no frame.", segments_of({Bytes(100, 'b')}, 6400));
  Bytes trailing = frame;
  trailing.push_back(1);
  bad("segment-trailing", "Something after the frames.", segments_of({trailing}, 6400));
  bad("segments-none", "A compressed message of no bytes.", segments_of({}, 0));
  bad("segments-too-few", "Fewer segments than the message has.", segments_of({first}, whole + 1));
  Bytes body = segments_of({frame}, 6400);
  body[3] ^= 1;
  bad("segment-size", "The size before a segment is not the one of the table.", body);
  body = segments_of({first, Bytes(3000, 'b')}, whole + 3000);
  body[body.size() - 17] ^= 1;
  bad("segments-table", "The table says another place.", body);
  bad("segments-no-end", "A body that is too short for its end.", Bytes(15));
}

void make_sizes(const Kit& kit) {
  Case out = kit.add("sizes", "sizes", "ok",
                     "Size without padding, padded by PADME, sealed. Then sizes of no letter.");
  for (const std::uint64_t size :
       {1ull,       4096ull,          4097ull,     4352ull,         4353ull,    8192ull,
        8193ull,    65519ull,         65520ull,    65521ull,        65536ull,   65537ull,
        100000ull,  1048576ull,       1048577ull,  1081344ull,      1081345ull, 16777217ull,
        1ull << 32, (1ull << 32) + 1, 10ull << 30, 123456789012ull, 1ull << 43}) {
    const auto padded = core::padded_size(size);
    out.text("size", std::to_string(size) + " " + std::to_string(padded) + " " +
                         std::to_string(core::sealed_size(padded)));
  }
  for (const std::uint64_t size :
       {0ull, 1ull, 16ull, 4111ull, 65537ull, 65552ull, 131073ull, (1ull << 44) + 1})
    out.number("no-size", size);
}

void make_trees(const Kit& kit) {
  const auto tree = [&](const std::string& name, std::string_view comment, const Bytes& stream) {
    core::TreeHasher hasher;
    hasher.update(stream);
    const auto root = hasher.finish();
    Case out = kit.add("tree", name, "ok", comment);
    out.hex("stream", stream).hex("root", root);
    for (const auto& leaf : hasher.leaves()) out.hex("leaf", leaf);
    out.hex("group", core::group_of(hasher.leaves()));
  };
  const auto block = static_cast<std::size_t>(core::kBlockSize);
  tree("one-byte", "As small as a stream can be.", Bytes(1, 0xaa));
  tree("one-block", "Exactly one block.", Bytes(block, 0xaa));
  tree("one-block-and-1", "Two leaves.", Bytes(block + 1, 0xaa));
  tree("three-blocks", "Three full ones.", Bytes(3 * block, 0));
  Case out = kit.add("tree", "three-groups", "ok", "The root of three groups: 8 GiB and one byte.");
  const std::uint64_t size = 2 * core::kGroupLeaves * core::kBlockSize + 1;
  const std::vector<core::Digest> groups{filled<core::Digest>(1), filled<core::Digest>(2),
                                         filled<core::Digest>(3)};
  out.number("of-size", size);
  for (const auto& group : groups) out.hex("of-group", group);
  out.hex("root", core::root_of(size, groups));
}

}  // namespace

void make_letters(const Kit& kit) {
  const Letters letters(kit);
  letters.sealed("small", "A stream as it is sealed.",
                 core::to_bytes(core::bytes_of("From: a@b\r\nSubject: c\r\n\r\nGrüße\r\n")));
  make_chunk_cases(kit, letters);
  make_plain_cases(kit, letters);
  make_compressed_cases(letters);
  make_sizes(kit);
  make_trees(kit);
}

}  // namespace p2pmail::vectors
