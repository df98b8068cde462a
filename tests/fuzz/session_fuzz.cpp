// Two sessions against each other in memory. The input is the network and the clock: it delivers,
// drops, repeats, reorders, truncates and flips frames. Whatever it does, a letter is stored once,
// as it was sent, and is called delivered only then; if it does no harm, every letter arrives.
#include <algorithm>

#include "net/session.h"
#include "tests/fuzz/fuzz.h"
#include "tests/net/fake_mailbox.h"
#include "tests/net/session_options.h"

namespace p2pmail::net {
namespace {

using fuzz::demand;
using Letters = std::vector<FakeMailbox::Letter>;

// Mostly small, because megabytes cost the runs; one of two blocks, which needs hash lists and
// credit.
constexpr std::array<std::size_t, 11> kSizes = {
    1, 100, 101, 102, 103, 500, 3000, 5000, kMaxInline, kMaxInline + 1, core::kBlockSize + 5};
constexpr std::size_t kMaxLetters = 4;
constexpr std::size_t kMaxHistory = 16;
constexpr int kMaxSteps = 400;

/// Hashing megabytes for each input would be all that is done.
const Letters& letters_of(std::uint8_t seed) {
  static std::map<std::uint8_t, Letters> made;
  Letters& out = made[seed];
  FakeMailbox box(seed);
  for (std::size_t i = out.size(); i < kSizes.size(); ++i)
    out.push_back(*box.queue({}, some_bytes(kSizes[i], static_cast<std::uint8_t>(seed + i))));
  return out;
}

/// Counts what is stored: the fake replaces, which a real store must never be asked to do.
class Box : public FakeMailbox {
 public:
  using FakeMailbox::FakeMailbox;
  std::vector<core::Result<core::Bytes>> commit(
      std::vector<std::unique_ptr<core::IncomingLetter>> incoming) override {
    const std::size_t after = stored.size() + incoming.size();
    auto receipts = FakeMailbox::commit(std::move(incoming));
    demand(commit_error || stored.size() == after, "no letter is stored twice");
    return receipts;
  }
};

struct Side {
  Side(std::uint8_t name, std::uint8_t seed) : box(name), letters(letters_of(seed)) {}
  void queue(FuzzedDataProvider& in, const core::IdentityKey& to) {
    for (auto left = in.ConsumeIntegralInRange<std::size_t>(0, kMaxLetters); left > 0; --left) {
      const auto which = in.ConsumeIntegralInRange<std::size_t>(0, kSizes.size() - 1);
      auto letter = std::make_shared<FakeMailbox::Letter>(letters[which]);
      letter->to = to;
      // The same letter twice in one queue is one letter: a root is queued once.
      if (chosen.insert(letter->root).second) box.letters.push_back(std::move(letter));
    }
  }
  Box box;
  const Letters& letters;
  std::set<core::Root> chosen;
  std::optional<Session> session;
  std::deque<Frames> on_the_way;  // to the other side
  std::deque<Frames> history;
  std::size_t delivered = 0;
  bool mirrored = false;  // may have got its own letters
};

class Network {
 public:
  explicit Network(FuzzedDataProvider& in) : in_(in) {
    a_.queue(in, b_.box.identity);
    b_.queue(in, a_.box.identity);
    if (in.ConsumeBool()) b_.box.version = 7;  // the dialer's prekeys are old
    a_.session.emplace(a_.box, options_for(Session::Role::kDialer, b_.box), now_);
    b_.session.emplace(b_.box, options_for(Session::Role::kListener, a_.box), now_);
  }

  void run() {
    for (int step = 0; step < kMaxSteps && in_.remaining_bytes() > 0; ++step) act();
    settle();
    check_side(a_, b_);
    check_side(b_, a_);
    if (!harmed_) check_all_arrived();
  }

 private:
  void act() {
    const bool first = in_.ConsumeBool();
    Side& from = first ? a_ : b_;
    Side& to = first ? b_ : a_;
    switch (in_.ConsumeIntegralInRange(0, 11)) {
      case 0:
      case 1:
      case 2:
        fetch(from);
        break;
      case 3:
      case 4:
      case 5:
        deliver(from, to);
        break;
      case 6:
        to.session->flush();
        break;
      case 7:
        from.session->wake();
        break;
      case 8:
        harm(from, to);
        break;
      case 9:
        refuse(to);
        break;
      case 10:
        wait(from);
        break;
      default:
        for (int i = 0; i < 4; ++i) fetch(from), deliver(from, to);
    }
  }

  static void fetch(Side& from) {
    auto frames = from.session->next();
    if (!frames) return;
    from.history.push_back(*frames);
    if (from.history.size() > kMaxHistory) from.history.pop_front();
    from.on_the_way.push_back(std::move(*frames));
  }

  void deliver(Side& from, Side& to) {
    if (from.on_the_way.empty()) return;
    const Frames frames = std::move(from.on_the_way.front());
    from.on_the_way.pop_front();
    to.session->receive(frames.head, frames.body, now_);
    drain(to);
  }

