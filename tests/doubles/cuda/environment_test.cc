#include "tests/doubles/cuda/environment.h"

#include <gtest/gtest.h>

namespace gpunode::fake_cuda {
namespace {

TEST(Failures, AreReadByNumberAndByName) {
  const auto failures = parse_failures(
      "cuMemAlloc_v2:2,cuInit:CUDA_ERROR_UNKNOWN@3,cuLaunchKernel:719@1");
  ASSERT_EQ(failures.size(), 3U);
  EXPECT_EQ(failures[0].call, "cuMemAlloc_v2");
  EXPECT_EQ(failures[0].result, abi::CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(failures[0].nth, 0U);
  EXPECT_EQ(failures[1].result, abi::CUDA_ERROR_UNKNOWN);
  EXPECT_EQ(failures[1].nth, 3U);
  EXPECT_EQ(failures[2].result, abi::CUDA_ERROR_LAUNCH_FAILED);
}

TEST(Failures, ThatDoNotParseAreDroppedAlone) {
  const auto failures =
      parse_failures("nothing,:2,a:b,cuInit:1@0,cuInit:1@x,,cuMemFree_v2:1");
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].call, "cuMemFree_v2");
}

TEST(Mutations, ArePairs) {
  const auto mutations = parse_mutations("add.f32=sub.f32;[%a]=[%a+4];=x;y");
  ASSERT_EQ(mutations.size(), 2U);
  EXPECT_EQ(mutations[0].first, "add.f32");
  EXPECT_EQ(mutations[1].second, "[%a+4]");
}

}  // namespace
}  // namespace gpunode::fake_cuda
