// The inner parts (seal, open, hash, frame, delivery) beside the bare primitives, in one run. At the
// end it says how near sealing and opening come to the primitives: to AEAD and BLAKE2b one after the
// other on one core for sealing, to AEAD for opening. Takes the options of Google Benchmark that
// choose and repeat (its format stays text).
//
// Maildir delivery happens below $TMPDIR, or /tmp.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <map>

#include "core/letter.h"
#include "core/maildir.h"
#include "core/sealed_file.h"
#include "net/message.h"

namespace p2pmail::bench {
namespace {

using namespace core;
namespace fs = std::filesystem;

constexpr std::size_t kLong = std::size_t{64} << 20;
constexpr std::size_t kPiece = std::size_t{64} << 10;  // as the composer gives it
constexpr std::size_t kSmall = 2048;
constexpr int kRepetitions = 5;

Bytes noise(std::size_t size) {
  Bytes out(size);
  random_bytes(out);
  return out;
}

const Bytes& long_noise() {
  static const Bytes bytes = noise(kLong);
  return bytes;
}

Preamble preamble() {
  Preamble out;
  out.compression = kSegments;
  return out;
}

Bytes seal(const SymmetricKey& key, ByteView message) {
  Bytes stream;
  stream.reserve(message.size() + message.size() / 8 + kChunkSealed);
  LetterSealer sealer(key, preamble(),
                      [&stream](ByteView bytes) { return append(stream, bytes), Status{}; });
  check(sealer.write(message) && sealer.finish());
  return stream;
}

void set_bytes(benchmark::State& state, std::size_t each) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(each));
}

void primitive_aead(benchmark::State& state) {
  const SymmetricKey key = make_symmetric_key();
  Bytes out(kChunkSealed);
  for (auto _ : state)
    for (std::size_t at = 0; at + kChunkPlain <= kLong; at += kChunkPlain)
      aead_seal(out, key, {}, {}, ByteView(long_noise()).subspan(at, kChunkPlain));
  set_bytes(state, kLong);
}

void primitive_aead_open(benchmark::State& state) {
  const SymmetricKey key = make_symmetric_key();
  Bytes sealed(kChunkSealed), out(kChunkPlain);
  aead_seal(sealed, key, {}, {}, ByteView(long_noise()).first(kChunkPlain));
  for (auto _ : state)
    for (std::size_t at = 0; at + kChunkPlain <= kLong; at += kChunkPlain)
      check(aead_open(out, key, {}, {}, sealed));
  set_bytes(state, kLong);
}

void primitive_blake2b(benchmark::State& state) {
  for (auto _ : state)
    for (std::size_t at = 0; at < kLong; at += kBlockSize)
      benchmark::DoNotOptimize(leaf_of(ByteView(long_noise()).subspan(at, kBlockSize)));
  set_bytes(state, kLong);
}

void seal_long(benchmark::State& state) {
  const SymmetricKey key = make_symmetric_key();
  for (auto _ : state) {
    LetterSealer sealer(key, preamble(), [](ByteView) { return Status{}; });
    for (std::size_t at = 0; at < kLong; at += kPiece)
      check(sealer.write(ByteView(long_noise()).subspan(at, kPiece)).has_value());
    check(sealer.finish().has_value());
  }
  set_bytes(state, kLong);
}

void seal_small(benchmark::State& state) {
  const SymmetricKey key = make_symmetric_key();
  for (auto _ : state) benchmark::DoNotOptimize(seal(key, ByteView(long_noise()).first(kSmall)));
  set_bytes(state, kSmall);
}

void open_letter(benchmark::State& state, std::size_t size) {
  const SymmetricKey key = make_symmetric_key();
  const Bytes stream = seal(key, ByteView(long_noise()).first(size));
  Bytes out(kBlockSize);
  for (auto _ : state) {
    auto opener = LetterOpener::open(key, stream.size(), [&](std::uint64_t at, ByteSpan to) {
      std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(at), to.size(), to.begin());
      return Status{};
    });
    for (std::uint64_t at = 0; at < size;) at += *opener->read(at, out);
  }
  set_bytes(state, size);
}
void open_long(benchmark::State& state) { open_letter(state, kLong); }
void open_small(benchmark::State& state) { open_letter(state, kSmall); }

