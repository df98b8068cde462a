#include "core/letter.h"

#include <bit>

#include "core/cbor.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

constexpr std::size_t kLengthSize = 2;   // of the preamble, at the start
constexpr std::size_t kTrailerSize = 8;  // of the body, at the end

std::array<std::uint8_t, kNonceSize> nonce_of(std::uint64_t number, bool last) {
  std::array<std::uint8_t, kNonceSize> nonce{};
  put_be(nonce.data() + 3, number);  // 11 bytes, of which the first three are always zero
  nonce[11] = last ? 1 : 0;
  return nonce;
}

Error malformed(const char* why) { return Error{Code::kMalformed, why}; }

Result<Bytes> encode_preamble(const Preamble& preamble) {
  if (preamble.time > kMaxTime || preamble.content_type.size() > kMaxPreamble ||
      has_controls(preamble.content_type))
    return malformed("letter preamble out of bounds");
  Bytes bytes = encode_cbor(Value{{"c", preamble.compression},
                                  {"i", binary(preamble.id)},
                                  {"m", preamble.content_type},
                                  {"t", preamble.time},
                                  {"v", 1u}});
  if (bytes.size() > kMaxPreamble) return malformed("letter preamble too large");
  return bytes;
}

Result<Preamble> decode_preamble(ByteView bytes) {
  auto map = decode_cbor(bytes, "letter preamble", kMaxPreamble);
  if (!map) return map.error();
  MapReader in(*map, "letter preamble");
  const std::uint64_t version = in.number("v", UINT64_MAX);
  if (version > 1) return Error{Code::kUnsupported, "letter of a newer version"};
  if (version == 0) in.fail("no version");
  Preamble preamble;
  preamble.compression = in.number("c", UINT64_MAX);
  in.fill("i", preamble.id);
  preamble.content_type = in.text("m", kMaxPreamble);
  preamble.time = in.number("t", kMaxTime);
  if (Status status = in.finish(); !status) return status.error();
  if (preamble.compression > kSegments)
    return Error{Code::kUnsupported, "letter is compressed in a newer way"};
  return preamble;
}

/// Sealed bytes that are in memory.
Source memory_source(ByteView bytes) {
  return [bytes](std::uint64_t offset, ByteSpan out) -> Status {
    if (offset > bytes.size() || out.size() > bytes.size() - offset)
      return malformed("read past the end of the prefix");
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  };
}

}  // namespace

// PADME: with E the exponent of the size and S the bits that E takes, all but the upper S bits
// below the leading one are rounded away.
std::uint64_t padded_size(std::uint64_t size) {
  if (size <= kMinPlain) return kMinPlain;
  const auto exponent = static_cast<unsigned>(std::bit_width(size)) - 1;
  const auto kept = static_cast<unsigned>(std::bit_width(exponent));
  const std::uint64_t mask = (std::uint64_t{1} << (exponent - kept)) - 1;
  return size > UINT64_MAX - mask ? UINT64_MAX : (size + mask) & ~mask;
}

std::uint64_t sealed_size(std::uint64_t plain) {
  const std::uint64_t chunks = plain / kChunkPlain + (plain % kChunkPlain != 0 ? 1 : 0);
  const std::uint64_t tags = chunks * kTagSize;
  return plain > UINT64_MAX - tags ? UINT64_MAX : plain + tags;
}

Result<std::uint64_t> plain_size(std::uint64_t sealed) {
  const std::uint64_t rest = sealed % kChunkSealed;
  if (sealed == 0 || sealed > kMaxLetterSize || (rest != 0 && rest <= kTagSize))
    return malformed("no letter has this size");
  return sealed / kChunkSealed * kChunkPlain + (rest == 0 ? 0 : rest - kTagSize);
}

LetterSealer::LetterSealer(const SymmetricKey& payload_key, const Preamble& preamble, Sink sink)
    : key_(payload_key.clone()), preamble_(preamble), sink_(std::move(sink)) {
  if (preamble.compression == kUncompressed) {
    state_ = begin(kUncompressed);
    return;
  }
  if (preamble.compression != kSegments) state_ = malformed("no such compression of a letter");
  if (const auto bytes = encode_preamble(preamble); !bytes) state_ = bytes.error();
  segments_.emplace();
}

