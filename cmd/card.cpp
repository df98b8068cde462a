// p2pmail card: my own card as armored text, as a link to paste, or as that link drawn to be
// scanned.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cmd/command.h"
#include "cmd/format.h"
#include "cmd/names.h"
#include "cmd/qr.h"
#include "core/endpoint.h"
#include "core/file.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;

namespace {

struct Options {
  bool link = false;
  bool qr = false;
  std::string output;

  [[nodiscard]] bool to_stdout() const { return output.empty() || output == "-"; }
};

Result<std::string> own_link(core::Store& store) {
  const auto* record = store.card().record_of(store.device().device);
  if (record == nullptr || record->endpoints.empty()) {
    return Error{Code::kConfig, "a link needs a place where this device listens",
                 "p2pmail serve --listen tcp://*:7787 --advertise tcp://HOST:7787"};
  }
  const auto& all = record->endpoints;
  const auto best =
      std::find_if(all.begin(), all.end(), [](const auto& e) { return e.is_public(); });
  return core::Link{record->identity, record->transport, best == all.end() ? all.front() : *best}
      .text();
}

Result<std::string> drawn(const Env& env, const Options& options, const std::string& link) {
  const bool on_terminal = options.to_stdout() && env.out_is_terminal && !env.json;
  auto drawing = draw_qr(link, on_terminal ? QrColours::kTerminal : QrColours::kNone);
  if (!drawing) return drawing.error();
  // Lines that wrap are a picture that nothing can read.
  if (on_terminal && env.width != 0 && env.width < drawing->columns) {
    return Error{Code::kUnavailable,
                 fmt::format("the drawing needs {} columns and the terminal has {}",
                             drawing->columns, env.width),
                 "p2pmail card --link"};
  }
  return std::move(drawing->text);
}

// JSON: {"address", "card" | "link", "qr" (the drawing, lines of half blocks)}
Result<std::string> card_output(Env& env, const Options& options) {
  nlohmann::ordered_json fields{{"address", address_of(env.store().card().roster.value)}};
  if (!options.link && !options.qr) {
    const std::string text = core::card_text(env.store().card());
    fields["card"] = text;
    return env.json ? json_line("card", fields) : text;
  }
  auto link = own_link(env.store());
  if (!link) return link.error();
  std::string text = *link + "\n";
  fields["link"] = text;
  if (options.qr) {
    auto drawing = drawn(env, options, *link);
    if (!drawing) return drawing.error();
    text = *drawing;
    fields["qr"] = text;
  }
  return env.json ? json_line("card", fields) : text;
}

Status run_card(Env& env, const Options& options) {
  auto text = card_output(env, options);
  if (!text) return text.error();
  if (options.to_stdout()) {
    env.print(*text);
    return {};
  }
  if (auto saved = core::replace_file(options.output, core::bytes_of(*text), 0644); !saved) {
    return saved;
  }
  // A card is public; the umask of this process is not for it.
  std::error_code ignored;
  std::filesystem::permissions(options.output, std::filesystem::perms{0644}, ignored);
  return {};
}

}  // namespace

Action add_card(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* link = app.add_flag("--link", options->link, "One line to paste instead of the whole card");
  app.add_flag("--qr", options->qr, "The link as a QR code, drawn with characters")->excludes(link);
  app.add_option("-o,--output", options->output, "Write to a file")->type_name("FILE");
  return [options](Env& env) { return run_card(env, *options); };
}

}  // namespace p2pmail::cmd
