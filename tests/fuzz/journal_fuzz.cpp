// The journal: whatever lies in the file, it is refused or goes on; what is recorded is seen, once,
// and still after the index was lost.
#include "core/file.h"
#include "core/journal.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

/// Records of the input's making whose check fits: size, check and type are ours, the rest is not.
Bytes journal_of(FuzzedDataProvider& in) {
  Bytes out = to_bytes(bytes_of("p2pmailJ"));
  while (in.remaining_bytes() > 0 && out.size() < 4096) {
    Bytes record(3, 1);
    append(record, in.ConsumeBytes<std::uint8_t>(in.ConsumeIntegralInRange<std::size_t>(0, 600)));
    put_be(record.data(), static_cast<std::uint16_t>(record.size() + 8));
    const Digest digest = hash(Context{"p2pmail/journal"}, {record});
    append(record, digest.view().first(8));
    append(out, record);
  }
  return out;
}

void check_journal(ByteView content) {
  static State state = std::move(*State::open(scratch()));
  static const auto path = scratch() / "journal";
  demand(state.clear_journal_index().has_value(), "the index can be emptied");
  write_scratch(path, content);
  Journal journal(path, state);
  JournalEntry entry;
  entry.folder = "INBOX";
  entry.unique = "name";
  entry.time = 1;
  if (!journal.seen(entry.sender, entry.root)) {
    const auto kept = read_file(path, content.size());
    demand(kept && *kept == to_bytes(content), "what is refused is left as it is");
    return;
  }
  const auto first = journal.record({entry});
  demand(first && first->front() == Recorded::kNow, "a letter can be recorded");
  const auto again = journal.record({entry});
  demand(again && again->front() == Recorded::kBefore, "and only once");
  demand(state.clear_journal_index().has_value(), "the index can be lost");
  const auto seen = journal.seen(entry.sender, entry.root);
  demand(seen && *seen, "it is still known then");
}

}  // namespace

void target(ByteView input) {
  check_journal(input);
  FuzzedDataProvider in(input.data(), input.size());
  check_journal(journal_of(in));
}

}  // namespace p2pmail::fuzz
