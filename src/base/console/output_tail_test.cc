#include "base/console/output_tail.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::console {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Visible, ShowsWhatATerminalWouldObey) {
  EXPECT_EQ(visible("a\x1b[2J\a\x7f\tz"), "a^[[2J^G^? z");
  EXPECT_EQ(visible("caf\xc3\xa9\x9b"), "caf\\xc3\\xa9\\x9b");
}

TEST(OutputTail, LinesComeInAnyPieces) {
  OutputTail tail;
  EXPECT_THAT(tail.feed(0, "on"), IsEmpty());
  EXPECT_THAT(tail.feed(0, "e\ntw"), ElementsAre("one"));
  EXPECT_THAT(tail.lines(), ElementsAre("one", "tw"));
  EXPECT_THAT(tail.feed(0, "o\r\n\n"), ElementsAre("two", ""));
  EXPECT_THAT(tail.lines(), ElementsAre("one", "two"));
}

TEST(OutputTail, TwoStreamsDoNotMixInALine) {
  OutputTail tail;
  tail.feed(0, "out ");
  EXPECT_THAT(tail.feed(1, "err\n"), ElementsAre("err"));
  EXPECT_THAT(tail.feed(0, "more\n"), ElementsAre("out more"));
  tail.feed(1, "no end");
  EXPECT_THAT(tail.flush(), ElementsAre("no end"));
  EXPECT_THAT(tail.flush(), IsEmpty());
}

TEST(OutputTail, AProgressBarIsItsLastState) {
  OutputTail tail;
  tail.feed(0, " 10%\r 50%");
  EXPECT_THAT(tail.lines(), ElementsAre(" 50%"));
  tail.feed(0, "\r100%");
  EXPECT_THAT(tail.lines(), ElementsAre("100%"));
  EXPECT_THAT(tail.feed(0, "\n1/9\b\b\b2/9\n"), ElementsAre("100%", "2/9"));
}

// Who hides passwords knows one by the @ behind it.
TEST(OutputTail, AnAddressWhoseEndIsMissingIsNotShown) {
  OutputTail tail;
  const std::string far(OutputTail::kLineBytes - 20, 'x');
  EXPECT_THAT(tail.feed(0, far + " https://me:hunter2@mirror/x\n"),
              ElementsAre(far + " https://..."));
  // No byte that is not the end of a word ends it.
  EXPECT_THAT(tail.feed(0, far + " https://m:p\vss" + far + "@mirror/\n"),
              ElementsAre(far + " https://..."));
  // A line of this length is whole.
  const std::string whole =
      std::string(OutputTail::kLineBytes - 12, 'x') + " http://a/b\xff";
  EXPECT_THAT(tail.feed(0, whole + "\n"),
              ElementsAre(testing::EndsWith(" http://a/b\\xff")));
  // Still coming; then what is there is whole.
  tail.clear();
  EXPECT_THAT(tail.feed(0, "Get:1 https://me:hunter2"), IsEmpty());
  EXPECT_THAT(tail.lines(), ElementsAre("Get:1 https://..."));
  EXPECT_THAT(tail.feed(0, "@mirror/x\rGet:2 https://mirror/y\n"),
              ElementsAre("Get:2 https://mirror/y"));
  EXPECT_THAT(tail.lines(), ElementsAre("Get:2 https://mirror/y"));
}

TEST(OutputTail, AFloodIsBounded) {
  OutputTail tail;
  const std::string flood(std::size_t{1} << 20U, 'x');
  tail.feed(0, flood);
  ASSERT_THAT(tail.lines(), SizeIs(1));
  EXPECT_EQ(tail.lines()[0].size(), OutputTail::kLineBytes);
  for (int i = 0; i < 1000; ++i) tail.feed(1, std::to_string(i) + "\n");
  ASSERT_THAT(tail.lines(), SizeIs(OutputTail::kLines));
  tail.clear();
  EXPECT_THAT(tail.lines(), IsEmpty());
}

}  // namespace
}  // namespace gpunode::console
