// The command that takes mail for ordinary addresses: the setting fallback_sendmail.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/env.h"
#include "core/file.h"
#include "core/result.h"

namespace p2pmail::cmd {

/// How long the command may neither read nor end.
inline constexpr std::chrono::minutes kFallbackPatience{5};

/// An ordinary dotted domain that this mail may be handed over for. A typo of one of our own
/// addresses must not leak to another mail system: no .alt or other special-use name (RFC 6761,
/// RFC 9476), no label "p2pmail", none as long as a key.
[[nodiscard]] bool is_old_world(std::string_view address);

/// The running command: `sh -c 'COMMAND "$@"' sh [-f SENDER] -- RECIPIENT...`, the message on its
/// standard input, its output on our standard error. Ended by its process id when not finished.
class Fallback {
 public:
  [[nodiscard]] static core::Result<Fallback> start(const Env& env, const std::string& sender,
                                                    const std::vector<std::string>& recipients);
  Fallback(Fallback&& other) noexcept;
  Fallback& operator=(Fallback&&) = delete;
  ~Fallback();

  /// kUnavailable when the command ends early, kTimeout when it does not read.
  [[nodiscard]] core::Status write(core::ByteView bytes);
  /// Ends its input and waits: kUnavailable unless it exits with 0 in time.
  [[nodiscard]] core::Status finish();

 private:
  Fallback(pid_t child, core::Fd input) : child_(child), input_(std::move(input)) {}
  [[nodiscard]] core::Status outcome(int status) const;
  pid_t child_ = -1;
  core::Fd input_;
};

}  // namespace p2pmail::cmd
