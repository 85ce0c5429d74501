#include "base/core/result.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace gpunode {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return Error(ErrorCode::kInvalidArgument, "odd");
  return n / 2;
}

Result<int> quarter(int n) {
  TRY(const int once, half(n));
  TRY(const int twice, half(once));
  return twice;
}

Result<void> check(int n) {
  TRY_VOID(quarter(n));
  return {};
}

TEST(Result, TryPassesValuesAndStopsAtTheFirstError) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().message(), "odd");
  EXPECT_TRUE(check(4));
  EXPECT_EQ(check(3).error().code(), ErrorCode::kInvalidArgument);
}

TEST(Result, CarriesMoveOnlyValues) {
  Result<std::unique_ptr<int>> made = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = *std::move(made);
  EXPECT_EQ(*taken, 7);
}

TEST(ResultDeathTest, ReadingTheWrongSideAborts) {
  Result<int> failed = Error(ErrorCode::kInternal, "x");
  EXPECT_DEATH(static_cast<void>(*failed), "");
}

}  // namespace
}  // namespace gpunode
