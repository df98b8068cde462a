#include "core/blobs.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/text.h"

namespace p2pmail::core {
namespace {

namespace fs = std::filesystem;

/// A regular file and nothing else, without waiting for whatever else it is.
Result<Fd> open_regular(const fs::path& path, const char* what, std::uint64_t& size) {
  auto fd = open_file(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  if (!fd && fd.error().code == Code::kNotFound)
    return Error{Code::kNotFound, path.string() + ": " + what + " is missing"};
  struct stat facts {};
  const bool is_file =
      fd && fstat(fd->get(), &facts) == 0 && S_ISREG(facts.st_mode);
  if (!fd && fd.error().code != Code::kIo) return fd;
  if (!is_file) return Error{Code::kMalformed, path.string() + ": not a regular file"};
  size = static_cast<std::uint64_t>(facts.st_size);
  return fd;
}

bool is_regular(const fs::path& path) {
  struct stat facts {};
  return lstat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode);
}

Bytes joined(const std::vector<Digest>& leaves) {
  Bytes all;
  all.reserve(leaves.size() * Digest::kSize);
  for (const Digest& leaf : leaves) append(all, leaf.view());
  return all;
}

}  // namespace

fs::path Blobs::path(const MessageId& name) const { return directory_ / to_hex(name); }

fs::path Blobs::leaves_path(const MessageId& name) const {
  return directory_ / (to_hex(name) + ".leaves");
}

// The hash list first: a crash between leaves a list alone or nothing, never a blob that nobody can
// check.
Status Blobs::adopt(const fs::path& partial, const MessageId& name,
                    const std::vector<Digest>& leaves) const {
  std::error_code ignored;
  if (!fs::is_directory(directory_, ignored)) {
    if (const auto made = make_directories(directory_); !made) return made;
    if (const auto synced = sync_directory(directory_.parent_path()); !synced) return synced;
  }
  const fs::path target = path(name);
  if (!is_regular(partial) && is_regular(target) && is_regular(leaves_path(name)))
    return sync_directory(directory_);
  // Less than a block lies in front of the stream.
  struct stat facts {};
  if (lstat(partial.c_str(), &facts) != 0) return errno_error(errno, partial, "cannot look at it");
  const std::uint64_t blocks = block_count(static_cast<std::uint64_t>(facts.st_size));
  if (leaves.empty() || (leaves.size() != blocks && leaves.size() + 1 != blocks))
    return Error{Code::kBug, partial.string() + ": its hash list is that of another stream"};
  if (const auto kept = replace_file(leaves_path(name), joined(leaves)); !kept) return kept;
  if (rename(partial.c_str(), target.c_str()) != 0)
    return errno_error(errno, target, "cannot rename to it");
  (void)unlink((target.string() + ".unused").c_str());  // the mark of one before (blob_upkeep.h)
  return sync_directory(directory_);
}

void Blobs::remove(const MessageId& name) const {
  (void)unlink(path(name).c_str());
  (void)unlink(leaves_path(name).c_str());
}

Result<BlobReader> BlobReader::open(const Blobs& blobs, const BlobRef& ref, std::uint64_t size,
                                    const Root& root) {
  BlobReader reader;
  reader.path_ = blobs.path(ref.name);
  reader.leaves_path_ = blobs.leaves_path(ref.name);
  reader.size_ = size;
  if (size == 0 || size > kMaxLetterSize)
    return Error{Code::kMalformed, reader.path_.string() + ": a stream cannot have this size"};
  std::uint64_t there = 0, list = 0;
  auto stream = open_regular(reader.path_, "the stream of this mail", there);
  if (!stream) return stream.error();
  auto leaves = open_regular(reader.leaves_path_, "the hash list of this mail", list);
  if (!leaves) return leaves.error();
  reader.offset_ = there == size ? 0 : ref.offset;
  if (reader.offset_ > there || there - reader.offset_ != size)
    return Error{Code::kMalformed, reader.path_.string() + ": the stream is cut off, or another's"};
  if (list != block_count(size) * Digest::kSize)
    return Error{Code::kMalformed, reader.leaves_path_.string() + ": not as long as it has to be"};
  reader.stream_ = std::move(*stream);
  reader.leaf_file_ = std::move(*leaves);
  if (const auto fits = reader.check_leaves(root); !fits) return fits.error();
  return reader;
}

Status BlobReader::check_leaves(const Root& root) {
  for (std::uint64_t group = 0; group < group_count(size_); ++group) {
    if (const auto loaded = load_leaves(group); !loaded) return loaded;
    groups_.push_back(group_of(leaves_));
  }
  if (root_of(size_, groups_) == root) return {};
  return Error{Code::kForged, leaves_path_.string() + ": damaged: its hash does not fit"};
}

/// The leaves of a group; once the groups are known they have to be the same as then.
Status BlobReader::load_leaves(std::uint64_t group) {
  if (group == group_) return {};
  const std::uint64_t first = group * kGroupLeaves;
  const auto count =
      static_cast<std::size_t>(std::min(kGroupLeaves, block_count(size_) - first));
  Bytes raw(count * Digest::kSize);
  const auto got = read_at(leaf_file_.get(), first * Digest::kSize, raw, leaves_path_);
  if (!got) return got.error();
  if (*got != raw.size()) return Error{Code::kMalformed, leaves_path_.string() + ": it is cut off"};
  std::vector<Digest> leaves(count);
  for (std::size_t i = 0; i < count; ++i)
    std::copy_n(raw.begin() + static_cast<std::ptrdiff_t>(i * Digest::kSize), Digest::kSize,
                leaves[i].bytes.begin());
  if (group < groups_.size() && group_of(leaves) != groups_[static_cast<std::size_t>(group)])
    return Error{Code::kForged, leaves_path_.string() + ": it was changed meanwhile"};
  leaves_ = std::move(leaves);
  group_ = group;
  return {};
}

Result<const BlobReader::Block*> BlobReader::block(std::uint64_t index) {
  if (latest_.index == index) return &latest_;
  std::swap(latest_, before_);
  if (latest_.index == index) return &latest_;
  latest_.index = UINT64_MAX;
  if (const auto known = load_leaves(index / kGroupLeaves); !known) return known.error();
  latest_.bytes.resize(static_cast<std::size_t>(block_size(size_, index)));
  const auto got = read_at(stream_.get(), offset_ + index * kBlockSize, latest_.bytes, path_);
  if (!got) return got.error();
  if (*got != latest_.bytes.size()) return Error{Code::kMalformed, path_.string() + ": it is cut off"};
  if (leaf_of(latest_.bytes) != leaves_[static_cast<std::size_t>(index % kGroupLeaves)])
    return Error{Code::kForged, path_.string() + ": damaged in MiB " + std::to_string(index + 1)};
  latest_.index = index;
  return &latest_;
}

Status BlobReader::read(std::uint64_t offset, ByteSpan out) {
  if (offset > size_ || out.size() > size_ - offset)
    return Error{Code::kMalformed, path_.string() + ": the stream ends too early"};
  while (!out.empty()) {
    const auto one = block(offset / kBlockSize);
    if (!one) return one.error();
    const auto from = ByteView((*one)->bytes).subspan(static_cast<std::size_t>(offset % kBlockSize));
    const std::size_t take = std::min(from.size(), out.size());
    std::copy_n(from.begin(), take, out.begin());
    out = out.subspan(take);
    offset += take;
  }
  return {};
}

}  // namespace p2pmail::core
