#include "cmd/armored.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "core/file.h"
#include "core/maildir.h"
#include "core/text.h"

namespace p2pmail::cmd {

using core::Code;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::string_view kBegin = "-----BEGIN P2PMAIL SEALED-----";
constexpr std::string_view kEnd = "-----END P2PMAIL SEALED-----";
constexpr std::size_t kLine = 48;             // bytes, 64 characters
constexpr std::size_t kPiece = 1024 * kLine;  // read at once
constexpr std::size_t kLongestLine = 1000;

std::string_view trimmed(std::string_view line) {
  const auto end = line.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view{} : line.substr(0, end + 1);
}

std::string in_lines(core::ByteView bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += kLine) {
    text += core::to_base64(bytes.subspan(at, std::min(kLine, bytes.size() - at))) + "\n";
  }
  return text;
}

}  // namespace

ScratchFile::ScratchFile(Env& env)
    : path_(env.store().maildir().partial() / core::Maildir::unique_name(env.clock().time)) {}
ScratchFile::~ScratchFile() { (void)unlink(path_.c_str()); }

Status write_armored(Env& env, const std::filesystem::path& sealed) {
  auto file = core::open_file(sealed, O_RDONLY);
  if (!file) return file.error();
  if (auto put = env.write(core::bytes_of(std::string(kBegin) + "\n")); !put) return put;
  core::Bytes piece(kPiece);
  for (std::uint64_t offset = 0;;) {
    auto size = core::read_at(file->get(), offset, piece, sealed);
    if (!size) return size.error();
    if (*size == 0) break;
    const std::string text = in_lines(core::ByteView(piece).first(*size));
    if (auto put = env.write(core::bytes_of(text)); !put) return put;
    offset += *size;
  }
  return env.write(core::bytes_of(std::string(kEnd) + "\n"));
}

Result<bool> is_armored(const std::filesystem::path& path) {
  auto file = core::open_file(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (!file) return file.error();
  core::Bytes start(256);
  auto size = core::read_at(file->get(), 0, start, path);
  if (!size) return size.error();
  const auto text = core::text_of(core::ByteView(start).first(*size));
  const auto first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text.substr(first).starts_with(kBegin);
}

Status remove_armor(const std::filesystem::path& path, const ScratchFile& to) {
  std::ifstream in(path, std::ios::binary);
  auto out = core::open_file(to.path(), O_WRONLY | O_CREAT | O_EXCL);
  if (!out) return out.error();
  const Error malformed{Code::kMalformed, path.string() + ": the armor is damaged", ""};
  bool inside = false;
  std::uint64_t offset = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.size() > kLongestLine) return malformed;
    const auto text = trimmed(line);
    if (text == kEnd) return inside ? Status{} : Status(malformed);
    if (!inside) {
      inside = text == kBegin;
      continue;
    }
    const auto bytes = core::from_base64(text);
    if (!bytes) return malformed;
    if (auto put = core::write_at(out->get(), offset, *bytes, to.path()); !put) return put;
    offset += bytes->size();
  }
  return malformed;
}

}  // namespace p2pmail::cmd
