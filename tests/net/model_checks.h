// The promises that the model test looks after: the part of the World that judges.
#pragma once

#include "tests/net/model_world.h"

namespace p2pmail::net::model {

inline std::optional<std::size_t> World::index_of(const core::IdentityKey& identity) const {
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (nodes_[i]->identity == identity) return i;
  return std::nullopt;
}

inline void World::check_after(std::size_t who) {
  if (!report_.broken.empty()) return;
  check_mail(who);
  check_fates(who);
}

/// Nothing twice and nothing damaged (Node::scan), nothing that its signer did not send to him.
inline void World::check_mail(std::size_t who) {
  Node& one = node(who);
  one.scan();
  for (const auto& [unique, mail] : one.mail) {
    const std::size_t number = std::stoul(mail.subject.substr(1));
    if (number >= sent_.size() || !sent_[number].to.contains(who) ||
        node(sent_[number].sender).identity != mail.sender)
      report_.fail(fmt::format("{} has {}, which was not for him", one.name, mail.subject));
  }
}

inline void World::check_fates(std::size_t who) {
  for (std::size_t i = 0; i < sent_.size(); ++i) {
    if (sent_[i].sender != who || sent_[i].vanished) continue;
    for (auto& [recipient, fate] : sent_[i].to)
      if (!fate.ending) check_fate(sent_[i], recipient, fate, i);
  }
}

inline void World::check_fate(const Sent& sent, std::size_t recipient, Fate& fate,
                              std::size_t message) {
  Node& from = node(sent.sender);
  const std::string which =
      fmt::format("m{} from {} to {}", message, from.name, node(recipient).name);
  const fs::path file = from.store->queue().directory() / fate.entry;
  const bool waits = fs::exists(file.string() + ".entry");
  for (const char* suffix : {".expired", ".failed", ".delivered"})
    if (fs::exists(file.string() + suffix)) return;
  if (waits) return;
  const auto end = from.store->state().end_of(fate.entry);
  if (!end || !*end) return report_.fail(which + " is in no state at all");
  fate.ending = (*end)->ending;
  if (*fate.ending != core::Ending::kDelivered) {
    if ((*fate.ending == core::Ending::kCancelled) != (fate.cancelled != 0))
      report_.fail(which + " is cancelled for one of us only");
    return;
  }
  if (node(recipient).ever.contains(fmt::format("m{}", message))) return;
  node(recipient).scan();
  if (!node(recipient).ever.contains(fmt::format("m{}", message)))
    report_.fail(which + " is said to be delivered, and is not there");
}

/// Every row that waits has its stream, every stream has a row, nobody has more than his quota, and
/// nothing is kept for those who have been revoked.
inline void World::check_shelf(std::size_t who) {
  const auto shelf = node(who).store->shelf();
  if (!shelf || *shelf == nullptr) return;
  const auto owners = (*shelf)->owners();
  if (!owners) return report_.fail("owners: " + owners.error().context);
  for (const auto& owner : *owners) {
    auto& most = node(who).quotas[owner.identity];
    if (owner.used > most)
      report_.fail(fmt::format("{} holds {} bytes for somebody, who may have {}", node(who).name,
                               owner.used, most));
    most = std::max(owner.used, owner.quota);  // what is there stays when the quota shrinks
  }
  std::set<std::string> roots;
  for (const auto& other : nodes_) {
    const auto waiting = (*shelf)->waiting(other->identity, {}, 100'000);
    if (!waiting) return report_.fail("waiting: " + waiting.error().context);
    const bool allowed = std::ranges::any_of(
        *owners, [&](const auto& owner) { return owner.identity == other->identity; });
    if (!allowed && !waiting->empty())
      report_.fail(fmt::format("{} still holds for {}", node(who).name, other->name));
    for (const auto& handle : *waiting) {
      const auto letter = (*shelf)->find(handle);
      if (!letter || !*letter) return report_.fail("a handle without a row");
      const core::Root& root = (*letter)->deposit.root;
      roots.insert(core::to_hex(root));
      if (!fs::exists((*shelf)->letter_path(root)))
        report_.fail(fmt::format("{} has promised a letter, and not got it", node(who).name));
    }
  }
  for (const auto& file : fs::directory_iterator((*shelf)->directory()))
    if (!roots.contains(file.path().stem().string()))
      report_.fail(fmt::format("{} keeps {} for nobody", node(who).name,
                               file.path().filename().string()));
}

inline void World::check_deposits(std::size_t who) {
  const auto deposits = node(who).store->deposits();
  if (!deposits || *deposits == nullptr) return;
  for (const auto& record : records_of(**deposits))
    if (!fs::exists(node(who).store->queue().directory() / (record.entry + ".entry")))
      report_.fail(node(who).name + " has a deposit of a letter that is gone");
}

/// What was left at a relay just now is there.
inline void World::check_held(std::size_t who, std::size_t relay) {
  const auto deposits = node(who).store->deposits();
  const auto shelf = node(relay).store->shelf();
  if (!deposits || *deposits == nullptr || !shelf || *shelf == nullptr) return;
  for (const auto& record : records_of(**deposits)) {
    if (record.relay.identity != node(relay).identity || record.since != node(who).now().time) continue;
    const auto handle = core::handle_of(core::handle_secret_of(record.relay_key).view());
    const auto until = (*shelf)->until_of(handle);
    if (!until || !*until)
      report_.fail(fmt::format("{} does not hold what {} has left there", node(relay).name,
                               node(who).name));
  }
}

/// Exactly one for each letter that has expired, failed, or was to be told of; no others.
inline void World::check_notices(std::size_t who) {
  std::set<NoticeOf> wanted;
  for (const Sent& sent : sent_) {
    if (sent.sender != who || sent.vanished) continue;
    for (const auto& [recipient, fate] : sent.to) {
      if (!fate.ending || *fate.ending == core::Ending::kCancelled) continue;
      const bool failed = *fate.ending != core::Ending::kDelivered;
      if (failed || sent.notify)
        wanted.insert({sent.id, core::key_text(node(recipient).identity), failed});
    }
  }
  std::set<NoticeOf> found;
  for (const auto& [unique, notice] : node(who).notices) found.insert(notice);
  totals_.notices += found.size();
  if (found == wanted) return;
  std::string text = fmt::format("{} has {} notices instead of {}", node(who).name, found.size(),
                                 wanted.size());
  const auto list = [&](const std::set<NoticeOf>& some, const std::set<NoticeOf>& others,
                        const char* word) {
    for (const NoticeOf& notice : some)
      for (std::size_t i = 0; i < sent_.size() && !others.contains(notice); ++i)
        if (sent_[i].id == notice.message) text += fmt::format("{} m{}", word, i);
  };
  list(found, wanted, ", too much");
  list(wanted, found, ", missing");
  report_.fail(text);
}

inline bool World::has_reason_to_wait(const Sent& sent, std::size_t recipient) {
  const auto there = peer(sent.sender, recipient);
  const auto back = peer(recipient, sent.sender);
  if ((there && there->blocked) || (back && back->blocked)) return true;
  // His newest record may carry a sequence number from when his clock was ahead.
  return restored_.contains(recipient) || restored_.contains(sent.sender);
}

/// After everybody has talked to everybody.
inline void World::check_all_delivered() {
  for (std::size_t i = 0; i < sent_.size(); ++i) {
    if (sent_[i].vanished) continue;
    for (const auto& [recipient, fate] : sent_[i].to) {
      if (fate.ending || has_reason_to_wait(sent_[i], recipient)) continue;
      const auto progress = node(sent_[i].sender).store->queue().progress(fate.entry);
      report_.fail(fmt::format("m{} from {} to {} waits for no reason: {}", i,
                               node(sent_[i].sender).name, node(recipient).name,
                               progress.last_error));
    }
  }
}

inline void World::everybody_calls_everybody() {
  for (std::size_t i = 0; i < nodes_.size() && report_.broken.empty(); ++i) {
    upkeep(i);
    deliver_to_self(i);
    Meeting meeting = make_meeting();
    std::set<std::size_t> called;
    for (std::size_t j = 0; j < nodes_.size(); ++j) {
      if (!may_call(i, j)) continue;
      meeting.add(i, j, UINT64_MAX);
      called.insert(j);
    }
    meeting.run();
    if (report_.broken.empty()) run_errands(i, called, Links::kWhole);
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) check_after(i);
}

inline void World::check_nothing_left(std::size_t who) {
  Node& one = node(who);
  for (const Sent& sent : sent_)
    if (sent.sender == who && !sent.vanished)
      for (const auto& [recipient, fate] : sent.to)
        if (!fate.ending) report_.fail(fate.entry + " of " + one.name + " never ends");
  for (const auto& file : fs::directory_iterator(one.store->queue().directory()))
    report_.fail(one.name + " keeps in its queue " + file.path().filename().string());
  for (const auto& file : fs::directory_iterator(one.store->maildir().partial()))
    report_.fail(one.name + " keeps a partial " + file.path().filename().string());
  if (fs::exists(one.store->paths().root / "relay"))
    for (const auto& file : fs::directory_iterator(one.store->paths().root / "relay"))
      report_.fail(one.name + " keeps on its shelf " + file.path().filename().string());
}

inline void World::come_to_rest() {
  if (!report_.broken.empty()) return;
  say("rest");
  is_resting_ = true;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Node& one = node(i);
    one.online = true;
    one.skew = 0;
    one.kill_in = 0;
    one.expire = 30 * kDay;
    one.max_bits = 22;
    for (std::size_t j = 0; j < nodes_.size(); ++j)
      if (!keep_blocks_ && peer(i, j))
        report_.must(one.store->state().set_blocked(node(j).identity, false), "unblock");
  }
  for (int round = 0; round < 3 && report_.broken.empty(); ++round) {
    report_.time += 3 * kHour;
    everybody_calls_everybody();
  }
  check_all_delivered();
  // Longer than the longest jump and expiry, or what a relay keeps.
  for (int round = 0; round < 80 && report_.broken.empty(); ++round) {
    report_.time += round % 2 == 0 ? 3 * kDay : 2 * kHour;
    for (std::size_t i = 0; i < nodes_.size(); ++i) upkeep(i);
    if (round % 40 == 39) everybody_calls_everybody();
  }
  for (std::size_t i = 0; i < nodes_.size() && report_.broken.empty(); ++i) {
    node(i).revive();  // opening the store removes what nobody owns
    for (Sent& sent : sent_)
      if (sent.sender == i)
        for (auto& [recipient, fate] : sent.to) fate.ending.reset();
    check_after(i);
    check_nothing_left(i);
    check_notices(i);
  }
  for (const Sent& sent : sent_)
    for (const auto& [recipient, fate] : sent.to) {
      if (!fate.ending) continue;
      totals_.delivered += *fate.ending == core::Ending::kDelivered ? 1 : 0;
      totals_.expired += *fate.ending == core::Ending::kExpired ? 1 : 0;
      totals_.failed += *fate.ending == core::Ending::kFailed ? 1 : 0;
      totals_.cancelled += *fate.ending == core::Ending::kCancelled ? 1 : 0;
    }
}

}  // namespace p2pmail::net::model
