#include "core/card.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <set>

#include "core/address.h"
#include "core/cbor.h"
#include "core/letter.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

constexpr Context kRoster{"p2pmail/roster"};
constexpr Context kRecord{"p2pmail/record"};
constexpr Context kVerifiedCard{"p2pmail/card"};
constexpr std::size_t kMaxPart = 8 * 1024;  // a signed roster or record, with its signature
constexpr std::size_t kMaxTombstones = 64;
constexpr std::size_t kMaxPrekeys = 4;
constexpr std::size_t kMaxRelays = 4;
constexpr std::uint64_t kMaxStampBits = 40;
// Half of what 64 bits hold, so that "one above it" never wraps and every database can keep it.
constexpr std::uint64_t kMaxSequence = std::numeric_limits<std::int64_t>::max();
constexpr std::string_view kLabel = "CARD";

Bytes signed_structure(const Value& body_map, Context context, const SigningSecret& secret) {
  const Bytes body = encode_cbor(body_map);
  const Signature signature = sign(secret, context, body);
  return encode_cbor(Value{{"b", binary(body)}, {"s", binary(signature)}});
}

struct Opened {
  Bytes body;
  Signature signature;
};
Result<Opened> open_structure(ByteView bytes, const char* what) {
  auto map = decode_cbor(bytes, what, kMaxPart);
  if (!map) return map.error();
  MapReader in(*map, what);
  Opened opened;
  opened.body = in.bytes("b", 1, kMaxPart);
  opened.signature = in.fixed<Signature>("s");
  if (Status status = in.finish(); !status) return status.error();
  return opened;
}

/// Removes a nested map from its parent, which a MapReader then finds without it.
Value take_out(Value& map, const char* key) {
  if (!map.is_object() || !map.contains(key)) return {};
  Value inner = std::move(map[key]);
  map.erase(key);
  return inner;
}

/// Version 1 or an error. A newer structure may have any other field.
Status read_version(MapReader& in, const char* what) {
  const std::uint64_t version = in.number("v", UINT64_MAX);
  if (version > 1) return Error{Code::kUnsupported, std::string(what) + ": a newer version"};
  if (version == 0) in.fail("no version");
  return {};
}

std::uint64_t read_sequence(MapReader& in, const char* key) {
  const std::uint64_t sequence = in.number(key, kMaxSequence);
  if (sequence == 0) in.fail(std::string("\"") + key + "\" is zero");
  return sequence;
}

// ---- roster

Value to_map(const Roster& roster) {
  Value devices = Value::array();
  for (const DeviceKey& device : roster.devices) devices.push_back(binary(device));
  Value tombstones = Value::array();
  for (const Tombstone& grave : roster.tombstones)
    tombstones.push_back(Value{{"d", binary(grave.device)},
                               {"r", static_cast<std::uint64_t>(grave.reason)}});
  return Value{{"d", std::move(devices)}, {"i", binary(roster.identity)},
               {"n", roster.name},        {"q", roster.sequence},
               {"t", roster.time},        {"v", 1u},
               {"x", std::move(tombstones)}};
}

void read_devices(MapReader& in, Roster& roster, std::set<DeviceKey>& seen) {
  for (const Value& element : in.list("d", kMaxDevices)) {
    DeviceKey device;
    if (!take_bytes(element, device.bytes)) return in.fail("a device is not a key");
    if (!seen.insert(device).second) return in.fail("a device twice");
    roster.devices.push_back(device);
  }
  if (roster.devices.empty()) in.fail("no devices");
}

void read_tombstones(MapReader& in, Roster& roster, std::set<DeviceKey>& seen) {
  for (const Value& element : in.list("x", kMaxTombstones)) {
    MapReader item(element, "tombstone");
    Tombstone grave;
    grave.device = item.fixed<DeviceKey>("d");
    grave.reason = static_cast<TombstoneReason>(item.number("r", 1));
    if (Status status = item.finish(); !status) return in.fail(status.error().context);
    if (!seen.insert(grave.device).second) return in.fail("a tombstone for a key named before");
    roster.tombstones.push_back(grave);
  }
}

Result<Roster> read_roster(ByteView body) {
  auto map = decode_cbor(body, "roster", kMaxPart);
  if (!map) return map.error();
  MapReader in(*map, "roster");
  if (Status version = read_version(in, "roster"); !version) return version.error();
  Roster roster;
  std::set<DeviceKey> seen;
  read_devices(in, roster, seen);
  roster.identity = in.fixed<IdentityKey>("i");
  roster.name = in.text("n", kMaxName);
  roster.sequence = read_sequence(in, "q");
  roster.time = in.number("t", kMaxTime);
  read_tombstones(in, roster, seen);
  if (Status status = in.finish(); !status) return status.error();
  return roster;
}

