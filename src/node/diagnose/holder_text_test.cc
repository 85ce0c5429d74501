#include "node/diagnose/holder_text.h"

#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::diagnose {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string lines(const AgentStatus& status, const std::string& uuid,
                  bool is_shared, Detail detail = Detail::kSummary) {
  console::Page page;
  HolderIndex(status).describe(uuid, is_shared, detail, page);
  return page.render({});
}

TEST(HolderText, NumbersAreRanges) {
  EXPECT_EQ(ranges({}), "");
  EXPECT_EQ(ranges({7}), "7");
  EXPECT_EQ(ranges({0, 1, 2, 3, 7, 9, 10}), "0-3, 7, 9-10");
}

TEST(HolderText, NamesPodContainerAndReplicasOfOneDevice) {
  AgentStatus status;
  status.holders = {{"a",
                     "train",
                     "",
                     "main",
                     "nvidia.com/gpu",
                     {"GPU-0::10", "GPU-0::9", "GPU-1::3"}},
                    {"", "", "u-1", "c", "nvidia.com/gpu", {"GPU-0::1"}}};
  EXPECT_EQ(lines(status, "GPU-0", true),
            "      a/train, container main: 2 shares of nvidia.com/gpu "
            "(9-10)\n"
            "      the Pod with UID u-1, container c: 1 share of "
            "nvidia.com/gpu (1)\n");
  EXPECT_EQ(lines(status, "GPU-2", true), "");
}

TEST(HolderText, WhoHoldsMostComesFirst) {
  AgentStatus status;
  status.holders = {{"a", "small", "", "c", "r", {"GPU-0::1"}},
                    {"a", "large", "", "c", "r", {"GPU-0::2", "GPU-0::3"}}};
  EXPECT_EQ(HolderIndex(status).names("GPU-0"), "a/large, a/small");
}

TEST(HolderText, AWholeGpuHasNoShares) {
  AgentStatus status;
  status.holders = {{"a", "train", "", "main", "nvidia.com/gpu", {"GPU-0"}}};
  EXPECT_EQ(lines(status, "GPU-0", false),
            "      a/train, container main: nvidia.com/gpu\n");
}

TEST(HolderText, FiveHundredPodsAreAFewLinesUnlessAllAreWanted) {
  AgentStatus status;
  for (int i = 0; i < 500; ++i) {
    status.holders.push_back({"a", fmt::format("p{}", i), "", "c", "r", {}});
    for (int j = 0; j < 20; ++j) {
      status.holders.back().ids.push_back(fmt::format("GPU-0::{}", i * 20 + j));
    }
  }
  const std::string few = lines(status, "GPU-0", true);
  EXPECT_EQ(std::count(few.begin(), few.end(), '\n'), 8);
  EXPECT_THAT(few, HasSubstr("a/p1, container c: 20 shares of r (20-39)\n"));
  EXPECT_THAT(few, HasSubstr("and 493 more containers; --all names them\n"));
  const std::string all = lines(status, "GPU-0", true, Detail::kAll);
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 500 + 10'000);
  EXPECT_THAT(all, HasSubstr("        GPU-0::9999\n"));
  EXPECT_EQ(HolderIndex(status).names("GPU-0"),
            "a/p0, a/p1, a/p2 and 497 more");
}

TEST(HolderText, OddIdsAreNotNumbered) {
  AgentStatus status;
  status.holders = {
      {"a", "p", "", "c", "r", {"GPU-0::x", "GPU-0::", "GPU-0::\x1b[2J"}}};
  const std::string text = lines(status, "GPU-0", true);
  EXPECT_EQ(text, "      a/p, container c: 3 shares of r\n");
  EXPECT_THAT(lines(status, "GPU-0", true, Detail::kAll),
              Not(HasSubstr("\x1b")));
}

TEST(HolderText, FindsThoseOfDevicesThatAreGone) {
  AgentStatus status;
  status.holders = {{"a", "p", "", "c", "r", {"GPU-9::1", "GPU-9::2"}},
                    {"a", "q", "", "c", "r", {"GPU-0::1"}}};
  const auto found = HolderIndex(status).elsewhere({"GPU-0"});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0]->pod, "p");
}

}  // namespace
}  // namespace gpunode::diagnose
