// card --qr: what is drawn can be scanned, whatever colours a terminal has.
#include "cmd/qr.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/endpoint.h"
#include "core/text.h"
#include "tests/cmd/harness.h"

namespace p2pmail::cmd {
namespace {

constexpr std::string_view kWhite = "\x1b[38;5;16;48;5;231m";
constexpr std::string_view kUsual = "\x1b[0m";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// The drawing without its colours; every line must have both.
std::string without_colours(const std::string& text) {
  std::string plain;
  for (const auto& line : lines_of(text)) {
    EXPECT_TRUE(line.starts_with(kWhite) && line.ends_with(kUsual));
    plain += line.substr(kWhite.size(), line.size() - kWhite.size() - kUsual.size()) + "\n";
  }
  return plain;
}

/// Modules, true = dark. Empty when there is anything else than half blocks.
std::vector<std::vector<bool>> modules_of(const std::string& drawing) {
  std::vector<std::vector<bool>> rows;
  for (std::string line : lines_of(drawing)) {
    auto& upper = rows.emplace_back();
    std::vector<bool> lower;
    while (!line.empty()) {
      const bool blank = line.front() == ' ';
      const std::string cell = line.substr(0, blank ? 1 : 3);
      if (!blank && cell != "\u2580" && cell != "\u2584" && cell != "\u2588") return {};
      upper.push_back(cell == "\u2580" || cell == "\u2588");
      lower.push_back(cell == "\u2584" || cell == "\u2588");
      line.erase(0, cell.size());
    }
    rows.push_back(lower);
  }
  return rows;
}

/// A plain PBM, each module 4 by 4 pixels.
std::string pbm_of(const std::vector<std::vector<bool>>& rows) {
  const auto side = [](std::size_t modules) { return std::to_string(4 * modules); };
  std::string text = "P1\n" + side(rows.front().size()) + " " + side(rows.size()) + "\n";
  for (const auto& row : rows) {
    std::string line;
    for (const bool dark : row) line += dark ? "1 1 1 1 " : "0 0 0 0 ";
    for (int i = 0; i < 4; ++i) text += line + "\n";
  }
  return text;
}

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  for (int c = 0; pipe != nullptr && (c = fgetc(pipe)) != EOF;) text += static_cast<char>(c);
  if (pipe != nullptr) pclose(pipe);
  return text;
}

class QrTest : public testing::Test {
 protected:
  QrTest() {
    ann.generate("Ann");
    auto store = core::Store::open({ann.home() / "store"}, core::read_clocks());
    EXPECT_TRUE(
        (*store)->advertise({*core::parse_endpoint("tcp://192.0.2.1:7787")}, core::read_clocks()));
  }
  Outcome on_terminal(std::size_t width, const std::vector<std::string>& arguments) const {
    const core::Fd in = memory_file(), out = memory_file(), err = memory_file();
    Env env = ann.environment(in, out, err);
    env.out_is_terminal = true;
    env.width = width;
    const int status = run(env, arguments);
    return {status, content_of(out), content_of(err)};
  }
  User ann;
};

TEST_F(QrTest, CanBeScanned) {
  if (output_of("command -v zbarimg").empty()) GTEST_SKIP() << "zbarimg (zbar-tools) is missing";
  const auto picture = ann.file("qr.pbm", pbm_of(modules_of(ann({"card", "--qr"}).out)));
  EXPECT_EQ(output_of("zbarimg -q --raw " + picture + " 2>/dev/null"), ann({"card", "--link"}).out);
}

TEST_F(QrTest, HasAQuietZoneOfFourModules) {
  const auto rows = modules_of(ann({"card", "--qr"}).out);
  ASSERT_GT(rows.size(), 8U + 21U);
  const std::size_t side = rows.front().size();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(rows[i].size(), side);
    for (std::size_t j = 0; j < side; ++j) {
      const bool inside = i >= 4 && j >= 4 && i < side - 4 && j < side - 4;
      EXPECT_TRUE(inside || !rows[i][j]) << i << " " << j;
    }
  }
  EXPECT_TRUE(rows[4][4] && rows[4][side - 5] && rows[side - 5][4]) << "the corners";
}

TEST_F(QrTest, SetsColoursOnATerminalOnly) {
  const auto plain = ann({"card", "--qr"}).out;
  EXPECT_EQ(plain.find('\x1b'), std::string::npos);
  EXPECT_EQ(without_colours(on_terminal(80, {"card", "--qr"}).out), plain);
  ASSERT_EQ(on_terminal(80, {"card", "--qr", "-o", ann.home() / "qr"}).status, 0);
  EXPECT_EQ(output_of("cat '" + (ann.home() / "qr").string() + "'"), plain);
}

TEST_F(QrTest, NeverWrapsLines) {
  const auto columns = modules_of(ann({"card", "--qr"}).out).front().size();
  EXPECT_EQ(on_terminal(columns, {"card", "--qr"}).status, 0);
  const auto narrow = on_terminal(columns - 1, {"card", "--qr"});
  EXPECT_EQ(narrow.status, 69);
  EXPECT_EQ(narrow.out, "");
}

TEST_F(QrTest, GivesJson) {
  const auto row = nlohmann::json::parse(on_terminal(20, {"card", "--qr", "--json"}).out);
  EXPECT_EQ(row["type"], "card");
  EXPECT_EQ(row["link"], ann({"card", "--link"}).out);
  EXPECT_EQ(row["qr"], ann({"card", "--qr"}).out);
}

TEST_F(QrTest, RefusesBothForms) { EXPECT_EQ(ann({"card", "--qr", "--link"}).status, 64); }

TEST(Qr, NeedsAPlaceToListen) {
  const User user;
  user.generate("Ann");
  EXPECT_EQ(user({"card", "--qr"}).status, 78);
}

TEST(Qr, RefusesTooMuchText) {
  EXPECT_TRUE(draw_qr(std::string(2953, 'x'), QrColours::kNone));
  EXPECT_EQ(draw_qr(std::string(2954, 'x'), QrColours::kNone).error().code,
            core::Code::kUnsupported);
}

}  // namespace
}  // namespace p2pmail::cmd
