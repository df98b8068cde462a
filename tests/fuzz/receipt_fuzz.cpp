// Receipts as they come, and signed again after the damage.
#include "core/receipt.h"
#include "tests/fuzz/fuzz.h"

void p2pmail::fuzz::target(ByteView input) {
  (void)decode_receipt(input);
  const SigningSecret& device = bob().devices[0].signing;
  const auto bytes = signed_again(input, Context{"p2pmail/receipt"}, device);
  if (!bytes) return;
  const auto receipt = decode_receipt(*bytes);
  if (!receipt) return;
  demand(bytes->size() <= kMaxReceipt, "the bound of a receipt");
  demand(sign_receipt(*receipt, device) == *bytes, "a receipt signs to the bytes that came");
}
