#include "base/console/live_area.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/console/screen_model.h"

namespace gpunode::console {
namespace {

using testing::ElementsAre;

Terminal of(std::size_t width, std::size_t height) {
  return {.width = width, .height = height, .can_redraw = true};
}

TEST(LiveArea, IsDrawnOverAndLeavesNothing) {
  PtyScreen pty(40, 10);
  LiveArea area(pty.out());
  std::fputs("said before\n", pty.out());
  area.show({{"one"}, {"two"}, {"three"}}, of(40, 10));
  EXPECT_THAT(pty.lines(), ElementsAre("said before", "one", "two", "three"));
  area.show({{"ONE"}}, of(40, 10));
  EXPECT_THAT(pty.lines(), ElementsAre("said before", "ONE"));
  area.clear(of(40, 10));
  std::fputs("said after\n", pty.out());
  EXPECT_THAT(pty.lines(), ElementsAre("said before", "said after"));
}

TEST(LiveArea, IsCutToTheScreenInBothDirections) {
  PtyScreen pty(20, 4);
  LiveArea area(pty.out());
  const std::string wide(100, 'x');
  for (int i = 0; i < 5; ++i) {
    area.show({{wide}, {wide}, {wide}, {wide}, {wide}}, of(20, 4));
  }
  const std::string cut(19, 'x');
  EXPECT_THAT(pty.lines(), ElementsAre(cut, cut, cut));
  EXPECT_EQ(pty.screen().folded(), 0U);
}

TEST(LiveArea, AtTheBottomOfTheScreenItScrollsOnce) {
  PtyScreen pty(20, 4);
  LiveArea area(pty.out());
  std::fputs("1\n2\n3\n", pty.out());
  for (int i = 0; i < 5; ++i) area.show({{"a"}, {"b"}}, of(20, 4));
  EXPECT_THAT(pty.lines(), ElementsAre("1", "2", "3", "a", "b"));
}

// How a terminal folds what no longer fits is its own affair.
TEST(LiveArea, AfterTheScreenBecameNarrowerNothingAboveIsTouched) {
  PtyScreen pty(40, 10);
  LiveArea area(pty.out());
  std::fputs("said before\n", pty.out());
  area.show({{std::string(30, 'x')}}, of(40, 10));
  area.show({{"short"}}, of(20, 10));
  EXPECT_THAT(pty.lines(),
              ElementsAre("said before", std::string(30, 'x'), "short"));
  area.show({{"again"}}, of(60, 10));
  EXPECT_THAT(pty.lines(),
              ElementsAre("said before", std::string(30, 'x'), "again"));
}

TEST(LiveArea, WhereNothingCanBeDrawnOverNothingIs) {
  PtyScreen pty(40, 10);
  LiveArea area(pty.out());
  area.show({{"one"}}, {.width = 40, .height = 10});
  area.show({{"one"}}, {});
  area.clear({});
  (void)pty.screen();
  EXPECT_EQ(pty.raw(), "");
}

TEST(LiveArea, ObeysNobodyElse) {
  PtyScreen pty(60, 10);
  LiveArea area(pty.out());
  area.show({{"a\x1b[2J\nb\x9bz"}}, of(60, 10));
  EXPECT_THAT(pty.lines(), ElementsAre("a?[2J?b?z"));
}

}  // namespace
}  // namespace gpunode::console
