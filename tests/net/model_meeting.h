// Conversations of the model test: several pairs of real sessions at once, their messages in turns
// that chance chooses, cut or killed after a few of them. What is on its way then is lost.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "core/errand.h"
#include "net/session.h"
#include "tests/net/model_node.h"

namespace p2pmail::net::model {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

struct Totals {
  std::uint64_t seeds = 0, days = 0, conversations = 0, cuts = 0, messages = 0, letters = 0;
  std::uint64_t kills = 0, jumps = 0, restores = 0, errands = 0, left = 0;
  std::uint64_t delivered = 0, expired = 0, failed = 0, cancelled = 0, notices = 0;
};

class Meeting {
 public:
  /// `meanwhile` is what other processes do between the messages.
  Meeting(Report& report, Random& random, Totals& totals, std::vector<std::unique_ptr<Node>>& nodes,
          std::function<void()> meanwhile)
      : report_(report),
        random_(random),
        totals_(totals),
        nodes_(nodes),
        meanwhile_(std::move(meanwhile)) {}

  /// `dialer` calls `listener`; with an errand he does not say who he is. Cut after `budget`
  /// messages.
  void add(std::size_t dialer, std::size_t listener, std::uint64_t budget,
           std::unique_ptr<core::Errand> errand = nullptr);
  void run();

 private:
  struct Side {
    std::size_t node = 0;
    std::unique_ptr<Session> session;
    std::deque<Frames> coming;  // on their way to it
  };
  struct Link {
    Side sides[2];
    std::unique_ptr<core::Errand> errand;
    std::uint64_t budget = 0;
    int idle = 0;  // rounds in which nothing moved
    bool ended = false;
  };
  core::PostOffice& office(std::size_t node);
  bool step(Link& link);
  bool move(Link& link, int from);
  void settle(Link& link);
  void cut(Link& link);
  void kill(std::size_t node);
  void kill_who_is_due();

  Report& report_;
  Random& random_;
  Totals& totals_;
  std::vector<std::unique_ptr<Node>>& nodes_;
  std::function<void()> meanwhile_;
  std::map<std::size_t, std::unique_ptr<core::PostOffice>> offices_;
  std::vector<std::unique_ptr<Link>> links_;
};

inline core::PostOffice& Meeting::office(std::size_t node) {
  auto& one = offices_[node];
  if (!one)
    one = std::make_unique<core::PostOffice>(*nodes_[node]->store, nodes_[node]->office_options());
  return *one;
}

inline void Meeting::add(std::size_t dialer, std::size_t listener, std::uint64_t budget,
                         std::unique_ptr<core::Errand> errand) {
  auto link = std::make_unique<Link>();
  link->budget = budget;
  link->errand = std::move(errand);
  const bool nameless = link->errand != nullptr;
  core::Mailbox* own = nameless ? static_cast<core::Mailbox*>(link->errand.get()) : &office(dialer);
  Session::Options dials;
  dials.role = Session::Role::kDialer;
  dials.transport = nodes_[listener]->store->device().transport_public;
  dials.expected = nodes_[listener]->identity;
  dials.nameless = nameless;
  Session::Options listens;
  listens.transport = nodes_[dialer]->store->device().transport_public;
  if (nameless) listens.transport.bytes = core::make_agree_pair().public_key;
  link->sides[0].node = dialer;
  link->sides[0].session = std::make_unique<Session>(*own, dials, 0);
  link->sides[1].node = listener;
  link->sides[1].session = std::make_unique<Session>(office(listener), listens, 0);
  links_.push_back(std::move(link));
  ++totals_.conversations;
}

/// One message onto the way, or off it; false when there was none.
inline bool Meeting::move(Link& link, int from) {
  Side& sender = link.sides[from];
  Side& receiver = link.sides[1 - from];
  bool moved = false;
  if (receiver.coming.size() < 8) {
    if (auto frames = sender.session->next()) {
      if (!nodes_[sender.node]->killed) receiver.coming.push_back(std::move(*frames));
      moved = true;
    }
    if (nodes_[sender.node]->killed) return kill(sender.node), true;
  }
  if (receiver.coming.empty() || random_.one_in(3)) return moved || !receiver.coming.empty();
  const Frames frames = std::move(receiver.coming.front());
  receiver.coming.pop_front();
  ++totals_.messages;
  receiver.session->receive(frames.head, frames.body, 0);
  if (nodes_[receiver.node]->killed) return kill(receiver.node), true;
  if (link.budget > 0) --link.budget;
  if (link.budget == 0) cut(link);
  return true;
}

inline bool Meeting::step(Link& link) {
  bool moved = false;
  for (int i = 0; i < 2 && !link.ended; ++i) {
    const int from = static_cast<int>(random_.below(2));
    moved = move(link, from) || moved;
    if (link.ended) return true;
    Side& side = link.sides[1 - from];
    if (!side.coming.empty()) continue;
    side.session->flush();
    if (nodes_[side.node]->killed) kill(side.node);
  }
  return moved;
}

/// Nothing moves any more: it has ended in order, or one side has ended it.
inline void Meeting::settle(Link& link) {
  Session& a = *link.sides[0].session;
  Session& b = *link.sides[1].session;
  if (!a.done() && !b.done()) report_.fail("a conversation stands still");
  for (const Session* one : {&a, &b}) {
    const auto& why = one->failure();
    if (why && (why->code == core::Code::kMalformed || why->code == core::Code::kBug ||
                why->code == core::Code::kForged))
      report_.fail("a conversation failed: " + why->context);
  }
  cut(link);
}

inline void Meeting::cut(Link& link) {
  if (link.ended) return;
  link.ended = true;
  const core::Error why{core::Code::kUnavailable, "the cable"};
  for (Side& side : link.sides) {
    if (side.session && !side.session->done()) {
      ++totals_.cuts;
      side.session->lost(why);
    }
    while (link.errand && side.session && &side == &link.sides[0]) {
      const auto event = side.session->next_event();
      if (!event) break;
      totals_.left += event->kind == Event::Kind::kDelivered ? 1 : 0;
    }
    side.session.reset();
    side.coming.clear();
  }
  link.errand.reset();
}

inline void Meeting::kill(std::size_t node) {
  for (const auto& link : links_) {
    if (link->ended || (link->sides[0].node != node && link->sides[1].node != node)) continue;
    for (Side& side : link->sides)
      if (side.node == node) side.session.reset();
    cut(*link);
  }
  offices_.erase(node);
  nodes_[node]->revive();
  ++totals_.kills;
}

/// Also those whose clock was asked for while they heard of a link that was cut.
inline void Meeting::kill_who_is_due() {
  for (bool again = true; again;) {
    again = false;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i]->killed) continue;
      kill(i);
      again = true;
    }
  }
}

inline void Meeting::run() {
  for (bool open = true; open && report_.broken.empty();) {
    open = false;
    for (const auto& link : links_) {
      if (link->ended) continue;
      open = true;
      kill_who_is_due();
      if (random_.one_in(60)) meanwhile_();
      kill_who_is_due();
      if (link->ended) continue;
      link->idle = step(*link) ? 0 : link->idle + 1;
      if (!link->ended && link->idle > 12) settle(*link);
    }
  }
  for (const auto& link : links_) cut(*link);
  kill_who_is_due();
  links_.clear();
  offices_.clear();
}

}  // namespace p2pmail::net::model
