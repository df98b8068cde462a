// What people do in the model test: mail first, then everything that happens around it.
#pragma once

#include "tests/net/model_world.h"

namespace p2pmail::net::model {

/// One to five people whose cards he has, or himself; answers the To field.
inline std::string World::choose_recipients(std::size_t who, core::Posting& posting, Sent& sent) {
  std::string to;
  for (std::uint64_t i = 0, most = 1 + random_.below(random_.one_in(3) ? 5 : 1); i < most; ++i) {
    const std::size_t whom = anybody();
    const auto known = whom == who ? std::nullopt : peer(who, whom);
    const bool possible = whom == who ? random_.one_in(4) : known && known->card;
    if (!possible || sent.to.contains(whom)) continue;
    sent.to[whom] = {};
    const bool blind = random_.one_in(6) && !to.empty();
    (blind ? posting.blind : posting.open).push_back(node(whom).identity);
    if (blind) continue;
    to += (to.empty() ? "" : ", ") + node(whom).address();
    posting.fields.to.push_back({"", node(whom).address()});
  }
  return to;
}

inline void World::send(std::size_t who, core::Store& store) {
  Node& from = node(who);
  const std::size_t number = sent_.size();
  const std::string subject = "m" + std::to_string(number);
  core::Posting posting;
  posting.policy = core::HeaderPolicy::kNone;
  posting.notify = random_.one_in(8);
  Sent sent{who, "", posting.notify, false, steps_, {}};
  const std::string to = choose_recipients(who, posting, sent);
  if (posting.open.empty()) return;
  const std::size_t size = random_.one_in(150) ? random_.below(3 << 20)
                           : random_.one_in(6) ? random_.below(200'000)
                                               : random_.below(3000);
  posting.fields.from = {{"", from.address()}};
  posting.fields.subject = subject;
  posting.content = [&](const core::Sink& sink) {
    const std::string text = "From: " + from.address() + "\nTo: " + to + "\nSubject: " + subject +
                             "\n\n" + std::string(size, 'x') + "\n";
    return sink(core::bytes_of(text));
  };
  const auto posted = core::post(store, posting, from.now());
  if (!posted) return report_.fail("post: " + posted.error().context);
  sent.id = core::to_hex(posted->id);
  for (const auto& entry : posted->entries)
    if (const auto whom = index_of(entry.recipient)) sent.to[*whom].entry = entry.id;
  say(fmt::format("{} sends {} of {} bytes to {}", from.name, subject, size, to));
  totals_.letters += sent.to.size();
  sent_.push_back(std::move(sent));
}

inline void World::deliver_to_self(std::size_t who) {
  core::PostOffice office(*node(who).store, node(who).office_options());
  report_.must(office.deliver_to_self(), "deliver_to_self");
}

inline void World::fetch(std::size_t who) {
  if (!node(who).online) return;
  upkeep(who);
  deliver_to_self(who);
  revive_killed();
  say(fmt::format("{} fetches{}", node(who).name, node(who).kill_in > 0 ? ", to be killed" : ""));
  Meeting meeting = make_meeting();
  std::set<std::size_t> called;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!may_call(who, i) || random_.one_in(3)) continue;
    meeting.add(who, i, budget());
    called.insert(i);
  }
  meeting.run();
  if (report_.broken.empty()) run_errands(who, called, Links::kCutSometimes);
  check_after(who);
  for (const std::size_t i : called) check_after(i);
}

/// Several nodes that serve: conversations at once, in all directions.
inline void World::gather() {
  Meeting meeting = make_meeting();
  std::set<std::size_t> there;
  std::string text;
  for (std::uint64_t i = 0, pairs = 2 + random_.below(4); i < pairs; ++i) {
    const std::size_t a = anybody();
    const std::size_t b = anybody();
    if (!node(a).online || !may_call(a, b)) continue;
    meeting.add(a, b, budget());
    text += fmt::format(" {}-{}", node(a).name, node(b).name);
    there.insert({a, b});
  }
  say("conversations" + text);
  meeting.run();
  for (const std::size_t i : there) check_after(i);
}

inline core::Errand& World::errand_to(
    std::size_t who, std::size_t relay, const core::Relay& place,
    std::map<std::size_t, std::unique_ptr<core::Errand>>& errands) {
  auto& errand = errands[relay];
  if (errand) return *errand;
  Node& one = node(who);
  core::Errand::Options options;
  options.clocks = [&one] { return one.clocks(); };
  options.stamps.max_bits = one.max_bits;
  options.notices.policy = core::HeaderPolicy::kNone;
  errand = std::make_unique<core::Errand>(*one.store, std::move(options), place);
  return *errand;
}

