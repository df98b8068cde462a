// Content that a stranger wrote, on its way to standard output.
#pragma once

#include <string>

#include "cmd/env.h"
#include "core/text.h"

namespace p2pmail::cmd {

inline constexpr std::size_t kOutPiece = 64 * 1024;  // bytes held back for the end of a line

/// To a file or pipe untouched; a terminal gets whole lines, cleaned.
class OutSink {
 public:
  explicit OutSink(Env& env) : env_(env) {}
  core::Status operator()(core::ByteView bytes) {
    if (env_.stopped()) return core::Error{core::Code::kTimeout, "interrupted", ""};
    if (!env_.out_is_terminal) return env_.write(bytes);
    held_ += core::text_of(bytes);
    const auto end = held_.rfind('\n');
    if (end == std::string::npos && held_.size() < kOutPiece) return {};
    const std::size_t size = end == std::string::npos ? held_.size() : end + 1;
    const std::string clean = core::clean_body(std::string_view(held_).substr(0, size));
    held_.erase(0, size);
    return env_.write(core::bytes_of(clean));
  }
  core::Status finish() {
    return held_.empty() ? core::Status{} : env_.write(core::bytes_of(core::clean_body(held_)));
  }

 private:
  Env& env_;
  std::string held_;
};

}  // namespace p2pmail::cmd
