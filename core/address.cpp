#include "core/address.h"

#include <algorithm>

#include "core/crypto.h"
#include "core/text.h"

namespace p2pmail::core {
namespace {

constexpr Context kAddressContext{"p2pmail/address"};
constexpr Context kTransportContext{"p2pmail/transpt"};
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kMaxLocal = 64;

std::string encode_key(Context context, ByteView key, std::uint8_t version) {
  Bytes all = to_bytes(key);
  const Digest digest = hash(context, {key, ByteView(&version, 1)});
  all.push_back(digest.bytes[0]);
  all.push_back(digest.bytes[1]);
  all.push_back(version);
  return to_base32(all);
}

Status decode_key(Context context, std::string_view text, ByteSpan out) {
  const auto refuse = [](const char* why) { return Error{Code::kMalformed, why}; };
  if (text.size() != kKeyTextSize) return refuse("a key has 56 characters");
  const auto raw = from_base32(text);
  if (!raw || raw->size() != 35) return refuse("a key has only the letters a to z and 2 to 7");
  const ByteView key = ByteView(*raw).first(32);
  // The checksum covers the version too: a typo at the end is told from a version to come.
  if (encode_key(context, key, (*raw)[34]) != to_base32(*raw))
    return refuse("the key's checksum does not fit: a typo?");
  if ((*raw)[34] != kVersion) return refuse("a key of another version");
  std::ranges::copy(key, out.begin());
  return {};
}

bool is_atext(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*/=?^_`{|}~-.").find(c) != std::string_view::npos;
}

bool is_local(std::string_view text) {
  return !text.empty() && text.size() <= kMaxLocal && text.front() != '.' && text.back() != '.' &&
         text.find("..") == std::string_view::npos && std::ranges::all_of(text, is_atext);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lower_text(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

}  // namespace

std::string key_text(const IdentityKey& key) { return encode_key(kAddressContext, key, kVersion); }

Result<IdentityKey> parse_key_text(std::string_view text) {
  IdentityKey key;
  if (const auto done = decode_key(kAddressContext, text, key.bytes); !done) return done.error();
  return key;
}

std::string transport_text(const TransportKey& key) {
  return encode_key(kTransportContext, key, kVersion);
}

Result<TransportKey> parse_transport_text(std::string_view text) {
  TransportKey key;
  if (const auto done = decode_key(kTransportContext, text, key.bytes); !done) return done.error();
  return key;
}

std::string Address::text() const {
  return local + (folder.empty() ? "" : "+" + folder) + "@" + key_text(key) + "." +
         std::string(kDomain);
}

Result<Address> parse_address(std::string_view text) {
  const auto refuse = [](const char* why) {
    return Error{Code::kMalformed, std::string("not an address: ") + why};
  };
  const auto at = text.rfind('@');
  if (at == std::string_view::npos) return refuse("no @");
  const std::string domain = lower_text(text.substr(at + 1));
  const std::string suffix = "." + std::string(kDomain);
  if (!domain.ends_with(suffix)) return refuse("the domain does not end in .p2pmail.alt");
  const auto key = parse_key_text(domain.substr(0, domain.size() - suffix.size()));
  if (!key) return key.error().in("not an address");
  Address address;
  address.key = *key;
  const std::string_view left = text.substr(0, at);
  const auto plus = left.find('+');
  address.local = left.substr(0, plus);
  if (plus != std::string_view::npos) address.folder = left.substr(plus + 1);
  if (!is_local(address.local) || (plus != std::string_view::npos && !is_local(address.folder)))
    return refuse("the part before the @ is not a plain mailbox name");
  return address;
}

std::string local_part_of(std::string_view display_name) {
  std::string out;
  for (const char c : display_name) {
    const char l = lower(c);
    if ((l >= 'a' && l <= 'z') || (l >= '0' && l <= '9') || l == '-' || l == '_') {
      out += l;
    } else if ((c == ' ' || c == '.') && !out.empty() && out.back() != '.') {
      out += '.';
    }
    if (out.size() >= 32) break;
  }
  while (!out.empty() && out.back() == '.') out.pop_back();
  return out.empty() ? "mail" : out;
}

bool looks_like_address(std::string_view text) {
  const auto at = text.rfind('@');
  return at != std::string_view::npos &&
         lower_text(text.substr(at + 1)).ends_with("." + std::string(kDomain));
}

}  // namespace p2pmail::core
