// Messages: any text is taken apart, shown and rewritten for mutt within its bounds.
#include "core/mime.h"
#include "core/text.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

constexpr std::size_t kMaxShown = 10'000;

void check_parts(const Message& message, std::size_t size) {
  int number = 0;
  for (const PartInfo& part : message.parts()) {
    demand(part.number == ++number, "parts are numbered from 1");
    demand(part.encoded_size <= size, "a part is no larger than its message");
    demand(is_utf8(part.file_name), "file names are UTF-8");
    std::string content;
    demand(message.write_part(part.number, into(content)).has_value(), "a part can be written");
  }
  std::string nothing;
  demand(!message.write_part(number + 1, into(nothing)) && nothing.empty(), "and no other part");
}

void check_textual(const Message& message) {
  std::string text;
  demand(message.write_textual(into(text)).has_value(), "it can be rewritten");
  demand(text.find('\0') == std::string::npos, "without NUL");
  const auto again = Message::parse(source_of(text));
  demand(again.has_value(), "what was rewritten is a message");
  demand(again->parts().size() == message.parts().size(), "with the same parts");
}

}  // namespace

void target(ByteView input) {
  const auto message = Message::parse(source_of(text_of(input)));
  if (!message) return;
  const std::string shown = message->body_text(kMaxShown);
  demand(shown.size() <= kMaxShown && is_utf8(shown), "the text to show is bounded UTF-8");
  check_parts(*message, input.size());
  check_textual(*message);
}

}  // namespace p2pmail::fuzz
