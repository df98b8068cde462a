// The world of the model test: people, what they have sent, and the steps that chance takes. What a
// user's program does in one run is one step here; only the choice of the step is the model's own.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "core/text.h"
#include "tests/net/model_meeting.h"

namespace p2pmail::net::model {

/// What must become of a letter for one recipient.
struct Fate {
  std::string entry;
  std::optional<core::Ending> ending;  // as the sender's store said when it was looked at
  std::uint64_t cancelled = 0;         // in this step; 0 = no
};
struct Sent {
  std::size_t sender = 0;
  std::string id;  // hex digits
  bool notify = false;
  bool vanished = false;  // the sender's store came back from before it
  std::uint64_t step = 0;
  std::map<std::size_t, Fate> to;
};

enum class Links { kCutSometimes, kWhole };
enum class Consent { kGiven, kNotAsked };

class World {
 public:
  World(std::uint64_t seed, Totals& totals);

  /// Everything that happens on about so many days.
  void live(std::uint64_t days);
  /// Everybody is online with a right clock until nothing is left to be done (model_checks.h).
  void come_to_rest();
  [[nodiscard]] const std::string& broken() const { return report_.broken; }
  [[nodiscard]] std::string last_steps() const;

 private:
  Node& node(std::size_t index) { return *nodes_[index]; }
  std::size_t anybody() { return random_.below(nodes_.size()); }
  void say(const std::string& what);
  void add_person(const std::string& name);
  void meets(std::size_t who, std::size_t whom);
  std::optional<core::Peer> peer(std::size_t who, std::size_t whom);
  [[nodiscard]] bool may_call(std::size_t who, std::size_t whom);
  void revive_killed();

  // Steps.
  void step();
  std::string choose_recipients(std::size_t who, core::Posting& posting, Sent& sent);
  void send(std::size_t who, core::Store& store);
  void fetch(std::size_t who);
  void gather();
  void upkeep(std::size_t who);
  void upkeep(Node& one, core::Store& store, const std::function<void()>& when_tidy);
  void tidy(Node& one, core::Store& store);
  void meanwhile();
  Meeting make_meeting();
  void run_errands(std::size_t who, const std::set<std::size_t>& called, Links links);
  void deliver_to_self(std::size_t who);
  void plan(std::size_t who, const core::QueueEntry& entry,
            std::map<std::size_t, std::unique_ptr<core::Errand>>& errands);
  core::Errand& errand_to(std::size_t who, std::size_t relay, const core::Relay& place,
                          std::map<std::size_t, std::unique_ptr<core::Errand>>& errands);
  void cancel(std::size_t who, core::Store& store);
  void change_relay(std::size_t who);
  void use_relay(std::size_t who, std::size_t relay, Consent consent);
  void leave_relay(std::size_t who, std::size_t relay);
  void ask_for_stamps(std::size_t who, std::uint64_t bits);
  void change_settings(std::size_t who);
  void change_clock(std::size_t who);
  void change_disk(std::size_t who);
  std::uint64_t budget();

  // Promises: model_checks.h.
  void check_after(std::size_t who);
  void check_fates(std::size_t who);
  void check_fate(const Sent& sent, std::size_t recipient, Fate& fate, std::size_t message);
  void check_mail(std::size_t who);
  void check_shelf(std::size_t who);
  void check_deposits(std::size_t who);
  void check_notices(std::size_t who);
  void check_held(std::size_t who, std::size_t relay);
  void check_all_delivered();
  void check_nothing_left(std::size_t who);
  void everybody_calls_everybody();
  [[nodiscard]] bool has_reason_to_wait(const Sent& sent, std::size_t recipient);
  [[nodiscard]] std::optional<std::size_t> index_of(const core::IdentityKey& identity) const;

