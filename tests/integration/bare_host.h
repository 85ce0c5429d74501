// A host made of files, for tests of verbs that only look at one.
#pragma once

#include <string>

#include "base/host/host_tree.h"

namespace gpunode::integration {

/// Asks for little, so that few Steps have something to do.
inline constexpr const char* kSmallSpec = R"(apiVersion: gpunode.dev/v1alpha1
kind: GPUNode
spec:
  host:
    swap: off
    timeSync: keep
    extraRepositories: false
)";

/// Rocky 8.9 with the driver loaded, one kernel, no swap and no cluster.
struct BareHost {
  host::HostTree tree;

  BareHost() {
    tree.file("etc/os-release",
              "ID=rocky\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"8.9\"\n"
              "PRETTY_NAME=\"Rocky Linux 8.9\"\n");
    tree.directory("sys/block");
    tree.file("proc/sys/kernel/osrelease", "4.18.0-513.el8.x86_64\n");
    tree.file("proc/sys/kernel/arch", "x86_64\n");
    tree.file("proc/sys/kernel/hostname", "GPU-1\n");
    tree.file("proc/sys/kernel/random/boot_id",
              "0d3f4f6e-1111-4222-8333-444455556666\n");
    tree.file("proc/self/mountinfo", "");
    tree.file("proc/swaps", "Filename Type Size Used Priority\n");
    tree.file("sys/module/nvidia/version", "570.86\n");
    kernel("4.18.0-513.el8.x86_64");
    module("4.18.0-513.el8.x86_64");
  }

  void kernel(const std::string& release) const {
    tree.file("boot/vmlinuz-" + release, "");
  }
  void module(const std::string& release) const {
    tree.file("lib/modules/" + release + "/extra/nvidia.ko.xz", "module");
  }
};

}  // namespace gpunode::integration
