// p2pmail show: verifies, decodes and shows one message, or hands out its bytes and parts.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cmd/attachments.h"
#include "cmd/command.h"
#include "cmd/format.h"
#include "cmd/messages.h"
#include "cmd/out_sink.h"
#include "cmd/progress.h"
#include "cmd/terminal.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;

namespace {

struct Options {
  std::string message;
  bool raw = false;
  bool headers = false;
  int part = 0;
  std::string save;
  PassphraseOptions passphrase;
};

constexpr std::size_t kMaxBody = std::size_t{8} << 20;      // of text on a terminal
constexpr std::size_t kMaxHeader = std::size_t{256} << 10;  // of --headers
constexpr std::size_t kPiece = kOutPiece;

// ---- bytes
// ---------------------------------------------------------------------------------------

Status write_raw(Env& env, const core::MessageSource& source) {
  OutSink sink(env);
  core::Bytes piece(kPiece);
  for (std::uint64_t offset = 0; offset < source.size;) {
    auto count = source.read(offset, piece);
    if (!count) return count.error();
    if (*count == 0) break;
    if (auto put = sink(core::ByteView(piece).first(*count)); !put) return put;
    offset += *count;
  }
  return sink.finish();
}

Status write_part(Env& env, const core::Message& message, int number) {
  const auto& parts = message.parts();
  const auto is_it = [number](const core::PartInfo& part) { return part.number == number; };
  if (std::none_of(parts.begin(), parts.end(), is_it)) {
    return Error{Code::kNotFound, fmt::format("the message has no part {}", number), ""};
  }
  OutSink sink(env);
  auto written = message.write_part(number, [&sink](core::ByteView bytes) { return sink(bytes); });
  return written ? sink.finish() : written;
}

// JSON: {"file"} per attachment, the name inside the directory
Status save(Env& env, const core::Message& message, const std::string& id,
            const std::string& directory) {
  std::vector<core::PartInfo> attachments;
  std::uint64_t total = 0;
  for (const auto& part : message.parts()) {
    if (!part.is_attachment) continue;
    attachments.push_back(part);
    total += part.encoded_size;
  }
  if (attachments.empty()) return Error{Code::kNotFound, "the message has no attachments", ""};
  Progress progress(env);
  auto names = save_parts(message, attachments, directory, [&](std::size_t bytes) -> Status {
    if (env.stopped()) return Error{Code::kTimeout, "interrupted; nothing was saved", ""};
    progress.add(Doing::kSaving, id, bytes, total);
    return {};
  });
  if (!names) return names.error();
  for (const auto& name : *names) {
    env.print(env.json ? json_line("saved", {{"file", core::clean_line(name)}})
                       : core::clean_line(name) + "\n");
  }
  return {};
}

// ---- text
// ----------------------------------------------------------------------------------------

/// The header as it is in the message, up to the empty line.
Result<std::string> header_text(const core::MessageSource& source) {
  std::string text(std::min<std::uint64_t>(source.size, kMaxHeader), '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const core::ByteSpan rest(reinterpret_cast<std::uint8_t*>(text.data()) + size,
                              text.size() - size);
    auto count = source.read(size, rest);
    if (!count) return count.error();
    if (*count == 0) break;
    size += *count;
  }
  text.resize(size);
  const std::size_t end = std::min(text.find("\n\n"), text.find("\n\r\n"));
  if (end != std::string::npos) text.resize(end + 1);
  return core::clean_body(core::rename_own_fields(text));
}

std::string list_of(const Names& names, const std::vector<core::Mailbox5322>& list, bool proven) {
  std::string all;
  for (const auto& mailbox : list)
    all += (all.empty() ? "" : ", ") + names.describe(mailbox, proven);
  return all;
}

std::string field(const char* name, const std::string& value) {
  return value.empty() ? "" : fmt::format("{}: {}\n", name, value);
}

std::string blind_of(const Names& names, const core::Capsule& capsule) {
  std::string all;
  for (const auto& key : capsule.bcc) all += (all.empty() ? "" : ", ") + names.label(key);
  return all;
}

std::string date_of(const core::HeaderFields& header) {
  return header.time != 0 ? local_time(header.time) : core::clean_line(header.date);
}

std::string attachment_lines(const core::Message& message) {
  std::string text;
  for (const auto& part : message.parts()) {
    if (!part.is_attachment) continue;
    text += fmt::format("[{}] {}  {}  {}\n", part.number, core::safe_file_name(part.file_name),
                        core::clean_line(part.type), human_size(part.encoded_size));
  }
  return text.empty() ? text : "\nAttachments (--part N, --save DIR):\n" + text;
}

std::string body_of(const core::Message& message) {
  std::string text = core::clean_body(message.body_text(kMaxBody));
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text;
}

