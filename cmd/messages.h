// Messages of the store as commands see them: named by the user, opened, verified, and put in
// words.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cmd/env.h"
#include "cmd/names.h"
#include "cmd/passphrase.h"
#include "core/mime.h"
#include "core/stored_message.h"

namespace p2pmail::cmd {

/// All of them or an error, each file once: nothing is done to some when one name is wrong.
[[nodiscard]] core::Result<std::vector<core::Listed>> resolve_messages(
    Env& env, const std::vector<std::string>& words);

/// Unlocked, its sender proved, its stream ready (core/stored_message.h). Stays where it is: parts
/// refer to each other.
struct OpenedMessage {
  core::StoredMessage stored;
  core::MessageSource source;
  /// The first error that `source` gave: for those who show what could be read of a text.
  core::Status failed;
};
[[nodiscard]] core::Result<std::unique_ptr<OpenedMessage>> open_message(
    Env& env, const std::filesystem::path& path, const PassphraseOptions& passphrase);
/// The same in two steps: who wrote it is proved after the first, and `source` can be read after the
/// second (kNotFound: a large letter without its blob).
[[nodiscard]] core::Result<std::unique_ptr<OpenedMessage>> open_stored(
    Env& env, const std::filesystem::path& path, const PassphraseOptions& passphrase);
[[nodiscard]] core::Status open_content(Env& env, OpenedMessage& opened,
                                        const std::filesystem::path& path);
/// Its MIME structure; valid as long as `opened`. kMalformed (beyond the bounds of core/mime), with
/// the hint that the bytes can still be had.
[[nodiscard]] core::Result<core::Message> parse_message(const OpenedMessage& opened,
                                                        const std::filesystem::path& path);

/// What may be said about who wrote a message.
struct Standing {
  bool genuine = false;  // From is the signer, and the signing device is in good standing
  std::string line;      // "Signed: bob (peer)", "WARNING: ..."
};
[[nodiscard]] Standing standing_of(const Names& names, const core::Capsule& capsule,
                                   const core::HeaderFields& header);

/// The names of flags, as `flag` takes them after + or -.
[[nodiscard]] std::vector<std::string> flag_names();

/// Stable words for scripts.
[[nodiscard]] const char* verdict_name(core::Verdict verdict);

}  // namespace p2pmail::cmd
