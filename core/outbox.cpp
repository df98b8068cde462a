#include "core/outbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "core/address.h"
#include "core/blobs.h"
#include "core/capsule.h"
#include "core/envelope.h"
#include "core/letter.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

/// A sealed file under construction in the partial directory, and the blob of a large one; removed
/// unless they were given away.
struct SealedLetter {
  fs::path path;
  fs::path stream;     // the file that holds the stream: `path`, or the blob
  std::string letter;  // its name in the queue
  LetterSealer::Sealed sealed;
  std::uint64_t stream_offset = 0;
  SymmetricKey payload_key;
  MessageId id;
  std::unique_ptr<Blobs> blobs;  // when there is a blob

  SealedLetter() = default;
  SealedLetter(SealedLetter&&) = default;
  SealedLetter& operator=(SealedLetter&&) = default;
  ~SealedLetter() {
    if (!path.empty()) (void)unlink(path.c_str());
    if (blobs) blobs->remove(id);
  }
};

OuterHeader outer_of(const Posting& posting) {
  OuterHeader outer;
  outer.fields = posting.fields;
  outer.policy = posting.policy;
  return outer;
}

Capsule capsule_of(const Store& store, const Posting& posting, const Now& now) {
  Capsule capsule;
  capsule.sender = store.identity();
  capsule.subject = fit_text(posting.fields.subject, kMaxSubject);
  capsule.verdict = Verdict::kSent;
  capsule.time = now.time;
  capsule.device = store.device().device;
  capsule.bcc = posting.blind;
  return capsule;
}

/// The permanent id is known only after the stream was sealed, and it stands in the outer header in
/// front of the stream: this many digits wait there to be written over.
constexpr std::size_t kIdDigits = 2 * MessageId::kSize;

std::size_t id_place(std::string_view prefix) {
  const auto at = prefix.find("\nP2pmail-Id:");  // values have no line ends
  check(at != std::string_view::npos);
  const auto digits = prefix.find(std::string(kIdDigits, '0'), at);
  check(digits != std::string_view::npos);
  return digits;
}

std::string with_id(std::string prefix, const MessageId& id) {
  return prefix.empty() ? prefix : prefix.replace(id_place(prefix), kIdDigits, to_hex(id));
}

/// Everything in one file: the capsule and the id go into their places in front of the stream.
Status finish_whole(SealedFileWriter& writer, const SealedLetter& letter, const std::string& prefix,
                    ByteView head) {
  if (const auto done = writer.finish(head, letter.sealed.size); !done) return done;
  if (!prefix.empty()) {
    const auto fd = open_file(letter.path, O_WRONLY);
    if (!fd) return fd.error();
    const std::string digits = to_hex(letter.id);
    if (const auto put = write_at(fd->get(), id_place(prefix), bytes_of(digits), letter.path); !put)
      return put;
  }
  return writer.sync();
}

/// The file under construction becomes the blob, as it is, and a stub takes its name. A crash on the
/// way leaves at most a blob that no mail names.
Status finish_large(const Store& store, SealedFileWriter& writer, SealedLetter& letter,
                    const std::string& prefix, ByteView head) {
  if (const auto synced = writer.sync(); !synced) return synced;
  letter.blobs = std::make_unique<Blobs>(store.paths().mail());
  const Blobs& blobs = *letter.blobs;
  if (const auto adopted = blobs.adopt(letter.path, letter.id, letter.sealed.leaves); !adopted)
    return adopted;
  letter.stream = blobs.path(letter.id);
  auto stub = SealedFileWriter::create(letter.path, with_id(prefix, letter.id), head.size());
  if (!stub) return stub.error();
  const BlobRef blob{letter.id, letter.stream_offset};
  if (const auto done = stub->finish_stub(head, letter.sealed.size, blob); !done) return done;
  return stub->sync();
}

/// Seals what `fill` gives into the writer's file.
Result<LetterSealer::Sealed> seal_stream(
    SealedFileWriter& writer, const SymmetricKey& payload_key, const Now& now,
    const std::function<Status(LetterSealer&)>& fill) {
  std::uint64_t offset = 0;
  Preamble preamble;
  random_bytes(preamble.id);
  preamble.time = now.time;
  preamble.compression = kSegments;
  LetterSealer sealer(payload_key, preamble, [&](ByteView bytes) -> Status {
    const auto written = writer.write(offset, bytes);
    offset += bytes.size();
    return written;
  });
  if (const auto filled = fill(sealer); !filled) return filled.error();
  return sealer.finish();
}