// ---- device record

Value to_list(const std::vector<Endpoint>& endpoints) {
  Value list = Value::array();
  for (const Endpoint& endpoint : endpoints) list.push_back(endpoint.text());
  return list;
}

Value to_map(const DeviceRecord& record) {
  Value prekeys = Value::array();
  for (const Prekey& prekey : record.prekeys)
    prekeys.push_back(Value{{"k", binary(prekey.key)}, {"t", prekey.time}});
  Value relays = Value::array();
  for (const Relay& relay : record.relays)
    relays.push_back(Value{{"c", binary(relay.transport)},
                           {"e", to_list(relay.endpoints)},
                           {"i", binary(relay.identity)}});
  return Value{{"a", Value{{"b", record.stamp_bits}, {"n", binary(record.stamp_nonce)}}},
               {"d", binary(record.device)},
               {"e", to_list(record.endpoints)},
               {"i", binary(record.identity)},
               {"k", std::move(prekeys)},
               {"o", record.roster_sequence},
               {"q", record.sequence},
               {"r", std::move(relays)},
               {"t", record.time},
               {"u", binary(record.transport)},
               {"v", 1u}};
}

std::vector<Endpoint> read_endpoints(MapReader& in) {
  std::vector<Endpoint> endpoints;
  for (const Value& element : in.list("e", kMaxEndpoints)) {
    if (!element.is_string()) {
      in.fail("an endpoint is not text");
      return endpoints;
    }
    const auto& text = element.get_ref<const std::string&>();
    auto endpoint = parse_endpoint(text);
    // Written in one way only: what is shown and encoded again is what was signed.
    if (!endpoint || endpoint->text() != text) {
      in.fail("a bad endpoint");
      return endpoints;
    }
    endpoints.push_back(std::move(*endpoint));
  }
  return endpoints;
}

void read_prekeys(MapReader& in, DeviceRecord& record) {
  std::set<PrekeyPublic> seen;
  for (const Value& element : in.list("k", kMaxPrekeys)) {
    MapReader item(element, "prekey");
    Prekey prekey;
    prekey.key = item.fixed<PrekeyPublic>("k");
    prekey.time = item.number("t", kMaxTime);
    if (Status status = item.finish(); !status) return in.fail(status.error().context);
    if (!seen.insert(prekey.key).second) return in.fail("a prekey twice");
    if (!record.prekeys.empty() && record.prekeys.back().time < prekey.time)
      return in.fail("prekeys are not newest first");
    record.prekeys.push_back(prekey);
  }
  if (record.prekeys.empty()) in.fail("no prekeys");
}

void read_relays(MapReader& in, DeviceRecord& record) {
  for (const Value& element : in.list("r", kMaxRelays)) {
    MapReader item(element, "relay");
    Relay relay;
    relay.transport = item.fixed<TransportKey>("c");
    relay.endpoints = read_endpoints(item);
    relay.identity = item.fixed<IdentityKey>("i");
    if (Status status = item.finish(); !status) return in.fail(status.error().context);
    record.relays.push_back(std::move(relay));
  }
}

Status read_stamp(const Value& map, DeviceRecord& record) {
  MapReader in(map, "device record: stamp");
  record.stamp_bits = in.number("b", kMaxStampBits);
  in.fill("n", record.stamp_nonce);
  return in.finish();
}

Result<DeviceRecord> read_record(ByteView body) {
  auto map = decode_cbor(body, "device record", kMaxPart);
  if (!map) return map.error();
  const Value stamp = take_out(*map, "a");
  MapReader in(*map, "device record");
  if (Status version = read_version(in, "device record"); !version) return version.error();
  DeviceRecord record;
  if (Status status = read_stamp(stamp, record); !status) return status.error();
  record.device = in.fixed<DeviceKey>("d");
  record.endpoints = read_endpoints(in);
  record.identity = in.fixed<IdentityKey>("i");
  read_prekeys(in, record);
  record.roster_sequence = read_sequence(in, "o");
  record.sequence = read_sequence(in, "q");
  read_relays(in, record);
  record.time = in.number("t", kMaxTime);
  record.transport = in.fixed<TransportKey>("u");
  if (Status status = in.finish(); !status) return status.error();
  return record;
}

