// What the user set once for all runs: a file of `key = value` lines, p2pmail-config(5).
//
// One table holds every key with its default and its meaning; `config`, the reader and the tests
// walk it. Precedence: an option on the command line, then the environment (the pager only), then
// the file, then the default.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/endpoint.h"
#include "core/result.h"
#include "core/sealed_file.h"

namespace p2pmail::cmd {

/// Largest file that is read, in bytes.
inline constexpr std::size_t kMaxSettings = 64 * 1024;

/// Values of variables, read by main only.
struct Variables {
  std::string home;           // P2PMAIL_HOME, empty = not set
  std::string p2pmail_pager;  // P2PMAIL_PAGER, empty = not set
  std::string pager;          // PAGER
  bool has_pager = false;     // PAGER is set, perhaps to nothing
};

struct Settings {
  core::HeaderPolicy header_policy = core::HeaderPolicy::kBaseline;
  std::string fallback_sendmail;               // empty = none
  std::chrono::milliseconds unlock_for{0};     // of `unlock`
  std::chrono::milliseconds fetch_timeout{0};  // 0 = none for everything together
  std::chrono::milliseconds send_wait{0};      // 0 = do not wait for receipts
  std::chrono::milliseconds expire{0};         // of a letter in the queue; never 0
  std::vector<core::Endpoint> listen;
  std::vector<core::Endpoint> advertise;  // empty = what is listened on
  std::string pager;                      // command; empty = none
  std::uint64_t stamp_bits = 0;           // what we ask of strangers
  std::uint64_t max_stamp_bits = 0;       // what we work for
  std::uint64_t keep_free = 0;            // bytes of disk that receiving leaves alone
  std::uint64_t limit_rate = 0;           // bytes a second that are sent; 0 = no limit
  std::uint64_t max_size = 0;             // of a letter that is taken unasked; 0 = no limit
  std::uint64_t inline_max = 0;           // bytes: larger mail lies beside the Maildir

  /// Every key as `config` shows it, in the order of the table.
  struct Shown {
    enum class Source { kDefault, kEnvironment, kFile };
    std::string key;
    std::string value;
    Source source = Source::kDefault;
    std::string where;  // variable or file, empty for a default
    int line = 0;       // of the file, from 1
  };
  std::vector<Shown> shown;
};

/// A file that does not exist is an empty one. kConfig for a line that is wrong ("FILE:LINE: ..."),
/// an unknown key (with the nearest one as a hint), or a key that is set twice.
[[nodiscard]] core::Result<Settings> load_settings(const std::filesystem::path& file,
                                                   const Variables& variables);
/// The keys of the table.
[[nodiscard]] std::vector<std::string> setting_keys();

}  // namespace p2pmail::cmd
