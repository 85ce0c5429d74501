#include "base/text/go_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::text {
namespace {

using ::testing::ElementsAre;

TEST(GoQuote, EscapesAsGoDoes) {
  EXPECT_EQ(go_quote("a \"b\" \\ \n\t\x01"), R"("a \"b\" \\ \n\t\x01")");
  EXPECT_EQ(go_quote("é"), "\"é\"");
}

TEST(OneLine, EscapesControlCharactersAndCutsBetweenCharacters) {
  EXPECT_EQ(one_line("a\nb\x7f"), "a\\nb\\x7f");
  std::string many;
  for (int i = 0; i < 1500; ++i) many += "é";
  const std::string cut = one_line(many);
  EXPECT_EQ(cut.size(), 2003U);
  EXPECT_TRUE(cut.ends_with("é..."));
}

TEST(ParseGoBool, TakesGosTwelveSpellings) {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    EXPECT_TRUE(*parse_go_bool(yes)) << yes;
  }
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) {
    EXPECT_FALSE(*parse_go_bool(no)) << no;
  }
  EXPECT_EQ(parse_go_bool("yes").error().message(),
            "strconv.ParseBool: parsing \"yes\": invalid syntax");
}

TEST(ParseGoInt, KnowsBasesAndBounds) {
  EXPECT_EQ(*parse_go_int("-0x10"), -16);
  EXPECT_EQ(*parse_go_int("010"), 8);
  EXPECT_EQ(*parse_go_int("-9223372036854775808"),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse_go_int("9223372036854775808").error().message(),
            "strconv.ParseInt: parsing \"9223372036854775808\": value out of "
            "range");
  EXPECT_FALSE(parse_go_int(""));
  EXPECT_FALSE(parse_go_int("1x"));
}

TEST(ParseGoDuration, ReadsWhatGoReads) {
  using std::chrono::nanoseconds;
  EXPECT_EQ(*parse_go_duration("1h2m3.5s"), nanoseconds(3'723'500'000'000));
  EXPECT_EQ(*parse_go_duration("-1.5ms"), nanoseconds(-1'500'000));
  EXPECT_EQ(*parse_go_duration(".5us"), nanoseconds(500));
  EXPECT_EQ(*parse_go_duration("0"), nanoseconds(0));
  EXPECT_EQ(parse_go_duration("9999999h").error().message(),
            "time: invalid duration \"9999999h\"");
}

TEST(ParseGoDuration, SaysWhatGoSays) {
  EXPECT_EQ(parse_go_duration("60").error().message(),
            "time: missing unit in duration \"60\"");
  EXPECT_EQ(parse_go_duration("1x").error().message(),
            "time: unknown unit \"x\" in duration \"1x\"");
}

TEST(SplitAtCommas, KeepsEmptyItems) {
  EXPECT_THAT(split_at_commas("a,,b,"), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(split_at_commas(""), ElementsAre(""));
}

TEST(Trimmed, TakesSpaceOffBothEnds) {
  EXPECT_EQ(trimmed(" \ta b\r\n"), "a b");
  EXPECT_EQ(trimmed(" \n"), "");
}

}  // namespace
}  // namespace gpunode::text
