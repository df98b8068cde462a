// The outer header of a sealed file, made from a stranger's header: our fields only, one line each,
// and nothing of what the policy hides.
#include <algorithm>

#include "core/sealed_file.h"
#include "core/text.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

constexpr std::array<std::string_view, 14> kFields = {
    "From: ",         "To: ",
    "Cc: ",           "Date: ",
    "Message-ID: ",   "In-Reply-To: ",
    "References: ",   "Subject: ",
    "P2pmail-Id: ",   "MIME-Version: ",
    "Content-Type: ", "Authentication-Results: ",
    "Subject:\n",     "Authentication-Results:\n"};

void check_lines(std::string_view header) {
  std::vector<int> seen(kFields.size());
  for (std::size_t at = 0; at < header.size();) {
    const auto end = header.find('\n', at);
    demand(end != std::string_view::npos, "every line has its end");
    const auto line = header.substr(at, end + 1 - at);
    at = end + 1;
    if (line.starts_with(' ') || line.starts_with('\t')) continue;
    const auto field = std::find_if(kFields.begin(), kFields.end(),
                                    [&](std::string_view name) { return line.starts_with(name); });
    demand(field != kFields.end(), "only fields of ours");
    demand(++seen[static_cast<std::size_t>(field - kFields.begin())] == 1, "each once");
  }
}

void check_prefix(const std::string& prefix, const MessageId& id) {
  demand(prefix.size() <= kMaxPrefix, "the bound of a prefix");
  const auto end = prefix.find("\n\n");
  demand(end != std::string::npos, "a header ends");
  const auto header = std::string_view(prefix).substr(0, end + 1);
  const auto odd = [](unsigned char c) {
    return (c < ' ' && c != '\n' && c != '\t') || c == 0x7f;
  };
  demand(std::none_of(header.begin(), header.end(), odd), "no controls");
  check_lines(header);
  demand(id_in(prefix) == id, "our id is the one that is found");
  demand(parse_header(prefix).has_value(), "it is a header");
}

}  // namespace

void target(ByteView input) {
  if (input.empty()) return;
  const auto fields = parse_header(text_of(input.subspan(1)));
  if (!fields) return;
  OuterHeader outer;
  outer.fields = *fields;
  outer.authentication = "p2pmail.alt; auth=pass";
  outer.id.bytes.fill(0xab);
  outer.policy = static_cast<HeaderPolicy>(input[0] % 4);
  check_prefix(sealed_prefix(outer), outer.id);
}

}  // namespace p2pmail::fuzz
