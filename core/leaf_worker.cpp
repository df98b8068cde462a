#include "core/leaf_worker.h"

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

namespace p2pmail::core {

struct LeafWorker::Shared {
  struct Job {
    std::size_t number = 0;
    Bytes block;
  };
  std::mutex mutex;
  std::condition_variable changed;  // both sides wait on it, each for its own condition
  std::deque<Job> queue;
  std::vector<Bytes> spare;
  std::vector<Digest> leaves;
  std::size_t open = 0;  // blocks that were queued and have no leaf yet
  bool stop = false;
  std::thread thread;

  ~Shared();
  [[nodiscard]] bool running() const { return thread.joinable(); }
  void start();
  void run();
};

LeafWorker::Shared::~Shared() {
  {
    const std::lock_guard lock(mutex);
    stop = true;
  }
  changed.notify_all();
  if (running()) thread.join();
}

/// Signals are for the threads that expect them; a new thread inherits the mask.
void LeafWorker::Shared::start() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    // No more threads for us: the caller hashes.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void LeafWorker::Shared::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [this] { return stop || !queue.empty(); });
    if (stop) return;
    Job job = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    const Digest leaf = leaf_of(job.block);
    lock.lock();
    leaves[job.number] = leaf;
    spare.push_back(std::move(job.block));
    if (--open == 0) changed.notify_all();
  }
}

LeafWorker::LeafWorker() = default;
LeafWorker::LeafWorker(LeafWorker&&) noexcept = default;
LeafWorker& LeafWorker::operator=(LeafWorker&&) noexcept = default;
LeafWorker::~LeafWorker() = default;

Bytes LeafWorker::add(Bytes block) {
  if (!shared_) {
    shared_ = std::make_unique<Shared>();
    shared_->start();
  }
  std::unique_lock lock(shared_->mutex);
  const std::size_t number = shared_->leaves.size();
  shared_->leaves.emplace_back();
  if (!shared_->running() || shared_->queue.size() >= kQueued) {
    lock.unlock();
    const Digest leaf = leaf_of(block);
    lock.lock();
    shared_->leaves[number] = leaf;
    return block;
  }
  shared_->queue.push_back({number, std::move(block)});
  ++shared_->open;
  Bytes next;
  if (!shared_->spare.empty()) {
    next = std::move(shared_->spare.back());
    shared_->spare.pop_back();
  }
  lock.unlock();
  shared_->changed.notify_all();
  return next;
}

std::vector<Digest> LeafWorker::finish() {
  if (!shared_) return {};
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait(lock, [this] { return shared_->open == 0; });
  return std::exchange(shared_->leaves, {});
}

}  // namespace p2pmail::core
