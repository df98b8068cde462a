// What the queue knows of the attempts of an entry, and how it tells that there is something to do.
#include <sys/inotify.h>

#include <algorithm>
#include <cerrno>

#include "core/crypto.h"
#include "core/queue.h"
#include "core/text.h"

namespace p2pmail::core {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kFirstRetry = 30;       // seconds
constexpr std::uint64_t kLastRetry = 6 * 3600;  // seconds
constexpr std::size_t kMaxWords = 512;          // bytes of an error that are kept

/// A wait of its own for each entry, so that a node that comes back is not asked for all at once.
std::uint64_t backoff_after(std::uint64_t attempts) {
  const std::uint64_t step = kFirstRetry << std::min<std::uint64_t>(attempts - 1, 12);
  const std::uint64_t wait = std::min(step, kLastRetry);
  return wait / 2 + random_below(wait / 2 + 1);
}

void count_refusal(Progress& progress, const Error& why, std::uint64_t now) {
  if (is_final(why)) {
    // A first one that lies ahead of us was noted under a wrong clock.
    if (progress.refusals++ == 0 || progress.refused_since > now) progress.refused_since = now;
    progress.refusal = progress.last_error;
  } else if (why.code != Code::kUnavailable) {
    // Who cannot be reached has not changed his mind; who now says something else has.
    progress.refusals = 0;
    progress.refused_since = 0;
    progress.refusal.clear();
  }
}

}  // namespace

bool is_final(const Error& why) {
  return why.code == Code::kRefused || why.code == Code::kUnsupported;
}

void Queue::note_failure(const std::string& id, const Error& why, std::uint64_t now,
                         Backoff backoff) {
  Progress next = progress(id);
  next.last_attempt = now;
  next.last_error = clean_line(why.context).substr(0, kMaxWords);
  count_refusal(next, why, now);
  if (backoff == Backoff::kGrows) {
    ++next.attempts;
    next.next_attempt = now + backoff_after(next.attempts);
  }
  (void)state_.set_progress(id, next);  // lost progress costs a retry, never mail
}

void Queue::note_words(const std::string& id, const std::string& why) {
  Progress next = progress(id);
  next.last_error = clean_line(why).substr(0, 512);
  (void)state_.set_progress(id, next);
}

bool is_due(const Progress& progress, std::uint64_t now) {
  return progress.next_attempt <= now || progress.next_attempt - now > kLastRetry;
}

Progress Queue::progress(const std::string& id) {
  auto known = state_.progress(id);
  return known ? *known : Progress{};
}

Result<QueueWatch> QueueWatch::create(const fs::path& directory) {
  QueueWatch watch;
  watch.fd_ = Fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch.fd_) return errno_error(errno, directory, "cannot watch");
  // A new entry appears by rename; an entry that `send` claimed is released when it is closed.
  if (inotify_add_watch(watch.fd_.get(), directory.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
    return errno_error(errno, directory, "cannot watch");
  return watch;
}

}  // namespace p2pmail::core
