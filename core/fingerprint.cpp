#include "core/fingerprint.h"

#include "core/crypto.h"

namespace p2pmail::core {
namespace {

constexpr Context kContext{"p2pmail/fprint"};
constexpr std::uint64_t kPasses = 2;
constexpr std::uint64_t kMemory = std::uint64_t{64} << 20;  // bytes

// A word that moves changes what people compare: the table is a format (p2pmail-card(5)).
constexpr std::array<std::string_view, 256> kWords{
    "acorn",    "action",   "adult",    "anchor",   "animal",   "ankle",    "arctic",   "arrow",
    "artist",   "atlas",    "autumn",   "avocado",  "award",    "bamboo",   "barrel",   "basket",
    "beach",    "beaver",   "bedroom",  "bicycle",  "bishop",   "blossom",  "bridge",   "bronze",
    "brother",  "buffalo",  "bundle",   "burger",   "cactus",   "camel",    "canvas",   "captain",
    "castle",   "ceiling",  "cement",   "chair",    "cheese",   "chimney",  "church",   "cinema",
    "circus",   "citizen",  "climate",  "coconut",  "coffee",   "compass",  "concert",  "copper",
    "cousin",   "cowboy",   "cradle",   "cricket",  "crystal",  "cupboard", "dancer",   "decade",
    "delta",    "denim",    "dentist",  "dolphin",  "eclipse",  "editor",   "eight",    "elbow",
    "elephant", "elevator", "ember",    "emerald",  "engine",   "eraser",   "evening",  "exhibit",
    "fabric",   "family",   "farmer",   "fence",    "ferry",    "flag",     "flamingo", "flute",
    "forest",   "fruit",    "furnace",  "galaxy",   "garlic",   "genius",   "ginger",   "giraffe",
    "glacier",  "golden",   "gorilla",  "granite",  "grape",    "habit",    "hamster",  "harvest",
    "herring",  "hexagon",  "history",  "holiday",  "horizon",  "hundred",  "husband",  "iceberg",
    "igloo",    "infant",   "insect",   "island",   "january",  "jasmine",  "jelly",    "jewel",
    "jigsaw",   "judge",    "juggler",  "jupiter",  "kangaroo", "kidney",   "kingdom",  "kitchen",
    "lantern",  "laundry",  "lawyer",   "legend",   "leopard",  "library",  "linen",    "lobster",
    "lunch",    "machine",  "magnet",   "marble",   "melon",    "mercury",  "mermaid",  "mirror",
    "model",    "monkey",   "morning",  "mountain", "museum",   "mustard",  "napkin",   "nature",
    "nephew",   "nickel",   "north",    "notebook", "november", "nurse",    "nutmeg",   "oatmeal",
    "object",   "octopus",  "office",   "olive",    "opera",    "orange",   "orchard",  "organ",
    "origami",  "ostrich",  "oven",     "owner",    "oxygen",   "palace",   "pancake",  "panther",
    "pasta",    "pebble",   "pelican",  "pencil",   "piano",    "picnic",   "pigeon",   "pillow",
    "pirate",   "planet",   "plumber",  "popcorn",  "problem",  "pumpkin",  "pyramid",  "quarter",
    "queen",    "quilt",    "radio",    "railway",  "rainbow",  "recipe",   "ribbon",   "royal",
    "runner",   "saddle",   "salad",    "salmon",   "sandal",   "scissors", "secret",   "shadow",
    "shelter",  "sister",   "skeleton", "slipper",  "snail",    "soccer",   "spider",   "spinach",
    "squirrel", "statue",   "student",  "sugar",    "sunset",   "swallow",  "syrup",    "tango",
    "target",   "teacher",  "temple",   "toast",    "tobacco",  "tornado",  "tractor",  "treasure",
    "triangle", "trumpet",  "tulip",    "turkey",   "turtle",   "twelve",   "umbrella", "uniform",
    "vacuum",   "vampire",  "velvet",   "vessel",   "village",  "vinegar",  "visitor",  "volcano",
    "vulture",  "waffle",   "wagon",    "walrus",   "water",    "wedding",  "weekend",  "whisper",
    "window",   "wizard",   "wolf",     "worker",   "yacht",    "zebra",    "zigzag",   "zodiac",
};

}  // namespace

std::span<const std::string_view, 256> fingerprint_words() { return kWords; }

Result<Fingerprint> fingerprint(const IdentityKey& identity) {
  const auto digest = slow_hash(kContext, identity, kPasses, kMemory);
  if (!digest) return digest.error();
  Fingerprint print;
  std::copy_n(digest->bytes.begin(), kFingerprintSize, print.bytes.begin());
  return print;
}

Result<PairWords> words_of_pair(const IdentityKey& one, const IdentityKey& other) {
  check(one != other);
  PairWords words;
  auto next = words.begin();
  for (const IdentityKey* key : {&std::min(one, other), &std::max(one, other)}) {
    const auto print = fingerprint(*key);
    if (!print) return print.error();
    for (const std::uint8_t byte : print->bytes) *next++ = kWords[byte];
  }
  return words;
}

}  // namespace p2pmail::core
