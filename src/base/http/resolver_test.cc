#include "base/http/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::http {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

TEST(Resolver, AnAddressStandsForItself) {
  const Limit limit = Limit::after(seconds(10), nullptr);
  EXPECT_EQ(resolve("10.0.0.1", 443, limit)->front().text(), "10.0.0.1:443");
  EXPECT_EQ(resolve("fd00::1", 6443, limit)->front().text(), "[fd00::1]:6443");
}

TEST(Resolver, KnowsTheHostsFile) {
  const auto found =
      resolve("localhost", 80, Limit::after(seconds(10), nullptr));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_THAT((std::vector<std::string>{"127.0.0.1:80", "[::1]:80"}),
              testing::Contains(found->front().text()));
}

TEST(Resolver, NamesWhatItDidNotFind) {
  // RFC 6761: never a name. Without a network there is nobody to say so.
  const auto found =
      resolve("api.gpunode.invalid", 80,
              Limit::after(std::chrono::milliseconds(200), nullptr));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(found.error().message(),
              HasSubstr("look up api.gpunode.invalid: "));
}

TEST(Resolver, IsCancelled) {
  auto cancellation = Cancellation::make();
  ASSERT_TRUE(cancellation);
  cancellation->cancel();
  const auto found = resolve("api.gpunode.invalid", 80,
                             Limit::after(seconds(600), &*cancellation));
  ASSERT_FALSE(found);
}

}  // namespace
}  // namespace gpunode::http
