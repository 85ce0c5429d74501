#include "base/console/page.h"

#include <gtest/gtest.h>

namespace gpunode::console {
namespace {

TEST(Page, IsPlainLinesInAPipe) {
  Page page;
  page.line(0, "Head", Style::kHeading);
  page.line(2, std::string(300, 'x') + " " + std::string(300, 'y'));
  page.line(0, "");
  EXPECT_EQ(page.render({}), "Head\n  " + std::string(300, 'x') + " " +
                                 std::string(300, 'y') + "\n\n");
}

TEST(Page, FoldsAtSpacesAndGoesOnFurtherIn) {
  Page page;
  page.line(2, "one two three four five");
  EXPECT_EQ(page.render({14, false}), "  one two\n    three four\n    five\n");
  EXPECT_EQ(page.render({15, false}), "  one two three\n    four five\n");
}

TEST(Page, LeavesALongWordWhole) {
  Page page;
  page.line(2, "id GPU-0123456789-0123456789 next");
  EXPECT_EQ(page.render({20, false}),
            "  id\n    GPU-0123456789-0123456789\n    next\n");
}

TEST(Page, ColoursEveryPartOfALineAndNothingElse) {
  Page page;
  page.line(1, "all bad", Style::kBad);
  page.line(0, "plain");
  EXPECT_EQ(page.render({6, true}),
            " \x1b[31mall\x1b[0m\n   \x1b[31mbad\x1b[0m\nplain\n");
}

TEST(Page, LetsNobodysWordsReachTheTerminal) {
  Page page;
  page.line(0,
            "a\x1b[2J\r\nb\x9b"
            "31m\x7f\t\xc2\x9d");
  EXPECT_EQ(page.render({0, true}), "a?[2J??b?31m????\n");
  EXPECT_EQ(printable("ok\0x"), "ok");
  EXPECT_EQ(printable(std::string_view("ok\0x", 4)), "ok?x");
}

}  // namespace
}  // namespace gpunode::console
