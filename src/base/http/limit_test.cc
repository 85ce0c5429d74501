#include "base/http/limit.h"

#include <unistd.h>

#include <array>
#include <optional>

#include <gtest/gtest.h>

#include "base/core/unique_fd.h"

namespace gpunode::http {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

class LimitTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    reader_.reset(ends[0]);
    writer_.reset(ends[1]);
    auto made = Cancellation::make();
    ASSERT_TRUE(made);
    cancellation_.emplace(*std::move(made));
  }

  UniqueFd reader_;
  UniqueFd writer_;
  std::optional<Cancellation> cancellation_;
};

TEST_F(LimitTest, WaitsForADescriptor) {
  ASSERT_EQ(::write(writer_.get(), "x", 1), 1);
  EXPECT_TRUE(wait_ready(reader_.get(), 1, Limit::after(hours(1), nullptr)));
}

TEST_F(LimitTest, EndsAtItsDeadlineEvenIfReady) {
  const auto waited =
      wait_ready(reader_.get(), 1, Limit::after(milliseconds(1), nullptr));
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().message(), "no answer within 0.001 s");
  ASSERT_EQ(::write(writer_.get(), "x", 1), 1);
  EXPECT_FALSE(
      wait_ready(reader_.get(), 1, Limit::after(milliseconds(-1), nullptr)));
}

TEST_F(LimitTest, ACancellationGoesFirstAndStays) {
  ASSERT_EQ(::write(writer_.get(), "x", 1), 1);
  EXPECT_TRUE(pause(milliseconds(1), &*cancellation_));
  cancellation_->cancel();
  const Limit limit = Limit::after(hours(1), &*cancellation_);
  for (int i = 0; i < 2; ++i) {
    const auto waited = wait_ready(reader_.get(), 1, limit);
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().message(), "cancelled");
    EXPECT_FALSE(pause(hours(1), &*cancellation_));
  }
}

}  // namespace
}  // namespace gpunode::http