std::string as_text(const Names& names, const OpenedMessage& opened,
                    const core::Message& message) {
  const auto& header = message.header();
  const Standing standing = standing_of(names, opened.stored.capsule(), header);
  return standing.line + "\n" +                                          //
         field("From", list_of(names, header.from, standing.genuine)) +  //
         field("To", list_of(names, header.to, standing.genuine)) +      //
         field("Cc", list_of(names, header.cc, standing.genuine)) +      //
         field("Bcc", blind_of(names, opened.stored.capsule())) +        //
         field("Date", date_of(header)) +                                //
         field("Subject", core::clean_line(header.subject)) +            //
         "\n" + body_of(message) + attachment_lines(message);
}

// JSON: {"id", "folder", "genuine", "standing", "verdict", "signer" (address), "from", "to", "cc",
// "bcc" (as shown), "time" (of Date, seconds since 1970), "message_id", "in_reply_to", "subject",
// "body", "attachments": [{"part", "type", "name", "size"}]}
std::string as_json(const Names& names, const core::Listed& listed, const OpenedMessage& opened,
                    const core::Message& message) {
  const auto& header = message.header();
  const auto& capsule = opened.stored.capsule();
  const Standing standing = standing_of(names, capsule, header);
  auto attachments = nlohmann::ordered_json::array();
  for (const auto& part : message.parts()) {
    if (!part.is_attachment) continue;
    attachments.push_back({{"part", part.number},
                           {"type", core::clean_line(part.type)},
                           {"name", core::safe_file_name(part.file_name)},
                           {"size", part.encoded_size}});
  }
  return json_line("content", {{"id", core::to_hex(capsule.id)},
                               {"folder", core::clean_line(listed.file.folder)},
                               {"genuine", standing.genuine},
                               {"standing", standing.line},
                               {"verdict", verdict_name(capsule.verdict)},
                               {"signer", address_of(capsule.sender)},
                               {"from", list_of(names, header.from, standing.genuine)},
                               {"to", list_of(names, header.to, standing.genuine)},
                               {"cc", list_of(names, header.cc, standing.genuine)},
                               {"bcc", blind_of(names, capsule)},
                               {"time", header.time},
                               {"message_id", core::clean_line(header.message_id)},
                               {"in_reply_to", core::clean_line(header.in_reply_to)},
                               {"subject", core::clean_line(header.subject)},
                               {"body", body_of(message)},
                               {"attachments", attachments}});
}

void mark_seen(Env& env, const core::MailFile& file) {
  if (file.flags.find('S') != std::string::npos && !file.is_new) return;
  std::string flags = file.flags;
  if (flags.find('S') == std::string::npos) flags += 'S';
  std::sort(flags.begin(), flags.end());
  auto marked = env.store().maildir().set_flags(file, flags);
  if (!marked) env.note("warning: " + marked.error().context);
}

Status show(Env& env, const core::Listed& listed, const OpenedMessage& opened,
            const core::Message& message) {
  auto names = Names::load(env.store());
  if (!names) return names.error();
  const std::string text =
      env.json ? as_json(*names, listed, opened, message) : as_text(*names, opened, message);
  if (!opened.failed) return opened.failed;  // the text is not whole
  auto shown = env.json ? env.write(core::bytes_of(text)) : page(env, text);
  if (shown) mark_seen(env, listed.file);
  return shown;
}

Status run_show(Env& env, const Options& options) {
  auto listed = core::resolve_message(env.store(), options.message);
  if (!listed) return listed.error();
  auto opened = open_message(env, listed->file.path, options.passphrase);
  if (!opened) return opened.error();
  // The bytes can be had of a message, too, that is none (core/mime has bounds).
  if (options.raw) return write_raw(env, (*opened)->source);
  if (options.headers) {
    auto header = header_text((*opened)->source);
    if (!header) return header.error();
    env.print(*header);
    return {};
  }
  auto message = parse_message(**opened, listed->file.path);
  if (!message) return message.error();
  if (options.part > 0) return write_part(env, *message, options.part);
  const std::string id = core::to_hex((*opened)->stored.capsule().id);
  if (!options.save.empty()) return save(env, *message, id, options.save);
  return show(env, *listed, **opened, *message);
}

}  // namespace

Action add_show(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* raw = app.add_flag("--raw", options->raw, "The message byte for byte");
  auto* headers = app.add_flag("--headers", options->headers, "Only the header, all of it");
  auto* part = app.add_option("--part", options->part, "The content of part N")
                   ->type_name("N")
                   ->check(CLI::Range(1, 1'000'000));
  auto* save =
      app.add_option("--save", options->save, "Save all attachments there; made when missing")
          ->type_name("DIR");
  raw->excludes(headers)->excludes(part)->excludes(save);
  headers->excludes(part)->excludes(save);
  part->excludes(save);
  app.add_option("message", options->message, "Digits of an id, @ (the newest), @~N, FOLDER/@~N")
      ->type_name("MESSAGE")
      ->required();
  add_passphrase_options(app, options->passphrase);
  return [options](Env& env) { return run_show(env, *options); };
}

}  // namespace p2pmail::cmd
