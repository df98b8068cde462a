// The stream of a letter of several blocks while it comes: mail/.p2pmail/partial/<64 hex>.stream, named
// by the journal's key for the letter, each block at its place. Sparse: a block that did not come is a
// hole. What an interrupted transfer leaves is only good after it has been hashed again.
//
// One process has it at a time (flock, exclusive). Journal::recover removes those that nobody has
// written to for 30 days.
#pragma once

#include <filesystem>
#include <optional>

#include "core/bytes.h"
#include "core/file.h"
#include "core/result.h"
#include "core/tree.h"

namespace p2pmail::core {

inline constexpr std::string_view kPartialSuffix = ".stream";

class Partial {
 public:
  enum class After { kKept, kRemoved };  // what becomes of it when nobody finishes it
  /// Opens, or creates. kBusy when another process, or another object of this one, has it.
  [[nodiscard]] static Result<Partial> open(const std::filesystem::path& path, std::uint64_t size,
                                            After after);
  Partial(Partial&& other) noexcept = default;
  Partial& operator=(Partial&&) = delete;
  ~Partial();

  /// An error of the disk is for good: the file is gone then, and `sync` says so too, because the system
  /// tells of it only once.
  [[nodiscard]] Status write(std::uint64_t index, ByteView block);
  /// All of `out`, which has the size of the block.
  [[nodiscard]] Status read(std::uint64_t index, ByteSpan out) const;
  /// The first block from `index` on of which the disk has anything; the number of blocks when none.
  [[nodiscard]] std::uint64_t next_data(std::uint64_t index) const;
  /// Bytes that it takes of the disk.
  [[nodiscard]] std::uint64_t on_disk() const;
  [[nodiscard]] Status sync();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] bool is_there() const { return is_named(fd_.get(), path_); }
  /// Removed at the end, whatever was said before.
  void discard() { after_ = After::kRemoved; }
  /// Its file has another name now.
  void given_away() { is_ours_ = false; }

 private:
  Partial(std::filesystem::path path, std::uint64_t size, After after, Fd fd)
      : path_(std::move(path)), size_(size), after_(after), fd_(std::move(fd)) {}
  [[nodiscard]] Status fail(int number);
  std::filesystem::path path_;
  std::uint64_t size_;
  After after_;
  Fd fd_;
  bool is_ours_ = true;
  Status state_;  // the first failure stays
};

}  // namespace p2pmail::core