void hash_long(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(hash_stream(kLong, [](std::uint64_t at, ByteSpan to) {
      std::copy_n(long_noise().begin() + static_cast<std::ptrdiff_t>(at), to.size(), to.begin());
      return Status{};
    }));
  set_bytes(state, kLong);
}

void frame_block(benchmark::State& state) {
  net::Message message;
  message.verb = net::Verb::kBlock;
  message.number = 1;
  message.body = noise(kBlockSize / 8);
  for (auto _ : state) {
    const net::Frames frames = net::encode_message(message);
    benchmark::DoNotOptimize(net::decode_message(frames.head, frames.body));
  }
  set_bytes(state, message.body.size());
}

/// Written, fsynced and delivered, as whoever receives a letter does it.
void deliver(benchmark::State& state) {
  const fs::path root = fs::temp_directory_path() / ("p2pmail-bench-" + std::to_string(getpid()));
  const Maildir maildir(root);
  check(Maildir(root).create().has_value());
  const Bytes stream = seal(make_symmetric_key(), ByteView(long_noise()).first(kSmall));
  const std::string prefix = sealed_prefix({});
  const Bytes capsule(1000);
  for (auto _ : state) {
    const std::string unique = Maildir::unique_name(0);
    const fs::path path = maildir.partial() / unique;
    auto file = SealedFileWriter::create(path, prefix, capsule.size());
    check(file && file->write(0, stream) && file->finish(capsule, stream.size()) && file->sync());
    check(Maildir(root).deliver(path, "INBOX", unique, "").has_value());
  }
  fs::remove_all(root);
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(primitive_aead)->UseRealTime()->Repetitions(kRepetitions)->MinTime(0.1);
BENCHMARK(primitive_aead_open)->UseRealTime()->Repetitions(kRepetitions)->MinTime(0.1);
BENCHMARK(primitive_blake2b)->UseRealTime()->Repetitions(kRepetitions)->MinTime(0.1);
BENCHMARK(seal_long)->UseRealTime()->Repetitions(kRepetitions)->MinTime(0.1);
BENCHMARK(open_long)->UseRealTime()->Repetitions(kRepetitions)->MinTime(0.1);
BENCHMARK(hash_long)->UseRealTime()->Repetitions(kRepetitions)->MinTime(0.1);
BENCHMARK(seal_small)->UseRealTime()->Repetitions(kRepetitions)->MinTime(0.1);
BENCHMARK(open_small)->UseRealTime()->Repetitions(kRepetitions)->MinTime(0.1);
BENCHMARK(frame_block)->UseRealTime()->Repetitions(kRepetitions)->MinTime(0.1);
BENCHMARK(deliver)->UseRealTime()->Repetitions(kRepetitions)->MinTime(0.1);

/// Remembers the best seconds per iteration, as other work on the machine only ever adds to them, and
/// passes everything on.
class Remembering : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred || run.iterations == 0 || run.run_type != Run::RT_Iteration) continue;
      const auto name = run.benchmark_name();
      const double took = run.real_accumulated_time / static_cast<double>(run.iterations);
      auto& best = seconds.try_emplace(name.substr(0, name.find('/')), took).first->second;
      best = std::min(best, took);
    }
    ConsoleReporter::ReportRuns(runs);
  }
  std::map<std::string, double> seconds;
};

void summary(std::FILE* out, const std::map<std::string, double>& seconds) {
  const auto line = [&](const char* what, const char* whose, const char* part, double bare) {
    if (bare > 0 && seconds.contains(part))
      std::fprintf(out, "%s: %.0f %% of %s speed\n", what, 100 * bare / seconds.at(part), whose);
  };
  const auto of = [&](const char* name) { return seconds.contains(name) ? seconds.at(name) : 0; };
  const double aead = of("primitive_aead"), blake = of("primitive_blake2b");
  if (aead > 0 && blake > 0)
    line("sealing", "the primitives' combined", "seal_long", aead + blake);
  line("opening", "the AEAD's", "open_long", of("primitive_aead_open"));
  line("hashing", "BLAKE2b's", "hash_long", blake);
}

}  // namespace
}  // namespace p2pmail::bench

int main(int argc, char** argv) {
  using namespace p2pmail;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  (void)bench::long_noise();  // before anything is measured
  bench::Remembering console;
  benchmark::RunSpecifiedBenchmarks(&console);
  bench::summary(stdout, console.seconds);
  return console.seconds.empty() ? 1 : 0;
}
