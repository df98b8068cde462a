#include "cmd/qr.h"

#include <qrencode.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

#include "core/file.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;

namespace {

constexpr int kQuiet = 4;  // modules; ISO/IEC 18004 asks for it on each side

// Black on white from the 256 colours: the first 16 are whatever a theme makes of them.
constexpr std::string_view kBlackOnWhite = "\x1b[38;5;16;48;5;231m";
constexpr std::string_view kUsualColours = "\x1b[0m";

struct Deleter {
  void operator()(QRcode* code) const { QRcode_free(code); }
};

bool is_dark(const QRcode& code, int column, int row) {
  const bool inside = column >= 0 && row >= 0 && column < code.width && row < code.width;
  return inside && (code.data[row * code.width + column] & 1) != 0;
}

std::string_view half_blocks(bool upper, bool lower) {
  static constexpr std::array<std::string_view, 4> kInk{" ", "\u2580", "\u2584", "\u2588"};
  return kInk[(upper ? 1U : 0U) + (lower ? 2U : 0U)];
}

}  // namespace

Result<QrDrawing> draw_qr(const std::string& text, QrColours colours) {
  // The lowest level of correction: a screen has no stains, and each version less is easier to
  // scan.
  const std::unique_ptr<QRcode, Deleter> code(
      QRcode_encodeString8bit(text.c_str(), 0, QR_ECLEVEL_L));
  if (!code && errno == ERANGE) return Error{Code::kUnsupported, "too long for a QR code", ""};
  if (!code) return core::errno_error(errno, "QR code", "cannot make it");
  const bool coloured = colours == QrColours::kTerminal;
  const int end = code->width + kQuiet;
  QrDrawing drawing{"", static_cast<std::size_t>(end + kQuiet)};
  for (int row = -kQuiet; row < end; row += 2) {
    if (coloured) drawing.text += kBlackOnWhite;
    for (int column = -kQuiet; column < end; ++column) {
      drawing.text += half_blocks(is_dark(*code, column, row), is_dark(*code, column, row + 1));
    }
    // Back before the line end, or the rest of the line becomes white too.
    if (coloured) drawing.text += kUsualColours;
    drawing.text += '\n';
  }
  return drawing;
}

}  // namespace p2pmail::cmd
