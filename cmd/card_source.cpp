#include "cmd/card_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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
constexpr std::string_view kCardBegin = "-----BEGIN P2PMAIL CARD-----";
// Armor adds a third; the rest is room for text around it (a mail that holds a card).
constexpr std::size_t kMaxText = 4 * core::kMaxCardSize;

bool is_link(std::string_view text) { return text.starts_with(kLinkScheme); }

Result<std::string> read_text(int fd, const std::string& subject, std::size_t max) {
  std::string text;
  std::array<char, 16384> piece{};
  for (;;) {
    const ssize_t count = read(fd, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return core::errno_error(errno, subject, "cannot read");
    if (count == 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(count));
    if (text.size() > max) return Error{Code::kMalformed, subject + ": too large", ""};
  }
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

/// The first word outside of comment lines.
std::string first_word(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  for (;;) {
    const auto start = text.find_first_not_of(kBlanks);
    if (start == std::string_view::npos) return "";
    text.remove_prefix(start);
    if (text.front() != '#') return std::string(text.substr(0, text.find_first_of(kBlanks)));
    text.remove_prefix(std::min(text.find('\n'), text.size()));
  }
}

Result<FoundIdentity> from_text(Env& env, const SourceText& source) {
  const std::string& text = source.text;
  const std::string word = first_word(text);
  if (is_link(word)) return dial_link(env, word);
  const auto begin = text.find(kCardBegin);
  if (begin == std::string::npos) {
    if (const auto key = key_in(word)) {
      if (!*key) return key->error().in(source.subject);
      return FoundIdentity{**key, std::nullopt};
    }
  } else if (text.find(kCardBegin, begin + 1) != std::string::npos) {
    return Error{Code::kUsage, source.subject + ": more than one card",
                 "p2pmail peers import FILE"};
  }
  auto card = core::parse_card_text(text);
  if (!card) return card.error().in(source.subject);
  const core::IdentityKey identity = card->identity();
  return FoundIdentity{identity, std::move(*card)};
}

}  // namespace

Result<SourceText> read_source(Env& env, const std::string& word, std::size_t max) {
  if (word == "-") {
    if (env.in_is_terminal) env.note("reading from standard input");
    auto text = read_text(env.in, "standard input", max);
    if (!text) return text.error();
    return SourceText{std::move(*text), "standard input"};
  }
  auto file = core::open_file(word, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (!file) return file.error();
  auto text = read_text(file->get(), word, max);
  if (!text) return text.error();
  return SourceText{std::move(*text), word};
}

Result<FoundIdentity> find_identity(Env& env, const std::string& word) {
  if (is_link(word)) return dial_link(env, word);
  const auto key = word == "-" ? std::nullopt : key_in(word);
  if (key) {
    if (!*key) return key->error();
    return FoundIdentity{**key, std::nullopt};
  }
  auto source = read_source(env, word, kMaxText);
  if (!source) return source.error();
  return from_text(env, *source);
}

}  // namespace p2pmail::cmd
