// Damages an input that is CBOR so that it stays what the strict codec takes, byte strings with CBOR
// inside included. Inputs that are not CBOR, and one of eight that are, get libFuzzer's own damage.
#include <random>

#include "core/cbor.h"
#include "tests/fuzz/fuzz.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max);

namespace p2pmail::fuzz {
namespace {

constexpr std::size_t kMaxInput = 256 * 1024;
constexpr std::size_t kRoom = 64;  // bytes that a string may grow by

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  bool one_of(std::size_t chances) { return below(chances) == 0; }

  /// Changes one node of the tree.
  void damage(Value& root) {
    nodes_.clear();
    collect(root);
    Value& node = *nodes_[below(nodes_.size())];
    if (one_of(8)) {
      const Value other = *nodes_[below(nodes_.size())];
      node = other;
    } else if (node.is_binary()) {
      damage_bytes(node);
    } else if (node.is_string()) {
      const Bytes text = changed(to_bytes(bytes_of(node.get_ref<const std::string&>())));
      node = std::string(text_of(text));
    } else if (node.is_number_unsigned()) {
      node = damaged_number(node.get<std::uint64_t>());
    } else if (node.is_boolean()) {
      node = !node.get<bool>();
    } else if (!node.empty()) {
      damage_container(node);
    }
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }

  void collect(Value& node) {
    nodes_.push_back(&node);
    if (node.is_structured())
      for (auto& inner : node) collect(inner);
  }

  void damage_bytes(Value& node) {
    const Bytes bytes = node.get_binary();
    auto inside = decode_cbor(bytes, "inside", kMaxInput);
    if (inside && inside->is_structured() && !one_of(8)) {
      damage(*inside);
      node = binary(encode_cbor(*inside));
    } else {
      node = binary(changed(bytes));
    }
  }

  static Bytes changed(Bytes bytes) {
    const std::size_t size = bytes.size();
    bytes.resize(size + kRoom);
    bytes.resize(LLVMFuzzerMutate(bytes.data(), size, bytes.size()));
    return bytes;
  }

  std::uint64_t damaged_number(std::uint64_t number) {
    switch (below(5)) {
      case 0: return number + 1;
      case 1: return number - 1;
      case 2: return number ^ (std::uint64_t{1} << below(64));
      case 3: return (std::uint64_t{1} << below(64)) - below(2);
      default: return below(20);
    }
  }

  void damage_container(Value& node) {
    const auto at = static_cast<std::ptrdiff_t>(below(node.size()));
    const auto chosen = std::next(node.begin(), at);
    if (node.is_array() && one_of(2)) {
      const Value twice = *chosen;
      node.push_back(twice);
    } else if (node.is_object() && one_of(2)) {
      const Value value = *chosen;
      node[chosen.key() + static_cast<char>('a' + below(26))] = value;
    } else {
      node.erase(chosen);
    }
  }

  std::minstd_rand random_;
  std::vector<Value*> nodes_;
};

}  // namespace
}  // namespace p2pmail::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max,
                                               unsigned seed) {
  using namespace p2pmail::fuzz;
  Mutator mutator(seed);
  auto value = decode_cbor(ByteView(data, size), "input", kMaxInput);
  if (!value || mutator.one_of(8)) return LLVMFuzzerMutate(data, size, max);
  mutator.damage(*value);
  const Bytes bytes = encode_cbor(*value);
  if (bytes.empty() || bytes.size() > max) return LLVMFuzzerMutate(data, size, max);
  std::copy(bytes.begin(), bytes.end(), data);
  return bytes.size();
}
