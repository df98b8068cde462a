#include "cmd/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "cmd/format.h"
#include "cmd/terminal.h"
#include "core/text.h"

namespace p2pmail::cmd {

using Clock = Progress::Clock;

namespace {

constexpr std::chrono::milliseconds kQuietStart{500};
constexpr std::chrono::milliseconds kRedraw{200};
constexpr std::chrono::seconds kSayEvery{1};
constexpr std::chrono::seconds kWindow{5};  // that the rate is taken over
constexpr std::uint64_t kNoTime = 100 * 86400;

const char* word_of(Doing doing) {
  switch (doing) {
    case Doing::kSealing:
      return "sealing";
    case Doing::kSending:
      return "sending";
    case Doing::kReceiving:
      return "receiving";
    case Doing::kSaving:
      return "saving";
  }
  return "";
}

/// A command in the background leaves the terminal to the one in front.
bool is_in_front(int fd) {
  const pid_t front = tcgetpgrp(fd);
  return front < 0 || front == getpgrp();
}

std::uint64_t seconds_left(std::uint64_t done, std::uint64_t total, std::uint64_t rate) {
  return total > done && rate > 0 ? (total - done + rate - 1) / rate : 0;
}

}  // namespace

Progress::Progress(Env& env, std::function<Clock::time_point()> clock)
    : env_(env), clock_(std::move(clock)) {
  if (env_.clear_line) env_.clear_line();
  line_before_ = std::exchange(env_.clear_line, [this] { clear(); });
}

Progress::~Progress() {
  clear();
  env_.clear_line = std::move(line_before_);
}

std::uint64_t Progress::Transfer::rate() const {
  if (samples.size() < 2) return 0;
  const auto& [first, before] = samples.front();
  const auto& [last, after] = samples.back();
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(last - first).count();
  if (took <= 0 || after < before) return 0;
  return (after - before) * 1000 / static_cast<std::uint64_t>(took);
}

void Progress::sample(Transfer& transfer, Clock::time_point now) {
  auto& samples = transfer.samples;
  if (!samples.empty() && now - samples.back().first < kRedraw) return;
  samples.emplace_back(now, transfer.done);
  while (samples.size() > 2 && now - samples.front().first > kWindow) samples.pop_front();
}

void Progress::at(Doing doing, const std::string& name, std::uint64_t done, std::uint64_t total) {
  const auto now = clock_();
  const auto [place, is_new] = transfers_.try_emplace({doing, name});
  Transfer& transfer = place->second;
  if (is_new) transfer.started = transfer.said = now;
  transfer.done = done;
  transfer.total = total;
  sample(transfer, now);
  if (env_.json && !env_.quiet) say(place->first, transfer, now);
  if (env_.err_is_terminal && !env_.json && !env_.quiet) draw(now);
  if (total > 0 && done >= total) forget(doing, name);
}

void Progress::add(Doing doing, const std::string& name, std::uint64_t bytes, std::uint64_t total) {
  const auto found = transfers_.find({doing, name});
  at(doing, name, (found == transfers_.end() ? 0 : found->second.done) + bytes, total);
}

void Progress::forget(Doing doing, const std::string& name) {
  transfers_.erase({doing, name});
  if (transfers_.empty()) clear();
}

void Progress::take(const net::Event& event) {
  using Kind = net::Event::Kind;
  if (event.kind == Kind::kMet) return;
  const std::string root = core::to_hex(event.root);
  const Doing doing = event.outgoing ? Doing::kSending : Doing::kReceiving;
  if (event.kind == Kind::kProgress) return at(doing, root, event.done, event.total);
  forget(Doing::kSending, root);
  forget(Doing::kReceiving, root);
}

std::uint64_t Progress::unfinished(Doing doing) const {
  std::uint64_t bytes = 0;
  for (const auto& [key, transfer] : transfers_)
    if (key.first == doing) bytes += transfer.done;
  return bytes;
}

void Progress::clear() {
  if (columns_ == 0) return;
  write_best_effort(env_.err, "\r" + std::string(columns_, ' ') + "\r");
  columns_ = 0;
}

std::string Progress::line() const {
  std::uint64_t done = 0, total = 0, rate = 0;
  bool is_known = true, is_one_kind = true;
  for (const auto& [key, transfer] : transfers_) {
    done += transfer.done;
    total += transfer.total;
    rate += transfer.rate();
    is_known = is_known && transfer.total > 0;
    is_one_kind = is_one_kind && key.first == transfers_.begin()->first.first;
  }
  std::string text = is_one_kind ? word_of(transfers_.begin()->first.first) : "transferring";
  if (transfers_.size() > 1) text += fmt::format(" {} letters:", transfers_.size());
  text += " " + human_size(done);
  if (is_known) text += fmt::format(" of {}, {}%", human_size(total), done * 100 / total);
  if (rate > 0) text += fmt::format(", {}/s", human_size(rate));
  const std::uint64_t left = is_known ? seconds_left(done, total, rate) : 0;
  if (left > 0 && left < kNoTime) text += fmt::format(", {} left", short_duration(left));
  return text;
}

void Progress::draw(Clock::time_point now) {
  auto oldest = now;
  for (const auto& [key, transfer] : transfers_) oldest = std::min(oldest, transfer.started);
  if (now - oldest < kQuietStart || now - drawn_ < kRedraw || !is_in_front(env_.err)) return;
  drawn_ = now;
  const std::size_t width = std::max<std::size_t>(terminal_width(env_.err), 2) - 1;
  const std::string text = line().substr(0, width);
  const std::size_t before = std::min(columns_, width);
  write_best_effort(env_.err, "\r" + padded(text, before));
  columns_ = text.size();
}

// JSON: {"root" or "id", "done", "total" (0 = not known), "rate" (bytes a second), "direction"
// ("sealing" | "sending" | "receiving" | "saving")}
void Progress::say(const Key& key, Transfer& transfer, Clock::time_point now) {
  if (now - transfer.said < kSayEvery) return;
  transfer.said = now;
  nlohmann::ordered_json fields;
  const auto& [doing, name] = key;
  if (!name.empty()) fields[doing == Doing::kSaving ? "id" : "root"] = name;
  fields["done"] = transfer.done;
  fields["total"] = transfer.total;
  fields["rate"] = transfer.rate();
  fields["direction"] = word_of(doing);
  env_.print(json_line("progress", fields));
  // Whoever stopped reading does not stop the work.
  (void)env_.flush().has_value();
}

}  // namespace p2pmail::cmd
