#include "node/driver/cuda_branch.h"

#include <gtest/gtest.h>

namespace gpunode::driver {
namespace {

TEST(CudaBranch, AMajorVersionNeedsItsBranch) {
  EXPECT_EQ(first_branch_for_cuda("10.0"), 410);
  EXPECT_EQ(first_branch_for_cuda("10.2"), 440);
  EXPECT_EQ(first_branch_for_cuda("11.8"), 450);
  EXPECT_EQ(first_branch_for_cuda("12.9"), 525);
  EXPECT_EQ(first_branch_for_cuda("13.0"), 580);
  EXPECT_EQ(first_branch_for_cuda("13.2"), 580);
  EXPECT_EQ(first_branch_for_cuda("14.0"), 0);
}

TEST(CudaBranch, ABranchRunsUpToAMajorVersion) {
  EXPECT_EQ(newest_cuda_of(390), 0);
  EXPECT_EQ(newest_cuda_of(470), 11);
  EXPECT_EQ(newest_cuda_of(550), 12);
  EXPECT_EQ(newest_cuda_of(580), 13);
}

}  // namespace
}  // namespace gpunode::driver
