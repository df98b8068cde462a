// Cards, rosters and device records, as they come and signed again after the damage; merging.
#include "core/card.h"
#include "core/cbor.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

constexpr Context kRoster{"p2pmail/roster"};
constexpr Context kRecord{"p2pmail/record"};

void check_merge(const Card& card) {
  Card mine = alice().card;
  const auto first = merge_card(mine, card);
  if (!first) return;
  demand(decode_card(encode_card(mine)).has_value(), "a merged card is a card");
  const Bytes merged = encode_card(mine);
  const auto again = merge_card(mine, card);
  demand(again && !again->changed && encode_card(mine) == merged, "merging again changes nothing");
}

void check_card(ByteView bytes) {
  const auto card = decode_card(bytes);
  if (!card) return;
  demand(encode_card(*card) == to_bytes(bytes), "a card encodes to the bytes that came");
  const auto again = parse_card_text("some text\n" + card_text(*card) + "more\n");
  demand(again && encode_card(*again) == to_bytes(bytes), "a card survives its armor");
  for (const DeviceRecord* record : card->usable()) {
    demand(record->identity == card->identity(), "a record is of its roster's identity");
    demand(!card->tombstone_of(record->device), "a buried device is not usable");
    demand(card->record_of(record->device) == record, "a device is found");
  }
  check_merge(*card);
}

void check_roster(ByteView bytes) {
  if (const auto roster = decode_roster(bytes))
    demand(sign_roster(roster->value, alice().identity.secret).bytes == to_bytes(bytes),
           "a roster signs to the bytes that came");
}

void check_record(ByteView bytes) {
  if (const auto record = decode_record(bytes))
    demand(sign_record(record->value, alice().devices[0].signing).bytes == to_bytes(bytes),
           "a record signs to the bytes that came");
}

/// The card with every signature made to fit.
std::optional<Bytes> card_again(ByteView input) {
  auto card = decode_cbor(input, "card", kMaxCardSize);
  if (!card || !card->is_object()) return std::nullopt;
  if (card->contains("r") && (*card)["r"].is_binary())
    if (auto roster = signed_again((*card)["r"].get_binary(), kRoster, alice().identity.secret))
      (*card)["r"] = binary(*roster);
  if (card->contains("d") && (*card)["d"].is_array())
    for (auto& element : (*card)["d"])
      if (element.is_binary())
        if (auto record = signed_again(element.get_binary(), kRecord, alice().devices[0].signing))
          element = binary(*record);
  return encode_cbor(*card);
}

}  // namespace

void target(ByteView input) {
  check_card(input);
  if (const auto card = card_again(input)) check_card(*card);
  if (const auto roster = signed_again(input, kRoster, alice().identity.secret))
    check_roster(*roster);
  if (const auto record = signed_again(input, kRecord, alice().devices[0].signing))
    check_record(*record);
}

}  // namespace p2pmail::fuzz
