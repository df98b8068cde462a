// Inside of core/shelf.h: the database of a relay. Private to core/shelf*.cpp.
//
// shown: devices of the owner that are through with a letter, whether they have it or refused it.
// missing: deletion hashes that were not shown, 32 bytes each. tries: how often it was offered in vain.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "core/shelf.h"
#include "core/sqlite.h"
#include "core/text.h"

namespace p2pmail::core {

/// A public value from a blob; what is missing stays zero.
template <class FixedType>
FixedType fixed_of(const Bytes& bytes) {
  FixedType out;
  std::copy_n(bytes.begin(), std::min(bytes.size(), FixedType::kSize), out.bytes.begin());
  return out;
}

struct Shelf::Impl {
  struct Name {
    Digest handle;
    Root root;
  };

  std::filesystem::path directory;
  std::string name;
  sqlite::Db db;
  std::set<Root> loose;  // whose letters left in this change

  sqlite::Query query(const char* sql) { return {db.get(), name, sql}; }
  Status together(const std::function<Status()>& work) {
    return sqlite::together(db.get(), name, work);
  }
  /// As together; afterwards streams that nothing waits for any more are removed. In this order: a
  /// commit that fails must find them, and a crash leaves what tidy removes.
  Status change(const std::function<Status()>& work);
  [[nodiscard]] std::filesystem::path file(const Root& root, const char* suffix) const {
    return directory / (to_hex(root) + suffix);
  }
  [[nodiscard]] bool has_stream(const Root& root, std::uint64_t size) const;
  Status drop_stream(const Root& root);
  /// A letter that waits no more; the row stays for its sender's question.
  Status conclude(const Digest& handle, const Root& root, HeldState state);
  Status erase(const Digest& handle, const Root& root);
  Result<std::vector<Name>> names(sqlite::Query& rows);
  /// Of the first row, or 0.
  Result<std::uint64_t> number(sqlite::Query& rows);

  Result<Held> add(const HeldLetter& letter);
  Result<bool> is_full(const HeldLetter& letter);
  /// Every device of the owner is through with it.
  Status settle(const Digest& handle);
  Status observe(const Now& now);
  void drop_orphans(std::uint64_t now);
};

}  // namespace p2pmail::core
