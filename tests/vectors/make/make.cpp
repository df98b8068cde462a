#include "tests/vectors/make/make.h"

#include <sodium.h>

#include <cstdio>
#include <fstream>

#include "core/text.h"

namespace p2pmail::vectors {
namespace {

constexpr core::Context kSeed{"p2pmail/vectors"};
constexpr std::size_t kColumns = 96;
constexpr std::size_t kRun = 24;  // equal bytes from which on a run is worth its sign

core::Digest seed;  // NOLINT: libsodium's source of randomness has no place for a context

void fill(void* out, std::size_t size) {
  randombytes_buf_deterministic(out, size, seed.bytes.data());
  seed = core::hash(kSeed, {seed});
}

std::uint32_t word() {
  std::uint32_t out = 0;
  fill(&out, sizeof out);
  return out;
}

const char* source_name() { return "vectors"; }

struct randombytes_implementation source = {source_name, word, nullptr, nullptr, fill, nullptr};

/// How many bytes from the start are the same.
std::size_t run_of(ByteView bytes) {
  std::size_t size = 0;
  while (size < bytes.size() && bytes[size] == bytes[0]) ++size;
  return size;
}

/// Words of hex of at most kColumns digits each.
std::vector<std::string> words_of(ByteView bytes) {
  std::vector<std::string> words;
  std::string open;
  const auto close = [&] {
    if (!open.empty()) words.push_back(std::exchange(open, {}));
  };
  while (!bytes.empty()) {
    const std::size_t run = run_of(bytes);
    if (run >= kRun) {
      close();
      words.push_back(core::to_hex(bytes.first(1)) + "*" + std::to_string(run));
      bytes = bytes.subspan(run);
      continue;
    }
    open += core::to_hex(bytes.first(1));
    if (open.size() == kColumns) close();
    bytes = bytes.subspan(1);
  }
  close();
  return words;
}

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const std::string& one : words) out += (out.empty() ? "" : between) + one;
  return out;
}

}  // namespace

void reseed(std::string_view name) { seed = core::hash(kSeed, {core::bytes_of(name)}); }

Case::Case(std::filesystem::path path, std::string_view expect, std::string_view comment)
    : path_(std::move(path)) {
  text_ = "# " + std::string(comment) + "\nexpect: " + std::string(expect) + "\n";
}

Case::~Case() {
  std::filesystem::create_directories(path_.parent_path());
  std::ofstream file(path_, std::ios::binary);
  file << text_;
  core::check(file.flush().good());
}

Case& Case::text(std::string_view name, std::string_view value) {
  text_ += std::string(name) + ": ";
  for (const char c : value) {
    text_ += c;
    if (c == '\n') text_ += ' ';
  }
  text_ += "\n";
  return *this;
}

Case& Case::number(std::string_view name, std::uint64_t value) {
  return text(name, std::to_string(value));
}

Case& Case::hex(std::string_view name, ByteView value) {
  const auto words = words_of(value);
  return text(name, joined(words, words.size() > 2 ? "\n" : " "));
}

Case Kit::add(const std::string& kind, const std::string& name, std::string_view expect,
              std::string_view comment) const {
  reseed(kind + "/" + name);
  return Case(directory_ / kind / (name + ".txt"), expect, comment);
}

void Kit::change(const std::string& kind, const std::string& name, const std::string& base,
                 std::string_view expect, std::string_view comment, std::string_view edit) const {
  const auto colon = edit.find(": ");
  add(kind, name, expect, comment)
      .text("base", base + ".txt")
      .text(edit.substr(0, colon), edit.substr(colon + 2));
}

std::string short_hex(ByteView bytes) { return joined(words_of(bytes), " "); }

std::size_t place_of(ByteView part, ByteView whole) {
  const auto found = std::search(whole.begin(), whole.end(), part.begin(), part.end());
  core::check(found != whole.end());
  return static_cast<std::size_t>(found - whole.begin());
}

std::string flip(std::string_view field, ByteView bytes, std::size_t offset) {
  const std::uint8_t turned = bytes[offset] ^ 1U;
  return "put: " + std::string(field) + " " + std::to_string(offset) + " " +
         core::to_hex({&turned, 1});
}

Bytes longer_version(const Value& map) {
  Bytes bytes = core::encode_cbor(map);
  core::check(bytes.size() > 3 && bytes.back() == 1 && bytes[bytes.size() - 2] == 'v');
  bytes.back() = 0x18;  // one byte follows, for a number that needs none
  bytes.push_back(1);
  return bytes;
}

Bytes signed_structure(ByteView body, core::Context context, const core::SigningSecret& secret) {
  return core::encode_cbor(
      Value{{"b", core::binary(body)}, {"s", core::binary(core::sign(secret, context, body))}});
}

Value body_of(ByteView structure) {
  const auto map = core::decode_cbor(structure, "structure", 64 * 1024);
  const auto& body = map->at("b").get_binary();
  return *core::decode_cbor(Bytes(body.begin(), body.end()), "body", 64 * 1024);
}

namespace {
core::test::Person person(const char* name, std::size_t devices) {
  reseed(name);
  return core::test::Person(devices);
}
}  // namespace

World::World() : alice(person("alice", 1)), bob(person("bob", 2)), carol(person("carol", 2)) {
  carol.bury(1);
  reseed("store");
  store = core::make_agree_pair();
}

}  // namespace p2pmail::vectors

int main(int count, char** words) {
  using namespace p2pmail;
  if (count != 2) {
    std::fputs("usage: vectors_make DIRECTORY\n", stderr);
    return 64;
  }
  core::check(randombytes_set_implementation(&vectors::source) == 0);
  core::crypto_init();
  const vectors::Kit kit(words[1]);
  vectors::make_codec(kit);
  vectors::make_addresses(kit);
  vectors::make_cards(kit);
  vectors::make_keys(kit);
  vectors::make_letters(kit);
  vectors::make_envelopes(kit);
  vectors::make_receipts(kit);
  vectors::make_stored(kit);
  vectors::make_queue(kit);
  vectors::make_heads(kit);
  return 0;
}
