#include "base/host/selinux_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"

namespace gpunode::host {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(SelinuxPolicy, IsAskedOnceAboutAllPaths) {
  FakeCommandRunner runner;
  runner.script("/usr/sbin/matchpathcon /etc/fstab /proc '/var/lib/my pods'",
                Completed{1,
                          "/etc/fstab\tsystem_u:object_r:etc_t:s0\n"
                          "/proc\t<<none>>\n"
                          "/other\tsystem_u:object_r:other_t:s0\n"
                          "/var/lib/my pods\tsystem_u:object_r:var_lib_t:s0",
                          "matchpathcon: something else"});
  const auto labels =
      policy_labels(runner, {"/etc/fstab", "/proc", "/var/lib/my pods"});
  ASSERT_TRUE(labels) << labels.error().message();
  EXPECT_THAT(
      *labels,
      ElementsAre(Pair("/etc/fstab", "system_u:object_r:etc_t:s0"),
                  Pair("/var/lib/my pods", "system_u:object_r:var_lib_t:s0")));
  EXPECT_THAT(runner.commands(), testing::SizeIs(1));
}

TEST(SelinuxPolicy, IsNotAskedAboutNothing) {
  FakeCommandRunner runner;
  const auto labels = policy_labels(runner, {});
  ASSERT_TRUE(labels);
  EXPECT_THAT(*labels, IsEmpty());
  EXPECT_THAT(runner.commands(), IsEmpty());
}

TEST(SelinuxPolicy, LooksPastTheUserOfALabel) {
  EXPECT_TRUE(is_same_label("unconfined_u:object_r:etc_t:s0",
                            "system_u:object_r:etc_t:s0"));
  EXPECT_FALSE(is_same_label("system_u:object_r:etc_runtime_t:s0",
                             "system_u:object_r:etc_t:s0"));
  EXPECT_FALSE(is_same_label("", "system_u:object_r:etc_t:s0"));
}

}  // namespace
}  // namespace gpunode::host