/// As the commands plan it: what lies at a relay is asked for, what lies nowhere is left.
inline void World::plan(std::size_t who, const core::QueueEntry& entry,
                        std::map<std::size_t, std::unique_ptr<core::Errand>>& errands) {
  Node& one = node(who);
  const auto known = one.store->state().find_peer(entry.recipient);
  if (!known || !*known || !(*known)->card) return;
  auto relays = core::relays_of(*(*known)->card);
  std::erase_if(relays, [&one](const auto& relay) { return relay.identity == one.identity; });
  auto deposits = one.store->make_deposits();
  auto records = (*deposits)->of(entry.id);
  auto claimed = one.store->queue().claim(entry.id);
  if (relays.empty() || !claimed || !*claimed || !records) return;
  const auto claim = std::make_shared<core::Claim>(std::move(**claimed));
  bool is_held = false;
  for (auto& record : *records) {
    const auto at = std::ranges::find(relays, record.relay.transport, &core::Relay::transport);
    is_held = is_held || (at != relays.end() && record.until > one.now().time);
    const core::Relay place = record.relay;
    if (const auto relay = index_of(place.identity))
      errand_to(who, *relay, place, errands).ask(claim, std::move(record));
  }
  if (is_held) return;
  if (entry.size > core::kBlockSize) relays.resize(1);
  for (const auto& relay : relays)
    if (const auto index = index_of(relay.identity))
      errand_to(who, *index, relay, errands).leave(claim);
}

inline void World::run_errands(std::size_t who, const std::set<std::size_t>& called, Links links) {
  const auto entries = node(who).store->queue().list();
  if (!entries) return report_.fail("queue: " + entries.error().context);
  std::map<std::size_t, std::unique_ptr<core::Errand>> errands;
  for (const auto& entry : *entries) {
    const auto whom = index_of(entry.recipient);
    if (whom && *whom != who && !called.contains(*whom)) plan(who, entry, errands);
  }
  Meeting meeting = make_meeting();
  std::set<std::size_t> there;
  for (auto& [relay, errand] : errands) {
    if (!node(relay).online) continue;
    say(fmt::format("{} has an errand at {}", node(who).name, node(relay).name));
    meeting.add(who, relay, links == Links::kCutSometimes ? budget() : UINT64_MAX,
                std::move(errand));
    there.insert(relay);
    ++totals_.errands;
  }
  errands.clear();  // those who are offline: their claims go back
  meeting.run();
  for (const std::size_t i : there) {
    check_after(i);
    check_held(who, i);
  }
}

inline void World::cancel(std::size_t who, core::Store& store) {
  for (std::size_t i = 0; i < sent_.size(); ++i) {
    Sent& sent = sent_[i];
    if (sent.sender != who || sent.vanished || !random_.one_in(3)) continue;
    for (auto& [recipient, fate] : sent.to) {
      const auto claim = store.queue().claim(fate.entry);
      if (!claim) return report_.fail("claim: " + claim.error().context);
      if (!*claim) continue;
      report_.must(
          store.queue().finish(**claim, core::Ending::kCancelled, node(who).now().time), "cancel");
      fate.cancelled = steps_;
      say(fmt::format("{} cancels m{} to {}", node(who).name, i, node(recipient).name));
    }
  }
}

/// `relay` holds for `who`, or only ought to, and his card says so.
inline void World::use_relay(std::size_t who, std::size_t relay, Consent consent) {
  Node& one = node(who);
  const auto known = peer(who, relay);
  if (!known || !known->card) return;
  if (consent == Consent::kGiven) {
    core::RelayOwner owner;
    owner.identity = one.identity;
    owner.quota = random_.one_in(5) ? 20'000 : core::kRelayQuota;
    owner.keep = random_.one_in(4) ? 2 * kDay : core::kRelayKeep;
    owner.since = node(relay).now().time;
    report_.must((*node(relay).store->make_shelf())->allow(owner), "allow");
    auto& most = node(relay).quotas[one.identity];
    most = std::max(most, owner.quota);
  }
  say(fmt::format("{} names {} as a relay{}", one.name, node(relay).name,
                  consent == Consent::kGiven ? "" : " without asking"));
  const auto change = [&](core::DeviceRecord& record) {
    const auto same = [&](const auto& one_of) { return one_of.identity == node(relay).identity; };
    if (record.relays.size() > 2 || std::ranges::any_of(record.relays, same)) return;
    const auto* newest = known->card->usable().front();
    record.relays.push_back({node(relay).identity, newest->transport, newest->endpoints});
  };
  report_.must(one.store->change_record(change, one.now()), "use a relay");
}

inline void World::leave_relay(std::size_t who, std::size_t relay) {
  const auto change = [&](core::DeviceRecord& record) {
    std::erase_if(record.relays, [&](const auto& one_of) {
      return one_of.identity == node(relay).identity;
    });
  };
  say(fmt::format("{} leaves the relay {}", node(who).name, node(relay).name));
  report_.must(node(who).store->change_record(change, node(who).now()), "leave a relay");
}

