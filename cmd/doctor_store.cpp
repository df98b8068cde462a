// doctor: what an open store can be asked.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "cmd/delivery.h"
#include "cmd/doctor.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "core/blob_upkeep.h"
#include "core/partial.h"
#include "core/post_office.h"
#include "core/sealed_file.h"
#include "core/text.h"
#include "net/dial.h"

namespace p2pmail::cmd {

namespace fs = std::filesystem;
using Level = Finding::Level;

namespace {

constexpr std::uint64_t kStaleTmp = 36 * 3600;  // what Maildir readers take for abandoned
constexpr std::uint64_t kStaleStream = 31 * 86400;  // later than the journal removes it
constexpr std::uint64_t kOldQueue = 7 * 86400;

std::uint64_t age_of(const fs::path& path, std::uint64_t now) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0) return 0;
  const auto changed = static_cast<std::uint64_t>(facts.st_ctim.tv_sec);
  return now > changed ? now - changed : 0;
}

}  // namespace

// The rest of a letter that comes may come for long (core/partial.h).
bool is_stale(const fs::path& path, std::uint64_t now) {
  const bool is_stream = path.extension() == core::kPartialSuffix;
  return age_of(path, now) > (is_stream ? kStaleStream : kStaleTmp);
}

namespace {

std::size_t stale_in(const fs::path& directory, std::uint64_t now) {
  std::error_code failure;
  std::size_t stale = 0;
  for (const auto& entry : fs::directory_iterator(directory, failure)) {
    if (is_stale(entry.path(), now)) ++stale;
  }
  return stale;
}

struct MailCount {
  std::size_t files = 0;
  std::size_t unsealed = 0;
  std::string first_unsealed;
  std::string unreadable;
};

void count_folder(core::Maildir& maildir, const std::string& folder, MailCount& count) {
  auto files = maildir.list(folder);
  if (!files) {
    count.unreadable = files.error().context;
    return;
  }
  for (const auto& file : *files) {
    ++count.files;
    if (core::SealedFile::open(file.path)) continue;
    ++count.unsealed;
    if (count.first_unsealed.empty()) count.first_unsealed = file.path.string();
  }
}

/// Large letters (core/blobs.h): mail without its stream, streams without mail.
void check_blobs(const core::Maildir& maildir, Findings& findings) {
  const auto survey = core::survey_blobs(maildir, core::SurveyOf::kAll);
  for (const auto& broken : survey.broken) {
    findings.push_back({Level::kProblem, "large mail", broken.file.string() + ": " + broken.why,
                        "restore mail/.p2pmail/blobs from a backup; p2pmail rm ends the message"});
  }
  if (!survey.doubt.empty()) {
    findings.push_back({Level::kWarning, "large mail", survey.doubt,
                        "nothing is tidied up while files cannot be read"});
    return;
  }
  std::uint64_t size = 0;
  for (const auto& one : survey.unused) size += one.size;
  if (!survey.unused.empty()) {
    findings.push_back({Level::kOk, "large mail",
                        fmt::format("{} of {} streams belong to no mail, {}", survey.unused.size(),
                                    survey.blobs, human_size(size)),
                        "fetch and serve remove them 30 days after they were first seen so"});
  } else if (survey.blobs > 0 && survey.broken.empty()) {
    findings.push_back({Level::kOk, "large mail",
                        fmt::format("{} streams beside the Maildir", survey.blobs), ""});
  }
}

}  // namespace

void check_card(Env& env, Findings& findings) {
  core::Store& store = env.store();
  const auto* record = store.card().record_of(store.device().device);
  const std::uint64_t now = env.clock().time;
  if (record == nullptr) {
    findings.push_back({Level::kProblem, "card", "this device is not on its own card",
                        "restore the file card from a backup"});
    return;
  }
  const std::uint64_t made = store.device().prekeys.front().created;
  if (now > made && now - made > 2 * core::kPrekeyPeriod) {
    findings.push_back({Level::kWarning, "card",
                        fmt::format("the newest prekey is {} old", short_duration(now - made)),
                        "p2pmail fetch, from cron, renews it every week"});
  } else {
    findings.push_back({Level::kOk, "card", "signed, its prekey is current", ""});
  }
}

void check_maildir(Env& env, Findings& findings) {
  core::Maildir& maildir = env.store().maildir();
  const std::uint64_t now = env.clock().time;
  MailCount count;
  std::size_t stale = stale_in(maildir.partial(), now);
  for (const auto& folder : maildir.folders()) {
    count_folder(maildir, folder, count);
    stale += stale_in(maildir.directory(folder, "tmp"), now);
  }
  if (!count.unreadable.empty()) {
    findings.push_back(
        {Level::kProblem, "maildir", count.unreadable, "give yourself back the right to read it"});
  }
  if (count.unsealed > 0) {
    findings.push_back({Level::kWarning, "maildir",
                        fmt::format("{} of {} files are damaged or were not sealed by us, first {}",
                                    count.unsealed, count.files, count.first_unsealed),
                        "p2pmail ls names each; other programs may have put them there"});
  } else {
    findings.push_back(
        {Level::kOk, "maildir", fmt::format("{} messages, all sealed", count.files), ""});
  }
  if (stale > 0) {
    findings.push_back({Level::kWarning, "maildir",
                        fmt::format("{} unfinished files are older than 36 hours", stale),
                        "left by a crash; p2pmail doctor --repair removes them"});
  }
  check_blobs(maildir, findings);
}

