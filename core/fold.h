// Letters without regard to case, for searching.
#pragma once

#include <string>
#include <string_view>

namespace p2pmail::core {

/// Unicode case folding after compatibility composition (NFKC): texts that differ only in case, or
/// in how accents are encoded, become equal bytes. What is not UTF-8 becomes U+FFFD.
[[nodiscard]] std::string fold_case(std::string_view text);

}  // namespace p2pmail::core
