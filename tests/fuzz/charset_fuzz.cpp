// A part's bytes as text: every charset and every HTML ends in UTF-8.
#include "core/mime_text.h"
#include "core/text.h"
#include "tests/fuzz/fuzz.h"

void p2pmail::fuzz::target(ByteView input) {
  FuzzedDataProvider in(input.data(), input.size());
  const std::string charset = in.ConsumeRandomLengthString(40);
  const std::string raw = in.ConsumeRemainingBytesAsString();
  const std::string text = mime::to_utf8(raw, charset);
  demand(is_utf8(text), "a part's text is UTF-8");
  const bool has_nul = raw.find('\0') != std::string::npos;  // which becomes U+FFFD
  if (is_utf8(raw) && !has_nul) demand(mime::to_utf8(raw, "utf-8") == raw, "UTF-8 stays as it is");
  demand(is_utf8(mime::html_to_text(text)), "text out of HTML is UTF-8");
  for (std::size_t max = 0; max < std::min<std::size_t>(text.size(), 8); ++max) {
    const auto cut = mime::cut_utf8(text, max);
    demand(cut.size() <= max && is_utf8(cut) && text.starts_with(cut), "a cut text is a prefix");
  }
}
