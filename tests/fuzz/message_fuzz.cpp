// Messages of the protocol: a head that is accepted encodes to the bytes that came.
#include "core/cbor.h"
#include "net/message.h"
#include "tests/fuzz/fuzz.h"

void p2pmail::fuzz::target(ByteView input) {
  // The body's bytes mean nothing here, its size does: the size that this head wants, if any.
  const auto head = decode_cbor(input, "head", net::kMaxHead);
  std::size_t wanted = 32;
  const auto number = [&](const char* key) {
    const bool has = head && head->is_object() && head->contains(key);
    return has && (*head)[key].is_number_unsigned() ? (*head)[key].get<std::uint64_t>() : 0;
  };
  if (number("e") > 0) wanted = std::min<std::uint64_t>(number("e"), net::kMaxBody);
  for (const std::size_t size : {std::size_t{0}, wanted, wanted + number("z") % net::kMaxBody}) {
    const Bytes body(size, 7);
    const auto message = net::decode_message(input, body);
    if (!message) continue;
    const net::Frames frames = net::encode_message(*message);
    demand(frames.head == to_bytes(input), "the head encodes to the bytes that came");
    demand(frames.body == body, "and so does the body");
  }
}
