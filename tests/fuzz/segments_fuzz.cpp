// Bodies of compressed letters: what opens has the size that it says, reads the same from any
// place, and begins as its first segment does; the rest is refused, without a read outside of it.
#include "core/segments.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

SegmentReader::In reading(ByteView body) {
  return [body](std::uint64_t offset, ByteSpan out) -> Status {
    demand(offset <= body.size() && out.size() <= body.size() - offset, "reads stay inside");
    std::copy_n(body.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  };
}

void check_opened(SegmentReader& reader, ByteView body) {
  demand(reader.message_size() <= body.size() * kMaxRatio, "no bomb");
  Bytes message(static_cast<std::size_t>(reader.message_size()));
  if (!reader.read(0, message, reading(body))) return;
  Bytes byte(1);
  for (std::size_t at : {message.size() - 1, message.size() / 2, std::size_t{0}})
    demand(reader.read(at, byte, reading(body)) && byte[0] == message[at], "reads the same again");
  Bytes start(1000);
  const auto got = read_first_segment(start, body);
  if (!got) return;
  start.resize(std::min(*got, message.size()));
  demand(std::equal(start.begin(), start.end(), message.begin()),
         "the first segment is the start of the message");
}

void check_written(ByteView message) {
  Bytes body;
  SegmentWriter writer;
  const auto out = [&body](ByteView bytes) { return append(body, bytes), Status{}; };
  demand(writer.write(message, out).has_value(), "it is written");
  const auto whole = writer.finish(out);
  demand(whole.has_value(), "it is finished");
  if (*whole) return demand(std::ranges::equal(**whole, message), "it is as it was");
  auto reader = SegmentReader::open(body.size(), reading(body));
  Bytes back(message.size());
  demand(reader && reader->message_size() == message.size() &&
             reader->read(0, back, reading(body)) && std::ranges::equal(back, message),
         "what was written opens again");
}

}  // namespace

void target(ByteView input) {
  if (auto reader = SegmentReader::open(input.size(), reading(input))) check_opened(*reader, input);
  Bytes start(1000);
  (void)read_first_segment(start, input);
  check_written(input);
}

}  // namespace p2pmail::fuzz
