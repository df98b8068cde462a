#include "core/segments.h"

#include "core/tree.h"

namespace p2pmail::core {
namespace {

constexpr std::size_t kHead = 4;    // stored size of a segment
constexpr std::size_t kEntry = 8;   // of the table
constexpr std::size_t kEnd = 16;    // message size, number of segments

Error malformed(const char* why) { return Error{Code::kMalformed, why}; }

std::uint64_t segment_count(std::uint64_t size) {
  return size / kSegmentSize + (size % kSegmentSize != 0 ? 1 : 0);
}

}  // namespace

std::uint64_t max_body_size(std::uint64_t size) {
  const std::uint64_t more = segment_count(size) * (kHead + kEntry) + kEnd;
  return size > UINT64_MAX - more ? UINT64_MAX : size + more;
}

void make_room(SecretBytes& buffer, std::size_t used, std::size_t wanted, std::size_t most) {
  if (wanted <= buffer.size()) return;
  std::size_t size = std::max<std::size_t>(buffer.size(), 256);
  while (size < wanted) size *= 16;
  SecretBytes larger(std::min(size, most));
  std::copy_n(buffer.view().begin(), used, larger.span().begin());
  buffer = std::move(larger);
}

// A full segment is written only when more comes: only then it is known not to be all.
Status SegmentWriter::write(ByteView message, const Out& out) {
  message_ += message.size();
  while (!message.empty()) {
    if (used_ == kSegmentSize) {
      const ByteView segment = segment_.view();
      if (Status status = put(segment, compressor_.compress(segment), out); !status) return status;
      used_ = 0;
    }
    const std::size_t take = std::min(message.size(), kSegmentSize - used_);
    make_room(segment_, used_, used_ + take, kSegmentSize);
    std::copy_n(message.begin(), take, segment_.span().subspan(used_).begin());
    used_ += take;
    message = message.subspan(take);
  }
  return {};
}

Result<std::optional<ByteView>> SegmentWriter::finish(const Out& out) {
  const ByteView segment = segment_.view().first(used_);
  const bool only = starts_.empty();
  ByteView frame;
  if (!only || used_ >= kMinCompressed) frame = compressor_.compress(segment);
  if (only && frame.empty()) return std::optional(segment);
  if (Status status = put(segment, frame, out); !status) return status.error();
  if (Status status = put_table(out); !status) return status.error();
  return std::optional<ByteView>();
}

/// One segment, as it is when there is no frame.
Status SegmentWriter::put(ByteView segment, ByteView frame, const Out& out) {
  const ByteView stored = frame.empty() ? segment : frame;
  std::array<std::uint8_t, kHead> head{};
  put_be(head.data(), static_cast<std::uint32_t>(stored.size()));
  starts_.push_back(body_);
  body_ += kHead + stored.size();
  if (Status status = out(head); !status) return status;
  return out(stored);
}

Status SegmentWriter::put_table(const Out& out) {
  std::array<std::uint8_t, kEntry> entry{};
  for (const std::uint64_t start : starts_) {
    put_be(entry.data(), start);
    if (Status status = out(entry); !status) return status;
  }
  std::array<std::uint8_t, kEnd> end{};
  put_be(end.data(), message_);
  put_be(end.data() + 8, static_cast<std::uint64_t>(starts_.size()));
  return out(end);
}

Result<SegmentReader> SegmentReader::open(std::uint64_t size, const In& in) {
  if (size < kEnd) return malformed("a compressed letter has no end");
  std::array<std::uint8_t, kEnd> end{};
  if (Status status = in(size - kEnd, end); !status) return status.error();
  SegmentReader reader;
  reader.message_ = get_be<std::uint64_t>(end.data());
  reader.count_ = get_be<std::uint64_t>(end.data() + 8);
  if (reader.message_ == 0 || reader.message_ > kMaxLetterSize ||
      reader.count_ != segment_count(reader.message_))
    return malformed("the segments of a compressed letter do not fit its message");
  const std::uint64_t table = reader.count_ * kEntry;  // at most 2^27
  const std::uint64_t rest = size - kEnd;
  const std::uint64_t heads = reader.count_ * kHead;
  if (table > rest || rest - table < heads || rest - table - heads > reader.message_ ||
      reader.message_ / kMaxRatio > rest - table - heads)
    return malformed("a compressed letter has an impossible size");
  reader.table_ = rest - table;
  return reader;
}

std::size_t SegmentReader::plain_size(std::uint64_t number) const {
  return static_cast<std::size_t>(
      std::min<std::uint64_t>(kSegmentSize, message_ - number * kSegmentSize));
}

Status SegmentReader::read(std::uint64_t offset, ByteSpan out, const In& in) {
  check(offset <= message_ && out.size() <= message_ - offset);
  while (!out.empty()) {
    const std::uint64_t number = offset / kSegmentSize;
    const auto within = static_cast<std::size_t>(offset % kSegmentSize);
    const std::size_t take = std::min(out.size(), plain_size(number) - within);
    if (Status status = load(number, in); !status) return status;
    std::copy_n(segment_.view().subspan(within).begin(), take, out.begin());
    out = out.subspan(take);
    offset += take;
  }
  return {};
}

/// Where a segment begins; the table itself begins where one after the last would.
Result<std::uint64_t> SegmentReader::start_of(std::uint64_t number, const In& in) {
  if (number == count_) return table_;
  if (number < window_first_ || number - window_first_ >= window_.size()) {
    Bytes raw(static_cast<std::size_t>(std::min<std::uint64_t>(kWindow, count_ - number)) * kEntry);
    if (Status status = in(table_ + number * kEntry, raw); !status) return status.error();
    window_.resize(raw.size() / kEntry);
    for (std::size_t i = 0; i < window_.size(); ++i)
      window_[i] = get_be<std::uint64_t>(raw.data() + i * kEntry);
    window_first_ = number;
  }
  return window_[static_cast<std::size_t>(number - window_first_)];
}

Status SegmentReader::load(std::uint64_t number, const In& in) {
  if (loaded_ == number) return {};
  loaded_ = UINT64_MAX;
  if (segment_.size() == 0)
    segment_ = SecretBytes(static_cast<std::size_t>(std::min<std::uint64_t>(kSegmentSize, message_)));
  if (Status status = unpack(segment_.span().first(plain_size(number)), number, in); !status)
    return status;
  loaded_ = number;
  return {};
}

/// Segment `number`, which is as large as `out`.
Status SegmentReader::unpack(ByteSpan out, std::uint64_t number, const In& in) {
  const auto start = start_of(number, in);
  if (!start) return start.error();
  const std::uint64_t from = *start;
  const auto end = start_of(number + 1, in);
  if (!end) return end.error();
  if ((number == 0 && from != 0) || *end > table_ || from >= *end || *end - from <= kHead ||
      *end - from - kHead > out.size())
    return malformed("the table of a compressed letter is damaged");
  std::array<std::uint8_t, kHead> head{};
  if (Status status = in(from, head); !status) return status;
  const auto size = static_cast<std::size_t>(*end - from - kHead);
  if (get_be<std::uint32_t>(head.data()) != size)
    return malformed("a segment of a compressed letter has another size than its table says");
  if (size == out.size())
    return count_ == 1 ? malformed("a letter of one segment is not compressed")
                       : in(from + kHead, out);
  if (stored_.size() == 0) stored_ = SecretBytes(kSegmentSize);
  const ByteSpan stored = stored_.span().first(size);
  if (Status status = in(from + kHead, stored); !status) return status;
  return decompressor_.whole(out, stored);
}

Result<std::size_t> read_first_segment(ByteSpan out, ByteView body) {
  if (body.size() < kHead) return std::size_t{0};
  const std::size_t stored = get_be<std::uint32_t>(body.data());
  if (stored == 0 || stored > kSegmentSize) return malformed("a segment has an impossible size");
  body = body.subspan(kHead, std::min(stored, body.size() - kHead));
  out = out.first(std::min({out.size(), kSegmentSize, stored * kMaxRatio}));
  if (stored < kSegmentSize) return Decompressor().start(out, body);
  out = out.first(std::min(out.size(), body.size()));
  std::copy_n(body.begin(), out.size(), out.begin());
  return out.size();
}

}  // namespace p2pmail::core
