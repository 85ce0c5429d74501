#include "apps/gpunode/top/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::top {
namespace {

using testing::ElementsAre;

const std::vector<Column> kColumns = {
    {"NAME", false, 0, true}, {"A", true, 1}, {"B", true, 2}};
const std::vector<std::vector<std::string>> kRows = {
    {"team-a/training-0", "5", "1234"}, {"b/x", "17", "6"}};

TEST(Table, IsAsWideAsItsCellsWhereThereIsRoom) {
  const auto lines = lay_out(kColumns, kRows, 0);
  EXPECT_THAT(lines, ElementsAre("NAME                A     B",
                                 "team-a/training-0   5  1234",
                                 "b/x                17     6"));
  EXPECT_EQ(lay_out(kColumns, kRows, 80), lines);
}

TEST(Table, ShrinksNamesAndThenGivesUpColumns) {
  EXPECT_THAT(
      lay_out(kColumns, kRows, 24),
      ElementsAre("NAME             A     B", "team-a/traini~   5  1234",
                  "b/x             17     6"));
  EXPECT_THAT(lay_out(kColumns, kRows, 18),
              ElementsAre("NAME             A", "team-a/traini~   5",
                          "b/x             17"));
  EXPECT_THAT(lay_out(kColumns, kRows, 14),
              ElementsAre("NAME", "team-a/traini~", "b/x"));
  for (const std::string& line : lay_out(kColumns, kRows, 5)) {
    EXPECT_LE(line.size(), 5U);
  }
}

TEST(Table, ShowsNoControlBytesOfOthers) {
  EXPECT_THAT(lay_out({{"N"}}, {{"a\x1b[2J\n"}}, 0),
              ElementsAre("N", "a?[2J?"));
}

}  // namespace
}  // namespace gpunode::top
