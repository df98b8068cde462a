// Letters: any plaintext, sealed chunk by chunk under a known key, opens to a message or is
// refused; what opens is what the sealer makes. Then the sealed stream is damaged, and must not
// open.
#include "core/letter.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

Bytes seal_chunks(ByteView plain) {
  Bytes out;
  for (std::uint64_t number = 0; !plain.empty(); ++number) {
    const ByteView chunk = plain.first(std::min(plain.size(), kChunkPlain));
    plain = plain.subspan(chunk.size());
    std::array<std::uint8_t, kNonceSize> nonce{};
    put_be(nonce.data() + 3, number);
    nonce[11] = plain.empty() ? 1 : 0;
    const std::size_t at = out.size();
    out.resize(at + chunk.size() + kTagSize);
    aead_seal(ByteSpan(out).subspan(at), fixed_key(), nonce, {}, chunk);
  }
  return out;
}

Source reading(const Bytes& sealed) {
  return [&sealed](std::uint64_t offset, ByteSpan out) -> Status {
    demand(offset <= sealed.size() && out.size() <= sealed.size() - offset, "reads stay inside");
    std::copy_n(sealed.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  };
}

/// Nothing when a segment of a compressed letter is refused.
std::optional<Bytes> whole_message(LetterOpener& opener) {
  Bytes message(opener.message_size());
  for (std::size_t at = 0; at < message.size();) {
    const auto got = opener.read(
        at, ByteSpan(message).subspan(at, std::min<std::size_t>(message.size() - at, 50'000)));
    if (!got && opener.preamble().compression != kUncompressed) return std::nullopt;
    demand(got && *got > 0, "every byte of an opened letter can be read");
    at += *got;
  }
  return message;
}

/// In two pieces: how a message comes must not matter.
void check_resealed(const Preamble& preamble, ByteView message, const Bytes& sealed) {
  Bytes again;
  LetterSealer sealer(fixed_key(), preamble, [&again](ByteView bytes) -> Status {
    append(again, bytes);
    return {};
  });
  const std::size_t half = message.size() / 2;
  demand(sealer.write(message.first(half)) && sealer.write(message.subspan(half)), "it is sealed");
  const auto done = sealer.finish();
  demand(done && done->size == sealed.size() && again == sealed, "sealing gives the same stream");
  const auto root = hash_stream(sealed.size(), reading(sealed));
  demand(root && *root == done->root, "and the same root");
}

void check_prefix(const Bytes& sealed, ByteView message, std::size_t max) {
  const std::size_t size = std::min<std::size_t>(sealed.size(), kBlockSize);
  const auto prefix = open_prefix(fixed_key(), sealed.size(), ByteView(sealed).first(size), max);
  demand(prefix && prefix->message.size() <= max, "a prefix opens");
  const std::size_t same = std::min(prefix->message.size(), message.size());
  demand(std::equal(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(same),
                    bytes_of(prefix->message).begin()),
         "a prefix is the start of the message");
}

bool opens_whole(const Bytes& sealed) {
  auto opener = LetterOpener::open(fixed_key(), sealed.size(), reading(sealed));
  if (!opener) return false;
  Bytes byte(1);
  for (std::uint64_t at = 0; at < opener->message_size(); at += kChunkPlain / 2)
    if (!opener->read(at, byte)) return false;
  if (opener->message_size() > 0 && !opener->read(opener->message_size() - 1, byte)) return false;
  return true;
}

void check_damage(Bytes sealed, FuzzedDataProvider& in) {
  if (in.ConsumeBool()) {
    const auto at = in.ConsumeIntegralInRange<std::size_t>(0, sealed.size() - 1);
    sealed[at] ^= static_cast<std::uint8_t>(1U << in.ConsumeIntegralInRange(0, 7));
  } else {
    sealed.resize(in.ConsumeIntegralInRange<std::size_t>(0, sealed.size() - 1));
  }
  demand(!opens_whole(sealed), "a damaged or truncated letter does not open");
}

}  // namespace

void target(ByteView input) {
  FuzzedDataProvider in(input.data(), input.size());
  const auto size = in.ConsumeIntegralInRange<std::uint64_t>(1, 3 * kChunkPlain);
  Bytes plain(in.ConsumeBool() ? padded_size(size) : size);
  const auto trailer = in.ConsumeIntegralInRange<std::uint64_t>(0, plain.size());
  const auto damage = in.ConsumeBytes<std::uint8_t>(8);
  const auto head = in.ConsumeRemainingBytes<std::uint8_t>();
  std::copy_n(head.begin(), std::min(head.size(), plain.size()), plain.begin());
  if (plain.size() >= 8) put_be<std::uint64_t>(plain.data() + plain.size() - 8, trailer);

  const Bytes sealed = seal_chunks(plain);
  auto opener = LetterOpener::open(fixed_key(), sealed.size(), reading(sealed));
  if (!opener) return;
  const auto message = whole_message(*opener);
  if (!message) return;
  check_prefix(sealed, *message, 300);
  // Padding between two chunks is not looked at, so that only a small letter is surely the
  // sealer's; and the same message can be compressed in many ways.
  if (plain.size() <= kChunkPlain && opener->preamble().compression == kUncompressed)
    check_resealed(opener->preamble(), *message, sealed);
  FuzzedDataProvider how(damage.data(), damage.size());
  if (opens_whole(sealed)) check_damage(sealed, how);
}

}  // namespace p2pmail::fuzz
