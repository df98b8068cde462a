// What is said about letters at relays: admissions, questions, answers, relayed receipts.
#include "core/ticket.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {

void target(ByteView input) {
  if (const auto admission = decode_admission(input); admission && !input.empty())
    demand(encode_admission(*admission) == to_bytes(input), "an admission encodes to what came");
  if (const auto until = decode_held(input))
    demand(encode_held(*until) == to_bytes(input), "a promise encodes to what came");
  if (const auto answer = decode_answer(input))
    demand(encode_answer(*answer) == to_bytes(input), "an answer encodes to what came");
  (void)decode_question(input);
  if (const auto receipt = decode_relayed_receipt(input))
    demand(!open_relayed_receipt(relay_key_of(relay_key_of(fixed_key())), receipt->sealed),
           "a receipt for another deposit does not open");
}

}  // namespace p2pmail::fuzz
