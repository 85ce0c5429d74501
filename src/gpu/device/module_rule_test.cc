#include "gpu/device/module_rule.h"

#include <gtest/gtest.h>

namespace gpunode::device {
namespace {

TEST(ModuleRule, IsByTheChip) {
  constexpr auto kClosed = ModuleRule::kProprietaryOnly;
  constexpr auto kEither = ModuleRule::kEither;
  constexpr auto kOpen = ModuleRule::kOpenOnly;
  EXPECT_EQ(module_rule_of(0x102d), kClosed);  // K80
  EXPECT_EQ(module_rule_of(0x15f8), kClosed);  // P100
  EXPECT_EQ(module_rule_of(0x1db6), kClosed);  // V100
  EXPECT_EQ(module_rule_of(0x1d01), kClosed);  // GT 1030
  EXPECT_EQ(module_rule_of(0x1eb8), kEither);  // T4
  EXPECT_EQ(module_rule_of(0x20b2), kEither);  // A100
  EXPECT_EQ(module_rule_of(0x2237), kEither);  // A10G
  EXPECT_EQ(module_rule_of(0x2335), kEither);  // H200
  EXPECT_EQ(module_rule_of(0x2342), kOpen);    // GH200
  EXPECT_EQ(module_rule_of(0x27b8), kEither);  // L4
  EXPECT_EQ(module_rule_of(0x2901), kOpen);    // B200
  EXPECT_EQ(module_rule_of(0x2c3a), kOpen);    // Missing in NVIDIA's own list.
  EXPECT_EQ(module_rule_of(0x2e12), kOpen);    // GB10
}

TEST(ModuleRule, AnIdThatNobodyKnowsIsANewerChips) {
  EXPECT_EQ(module_rule_of(0x4abc), ModuleRule::kOpenOnly);
  EXPECT_EQ(branches_of(0x4abc), BranchRange{});
}

TEST(ModuleRule, BranchesEndWithOldChipsAndBeginWithNewOnes) {
  EXPECT_EQ(branches_of(0x102d), (BranchRange{0, 470}));
  EXPECT_EQ(branches_of(0x1db6), (BranchRange{0, 580}));
  EXPECT_EQ(branches_of(0x2237), (BranchRange{450, 0}));
  EXPECT_EQ(branches_of(0x2330), (BranchRange{525, 0}));
  EXPECT_EQ(branches_of(0x2342), (BranchRange{535, 0}));
  EXPECT_EQ(branches_of(0x2901), (BranchRange{570, 0}));
  EXPECT_EQ(branches_of(0x3182), (BranchRange{580, 0}));
}

}  // namespace
}  // namespace gpunode::device
