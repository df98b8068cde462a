// How much of the disk mail on its way in may take. Whoever offers a letter reserves its size
// first, so that many letters at once do not each count the same free space; and what goes to
// .Requests, where strangers' mail goes, has a budget of its own, so that a stranger cannot fill
// the disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "core/maildir.h"
#include "core/result.h"

namespace p2pmail::core {

struct RoomLimits {
  std::uint64_t keep_free = std::uint64_t{64} << 20;     // bytes of disk left alone
  std::uint64_t request_bytes = std::uint64_t{1} << 30;  // in .Requests, with what is on its way
  std::uint64_t request_letters = 10'000;                // the same, counted
  std::uint64_t request_daily = 1'000;    // letters in 24 hours, from all strangers
  std::uint64_t request_network = 100;    // the same from one network, as long as this runs
};

class Room {
 public:
  Room(const Maildir& maildir, RoomLimits limits);

  /// A letter's place: given back when destroyed. May outlive the Room.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept = default;
    Place& operator=(Place&& other) noexcept;
    ~Place() { release(); }
    /// Counts the letter among those of .Requests, once; `network` is where it comes from, empty when we
    /// called. kNoSpace, or kTimeout when it is too many for today.
    [[nodiscard]] Status enter_requests(const std::string& network = {});
    /// Before `bytes` are written: kNoSpace when the disk has become too full for the rest.
    [[nodiscard]] Status take(std::uint64_t bytes);
    /// The letter stays: it counts on among those of .Requests.
    void keep();

   private:
    friend class Room;
    void release();
    struct Shared;
    std::shared_ptr<Shared> shared_;
    std::uint64_t size_ = 0;
    std::uint64_t missing_ = 0;  // reserved and not written yet
    bool is_request_ = false;
    bool is_kept_ = false;
    std::string network_;  // counted there until it is given back
  };
  /// kNoSpace.
  [[nodiscard]] Result<Place> reserve(std::uint64_t size);

 private:
  std::shared_ptr<Place::Shared> shared_;
};

}  // namespace p2pmail::core
