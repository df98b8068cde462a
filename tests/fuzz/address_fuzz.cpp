// Addresses and key texts: what is accepted has one spelling, and that spelling means the same.
#include "core/address.h"
#include "tests/fuzz/fuzz.h"

void p2pmail::fuzz::target(ByteView input) {
  const std::string_view text = text_of(input);
  if (const auto key = parse_key_text(text))
    demand(parse_key_text(key_text(*key)).value() == *key, "a key text means its key");
  if (const auto key = parse_transport_text(text))
    demand(parse_transport_text(transport_text(*key)).value() == *key,
           "the same for transport keys");
  if (const auto address = parse_address(text)) {
    demand(looks_like_address(text), "an address looks like one");
    const std::string again = address->text();
    const auto same = parse_address(again);
    demand(same && same->text() == again && same->key == address->key, "one spelling");
  }
  const Address made{local_part_of(text), "", alice().key()};
  const auto back = parse_address(made.text());
  demand(back && back->local == made.local, "every display name gives a local part");
}
