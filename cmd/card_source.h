// Where somebody's card comes from: a file, standard input, a link that is dialed, or just an
// address whose card is found later.
#pragma once

#include <optional>
#include <string>

#include "cmd/env.h"
#include "core/card.h"
#include "core/result.h"

namespace p2pmail::cmd {

struct FoundIdentity {
  core::IdentityKey identity;
  std::optional<core::Card> card;
};
/// All of a file, or of standard input for "-"; kMalformed beyond `max` bytes. `subject` names it.
struct SourceText {
  std::string text;
  std::string subject;
};
[[nodiscard]] core::Result<SourceText> read_source(Env& env, const std::string& word,
                                                   std::size_t max);
/// `word`: a file, "-" for standard input, a p2pmail:// link or an address. A file may hold a card
/// with text around it, a link, or one block of `peers export`; kUsage when it has several cards.
/// Errors name the source. A link whose node proves another identity is kForged.
[[nodiscard]] core::Result<FoundIdentity> find_identity(Env& env, const std::string& word);

}  // namespace p2pmail::cmd
