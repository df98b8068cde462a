// Runs commands in-process: a store in a directory of its own, streams that are files in memory.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "cmd/env.h"
#include "cmd/run.h"
#include "core/file.h"

namespace p2pmail::cmd {

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

inline core::Fd memory_file(const std::string& content = "") {
  core::Fd file(memfd_create("stream", MFD_CLOEXEC));
  EXPECT_EQ(write(file.get(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  lseek(file.get(), 0, SEEK_SET);
  return file;
}

inline std::string content_of(const core::Fd& file) {
  std::string text(static_cast<std::size_t>(lseek(file.get(), 0, SEEK_END)), '\0');
  EXPECT_EQ(pread(file.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  return text;
}

/// One user: a home that goes away with the test.
class User {
 public:
  User() {
    std::string pattern = (std::filesystem::temp_directory_path() / "p2pmail-cmd-XXXXXX").string();
    home_ = mkdtemp(pattern.data());
  }
  ~User() { std::filesystem::remove_all(home_); }
  User(const User&) = delete;
  User& operator=(const User&) = delete;

  Outcome operator()(const std::vector<std::string>& arguments,
                     const std::string& input = "") const {
    const core::Fd in = memory_file(input), out = memory_file(), err = memory_file();
    Env env = environment(in, out, err);
    Outcome outcome;
    outcome.status = run(env, arguments);
    outcome.out = content_of(out);
    outcome.err = content_of(err);
    return outcome;
  }
  [[nodiscard]] Env environment(const core::Fd& in, const core::Fd& out,
                                const core::Fd& err) const {
    Env env;
    env.in = in.get();
    env.out = out.get();
    env.err = err.get();
    env.paths.root = home_ / "store";
    env.settings_file = home_ / "config";
    return env;
  }
  [[nodiscard]] const std::filesystem::path& home() const { return home_; }
  [[nodiscard]] std::string file(const std::string& name, const std::string& content) const {
    std::ofstream(home_ / name, std::ios::binary) << content;
    return home_ / name;
  }
  void generate(const std::string& name) const {
    const auto made = (*this)({"keygen", "--name", name, "--no-passphrase"});
    ASSERT_EQ(made.status, 0) << made.err;
  }

 private:
  std::filesystem::path home_;
};

}  // namespace p2pmail::cmd
