// Text encodings and the cleaning of a stranger's text: base32, base64 armor, hex, UTF-8, terminal.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/result.h"

namespace p2pmail::core {

/// Lower-case RFC 4648 base32 without padding. Decoding accepts upper case, refuses padding, other
/// characters and non-zero trailing bits.
[[nodiscard]] std::string to_base32(ByteView bytes);
[[nodiscard]] std::optional<Bytes> from_base32(std::string_view text);
[[nodiscard]] std::string to_hex(ByteView bytes);
[[nodiscard]] std::optional<Bytes> from_hex(std::string_view text);
[[nodiscard]] std::string to_base64(ByteView bytes);
[[nodiscard]] std::optional<Bytes> from_base64(std::string_view text);  // strict, white space allowed

/// "-----BEGIN P2PMAIL <label>-----", base64 in lines of 64, "-----END ...".
[[nodiscard]] std::string armor(std::string_view label, ByteView bytes);
/// Finds the first armored block with that label in `text` (which may have text around it).
/// kMalformed when there is none, it has no end, is not base64 or exceeds `max_bytes`.
[[nodiscard]] Result<Bytes> unarmor(std::string_view label, std::string_view text,
                                    std::size_t max_bytes);

[[nodiscard]] bool is_utf8(std::string_view text);
/// Has a C0 control, DEL, a C1 control, or is not UTF-8: not fit for a header, name or file name.
[[nodiscard]] bool has_controls(std::string_view text);

/// For one line on a terminal: invalid UTF-8, C0, DEL, C1, bidi controls (U+061C, U+200E/F,
/// U+202A..E, U+2066..9), line and paragraph separators, zero-width and tag characters become
/// U+FFFD (a tab becomes a space). Cut to `max_columns` with an ellipsis when not 0.
[[nodiscard]] std::string clean_line(std::string_view text, std::size_t max_columns = 0);
/// For a body: as clean_line, but '\n' and '\t' stay, CRLF becomes LF, and lines are never cut.
[[nodiscard]] std::string clean_body(std::string_view text);
/// Columns that clean text takes on a terminal (wide East Asian characters count 2, marks 0).
[[nodiscard]] std::size_t columns(std::string_view text);

/// A stranger's file name made safe for openat in one directory: the last component, without '/',
/// NUL, controls and bidi marks, not starting with '.' or '-', at most 200 bytes (cut before the
/// extension, on a UTF-8 boundary); "attachment" when nothing is left.
[[nodiscard]] std::string safe_file_name(std::string_view proposed);

}  // namespace p2pmail::core
