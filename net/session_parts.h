// What a session keeps for each letter on its way; private to net/session*.cpp.
#pragma once

#include <memory>
#include <optional>

#include "core/mailbox.h"
#include "core/tree.h"
#include "net/session.h"

namespace p2pmail::net {

inline constexpr std::uint64_t kInlineWindow = std::uint64_t{1} << 20;  // our unanswered bytes
inline constexpr std::size_t kClaimed = 64;  // letters at a time: each has its file open
inline constexpr std::size_t kBulkWindow = 4;  // unanswered offers without their letter, each way
inline constexpr std::size_t kQuestionWindow = 16;  // our unanswered questions
inline constexpr std::size_t kMaxControl = 512;         // answers that the other side did not fetch
inline constexpr std::size_t kMaxQuestions = 10'000;    // in one conversation
inline constexpr std::size_t kMaxNeedless = 1024;       // offers in one conversation for nothing
inline constexpr std::size_t kMaxReady = 128;           // complete inline letters before a commit
inline constexpr std::uint64_t kMaxReadyBytes = std::uint64_t{4} << 20;
inline constexpr std::size_t kMaxEvents = 4096;         // only reached when nobody fetches them
inline constexpr std::uint64_t kHashesAhead = 2 * kBlockCredit;  // blocks before a group's first

/// A letter of ours.
struct Session::Sending {
  std::unique_ptr<core::OutgoingLetter> letter;
  core::Root root;
  std::uint64_t size = 0;
  bool rewrapped = false;  // its envelope was refused once for unknown prekeys
  bool taken = false;
  std::uint64_t credit = 0;      // blocks that we may send
  std::uint64_t block = 0;       // the next to send
  std::optional<std::uint64_t> want;  // asked for, not answered yet
  std::uint64_t wants_left = 0;

  [[nodiscard]] bool inlined() const { return size <= kMaxInline; }
};

/// A letter of theirs. Bulk: offered -> hash lists -> taken -> blocks -> complete.
struct Session::Receiving {
  Receiving(const core::Root& name, std::uint64_t bytes) : root(name), size(bytes) {
    verifier.emplace(root, size);
  }
  std::unique_ptr<core::IncomingLetter> letter;
  core::Root root;
  std::uint64_t size;
  std::optional<core::TreeVerifier> verifier;  // forgotten once the letter is complete
  bool inlined = false;
  bool complete = false;
  bool taken = false;
  std::optional<std::uint64_t> want;   // asked for, not answered yet
  std::uint64_t groups_known = 0;      // groups, from the first, whose leaves are known
  std::uint64_t granted = 0;           // blocks
  std::uint64_t block = 0;             // the next to come
};

[[nodiscard]] inline Message error_message(std::uint64_t number, const core::Error& why) {
  Message out;
  out.verb = Verb::kError;
  out.number = number;
  // Words about this machine's disks and files are nobody else's business, and what is wrong with
  // them is not the caller's fault. An error of a file names its path, one of the protocol never does.
  const bool is_local = why.context.find('/') != std::string::npos;
  out.kind = kind_of(why.code);
  if (is_local && out.kind != Kind::kNoSpace && out.kind != Kind::kLater)
    out.kind = Kind::kInternal;
  if (out.kind == Kind::kUnknownPrekey && number == 0) out.kind = Kind::kInternal;
  if (!is_local && out.kind != Kind::kInternal && out.kind != Kind::kNoSpace) out.text = why.context;
  return out;
}

}  // namespace p2pmail::net
