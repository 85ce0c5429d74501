#include "node/provision/run_lock.h"

#include <unistd.h>

#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::provision {
namespace {

TEST(RunLock, NamesWhoHasItUntilHeLetsGo) {
  const host::HostTree tree;
  auto first = RunLock::take(tree.root(), "gpunode apply");
  ASSERT_TRUE(first) << first.error().message();
  std::optional<RunLock> held(*std::move(first));
  const auto second = RunLock::take(tree.root(), "gpunode rollback");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(second.error().message(),
              testing::HasSubstr("pid " + std::to_string(::getpid()) +
                                 " (gpunode apply)"));
  held.reset();
  EXPECT_TRUE(RunLock::take(tree.root(), "gpunode rollback"));
}

TEST(RunLock, OneThatWaitsHasItOnceTheOtherLetsGo) {
  const host::HostTree tree;
  std::optional<RunLock> held(*RunLock::take(tree.root(), "the first"));
  int asked = 0;
  std::string holder;
  const auto second =
      RunLock::take(tree.root(), "the second", [&](const std::string& who) {
        holder = who;
        if (++asked == 3) held.reset();
        return true;
      });
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(asked, 3);
  EXPECT_THAT(holder, testing::HasSubstr("(the first)"));
}

TEST(RunLock, OneThatHasWaitedEnoughGoesWithoutIt) {
  const host::HostTree tree;
  const auto held = RunLock::take(tree.root(), "the first");
  ASSERT_TRUE(held);
  int left = 2;
  const auto second = RunLock::take(tree.root(), "the second",
                                    [&](const auto&) { return left-- > 0; });
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(left, -1);
}

TEST(RunLock, ALinkAtItsPlaceIsNotFollowed) {
  const host::HostTree tree{{"etc/shadow", "secret"}};
  tree.directory("run");
  tree.link("run/gpunode.lock", "/etc/shadow");
  EXPECT_FALSE(RunLock::take(tree.root(), "x"));
  EXPECT_EQ(*tree.root().read_file("/etc/shadow"), "secret");
}

}  // namespace
}  // namespace gpunode::provision
