#include "tests/fuzz/fuzz.h"

#include <sodium.h>
#include <stdlib.h>

#include <cstdio>
#include <fstream>

#include "core/cbor.h"

namespace p2pmail::fuzz {
namespace {

constexpr std::uint64_t kSeed = 1;
std::uint64_t g_seed = kSeed;
std::uint64_t g_counter = 0;

void fill(void* out, std::size_t size) {
  std::array<std::uint8_t, randombytes_SEEDBYTES> seed{};
  put_be(seed.data(), g_seed);
  put_be(seed.data() + 8, g_counter++);
  randombytes_buf_deterministic(out, size, seed.data());
}

std::uint32_t number() {
  std::uint32_t out = 0;
  fill(&out, sizeof out);
  return out;
}

const char* name() { return "p2pmail-fuzz"; }

randombytes_implementation g_source{name, number, nullptr, nullptr, fill, nullptr};

/// Made with a seed of its own, so that the order of first uses does not matter.
template <class Make>
auto made_from(std::uint64_t seed, Make make) {
  reseed(seed);
  auto out = make();
  reseed(kSeed);
  return out;
}

struct Scratch {
  Scratch() {
    std::string name = std::filesystem::temp_directory_path() / "p2pmail-fuzz-XXXXXX";
    demand(mkdtemp(name.data()) != nullptr, "a scratch directory");
    path = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

}  // namespace

void make_deterministic() {
  demand(randombytes_set_implementation(&g_source) == 0, "randomness can be replaced");
  crypto_init();
}

void reseed(std::uint64_t seed) {
  g_seed = seed;
  g_counter = 0;
}

void demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

const test::Person& alice() {
  static const test::Person person = made_from(100, [] { return test::Person(); });
  return person;
}

const test::Person& bob() {
  static const test::Person person = made_from(200, [] { return test::Person(); });
  return person;
}

const AgreePair& store_pair() {
  static const AgreePair pair = made_from(300, [] { return make_agree_pair(); });
  return pair;
}

const SymmetricKey& fixed_key() {
  static const SymmetricKey key = made_from(400, [] { return make_symmetric_key(); });
  return key;
}

MessageSource source_of(std::string_view text) {
  return {text.size(), [text](std::uint64_t offset, ByteSpan out) -> Result<std::size_t> {
            demand(offset <= text.size(), "nobody reads behind the end");
            const auto piece = text.substr(offset, out.size());
            std::copy(piece.begin(), piece.end(), out.begin());
            return piece.size();
          }};
}

Sink into(std::string& out) {
  return [&out](ByteView bytes) -> Status {
    out += text_of(bytes);
    return {};
  };
}

std::optional<Bytes> signed_again(ByteView input, Context context, const SigningSecret& secret,
                                  ByteView before) {
  auto outer = decode_cbor(input, "signed", 256 * 1024);
  if (!outer || !outer->is_object() || !outer->contains("b") || !(*outer)["b"].is_binary())
    return std::nullopt;
  Bytes message = to_bytes(before);
  append(message, (*outer)["b"].get_binary());
  (*outer)["s"] = binary(sign(secret, context, message));
  return encode_cbor(*outer);
}

const std::filesystem::path& scratch() {
  static const Scratch directory;
  return directory.path;
}

void write_scratch(const std::filesystem::path& path, ByteView bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text_of(bytes);
  demand(out.good(), "the scratch file is written");
}

}  // namespace p2pmail::fuzz
