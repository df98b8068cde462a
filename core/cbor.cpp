#include "core/cbor.h"

#include <utility>
#include <vector>

#include "core/crypto.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

/// Walks the heads one after the other (RFC 8949, section 3) in search of an indefinite length.
/// nlohmann's reader recurses for every chunk of an indefinite-length string and calls no handler
/// meanwhile: 128 KiB of 0x5f would run through the stack before the builder below could say no.
bool has_indefinite_length(ByteView bytes) {
  while (!bytes.empty()) {
    const unsigned major = bytes[0] >> 5;
    const unsigned info = bytes[0] & 31U;
    if (info == 31) return true;
    const std::size_t more = info >= 24 && info <= 27 ? std::size_t{1} << (info - 24) : 0;
    if (bytes.size() - 1 < more) return false;  // truncated: the parser says so
    std::uint64_t argument = info;
    if (more > 0) argument = 0;
    for (std::size_t i = 1; i <= more; ++i) argument = (argument << 8) | bytes[i];
    bytes = bytes.subspan(1 + more);
    if (major != 2 && major != 3) continue;
    if (argument > bytes.size()) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(argument));
  }
  return false;
}

void wipe_binaries(Value& value) {
  if (value.is_binary()) return wipe(value.get_binary());
  if (!value.is_structured()) return;
  for (Value& inside : value) wipe_binaries(inside);
}

/// Builds the value, and refuses what the subset does not have as soon as it comes: the depth is bounded
/// before anything recurses.
class Builder : public nlohmann::json_sax<Value> {
 public:
  Builder() = default;
  ~Builder() override { wipe_binaries(root_); }  // key files come through here too
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  bool null() override { return refuse("null"); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t) override { return refuse("a negative number"); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t, const string_t&) override { return refuse("a float"); }
  bool string(string_t& text) override {
    return is_utf8(text) ? put(std::move(text)) : refuse("text that is not UTF-8");
  }
  bool binary(binary_t& bytes) override { return put(Value(std::move(bytes))); }
  bool start_object(std::size_t size) override { return enter(size, Value::object()); }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t size) override { return enter(size, Value::array()); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    if (!is_utf8(name)) return refuse("a key that is not UTF-8");
    if (open_.back()->contains(name)) return refuse("a key twice");
    member_ = &(*open_.back())[std::move(name)];
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("not CBOR, or bytes after its end");
  }

  [[nodiscard]] const std::string& why() const { return why_; }
  [[nodiscard]] Value& value() { return root_; }

 private:
  /// The place of what comes next. Only the innermost container grows, so that those around it stay
  /// where they are.
  Value& place(Value value) {
    if (open_.empty()) return root_ = std::move(value);
    if (open_.back()->is_object()) return *member_ = std::move(value);
    open_.back()->push_back(std::move(value));
    return open_.back()->back();
  }
  bool put(Value value) {
    place(std::move(value));
    return true;
  }
  bool enter(std::size_t size, Value empty) {
    if (size == static_cast<std::size_t>(-1)) return refuse("an indefinite length");
    if (open_.size() >= static_cast<std::size_t>(kMaxCborDepth)) return refuse("nested too deeply");
    open_.push_back(&place(std::move(empty)));
    return true;
  }
  bool leave() {
    open_.pop_back();
    return true;
  }
  bool refuse(const char* why) {
    if (why_.empty()) why_ = why;
    return false;
  }

  Value root_;
  std::vector<Value*> open_;  // containers that have not ended, outermost first
  Value* member_ = nullptr;   // of the innermost map
  std::string why_;
};

}  // namespace

Bytes encode_cbor(const Value& value) { return Value::to_cbor(value); }

Result<Value> decode_cbor(ByteView bytes, std::string_view what, std::size_t max_size) {
  const auto refuse = [&](const std::string& why) {
    return Error{Code::kMalformed, std::string(what) + ": " + why};
  };
  if (bytes.empty()) return refuse("empty");
  if (bytes.size() > max_size) return refuse("too large");
  if (has_indefinite_length(bytes)) return refuse("an indefinite length");
  try {
    Builder builder;
    // Pointers: with them the library copies strings of bytes at once.
    const std::uint8_t* end = bytes.data() + bytes.size();
    if (!Value::sax_parse(bytes.data(), end, &builder, Value::input_format_t::cbor, true))
      return refuse(builder.why().empty() ? "not CBOR" : builder.why());
    Bytes again = encode_cbor(builder.value());
    const bool same = std::ranges::equal(again, bytes);
    wipe(again);
    if (!same) return refuse("not in canonical form");
    return std::move(builder.value());
  } catch (const nlohmann::json::exception&) {
    return refuse("not CBOR");
  }
}

MapReader::MapReader(const Value& map, std::string what) : map_(map), what_(std::move(what)) {
  if (!map_.is_object()) failure_ = "not a map";
}

const Value* MapReader::find(const char* key) {
  if (!failure_.empty()) return nullptr;
  const auto it = map_.find(key);
  if (it == map_.end()) {
    fail(std::string("\"") + key + "\" is missing");
    return nullptr;
  }
  ++used_;
  return &*it;
}

void MapReader::fail(const std::string& why) {
  if (failure_.empty()) failure_ = why;
}

bool MapReader::has(const char* key) const { return map_.is_object() && map_.contains(key); }

Bytes MapReader::bytes(const char* key, std::size_t min, std::size_t max) {
  const Value* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_binary() || value->get_binary().size() < min || value->get_binary().size() > max) {
    fail(std::string("\"") + key + "\" is not a byte string of the right size");
    return {};
  }
  const auto& binary = value->get_binary();
  return Bytes(binary.begin(), binary.end());
}

void MapReader::fill(const char* key, ByteSpan out) {
  const Value* value = find(key);
  if (value == nullptr) return;
  if (!take_bytes(*value, out))
    fail(std::string("\"") + key + "\" is not a byte string of the right size");
}

std::uint64_t MapReader::number(const char* key, std::uint64_t max) {
  const Value* value = find(key);
  if (value == nullptr) return 0;
  if (!value->is_number_unsigned() || value->get<std::uint64_t>() > max) {
    fail(std::string("\"") + key + "\" is not a number within its bounds");
    return 0;
  }
  return value->get<std::uint64_t>();
}

std::string MapReader::text(const char* key, std::size_t max_bytes) {
  const Value* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_string() || value->get_ref<const std::string&>().size() > max_bytes ||
      has_controls(value->get_ref<const std::string&>())) {
    fail(std::string("\"") + key + "\" is not a text within its bounds");
    return {};
  }
  return value->get<std::string>();
}

bool MapReader::boolean(const char* key) {
  const Value* value = find(key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) {
    fail(std::string("\"") + key + "\" is not true or false");
    return false;
  }
  return value->get<bool>();
}

const Value& MapReader::list(const char* key, std::size_t max) {
  static const Value kEmpty = Value::array();
  const Value* value = find(key);
  if (value == nullptr) return kEmpty;
  if (!value->is_array() || value->size() > max) {
    fail(std::string("\"") + key + "\" is not a list within its bounds");
    return kEmpty;
  }
  return *value;
}

Status MapReader::finish() const {
  if (!failure_.empty()) return Error{Code::kMalformed, what_ + ": " + failure_};
  if (used_ != map_.size()) return Error{Code::kMalformed, what_ + ": it has unknown fields"};
  return {};
}

bool take_bytes(const Value& value, ByteSpan out) {
  if (!value.is_binary() || value.get_binary().size() != out.size()) return false;
  std::copy(value.get_binary().begin(), value.get_binary().end(), out.begin());
  return true;
}

}  // namespace p2pmail::core