/// The preamble, when it is known whether the message is compressed.
Status LetterSealer::begin(std::uint64_t compression) {
  preamble_.compression = compression;
  const auto bytes = encode_preamble(preamble_);
  if (!bytes) return bytes.error();
  std::array<std::uint8_t, kLengthSize> length{};
  put_be(length.data(), static_cast<std::uint16_t>(bytes->size()));
  body_start_ = length.size() + bytes->size();
  if (Status status = fill(length); !status) return status;
  return fill(*bytes);
}

Status LetterSealer::write(ByteView message) {
  if (!state_) return state_;
  const std::uint64_t total =
      message_ + std::min<std::uint64_t>(message.size(), kMaxLetterSize + 1);
  const std::uint64_t body = segments_ ? max_body_size(total) : total;
  const std::uint64_t start = kLengthSize + (segments_ ? kMaxPreamble : body_start_);
  if (sealed_size(padded_size(start + body + kTrailerSize)) > kMaxLetterSize)
    return state_ = malformed("message too large for a letter");
  message_ = total;
  state_ = segments_ ? segments_->write(message, [this](ByteView bytes) { return put_body(bytes); })
                     : fill(message);
  return state_;
}

Status LetterSealer::put_body(ByteView bytes) {
  if (body_start_ == 0)
    if (Status status = begin(kSegments); !status) return status;
  return fill(bytes);
}

Status LetterSealer::finish_body() {
  if (!segments_) return {};
  const auto whole = segments_->finish([this](ByteView bytes) { return put_body(bytes); });
  if (!whole) return whole.error();
  if (!*whole) return {};
  if (Status status = begin(kUncompressed); !status) return status;
  return fill(**whole);
}

Result<LetterSealer::Sealed> LetterSealer::finish() {
  if (!state_) return state_.error();
  state_ = finish_body();
  if (state_) state_ = fill_end();
  if (!state_) return state_.error();
  state_ = Error{Code::kBug, "letter is already finished"};
  Sealed sealed;
  sealed.root = root_of_leaves(sealed_, leaves_);
  sealed.size = sealed_;
  sealed.message_size = message_;
  sealed.leaves = std::move(leaves_);
  return sealed;
}

// A full chunk is sealed only when more comes: only then it is known not to be the last.
Status LetterSealer::fill(ByteView plain) {
  plain_ += plain.size();
  while (!plain.empty()) {
    if (used_ == kChunkPlain) {
      used_ = 0;
      if (Status status = seal_chunk(chunk_.view(), false); !status) return status;
    }
    if (used_ == 0 && plain.size() > kChunkPlain) {  // from where it is
      if (Status status = seal_chunk(plain.first(kChunkPlain), false); !status) return status;
      plain = plain.subspan(kChunkPlain);
      continue;
    }
    const std::size_t take = std::min(plain.size(), kChunkPlain - used_);
    make_room(chunk_, used_, used_ + take, kChunkPlain);
    std::copy_n(plain.begin(), take, chunk_.span().subspan(used_).begin());
    used_ += take;
    plain = plain.subspan(take);
  }
  return {};
}

Status LetterSealer::fill_end() {
  static constexpr std::array<std::uint8_t, 4096> kZeros{};
  const std::uint64_t body = plain_ - body_start_;
  const std::uint64_t end = padded_size(plain_ + kTrailerSize) - kTrailerSize;
  while (plain_ < end) {
    const auto take =
        static_cast<std::size_t>(std::min<std::uint64_t>(end - plain_, kZeros.size()));
    if (Status status = fill(ByteView(kZeros).first(take)); !status) return status;
  }
  std::array<std::uint8_t, kTrailerSize> trailer{};
  put_be(trailer.data(), body);
  if (Status status = fill(trailer); !status) return status;
  if (Status status = seal_chunk(chunk_.view().first(used_), true); !status) return status;
  return flush_block(true);
}

/// A letter of one chunk takes no room for a block.
Status LetterSealer::seal_chunk(ByteView plain, bool last) {
  const std::size_t size = plain.size() + kTagSize;
  if (block_used_ == kBlockSize)
    if (Status status = flush_block(false); !status) return status;
  if (block_.size() < block_used_ + size) block_.resize(number_ == 0 ? size : kBlockSize);
  aead_seal(ByteSpan(block_).subspan(block_used_, size), key_, nonce_of(number_, last), {}, plain);
  block_used_ += size;
  sealed_ += size;
  ++number_;
  return {};
}

