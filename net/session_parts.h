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
inline constexpr std::uint64_t kHashesAhead = 2 * kMostCredit;  // blocks before a group's first
inline constexpr std::uint64_t kMaxAsked = 64;       // blocks asked for in one letter and not sent yet
inline constexpr std::size_t kMaxDropped = 64;       // letters answered half-way that are remembered
inline constexpr std::uint64_t kProgressStep = std::uint64_t{4} << 20;
inline constexpr std::uint64_t kQuickBlock = 1;  // seconds: one more may be asked for at once
inline constexpr std::uint64_t kSlowBlock = 8;   // one less

/// A letter of ours.
struct Session::Sending {
  std::unique_ptr<core::OutgoingLetter> letter;
  core::Root root;
  std::uint64_t size = 0;
  bool rewrapped = false;  // its envelope was refused once for unknown prekeys
  bool taken = false;
  /// Ranges of blocks that the other side asked for, each with the first that is left of it.
  struct Range {
    std::uint64_t first;
    std::uint64_t count;
  };
  std::deque<Range> ranges;
  std::uint64_t ahead = 0;   // blocks in them
  std::uint64_t asked = 0;   // blocks asked for so far
  std::uint64_t offset = 0;  // of the next piece, in the first block of the first range
  std::optional<std::uint64_t> want;  // asked for, not answered yet
  std::uint64_t next_want = 0;        // lists before it are not asked for any more
  std::uint64_t noted = 0;            // progress, in bytes

  [[nodiscard]] bool inlined() const { return size <= kMaxInline; }
  void start_anew();
  void next_block();  // of those that were asked for: the first is sent
};

/// A letter of theirs. Bulk: offered -> hash lists -> taken -> blocks -> complete. Blocks that do not
/// come from here after all may be asked of others.
struct Session::Receiving {
  Receiving(const core::Root& name, std::uint64_t bytes) : root(name), size(bytes) {}
  ~Receiving() { give_back(); }
  Receiving(const Receiving&) = delete;
  Receiving& operator=(const Receiving&) = delete;
  void give_back() {
    if (!letter || inlined) return;
    for (const auto index : asked) letter->transfer().give_back(index);
    asked.clear();
  }
  std::unique_ptr<core::IncomingLetter> letter;
  core::Root root;
  std::uint64_t size;
  bool inlined = false;
  bool complete = false;
  bool taken = false;
  std::optional<std::uint64_t> want;  // asked for, not answered yet
  std::uint64_t next_want = 0;
  Coming coming;                      // blocks, in the order in which they were asked for
  std::set<std::uint64_t> asked;      // the same
  core::Bytes block;                  // what came of the first
  std::uint64_t block_since = 0;      // when it was its turn
  std::size_t window = kFirstCredit;  // blocks that we ask for ahead
  std::uint64_t noted = 0;            // progress, in bytes
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
