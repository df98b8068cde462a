// What is under way: bytes, rate and time left, for people who watch and programs that read.
//
// On a terminal behind stderr: one line, redrawn with CR at most five times a second, as wide as
// the terminal at most, gone before anything else is printed and at the end. Nothing with --quiet,
// and nothing for what is done before anybody has read it. With --json: objects "progress" on
// stdout, at most one a second for each transfer, and only for transfers that take longer than a
// second.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "cmd/env.h"
#include "net/session.h"

namespace p2pmail::cmd {

enum class Doing { kSealing, kSending, kReceiving, kSaving };

class Progress {
 public:
  using Clock = std::chrono::steady_clock;
  /// `env` must outlive it. The newest has the line, as long as it lives.
  explicit Progress(Env& env, std::function<Clock::time_point()> clock = Clock::now);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `name`: hex digits, a letter's root for kSending and kReceiving, a message's id for kSaving,
  /// else empty. Bytes; a total of 0 is not known. done == total > 0 ends it.
  void at(Doing doing, const std::string& name, std::uint64_t done, std::uint64_t total);
  /// That many bytes more of what `at` was told last, for streams of pieces.
  void add(Doing doing, const std::string& name, std::uint64_t bytes, std::uint64_t total);
  /// It ended, complete or not.
  void forget(Doing doing, const std::string& name);
  /// What a conversation tells: at and forget.
  void take(const net::Event& event);
  /// Bytes of what has not ended.
  [[nodiscard]] std::uint64_t unfinished(Doing doing) const;
  /// Takes the line away until the next call of `at`.
  void clear();

 private:
  using Key = std::pair<Doing, std::string>;
  struct Transfer {
    std::uint64_t done = 0;
    std::uint64_t total = 0;
    std::deque<std::pair<Clock::time_point, std::uint64_t>> samples;  // the last seconds
    Clock::time_point started;
    Clock::time_point said;
    [[nodiscard]] std::uint64_t rate() const;  // bytes a second, 0 = not known
  };
  void sample(Transfer& transfer, Clock::time_point now);
  void draw(Clock::time_point now);
  void say(const Key& key, Transfer& transfer, Clock::time_point now);
  [[nodiscard]] std::string line() const;

  Env& env_;
  std::function<Clock::time_point()> clock_;
  std::function<void()> line_before_;  // of the one that had the line
  std::map<Key, Transfer> transfers_;
  Clock::time_point drawn_;
  std::size_t columns_ = 0;  // of the line that stands there; 0 = none
};

}  // namespace p2pmail::cmd
