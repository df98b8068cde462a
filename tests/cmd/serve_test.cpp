// serve, send and fetch over TCP on this machine: two stores, one process, a node in a thread.
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/cmd/harness.h"

namespace p2pmail::cmd {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

/// A node of a user, from its first line to the end of this object.
class Serving {
 public:
  explicit Serving(const User& user)
      : in_(memory_file()), out_(memory_file()), err_(memory_file()), thread_([this, &user] {
          Env env = user.environment(in_, out_, err_);
          env.stop = &stop_;
          status_ = run(env, {"serve", "--json", "--listen", "tcp://127.0.0.1:0"});
        }) {
    const auto deadline = Clock::now() + std::chrono::seconds{20};
    while (content_of(err_).find("listening on ") == std::string::npos && Clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
  }
  ~Serving() { stop(); }
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;
  int stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return status_;
  }
  [[nodiscard]] std::string output() const { return content_of(out_); }

 private:
  core::Fd in_, out_, err_;
  std::atomic<bool> stop_{false};
  int status_ = -1;
  std::thread thread_;
};

class ServeTest : public testing::Test {
 protected:
  ServeTest() {
    ann.generate("Ann");
    bob.generate("Bob");
  }
  void introduce() {
    ASSERT_EQ(ann({"peers", "add", "bob", "-"}, bob({"card"}).out).status, 0);
    ASSERT_EQ(bob({"peers", "add", "ann", "-"}, ann({"card"}).out).status, 0);
  }
  User ann, bob;
};

TEST_F(ServeTest, DeliversAtOnceAndEndsWithinASecond) {
  Serving node(bob);
  introduce();
  EXPECT_EQ(ann({"send", "-v", "-s", "Lunch", "bob"}, "today?").out, "bob: delivered\n");
  EXPECT_EQ(ann({"queue"}).out, "");
  const auto started = Clock::now();
  EXPECT_EQ(node.stop(), 0);
  EXPECT_LT(Clock::now() - started, std::chrono::seconds{1});
  EXPECT_NE(node.output().find("\"from\":\"ann\""), std::string::npos) << node.output();
  EXPECT_EQ(json::parse(bob({"ls", "--json"}).out)["subject"], "Lunch");
}

TEST_F(ServeTest, FetchCollectsWhatWaits) {
  introduce();
  ASSERT_EQ(ann({"send", "-s", "Waiting", "bob"}, "x").status, 0);
  Serving node(ann);
  ASSERT_EQ(bob({"peers", "add", "ann", "-"}, ann({"card"}).out).status, 0);
  const auto fetched = bob({"fetch", "--json"});
  EXPECT_EQ(fetched.status, 0) << fetched.err;
  EXPECT_EQ(json::parse(fetched.out)["subject"], "Waiting");
  EXPECT_EQ(bob({"fetch", "--json"}).out, "") << "only once";
  node.stop();
  EXPECT_EQ(ann({"queue"}).out, "");
}

TEST_F(ServeTest, PushesANewEntryWithoutBeingAsked) {
  Serving receiver(bob);
  introduce();
  Serving sender(ann);
  const auto sent = ann({"send", "--no-push", "--wait", "20s", "bob"}, "x");
  EXPECT_EQ(sent.status, 0) << sent.err;
  EXPECT_EQ(ann({"queue"}).out, "");
}

TEST_F(ServeTest, LinkIsDialedForTheCard) {
  Serving node(bob);
  std::string link = bob({"card", "--link"}).out;
  link.pop_back();
  EXPECT_EQ(ann({"peers", "add", "bob", link}).status, 0);
  EXPECT_EQ(ann({"send", "-v", "bob"}, "x").out, "bob: delivered\n");
}

TEST_F(ServeTest, LinkOfAnotherIdentityIsRefused) {
  Serving node(bob);
  std::string link = bob({"card", "--link"}).out;
  link.pop_back();
  const std::string whoami = ann({"whoami"}).out;
  const std::string key = whoami.substr(whoami.find('@') + 1, 56);
  link.replace(std::string("p2pmail://").size(), 56, key);
  const User eve;
  eve.generate("Eve");
  EXPECT_EQ(eve({"peers", "add", "ann", link}).status, 65);
  EXPECT_EQ(eve({"peers"}).out, "");
}

TEST_F(ServeTest, BlockedPeerGetsNoReceipt) {
  Serving node(bob);
  introduce();
  ASSERT_EQ(bob({"peers", "block", "ann"}).status, 0);
  EXPECT_EQ(ann({"send", "bob"}, "x").status, 0);
  EXPECT_EQ(json::parse(ann({"queue", "--json"}).out)["state"], "queued");
  EXPECT_EQ(bob({"ls"}).out, "");
}

}  // namespace
}  // namespace p2pmail::cmd
