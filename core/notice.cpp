#include "core/notice.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "core/address.h"
#include "core/capsule.h"
#include "core/envelope.h"
#include "core/journal.h"
#include "core/letter.h"
#include "core/mime_report.h"
#include "core/sending.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

constexpr Context kMark{"p2pmail/notice"};
constexpr std::uint64_t kDay = 86400;  // seconds

/// Stands in the journal for the root of the notice.
Root mark_of(const QueueEntry& entry) {
  Root mark;
  mark.bytes = hash(kMark, {bytes_of(entry.id)}).bytes;
  return mark;
}

std::string own_address(const Store& store) {
  const Roster& roster = store.card().roster.value;
  return Address{local_part_of(roster.name), "", roster.identity}.text();
}

/// The petname, and the address with the local part that the recipient's card proposes.
Mailbox5322 recipient_of(Store& store, const IdentityKey& identity) {
  if (identity == store.identity()) return {"", own_address(store)};
  Mailbox5322 who;
  std::string name;
  if (const auto peer = store.state().find_peer(identity); peer && *peer) {
    who.name = (*peer)->petname;
    if ((*peer)->card) name = (*peer)->card->roster.value.name;
  }
  who.address = Address{local_part_of(name), "", identity}.text();
  return who;
}

/// The first bytes of the original message, which its header fits in; empty when it cannot be read:
/// the sender learns of the failure all the same.
std::string start_of_original(Store& store, const QueueEntry& entry) {
  StreamFile stream = stream_of(store, entry);
  const Source source = [&stream](std::uint64_t offset, ByteSpan out) {
    return stream.read(offset, out);
  };
  auto opener = LetterOpener::open(entry.payload_key, entry.size, source);
  if (!opener) return {};
  std::string text(kMaxQuotedHeader, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const auto got =
        opener->read(size, {reinterpret_cast<std::uint8_t*>(text.data()) + size, text.size() - size});
    if (!got) return {};
    if (*got == 0) break;
    size += *got;
  }
  text.resize(size);
  return text;
}

std::string status_of(Ending ending, const Progress& progress) {
  // RFC 3463 sections 3.3 to 3.8; expired is 4.4.7, "delivery time expired".
  switch (ending) {
    case Ending::kDelivered: return "2.0.0";
    case Ending::kExpired: return "4.4.7";
    case Ending::kCancelled: return "5.0.0";
    case Ending::kFailed: break;
  }
  if (progress.refusal.starts_with("too-large")) return "5.2.3";
  if (progress.refusal.starts_with("unsupported")) return "5.5.0";
  return progress.refusal.starts_with("refused") ? "5.7.1" : "5.0.0";
}

std::string reason_of(Ending ending, const QueueEntry& entry, const Progress& progress,
                      std::uint64_t now) {
  if (ending == Ending::kFailed)
    return fmt::format("The recipient's device has refused it {} times", progress.refusals);
  const std::uint64_t days = now > entry.time ? (now - entry.time) / kDay : 0;
  if (days == 0) return "It has waited for longer than the setting expire allows";
  return fmt::format("It has waited for {} day{}", days, days == 1 ? "" : "s");
}

void quote_original(Store& store, const QueueEntry& entry, DeliveryReport& report) {
  report.header = start_of_original(store, entry);
  if (const auto fields = parse_header(report.header)) {
    report.original_id = fields->message_id;
    report.references = fields->references;
  }
}

DeliveryReport report_on(Store& store, const QueueEntry& entry, Ending ending, std::uint64_t now) {
  const Progress progress = store.queue().progress(entry.id);
  const std::string domain = key_text(store.identity()) + "." + std::string(kDomain);
  std::array<std::uint8_t, 16> random{};
  random_bytes(random);
  DeliveryReport report;
  const bool failed = ending != Ending::kDelivered;
  report.action = failed ? DeliveryReport::Action::kFailed : DeliveryReport::Action::kDelivered;
  report.status = status_of(ending, progress);
  report.self = {store.card().roster.value.name, own_address(store)};
  report.recipient = recipient_of(store, entry.recipient);
  report.reporter = domain;
  report.message_id = to_hex(random) + "@" + domain;
  report.time = now;
  report.envelope_id = to_hex(entry.message);
  report.subject = entry.subject;
  report.queued = entry.time;
  report.attempts = progress.attempts;
  report.last_attempt = failed ? progress.last_attempt : now;
  report.reason = failed ? reason_of(ending, entry, progress, now) : "";
  if (failed)
    report.diagnostic = ending == Ending::kFailed ? progress.refusal : progress.last_error;
  quote_original(store, entry, report);
  return report;
}

/// A letter from this device to itself, sealed in memory: a notice has about 70 KiB at most.
struct SealedNotice {
  Bytes stream;
  Capsule capsule;
};

