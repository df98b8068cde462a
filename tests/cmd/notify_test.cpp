// What a service manager hears from notify() and from serve, on a socket of the test's own.
#include "cmd/notify.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <thread>

#include "tests/cmd/harness.h"

namespace p2pmail::cmd {
namespace {

/// Listens as a service manager does; a receive that waits longer than 20 s answers "(nothing)".
class Manager {
 public:
  explicit Manager(const std::string& name) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
    const timeval patience{20, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  [[nodiscard]] std::string hear(int flags = 0) const {
    char text[4096];
    const ssize_t size = recv(fd_.get(), text, sizeof text, flags);
    return size < 0 ? "(nothing)" : std::string(text, static_cast<std::size_t>(size));
  }

 private:
  core::Fd fd_;
};

std::string abstract_name() { return "@p2pmail-notify-test-" + std::to_string(getpid()); }

TEST(Notify, ReachesASocketInTheFileSystem) {
  const User user;
  const Manager manager(user.home() / "notify");
  notify(user.home() / "notify", "READY=1");
  EXPECT_EQ(manager.hear(), "READY=1");
}

TEST(Notify, ReachesAnAbstractSocket) {
  const Manager manager(abstract_name());
  notify(abstract_name(), "STOPPING=1\nSTATUS=bye");
  EXPECT_EQ(manager.hear(), "STOPPING=1\nSTATUS=bye");
}

TEST(Notify, BadSocketIsNoError) {
  const User user;
  const std::string nobody = user.home() / "nobody";
  const std::string plain = user.file("plain", "");
  for (const std::string& name : {std::string(), std::string("@"), std::string("/"),
                                  std::string("relative"), std::string("vsock:2:1"), nobody, plain,
                                  "/" + std::string(107, 'x'), "/" + std::string(5000, 'x')}) {
    notify(name, "READY=1");
  }
}

TEST(Notify, LongestNameFits) {
  const std::string name = abstract_name() + std::string(107 - abstract_name().size(), 'x');
  const Manager manager(name);
  notify(name, "READY=1");
  EXPECT_EQ(manager.hear(), "READY=1");
}

TEST(Notify, NeverBlocksOnAManagerThatDoesNotRead) {
  const Manager manager(abstract_name());
  for (int i = 0; i < 10000; ++i) notify(abstract_name(), "STATUS=again");
  EXPECT_EQ(manager.hear(), "STATUS=again");
}

TEST(Notify, StatusIsOneLine) {
  EXPECT_EQ(status_line("listening").find("STATUS=listening"), 0U);
  EXPECT_EQ(status_line("a\nREADY=1").find('\n'), std::string::npos);
}

TEST(Notify, SocketIsTakenOutOfTheEnvironment) {
  ASSERT_EQ(setenv("NOTIFY_SOCKET", "/run/x", 1), 0);
  EXPECT_EQ(take_notify_socket(), "/run/x");
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
  EXPECT_EQ(take_notify_socket(), "");
}

TEST(Notify, ServeSaysWhenItListensAndWhenItStops) {
  const User user;
  user.generate("Ann");
  const Manager manager(user.home() / "notify");
  std::atomic<bool> stop{false};
  const core::Fd in = memory_file(), out = memory_file(), err = memory_file();
  std::thread node([&] {
    Env env = user.environment(in, out, err);
    env.stop = &stop;
    env.notify_socket = user.home() / "notify";
    EXPECT_EQ(run(env, {"serve", "--listen", "tcp://127.0.0.1:0"}), 0);
  });
  const std::string ready = manager.hear();
  EXPECT_EQ(ready.find("READY=1\nSTATUS=listening on tcp://127.0.0.1:"), 0U) << ready;
  EXPECT_NE(content_of(err).find("listening on tcp://127.0.0.1:"), std::string::npos);
  stop = true;
  EXPECT_EQ(manager.hear(), "STOPPING=1");
  node.join();
}

TEST(Notify, ServeThatCannotListenIsNeverReady) {
  const User user;
  user.generate("Ann");
  const Manager manager(user.home() / "notify");
  const core::Fd in = memory_file(), out = memory_file(), err = memory_file();
  Env env = user.environment(in, out, err);
  env.notify_socket = user.home() / "notify";
  EXPECT_NE(run(env, {"serve", "--listen", "tcp://192.0.2.1:7787"}), 0);  // RFC 5737: not ours
  EXPECT_EQ(manager.hear(MSG_DONTWAIT), "(nothing)");
}

}  // namespace
}  // namespace p2pmail::cmd
