// Cards as text, with anything around them: found, or refused, and the same when written again.
#include "core/card.h"
#include "tests/fuzz/fuzz.h"

void p2pmail::fuzz::target(ByteView input) {
  const auto card = parse_card_text(text_of(input));
  if (!card) return;
  const auto again = parse_card_text(card_text(*card));
  demand(again && encode_card(*again) == encode_card(*card), "a card survives its text");
}