/// Writes the sealed file: `fill` puts the message into the sealer. An empty prefix = a bare part.
Result<SealedLetter> seal_to(Store& store, const fs::path& path, const std::string& prefix,
                             const Posting& posting, const Now& now,
                             const std::function<Status(LetterSealer&)>& fill) {
  SealedLetter out;
  out.letter = Queue::new_letter();
  out.payload_key = make_symmetric_key();
  Capsule capsule = capsule_of(store, posting, now);
  // The size is not known yet, and a CBOR integer's length depends on it: room for the largest.
  capsule.size = kMaxLetterSize;
  auto writer = SealedFileWriter::create(path, prefix, sealed_capsule_size(capsule));
  if (!writer) return writer.error();
  out.path = out.stream = path;
  out.stream_offset = writer->stream_offset();
  auto sealed = seal_stream(*writer, out.payload_key, now, fill);
  if (!sealed) return sealed.error();
  out.sealed = std::move(*sealed);
  out.id = message_id(out.payload_key, store.identity(), out.sealed.root);

  capsule.id = out.id;
  capsule.root = out.sealed.root;
  capsule.size = out.sealed.size;
  capsule.payload_key = out.payload_key.clone();
  const auto head = seal_capsule(capsule, store.store_public(), store.device());
  if (!head) return head.error();
  const auto done = out.sealed.size > posting.inline_max
                        ? finish_large(store, *writer, out, prefix, *head)
                        : finish_whole(*writer, out, prefix, *head);
  if (!done) return done.error();
  return out;
}

Result<SealedLetter> seal_file(Store& store, const Posting& posting, const Now& now,
                               const std::function<Status(LetterSealer&)>& fill) {
  const fs::path path = store.maildir().partial() / Maildir::unique_name(now.time);
  return seal_to(store, path, sealed_prefix(outer_of(posting)), posting, now, fill);
}

/// `message`: the id of the copy in Sent; a blind recipient's letter has another one of its own.
std::vector<QueueEntry> entries_of(const SealedLetter& letter, const MessageId& message,
                                   const std::vector<IdentityKey>& to, const Posting& posting,
                                   const Now& now) {
  std::vector<QueueEntry> entries;
  for (const IdentityKey& recipient : to) {
    QueueEntry entry;
    entry.letter = letter.letter;
    entry.id = fmt::format("{}.{}", letter.letter, entries.size() + 1);
    entry.recipient = recipient;
    entry.message = message;
    entry.root = letter.sealed.root;
    entry.size = letter.sealed.size;
    entry.stream_offset = letter.stream_offset;
    entry.time = now.time;
    entry.subject = fit_text(posting.fields.subject, kMaxSubject);
    entry.notify = posting.notify;
    entry.has_leaves = letter.sealed.leaves.size() > 1;
    entry.siblings = to.size();
    entry.payload_key = letter.payload_key.clone();
    entries.push_back(std::move(entry));
  }
  return entries;
}

/// A blind recipient's letter: the same message under a key of its own, read back from the first
/// letter, so that a body from a pipe is read once.
Result<SealedLetter> seal_again(Store& store, const Posting& posting, const Now& now,
                                const SealedLetter& first) {
  const auto fd = open_file(first.stream, O_RDONLY);
  if (!fd) return fd.error();
  const Source source = [&](std::uint64_t offset, ByteSpan out) -> Status {
    const auto got = read_at(fd->get(), first.stream_offset + offset, out, first.stream);
    if (!got) return got.error();
    if (*got != out.size()) return Error{Code::kIo, first.stream.string() + ": it is cut short"};
    return {};
  };
  auto opener = LetterOpener::open(first.payload_key, first.sealed.size, source);
  if (!opener) return opener.error();
  return seal_file(store, posting, now, [&](LetterSealer& sealer) -> Status {
    SecretBytes buffer(kChunkPlain);
    for (std::uint64_t offset = 0;;) {
      const auto got = opener->read(offset, buffer.span());
      if (!got) return got.error();
      if (*got == 0) return {};
      if (const auto put = sealer.write(buffer.view().first(*got)); !put) return put;
      offset += *got;
    }
  });
}

