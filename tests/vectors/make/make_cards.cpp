// Rosters, device records, cards.
#include "core/card.h"
#include "core/text.h"
#include "tests/vectors/make/make.h"

namespace p2pmail::vectors {
namespace {

using core::DeviceRecord;
using core::Roster;

constexpr core::Context kRoster{"p2pmail/roster"};
constexpr core::Context kRecord{"p2pmail/record"};
using Edit = std::function<void(Value&)>;

Roster full_roster(const core::SigningPair& identity) {
  Roster roster;
  roster.identity.bytes = identity.public_key;
  roster.name = "Zoë";
  roster.sequence = 7;
  roster.time = core::test::kTestTime;
  roster.devices = {filled<core::DeviceKey>(2), filled<core::DeviceKey>(1)};
  roster.tombstones = {{filled<core::DeviceKey>(4), core::TombstoneReason::kCompromised},
                       {filled<core::DeviceKey>(3), core::TombstoneReason::kRetired}};
  return roster;
}

void roster_case(const Kit& kit, const std::string& name, std::string_view comment,
                 const Roster& roster, const core::SigningPair& identity) {
  Case out = kit.add("roster", name, "ok", comment);
  out.hex("bytes", core::sign_roster(roster, identity.secret).bytes)
      .hex("signing-secret", identity.secret.view())
      .hex("identity", roster.identity)
      .text("name", roster.name)
      .number("sequence", roster.sequence)
      .number("time", roster.time);
  for (const auto& device : roster.devices) out.hex("device", device);
  for (const auto& grave : roster.tombstones)
    out.hex(grave.reason == core::TombstoneReason::kRetired ? "retired" : "compromised",
            grave.device);
}

void make_rosters(const Kit& kit) {
  reseed("roster");
  const auto identity = core::make_signing_pair();
  const Roster full = full_roster(identity);
  roster_case(kit, "full", "Two devices, not sorted, and two tombstones.", full, identity);
  Roster small = full;
  small.name.clear();
  small.sequence = 1;
  small.time = 0;
  small.devices.resize(1);
  small.tombstones.clear();
  roster_case(kit, "small", "As little as there can be.", small, identity);
  Roster large = full;
  large.name = std::string(128, 'n');
  large.sequence = std::uint64_t{INT64_MAX};
  large.time = 253402300799;
  large.devices.clear();
  large.tombstones.clear();
  for (std::uint8_t i = 0; i < 16; ++i) large.devices.push_back(filled<core::DeviceKey>(i));
  for (std::uint8_t i = 16; i < 80; ++i)
    large.tombstones.push_back({filled<core::DeviceKey>(i), core::TombstoneReason::kRetired});
  roster_case(kit, "large", "Every bound reached.", large, identity);

  const auto bytes = core::sign_roster(full, identity.secret).bytes;
  const Value body = body_of(bytes);
  const auto edited = [&](const std::string& name, std::string_view expect,
                          std::string_view comment, const Edit& edit) {
    Value map = body;
    edit(map);
    kit.add("roster", name, expect, comment)
        .hex("bytes", signed_structure(core::encode_cbor(map), kRoster, identity.secret));
  };
  const Value device = core::binary(filled<core::DeviceKey>(2));
  const auto set = [](const char* key, Value value) {
    return [key, value](Value& map) { map[key] = value; };
  };
  kit.change("roster", "signature", "full", "forged", "One bit of the signature.",
             flip("bytes", bytes, bytes.size() - 1));
  kit.change("roster", "body", "full", "forged", "One bit of the name.",
             flip("bytes", bytes, place_of(core::bytes_of("Zo"), bytes)));
  kit.change("roster", "cut", "full", "malformed", "One byte less.",
             "cut: bytes " + std::to_string(bytes.size() - 1));
  kit.change("roster", "added", "full", "malformed", "One byte more.", "add: bytes 00");
  kit.add("roster", "other-context", "forged", "Signed as a device record is.")
      .hex("bytes", signed_structure(core::encode_cbor(body), kRecord, identity.secret));
  kit.add("roster", "not-canonical", "malformed", "The body's last number is written too long.")
      .hex("bytes", [&] {
        Value map = body;
        map.erase("x");
        Bytes raw = longer_version(map);
        raw[0] = static_cast<std::uint8_t>(raw[0] + 1);
        core::append(raw, Bytes{0x61, 'x', 0x80});
        return signed_structure(raw, kRoster, identity.secret);
      }());
  edited("version-2", "unsupported", "A newer version, with a field that nobody knows.",
         [](Value& map) { map["v"] = 2u, map["zz"] = true; });
  edited("version-0", "malformed", "Version 0.", set("v", 0u));
  edited("unknown-field", "malformed", "A field that version 1 does not have.", set("z", 1u));
  edited("no-time", "malformed", "A field is missing.", [](Value& map) { map.erase("t"); });
  edited("time", "malformed", "A second after the year 9999.", set("t", 253402300800));
  edited("sequence-0", "malformed", "Sequence numbers begin with 1.", set("q", 0u));
  edited("sequence-2-63", "malformed", "A sequence number above 2^63 - 1.",
         set("q", std::uint64_t{1} << 63));
  edited("name-129", "malformed", "A name of 129 bytes.", set("n", std::string(129, 'n')));
  edited("name-control", "malformed", "A name with U+009B.",
         set("n",
             "a\xc2\x9b"
             "1m"));
  edited("name-bytes", "malformed", "A name that is a byte string.", set("n", device));
  edited("no-devices", "malformed", "No device.", set("d", Value::array()));
  edited("device-twice", "malformed", "A device twice.", set("d", Value::array({device, device})));
  edited("device-31", "malformed", "A device key of 31 bytes.",
         set("d", Value::array({core::binary(Bytes(31))})));
  edited("buried-device", "malformed", "A device that has a tombstone too.", [&](Value& map) {
    map["x"] = Value::array({Value{{"d", device}, {"r", 0u}}});
  });
  edited("reason-2", "malformed", "A tombstone for an unknown reason.", [&](Value& map) {
    map["x"] = Value::array({Value{{"d", core::binary(filled<core::DeviceKey>(9))}, {"r", 2u}}});
  });
}

DeviceRecord full_record(const core::SigningPair& device) {
  DeviceRecord record;
  record.identity = filled<core::IdentityKey>(0x11);
  record.device.bytes = device.public_key;
  record.transport = filled<core::TransportKey>(0x22);
  record.sequence = 3;
  record.roster_sequence = 2;
  record.time = core::test::kTestTime;
  record.prekeys = {{filled<core::PrekeyPublic>(0x31), 2000},
                    {filled<core::PrekeyPublic>(0x32), 2000},
                    {filled<core::PrekeyPublic>(0x33), 1000}};
  record.endpoints = {*core::parse_endpoint("tcp://mail.example.org:4321"),
                      *core::parse_endpoint("tcp://[2001:db8::1]:4321")};
  record.relays = {{filled<core::IdentityKey>(0x44),
                    filled<core::TransportKey>(0x55),
                    {*core::parse_endpoint("tcp://192.0.2.1:4321")}}};
  record.stamp_bits = 20;
  record.stamp_nonce.fill(0x66);
  return record;
}

void record_case(const Kit& kit, const std::string& name, std::string_view comment,
                 const DeviceRecord& record, const core::SigningPair& device) {
  Case out = kit.add("record", name, "ok", comment);
  out.hex("bytes", core::sign_record(record, device.secret).bytes)
      .hex("signing-secret", device.secret.view())
      .hex("identity", record.identity)
      .hex("device", record.device)
      .hex("transport", record.transport)
      .number("sequence", record.sequence)
      .number("roster-sequence", record.roster_sequence)
      .number("time", record.time)
      .number("stamp-bits", record.stamp_bits)
      .hex("stamp-nonce", record.stamp_nonce);
  for (const auto& prekey : record.prekeys)
    out.text("prekey", core::to_hex(prekey.key) + " " + std::to_string(prekey.time));
  for (const auto& endpoint : record.endpoints) out.text("endpoint", endpoint.text());
  for (const auto& relay : record.relays) {
    std::string line = core::to_hex(relay.identity) + " " + core::to_hex(relay.transport);
    for (const auto& endpoint : relay.endpoints) line += " " + endpoint.text();
    out.text("relay", line);
  }
}

void make_records(const Kit& kit) {
  reseed("record");
  const auto device = core::make_signing_pair();
  const DeviceRecord full = full_record(device);
  record_case(kit, "full", "Prekeys, endpoints, a relay, a stamp.", full, device);
  DeviceRecord small = full;
  small.prekeys.resize(1);
  small.endpoints.clear();
  small.relays.clear();
  record_case(kit, "small", "One prekey and no place.", small, device);

  const auto bytes = core::sign_record(full, device.secret).bytes;
  const Value body = body_of(bytes);
  const auto edited = [&](const std::string& name, std::string_view expect,
                          std::string_view comment, const Edit& edit) {
    Value map = body;
    edit(map);
    kit.add("record", name, expect, comment)
        .hex("bytes", signed_structure(core::encode_cbor(map), kRecord, device.secret));
  };
  const auto set = [](const char* key, Value value) {
    return [key, value](Value& map) { map[key] = value; };
  };
  kit.change("record", "signature", "full", "forged", "One bit of the signature.",
             flip("bytes", bytes, bytes.size() - 1));
  kit.add("record", "not-canonical", "malformed", "The version is written too long.")
      .hex("bytes", signed_structure(longer_version(body), kRecord, device.secret));
  edited("version-2", "unsupported", "A newer version, without a stamp.",
         [](Value& map) { map["v"] = 2u, map.erase("a"); });
  edited("stamp-41", "malformed", "A stamp of 41 bits.", [](Value& map) { map["a"]["b"] = 41u; });
  edited("no-stamp", "malformed", "No stamp.", [](Value& map) { map.erase("a"); });
  edited("endpoint-case", "malformed", "An endpoint that is not written in lower case.",
         set("e", Value::array({"tcp://EXAMPLE.org:4321"})));
  edited("endpoint-bad", "malformed", "A wildcard.", set("e", Value::array({"tcp://*:4321"})));
  edited("endpoints-9", "malformed", "Nine endpoints.",
         set("e", Value(std::vector<std::string>(9, "tcp://192.0.2.1:1"))));
  edited("no-prekeys", "malformed", "No prekey.", set("k", Value::array()));
  edited("prekeys-order", "malformed", "An older prekey before a newer one.",
         [](Value& map) { std::swap(map["k"][0], map["k"][2]); });
  edited("prekey-twice", "malformed", "A prekey twice.",
         [](Value& map) { map["k"][1] = map["k"][0]; });
  edited("relay-field", "malformed", "A relay with an unknown field.",
         [](Value& map) { map["r"][0]["z"] = 1u; });
  edited("roster-sequence-0", "malformed", "Sequence numbers begin with 1.", set("o", 0u));
}

void card_case(const Kit& kit, const std::string& name, std::string_view comment,
               const core::Card& card) {
  Case out = kit.add("card", name, "ok", comment);
  out.hex("bytes", core::encode_card(card)).hex("identity", card.identity());
  for (const auto* record : card.usable()) out.hex("counts", record->device);
}

Bytes card_of(const std::vector<Bytes>& records, ByteView roster) {
  Value list = Value::array();
  for (const Bytes& record : records) list.push_back(core::binary(record));
  return core::encode_cbor(Value{{"d", list}, {"r", core::binary(roster)}, {"v", 1u}});
}

}  // namespace

void make_cards(const Kit& kit) {
  make_rosters(kit);
  make_records(kit);
  World world;
  const core::Card& bob = world.bob.card;
  const Bytes bytes = core::encode_card(bob);
  const Bytes one = bob.records[0].bytes;
  const Bytes two = bob.records[1].bytes;
  card_case(kit, "one-device", "One device.", world.alice.card);
  card_case(kit, "two-devices", "Two devices.", bob);
  core::Card buried = world.carol.card;
  reseed("carol");
  buried.records = core::test::Person(2).card.records;  // as they were before one was retired
  card_case(kit, "retired-device", "A record that does not count: its device has a tombstone.",
            buried);
  core::Card empty = bob;
  empty.records.clear();
  card_case(kit, "no-records", "A roster alone.", empty);
  kit.change("card", "record-signature", "two-devices", "forged",
             "One bit of a record's signature.",
             flip("bytes", bytes, place_of(one, bytes) + one.size() - 1));
  kit.change("card", "cut", "two-devices", "malformed", "One byte less.",
             "cut: bytes " + std::to_string(bytes.size() - 1));
  kit.add("card", "other-identity", "forged", "A record of somebody else.")
      .hex("bytes", card_of({world.alice.card.records[0].bytes}, bob.roster.bytes));
  kit.add("card", "order", "malformed", "Records that do not ascend.")
      .hex("bytes", card_of({two, one}, bob.roster.bytes));
  kit.add("card", "record-twice", "malformed", "A record twice.")
      .hex("bytes", card_of({one, one}, bob.roster.bytes));
  Value map = *core::decode_cbor(bytes, "card", core::kMaxCardSize);
  kit.add("card", "not-canonical", "malformed", "The version is written too long.")
      .hex("bytes", longer_version(map));
  map["v"] = 2u;
  kit.add("card", "version-2", "unsupported", "A newer version.")
      .hex("bytes", core::encode_cbor(map));

  const std::string text = core::card_text(world.alice.card);
  const Bytes alice = core::encode_card(world.alice.card);
  const auto card_text = [&](const std::string& name, std::string_view comment,
                             const std::string& whole) {
    kit.add("card-text", name, "ok", comment)
        .text("text", whole)
        .hex("bytes", alice)
        .hex("identity", world.alice.key());
  };
  card_text("plain", "As it is written.", text);
  card_text("around", "Text before and after, and white space within.",
            "Hello,\n\n" + std::string(text).insert(text.find("-----\n") + 20, " \t\n") +
                "\nBye\n-----END P2PMAIL CARD-----\n");
  const auto bad_text = [&](const std::string& name, std::string_view comment,
                            const std::string& whole) {
    core::check(!core::parse_card_text(whole));
    kit.add("card-text", name, "malformed", comment).text("text", whole);
  };
  bad_text("no-end", "No end line.", text.substr(0, text.find("-----END")));
  bad_text("no-begin", "No begin line.", text.substr(text.find("-----\n")));
  bad_text("other-label", "Another label.", "-----BEGIN P2PMAIL KEY-----\n");
  bad_text("not-base64", "A character that base64 does not have.",
           std::string(text).replace(text.find("-----\n") + 20, 1, "!"));
  bad_text("no-padding", "One character less.",
           std::string(text).erase(text.find("-----\n") + 20, 1));
}

}  // namespace p2pmail::vectors
