// QR codes (ISO/IEC 18004) drawn with characters. The only header whose source sees libqrencode.
#pragma once

#include <string>

#include "core/result.h"

namespace p2pmail::cmd {

/// Whether the drawing sets its own colours. On a terminal it must: nobody knows which of
/// foreground and background is the lighter one there. Everywhere else escapes would be in the way.
enum class QrColours { kNone, kTerminal };

struct QrDrawing {
  std::string text;         // lines, each of `columns` columns
  std::size_t columns = 0;  // with the quiet zone
};
/// One character for two modules, one above the other (U+2580, U+2584, U+2588 and blank; ink = a
/// dark module), with a quiet zone of 4 modules. kUnsupported when `text` is too long for a code.
[[nodiscard]] core::Result<QrDrawing> draw_qr(const std::string& text, QrColours colours);

}  // namespace p2pmail::cmd
