#include "node/facts/swaps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::facts {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kHeading =
    "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

TEST(Swaps, AreReadWithTheirSizes) {
  EXPECT_THAT(parse_swaps(std::string(kHeading) +
                          "/dev/dm-1                               partition\t"
                          "8388604\t\t0\t\t-2\n"
                          "/swap\\040file  file 4 0 -3\n"),
              ElementsAre(SwapFacts{"/dev/dm-1", "partition",
                                    std::uint64_t{8388604} * 1024},
                          SwapFacts{"/swap file", "file", 4096}));
}

TEST(Swaps, AreNoneInAnEmptyTable) {
  EXPECT_THAT(parse_swaps(kHeading), IsEmpty());
  EXPECT_THAT(parse_swaps(""), IsEmpty());
}

TEST(Swaps, AreNotMadeOfNonsense) {
  EXPECT_THAT(parse_swaps("a\nb c d\n/x file 99999999999999999999 0 0\n"
                          "/x file 18446744073709551615 0 0\n"),
              IsEmpty());
}

}  // namespace
}  // namespace gpunode::facts
