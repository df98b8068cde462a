// Mail between several real stores under schedules that chance makes: whatever is cut, killed,
// restored, revoked, expired or told the wrong time, each letter ends once, and what is said of it
// is true.
//
//   P2PMAIL_MODEL_SEEDS   how many schedules (default 4), or FIRST+COUNT
//   P2PMAIL_MODEL_DAYS    simulated days of each, before the rest (default 300)
// Keys and names in the stores are random all the same: a seed repeats a schedule, nearly always
// the failure too.
#include <gtest/gtest.h>

#include <charconv>
#include <cstdlib>
#include <iostream>

#include "tests/net/model_checks.h"
#include "tests/net/model_steps.h"

namespace p2pmail::net::model {
namespace {

std::uint64_t number_in(std::string_view text, std::uint64_t otherwise) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc{} && number > 0 ? number : otherwise;
}

std::string setting(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

void say_totals(const Totals& all) {
  std::cout << fmt::format(
      "model: {} seeds, {} days, {} conversations ({} sides cut), {} messages, {} letters; "
      "{} delivered, {} expired, {} failed, {} cancelled, {} notices; "
      "{} errands with {} letters left at relays, {} kills, {} clock jumps, {} restores\n",
      all.seeds, all.days, all.conversations, all.cuts, all.messages, all.letters, all.delivered,
      all.expired, all.failed, all.cancelled, all.notices, all.errands, all.left, all.kills,
      all.jumps, all.restores);
}

TEST(Model, EveryLetterEndsOnce) {
  const std::string seeds = setting("P2PMAIL_MODEL_SEEDS");
  const std::uint64_t days = number_in(setting("P2PMAIL_MODEL_DAYS"), 300);
  const auto plus = seeds.find('+');
  const bool has_first = plus != std::string::npos;
  const std::uint64_t first = has_first ? number_in(seeds, 1) : 1;
  const std::uint64_t count = number_in(has_first ? seeds.substr(plus + 1) : seeds, 4);
  Totals totals;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    World world(seed, totals);
    world.live(days);
    world.come_to_rest();
    EXPECT_EQ(world.broken(), "") << "P2PMAIL_MODEL_SEEDS=" << seed << "+1 P2PMAIL_MODEL_DAYS="
                                  << days << "; the last steps:\n" << world.last_steps();
  }
  say_totals(totals);
}

}  // namespace
}  // namespace p2pmail::net::model
