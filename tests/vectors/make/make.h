// Makes the vector kit: every file below tests/vectors/<kind>/ comes from here, and from nowhere
// else.
//
// The program's own code writes what is well-formed; what is to be refused is built by hand from
// the same primitives, because that code cannot be made to write it. Randomness is a stream that
// only depends on the name of a case (libsodium lets a program bring its own source), so that the
// files are the same on every run: a test compares them with those in the tree.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/cbor.h"
#include "core/crypto.h"
#include "tests/core/people.h"

namespace p2pmail::vectors {

using core::Bytes;
using core::ByteView;
using core::Value;

/// From here on randomness depends on `name` alone.
void reseed(std::string_view name);

/// One file. Fields are written in the order of the calls, the file when it goes out of scope.
class Case {
 public:
  Case(std::filesystem::path path, std::string_view expect, std::string_view comment);
  ~Case();
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  /// One line, or several when `value` has line ends.
  Case& text(std::string_view name, std::string_view value);
  Case& number(std::string_view name, std::uint64_t value);
  /// Hex, in lines of 96 digits; long runs of one byte as HEX*COUNT.
  Case& hex(std::string_view name, ByteView value);

 private:
  std::filesystem::path path_;
  std::string text_;
};

class Kit {
 public:
  explicit Kit(std::filesystem::path directory) : directory_(std::move(directory)) {}
  /// Opens kind/name.txt; randomness starts anew with that name.
  [[nodiscard]] Case add(const std::string& kind, const std::string& name, std::string_view expect,
                         std::string_view comment) const;
  /// A case that is another one of its kind with some bytes changed: `edit` is a line of the
  /// grammar.
  void change(const std::string& kind, const std::string& name, const std::string& base,
              std::string_view expect, std::string_view comment, std::string_view edit) const;

 private:
  std::filesystem::path directory_;
};

/// Hex with runs as HEX*COUNT.
[[nodiscard]] std::string short_hex(ByteView bytes);
/// Where `part` begins in `whole`.
[[nodiscard]] std::size_t place_of(ByteView part, ByteView whole);
/// "put: FIELD OFFSET HEX": the byte at `offset` with its lowest bit turned.
[[nodiscard]] std::string flip(std::string_view field, ByteView bytes, std::size_t offset);
/// The encoding of a map whose last field is "v": 1, with that number longer than needed.
[[nodiscard]] Bytes longer_version(const Value& map);
/// {"b": body, "s": signature}, whatever the body is.
[[nodiscard]] Bytes signed_structure(ByteView body, core::Context context,
                                     const core::SigningSecret& secret);
/// The body of a signed structure.
[[nodiscard]] Value body_of(ByteView structure);

/// Bytes that can be seen to be made up.
template <class FixedType>
[[nodiscard]] FixedType filled(std::uint8_t byte) {
  FixedType out;
  out.bytes.fill(byte);
  return out;
}

/// Who writes to whom: Alice to Bob, who has two devices; Carol has retired one of hers.
struct World {
  World();
  core::test::Person alice;
  core::test::Person bob;
  core::test::Person carol;
  core::AgreePair store;  // Bob's
};

void make_codec(const Kit& kit);
void make_addresses(const Kit& kit);
void make_cards(const Kit& kit);
void make_keys(const Kit& kit);
void make_letters(const Kit& kit);
void make_envelopes(const Kit& kit);
void make_receipts(const Kit& kit);
void make_stored(const Kit& kit);
void make_queue(const Kit& kit);
void make_heads(const Kit& kit);

}  // namespace p2pmail::vectors