inline void World::change_relay(std::size_t who) {
  const std::size_t other = anybody();
  if (other == who) return;
  switch (random_.below(6)) {
    case 0:
      return use_relay(who, other, Consent::kNotAsked);
    case 1:
    case 2:
    case 3:
      return use_relay(who, other, Consent::kGiven);
    case 4:
      return leave_relay(who, other);
    default: {
      const auto shelf = node(who).store->shelf();
      if (!shelf || *shelf == nullptr) return;
      say(fmt::format("{} holds nothing more for {}", node(who).name, node(other).name));
      (void)(*shelf)->revoke(node(other).identity);  // perhaps nothing was held
      return check_shelf(who);
    }
  }
}

inline void World::ask_for_stamps(std::size_t who, std::uint64_t bits) {
  say(fmt::format("{} asks for {} bits", node(who).name, bits));
  report_.must(node(who).store->change_record(
                   [bits](core::DeviceRecord& record) { record.stamp_bits = bits; },
                   node(who).now()),
               "stamp bits");
}

inline void World::change_settings(std::size_t who) {
  Node& one = node(who);
  const std::size_t other = anybody();
  switch (random_.below(6)) {
    case 0:
      return ask_for_stamps(who, random_.below(5));
    case 1:
      one.max_bits = random_.one_in(3) ? 2 : 22;
      return;
    case 2: {
      one.expire = random_.one_in(2) ? 30 * kDay : (1 + random_.below(5)) * kDay;
      return say(fmt::format("{} gives up after {} days", one.name, one.expire / kDay));
    }
    case 3:
      if (other == who || !node(other).stranger || peer(who, other)) return;
      say(fmt::format("{} befriends {}", one.name, node(other).name));
      return meets(who, other);
    default: {
      const auto known = peer(who, other);
      if (!known || known->petname.empty()) return;
      const bool block = !known->blocked && random_.one_in(2);
      say(fmt::format("{} {} {}", one.name, block ? "blocks" : "unblocks", node(other).name));
      return report_.must(one.store->state().set_blocked(node(other).identity, block), "block");
    }
  }
}

inline void World::change_clock(std::size_t who) {
  Node& one = node(who);
  if (one.skew != 0) {
    one.skew = 0;
    return say(one.name + "'s clock is right again");
  }
  if (!random_.one_in(3)) return;
  auto days = static_cast<std::int64_t>(1 + random_.below(random_.one_in(3) ? 60 : 5));
  if (random_.one_in(2)) days = -days;
  one.skew = days * static_cast<std::int64_t>(kDay);
  ++totals_.jumps;
  say(fmt::format("{}'s clock jumps {} days", one.name, days));
}

inline void World::change_disk(std::size_t who) {
  Node& one = node(who);
  const std::uint64_t kind = random_.below(20);
  if (kind < 9) {
    one.kill_in = static_cast<int>(1 + random_.below(12));
    return say(one.name + " will be killed");
  }
  if (kind < 13) {
    one.revive();
    ++totals_.kills;
    if (random_.one_in(2)) one.reboot();
    return say(one.name + " is killed and starts again");
  }
  if (kind < 17) {
    one.back_up();
    backed_up_[who] = steps_;
    return say(one.name + " is backed up");
  }
  if (!one.has_backup) return;
  check_mail(who);
  one.restore();
  restored_.insert(who);
  ++totals_.restores;
  say(fmt::format("{} is restored from step {}", one.name, backed_up_[who]));
  for (Sent& sent : sent_) {
    if (sent.sender != who) continue;
    sent.vanished = sent.vanished || sent.step > backed_up_[who];
    for (auto& [recipient, fate] : sent.to) {
      fate.ending.reset();
      if (fate.cancelled > backed_up_[who]) fate.cancelled = 0;
    }
  }
}

inline void World::step() {
  ++steps_;
  const std::size_t who = anybody();
  const std::uint64_t chance = random_.below(100);
  if (chance < 28) {
    send(who, *node(who).store);
  } else if (chance < 56) {
    fetch(who);
  } else if (chance < 70) {
    gather();
  } else if (chance < 80) {
    node(who).online = !node(who).online || random_.one_in(2);
    say(node(who).name + (node(who).online ? " is online" : " is offline"));
  } else if (chance < 85) {
    say(node(who).name + " looks after its store");
    upkeep(who);
    check_after(who);
  } else if (chance < 87) {
    cancel(who, *node(who).store);
  } else if (chance < 91) {
    change_relay(who);
  } else if (chance < 94) {
    change_settings(who);
  } else if (chance < 97) {
    change_clock(who);
  } else {
    change_disk(who);
  }
}

inline void World::live(std::uint64_t days) {
  const std::uint64_t end = report_.time + days * kDay;
  while (report_.time < end && report_.broken.empty()) {
    step();
    report_.time += random_.one_in(2) ? random_.below(600) : random_.below(36 * kHour);
  }
  totals_.days += days;
  ++totals_.seeds;
}

}  // namespace p2pmail::net::model
