#include "core/room.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Between two countings of .Requests: the user reads and removes, other processes deliver. Looked
// at again sooner when it seems full.
constexpr std::chrono::seconds kCountAgain{60};
constexpr std::chrono::seconds kCountAgainWhenFull{2};

constexpr std::uint64_t kDay = 86400;          // seconds
constexpr std::size_t kMaxNetworks = 10'000;   // remembered; more strangers have to wait

std::uint64_t free_bytes(const fs::path& path) {
  struct statvfs info {};
  if (statvfs(path.c_str(), &info) != 0) return 0;
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace

struct Room::Place::Shared {
  Shared(const Maildir& mail, RoomLimits bounds) : maildir(mail.root()), limits(bounds) {}

  Maildir maildir;
  RoomLimits limits;
  std::uint64_t missing = 0;        // reserved by all places, not written yet
  std::uint64_t request_bytes = 0;  // in .Requests when counted, and since
  std::uint64_t request_letters = 0;
  std::uint64_t coming_bytes = 0;  // on their way to .Requests
  std::uint64_t coming_letters = 0;
  std::uint64_t today = 0;  // in .Requests, younger than a day when counted, and since
  std::map<std::string, std::uint64_t> networks;  // letters since `day`
  Clock::time_point day = Clock::now();
  std::optional<Clock::time_point> counted;

  void count_requests() {
    counted = Clock::now();
    request_bytes = request_letters = today = 0;
    const auto now = static_cast<std::uint64_t>(std::max<std::int64_t>(0, time(nullptr)));
    const auto files = maildir.list(kRequests);
    if (!files) return;  // no such folder yet
    for (const MailFile& file : *files) {
      struct stat info {};
      if (lstat(file.path.c_str(), &info) != 0) continue;
      request_bytes += static_cast<std::uint64_t>(info.st_size);
      ++request_letters;
      // When it came: ctime changes with flags.
      if (static_cast<std::uint64_t>(info.st_mtim.tv_sec) + kDay > now) ++today;
    }
  }
  /// Nobody's letters may be all that there is room for today.
  [[nodiscard]] bool is_too_much(const std::string& network) {
    if (Clock::now() - day >= std::chrono::seconds(kDay)) {
      day = Clock::now();
      networks.clear();
    }
    if (today + coming_letters >= limits.request_daily) return true;
    if (network.empty()) return false;
    if (networks.size() >= kMaxNetworks && !networks.contains(network)) return true;
    return networks[network] >= limits.request_network;
  }
  [[nodiscard]] bool fits(std::uint64_t size) const {
    return request_letters + coming_letters < limits.request_letters &&
           request_bytes + coming_bytes + size <= limits.request_bytes;
  }
  [[nodiscard]] bool admits(std::uint64_t size) {
    const auto age = counted ? Clock::now() - *counted : kCountAgain;
    if (age >= kCountAgain || (!fits(size) && age >= kCountAgainWhenFull)) count_requests();
    return fits(size);
  }
};

Room::Room(const Maildir& maildir, RoomLimits limits)
    : shared_(std::make_shared<Place::Shared>(maildir, limits)) {}

Result<Room::Place> Room::reserve(std::uint64_t size) {
  if (free_bytes(shared_->maildir.partial()) < shared_->missing + size + shared_->limits.keep_free)
    return Error{Code::kNoSpace, "the recipient's disk is full"};
  Place place;
  place.shared_ = shared_;
  place.size_ = place.missing_ = size;
  shared_->missing += size;
  return place;
}

Room::Place& Room::Place::operator=(Place&& other) noexcept {
  std::swap(shared_, other.shared_);
  std::swap(size_, other.size_);
  std::swap(missing_, other.missing_);
  std::swap(is_request_, other.is_request_);
  std::swap(is_kept_, other.is_kept_);
  std::swap(network_, other.network_);
  return *this;
}

Status Room::Place::enter_requests(const std::string& network) {
  if (!shared_ || is_request_) return {};
  if (!shared_->admits(size_))
    return Error{Code::kNoSpace, "the recipient has no room for more mail from strangers"};
  if (shared_->is_too_much(network))
    return Error{Code::kTimeout, "later: too much mail from strangers today"};
  if (!network.empty()) ++shared_->networks[network];
  network_ = network;
  is_request_ = true;
  shared_->coming_bytes += size_;
  ++shared_->coming_letters;
  return {};
}

Status Room::Place::take(std::uint64_t bytes) {
  if (!shared_) return {};
  if (free_bytes(shared_->maildir.partial()) < missing_ + shared_->limits.keep_free)
    return Error{Code::kNoSpace, "the recipient's disk is full"};
  const std::uint64_t written = std::min(bytes, missing_);
  missing_ -= written;
  shared_->missing -= written;
  return {};
}

void Room::Place::keep() {
  if (!shared_ || !is_request_) return;
  shared_->request_bytes += size_;
  ++shared_->request_letters;
  ++shared_->today;
  is_kept_ = true;
}

void Room::Place::release() {
  if (!shared_) return;
  shared_->missing -= missing_;
  if (is_request_) {
    shared_->coming_bytes -= size_;
    --shared_->coming_letters;
    const auto counted = shared_->networks.find(network_);
    if (!is_kept_ && counted != shared_->networks.end() && counted->second > 0) --counted->second;
  }
  shared_.reset();
}

}  // namespace p2pmail::core
