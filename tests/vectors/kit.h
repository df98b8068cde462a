// Reads the vector kit (tests/vectors/README says how it is written). For tests only.
#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"
#include "core/text.h"

namespace p2pmail::vectors {

using core::Bytes;

inline std::uint64_t number_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  EXPECT_TRUE(failure == std::errc{} && stop == end) << text;
  return value;
}

/// Hex words; one that ends in *N is there N times.
inline Bytes bytes_of(const std::string& text) {
  Bytes out;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const auto star = word.find('*');
    const auto digits = core::from_hex(word.substr(0, star));
    EXPECT_TRUE(digits.has_value()) << word;
    const auto times = star == std::string::npos ? 1 : number_of(word.substr(star + 1));
    for (std::uint64_t i = 0; i < times && digits; ++i) core::append(out, *digits);
  }
  return out;
}

class Case {
 public:
  explicit Case(const std::filesystem::path& path)
      : name(path.parent_path().filename() / path.filename()) {
    std::ifstream file(path, std::ios::binary);
    std::map<std::string, std::vector<std::string>> own;
    std::string key;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with(' ')) {
        own[key].back() += "\n" + line.substr(1);
      } else if (!line.empty() && !line.starts_with('#')) {
        const auto colon = line.find(": ");
        EXPECT_NE(colon, std::string::npos) << path << ": " << line;
        key = line.substr(0, colon);
        own[key].push_back(line.substr(colon + 2));
      }
    }
    if (own.contains("base")) fields_ = Case(path.parent_path() / own["base"].front()).fields_;
    for (const char* edit : {"base", "put", "cut", "add"}) {
      for (const std::string& line : own[edit]) edits_.push_back(std::string(edit) + " " + line);
      own.erase(edit);
    }
    for (auto& [field, values] : own) fields_[field] = std::move(values);
    expect = text("expect");
  }

  [[nodiscard]] bool has(const std::string& key) const { return fields_.contains(key); }
  [[nodiscard]] std::vector<std::string> all(const std::string& key) const {
    const auto found = fields_.find(key);
    return found == fields_.end() ? std::vector<std::string>{} : found->second;
  }
  [[nodiscard]] std::string text(const std::string& key) const {
    const auto values = all(key);
    EXPECT_EQ(values.size(), 1U) << name << ": " << key;
    return values.empty() ? "" : values.front();
  }
  [[nodiscard]] std::uint64_t number(const std::string& key) const { return number_of(text(key)); }
  [[nodiscard]] Bytes bytes(const std::string& key) const {
    return edited(key, vectors::bytes_of(text(key)));
  }
  [[nodiscard]] std::vector<std::string> hex_list(const std::string& key) const {
    std::vector<std::string> out;
    for (const std::string& one : all(key)) out.push_back(core::to_hex(vectors::bytes_of(one)));
    return out;
  }
  template <class FixedType>
  [[nodiscard]] FixedType fixed(const std::string& key) const {
    FixedType out;
    const Bytes raw = bytes(key);
    EXPECT_EQ(raw.size(), out.bytes.size()) << name << ": " << key;
    std::copy_n(raw.begin(), std::min(raw.size(), out.bytes.size()), out.bytes.begin());
    return out;
  }
  /// The edits of a field, in their order.
  [[nodiscard]] Bytes edited(const std::string& key, Bytes data) const {
    for (const std::string& line : edits_) {
      std::istringstream words(line);
      std::string edit, field, offset, rest;
      words >> edit >> field;
      if (field != key) continue;
      if (edit != "add") words >> offset;
      std::getline(words, rest);
      const Bytes more = edit == "cut" ? Bytes() : vectors::bytes_of(rest);
      const auto at = edit == "add" ? data.size() : static_cast<std::size_t>(number_of(offset));
      EXPECT_LE(at, data.size()) << name;
      if (edit != "put") data.resize(at);
      if (edit == "put" && at + more.size() <= data.size())
        std::ranges::copy(more, data.begin() + static_cast<std::ptrdiff_t>(at));
      if (edit == "add") core::append(data, more);
    }
    return data;
  }

  std::string name;
  std::string expect;

 private:
  std::map<std::string, std::vector<std::string>> fields_;
  std::vector<std::string> edits_;
};

/// "ok" or what the kit calls an error.
template <class T>
std::string outcome_of(const core::Result<T>& result) {
  if (result) return "ok";
  switch (result.error().code) {
    case core::Code::kMalformed:
      return "malformed";
    case core::Code::kForged:
      return "forged";
    case core::Code::kUnsupported:
      return "unsupported";
    case core::Code::kUnknownPrekey:
      return "unknown-prekey";
    case core::Code::kWrongPassphrase:
      return "wrong-passphrase";
    case core::Code::kLocked:
      return "locked";
    default:
      return "another error: " + result.error().context;
  }
}

/// Calls `read` with every case of a kind; at least `least` of them, some of them refused.
template <class Read>
void each_case(const std::string& kind, std::size_t least, const Read& read) {
  std::size_t count = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(std::filesystem::path(P2PMAIL_VECTORS) / kind)) {
    const Case one(file.path());
    SCOPED_TRACE(one.name);
    read(one);
    ++count;
  }
  EXPECT_GE(count, least) << kind;
}

/// The outcome is the expected one, and the value can be looked at.
template <class T>
bool as_expected(const Case& one, const core::Result<T>& result) {
  EXPECT_EQ(outcome_of(result), one.expect) << (result ? std::string() : result.error().context);
  return result && one.expect == "ok";
}

}  // namespace p2pmail::vectors
