// Inside of core/mime only: a part's bytes as text that people read.
#pragma once

#include <string>
#include <string_view>

namespace p2pmail::core::mime {

/// At most `max` bytes of `text`, never ending inside of a UTF-8 sequence.
[[nodiscard]] std::string_view cut_utf8(std::string_view text, std::size_t max);

/// `raw` in the charset that its part names, as UTF-8. What is no character of it becomes U+FFFD. A
/// charset that nobody knows is read as UTF-8 if it is that, else as Latin-1.
[[nodiscard]] std::string to_utf8(std::string_view raw, const std::string& charset);

/// HTML without its tags: blocks become lines, entities characters; scripts and styles are dropped.
/// Of empty lines at most three stand together. Takes time in proportion to `html`, whatever it
/// says, and gives at most one byte more than it.
[[nodiscard]] std::string html_to_text(std::string_view html);

}  // namespace p2pmail::core::mime
