// A stranger's text: what comes out of the cleaning is fit for a terminal, a header, a file name.
#include "core/envelope.h"
#include "core/text.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

constexpr std::size_t kMaxFileName = 200;

void check_lines(std::string_view text, std::size_t max) {
  const std::string line = clean_line(text, max);
  demand(is_utf8(line) && !has_controls(line), "a cleaned line has no controls");
  demand(line.find("\xe2\x80\xae") == std::string::npos, "no right-to-left override");
  demand(max == 0 || columns(line) <= max, "a line is cut to its columns");
  demand(clean_line(line, max) == line, "a cleaned line is clean");
  const std::string fitted = fit_text(text, max);
  demand(fitted.size() <= max && !has_controls(fitted), "a fitted text fits");
}

void check_body(std::string_view text) {
  std::string body = clean_body(text);
  demand(is_utf8(body), "a cleaned body is UTF-8");
  demand(clean_body(body) == body, "a cleaned body is clean");
  std::erase_if(body, [](char c) { return c == '\n' || c == '\t'; });
  demand(!has_controls(body), "and has no controls but line ends and tabs");
}

void check_file_name(std::string_view text) {
  const std::string name = safe_file_name(text);
  demand(!name.empty() && name.size() <= kMaxFileName, "a file name's length");
  demand(is_utf8(name) && !has_controls(name), "a file name has no controls");
  demand(name.find_first_of("/\\") == std::string::npos, "a file name is one component");
  demand(name[0] != '.' && name[0] != '-', "a file name is neither hidden nor an option");
  demand(clean_line(name) == name, "a file name can be shown");
  demand(safe_file_name(name) == name, "a safe name is safe");
}

void check_encodings(ByteView input) {
  demand(from_base32(to_base32(input)) == to_bytes(input), "base32 there and back");
  demand(from_base64(to_base64(input)) == to_bytes(input), "base64 there and back");
  demand(from_hex(to_hex(input)) == to_bytes(input), "hex there and back");
  const auto armored = unarmor("CARD", "x\n" + armor("CARD", input) + "y", input.size());
  demand(armored && *armored == to_bytes(input), "armor there and back");
  const std::string_view text = text_of(input);
  if (const auto bytes = from_base32(text))
    demand(from_base32(to_base32(*bytes)) == bytes && to_base32(*bytes).size() == text.size(),
           "base32 has one spelling");
  if (const auto bytes = from_base64(text))
    demand(from_base64(to_base64(*bytes)) == bytes, "base64 means its bytes");
  if (const auto bytes = unarmor("CARD", text, 1000)) demand(bytes->size() <= 1000, "a bound");
}

}  // namespace

void target(ByteView input) {
  if (input.empty()) return;
  const std::string_view text = text_of(input.subspan(1));
  check_lines(text, 0);
  check_lines(text, 1 + input[0]);
  check_body(text);
  check_file_name(text);
  check_encodings(input.subspan(1));
}

}  // namespace p2pmail::fuzz
