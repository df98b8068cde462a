// Inside of core/mime only: ownership for what glib and GMime hand out.
#pragma once

#include <gmime/gmime.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace p2pmail::core::mime {

struct Unref {
  void operator()(void* object) const { g_object_unref(object); }
};
template <class T>
using GRef = std::unique_ptr<T, Unref>;

struct Free {
  void operator()(char* text) const { g_free(text); }
};
using GText = std::unique_ptr<char, Free>;

struct DateUnref {
  void operator()(GDateTime* time) const { g_date_time_unref(time); }
};
using GTime = std::unique_ptr<GDateTime, DateUnref>;

inline void init() {
  static std::once_flag once;
  std::call_once(once, [] { g_mime_init(); });
}

/// A copy that is UTF-8 for certain: what is not becomes U+FFFD. Empty for null.
inline std::string valid_utf8(std::string_view text) {
  const GText valid(g_utf8_make_valid(text.data(), static_cast<gssize>(text.size())));
  return valid.get();
}
inline std::string valid_utf8(const char* text) {
  return text == nullptr ? std::string() : valid_utf8(std::string_view(text));
}

}  // namespace p2pmail::core::mime