  /// What a link with authentication never does.
  void harm(Side& from, Side& to) {
    harmed_ = true;
    switch (in_.ConsumeIntegralInRange(0, 6)) {
      case 0:
        if (!from.on_the_way.empty()) from.on_the_way.pop_front();
        break;
      case 1:
        if (!from.history.empty()) from.on_the_way.push_back(chosen(from.history));
        break;
      case 2:
        // Sent back to its sender; that a letter is for somebody else is the mailbox's to see.
        if (to.history.empty()) break;
        from.on_the_way.push_back(chosen(to.history));
        to.mirrored = true;
        break;
      case 3:
        std::reverse(from.on_the_way.begin(), from.on_the_way.end());
        break;
      case 4:
        if (!from.on_the_way.empty()) damage(from.on_the_way.front());
        break;
      case 5:
        from.on_the_way.push_back(made_up());
        break;
      default:
        from.session->lost(core::Error{core::Code::kUnavailable, "cable"});
    }
  }

  const Frames& chosen(const std::deque<Frames>& list) {
    return list[in_.ConsumeIntegralInRange<std::size_t>(0, list.size() - 1)];
  }

  void damage(Frames& frames) {
    core::Bytes& bytes = in_.ConsumeBool() || frames.body.empty() ? frames.head : frames.body;
    if (bytes.empty()) return;
    const auto at = in_.ConsumeIntegralInRange<std::size_t>(0, bytes.size() - 1);
    if (in_.ConsumeBool()) {
      bytes[at] ^= static_cast<std::uint8_t>(1U << in_.ConsumeIntegralInRange(0, 7));
    } else {
      bytes.resize(at);
    }
  }

  Frames made_up() {
    Message message;
    message.verb = static_cast<Verb>(in_.ConsumeIntegralInRange(0, 9));
    message.number = in_.ConsumeIntegralInRange<std::uint64_t>(0, 8);
    message.index = in_.ConsumeIntegralInRange<std::uint64_t>(0, 8);
    message.offset = in_.ConsumeIntegralInRange<std::uint64_t>(0, 7) * kPiece;
    message.credit = in_.ConsumeIntegralInRange<std::uint64_t>(1, 8);
    message.kind = static_cast<Kind>(in_.ConsumeIntegralInRange(0, 8));
    message.body = core::Bytes(in_.ConsumeIntegralInRange<std::size_t>(0, 200), 3);
    return encode_message(std::move(message));
  }

  /// A refusal of the mailbox is no harm of the network, but then not everything arrives.
  void refuse(Side& to) {
    harmed_ = true;
    const core::Error why{core::Code::kNoSpace, "full"};
    switch (in_.ConsumeIntegralInRange(0, 3)) {
      case 0:
        to.box.write_error = why;
        break;
      case 1:
        to.box.commit_error = why;
        break;
      case 2:
        to.box.refuse = [why](const core::Root&) { return why; };
        break;
      default:
        to.box.write_error.reset(), to.box.commit_error.reset(), to.box.refuse = nullptr;
    }
  }

  void wait(Side& side) {
    const auto seconds = in_.ConsumeIntegralInRange<std::uint64_t>(0, 400);
    harmed_ = harmed_ || seconds > 0;
    now_ += seconds;
    side.session->tick(now_);
  }

  /// The rest of the conversation, undisturbed.
  void settle() {
    for (bool moved = true; moved;) {
      moved = false;
      a_.session->flush();
      b_.session->flush();
      for (const auto& [from, to] : {std::pair{&a_, &b_}, std::pair{&b_, &a_}}) {
        fetch(*from);
        moved = moved || !from->on_the_way.empty();
        while (!from->on_the_way.empty()) deliver(*from, *to);
      }
    }
    drain(a_);
    drain(b_);
  }

  static void drain(Side& side) {
    while (const auto event = side.session->next_event())
      if (event->kind == Event::Kind::kDelivered) ++side.delivered;
  }

  static void check_side(const Side& from, const Side& to) {
    std::size_t delivered = 0;
    for (const auto& letter : from.box.letters) {
      delivered += letter->delivered ? 1 : 0;
      demand(!letter->delivered || to.box.stored.contains(letter->root), "delivered means stored");
    }
    demand(delivered == from.delivered, "each delivery is told once");
    for (const auto& stored : to.box.stored) {
      demand(sent_by(from, stored) || (to.mirrored && sent_by(to, stored)),
             "what is stored is what was sent");
    }
  }

  static bool sent_by(const Side& side, const decltype(Box::stored)::value_type& stored) {
    const auto same = [&](const auto& letter) {
      return letter.root == stored.first && letter.data == stored.second;
    };
    return side.chosen.contains(stored.first) &&
           std::any_of(side.letters.begin(), side.letters.end(), same);
  }

  void check_all_arrived() {
    for (const auto& [from, to] : {std::pair{&a_, &b_}, std::pair{&b_, &a_}}) {
      demand(from->session->done() && !from->session->failure(), "a regular end");
      demand(to->box.stored.size() == from->chosen.size(), "every letter arrives");
      demand(from->delivered == from->chosen.size(), "and its sender knows");
    }
  }

  FuzzedDataProvider& in_;
  std::uint64_t now_ = kStart;
  bool harmed_ = false;
  Side a_{1, 10};
  Side b_{2, 60};
};

}  // namespace
}  // namespace p2pmail::net

void p2pmail::fuzz::target(ByteView input) {
  FuzzedDataProvider in(input.data(), input.size());
  net::Network(in).run();
}