/// Everything that must be there before the first entry becomes visible. The contents are synced; their
/// names become durable together with the entries' own, in publish.
Status stage(Store& store, const SealedLetter& letter, const std::vector<QueueEntry>& entries) {
  if (entries.empty()) return {};
  Queue& queue = store.queue();
  if (const auto added = queue.add_letter(letter.letter, letter.stream, letter.sealed.leaves);
      !added)
    return added;
  return queue.prepare(entries);
}

/// The copy in Sent; a mail program may have renamed it, so the name tells where it is.
MailFile kept_copy(const std::string& unique) {
  MailFile file;
  file.unique = unique;
  file.folder = ".Sent";
  return file;
}

}  // namespace

HeaderFields fields_of(const Draft& draft) {
  HeaderFields fields;
  fields.from = {draft.from};
  fields.to = draft.to;
  fields.cc = draft.cc;
  fields.subject = draft.subject;
  fields.time = draft.time;
  fields.date = rfc5322_date(draft.time);
  fields.message_id = draft.message_id;
  fields.in_reply_to = draft.in_reply_to;
  if (!draft.in_reply_to.empty()) fields.references = {draft.in_reply_to};
  return fields;
}

Status seal_part(Store& store, const fs::path& path,
                 const std::function<Status(const Sink&)>& content, const Now& now) {
  Posting posting;
  posting.inline_max = kMaxLetterSize;  // nothing else would be left of it in the program that keeps it
  auto sealed = seal_to(store, path, "", posting, now, [&content](LetterSealer& sealer) {
    return content([&sealer](ByteView bytes) { return sealer.write(bytes); });
  });
  if (!sealed) return sealed.error();
  sealed->path.clear();  // it stays
  return {};
}

Result<Posted> post(Store& store, const Posting& posting, const Now& now) {
  std::vector<SealedLetter> letters;
  auto first = seal_file(store, posting, now, [&](LetterSealer& sealer) {
    return posting.content([&](ByteView bytes) { return sealer.write(bytes); });
  });
  if (!first) return first.error();
  letters.push_back(std::move(*first));

  std::vector<std::vector<QueueEntry>> entries;
  entries.push_back(entries_of(letters[0], letters[0].id, posting.open, posting, now));
  Posting plain = posting;  // a blind letter's own file tells nothing about other blind recipients
  plain.blind.clear();
  plain.inline_max = kMaxLetterSize;  // it lies in the queue alone
  for (const IdentityKey& recipient : posting.blind) {
    auto again = seal_again(store, plain, now, letters[0]);
    if (!again) return again.error();
    letters.push_back(std::move(*again));
    entries.push_back(entries_of(letters.back(), letters[0].id, {recipient}, posting, now));
  }

  const auto give_up = [&](const Error& why) {
    for (const SealedLetter& letter : letters) store.queue().discard(letter.letter);
    return why;
  };
  for (std::size_t i = 0; i < letters.size(); ++i)
    if (const auto staged = stage(store, letters[i], entries[i]); !staged)
      return give_up(staged.error());
  if (const auto made = store.maildir().create_folder(".Sent"); !made) return give_up(made.error());
  // The copy first: a crash between the two leaves a copy that was not sent and a command that did
  // not succeed, never mail on its way without a copy.
  const std::string unique = letters[0].path.filename().string();
  if (const auto kept = store.maildir().deliver(letters[0].path, ".Sent", unique, "S"); !kept) {
    // It may have its name all the same, and would look like mail that was sent.
    const Error why = give_up(kept.error());
    (void)store.maildir().remove(kept_copy(unique));
    return why;
  }
  letters[0].path.clear();
  const auto blobs = std::move(letters[0].blobs);
  Posted posted;
  posted.id = letters[0].id;
  for (auto& list : entries) {
    if (const auto published = store.queue().publish(list); !published) {
      // What failed is sent again by whoever reads that: nothing of this one may go out as well.
      const Error why = give_up(published.error());
      if (store.maildir().remove(kept_copy(unique)) && blobs) blobs->remove(letters[0].id);
      return why;
    }
    std::ranges::move(list, std::back_inserter(posted.entries));
  }
  return posted;
}

}  // namespace p2pmail::core
