#include "core/fold.h"

#include <glib.h>

#include <memory>

namespace p2pmail::core {
namespace {

struct Free {
  void operator()(char* text) const { g_free(text); }
};
using GText = std::unique_ptr<char, Free>;

GText composed(const GText& text) {
  return GText(g_utf8_normalize(text.get(), -1, G_NORMALIZE_ALL_COMPOSE));
}

}  // namespace

std::string fold_case(std::string_view text) {
  const GText valid(g_utf8_make_valid(text.data(), static_cast<gssize>(text.size())));
  const GText folded(g_utf8_casefold(composed(valid).get(), -1));
  return composed(folded).get();  // folding can take a letter apart again
}

}  // namespace p2pmail::core
