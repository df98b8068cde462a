// Commands with commands of their own (`peers add`, `queue cancel`).
#pragma once

#include <functional>
#include <memory>

namespace CLI {
class App;
}

namespace p2pmail::cmd {

/// One of them, owned by `app`; `given` is called when it is the one that was typed.
CLI::App* add_subcommand(CLI::App& app, const char* name, const char* summary,
                         std::function<void()> given);
/// The same; options->verb says afterwards which was typed.
template <class Options, class Verb>
CLI::App* add_verb(CLI::App& app, const std::shared_ptr<Options>& options, Verb verb,
                   const char* name, const char* summary) {
  return add_subcommand(app, name, summary, [options, verb] { options->verb = verb; });
}

}  // namespace p2pmail::cmd