void check_queue(Env& env, Findings& findings) {
  core::Store& store = env.store();
  std::vector<core::DamagedEntry> damaged;
  const auto entries = store.queue().list(&damaged);
  if (!entries || !damaged.empty()) {
    findings.push_back({Level::kProblem, "queue",
                        !entries ? entries.error().context : damaged.front().why,
                        "the message is still in Sent: send it again, and remove the entry with "
                        "queue cancel"});
    return;
  }
  const std::uint64_t now = env.clock().time;
  const auto old = std::count_if(entries->begin(), entries->end(), [now](const auto& entry) {
    return now > entry.time && now - entry.time > kOldQueue;
  });
  if (old > 0) {
    findings.push_back(
        {Level::kWarning, "queue",
         fmt::format("{} of {} letters wait for more than a week", old, entries->size()),
         "p2pmail queue says why"});
  } else {
    findings.push_back({Level::kOk, "queue", fmt::format("{} letters wait", entries->size()), ""});
  }
}

void check_disk(Env& env, Findings& findings) {
  struct statvfs facts {};
  if (statvfs(env.paths.root.c_str(), &facts) != 0) return;
  const std::uint64_t free = std::uint64_t{facts.f_bavail} * facts.f_frsize;
  if ((facts.f_flag & ST_RDONLY) != 0) {
    findings.push_back({Level::kProblem, "disk", "the file system is read-only", "mount it rw"});
  } else if (free < env.settings.keep_free) {
    findings.push_back({Level::kProblem, "disk",
                        human_size(free) + " free, less than keep_free: no mail is taken",
                        "make room, or lower the setting keep_free"});
  } else {
    findings.push_back({Level::kOk, "disk", human_size(free) + " free", ""});
  }
}

namespace {

/// Who is dialed, and under which name it is reported.
struct Probe {
  std::string name;
  std::string where;
  bool is_own = false;
};

void add_probes(const std::string& name, bool is_own, const net::Target& all,
                std::vector<net::Target>& targets, std::vector<Probe>& probes) {
  for (const auto& place : all.places) {
    net::Target one;
    one.identity = all.identity;
    one.places = {place};
    one.push = false;
    targets.push_back(std::move(one));
    probes.push_back({name, place.endpoint.text(), is_own});
  }
}

Finding outcome_of(const Probe& probe, const net::DialOutcome& outcome) {
  const std::string who =
      probe.is_own ? "my own place " + probe.where : probe.name + " at " + probe.where;
  if (!outcome.card.empty()) return {Level::kOk, "places", who + " answers", ""};
  const std::string why = outcome.error ? outcome.error->context : "no answer";
  return {Level::kWarning, "places", who + ": " + why,
          probe.is_own ? "start p2pmail serve, open the port, or correct --advertise"
                       : "mail for " + probe.name + " waits in the queue meanwhile"};
}

}  // namespace

void check_places(Env& env, Findings& findings) {
  core::Store& store = env.store();
  core::Peer self;
  self.identity = store.identity();
  self.card = store.card();
  std::vector<net::Target> targets;
  std::vector<Probe> probes;
  add_probes("me", true, target_of(self), targets, probes);
  const bool listens = !targets.empty();
  auto names = Names::load(store);
  auto peers = store.state().peers();
  if (!peers || !names) {
    findings.push_back(
        {Level::kProblem, "peers", peers ? names.error().context : peers.error().context, ""});
    return;
  }
  std::size_t reachable = 0;
  for (const auto& peer : *peers) {
    if (peer.blocked) continue;
    const auto target = target_of(peer);
    reachable += target.places.empty() ? 0 : 1;
    add_probes(names->label(peer.identity), false, target, targets, probes);
  }
  if (!listens) {
    findings.push_back(
        {peers->size() > reachable ? Level::kWarning : Level::kOk, "places",
         "my card names no place: mail comes when I fetch",
         peers->size() > reachable ? "somebody of two has to listen: p2pmail serve" : ""});
  }
  if (targets.empty()) return;
  core::PostOffice post_office(store, post_office_options(env));
  net::DialOptions dialing;
  dialing.total = std::chrono::seconds{20};
  dialing.stop = env.stop;
  const auto outcomes = net::dial(post_office, store.device().transport, targets, dialing);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    findings.push_back(outcome_of(probes[i], outcomes[i]));
  }
}

}  // namespace p2pmail::cmd
