// What is said about letters that relays hold: round trips, every bound, and stamps.
#include "core/ticket.h"

#include <gtest/gtest.h>

#include "core/cbor.h"
#include "core/mailbox.h"
#include "core/receipt.h"
#include "core/stamp.h"

namespace p2pmail::core {
namespace {

Deposit a_deposit(std::size_t devices) {
  Deposit deposit;
  deposit.tag.bytes.fill(1);
  deposit.handle.bytes.fill(2);
  deposit.root.bytes.fill(3);
  deposit.size = 4112;
  for (std::size_t i = 0; i < devices; ++i) {
    deposit.deletions.emplace_back();
    deposit.deletions.back().bytes.fill(static_cast<std::uint8_t>(i));
  }
  return deposit;
}

TEST(AdmissionTest, NothingIsAnEmptyOne) {
  const auto none = decode_admission({});
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->stamp);
  EXPECT_FALSE(none->deposit);
}

TEST(AdmissionTest, RoundTripAndTheLargestFits) {
  const Bytes bytes = encode_admission({UINT64_MAX, a_deposit(kMaxDevices)});
  EXPECT_LE(bytes.size(), kMaxAdmission);
  const auto back = decode_admission(bytes);
  ASSERT_TRUE(back) << back.error().context;
  EXPECT_EQ(*back->stamp, UINT64_MAX);
  EXPECT_EQ(back->deposit->deletions, a_deposit(kMaxDevices).deletions);
  EXPECT_EQ(back->deposit->handle, a_deposit(1).handle);
  EXPECT_EQ(back->deposit->root, a_deposit(1).root);
  EXPECT_EQ(back->deposit->tag, a_deposit(1).tag);
  EXPECT_EQ(encode_admission(*back), bytes);
}

TEST(AdmissionTest, EveryTruncationIsRefused) {
  const Bytes bytes = encode_admission({7, a_deposit(2)});
  for (std::size_t size = 1; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_admission(ByteView(bytes).first(size))) << size;
}

TEST(AdmissionTest, RefusesWhatBreaksABound) {
  EXPECT_FALSE(decode_admission(encode_admission({7, a_deposit(0)})));
  EXPECT_FALSE(decode_admission(encode_admission({7, a_deposit(kMaxDevices + 1)})));
  Deposit odd = a_deposit(1);
  odd.size = 5;
  EXPECT_FALSE(decode_admission(encode_admission({7, odd})));
  EXPECT_EQ(decode_admission(encode_cbor(Value{{"v", 2u}})).error().code, Code::kUnsupported);
  EXPECT_FALSE(decode_admission(encode_cbor(Value{{"s", 1u}})));
  EXPECT_FALSE(decode_admission(encode_cbor(Value{{"q", 1u}, {"v", 1u}})));
}

TEST(DepositKeysTest, DifferByUseAndByEnvelope) {
  const SymmetricKey envelope = make_symmetric_key();
  const SymmetricKey key = relay_key_of(envelope);
  DeviceKey one, two;
  two.bytes.fill(1);
  EXPECT_NE(to_bytes(handle_secret_of(key).view()), to_bytes(deletion_secret_of(key, one).view()));
  EXPECT_NE(to_bytes(deletion_secret_of(key, one).view()),
            to_bytes(deletion_secret_of(key, two).view()));
  EXPECT_NE(to_bytes(key.view()), to_bytes(relay_key_of(make_symmetric_key()).view()));
  EXPECT_EQ(to_bytes(key.view()), to_bytes(relay_key_of(envelope).view()));
}

TEST(RelayedReceiptTest, OpensForItsDepositOnly) {
  const SymmetricKey key = relay_key_of(make_symmetric_key());
  DeviceKey device;
  const Bytes receipt(300, 9);
  const Bytes bytes = encode_relayed_receipt(key, device, receipt);
  EXPECT_LE(bytes.size(), kMaxReceipt);
  const auto relayed = decode_relayed_receipt(bytes);
  ASSERT_TRUE(relayed);
  EXPECT_EQ(relayed->deletion_hash, deletion_hash_of(deletion_secret_of(key, device).view()));
  EXPECT_EQ(open_relayed_receipt(key, relayed->sealed), receipt);
  EXPECT_FALSE(open_relayed_receipt(relay_key_of(make_symmetric_key()), relayed->sealed));
  Bytes damaged = relayed->sealed;
  damaged.back() ^= 1;
  EXPECT_FALSE(open_relayed_receipt(key, damaged));
}

TEST(QuestionTest, NamesTheHandleByItsSecret) {
  const SymmetricKey key = relay_key_of(make_symmetric_key());
  const auto question = decode_question(encode_question(key, true));
  ASSERT_TRUE(question);
  EXPECT_EQ(question->handle, handle_of(handle_secret_of(key).view()));
  EXPECT_TRUE(question->withdraw);
  EXPECT_FALSE(decode_question(Bytes(3, 0)));
}

TEST(AnswerTest, RoundTripAndUnknownStates) {
  HeldAnswer answer{HeldState::kRefused, 12345, Bytes(10, 1), Bytes(20, 2)};
  const auto back = decode_answer(encode_answer(answer));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->state, HeldState::kRefused);
  EXPECT_EQ(back->until, 12345U);
  EXPECT_EQ(back->receipt, answer.receipt);
  EXPECT_EQ(back->card, answer.card);
  answer.state = static_cast<HeldState>(4);
  EXPECT_FALSE(decode_answer(encode_answer(answer)));
}

TEST(HeldTest, RoundTrip) {
  EXPECT_EQ(*decode_held(encode_held(77)), 77U);
  EXPECT_FALSE(decode_held({}));
}

Result<std::uint64_t> search(const StampTarget& target, std::uint64_t bits, const StampWork& work) {
  StampSearch search(target, bits, work);
  for (;;) {
    const auto found = search.slice();
    if (!found) return found.error();
    if (*found) return **found;
  }
}

TEST(StampTest, IsFoundCheckedAndBoundToItsLetter) {
  StampTarget target;
  const auto stamp = search(target, 12, {});
  ASSERT_TRUE(stamp);
  EXPECT_TRUE(stamp_fits(target, *stamp, 12));
  EXPECT_TRUE(stamp_fits(target, 0, 0));
  // One chance in 4,096 each: all three fitting would be a miracle.
  StampTarget other_root = target, other_nonce = target, other_person = target;
  other_root.root.bytes[0] = 1;
  other_nonce.nonce[0] = 1;
  other_person.recipient.bytes[0] = 1;
  EXPECT_FALSE(stamp_fits(other_root, *stamp, 12) && stamp_fits(other_nonce, *stamp, 12) &&
               stamp_fits(other_person, *stamp, 12));
}

TEST(StampTest, ComesInSlicesAndIsWorkedForOnce) {
  StampWork work;
  std::size_t begun = 0;
  work.on_work = [&begun](const IdentityKey&, std::uint64_t) { ++begun; };
  const auto first = search({}, 18, work);
  ASSERT_TRUE(first);
  EXPECT_EQ(*search({}, 18, work), *first);
  EXPECT_EQ(begun, 1U);
  StampSearch endless({}, 22, work);
  EXPECT_FALSE(endless.slice()->has_value());  // one slice is not enough
}

TEST(StampTest, EndsWhenToldTo) {
  StampWork work;
  work.stopped = [] { return true; };
  EXPECT_EQ(search({}, 20, work).error().code, Code::kTimeout);
  EXPECT_EQ(search({}, 23, work).error().code, Code::kStampNeeded);
  EXPECT_EQ(*search({}, 0, work), 0U);
}

}  // namespace
}  // namespace p2pmail::core
