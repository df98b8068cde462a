// Result<T>: a value or an Error. Small and closed on purpose: std::expected's names over
// std::variant (std::expected itself needs C++23), early return, no macro, no monads.
//
// Three kinds of failure: an expected one is a Result, absence is std::optional, a broken invariant
// of ours is check(), which is always on and never reachable from input.
#pragma once

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

namespace p2pmail::core {

/// Why something failed, for machines. `cmd` alone maps it to a sysexits(3) status.
enum class Code {
  kUsage,             // the user's words are wrong
  kMalformed,         // bytes that do not follow their format, or break a bound
  kForged,            // a signature, hash or authenticator that does not fit
  kUnsupported,       // a version or suite that this program does not know
  kUnknownPrekey,     // an envelope for prekeys that this device does not hold
  kNotFound,          // a file or message that should be there is not
  kUnknownRecipient,  // no such petname, or no card for an address
  kUnavailable,       // a node that cannot be reached, or a missing facility
  kRefused,           // the other side said no
  kTimeout,           // a bound on waiting was reached
  kBusy,              // somebody else is at it
  kBug,               // our own mistake
  kExists,            // would overwrite
  kCannotCreate,      // a file that cannot be created
  kIo,                // read, write, fsync or rename failed
  kNoSpace,           // disk full
  kQuota,             // as much as may be held for somebody is held already
  kStampNeeded,       // the other side asks for a proof of work first (core/stamp.h)
  kDenied,            // permissions
  kWrongPassphrase,   // the passphrase does not open the key
  kLocked,            // a passphrase is needed and there is no way to ask for it
  kConfig,            // a setting or the set-up is wrong
};

/// A failure. `context` is for people: lower case, no full stop, each layer prefixes its subject
/// ("alice.card: not a card"). `hint` is a command to type, or empty.
struct Error {
  Code code = Code::kBug;
  std::string context;
  std::string hint = {};

  /// The same error with a subject in front: "subject: context".
  [[nodiscard]] Error in(const std::string& subject) const {
    return Error{code, subject + ": " + context, hint};
  }
};

/// Ends the process when an invariant of ours is broken. Never for input.
inline void check(bool invariant) {
  if (!invariant) std::abort();
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return check(has_value()), std::get<0>(state_); }
  const T& value() const& { return check(has_value()), std::get<0>(state_); }
  T&& value() && { return check(has_value()), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const { return check(!has_value()), std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  [[nodiscard]] bool has_value() const { return error_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] const Error& error() const { return check(!has_value()), std::get<1>(error_); }

 private:
  std::variant<std::monostate, Error> error_;
};

using Status = Result<void>;

}  // namespace p2pmail::core
