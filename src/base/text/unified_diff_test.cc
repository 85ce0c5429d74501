#include "base/text/unified_diff.h"

#include <gtest/gtest.h>

namespace gpunode::text {
namespace {

std::string numbered(int from, int to) {
  std::string out;
  for (int i = from; i <= to; ++i) out += std::to_string(i) + "\n";
  return out;
}

TEST(UnifiedDiff, IsEmptyForEqualTexts) {
  EXPECT_EQ(unified_diff("a\n", "a\n", "x", "y"), "");
}

TEST(UnifiedDiff, ShowsThreeLinesAround) {
  EXPECT_EQ(unified_diff(numbered(1, 20),
                         numbered(1, 9) + "new\n" + numbered(11, 20), "a", "b"),
            "--- a\n+++ b\n@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+new\n 11\n 12\n "
            "13\n");
}

TEST(UnifiedDiff, JoinsChangesThatAreNearAndPartsThoseThatAreNot) {
  const std::string near =
      unified_diff(numbered(1, 12),
                   "0\n" + numbered(1, 6) + "x\n" + numbered(7, 12), "a", "b");
  EXPECT_EQ(near,
            "--- a\n+++ b\n@@ -1,9 +1,11 @@\n+0\n 1\n 2\n 3\n 4\n 5\n 6\n+x\n "
            "7\n 8\n 9\n");
  const std::string far =
      unified_diff(numbered(1, 12),
                   "0\n" + numbered(1, 7) + "x\n" + numbered(8, 12), "a", "b");
  EXPECT_EQ(far,
            "--- a\n+++ b\n@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n@@ -5,6 +6,7 @@\n "
            "5\n 6\n 7\n+x\n 8\n 9\n 10\n");
}

TEST(UnifiedDiff, ShowsANewFileAndAMissingLineFeed) {
  EXPECT_EQ(unified_diff("", "a\nb", "/dev/null", "f"),
            "--- /dev/null\n+++ f\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at "
            "end of file\n");
}

TEST(ColouredDiff, ColoursWholeLines) {
  EXPECT_EQ(coloured_diff("--- a\n@@ @@\n-x\n+y\n z\n"),
            "\033[1m--- a\033[0m\n\033[36m@@ @@\033[0m\n\033[31m-x\033[0m\n"
            "\033[32m+y\033[0m\n z\n");
}

}  // namespace
}  // namespace gpunode::text
