#include "apps/gpunode/commands/share_amount.h"

#include <gtest/gtest.h>

namespace gpunode::cli {
namespace {

TEST(ShareAmount, SizesAreWholeAndHaveAUnit) {
  EXPECT_EQ(parse_size("512MiB"), std::uint64_t{512} << 20U);
  EXPECT_EQ(parse_size("20GiB"), std::uint64_t{20} << 30U);
  for (const char* text : {"", "20", "0GiB", "1.5GiB", "-1GiB", "20 GiB",
                           "20GB", "GiB", "18446744073709551615GiB"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(ShareAmount, PercentsAreFromOneToAHundredWithOneDecimal) {
  EXPECT_EQ(parse_percent("1"), 10U);
  EXPECT_EQ(parse_percent("25"), 250U);
  EXPECT_EQ(parse_percent("12.5"), 125U);
  EXPECT_EQ(parse_percent("99.9"), 999U);
  EXPECT_EQ(parse_percent("100"), 1000U);
  EXPECT_EQ(parse_percent("100.0"), 1000U);
  for (const char* text :
       {"", "0", "0.5", "100.1", "101", "-5", "+5", "25%", "12.55", "12.", ".5",
        "12,5", " 5", "5 ", "1e1", "12.x", "99999999999999999999"}) {
    EXPECT_FALSE(parse_percent(text)) << text;
  }
}

TEST(ShareAmount, PrioritiesAreWholeNumbersOrThePods) {
  const auto by_hand = [](std::int32_t value) {
    return share::TurnPriority{value, share::PrioritySource::kHand};
  };
  EXPECT_EQ(parse_priority("0"), by_hand(0));
  EXPECT_EQ(parse_priority("1000"), by_hand(1000));
  EXPECT_EQ(parse_priority("-5"), by_hand(-5));
  EXPECT_EQ(parse_priority("2147483647"), by_hand(2147483647));
  EXPECT_EQ(parse_priority("-2147483648"), by_hand(-2147483647 - 1));
  EXPECT_EQ(parse_priority("pod"), share::TurnPriority{});
  for (const char* text : {"", "+5", "1.0", "1e3", "high", "Pod", " 1", "1 ",
                           "--1", "2147483648", "-2147483649"}) {
    EXPECT_FALSE(parse_priority(text)) << text;
  }
}

TEST(ShareAmount, PercentsAreWrittenAsTheyAreRead) {
  EXPECT_EQ(percent_text(250), "25 %");
  EXPECT_EQ(percent_text(125), "12.5 %");
  EXPECT_EQ(percent_text(1000), "100 %");
  EXPECT_EQ(percent_text(1), "0.1 %");
}

}  // namespace
}  // namespace gpunode::cli
