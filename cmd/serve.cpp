// p2pmail serve: the node. Receives, delivers to the Maildir, pushes the queue with backoff, until
// SIGTERM or SIGINT.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <set>

#include "cmd/command.h"
#include "cmd/delivery.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "cmd/new_mail.h"
#include "cmd/notify.h"
#include "cmd/peers.h"
#include "cmd/progress.h"
#include "cmd/relays.h"
#include "core/post_office.h"
#include "core/queue.h"
#include "net/front.h"
#include "net/node.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;
using Clock = std::chrono::steady_clock;

namespace {

struct Options {
  std::vector<std::string> listen;
  std::vector<std::string> advertise;
  std::string limit_rate;
  std::string max_size;
};

constexpr std::chrono::seconds kUpkeepEvery{60};
constexpr std::chrono::minutes kCollectEvery{10};      // from the relays that hold for us
constexpr std::chrono::seconds kFirstCall{60};         // to somebody for whom we hold a letter
constexpr std::chrono::hours kLastCall{6};
constexpr std::uint64_t kStampBitsWhileServing = 22;    // about a second
constexpr std::chrono::seconds kStampTimeWhileServing{4};

struct Places {
  std::vector<core::Endpoint> listen;
  std::vector<core::Endpoint> advertise;
};
Result<Places> parse_places(const Env& env, const Options& options) {
  Places places;
  for (const auto& text : options.listen) {
    auto endpoint = core::parse_listen(text);
    if (!endpoint) return endpoint.error().in("--listen");
    places.listen.push_back(*endpoint);
  }
  for (const auto& text : options.advertise) {
    auto endpoint = core::parse_endpoint(text);
    if (!endpoint) return endpoint.error().in("--advertise");
    places.advertise.push_back(*endpoint);
  }
  if (places.listen.empty()) places.listen = env.settings.listen;
  if (places.advertise.empty()) places.advertise = env.settings.advertise;
  if (places.listen.size() > core::kMaxEndpoints || places.advertise.size() > core::kMaxEndpoints) {
    return Error{Code::kUsage, fmt::format("at most {} places", core::kMaxEndpoints), ""};
  }
  return places;
}

bool is_wildcard(const core::Endpoint& endpoint) {
  return endpoint.host == "*" || endpoint.host == "0.0.0.0" || endpoint.host == "::";
}

/// What the node asks while it runs; one object, one thread.
class Server {
 public:
  Server(Env& env, Names names)
      : env_(env), names_(std::move(names)), post_office_(make(env)), progress_(env) {}

  Status run(const Places& places);

 private:
  core::PostOffice make(Env& env) {
    auto options = post_office_options(env);
    // Others wait for this thread meanwhile.
    options.stamps.max_bits = std::min(options.stamps.max_bits, kStampBitsWhileServing);
    options.stamps.limit = kStampTimeWhileServing;
    options.on_mail = [this](const core::NewMail& mail) {
      // Whoever is not known may have been added a moment ago, by another process.
      if (!names_.petname(mail.sender)) load_names();
      announce(env_, names_, mail);
    };
    // Once: whoever keeps it offers it again and again.
    options.on_waiting = [this](const core::LetterWaiting& waiting) {
      if (waiting.is_new) announce_waiting(env_, names_, waiting.letter, waiting.subject);
    };
    return {env.store(), std::move(options)};
  }
  Status publish(const Places& places, const std::vector<core::Endpoint>& bound);
  void look_after();
  void load_names() {
    if (auto names = Names::load(env_.store())) names_ = std::move(*names);
  }
  std::vector<net::Target> due();
  void plan_errands(const std::vector<core::QueueEntry>& entries);
  void add_relays(std::vector<net::Target>& targets);
  void add_owners(std::vector<net::Target>& targets);
  void dialed(const net::Target& target, const net::DialOutcome& outcome);
  void say(const net::Event& event);
  void warn_once(const std::string& text);

