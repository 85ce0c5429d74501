// Tables of the driver's functions, which programs call without any name.
#include "tests/share/share_program.h"

namespace gpunode::share {
namespace {

TEST_F(ShareProgram, ATableOfWhatTakesMemoryHasOursInIt) {
  lay(64 * kMiB);
  const Answer answer = run({GPUNODE_TABLE_ASKER});
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("table1_result"), 0u) << answer.text;
  EXPECT_EQ(answer.number("table1_same"), 0u) << answer.text;
  EXPECT_EQ(answer.number("table1_again"), 1u) << answer.text;
  EXPECT_EQ(answer.number("take"), 1u) << answer.text;
  EXPECT_EQ(answer.number("give"), 1u) << answer.text;
  // The rest is the driver's.
  EXPECT_EQ(answer.number("bytes"), 6 * sizeof(void*)) << answer.text;
  EXPECT_EQ(answer.number("plain"), 1u) << answer.text;
  EXPECT_EQ(answer.number("empty"), 1u) << answer.text;
  EXPECT_EQ(answer.number("errno"), ~std::uint64_t{0}) << answer.text;
}

TEST_F(ShareProgram, OtherTablesAreTheDriversOwn) {
  lay(64 * kMiB);
  const Answer answer = run({GPUNODE_TABLE_ASKER});
  ASSERT_EQ(answer.status, 0) << answer.text;
  // Without such functions; without a size; that cannot be what they say.
  for (const std::string table : {"0", "2", "3", "4", "5"}) {
    EXPECT_EQ(answer.number("table" + table + "_result"), 0u) << answer.text;
    EXPECT_EQ(answer.number("table" + table + "_same"), 1u) << answer.text;
  }
}

TEST_F(ShareProgram, TablesThatThereAreNoneOfGetTheDriversAnswer) {
  lay(64 * kMiB);
  const Answer answer = run({GPUNODE_TABLE_ASKER});
  EXPECT_EQ(answer.number("unknown"), 1u) << answer.text;
  EXPECT_EQ(answer.number("untouched"), 1u) << answer.text;
  EXPECT_EQ(answer.number("null_table"), 1u) << answer.text;
  EXPECT_EQ(answer.number("null_id"), 1u) << answer.text;
  const Answer bare = run({GPUNODE_TABLE_ASKER}, false);
  EXPECT_EQ(bare.number("table1_same"), 1u) << bare.text;
}

}  // namespace
}  // namespace gpunode::share
