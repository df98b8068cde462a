#include "cmd/messages.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/address.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Result;

Result<std::vector<core::Listed>> resolve_messages(Env& env,
                                                   const std::vector<std::string>& words) {
  std::vector<core::Listed> found;
  for (const auto& word : words) {
    auto one = core::resolve_message(env.store(), word);
    if (!one) return one.error();
    const auto same = [&one](const auto& other) { return other.file.path == one->file.path; };
    if (std::none_of(found.begin(), found.end(), same)) found.push_back(std::move(*one));
  }
  return found;
}

Result<std::unique_ptr<OpenedMessage>> open_stored(Env& env, const std::filesystem::path& path,
                                                   const PassphraseOptions& passphrase) {
  auto secret = unlock_store(env, passphrase);
  if (!secret) return secret.error();
  core::Store& store = env.store();
  auto stored = core::StoredMessage::open(path, *secret, store.store_public(), store.card());
  if (!stored) return stored.error();
  return std::make_unique<OpenedMessage>(OpenedMessage{std::move(*stored), {}, {}});
}

core::Status open_content(Env& env, OpenedMessage& opened, const std::filesystem::path& path) {
  const core::Blobs blobs(env.store().paths().mail());
  // What is wrong with a blob names that file.
  if (auto ready = opened.stored.open_stream(blobs); !ready)
    return opened.stored.is_large() ? ready : ready.error().in(path.string());
  auto source = opened.stored.source();
  if (!source) return source.error().in(path.string());
  opened.source.size = source->size;
  opened.source.read = [read = std::move(source->read), &opened](std::uint64_t offset,
                                                                 core::ByteSpan out) {
    auto got = read(offset, out);
    if (!got && opened.failed) opened.failed = got.error();
    return got;
  };
  return {};
}

Result<std::unique_ptr<OpenedMessage>> open_message(Env& env, const std::filesystem::path& path,
                                                    const PassphraseOptions& passphrase) {
  auto opened = open_stored(env, path, passphrase);
  if (!opened) return opened;
  if (auto ready = open_content(env, **opened, path); !ready) return ready.error();
  return opened;
}

Result<core::Message> parse_message(const OpenedMessage& opened,
                                    const std::filesystem::path& path) {
  auto message = core::Message::parse(opened.source);
  if (message) return message;
  core::Error error = message.error().in(path.string());
  error.hint = "p2pmail show --raw MESSAGE gives its bytes";
  return error;
}

namespace {

bool from_is(const core::HeaderFields& header, const core::IdentityKey& signer) {
  if (header.from.size() != 1) return false;
  const auto address = core::parse_address(header.from.front().address);
  return address && address->key == signer;
}

std::string signer_words(const Names& names, const core::IdentityKey& sender) {
  if (auto petname = names.petname(sender)) return *petname + " (peer)";
  return "unknown sender <" + address_of(sender) + ">";
}

}  // namespace

Standing standing_of(const Names& names, const core::Capsule& capsule,
                     const core::HeaderFields& header) {
  const std::string signer = signer_words(names, capsule.sender);
  // Checked again here, whatever was found on delivery: this header is the one that is shown.
  const bool fits = from_is(header, capsule.sender);
  const Standing mismatch{false, "WARNING: From is not the signer. Signed: " + signer};
  switch (capsule.verdict) {
    case core::Verdict::kSent:
      // A draft has no From yet; the capsule proves that a device of ours sealed it.
      if (header.from.empty()) return {true, "Sealed by me"};
      return fits ? Standing{true, "Sent by me"} : mismatch;
    case core::Verdict::kSelf:
      return fits ? Standing{true, "Signed: me"} : mismatch;
    case core::Verdict::kPeer:
    case core::Verdict::kStranger:
      return fits ? Standing{true, "Signed: " + signer} : mismatch;
    case core::Verdict::kMismatch:
      return mismatch;
    case core::Verdict::kBuried:
      return {false, "WARNING: signed by a device that was retired. Signed: " + signer};
  }
  return mismatch;
}

const char* verdict_name(core::Verdict verdict) {
  switch (verdict) {
    case core::Verdict::kSent:
      return "sent";
    case core::Verdict::kPeer:
      return "peer";
    case core::Verdict::kStranger:
      return "stranger";
    case core::Verdict::kMismatch:
      return "mismatch";
    case core::Verdict::kBuried:
      return "buried";
    case core::Verdict::kSelf:
      return "self";
  }
  return "mismatch";
}

}  // namespace p2pmail::cmd
