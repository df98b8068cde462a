#include "core/stored_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/text.h"

namespace p2pmail::core {
namespace {

constexpr std::size_t kMinIdDigits = 4;
constexpr std::size_t kIdDigits = 2 * MessageId::kSize;

std::uint64_t time_in_name(const std::string& unique) {
  std::uint64_t time = 0;
  std::from_chars(unique.data(), unique.data() + unique.size(), time);
  return time;
}

std::string addresses_of(const std::vector<Mailbox5322>& list) {
  std::string all;
  for (const Mailbox5322& mailbox : list) {
    if (!all.empty()) all += ", ";
    all += mailbox.name.empty() ? mailbox.address : mailbox.name + " <" + mailbox.address + ">";
  }
  return all;
}

/// What the outer header says; nothing of it is evidence.
Listed list_locked(const MailFile& file) {
  Listed line;
  line.file = file;
  line.time = time_in_name(file.unique);
  const auto outer = read_outer(file.path);
  if (!outer) {
    line.damage = outer.error().context;
    return line;
  }
  if (const auto id = id_in(*outer)) line.id = to_hex(*id);
  const auto fields = parse_header(*outer);
  if (!fields) return line;
  line.subject = fields->subject;
  line.from = addresses_of(fields->from);
  line.to = addresses_of(fields->to);
  return line;
}

Listed list_unlocked(Store& store, const MailFile& file, const AgreeSecret& secret) {
  Listed line = list_locked(file);
  const auto message = StoredMessage::open(file.path, secret, store.store_public(), store.card());
  if (!message) {
    if (message.error().code != Code::kNotFound) line.damage = message.error().context;
    return line;
  }
  const Capsule& capsule = message->capsule();
  line.locked = false;
  line.id = to_hex(capsule.id);
  line.time = capsule.time;
  line.subject = capsule.subject;
  line.sender = capsule.sender;
  line.verdict = capsule.verdict;
  return line;
}

void sort_by_time(std::vector<Listed>& lines) {
  std::ranges::sort(lines, [](const Listed& a, const Listed& b) {
    return std::tie(a.time, a.file.unique) < std::tie(b.time, b.file.unique);
  });
}

/// "@" and "@~N": how many before the newest; nullopt when the words are something else.
std::optional<std::size_t> parse_at(std::string_view name) {
  if (name == "@") return 0;
  if (!name.starts_with("@~")) return std::nullopt;
  std::size_t back = 0;
  const char* end = name.data() + name.size();
  const auto [stop, failure] = std::from_chars(name.data() + 2, end, back);
  if (failure != std::errc{} || stop != end) return std::nullopt;
  return back;
}

Result<Listed> nth_newest(Store& store, const std::string& folder, std::size_t back) {
  auto lines = list_ids(store, folder);
  if (!lines) return lines.error();
  if (back >= lines->size())
    return Error{Code::kNotFound, fmt::format("{} has only {} messages", folder, lines->size())};
  return (*lines)[lines->size() - 1 - back];
}

/// Mail to oneself has one id and two files: what was received is meant, not the copy.
int rank_of(const std::string& folder) {
  if (folder == kInbox) return 0;
  if (folder == ".Trash") return 3;
  return folder == ".Sent" ? 2 : 1;
}

Result<Listed> by_prefix(Store& store, const std::string& folder, std::string_view digits) {
  auto lines = list_ids(store, folder);
  if (!lines) return lines.error();
  std::optional<Listed> found;
  for (Listed& line : *lines) {
    if (line.id.empty() || !line.id.starts_with(digits)) continue;
    if (found && found->id != line.id)
      return Error{Code::kUsage,
                   fmt::format("{} is ambiguous: {} or {}", digits, found->id.substr(0, 12),
                               line.id.substr(0, 12)),
                   "give more digits"};
    if (!found || rank_of(line.file.folder) < rank_of(found->file.folder)) found = std::move(line);
  }
  if (!found) return Error{Code::kNotFound, fmt::format("{}: no such message", digits)};
  return *found;
}

}  // namespace

Result<StoredMessage> StoredMessage::open(const std::filesystem::path& path,
                                          const AgreeSecret& store_secret,
                                          const StoreKey& store_public, const Card& own) {
  auto file = SealedFile::open(path);
  if (!file) return file.error();
  auto capsule = open_capsule(file->capsule(), store_secret, store_public);
  if (!capsule) return capsule.error().in(path.string());
  if (capsule->size != file->stream_size())
    return Error{Code::kForged, path.string() + ": the stream is not as long as its capsule says"};
  if (file->blob() && file->blob()->name != capsule->id)
    return Error{Code::kForged, path.string() + ": it names the stream of another message"};
  if (const auto proved = verify_capsule(*capsule, own); !proved)
    return proved.error().in(path.string());
  StoredMessage message;
  message.capsule_ = std::make_unique<Capsule>(std::move(*capsule));
  message.file_ = std::make_unique<SealedFile>(std::move(*file));
  return message;
}

namespace {

Error damaged() {
  return Error{Code::kForged, "the stored message is damaged: its hash does not fit"};
}

/// The source of a stream that lies in memory.
Source memory_source(const Bytes& stream) {
  return [&stream](std::uint64_t offset, ByteSpan out) -> Status {
    if (offset > stream.size() || out.size() > stream.size() - offset)
      return Error{Code::kMalformed, "the sealed mail ends too early"};
    std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  };
}

}  // namespace

Status StoredMessage::open_stream(const Blobs& blobs) {
  const std::uint64_t size = file_->stream_size();
  if (file_->blob()) {
    auto reader = BlobReader::open(blobs, *file_->blob(), size, capsule_->root);
    if (!reader) return reader.error();
    blob_ = std::make_unique<BlobReader>(std::move(*reader));
    return {};
  }
  if (block_count(size) == 1) {
    block_ = std::make_unique<Bytes>(static_cast<std::size_t>(size));
    if (const auto got = file_->source()(0, *block_); !got) return got;
    if (TreeVerifier(capsule_->root, size).check_block(0, *block_)) return {};
    block_.reset();
    return damaged();
  }
  const auto root = hash_stream(size, file_->source());
  if (!root) return root.error();
  return *root == capsule_->root ? Status{} : damaged();
}

Result<MessageSource> StoredMessage::source() {
  if (!opener_) {
    check(blob_ != nullptr || !is_large());
    Source stream = file_->source();
    if (block_) stream = memory_source(*block_);
    if (blob_) {
      stream = [blob = blob_.get()](std::uint64_t offset, ByteSpan out) {
        return blob->read(offset, out);
      };
    }
    auto opener = LetterOpener::open(capsule_->payload_key, file_->stream_size(), std::move(stream));
    if (!opener) return opener.error();
    opener_ = std::make_unique<LetterOpener>(std::move(*opener));
  }
  MessageSource source;
  source.size = opener_->message_size();
  source.read = [opener = opener_.get()](std::uint64_t offset, ByteSpan out) {
    return opener->read(offset, out);
  };
  return source;
}

Result<std::vector<Listed>> list_folder(Store& store, const std::string& folder,
                                        const AgreeSecret* store_secret) {
  auto files = store.maildir().list(folder);
  if (!files) return files.error();
  std::vector<Listed> lines;
  lines.reserve(files->size());
  for (const MailFile& file : *files)
    lines.push_back(store_secret != nullptr ? list_unlocked(store, file, *store_secret)
                                            : list_locked(file));
  sort_by_time(lines);
  return lines;
}

Result<std::vector<Listed>> list_ids(Store& store, const std::string& folder) {
  std::vector<std::string> folders{folder};
  if (folder.empty()) folders = store.maildir().folders();
  std::vector<Listed> lines;
  for (const std::string& one : folders) {
    auto files = store.maildir().list(one);
    if (!files) return files.error();
    for (const MailFile& file : *files) {
      Listed line;
      line.file = file;
      line.time = time_in_name(file.unique);
      const auto outer = read_outer(file.path);
      if (!outer) continue;  // vanished, or unreadable: it has no name here
      if (const auto id = id_in(*outer)) line.id = to_hex(*id);
      lines.push_back(std::move(line));
    }
  }
  sort_by_time(lines);
  return lines;
}

std::vector<Listed> list_newest(const Maildir& maildir, std::size_t most) {
  std::vector<std::pair<std::uint64_t, MailFile>> files;
  for (const std::string& folder : maildir.folders()) {
    auto some = maildir.list(folder);
    if (!some) continue;
    for (MailFile& file : *some) files.emplace_back(time_in_name(file.unique), std::move(file));
  }
  const auto newer = [](const auto& a, const auto& b) {
    return std::tie(a.first, a.second.unique) > std::tie(b.first, b.second.unique);
  };
  const auto count = std::min(most, files.size());
  std::partial_sort(files.begin(), files.begin() + static_cast<std::ptrdiff_t>(count), files.end(),
                    newer);
  std::vector<Listed> lines;
  for (std::size_t i = 0; i < count; ++i) lines.push_back(list_locked(files[i].second));
  return lines;
}

Result<Listed> resolve_message(Store& store, std::string_view name) {
  std::string folder;  // empty: every folder
  std::string_view rest = name;
  if (const auto slash = name.rfind('/'); slash != std::string_view::npos) {
    auto wanted = Maildir::folder_name(name.substr(0, slash));
    if (!wanted) return wanted.error();
    if (!store.maildir().has_folder(*wanted))
      return Error{Code::kNotFound, fmt::format("{}: no such folder", name.substr(0, slash))};
    folder = *wanted;
    rest = name.substr(slash + 1);
  }
  if (const auto back = parse_at(rest))
    return nth_newest(store, folder.empty() ? std::string(kInbox) : folder, *back);
  const bool digits = std::ranges::all_of(rest, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  if (!digits || rest.size() < kMinIdDigits || rest.size() > kIdDigits)
    return Error{Code::kUsage,
                 fmt::format("{}: a message is named by at least {} digits of its id, or @, or @~N",
                             clean_line(name, 60), kMinIdDigits),
                 "p2pmail ls"};
  return by_prefix(store, folder, rest);
}

}  // namespace p2pmail::core
