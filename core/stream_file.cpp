#include "core/stream_file.h"

#include <fcntl.h>

#include <algorithm>

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

Status read_all(int fd, std::uint64_t offset, ByteSpan out, const fs::path& path) {
  const auto got = read_at(fd, offset, out, path);
  if (!got) return got.error();
  if (*got != out.size()) return Error{Code::kMalformed, path.string() + ": it is cut short"};
  return {};
}

}  // namespace

StreamFile::StreamFile(fs::path path, std::uint64_t offset, std::uint64_t size, fs::path leaves,
                       bool has_leaves)
    : path_(std::move(path)),
      offset_(offset),
      size_(size),
      leaves_(std::move(leaves)),
      has_leaves_(has_leaves) {}

Status StreamFile::read(std::uint64_t at, ByteSpan out) {
  if (!stream_) {
    auto fd = open_file(path_, O_RDONLY);
    if (!fd) return fd.error();
    stream_ = std::move(*fd);
  }
  return read_all(stream_.get(), offset_ + at, out, path_);
}

Result<Bytes> StreamFile::groups() {
  Bytes all;
  for (std::uint64_t group = 0; group < group_count(size_); ++group) {
    const auto part = leaf_list(group);
    if (!part) return part.error();
    append(all, group_of(*part).view());
  }
  return all;
}

Result<Bytes> StreamFile::leaves(std::uint64_t group) {
  const auto list = leaf_list(group);
  if (!list) return list.error();
  Bytes all;
  for (const Digest& leaf : *list) append(all, leaf.view());
  return all;
}

Result<std::vector<Digest>> StreamFile::leaf_list(std::uint64_t group) {
  if (group >= group_count(size_)) return Error{Code::kMalformed, "no such group of blocks"};
  const std::uint64_t first = group * kGroupLeaves;
  const std::uint64_t count = std::min(kGroupLeaves, block_count(size_) - first);
  std::vector<Digest> leaves(count);
  if (!has_leaves_) {
    Bytes block(block_size(size_, 0));  // one block: no list is kept
    if (const auto got = read(0, block); !got) return got.error();
    leaves.front() = leaf_of(block);
    return leaves;
  }
  const auto fd = open_file(leaves_, O_RDONLY);
  if (!fd) return fd.error();
  Bytes raw(count * Digest::kSize);
  if (const auto got = read_all(fd->get(), first * Digest::kSize, raw, leaves_); !got)
    return got.error();
  for (std::size_t i = 0; i < leaves.size(); ++i)
    std::copy_n(raw.begin() + static_cast<std::ptrdiff_t>(i * Digest::kSize), Digest::kSize,
                leaves[i].bytes.begin());
  return leaves;
}

}  // namespace p2pmail::core