// ---- merging

bool names(const Roster& roster, const DeviceKey& device) {
  return std::ranges::find(roster.devices, device) != roster.devices.end();
}

const Tombstone* find_tombstone(const Roster& roster, const DeviceKey& device) {
  const auto it = std::ranges::find(roster.tombstones, device, &Tombstone::device);
  return it == roster.tombstones.end() ? nullptr : &*it;
}

/// Every tombstone of `older` is in `newer`, and none was made milder.
bool keeps_tombstones(const Roster& older, const Roster& newer) {
  return std::ranges::all_of(older.tombstones, [&](const Tombstone& grave) {
    const Tombstone* kept = find_tombstone(newer, grave.device);
    return kept != nullptr && kept->reason >= grave.reason;
  });
}

/// True when `theirs` takes the place of `mine`.
template <class T>
bool supersedes(const Signed<T>& mine, const Signed<T>& theirs, MergeOutcome& outcome) {
  if (theirs.value.sequence == mine.value.sequence && theirs.bytes != mine.bytes)
    outcome.clone = true;
  return theirs.value.sequence > mine.value.sequence;
}

const DeviceKey& device_of(const Signed<DeviceRecord>& record) { return record.value.device; }

void merge_record(Card& card, const Signed<DeviceRecord>& theirs, MergeOutcome& outcome) {
  const auto at = std::ranges::lower_bound(card.records, theirs.value.device, {}, device_of);
  if (at == card.records.end() || at->value.device != theirs.value.device)
    card.records.insert(at, theirs);
  else if (supersedes(*at, theirs, outcome))
    *at = theirs;
}

/// Forgets records that cannot count any more, the buried ones only when there is no room.
Status tidy(Card& card) {
  const Roster& roster = card.roster.value;
  std::erase_if(card.records, [&](const Signed<DeviceRecord>& record) {
    return !names(roster, device_of(record)) && !card.tombstone_of(device_of(record));
  });
  const auto fits = [&] {
    return card.records.size() <= kMaxDevices && encode_card(card).size() <= kMaxCardSize &&
           std::ranges::all_of(card.records, [](const Signed<DeviceRecord>& record) {
             return record.bytes.size() <= kMaxPart;  // our own, just signed, was not decoded
           });
  };
  if (fits()) return {};
  std::erase_if(card.records, [&](const Signed<DeviceRecord>& record) {
    return !names(roster, device_of(record));
  });
  if (fits()) return {};
  return Error{Code::kMalformed, "card: too large once merged"};
}

bool same_records(const Card& a, const Card& b) {
  return std::ranges::equal(a.records, b.records, {}, &Signed<DeviceRecord>::bytes,
                            &Signed<DeviceRecord>::bytes);
}

Status read_records(const Value& list, Card& card) {
  for (const Value& element : list) {
    if (!element.is_binary()) return Error{Code::kMalformed, "card: a record is not a byte string"};
    auto record = decode_record(element.get_binary());
    if (!record) return record.error().in("card");
    if (record->value.identity != card.identity())
      return Error{Code::kForged, "card: a record of another identity"};
    if (!card.records.empty() && !(device_of(card.records.back()) < device_of(*record)))
      return Error{Code::kMalformed, "card: records are not in order, or one is there twice"};
    card.records.push_back(std::move(*record));
  }
  return {};
}

}  // namespace

Signed<Roster> sign_roster(const Roster& roster, const SigningSecret& identity) {
  return {roster, signed_structure(to_map(roster), kRoster, identity)};
}

Signed<DeviceRecord> sign_record(const DeviceRecord& record, const SigningSecret& device) {
  return {record, signed_structure(to_map(record), kRecord, device)};
}

Result<Signed<Roster>> decode_roster(ByteView bytes) {
  const auto opened = open_structure(bytes, "roster");
  if (!opened) return opened.error();
  auto roster = read_roster(opened->body);
  if (!roster) return roster.error();
  if (!verify(roster->identity, kRoster, opened->body, opened->signature))
    return Error{Code::kForged, "roster: the signature does not fit"};
  return Signed<Roster>{std::move(*roster), to_bytes(bytes)};
}

Result<Signed<DeviceRecord>> decode_record(ByteView bytes) {
  const auto opened = open_structure(bytes, "device record");
  if (!opened) return opened.error();
  auto record = read_record(opened->body);
  if (!record) return record.error();
  if (!verify(record->device, kRecord, opened->body, opened->signature))
    return Error{Code::kForged, "device record: the signature does not fit"};
  return Signed<DeviceRecord>{std::move(*record), to_bytes(bytes)};
}

