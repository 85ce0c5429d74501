#include "base/host/swap_table.h"

#include <string>

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

const std::string kHeader =
    "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

TEST(SwapTable, ReadsPartitionsAndFiles) {
  const auto swaps = parse_swap_table(
      kHeader +
      "/dev/sda3                               partition\t8388604\t\t"
      "12\t\t-2\n"
      "/var/a\\040b\\040(deleted)               file\t\t2097148\t\t0"
      "\t\t10\n");
  ASSERT_TRUE(swaps) << swaps.error().message();
  ASSERT_EQ(swaps->size(), 2U);
  EXPECT_EQ((*swaps)[0], (Swap{.path = "/dev/sda3",
                               .kind = "partition",
                               .size_bytes = 8388604ULL * 1024,
                               .used_bytes = 12288,
                               .priority = -2}));
  EXPECT_EQ((*swaps)[1].path, "/var/a b");
  EXPECT_TRUE((*swaps)[1].deleted);
  EXPECT_EQ((*swaps)[1].priority, 10);
}

TEST(SwapTable, MayBeEmpty) {
  const auto swaps = parse_swap_table(kHeader);
  ASSERT_TRUE(swaps);
  EXPECT_TRUE(swaps->empty());
  const HostTree without;
  const auto none = read_swap_table(without.root());
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST(SwapTable, NamesTheLineThatIsNone) {
  for (const std::string bad :
       {"/dev/sda3 partition 1 2", "partition 1 2 3",
        "/dev/sda3 partition x 2 3",
        "/dev/sda3 partition 99999999999999999 0 1", "   "}) {
    const auto swaps = parse_swap_table(kHeader + bad + "\n");
    ASSERT_FALSE(swaps) << bad;
    EXPECT_NE(swaps.error().message().find("line 2"), std::string::npos);
  }
}

TEST(SwapTable, OfThisMachineIsRead) {
  EXPECT_TRUE(read_swap_table(HostRoot()));
}

}  // namespace
}  // namespace gpunode::host
