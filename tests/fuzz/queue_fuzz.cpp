// Queue entries: files as they come, and contents that were sealed with the right key after the
// damage.
#include "core/cbor.h"
#include "core/queue.h"
#include "tests/fuzz/fuzz.h"

namespace p2pmail::fuzz {
namespace {

const std::string kLetter(32, 'a');
const std::string kId = kLetter + ".1";

struct Place {
  Place() : state(*State::open(scratch())), queue(scratch() / "queue", fixed_key(), state) {
    demand(make_directories(queue.directory()).has_value(), "a queue");
  }
  State state;
  Queue queue;
};

std::filesystem::path file_in(Queue& queue) { return queue.directory() / (kId + ".entry"); }

Bytes sealed(ByteView inner) {
  const std::string associated = "p2pmail/queue" + kId + ".entry";
  const Bytes box = box_seal(fixed_key(), bytes_of(associated), inner);
  return encode_cbor(Value{{"b", binary(box)}, {"v", 1U}});
}

void check_again(Queue& queue, QueueEntry entry) {
  std::vector<QueueEntry> one;
  const QueueEntry& kept = one.emplace_back(std::move(entry));
  std::filesystem::remove(file_in(queue));
  demand(queue.prepare(one) && queue.publish(one), "what was loaded can be stored");
  const auto again = queue.load(kId);
  demand(again && again->root == kept.root && again->subject == kept.subject, "and loaded");
  demand(again->size == kept.size && again->stream_offset == kept.stream_offset, "with its sizes");
}

}  // namespace

void target(ByteView input) {
  static Place place;
  write_scratch(file_in(place.queue), input);
  (void)place.queue.load(kId);
  write_scratch(file_in(place.queue), sealed(input));
  auto entry = place.queue.load(kId);
  if (entry) check_again(place.queue, std::move(*entry));
}

}  // namespace p2pmail::fuzz
