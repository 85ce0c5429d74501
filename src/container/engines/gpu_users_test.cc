#include "container/engines/gpu_users.h"

#include <utility>

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

// A program that opens its GPU for each job, between two of them.
TEST(GpuUsers, AreProcessesWhoseContainerHasAGpuThatNobodyHasOpen) {
  const host::HostTree host{
      {"proc/9/cgroup", "0::/kubepods.slice/cri-containerd-0.scope\n"},
      {"proc/9/root/dev/nvidiactl", ""},
      {"proc/10/cgroup", "0::/kubepods.slice/cri-containerd-1.scope\n"},
      {"proc/10/root/dev/nvidia-uvm", ""},
      {"proc/10/root/dev/nvidia7", ""},
      {"proc/11/cgroup", "0::/kubepods.slice/cri-containerd-2.scope\n"},
      {"proc/11/root/dev/nvidia-uvm", ""},
      {"proc/11/root/dev/nvidiafoo", ""},
      {"proc/11/root/dev/null", ""},
      // Like a node that runs in a container: its /dev is ours.
      {"proc/12/cgroup", "0::/docker/abc/kubepods\n"},
      {"proc/12/root/dev/nvidiactl", ""},
      {"proc/13/cgroup", "0::/system.slice/sshd.service\n"},
      {"proc/13/root/dev/nvidiactl", ""},
      {"proc/14/cgroup", "0::/kubepods.slice/cri-containerd-3.scope\n"},
  };
  host.directory("proc/self/ns");
  host.link("proc/self/ns/mnt", "mnt:[1]");
  for (const auto& [process, space] :
       {std::pair("9", "mnt:[3]"), std::pair("10", "mnt:[4]"),
        std::pair("11", "mnt:[5]"), std::pair("12", "mnt:[1]"),
        std::pair("13", "mnt:[6]"), std::pair("14", "mnt:[7]")}) {
    host.directory(std::string("proc/") + process + "/ns");
    host.link(std::string("proc/") + process + "/ns/mnt", space);
  }
  host.directory("proc/14/fd");
  host.link("proc/14/fd/3", "/dev/nvidia0");
  const auto users = gpu_users(host.root());
  ASSERT_EQ(users.size(), 3U);
  EXPECT_EQ(users[0].process_id, "14");
  EXPECT_TRUE(users[0].is_open);
  EXPECT_EQ(users[1].process_id, "10");
  EXPECT_FALSE(users[1].is_open);
  EXPECT_EQ(users[2].process_id, "9");
}

TEST(GpuUsers, AreNoneWithoutProc) {
  const host::HostTree host;
  EXPECT_TRUE(gpu_users(host.root()).empty());
}

}  // namespace
}  // namespace gpunode::engines
