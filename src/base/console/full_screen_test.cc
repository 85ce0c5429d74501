#include "base/console/full_screen.h"

#include <csignal>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/console/screen_model.h"

namespace gpunode::console {
namespace {

using testing::ElementsAre;

constexpr std::chrono::milliseconds kLong{60'000};

Terminal of(std::size_t width, std::size_t height) {
  return {.width = width, .height = height, .can_redraw = true};
}

termios settings(const PtyScreen& pty) {
  termios now{};
  EXPECT_EQ(::tcgetattr(pty.fd(), &now), 0);
  return now;
}

FullScreen taken(const PtyScreen& pty) {
  auto screen = FullScreen::enter(pty.fd(), pty.fd());
  EXPECT_TRUE(screen) << screen.error().message();
  return *std::move(screen);
}

TEST(FullScreen, GivesTheTerminalBackAsItWas) {
  PtyScreen pty(30, 5);
  std::fputs("said before\n", pty.out());
  const termios before = settings(pty);
  {
    const FullScreen screen = taken(pty);
    ASSERT_TRUE(screen.show({{"one"}, {"two"}}, of(30, 5)));
    EXPECT_THAT(pty.lines(), ElementsAre("one", "two"));
    EXPECT_TRUE(pty.screen().is_other());
    EXPECT_FALSE(pty.screen().has_cursor());
    EXPECT_EQ(settings(pty).c_lflag & ICANON, 0U);
    EXPECT_EQ(settings(pty).c_lflag & ECHO, 0U);
  }
  EXPECT_THAT(pty.lines(), ElementsAre("said before"));
  EXPECT_FALSE(pty.screen().is_other());
  EXPECT_TRUE(pty.screen().has_cursor());
  EXPECT_EQ(settings(pty).c_lflag, before.c_lflag);
  EXPECT_EQ(settings(pty).c_iflag, before.c_iflag);
}

TEST(FullScreen, DrawsOverWhatWasThere) {
  PtyScreen pty(10, 3);
  const FullScreen screen = taken(pty);
  ASSERT_TRUE(screen.show({{"a long one"}, {"b"}, {"c"}}, of(10, 3)));
  EXPECT_THAT(pty.lines(), ElementsAre("a long one", "b", "c"));
  ASSERT_TRUE(screen.show({{"x"}}, of(10, 3)));
  EXPECT_THAT(pty.lines(), ElementsAre("x"));
  const std::string wide(50, 'w');
  ASSERT_TRUE(screen.show({{wide}, {wide}, {wide}, {wide}}, of(10, 3)));
  const std::string row(10, 'w');
  EXPECT_THAT(pty.lines(), ElementsAre(row, row, row));
  EXPECT_EQ(pty.screen().folded(), 0U);
}

TEST(FullScreen, IsNoLargerThanTheWindowWhateverIsSaidOfIt) {
  PtyScreen pty(12, 3);
  const FullScreen screen = taken(pty);
  const std::string wide(50, 'w');
  ASSERT_TRUE(screen.show({{wide}, {wide}, {wide}, {wide}}, of(40, 10)));
  const std::string row(12, 'w');
  EXPECT_THAT(pty.lines(), ElementsAre(row, row, row));
  EXPECT_EQ(pty.screen().folded(), 0U);
}

TEST(FullScreen, ShowsNoControlBytesOfOthers) {
  PtyScreen pty(30, 3);
  const FullScreen screen = taken(pty);
  ASSERT_TRUE(screen.show({{"pod\x1b[2J\x07\n"}}, of(30, 3)));
  EXPECT_THAT(pty.lines(), ElementsAre("pod?[2J??"));
}

TEST(FullScreen, ASignalThatSaysTheSizeIsNoEnd) {
  const PtyScreen pty(30, 3);
  FullScreen screen = taken(pty);
  ::raise(SIGWINCH);
  auto event = screen.wait(kLong, -1);
  ASSERT_TRUE(event);
  EXPECT_TRUE(event->is_resized);
  EXPECT_FALSE(event->is_over);
  ::raise(SIGINT);
  event = screen.wait(kLong, -1);
  ASSERT_TRUE(event);
  EXPECT_TRUE(event->is_over);
}

TEST(FullScreen, LeavesSignalsAsTheyWere) {
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
  {
    const PtyScreen pty(30, 3);
    const FullScreen screen = taken(pty);
    sigset_t now;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
    EXPECT_EQ(::sigismember(&now, SIGTERM), 1);
  }
  sigset_t after;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &after);
  EXPECT_EQ(::sigismember(&after, SIGTERM), ::sigismember(&before, SIGTERM));
}

void end_by(int signal) {
  PtyScreen pty(30, 3);
  std::optional<FullScreen> screen(taken(pty));
  ::raise(signal);
  static_cast<void>(screen->wait(kLong, -1));
}

TEST(FullScreenDeathTest, SignalsThatEndProgramsEndThisOne) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(end_by(SIGTERM), testing::KilledBySignal(SIGTERM), "");
  EXPECT_EXIT(end_by(SIGHUP), testing::KilledBySignal(SIGHUP), "");
}

/// A frame that no terminal takes unless somebody reads it.
std::vector<LiveArea::Line> more_than_it_takes() {
  return std::vector<LiveArea::Line>(1000, {std::string(200, 'w')});
}

void end_while_it_stalls(int signal) {
  PtyScreen pty(200, 1000);
  std::optional<FullScreen> screen(taken(pty));
  ::raise(signal);
  static_cast<void>(screen->show(more_than_it_takes(), of(200, 1000)));
  static_cast<void>(screen->wait(kLong, -1));
}

TEST(FullScreenDeathTest, ATerminalThatTakesNothingKeepsNobodyFromEndingIt) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(end_while_it_stalls(SIGTERM), testing::KilledBySignal(SIGTERM),
              "");
  EXPECT_EXIT(end_while_it_stalls(SIGQUIT), testing::KilledBySignal(SIGQUIT),
              "");
}

