// One simulated person for the model test: a real store in a directory of its own, clocks that can
// be wrong, a kill in the middle of whatever calls its clock, and a backup that can come back.
//
// A kill is a copy of the directory at that moment, which takes the directory's place once the
// objects are gone: what destructors tidy up on the way out does not count, as with kill -9.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "core/address.h"
#include "core/expiry.h"
#include "core/outbox.h"
#include "core/post_office.h"
#include "core/store.h"
#include "core/stored_message.h"

namespace p2pmail::net::model {

namespace fs = std::filesystem;

inline constexpr std::uint64_t kHour = 3600;
inline constexpr std::uint64_t kDay = 24 * kHour;
/// Later than any real file's time: what is protected by its age only is not protected here.
inline constexpr std::uint64_t kStart = 2'000'000'000;

/// What the schedule shares: true time, and the first promise that was broken.
struct Report {
  std::uint64_t time = kStart;
  std::string broken;  // the first; empty = none

  void fail(const std::string& what) {
    if (broken.empty()) broken = what;
  }
  void must(const core::Status& status, const std::string& what) {
    if (!status) fail(what + ": " + status.error().context);
  }
};

/// A directory in memory, when there is one.
class Place {
 public:
  Place() {
    const bool in_memory = fs::is_directory("/dev/shm");
    std::string name = (in_memory ? fs::path("/dev/shm") : fs::temp_directory_path()) /
                       "p2pmail-model-XXXXXX";
    core::check(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Place() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  fs::path path;
};

/// A notice, by the message that it is about and its recipient.
struct NoticeOf {
  std::string message;  // hex digits
  std::string recipient;  // key text
  bool failed = false;
  auto operator<=>(const NoticeOf&) const = default;
};

class Node {
 public:
  Node(Report& report, const fs::path& place, std::string its_name)
      : name(std::move(its_name)), report_(report), paths_{place / name} {
    core::CreateOptions options;
    options.name = name;
    const auto made = core::create_store(paths_, options, now());
    core::check(made.has_value());
    identity = *made;
    open();
    const auto secret = store->unlock(nullptr);
    core::check(secret.has_value());
    secret_ = secret->clone();
  }

  [[nodiscard]] core::Now now() const {
    core::Now out;
    out.time = report_.time + static_cast<std::uint64_t>(skew);
    out.boot_time = report_.time - booted + 60;
    out.boot_id.fill(boot);
    return out;
  }
  /// As the product asks for it: here a kill may fall due.
  [[nodiscard]] core::Now clocks() {
    if (kill_in > 0 && --kill_in == 0 && !killed) {
      copy(paths_.root, image());
      killed = true;
    }
    return now();
  }
  [[nodiscard]] core::Caller caller() const {
    return {store->device().transport_public, identity, store->device().device};
  }
  [[nodiscard]] std::string address() const { return core::Address{name, "", identity}.text(); }
  [[nodiscard]] core::PostOffice::Options office_options();
  /// Another process opens the same store.
  [[nodiscard]] std::unique_ptr<core::Store> open_beside() {
    auto opened = core::Store::open(paths_, now());
    if (opened) return std::move(*opened);
    report_.fail(name + " does not open twice: " + opened.error().context);
    return nullptr;
  }

  void open() {
    auto opened = core::Store::open(paths_, now());
    if (!opened) return report_.fail(name + " does not open: " + opened.error().context);
    store = std::move(*opened);
    report_.must(store->recovered(), name + " does not recover");
  }
  /// Everything that uses the store is gone by now.
  void revive() {
    if (!killed) copy(paths_.root, image());
    store.reset();
    fs::remove_all(paths_.root);
    fs::rename(image(), paths_.root);
    killed = false;
    kill_in = 0;
    open();
  }
  void reboot() {
    ++boot;
    if (boot == 0) boot = 1;  // zero means: not known
    booted = report_.time;
  }
  void back_up() {
    store.reset();
    copy(paths_.root, backup());
    has_backup = true;
    open();
  }
  void restore() {
    store.reset();
    fs::remove_all(paths_.root);
    copy(backup(), paths_.root);
    mail.clear();
    notices.clear();
    open();
  }
  /// Reads what is new in the inbox and .Requests; each file is opened and verified once.
  void scan();

  const std::string name;
  core::IdentityKey identity;
  std::unique_ptr<core::Store> store;
  std::int64_t skew = 0;  // seconds that the wall clock is wrong by
  std::uint64_t booted = kStart - 1'000'000;
  std::uint8_t boot = 1;
  bool online = true;
  bool stranger = false;  // in nobody's address book
  std::uint64_t expire = 30 * kDay;
  std::uint64_t max_bits = 22;
  bool has_backup = false;
  int kill_in = 0;  // calls of the clock; 0 = not planned
  bool killed = false;

  struct Mail {
    std::string subject;
    core::IdentityKey sender;
  };
  std::map<std::string, Mail> mail;         // by the file's unique name: what is there
  std::map<std::string, NoticeOf> notices;  // the same of notices
  std::set<std::string> ever;               // subjects that have been there
  std::map<core::IdentityKey, std::uint64_t> quotas;  // bytes on our shelf that may be his

 private:
  [[nodiscard]] fs::path image() const { return paths_.root.string() + ".image"; }
  [[nodiscard]] fs::path backup() const { return paths_.root.string() + ".backup"; }
  static void copy(const fs::path& from, const fs::path& to) {
    fs::remove_all(to);
    fs::copy(from, to, fs::copy_options::recursive);
  }
  void read(const core::MailFile& file);

  Report& report_;
  core::Paths paths_;
  core::AgreeSecret secret_;
};

inline core::PostOffice::Options Node::office_options() {
  core::PostOffice::Options options;
  options.policy = core::HeaderPolicy::kNone;
  options.room.request_daily = 1'000'000;  // counted by real time
  options.stamps.max_bits = max_bits;
  options.clocks = [this] { return clocks(); };
  options.on_mail = [this](const core::NewMail& mail_here) {
    (void)clocks();  // a kill between a delivery and its receipt
    const auto peer = store->state().find_peer(mail_here.sender);
    if (peer && *peer && (*peer)->blocked)
      report_.fail(name + " accepted " + mail_here.subject + " from somebody blocked");
  };
  return options;
}

/// The notice's own words, decoded as far as this test needs it.
inline NoticeOf notice_in(const std::string& text) {
  NoticeOf out;
  const auto after = [&text](std::string_view field) {
    const auto at = text.find(field);
    return at == std::string::npos ? text.size() : at + field.size();
  };
  const auto id = text.find_first_of("0123456789abcdef", after("Original-Envelope-Id:"));
  if (id != std::string::npos) out.message = text.substr(id, 2 * core::MessageId::kSize);
  const auto domain = text.find(".p2pmail.alt", after("Final-Recipient:"));
  if (domain != std::string::npos && domain > 56) out.recipient = text.substr(domain - 56, 56);
  out.failed = text.find("\nAction: failed") != std::string::npos;
  return out;
}

inline void Node::read(const core::MailFile& file) {
  auto message =
      core::StoredMessage::open(file.path, secret_, store->store_public(), store->card());
  if (!message) return report_.fail(name + ": " + message.error().context);
  report_.must(message->open_stream(core::Blobs(store->paths().mail())), name + ": damaged mail");
  const auto& capsule = message->capsule();
  if (capsule.subject.starts_with("m")) {
    for (const auto& [unique, other] : mail)
      if (other.subject == capsule.subject)
        report_.fail(name + " has " + capsule.subject + " twice");
    mail[file.unique] = {capsule.subject, capsule.sender};
    ever.insert(capsule.subject);
    return;
  }
  const auto source = message->source();
  if (!source) return report_.fail(name + ": " + source.error().context);
  std::string text(source->size, '\0');
  for (std::uint64_t at = 0; at < text.size();) {
    const auto got =
        source->read(at, {reinterpret_cast<std::uint8_t*>(text.data()) + at, text.size() - at});
    if (!got || *got == 0) return report_.fail(name + ": a notice cannot be read");
    at += *got;
  }
  const NoticeOf notice = notice_in(text);
  for (const auto& [unique, other] : notices)
    if (other == notice) report_.fail(name + " has two notices about one letter");
  notices[file.unique] = notice;
}

inline void Node::scan() {
  for (const std::string& folder : {std::string(core::kInbox), std::string(core::kRequests)}) {
    const auto files = store->maildir().list(folder);
    if (!files) return report_.fail(name + ": " + files.error().context);
    for (const auto& file : *files)
      if (!mail.contains(file.unique) && !notices.contains(file.unique)) read(file);
  }
}

/// All that relays hold of this person's letters, and what nobody has withdrawn yet.
inline std::vector<core::DepositRecord> records_of(core::Deposits& deposits) {
  std::vector<core::DepositRecord> all;
  const auto entries = deposits.entries();
  if (!entries) return all;
  for (const auto& entry : *entries) {
    auto some = deposits.of(entry);
    if (some) std::ranges::move(*some, std::back_inserter(all));
  }
  return all;
}

}  // namespace p2pmail::net::model