  Env& env_;
  Names names_;
  core::PostOffice post_office_;
  Progress progress_;
  std::map<core::IdentityKey, std::vector<std::string>> waiting_;  // entries due, by recipient
  std::set<std::string> unreached_;  // entries that the recipient's relays should have
  std::vector<RelayRound> rounds_;   // at relays just now
  std::optional<Clock::time_point> withdrawn_;
  std::optional<Clock::time_point> collected_;
  struct Call {
    Clock::time_point next{};
    std::chrono::seconds pause = kFirstCall;
  };
  std::map<core::IdentityKey, Call> calls_;  // to those for whom we hold letters
  std::optional<Clock::time_point> looked_after_;
  std::string warned_;
};

// A log that repeats itself every few seconds hides what is new.
void Server::warn_once(const std::string& text) {
  if (text != warned_) env_.note("warning: " + text);
  warned_ = text;
}

/// The address book, keys and card may have changed in another process; prekeys rotate here, and
/// letters expire.
void Server::look_after() {
  const auto now = Clock::now();
  if (looked_after_ && now - *looked_after_ < kUpkeepEvery) return;
  looked_after_ = now;
  if (auto refreshed = env_.store().refresh(); !refreshed) warn_once(refreshed.error().context);
  if (auto kept = env_.store().upkeep(env_.clock()); !kept) warn_once(kept.error().context);
  if (auto kept = keep_record(env_); !kept) warn_once(kept.error().context);
  if (auto kept = keep_peers_copy(env_); !kept) warn_once(kept.error().context);
  if (auto tended = tend_blobs(env_); !tended) warn_once(tended.error().context);
  if (auto tidied = tidy_relays(env_); !tidied) warn_once(tidied.error().context);
  load_names();
  const auto told = [this](const core::NewMail& mail) { announce(env_, names_, mail); };
  if (auto tended = tend_queue(env_, told); !tended) warn_once(tended.error().context);
}

std::vector<net::Target> Server::due() {
  look_after();
  core::Store& store = env_.store();
  waiting_.clear();
  std::vector<core::DamagedEntry> damaged;
  const auto entries = store.queue().list(&damaged);
  if (!entries) return warn_once(entries.error().context), std::vector<net::Target>{};
  if (auto whole = check_damage(damaged); !whole) warn_once(whole.error().context);
  const std::uint64_t now = env_.clock().time;
  bool to_self = false;
  for (const auto& entry : *entries) {
    to_self = to_self || entry.recipient == store.identity();
    if (!core::is_due(store.queue().progress(entry.id), now)) continue;
    waiting_[entry.recipient].push_back(entry.id);
  }
  if (to_self) {
    if (auto own = post_office_.deliver_to_self(); !own) warn_once(own.error().context);
  }
  std::vector<net::Target> targets;
  for (const auto& [identity, ids] : waiting_) {
    if (identity == store.identity()) continue;
    auto peer = peer_of(store, identity);
    if (!peer || !*peer) continue;
    net::Target target = target_of(**peer);
    if (!target.places.empty()) {
      targets.push_back(std::move(target));
    } else if ((*peer)->card && !core::relays_of(*(*peer)->card).empty()) {
      const Error nowhere{Code::kUnavailable, "listens nowhere that is known"};
      note_unreached(store, ids, nowhere, now);
      unreached_.insert(ids.begin(), ids.end());
    }
  }
  plan_errands(*entries);
  for (const auto& round : rounds_)
    std::ranges::move(round.targets(env_), std::back_inserter(targets));
  add_relays(targets);
  add_owners(targets);
  return targets;
}

/// Relays have their turn when the recipient himself could not be reached.
void Server::plan_errands(const std::vector<core::QueueEntry>& entries) {
  const auto at = Clock::now();
  const bool may_withdraw = !withdrawn_ || at - *withdrawn_ >= kCollectEvery;
  if (unreached_.empty() && !may_withdraw) return;
  withdrawn_ = at;
  std::vector<core::QueueEntry> chosen;
  for (const auto& entry : entries) {
    if (!unreached_.contains(entry.id)) continue;
    auto copy = env_.store().queue().load(entry.id);
    if (copy) chosen.push_back(std::move(*copy));
  }
  unreached_.clear();
  auto round = RelayRound::plan(
      env_, chosen, [this](const core::NewMail& mail) { announce(env_, names_, mail); });
  if (!round) return warn_once(round.error().context);
  if (!round->empty()) rounds_.push_back(std::move(*round));
}

/// What waits for us at relays is theirs to offer once we call.
void Server::add_relays(std::vector<net::Target>& targets) {
  const auto now = Clock::now();
  if (collected_ && now - *collected_ < kCollectEvery) return;
  collected_ = now;
  const auto* record = env_.store().card().record_of(env_.store().device().device);
  if (record == nullptr) return;
  for (const auto& relay : record->relays) {
    auto peer = peer_of(env_.store(), relay.identity);
    if (!peer || !*peer) continue;
    net::Target target = target_of(**peer);
    if (!target.places.empty()) targets.push_back(std::move(target));
  }
}

/// Those for whom we hold letters may be reachable by now.
void Server::add_owners(std::vector<net::Target>& targets) {
  auto shelf = env_.store().shelf();
  if (!shelf || *shelf == nullptr) return;
  auto owners = (*shelf)->owners();
  if (!owners) return warn_once(owners.error().context);
  const auto now = Clock::now();
  for (const auto& owner : *owners) {
    if (owner.letters == 0) {
      calls_.erase(owner.identity);
      continue;
    }
    Call& call = calls_[owner.identity];
    if (now < call.next) continue;
    call.next = now + call.pause;
    call.pause = std::min<std::chrono::seconds>(2 * call.pause, kLastCall);
    auto peer = peer_of(env_.store(), owner.identity);
    if (!peer || !*peer) continue;
    net::Target target = target_of(**peer);
    if (!target.places.empty()) targets.push_back(std::move(target));
  }
}

void Server::dialed(const net::Target& target, const net::DialOutcome& outcome) {
  if (target.mailbox != nullptr) {
    for (auto& round : rounds_) round.ended(target.mailbox, outcome.reached);
    std::erase_if(rounds_, [](const RelayRound& round) { return round.empty(); });
    if (outcome.error)
      env_.detail("relay " + names_.label(*target.identity) + ": " + outcome.error->context);
    return;
  }
  if (outcome.error && target.identity) {
    const std::string who = names_.label(*target.identity);
    env_.detail(fmt::format("{}: {}", who, outcome.error->context));
    const auto found = waiting_.find(*target.identity);
    if (found != waiting_.end()) {
      note_unreached(env_.store(), found->second, *outcome.error, env_.clock().time);
      if (!outcome.reached) unreached_.insert(found->second.begin(), found->second.end());
    }
  }
}

void Server::say(const net::Event& event) {
  using Kind = net::Event::Kind;
  if (env_.verbose || env_.json) progress_.take(event);
  switch (event.kind) {
    case Kind::kMet:
    case Kind::kReceived:
    case Kind::kDelivered:
    case Kind::kProgress:
      return;
    case Kind::kRefused:
      return env_.detail("refused: " + event.error.context);
    case Kind::kFailed:
      return env_.detail("failed: " + event.error.context);
  }
}

Status Server::publish(const Places& places, const std::vector<core::Endpoint>& bound) {
  std::vector<core::Endpoint> endpoints = places.advertise;
  if (endpoints.empty()) {
    std::copy_if(bound.begin(), bound.end(), std::back_inserter(endpoints),
                 [](const auto& endpoint) { return !is_wildcard(endpoint); });
  }
  if (!endpoints.empty()) return env_.store().advertise(endpoints, env_.clock());
  const auto* record = env_.store().card().record_of(env_.store().device().device);
  if (record == nullptr || record->endpoints.empty()) {
    env_.note("my card names no place to reach me; say it with --advertise tcp://HOST:PORT");
  }
  return {};
}

// JSON, first: {"endpoint"} per place; then as fetch does, per message
Status Server::run(const Places& places) {
  if (const auto& whole = env_.store().recovered(); !whole) warn_once(whole.error().context);
  const core::AgreeSecret transport = env_.store().device().transport.clone();
  net::reserve_descriptors();
  auto node = net::Node::create(post_office_, transport);
  if (!node) return node.error();
  (*node)->limit_rate(env_.settings.limit_rate);
  std::vector<core::Endpoint> bound;
  for (const auto& endpoint : places.listen) {
    auto place = (*node)->listen(endpoint);
    if (!place) return place.error().in(endpoint.text());
    bound.push_back(*place);
  }
  if (auto published = publish(places, bound); !published) return published;
  auto watch = core::QueueWatch::create(env_.store().queue().directory());
  if (!watch) return watch.error();
  std::string places_bound;
  for (const auto& place : bound) {
    places_bound += " " + place.text();
    env_.note("listening on " + place.text());
    if (env_.json) env_.print(json_line("listening", {{"endpoint", place.text()}}));
  }
  if (auto flushed = env_.flush(); !flushed) return flushed;
  net::NodeHooks hooks;
  hooks.due = [this] { return due(); };
  hooks.dialed = [this](const auto& target, const auto& outcome) { dialed(target, outcome); };
  hooks.event = [this](const net::Event& event) { say(event); };
  static const std::atomic<bool> never{false};
  notify(env_.notify_socket, "READY=1\n" + status_line("listening on" + places_bound));
  auto ended = (*node)->run(hooks, watch->fd(), env_.stop != nullptr ? *env_.stop : never);
  notify(env_.notify_socket, "STOPPING=1");
  return ended;
}

Status run_serve(Env& env, const Options& options) {
  auto places = parse_places(env, options);
  if (!places) return places.error();
  if (auto limited = take_limit_rate(env, options.limit_rate); !limited) return limited;
  if (auto limited = take_max_size(env, options.max_size); !limited) return limited;
  auto names = Names::load(env.store());
  if (!names) return names.error();
  return Server(env, std::move(*names)).run(*places);
}

}  // namespace

Action add_serve(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--listen", options->listen,
                 "Where to listen (default tcp://*:7787); port 0 = any")
      ->type_name("tcp://ADDR:PORT")
      ->allow_extra_args(false);
  app.add_option("--advertise", options->advertise,
                 "What my card says; default: where I listen, if that is an address")
      ->type_name("tcp://HOST:PORT")
      ->allow_extra_args(false);
  app.add_option("--limit-rate", options->limit_rate,
                 "Bytes a second that are sent in all, as 512K or 2M; 0 = no limit")
      ->type_name("RATE");
  app.add_option("--max-size", options->max_size,
                 "Leave larger letters with the sender; 0 = take all")
      ->type_name("SIZE");
  return [options](Env& env) { return run_serve(env, *options); };
}

}  // namespace p2pmail::cmd