TEST(FullScreen, ATerminalThatTakesNothingIsGivenBackWhenItDoes) {
  PtyScreen pty(200, 1000);
  const termios before = settings(pty);
  {
    FullScreen screen = taken(pty);
    ::raise(SIGINT);
    ASSERT_TRUE(screen.show(more_than_it_takes(), of(200, 1000)));
    const auto event = screen.wait(kLong, -1);
    ASSERT_TRUE(event);
    EXPECT_TRUE(event->is_over);
  }
  EXPECT_FALSE(pty.screen().is_other());
  EXPECT_TRUE(pty.screen().has_cursor());
  EXPECT_THAT(pty.raw(), testing::HasSubstr("\x1b[?1049l"));
  EXPECT_EQ(settings(pty).c_lflag, before.c_lflag);
}

TEST(FullScreen, IsRawAgainWhenItGoesOn) {
  const PtyScreen pty(30, 3);
  const termios before = settings(pty);
  FullScreen screen = taken(pty);
  // As a shell does that has been told that it was stopped.
  ASSERT_EQ(::tcsetattr(pty.fd(), TCSANOW, &before), 0);
  ::raise(SIGCONT);
  const auto event = screen.wait(kLong, -1);
  ASSERT_TRUE(event);
  EXPECT_TRUE(event->is_resized) << "to be drawn again";
  EXPECT_FALSE(event->is_over);
  EXPECT_EQ(settings(pty).c_lflag & ICANON, 0U);
}

TEST(FullScreen, IsNoneWithoutATerminal) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe(ends), 0);
  const auto screen = FullScreen::enter(ends[0], ends[1]);
  ASSERT_FALSE(screen);
  EXPECT_THAT(screen.error().message(),
              testing::HasSubstr("read the terminal's settings"));
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace gpunode::console
