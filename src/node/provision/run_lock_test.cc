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

TEST(RunLock, ALinkAtItsPlaceIsNotFollowed) {
  const host::HostTree tree{{"etc/shadow", "secret"}};
  tree.directory("run");
  tree.link("run/gpunode.lock", "/etc/shadow");
  EXPECT_FALSE(RunLock::take(tree.root(), "x"));
  EXPECT_EQ(*tree.root().read_file("/etc/shadow"), "secret");
}

}  // namespace
}  // namespace gpunode::provision