/// The last block is hashed here, while the worker is at those before it.
Status LetterSealer::flush_block(bool last) {
  if (Status status = sink_(ByteView(block_).first(block_used_)); !status) return status;
  if (last) {
    const Digest leaf = leaf_of(ByteView(block_).first(block_used_));
    leaves_ = worker_.finish();
    leaves_.push_back(leaf);
    return {};
  }
  block_ = worker_.add(std::move(block_));
  block_used_ = 0;
  return {};
}

LetterOpener::LetterOpener(const SymmetricKey& key, std::uint64_t plain, Source source)
    : key_(key.clone()),
      plain_(plain),
      source_(std::move(source)),
      chunk_(static_cast<std::size_t>(std::min<std::uint64_t>(plain, kChunkPlain))) {}

Result<LetterOpener> LetterOpener::open(const SymmetricKey& payload_key, std::uint64_t sealed_size,
                                        Source source) {
  const auto plain = plain_size(sealed_size);
  if (!plain) return plain.error();
  if (*plain < kMinPlain) return malformed("letter too small");
  LetterOpener opener(payload_key, *plain, std::move(source));
  if (Status status = opener.read_preamble(); !status) return status.error();
  if (Status status = opener.read_trailer(); !status) return status.error();
  return opener;
}

Status LetterOpener::read_preamble() {
  std::array<std::uint8_t, kLengthSize> length{};
  if (Status status = read_plain(0, length); !status) return status;
  Bytes bytes(get_be<std::uint16_t>(length.data()));
  if (bytes.size() > kMaxPreamble) return malformed("letter preamble too large");
  if (Status status = read_plain(kLengthSize, bytes); !status) return status;
  auto preamble = decode_preamble(bytes);
  if (!preamble) return preamble.error();
  preamble_ = std::move(*preamble);
  body_start_ = kLengthSize + bytes.size();
  return {};
}

Status LetterOpener::read_trailer() {
  std::array<std::uint8_t, kTrailerSize> trailer{};
  const std::uint64_t padding_end = plain_ - kTrailerSize;
  if (Status status = read_plain(padding_end, trailer); !status) return status;
  body_size_ = get_be<std::uint64_t>(trailer.data());
  if (body_start_ > padding_end || body_size_ > padding_end - body_start_)
    return malformed("letter trailer does not fit");
  const std::uint64_t body_end = body_start_ + body_size_;
  if (padded_size(body_end + kTrailerSize) != plain_)
    return malformed("letter padding has the wrong size");
  // The last chunk is loaded anyway: what of the padding lies in it must be zero.
  const std::uint64_t chunk_start = loaded_ * kChunkPlain;
  for (std::uint64_t i = std::max(body_end, chunk_start); i < padding_end; ++i)
    if (chunk_.view()[static_cast<std::size_t>(i - chunk_start)] != 0)
      return malformed("letter padding is not zero");
  return read_end();
}

/// Of the body.
Status LetterOpener::read_end() {
  message_size_ = body_size_;
  if (preamble_.compression == kUncompressed) return {};
  auto segments = SegmentReader::open(
      body_size_, [this](std::uint64_t at, ByteSpan out) { return read_body(at, out); });
  if (!segments) return segments.error();
  segments_ = std::move(*segments);
  message_size_ = segments_->message_size();
  return {};
}

Result<std::size_t> LetterOpener::read(std::uint64_t offset, ByteSpan out) {
  if (offset >= message_size_) return std::size_t{0};
  const auto take =
      static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), message_size_ - offset));
  out = out.first(take);
  const Status status =
      segments_ ? segments_->read(offset, out, [this](std::uint64_t at, ByteSpan part) {
        return read_body(at, part);
      })
                : read_body(offset, out);
  if (!status) return status.error();
  return take;
}

/// All of `out` from the body at `offset`; kMalformed past its end.
Status LetterOpener::read_body(std::uint64_t offset, ByteSpan out) {
  if (offset > body_size_ || out.size() > body_size_ - offset)
    return malformed("read past the end of a letter's body");
  return read_plain(body_start_ + offset, out);
}

