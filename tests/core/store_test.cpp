// A store comes into being once, and its keys change only together with what was saved.
#include "core/store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "core/file.h"
#include "tests/core/fixture.h"

namespace p2pmail::core {
namespace {

using testing::kStart;
using testing::now_at;
using testing::Person;
using testing::TempDir;

TEST(CreateStore, GivesOneOfManyCallersTheIdentityThatStays) {
  const TempDir directory;
  for (int round = 0; round < 10; ++round) {
    const Paths paths{directory.path() / std::to_string(round)};
    std::vector<std::thread> callers;
    std::vector<std::optional<IdentityKey>> told(4);
    for (auto& answer : told)
      callers.emplace_back([&paths, &answer] {
        const auto made = create_store(paths, CreateOptions{}, now_at(kStart));
        if (made) answer = *made;
      });
    for (auto& caller : callers) caller.join();
    ASSERT_EQ(std::ranges::count_if(told, [](const auto& key) { return key.has_value(); }), 1);
    const auto store = Store::open(paths, now_at(kStart));
    ASSERT_TRUE(store) << store.error().context;
    EXPECT_EQ(std::ranges::count(told, std::optional((*store)->identity())), 1);
  }
}

TEST(CreateStore, RemovesTheSecretsOfAnInterruptedCall) {
  const TempDir directory;
  const Paths paths{directory.path() / "alice"};
  ASSERT_TRUE(make_directories(paths.root / "keys.new-0123456789abcdef"));
  ASSERT_TRUE(replace_file(paths.root / "keys.new-0123456789abcdef/device", bytes_of("secret")));
  ASSERT_TRUE(create_store(paths, CreateOptions{}, now_at(kStart)));
  EXPECT_FALSE(std::filesystem::exists(paths.root / "keys.new-0123456789abcdef"));
}

}  // namespace
}  // namespace p2pmail::core