  Random random_;
  Totals& totals_;
  Report report_;
  Place place_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Sent> sent_;
  std::map<std::size_t, std::uint64_t> backed_up_;  // in this step
  std::set<std::size_t> restored_;
  std::uint64_t steps_ = 0;
  std::deque<std::string> log_;
  bool keep_blocks_ = false;
  bool is_resting_ = false;
};

inline void World::say(const std::string& what) {
  log_.push_back(fmt::format("{:>6} day {:>8.3f}  {}", steps_,
                             static_cast<double>(report_.time - kStart) / kDay, what));
  if (log_.size() > 50) log_.pop_front();
}

inline std::string World::last_steps() const {
  std::string all;
  for (const std::string& line : log_) all += line + "\n";
  return all;
}

inline World::World(std::uint64_t seed, Totals& totals) : random_(seed), totals_(totals) {
  const std::size_t people = 3 + std::min(random_.below(8), random_.below(8));
  for (std::size_t i = 0; i < people; ++i)
    add_person("n" + std::to_string(i));
  node(people - 1).stranger = people > 3;
  for (std::size_t i = 0; i < people; ++i)
    for (std::size_t j = 0; j < people; ++j)
      if (i != j && !node(j).stranger) meets(i, j);
  for (std::size_t i = 1; i < people; ++i) {
    const std::size_t relay = random_.below(std::min<std::size_t>(i, 2));
    if (random_.below(3) > 0) use_relay(i, relay, Consent::kGiven);
    if (random_.one_in(3)) ask_for_stamps(i, random_.below(5));
  }
  keep_blocks_ = random_.one_in(2);
}

inline void World::add_person(const std::string& name) {
  auto one = std::make_unique<Node>(report_, place_.path, name);
  const auto place = core::parse_endpoint(fmt::format("tcp://192.0.2.{}:7787", nodes_.size() + 1));
  report_.must(one->store->advertise({*place}, one->now()), "advertise");
  nodes_.push_back(std::move(one));
}

inline void World::meets(std::size_t who, std::size_t whom) {
  auto& state = node(who).store->state();
  report_.must(state.add_peer(node(whom).name, node(whom).identity, report_.time), "add_peer");
  const auto merged = state.merge_peer_card(node(whom).store->card(), false);
  if (!merged) report_.fail("merge_peer_card: " + merged.error().context);
}

inline std::optional<core::Peer> World::peer(std::size_t who, std::size_t whom) {
  auto found = node(who).store->state().find_peer(node(whom).identity);
  return found ? std::move(*found) : std::nullopt;
}

inline bool World::may_call(std::size_t who, std::size_t whom) {
  if (who == whom || !node(whom).online) return false;
  const auto known = peer(who, whom);
  return known && !known->petname.empty() && !known->blocked;
}

inline void World::revive_killed() {
  for (const auto& one : nodes_) {
    if (!one->killed) continue;
    one->revive();
    ++totals_.kills;
  }
}

inline std::uint64_t World::budget() {
  if (!random_.one_in(4)) return UINT64_MAX;
  return 1 + random_.below(random_.one_in(2) ? 6 : 30);
}

/// As a program looks after its store before it does anything else.
inline void World::upkeep(Node& one, core::Store& store, const std::function<void()>& when_tidy) {
  report_.must(store.upkeep(one.now()), one.name + " upkeep");
  tidy(one, store);
  when_tidy();
  core::ExpiryOptions options;
  options.expire = one.expire;
  options.notice.policy = core::HeaderPolicy::kNone;
  options.notice.on_mail = [&one](const core::NewMail&) { (void)one.clocks(); };
  report_.must(core::tend_queue(store, options, one.now()), one.name + " tend_queue");
}

inline void World::tidy(Node& one, core::Store& store) {
  const auto shelf = store.shelf();
  if (!shelf) return report_.fail(one.name + " shelf: " + shelf.error().context);
  if (*shelf == nullptr) return;
  report_.must((*shelf)->tidy(one.now()), one.name + " tidy");
  auto deposits = store.deposits();
  if (!deposits) return report_.fail(one.name + " deposits: " + deposits.error().context);
  for (const auto& record : records_of(**deposits)) {
    const auto entry = store.queue().load(record.entry);
    if (!entry && entry.error().code == core::Code::kNotFound)
      report_.must((*deposits)->forget(record.entry), "forget");
  }
}

inline void World::upkeep(std::size_t who) {
  upkeep(node(who), *node(who).store, [&] {
    check_shelf(who);
    check_deposits(who);
  });
  revive_killed();
}

/// Another process of the same person, while this one talks.
inline void World::meanwhile() {
  const std::size_t who = anybody();
  const auto beside = node(who).open_beside();
  if (!beside) return;
  switch (is_resting_ ? 3 : random_.below(4)) {
    case 0:
      return send(who, *beside);
    case 1:
      return cancel(who, *beside);
    default:
      return upkeep(node(who), *beside, [] {});
  }
}

inline Meeting World::make_meeting() {
  return {report_, random_, totals_, nodes_, [this] { meanwhile(); }};
}

}  // namespace p2pmail::net::model
