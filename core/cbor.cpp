#include "core/cbor.h"

#include <set>

#include "core/crypto.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

/// Walks the heads one after the other (RFC 8949, section 3) in search of an indefinite length.
/// nlohmann's reader recurses for every chunk of an indefinite-length string and calls no handler
/// meanwhile: 128 KiB of 0x5f would run through the stack before the gate below could say no.
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

/// Builds nothing: only bounds depth and refuses what the subset does not have, before the DOM
/// parser (which recurses) sees the bytes.
class Gate : public nlohmann::json_sax<Value> {
 public:
  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return refuse("a negative number"); }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return refuse("a float"); }
  bool string(string_t& text) override { return is_utf8(text) || refuse("text that is not UTF-8"); }
  bool binary(binary_t& bytes) override {
    wipe(bytes);  // key files come through here too
    return true;
  }
  bool start_object(std::size_t size) override { return enter(size, true); }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t size) override { return enter(size, false); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    if (!is_utf8(name)) return refuse("a key that is not UTF-8");
    return keys_.back().insert(name).second || refuse("a key twice");
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("not CBOR, or bytes after its end");
  }

  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  bool enter(std::size_t size, bool map) {
    if (size == static_cast<std::size_t>(-1)) return refuse("an indefinite length");
    if (depth_ >= kMaxCborDepth) return refuse("nested too deeply");
    ++depth_;
    if (map) keys_.emplace_back();
    maps_.push_back(map);
    return true;
  }
  bool leave() {
    --depth_;
    if (maps_.back()) keys_.pop_back();
    maps_.pop_back();
    return true;
  }
  bool refuse(const char* why) {
    if (why_.empty()) why_ = why;
    return false;
  }

  int depth_ = 0;
  std::vector<std::set<std::string>> keys_;
  std::vector<bool> maps_;
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
    Gate gate;
    if (!Value::sax_parse(bytes.begin(), bytes.end(), &gate, Value::input_format_t::cbor, true))
      return refuse(gate.why().empty() ? "not CBOR" : gate.why());
    Value value = Value::from_cbor(bytes.begin(), bytes.end(), true, false);
    if (value.is_discarded()) return refuse("not CBOR");
    Bytes again = encode_cbor(value);
    const bool same = std::ranges::equal(again, bytes);
    wipe(again);
    if (!same) return refuse("not in canonical form");
    return value;
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
