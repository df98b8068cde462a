// send, the first way: a message composed from options and a body on standard input.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "cmd/names.h"
#include "cmd/recipients.h"
#include "cmd/send.h"
#include "core/crypto.h"
#include "core/file.h"
#include "core/stored_message.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kMaxSubjectBytes = 4096;

Status check_line(const std::string& text, const char* what) {
  if (core::has_controls(text)) {
    return Error{Code::kUsage, fmt::format("{} has control characters or is not UTF-8", what), ""};
  }
  if (text.size() > kMaxSubjectBytes)
    return Error{Code::kUsage, fmt::format("{} is too long", what), ""};
  return {};
}

struct Attachments {
  std::vector<core::Fd> open;
  std::vector<core::Draft::Attachment> list;
  bool uses_stdin = false;
  std::uint64_t size = 0;
  bool is_known = true;  // the size
};

void add_size(Attachments& all, int fd) {
  struct stat facts {};
  all.is_known = all.is_known && fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode);
  if (all.is_known) all.size += static_cast<std::uint64_t>(facts.st_size);
}

/// Without waiting for whoever writes into a FIFO: composing waits, and can be stopped.
Result<core::Fd> open_attachment(const std::string& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) == 0 && S_ISSOCK(facts.st_mode))
    return Error{Code::kNotFound, path + ": is a socket", ""};
  auto file = core::open_file(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (!file) return file;
  const bool is_pipe = fstat(file->get(), &facts) == 0 && S_ISFIFO(facts.st_mode);
  if (!is_pipe) (void)fcntl(file->get(), F_SETFL, O_RDONLY);
  return file;
}

Status add_file(Attachments& all, const std::string& path) {
  auto file = open_attachment(path);
  if (!file) return file.error();
  struct stat facts {};
  if (fstat(file->get(), &facts) != 0) return core::errno_error(errno, path, "cannot look at");
  if (S_ISDIR(facts.st_mode)) {
    return Error{Code::kNotFound, path + ": is a directory",
                 fmt::format("tar c {} | p2pmail send -a - ...", path)};
  }
  const std::string name = core::safe_file_name(std::filesystem::path(path).filename().string());
  add_size(all, file->get());
  all.list.push_back({path, name, file->get()});
  all.open.push_back(std::move(*file));
  return {};
}

// All of them before anything is composed: a missing one sends nothing.
Result<Attachments> open_attachments(const Env& env, const std::vector<std::string>& paths) {
  Attachments all;
  for (const auto& path : paths) {
    if (path == "-") {
      if (all.uses_stdin) return Error{Code::kUsage, "standard input can be attached once", ""};
      all.uses_stdin = true;
      add_size(all, env.in);
      all.list.push_back({"standard input", "stdin", env.in});
    } else if (auto added = add_file(all, path); !added) {
      return added.error();
    }
  }
  return all;
}

/// The Message-ID behind what the user named: a message of the store, or the field's own words.
Result<std::string> referenced(Env& env, const std::string& word) {
  if (word.empty()) return std::string();
  if (auto checked = check_line(word, "the reference"); !checked) return checked.error();
  const auto at = word.find('@');
  const bool is_message_id = at != std::string::npos && at > 0 && word[at - 1] != '/';
  if (is_message_id) {
    const bool angled = word.starts_with('<') && word.ends_with('>');
    std::string bare = angled ? word.substr(1, word.size() - 2) : word;
    if (bare.find_first_of(" <>") == std::string::npos) return bare;
    return Error{Code::kUsage, fmt::format("'{}' is not a Message-ID", word), ""};
  }
  auto listed = core::resolve_message(env.store(), word);
  if (!listed) return listed.error();
  auto outer = core::read_outer(listed->file.path);
  if (!outer) return outer.error();
  const auto fields = core::parse_header(*outer);
  if (fields && !fields->message_id.empty()) return fields->message_id;
  return Error{Code::kMalformed, listed->file.path.string() + ": has no Message-ID", ""};
}

}  // namespace

std::string fresh_message_id(const core::Store& store) {
  core::Bytes random(16);
  core::random_bytes(random);
  const std::string address = address_of(store.card().roster.value);
  return core::to_hex(random) + address.substr(address.find('@'));
}

Result<Prepared> prepare_draft(Env& env, const SendOptions& options) {
  if (auto checked = check_line(options.subject, "the subject"); !checked) return checked.error();
  auto opened = open_attachments(env, options.attachments);
  if (!opened) return opened.error();
  const auto files = std::make_shared<const Attachments>(std::move(*opened));
  auto recipients = resolve_recipients(env, options.to, options.cc, options.bcc);
  if (!recipients) return recipients.error();
  auto reply = referenced(env, options.in_reply_to);
  if (!reply) return reply.error();
  const auto& roster = env.store().card().roster.value;
  core::Draft draft;
  draft.from = {roster.name, address_of(roster)};
  draft.to = std::move(recipients->to);
  draft.cc = std::move(recipients->cc);
  draft.subject = options.subject;
  draft.message_id = fresh_message_id(env.store());
  draft.in_reply_to = *reply;
  draft.time = env.clock().time;
  draft.body_fd = files->uses_stdin ? -1 : env.in;
  draft.attachments = files->list;
  draft.stopped = [&env] { return env.stopped(); };
  draft.changed = [&env](const std::string& path) {
    env.note("warning: " + path + ": changed while it was read; see whether that copy is of use");
  };
  if (env.in_is_terminal) env.note("type the message, end it with ^D");
  Prepared prepared;
  prepared.size = files->is_known ? files->size : 0;
  prepared.posting.fields = core::fields_of(draft);
  // The files stay open for as long as somebody may compose.
  prepared.posting.content = [draft, files](const core::Sink& sink) {
    return core::compose(draft, sink);
  };
  prepared.posting.open = std::move(recipients->open);
  prepared.posting.blind = std::move(recipients->blind);
  return prepared;
}

}  // namespace p2pmail::cmd
