// Sealed files: any bytes are a sealed mail whose parts lie inside the file, or are refused.
#include "core/sealed_file.h"
#include "tests/fuzz/fuzz.h"

void p2pmail::fuzz::target(ByteView input) {
  static const auto path = scratch() / "sealed";
  write_scratch(path, input);
  const auto outer = read_outer(path);
  demand(outer && outer->size() <= kMaxPrefix, "the outer header of a file is bounded");
  (void)id_in(*outer);
  (void)id_in(text_of(input));
  const auto named = blob_of(path);
  const auto file = SealedFile::open(path);
  if (!file) return;
  demand(named && named->has_value() == file->blob().has_value(), "both find the same blob");
  Bytes byte(1);
  if (file->blob()) {
    demand((*named)->name == file->blob()->name, "both find the same blob");
    demand(file->blob()->offset <= kMaxLetterSize && file->stream_size() <= kMaxLetterSize,
           "where the stream lies is bounded");
    demand(!file->source()(0, byte), "a stub has no stream");
    return;
  }
  demand(file->stream_offset() + file->stream_size() <= input.size(),
         "the stream lies in the file");
  demand(text_of(input).starts_with(file->outer()), "the header is the start of the file");
  Bytes stream(file->stream_size());
  demand(file->source()(0, stream).has_value(), "the stream can be read");
  demand(std::equal(stream.begin(), stream.end(),
                    input.begin() + static_cast<std::ptrdiff_t>(file->stream_offset())),
         "the stream is what the file holds");
  demand(!file->source()(file->stream_size(), byte), "and no more can");
}
