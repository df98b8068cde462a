// Deadlines that destroy something must be seen passed in two observations at least an hour of
// CLOCK_BOOTTIME apart, so that a clock that jumps destroys nothing.
#pragma once

#include <array>
#include <cstdint>

#include "core/keys.h"

namespace p2pmail::core {

inline constexpr std::uint64_t kObservationGap = 3600;  // seconds of running machine

/// The first time that a deadline was seen passed; a boot id of zeros = not yet.
struct Observation {
  std::array<std::uint8_t, 16> boot_id{};
  std::uint64_t boot_time = 0;  // seconds

  [[nodiscard]] bool is_made() const { return boot_id != std::array<std::uint8_t, 16>{}; }
  /// Another boot's clock says nothing about this one's, so after a reboot a whole hour must pass.
  [[nodiscard]] bool is_confirmed(const Now& now) const {
    if (!is_made() || now.boot_id == std::array<std::uint8_t, 16>{}) return false;
    return now.boot_time >= (boot_id == now.boot_id ? boot_time : 0) + kObservationGap;
  }
};

}  // namespace p2pmail::core
