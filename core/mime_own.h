// Inside of core/mime only: fields that nobody but this program may write.
//
// Mail programs and filters believe our Authentication-Results and P2pmail-Id because we write
// them; so what a sender wrote under these names must never come out under them.
#pragma once

#include <string>
#include <string_view>

#include "core/mime_fields.h"

namespace p2pmail::core::mime {

inline constexpr std::string_view kRenamed = "X-Original-";

/// P2pmail-*, and Authentication-Results (RFC 8601 section 2.2) whose authserv-id is p2pmail.alt: a
/// token or quoted string in any case, comments before it. One whose comment or string does not end
/// is ours if the name stands anywhere in it.
[[nodiscard]] bool is_own(const Field& field);

/// A field's text as it may come out: `rename` puts kRenamed in front. It always ends with a line
/// end; a CR alone becomes a blank, because some readers take it for a line end.
[[nodiscard]] std::string safe_text(const Field& field, bool rename);

}  // namespace p2pmail::core::mime
