// p2pmail card: my own card as armored text, or as a link to paste.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cmd/command.h"
#include "cmd/format.h"
#include "cmd/names.h"
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
  std::string output;
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

// JSON: {"address", "card" | "link"}
Result<std::string> card_output(Env& env, const Options& options) {
  std::string text = core::card_text(env.store().card());
  if (options.link) {
    auto link = own_link(env.store());
    if (!link) return link.error();
    text = *link + "\n";
  }
  if (!env.json) return text;
  const std::string address = address_of(env.store().card().roster.value);
  return json_line("card", {{"address", address}, {options.link ? "link" : "card", text}});
}

Status run_card(Env& env, const Options& options) {
  auto text = card_output(env, options);
  if (!text) return text.error();
  if (options.output.empty() || options.output == "-") {
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
  app.add_flag("--link", options->link, "One line to paste instead of the whole card");
  app.add_option("-o,--output", options->output, "Write to a file")->type_name("FILE");
  return [options](Env& env) { return run_card(env, *options); };
}

}  // namespace p2pmail::cmd
