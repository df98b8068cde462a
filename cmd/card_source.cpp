#include "cmd/card_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "cmd/names.h"
#include "core/endpoint.h"
#include "core/file.h"
#include "core/post_office.h"
#include "net/dial.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;

namespace {

constexpr std::string_view kLinkScheme = "p2pmail://";
// Armor adds a third; the rest is room for text around it (a mail that holds a card).
constexpr std::size_t kMaxText = 4 * core::kMaxCardSize;

bool is_link(std::string_view text) { return text.starts_with(kLinkScheme); }

Result<std::string> read_text(int fd, const std::string& subject) {
  std::string text(kMaxText + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = read(fd, text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return core::errno_error(errno, subject, "cannot read");
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  if (size > kMaxText) return Error{Code::kMalformed, subject + ": too large for a card", ""};
  text.resize(size);
  return text;
}

Result<FoundIdentity> dial_link(Env& env, std::string_view text) {
  const auto link = core::parse_link(text);
  if (!link) return link.error();
  core::PostOffice post_office(env.store(), {});
  net::Target target;
  target.identity = link->identity;
  target.places = {{link->endpoint, link->transport}};
  target.push = false;
  net::DialOptions options;
  options.total = std::chrono::seconds{30};
  options.stop = env.stop;
  const auto outcomes = net::dial(post_office, env.store().device().transport, {target}, options);
  const auto& outcome = outcomes.front();
  const std::string subject = link->endpoint.text();
  if (outcome.card.empty()) {
    if (outcome.error) return outcome.error->in(subject);
    return Error{Code::kUnavailable, subject + ": no card came", ""};
  }
  auto card = core::decode_card(outcome.card);
  if (!card) return card.error().in(subject);
  if (card->identity() != link->identity) {
    return Error{Code::kForged, subject + ": the card is not of the link's identity", ""};
  }
  return FoundIdentity{link->identity, std::move(*card)};
}

Result<FoundIdentity> from_text(Env& env, std::string_view text, const std::string& subject) {
  const auto start = text.find_first_not_of(" \t\r\n");
  const auto trimmed = start == std::string_view::npos ? std::string_view{} : text.substr(start);
  if (is_link(trimmed)) return dial_link(env, trimmed.substr(0, trimmed.find_first_of(" \t\r\n")));
  auto card = core::parse_card_text(text);
  if (!card) return card.error().in(subject);
  const core::IdentityKey identity = card->identity();
  return FoundIdentity{identity, std::move(*card)};
}

}  // namespace

Result<FoundIdentity> find_identity(Env& env, const std::string& word) {
  if (word == "-") {
    if (env.in_is_terminal) env.note("reading a card from standard input");
    auto text = read_text(env.in, "standard input");
    if (!text) return text.error();
    return from_text(env, *text, "standard input");
  }
  if (is_link(word)) return dial_link(env, word);
  if (const auto key = key_in(word)) {
    if (!*key) return key->error();
    return FoundIdentity{**key, std::nullopt};
  }
  auto file = core::open_file(word, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (!file) return file.error();
  auto text = read_text(file->get(), word);
  if (!text) return text.error();
  return from_text(env, *text, word);
}

}  // namespace p2pmail::cmd
