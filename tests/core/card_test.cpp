// Cards: every bound holds, nothing unsigned is believed, and merging never goes back.
#include "core/card.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/address.h"
#include "core/cbor.h"

namespace p2pmail::core {
namespace {

struct CardTest : testing::Test {
  SigningPair identity = make_signing_pair();
  std::vector<SigningPair> devices;  // ascending by key
  Roster roster;

  CardTest() {
    for (int i = 0; i < 3; ++i) devices.push_back(make_signing_pair());
    std::ranges::sort(devices, {}, &SigningPair::public_key);
    roster.identity.bytes = identity.public_key;
    roster.name = "Alice";
    roster.time = 1'800'000'000;
    roster.devices = {key(0), key(1)};
  }
  DeviceKey key(std::size_t i) const { return DeviceKey{devices[i].public_key}; }

  DeviceRecord record(std::size_t i, std::uint64_t sequence = 1) const {
    DeviceRecord out;
    out.identity = roster.identity;
    out.device = key(i);
    out.transport.bytes.fill(static_cast<std::uint8_t>(i + 1));
    out.sequence = sequence;
    out.time = 1'800'000'000;
    out.prekeys = {{PrekeyPublic{out.transport.bytes}, 1'800'000'000}};
    out.endpoints = {*parse_endpoint("tcp://192.0.2.1:4000")};
    return out;
  }
  Signed<DeviceRecord> signed_record(std::size_t i, std::uint64_t sequence = 1) const {
    return sign_record(record(i, sequence), devices[i].secret);
  }
  Card card() const {
    return {sign_roster(roster, identity.secret), {signed_record(0), signed_record(1)}};
  }

  /// The body of a signed structure after `change`, signed again with `secret`.
  static Bytes resigned(ByteView bytes, const char* context, const SigningSecret& secret,
                        const std::function<void(Value&)>& change) {
    Value outer = *decode_cbor(bytes, "test");
    Value map = *decode_cbor(outer["b"].get_binary(), "test");
    change(map);
    const Bytes body = encode_cbor(map);
    return encode_cbor(
        Value{{"b", binary(body)}, {"s", binary(sign(secret, Context{context}, body))}});
  }
  Code roster_refusal(const std::function<void(Value&)>& change) const {
    const auto signed_roster = sign_roster(roster, identity.secret);
    const auto out = decode_roster(
        resigned(signed_roster.bytes, "p2pmail/roster", identity.secret, change));
    return out ? Code::kBug : out.error().code;
  }
  Code record_refusal(const std::function<void(Value&)>& change) const {
    const auto out = decode_record(
        resigned(signed_record(0).bytes, "p2pmail/record", devices[0].secret, change));
    return out ? Code::kBug : out.error().code;
  }
  static Code refusal(ByteView bytes) {
    const auto out = decode_card(bytes);
    return out ? Code::kBug : out.error().code;
  }
  Code refusal(const Card& made) const { return refusal(encode_card(made)); }
};

TEST_F(CardTest, RoundTrip) {
  const Card made = card();
  const auto read = decode_card(encode_card(made));
  ASSERT_TRUE(read) << read.error().context;
  EXPECT_EQ(read->roster.value, roster);
  ASSERT_EQ(read->records.size(), 2u);
  EXPECT_EQ(read->records[0].value, record(0));
  EXPECT_EQ(read->records[1].value, record(1));
  EXPECT_EQ(encode_card(*read), encode_card(made));
}

TEST_F(CardTest, RoundTripOfAllRecordFields) {
  DeviceRecord full = record(0, 7);
  full.roster_sequence = 9;
  full.prekeys = {{PrekeyPublic{{1}}, 30}, {PrekeyPublic{{2}}, 20}, {PrekeyPublic{{3}}, 20}};
  full.endpoints.push_back(*parse_endpoint("tcp://[2001:db8::1]:1"));
  full.relays = {{IdentityKey{{4}}, TransportKey{{5}}, full.endpoints}};
  full.stamp_bits = 40;
  full.stamp_nonce.fill(6);
  const auto read = decode_record(sign_record(full, devices[0].secret).bytes);
  ASSERT_TRUE(read) << read.error().context;
  EXPECT_EQ(read->value, full);
}

TEST_F(CardTest, RefusesEveryTruncation) {
  const Bytes bytes = encode_card(card());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_card(ByteView(bytes).first(size))) << size;
}

TEST_F(CardTest, RefusesEveryFlippedBit) {
  Bytes bytes = encode_card(card());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_FALSE(decode_card(bytes)) << bit;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
  }
}

TEST_F(CardTest, RefusesARosterSignedBySomebodyElse) {
  Card made = card();
  made.roster = sign_roster(roster, devices[0].secret);
  EXPECT_EQ(refusal(made), Code::kForged);
}

TEST_F(CardTest, RefusesARecordSignedByAnotherDevice) {
  Card made = card();
  made.records[0] = sign_record(record(0), devices[1].secret);
  EXPECT_EQ(refusal(made), Code::kForged);
}

TEST_F(CardTest, RefusesASignatureOfAnotherContext) {
  const auto forged = resigned(sign_roster(roster, identity.secret).bytes, "p2pmail/record",
                               identity.secret, [](Value&) {});
  EXPECT_EQ(decode_roster(forged).error().code, Code::kForged);
}

TEST_F(CardTest, RefusesARecordOfAnotherIdentity) {
  DeviceRecord stray = record(0);
  stray.identity.bytes[0] ^= 1;
  Card made = card();
  made.records[0] = sign_record(stray, devices[0].secret);
  EXPECT_EQ(refusal(made), Code::kForged);
}

TEST_F(CardTest, RefusesRecordsOutOfOrderOrTwice) {
  Card made = card();
  std::swap(made.records[0], made.records[1]);
  EXPECT_EQ(refusal(made), Code::kMalformed);
  made.records = {signed_record(0), signed_record(0, 2)};
  EXPECT_EQ(refusal(made), Code::kMalformed);
}

TEST_F(CardTest, RefusesANewerVersionAsUnsupported) {
  const auto two = [](Value& map) { map["v"] = 2u; };
  EXPECT_EQ(roster_refusal(two), Code::kUnsupported);
  EXPECT_EQ(record_refusal(two), Code::kUnsupported);
  Value map = *decode_cbor(encode_card(card()), "card");
  two(map);
  EXPECT_EQ(refusal(encode_cbor(map)), Code::kUnsupported);
}

TEST_F(CardTest, RefusesVersionZero) {
  const auto zero = [](Value& map) { map["v"] = 0u; };
  EXPECT_EQ(roster_refusal(zero), Code::kMalformed);
  EXPECT_EQ(record_refusal(zero), Code::kMalformed);
}

TEST_F(CardTest, RefusesMissingAndUnknownFields) {
  for (const char* name : {"d", "i", "n", "q", "t", "x"})
    EXPECT_EQ(roster_refusal([&](Value& map) { map.erase(name); }), Code::kMalformed) << name;
  for (const char* name : {"a", "d", "e", "i", "k", "o", "q", "r", "t", "u"})
    EXPECT_EQ(record_refusal([&](Value& map) { map.erase(name); }), Code::kMalformed) << name;
  const auto more = [](Value& map) { map["z"] = 1u; };
  EXPECT_EQ(roster_refusal(more), Code::kMalformed);
  EXPECT_EQ(record_refusal(more), Code::kMalformed);
}

TEST_F(CardTest, TheSameFieldsRewrittenAreAccepted) {  // so the refusals above mean something
  EXPECT_EQ(roster_refusal([](Value&) {}), Code::kBug);
  EXPECT_EQ(record_refusal([](Value&) {}), Code::kBug);
}

TEST_F(CardTest, BoundsTheRoster) {
  const auto refused = [&](const char* name, const Value& value) {
    return roster_refusal([&](Value& map) { map[name] = value; }) == Code::kMalformed;
  };
  EXPECT_TRUE(refused("n", std::string(kMaxName + 1, 'a')));
  EXPECT_FALSE(refused("n", std::string(kMaxName, 'a')));
  EXPECT_TRUE(refused("n", "a\x1b[31m"));
  EXPECT_TRUE(refused("q", 0u));
  EXPECT_TRUE(refused("q", std::uint64_t{1} << 63));
  EXPECT_FALSE(refused("q", (std::uint64_t{1} << 63) - 1));
  EXPECT_TRUE(refused("t", std::uint64_t{1} << 60));
  EXPECT_TRUE(refused("d", Value::array()));
  EXPECT_TRUE(refused("d", Value::array({binary(Bytes(31))})));
}

TEST_F(CardTest, BoundsTheNumberOfDevices) {
  for (std::uint8_t i = 0; roster.devices.size() < kMaxDevices; ++i)
    roster.devices.push_back(DeviceKey{{i, 1}});
  EXPECT_EQ(roster_refusal([](Value&) {}), Code::kBug);
  roster.devices.push_back(DeviceKey{{0, 2}});
  EXPECT_EQ(roster_refusal([](Value&) {}), Code::kMalformed);
}

TEST_F(CardTest, BoundsTheNumberOfTombstones) {
  for (std::uint8_t i = 0; i < 64; ++i)
    roster.tombstones.push_back({DeviceKey{{i, 1}}, TombstoneReason::kCompromised});
  EXPECT_EQ(roster_refusal([](Value&) {}), Code::kBug);
  roster.tombstones.push_back({DeviceKey{{0, 2}}, TombstoneReason::kRetired});
  EXPECT_EQ(roster_refusal([](Value&) {}), Code::kMalformed);
}

TEST_F(CardTest, RefusesAKeyNamedTwice) {
  roster.devices = {key(0), key(0)};
  EXPECT_EQ(roster_refusal([](Value&) {}), Code::kMalformed);
  roster.devices = {key(0)};
  roster.tombstones = {{key(0), TombstoneReason::kRetired}};
  EXPECT_EQ(roster_refusal([](Value&) {}), Code::kMalformed);
  roster.tombstones = {{key(1), TombstoneReason::kRetired}, {key(1), TombstoneReason::kRetired}};
  EXPECT_EQ(roster_refusal([](Value&) {}), Code::kMalformed);
}

TEST_F(CardTest, RefusesAnUnknownTombstoneReason) {
  roster.tombstones = {{key(2), static_cast<TombstoneReason>(2)}};
  EXPECT_EQ(roster_refusal([](Value&) {}), Code::kMalformed);
}

TEST_F(CardTest, BoundsTheRecord) {
  const auto refused = [&](const char* name, const Value& value) {
    return record_refusal([&](Value& map) { map[name] = value; }) == Code::kMalformed;
  };
  const auto stamp = [](std::uint64_t bits, std::size_t nonce) {
    return Value{{"b", bits}, {"n", binary(Bytes(nonce))}};
  };
  EXPECT_FALSE(refused("a", stamp(40, 16)));
  EXPECT_TRUE(refused("a", stamp(41, 16)));
  EXPECT_TRUE(refused("a", stamp(1, 15)));
  EXPECT_TRUE(refused("a", 1u));
  EXPECT_TRUE(refused("o", 0u));
  EXPECT_TRUE(refused("q", 0u));
  EXPECT_TRUE(refused("t", std::uint64_t{1} << 60));
  EXPECT_TRUE(refused("k", Value::array()));
  EXPECT_TRUE(refused("k", Value::array({1u})));
}

TEST_F(CardTest, BoundsPrekeys) {
  const auto refused = [&](std::vector<Prekey> prekeys) {
    DeviceRecord made = record(0);
    made.prekeys = std::move(prekeys);
    return !decode_record(sign_record(made, devices[0].secret).bytes);
  };
  const auto prekey = [](std::uint8_t key, std::uint64_t time) {
    return Prekey{PrekeyPublic{{key}}, time};
  };
  EXPECT_FALSE(refused({prekey(1, 4), prekey(2, 3), prekey(3, 2), prekey(4, 1)}));
  EXPECT_TRUE(refused({prekey(1, 5), prekey(2, 4), prekey(3, 3), prekey(4, 2), prekey(5, 1)}));
  EXPECT_TRUE(refused({prekey(1, 1), prekey(2, 2)}));
  EXPECT_TRUE(refused({prekey(1, 2), prekey(1, 1)}));
}

TEST_F(CardTest, BoundsEndpointsAndRelays) {
  DeviceRecord made = record(0);
  made.endpoints.resize(kMaxEndpoints, made.endpoints.front());
  made.relays.resize(4, Relay{IdentityKey{{1}}, TransportKey{{2}}, made.endpoints});
  EXPECT_TRUE(decode_record(sign_record(made, devices[0].secret).bytes));
  made.endpoints.push_back(made.endpoints.front());
  EXPECT_FALSE(decode_record(sign_record(made, devices[0].secret).bytes));
  made.endpoints.clear();
  made.relays.push_back(made.relays.front());
  EXPECT_FALSE(decode_record(sign_record(made, devices[0].secret).bytes));
}

TEST_F(CardTest, RefusesEndpointsThatAreNotWrittenInTheOneWay) {
  const auto refused = [&](const Value& endpoint) {
    return record_refusal([&](Value& map) { map["e"] = Value::array({endpoint}); }) ==
           Code::kMalformed;
  };
  EXPECT_FALSE(refused("tcp://example.org:1"));
  EXPECT_TRUE(refused("tcp://EXAMPLE.org:1"));
  EXPECT_TRUE(refused("ipc:///run/x"));
  EXPECT_TRUE(refused("tcp://0.0.0.0:1"));
  EXPECT_TRUE(refused(1u));
}

TEST_F(CardTest, RefusesAPartOverItsBound) {
  DeviceRecord made = record(0, 2);
  const std::string host = std::string(63, 'a') + "." + std::string(63, 'b') + "." +
                           std::string(63, 'c') + "." + std::string(50, 'd');
  made.endpoints.assign(kMaxEndpoints, *parse_endpoint("tcp://" + host + ":1"));
  made.relays.resize(4, Relay{IdentityKey{{1}}, TransportKey{{2}}, made.endpoints});
  const auto signed_one = sign_record(made, devices[0].secret);
  ASSERT_GT(signed_one.bytes.size(), 8u * 1024);
  EXPECT_FALSE(decode_record(signed_one.bytes));
  Card mine = card();
  EXPECT_FALSE(merge_card(mine, Card{mine.roster, {signed_one}}));
  EXPECT_EQ(encode_card(mine), encode_card(card()));
}

TEST_F(CardTest, UsesOnlyRecordsOfDevicesOnTheRoster) {
  roster.devices = {key(0)};
  const Card made = *decode_card(encode_card(card()));
  ASSERT_EQ(made.records.size(), 2u);
  EXPECT_EQ(made.usable().size(), 1u);
  EXPECT_NE(made.record_of(key(0)), nullptr);
  EXPECT_EQ(made.record_of(key(1)), nullptr);
  EXPECT_NE(made.record_of(record(0).transport), nullptr);
  EXPECT_EQ(made.record_of(record(1).transport), nullptr);
}

TEST_F(CardTest, KnowsTombstones) {
  roster.tombstones = {{key(2), TombstoneReason::kCompromised}};
  EXPECT_EQ(card().tombstone_of(key(2)), TombstoneReason::kCompromised);
  EXPECT_EQ(card().tombstone_of(key(0)), std::nullopt);
}

TEST_F(CardTest, TextRoundTrip) {
  const std::string text = card_text(card());
  EXPECT_TRUE(text.starts_with("# alice@" + key_text(roster.identity) + ".p2pmail.alt\n"));
  EXPECT_NE(text.find("-----BEGIN P2PMAIL CARD-----"), std::string::npos);
  const auto read = parse_card_text("Hello,\n" + text + "\nBye\n");
  ASSERT_TRUE(read) << read.error().context;
  EXPECT_EQ(encode_card(*read), encode_card(card()));
}

TEST_F(CardTest, RefusesTextWithoutACard) {
  EXPECT_FALSE(parse_card_text(""));
  EXPECT_FALSE(parse_card_text("# alice@example.org\n"));
  const std::string text = card_text(card());
  EXPECT_FALSE(parse_card_text(text.substr(0, text.size() / 2)));
}

// ---- merging

TEST_F(CardTest, MergingTheSameCardChangesNothing) {
  Card mine = card();
  const auto outcome = merge_card(mine, card());
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->changed);
  EXPECT_FALSE(outcome->clone);
}

TEST_F(CardTest, HigherSequenceWins) {
  Card mine = card();
  Card newer = card();
  newer.records[1] = signed_record(1, 2);
  ASSERT_TRUE(merge_card(mine, newer)->changed);
  EXPECT_EQ(mine.record_of(key(1))->sequence, 2u);
  ASSERT_FALSE(merge_card(mine, card())->changed);  // the old one again
  EXPECT_EQ(mine.record_of(key(1))->sequence, 2u);
  EXPECT_EQ(mine.record_of(key(0))->sequence, 1u);
}

TEST_F(CardTest, NewerRosterBringsADevice) {
  Card mine = card();
  roster.sequence = 2;
  roster.devices = {key(0), key(1), key(2)};
  const Card other{sign_roster(roster, identity.secret), {signed_record(2)}};
  ASSERT_TRUE(merge_card(mine, other)->changed);
  EXPECT_EQ(mine.usable().size(), 3u);
  EXPECT_TRUE(decode_card(encode_card(mine)));
}

TEST_F(CardTest, OlderRosterIsIgnored) {
  const Card old = card();
  roster.sequence = 2;
  roster.name = "Alice B";
  Card mine = card();
  EXPECT_FALSE(merge_card(mine, old)->changed);
  EXPECT_EQ(mine.roster.value.name, "Alice B");
}

TEST_F(CardTest, EqualSequenceKeepsTheFirstAndReportsAClone) {
  Card mine = card();
  roster.name = "Mallory";
  const auto by_roster = merge_card(mine, Card{sign_roster(roster, identity.secret), {}});
  EXPECT_TRUE(by_roster->clone);
  EXPECT_FALSE(by_roster->changed);
  EXPECT_EQ(mine.roster.value.name, "Alice");
  DeviceRecord twin = record(0);
  twin.time += 1;
  const auto by_record =
      merge_card(mine, Card{mine.roster, {sign_record(twin, devices[0].secret)}});
  EXPECT_TRUE(by_record->clone);
  EXPECT_FALSE(by_record->changed);
  EXPECT_EQ(*mine.record_of(key(0)), record(0));
}

TEST_F(CardTest, RefusesToMergeAnotherIdentity) {
  Card mine = card();
  identity = make_signing_pair();
  roster.identity.bytes = identity.public_key;
  EXPECT_EQ(merge_card(mine, card()).error().code, Code::kForged);
}

TEST_F(CardTest, RefusesANewerRosterThatDropsATombstone) {
  roster.tombstones = {{key(2), TombstoneReason::kCompromised}};
  Card mine = card();
  const Bytes before = encode_card(mine);
  roster.sequence = 2;
  roster.tombstones = {{key(2), TombstoneReason::kRetired}};  // made milder
  EXPECT_EQ(merge_card(mine, card()).error().code, Code::kForged);
  roster.tombstones.clear();
  Card other = card();
  other.records[0] = signed_record(0, 9);
  EXPECT_EQ(merge_card(mine, other).error().code, Code::kForged);
  EXPECT_EQ(encode_card(mine), before);
}

TEST_F(CardTest, ABuriedDeviceIsNotUsedAnyMore) {
  Card mine = card();
  roster.sequence = 2;
  roster.devices = {key(0)};
  roster.tombstones = {{key(1), TombstoneReason::kRetired}};
  ASSERT_TRUE(merge_card(mine, Card{sign_roster(roster, identity.secret), {}})->changed);
  EXPECT_EQ(mine.record_of(key(1)), nullptr);
  EXPECT_EQ(mine.usable().size(), 1u);
  EXPECT_EQ(mine.tombstone_of(key(1)), TombstoneReason::kRetired);
  // A newer record from beyond the grave does not bring it back.
  ASSERT_TRUE(merge_card(mine, Card{mine.roster, {signed_record(1, 99)}}));
  EXPECT_EQ(mine.record_of(key(1)), nullptr);
}

TEST_F(CardTest, RecordsOfUnknownDevicesAreNotKept) {
  Card mine = card();
  EXPECT_FALSE(merge_card(mine, Card{mine.roster, {signed_record(2)}})->changed);
  EXPECT_EQ(mine.records.size(), 2u);
}

TEST_F(CardTest, MergedCardsStayInOrderAndDecodable) {
  Card mine{sign_roster(roster, identity.secret), {signed_record(1)}};
  ASSERT_TRUE(merge_card(mine, Card{mine.roster, {signed_record(0)}})->changed);
  const auto read = decode_card(encode_card(mine));
  ASSERT_TRUE(read) << read.error().context;
  EXPECT_EQ(read->records.size(), 2u);
}

}  // namespace
}  // namespace p2pmail::core
