#include "container/engines/gpu_users.h"

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::engines {
namespace {

TEST(GpuUsers, AreProcessesInContainersWithAGpuOpen) {
  const host::HostTree host{
      {"proc/10/cgroup", "0::/kubepods.slice/cri-containerd-1.scope\n"},
      {"proc/10/comm", "python3\n"},
      {"proc/11/cgroup", "0::/kubepods.slice/cri-containerd-2.scope\n"},
      {"proc/11/comm", "nginx\n"},
      {"proc/12/cgroup", "0::/system.slice/nvidia-persistenced.service\n"},
      {"proc/self/cgroup", "0::/docker\n"},
  };
  for (const char* process : {"10", "11", "12"}) {
    host.directory(std::string("proc/") + process + "/fd");
  }
  host.link("proc/10/fd/3", "/dev/nvidia0");
  host.link("proc/11/fd/3", "/dev/null");
  host.link("proc/12/fd/3", "/dev/nvidiactl");
  const auto users = gpu_users(host.root());
  ASSERT_EQ(users.size(), 1U);
  EXPECT_EQ(users[0].process_id, "10");
  EXPECT_EQ(users[0].program, "python3");
}

TEST(GpuUsers, AreNoneWithoutProc) {
  const host::HostTree host;
  EXPECT_TRUE(gpu_users(host.root()).empty());
}

}  // namespace
}  // namespace gpunode::engines