const DeviceRecord* Card::record_of(const DeviceKey& device) const {
  if (!names(roster.value, device)) return nullptr;
  const auto it = std::ranges::find(records, device, device_of);
  return it == records.end() ? nullptr : &it->value;
}

const DeviceRecord* Card::record_of(const TransportKey& transport) const {
  for (const DeviceRecord* record : usable())
    if (record->transport == transport) return record;
  return nullptr;
}

std::vector<const DeviceRecord*> Card::usable() const {
  std::vector<const DeviceRecord*> out;
  for (const Signed<DeviceRecord>& record : records)
    if (names(roster.value, device_of(record))) out.push_back(&record.value);
  return out;
}

std::optional<TombstoneReason> Card::tombstone_of(const DeviceKey& device) const {
  const Tombstone* grave = find_tombstone(roster.value, device);
  return grave == nullptr ? std::nullopt : std::optional(grave->reason);
}

Bytes encode_card(const Card& card) {
  Value records = Value::array();
  for (const Signed<DeviceRecord>& record : card.records) records.push_back(binary(record.bytes));
  return encode_cbor(
      Value{{"d", std::move(records)}, {"r", binary(card.roster.bytes)}, {"v", 1u}});
}

namespace {

Result<Card> verify_card(ByteView bytes) {
  auto map = decode_cbor(bytes, "card", kMaxCardSize);
  if (!map) return map.error();
  MapReader in(*map, "card");
  if (Status version = read_version(in, "card"); !version) return version.error();
  const Bytes roster_bytes = in.bytes("r", 1, kMaxPart);
  const Value& records = in.list("d", kMaxDevices);
  if (Status status = in.finish(); !status) return status.error();
  auto roster = decode_roster(roster_bytes);
  if (!roster) return roster.error().in("card");
  Card card{std::move(*roster), {}};
  if (Status status = read_records(records, card); !status) return status.error();
  return card;
}

/// Cards whose signatures were verified lately: the same few come with every envelope of a
/// conversation, and each signature costs as much as all the rest of a small letter.
class VerifiedCards {
 public:
  std::optional<Card> find(const Digest& name) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = std::ranges::find(cards_, name, &Named::name);
    return found == cards_.end() ? std::nullopt : std::optional<Card>(found->card);
  }
  void add(const Digest& name, const Card& card) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (cards_.size() < kKept) return cards_.push_back({name, card});
    cards_[next_] = {name, card};
    next_ = (next_ + 1) % kKept;
  }

 private:
  static constexpr std::size_t kKept = 32;
  struct Named {
    Digest name;
    Card card;
  };
  std::mutex mutex_;
  std::vector<Named> cards_;
  std::size_t next_ = 0;
};

}  // namespace

Result<Card> decode_card(ByteView bytes) {
  static VerifiedCards verified;
  const Digest name = hash(kVerifiedCard, {bytes});
  if (auto known = verified.find(name)) return std::move(*known);
  auto card = verify_card(bytes);
  if (card) verified.add(name, *card);
  return card;
}

std::string card_text(const Card& card) {
  const Address address{local_part_of(card.roster.value.name), {}, card.identity()};
  return "# " + address.text() + "\n" + armor(kLabel, encode_card(card));
}

Result<Card> parse_card_text(std::string_view text) {
  const auto bytes = unarmor(kLabel, text, kMaxCardSize);
  if (!bytes) return bytes.error();
  return decode_card(*bytes);
}

Result<MergeOutcome> merge_card(Card& mine, const Card& other) {
  if (other.identity() != mine.identity())
    return Error{Code::kForged, "card: it belongs to another identity"};
  MergeOutcome outcome;
  Card merged = mine;
  const bool newer_roster = supersedes(mine.roster, other.roster, outcome);
  if (newer_roster) {
    if (!keeps_tombstones(mine.roster.value, other.roster.value))
      return Error{Code::kForged, "card: a newer roster that drops a tombstone"};
    merged.roster = other.roster;
  }
  for (const Signed<DeviceRecord>& record : other.records) merge_record(merged, record, outcome);
  if (Status status = tidy(merged); !status) return status.error();
  outcome.changed = newer_roster || !same_records(mine, merged);
  if (outcome.changed) mine = std::move(merged);
  return outcome;
}

}  // namespace p2pmail::core
