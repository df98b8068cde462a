// The strict codec of every structure here: a deterministic subset of CBOR (RFC 8949, section 4.2).
//
// Allowed: maps with text keys, in ascending byte order, none twice; arrays; byte strings; UTF-8
// text; unsigned integers; booleans. Everything else (floats, negative numbers, null, tags,
// indefinite lengths, longer-than-needed lengths) is refused. Depth at most 8, size at most 16 KiB
// unless a format says otherwise: the parser runs as a SAX handler so that depth is bounded before
// anything is built, and the re-encoding must equal the input byte for byte.
//
// Text keys sort as nlohmann::json's std::map sorts them (bytewise lexicographic), which differs
// from RFC 8949's "length first" of section 4.2.3 and equals 4.2.1 only for keys of equal length;
// the order stated here is the one that counts.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/result.h"

namespace p2pmail::core {

using Value = nlohmann::json;

inline constexpr std::size_t kMaxCborSize = 16 * 1024;
inline constexpr int kMaxCborDepth = 8;

[[nodiscard]] Bytes encode_cbor(const Value& value);
/// kMalformed when `bytes` break any rule above. `what` names the structure in the error.
[[nodiscard]] Result<Value> decode_cbor(ByteView bytes, std::string_view what,
                                        std::size_t max_size = kMaxCborSize);

/// A byte string value.
[[nodiscard]] inline Value binary(ByteView bytes) { return Value::binary(to_bytes(bytes)); }

/// Reads the fields of a map: each getter returns a default after the first failure, and `finish`
/// tells which field was missing, of the wrong type, out of bounds, or not known at all.
class MapReader {
 public:
  /// `map` must outlive the reader.
  MapReader(const Value& map, std::string what);

  [[nodiscard]] bool has(const char* key) const;
  [[nodiscard]] Bytes bytes(const char* key, std::size_t min, std::size_t max);
  template <class FixedType>
  [[nodiscard]] FixedType fixed(const char* key) {
    FixedType out;
    fill(key, out.bytes);
    return out;
  }
  /// Fills `out`, which has the exact size of the byte string.
  void fill(const char* key, ByteSpan out);
  [[nodiscard]] std::uint64_t number(const char* key, std::uint64_t max);
  /// UTF-8 without control characters (C0, DEL, C1).
  [[nodiscard]] std::string text(const char* key, std::size_t max_bytes);
  [[nodiscard]] bool boolean(const char* key);
  /// An array of at most `max` elements; an empty one after a failure.
  [[nodiscard]] const Value& list(const char* key, std::size_t max);
  /// Records a failure found by the caller; the first one wins.
  void fail(const std::string& why);
  /// Success when every getter was satisfied and no key was left unread.
  [[nodiscard]] Status finish() const;

 private:
  const Value* find(const char* key);

  const Value& map_;
  std::string what_;
  std::string failure_;
  std::size_t used_ = 0;
};

/// A value that is a byte string of exactly `out.size()` bytes, for the elements of a list.
[[nodiscard]] bool take_bytes(const Value& value, ByteSpan out);

}  // namespace p2pmail::core