/// All of `out` from the plaintext at `offset`; kMalformed past its end.
Status LetterOpener::read_plain(std::uint64_t offset, ByteSpan out) {
  if (offset > plain_ || out.size() > plain_ - offset) return malformed("read past a letter's end");
  while (!out.empty()) {
    const std::uint64_t number = offset / kChunkPlain;
    const auto within = static_cast<std::size_t>(offset % kChunkPlain);
    const std::size_t take = std::min(out.size(), chunk_size(number) - within);
    if (take == kChunkPlain && number != loaded_) {  // a whole chunk, to where it is wanted
      if (Status status = open_chunk(number, out.first(take)); !status) return status;
    } else {
      if (Status status = load_chunk(number); !status) return status;
      std::copy_n(chunk_.view().subspan(within).begin(), take, out.begin());
    }
    out = out.subspan(take);
    offset += take;
  }
  return {};
}

/// Of the plaintext of a chunk that there is.
std::size_t LetterOpener::chunk_size(std::uint64_t number) const {
  return static_cast<std::size_t>(
      std::min<std::uint64_t>(plain_ - number * kChunkPlain, kChunkPlain));
}

Status LetterOpener::load_chunk(std::uint64_t number) {
  if (loaded_ == number) return {};
  loaded_ = UINT64_MAX;
  if (Status status = open_chunk(number, chunk_.span().first(chunk_size(number))); !status)
    return status;
  loaded_ = number;
  return {};
}

Status LetterOpener::open_chunk(std::uint64_t number, ByteSpan out) {
  sealed_.resize(out.size() + kTagSize);
  if (Status status = source_(number * kChunkSealed, sealed_); !status) return status;
  const bool last = plain_ - number * kChunkPlain <= kChunkPlain;
  if (!aead_open(out, key_, nonce_of(number, last), {}, sealed_))
    return Error{Code::kForged, "letter is damaged: a chunk does not open"};
  return {};
}

Result<OpenedPrefix> open_prefix(const SymmetricKey& payload_key, std::uint64_t sealed_size,
                                 ByteView prefix, std::size_t max) {
  if (prefix.size() > sealed_size || prefix.size() > kBlockSize)
    return malformed("letter prefix too large");
  const auto plain = plain_size(sealed_size);
  if (!plain) return plain.error();
  if (*plain < kMinPlain) return malformed("letter too small");
  LetterOpener opener(payload_key, *plain, memory_source(prefix));
  if (Status status = opener.read_preamble(); !status) return status.error();
  OpenedPrefix out{opener.preamble_, {}};
  const auto text = [&out](std::uint64_t size) {
    out.message.resize(static_cast<std::size_t>(size));
    return ByteSpan(reinterpret_cast<std::uint8_t*>(out.message.data()), out.message.size());
  };
  if (prefix.size() == sealed_size) {
    if (Status status = opener.read_trailer(); !status) return status.error();
    const auto size = std::min<std::uint64_t>({max, opener.message_size_, kSegmentSize});
    if (const auto got = opener.read(0, text(size)); !got) return got.error();
    return out;
  }
  const std::uint64_t start = opener.body_start_;
  const auto end = std::min(prefix.size() / kChunkSealed * kChunkPlain, *plain - kTrailerSize);
  const auto there = static_cast<std::size_t>(end > start ? end - start : 0);
  if (opener.preamble_.compression == kUncompressed) {
    if (Status status = opener.read_plain(start, text(std::min(max, there))); !status)
      return status.error();
    return out;
  }
  SecretBytes body(there);
  if (Status status = opener.read_plain(start, body.span()); !status) return status.error();
  const auto got = read_first_segment(text(std::min(max, kSegmentSize)), body.view());
  if (!got) return got.error();
  out.message.resize(*got);
  return out;
}

Result<Root> hash_stream(std::uint64_t sealed_size, const Source& source) {
  if (sealed_size == 0 || sealed_size > kMaxLetterSize) return malformed("no letter has this size");
  LeafWorker worker;
  Bytes block;
  for (std::uint64_t at = 0;;) {
    block.resize(static_cast<std::size_t>(std::min(kBlockSize, sealed_size - at)));
    if (Status status = source(at, block); !status) return status.error();
    at += block.size();
    if (at == sealed_size) break;
    block = worker.add(std::move(block));
  }
  const Digest last = leaf_of(block);  // here, while the worker is at those before it
  std::vector<Digest> leaves = worker.finish();
  leaves.push_back(last);
  return root_of_leaves(sealed_size, leaves);
}

}  // namespace p2pmail::core