Result<OpenedEnvelope> envelope_to_self(const Store& store, const SealedNotice& notice,
                                        std::uint64_t now) {
  EnvelopeBody body;
  body.sender = body.recipient = store.identity();
  body.sender_device = store.device().device;
  body.root = notice.capsule.root;
  body.size = notice.capsule.size;
  body.time = now;
  body.subject = notice.capsule.subject;
  body.sender_card = encode_card(store.card());
  body.payload_key = notice.capsule.payload_key.clone();
  const auto envelope = seal_envelope(body, prekeys_of(store.card()), make_agree_pair(),
                                      store.device().signing);
  if (!envelope) return envelope.error();
  return open_envelope(*envelope, store.device());
}

Result<SealedNotice> seal_notice(const Store& store, const ComposedReport& report,
                                 std::uint64_t now) {
  SealedNotice notice;
  Capsule& capsule = notice.capsule;
  capsule.payload_key = make_symmetric_key();
  Preamble preamble;
  random_bytes(preamble.id);
  preamble.time = now;
  LetterSealer sealer(capsule.payload_key, preamble, [&notice](ByteView bytes) -> Status {
    append(notice.stream, bytes);
    return {};
  });
  if (const auto put = sealer.write(bytes_of(report.text)); !put) return put.error();
  const auto sealed = sealer.finish();
  if (!sealed) return sealed.error();
  capsule.root = sealed->root;
  capsule.size = sealed->size;
  capsule.sender = store.identity();
  capsule.id = message_id(capsule.payload_key, capsule.sender, capsule.root);
  capsule.subject = fit_text(report.fields.subject, kMaxSubject);
  capsule.verdict = Verdict::kSelf;
  capsule.time = now;
  auto opened = envelope_to_self(store, notice, now);
  if (!opened) return opened.error();
  capsule.signed_body = std::move(opened->signed_body);
  capsule.header_hash = opened->header_hash;
  return notice;
}

/// A complete, fsynced file in the partial directory, locked as long as the writer lives.
Result<SealedFileWriter> write_notice(Store& store, const SealedNotice& notice,
                                      const ComposedReport& report, HeaderPolicy policy) {
  OuterHeader outer;
  outer.fields = report.fields;
  outer.authentication = "p2pmail.alt; p2pmail=pass policy.signer=" + key_text(store.identity()) +
                         " policy.peer=self";
  outer.id = notice.capsule.id;
  outer.policy = policy;
  const auto head = seal_capsule(notice.capsule, store.store_public(), store.device());
  if (!head) return head.error();
  const fs::path path = store.maildir().partial() / Maildir::unique_name(notice.capsule.time);
  auto writer = SealedFileWriter::create(path, sealed_prefix(outer), head->size());
  if (!writer) return writer;
  auto done = writer->write(0, notice.stream);
  if (done) done = writer->finish(*head, notice.stream.size());
  if (done) done = writer->sync();
  if (done) done = sync_directory(store.maildir().partial());
  if (done) return writer;
  (void)unlink(path.c_str());
  return done.error();
}

/// True when this call has put it into the inbox.
Result<bool> commit_notice(Store& store, const SealedFileWriter& writer, const Root& mark,
                           std::uint64_t now) {
  Maildir& maildir = store.maildir();
  const std::string unique = writer.path().filename().string();
  const auto recorded =
      store.journal().record({{store.identity(), mark, now, std::string(kInbox), unique}},
                             [&writer](std::size_t) { return writer.is_there(); });
  // Whether the journal has it is not known now: the file stays, so that either way holds.
  if (!recorded) return recorded.error();
  if (recorded->front() == Recorded::kGone)
    return Error{Code::kIo, "a notice was removed before it was whole"};
  if (recorded->front() == Recorded::kNow) {
    const auto done = maildir.deliver(writer.path(), std::string(kInbox), unique, "");
    return done ? Result<bool>(true) : done.error();
  }
  (void)unlink(writer.path().c_str());
  const auto whole = store.journal().finish(maildir, store.identity(), mark);
  return whole ? Result<bool>(false) : whole.error();
}

}  // namespace

Status deliver_notice(Store& store, const QueueEntry& entry, Ending ending,
                      const NoticeOptions& options, std::uint64_t now) {
  const Root mark = mark_of(entry);
  const auto seen = store.journal().seen(store.identity(), mark);
  if (!seen) return seen.error();
  if (*seen) return store.journal().finish(store.maildir(), store.identity(), mark);
  const ComposedReport report = compose_report(report_on(store, entry, ending, now));
  const auto notice = seal_notice(store, report, now);
  if (!notice) return notice.error();
  const auto writer = write_notice(store, *notice, report, options.policy);
  if (!writer) return writer.error();
  const auto fresh = commit_notice(store, *writer, mark, now);
  if (!fresh) return fresh.error();
  const Capsule& capsule = notice->capsule;
  if (*fresh && options.on_mail)
    options.on_mail({capsule.id, store.identity(), std::string(kInbox), capsule.subject,
                     capsule.size});
  return {};
}

Status end_with_notice(Store& store, const Claim& claim, Ending ending,
                       const NoticeOptions& options, std::uint64_t now) {
  if (const auto told = deliver_notice(store, claim.entry, ending, options, now); !told)
    return told.error().in("notice about a letter that has ended");
  return store.queue().forget(claim, ending);
}

}  // namespace p2pmail::core
