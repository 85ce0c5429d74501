#include "base/console/terminal.h"

#include <fcntl.h>
#include <unistd.h>

#include <map>

#include <gtest/gtest.h>
#include <pty.h>

#include "base/core/unique_fd.h"

namespace gpunode::console {
namespace {

class TerminalTest : public testing::Test {
 protected:
  void SetUp() override {
    int master = -1;
    int slave = -1;
    winsize size{};
    size.ws_col = 72;
    size.ws_row = 30;
    ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
    master_.reset(master);
    slave_.reset(slave);
  }

  Terminal look(bool wants_colours = true) const {
    return look_at(
        slave_.get(),
        [this](std::string_view name) -> std::optional<std::string> {
          const auto found = environment_.find(std::string(name));
          if (found == environment_.end()) return std::nullopt;
          return found->second;
        },
        wants_colours);
  }

  UniqueFd master_;
  UniqueFd slave_;
  std::map<std::string, std::string> environment_ = {{"TERM", "xterm"}};
};

TEST_F(TerminalTest, TellsItsWidthAndHasColours) {
  EXPECT_EQ(look(), (Terminal{72, true, 30, true}));
}

TEST_F(TerminalTest, ADumbOneIsNotDrawnOver) {
  environment_["TERM"] = "dumb";
  EXPECT_EQ(look(), (Terminal{72, false, 30, false}));
  environment_["TERM"] = "xterm";
  environment_["NO_COLOR"] = "1";
  EXPECT_EQ(look(), (Terminal{72, false, 30, true}));
}

TEST_F(TerminalTest, ColumnsIsThePersonsWord) {
  environment_["COLUMNS"] = "50";
  EXPECT_EQ(look().width, 50U);
  environment_["COLUMNS"] = "200";
  EXPECT_EQ(look().width, 72U) << "wider than the window";
  environment_["COLUMNS"] = "3";
  EXPECT_EQ(look().width, 20U);
  for (const char* nonsense : {"", "wide", "-5", "50x"}) {
    environment_["COLUMNS"] = nonsense;
    EXPECT_EQ(look().width, 72U) << nonsense;
  }
}

TEST_F(TerminalTest, HasNoColoursForWhoWantsNone) {
  EXPECT_FALSE(look(false).has_colours);
  environment_["NO_COLOR"] = "1";
  EXPECT_FALSE(look().has_colours);
  environment_["NO_COLOR"] = "";
  EXPECT_TRUE(look().has_colours);
  environment_["TERM"] = "dumb";
  EXPECT_FALSE(look().has_colours);
  environment_.erase("TERM");
  EXPECT_FALSE(look().has_colours);
}

TEST_F(TerminalTest, APipeIsPlainWhateverTheEnvironmentSays) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  slave_.reset(ends[1]);
  const UniqueFd other(ends[0]);
  environment_["COLUMNS"] = "50";
  EXPECT_EQ(look(), Terminal());
}

}  // namespace
}  // namespace gpunode::console
