// An identity with devices and a card, for tests that need somebody to write to or to hear from.
#pragma once

#include <algorithm>
#include <vector>

#include "core/card.h"
#include "core/crypto.h"
#include "core/keys.h"

namespace p2pmail::core::test {

inline constexpr std::uint64_t kTestTime = 1'800'000'000;

struct Person {
  SigningPair identity = make_signing_pair();
  std::vector<DeviceKeys> devices;
  Roster roster;
  Card card;

  explicit Person(std::size_t device_count = 1) {
    roster.identity.bytes = identity.public_key;
    roster.time = kTestTime;
    for (std::size_t i = 0; i < device_count; ++i) {
      devices.push_back(make_device_keys(roster.identity, kTestTime));
      roster.devices.push_back(devices.back().device);
    }
    renew_card();
  }
  [[nodiscard]] const IdentityKey& key() const { return roster.identity; }

  /// Tombstones a device: its record stays in nobody's card.
  void bury(std::size_t device) {
    const DeviceKey dead = devices[device].device;
    std::erase(roster.devices, dead);
    roster.tombstones.push_back({dead, TombstoneReason::kRetired});
    ++roster.sequence;
    renew_card();
  }

 private:
  void renew_card() {
    card.roster = sign_roster(roster, identity.secret);
    card.records.clear();
    for (const DeviceKeys& keys : devices)
      if (std::ranges::count(roster.devices, keys.device) == 1)
        card.records.push_back(record(keys));
    std::ranges::sort(card.records, {}, [](const auto& r) { return r.value.device; });
  }
  [[nodiscard]] Signed<DeviceRecord> record(const DeviceKeys& keys) const {
    DeviceRecord out;
    out.identity = roster.identity;
    out.device = keys.device;
    out.transport = keys.transport_public;
    out.time = kTestTime;
    for (const OwnPrekey& prekey : keys.prekeys)
      out.prekeys.push_back({prekey.key, prekey.created});
    return sign_record(out, keys.signing);
  }
};

}  // namespace p2pmail::core::test
