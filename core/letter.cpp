#include "core/letter.h"

#include <bit>

#include "core/cbor.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

constexpr std::size_t kLengthSize = 2;   // of the preamble, at the start
constexpr std::size_t kTrailerSize = 8;  // of the message, at the end

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
  if (preamble.compression != 0) return Error{Code::kUnsupported, "letter is compressed"};
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
    : key_(payload_key.clone()), sink_(std::move(sink)), chunk_(kChunkPlain) {
  sealed_.reserve(kChunkSealed);
  auto bytes = encode_preamble(preamble);
  if (!bytes) {
    state_ = bytes.error();
    return;
  }
  put_be(chunk_.span().data(), static_cast<std::uint16_t>(bytes->size()));
  std::copy(bytes->begin(), bytes->end(), chunk_.span().begin() + kLengthSize);
  used_ = kLengthSize + bytes->size();
  plain_ = used_;
}

Status LetterSealer::write(ByteView message) {
  if (!state_) return state_;
  if (message.size() > kMaxLetterSize ||
      sealed_size(padded_size(plain_ + message.size() + kTrailerSize)) > kMaxLetterSize)
    return state_ = malformed("message too large for a letter");
  state_ = fill(message);
  message_ += message.size();
  return state_;
}

Result<LetterSealer::Sealed> LetterSealer::finish() {
  if (!state_) return state_.error();
  state_ = fill_end();
  if (!state_) return state_.error();
  state_ = Error{Code::kBug, "letter is already finished"};
  Sealed sealed;
  sealed.root = tree_.finish();
  sealed.size = tree_.size();
  sealed.message_size = message_;
  sealed.leaves = tree_.leaves();
  return sealed;
}

// A full chunk is sealed only when more comes: only then it is known not to be the last.
Status LetterSealer::fill(ByteView plain) {
  while (!plain.empty()) {
    if (used_ == kChunkPlain)
      if (Status status = flush_chunk(false); !status) return status;
    const std::size_t take = std::min(plain.size(), kChunkPlain - used_);
    std::copy_n(plain.begin(), take, chunk_.span().subspan(used_).begin());
    used_ += take;
    plain_ += take;
    plain = plain.subspan(take);
  }
  return {};
}

Status LetterSealer::fill_end() {
  static constexpr std::array<std::uint8_t, 4096> kZeros{};
  const std::uint64_t end = padded_size(plain_ + kTrailerSize) - kTrailerSize;
  while (plain_ < end) {
    const auto take =
        static_cast<std::size_t>(std::min<std::uint64_t>(end - plain_, kZeros.size()));
    if (Status status = fill(ByteView(kZeros).first(take)); !status) return status;
  }
  std::array<std::uint8_t, kTrailerSize> trailer{};
  put_be(trailer.data(), message_);
  if (Status status = fill(trailer); !status) return status;
  return flush_chunk(true);
}

Status LetterSealer::flush_chunk(bool last) {
  sealed_.resize(used_ + kTagSize);
  aead_seal(sealed_, key_, nonce_of(number_, last), {}, chunk_.view().first(used_));
  tree_.update(sealed_);
  ++number_;
  used_ = 0;
  return sink_(sealed_);
}

LetterOpener::LetterOpener(const SymmetricKey& key, std::uint64_t plain, Source source)
    : key_(key.clone()), plain_(plain), source_(std::move(source)), chunk_(kChunkPlain) {}

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
  message_start_ = kLengthSize + bytes.size();
  return {};
}

Status LetterOpener::read_trailer() {
  std::array<std::uint8_t, kTrailerSize> trailer{};
  const std::uint64_t padding_end = plain_ - kTrailerSize;
  if (Status status = read_plain(padding_end, trailer); !status) return status;
  message_size_ = get_be<std::uint64_t>(trailer.data());
  if (message_start_ > padding_end || message_size_ > padding_end - message_start_)
    return malformed("letter trailer does not fit");
  const std::uint64_t message_end = message_start_ + message_size_;
  if (padded_size(message_end + kTrailerSize) != plain_)
    return malformed("letter padding has the wrong size");
  // The last chunk is loaded anyway: what of the padding lies in it must be zero.
  const std::uint64_t chunk_start = loaded_ * kChunkPlain;
  for (std::uint64_t i = std::max(message_end, chunk_start); i < padding_end; ++i)
    if (chunk_.view()[static_cast<std::size_t>(i - chunk_start)] != 0)
      return malformed("letter padding is not zero");
  return {};
}

Result<std::size_t> LetterOpener::read(std::uint64_t offset, ByteSpan out) {
  if (offset >= message_size_) return std::size_t{0};
  const auto take =
      static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), message_size_ - offset));
  if (Status status = read_plain(message_start_ + offset, out.first(take)); !status)
    return status.error();
  return take;
}

/// All of `out` from the plaintext at `offset`; kMalformed past its end.
Status LetterOpener::read_plain(std::uint64_t offset, ByteSpan out) {
  if (offset > plain_ || out.size() > plain_ - offset) return malformed("read past a letter's end");
  while (!out.empty()) {
    if (Status status = load_chunk(offset / kChunkPlain); !status) return status;
    const auto within = static_cast<std::size_t>(offset % kChunkPlain);
    const std::size_t take = std::min(out.size(), loaded_size_ - within);
    std::copy_n(chunk_.view().subspan(within).begin(), take, out.begin());
    out = out.subspan(take);
    offset += take;
  }
  return {};
}

Status LetterOpener::load_chunk(std::uint64_t number) {
  if (loaded_ == number) return {};
  loaded_ = UINT64_MAX;
  const std::uint64_t left = plain_ - number * kChunkPlain;
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, kChunkPlain));
  sealed_.resize(size + kTagSize);
  if (Status status = source_(number * kChunkSealed, sealed_); !status) return status;
  const bool last = left <= kChunkPlain;
  if (!aead_open(chunk_.span().first(size), key_, nonce_of(number, last), {}, sealed_))
    return Error{Code::kForged, "letter is damaged: a chunk does not open"};
  loaded_ = number;
  loaded_size_ = size;
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

  std::uint64_t end = std::min(prefix.size() / kChunkSealed * kChunkPlain, *plain - kTrailerSize);
  if (prefix.size() == sealed_size) {
    if (Status status = opener.read_trailer(); !status) return status.error();
    end = opener.message_start_ + opener.message_size_;
  }
  const std::uint64_t start = opener.message_start_;
  OpenedPrefix out{opener.preamble_, {}};
  out.message.resize(static_cast<std::size_t>(
      std::min<std::uint64_t>(max, end > start ? end - start : 0)));
  const ByteSpan into(reinterpret_cast<std::uint8_t*>(out.message.data()), out.message.size());
  if (Status status = opener.read_plain(start, into); !status) return status.error();
  return out;
}

Result<Root> hash_stream(std::uint64_t sealed_size, const Source& source) {
  if (sealed_size == 0 || sealed_size > kMaxLetterSize) return malformed("no letter has this size");
  TreeHasher tree;
  Bytes buffer(kChunkSealed);
  while (tree.size() < sealed_size) {
    const auto take = static_cast<std::size_t>(
        std::min<std::uint64_t>(buffer.size(), sealed_size - tree.size()));
    const ByteSpan part = ByteSpan(buffer).first(take);
    if (Status status = source(tree.size(), part); !status) return status.error();
    tree.update(part);
  }
  return tree.finish();
}

}  // namespace p2pmail::core
