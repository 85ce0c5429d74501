// Taking a node out of its cluster, and who may.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "base/text/base64.h"
#include "node/provision/cluster_world_test.h"
#include "node/provision/leaving.h"
#include "node/provision/node_reset.h"

namespace gpunode::provision {
namespace {

using kube::ClusterDouble;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

using World = ClusterWorld;

TEST(LeaveClusterAction, TakesAwayWhatAResetLeaves) {
  World world;
  ASSERT_TRUE(world.join());
  world.tree.file("var/lib/kubelet/kubeadm-flags.env", "x\n");
  world.tree.file("var/lib/gpunode/node-meta", "label a=b\n");
  ClusterActions actions(world.tree.root(), world.runner);
  const LeaveCluster leave{"gpu-1"};
  ASSERT_TRUE(ClusterActions::prepare(leave));
  EXPECT_EQ(ClusterActions::prepare(leave)->undo, Undo::kNone);
  ASSERT_TRUE(actions.perform(leave));
  EXPECT_FALSE(world.exists(kKubeletConf));
  EXPECT_FALSE(world.exists("var/lib/kubelet/kubeadm-flags.env"));
  // A Node of another cluster was not given it.
  EXPECT_FALSE(world.exists(kNodeMetaPath));
  const auto lines = world.runner.lines.size();
  EXPECT_TRUE(actions.perform(leave));
  EXPECT_EQ(world.runner.lines.size(), lines);
}

TEST(LeaveClusterAction, AResetThatFailsIsTriedAgain) {
  World world;
  ASSERT_TRUE(world.join());
  world.runner.reset_fails = true;
  ClusterActions actions(world.tree.root(), world.runner);
  for (int time = 0; time < 2; ++time) {
    const auto left = actions.perform(LeaveCluster{"gpu-1"});
    ASSERT_FALSE(left);
    EXPECT_THAT(
        left.error().message(),
        AllOf(HasSubstr("cannot reach the runtime"),
              HasSubstr("`gpunode leave` again"),
              HasSubstr("the kubelet was stopped"), HasSubstr("crictl pods")));
    // Else the next one would find nothing to do while Pods run.
    EXPECT_TRUE(world.exists(kKubeletConf));
  }
  EXPECT_THAT(world.runner.lines,
              Contains("/usr/bin/systemctl stop -- kubelet.service"));
  world.runner.reset_fails = false;
  EXPECT_TRUE(actions.perform(LeaveCluster{"gpu-1"}));
  EXPECT_FALSE(world.exists(kKubeletConf));
}

TEST(LeaveClusterAction, WithoutContainerdNoPodEndsAndNothingIsReset) {
  World world;
  ASSERT_TRUE(world.join());
  world.runner.starts_containerd = false;
  ClusterActions actions(world.tree.root(), world.runner);
  const auto left = actions.perform(LeaveCluster{"gpu-1"});
  ASSERT_FALSE(left);
  EXPECT_THAT(left.error().message(),
              AllOf(HasSubstr("containerd.service failed"),
                    HasSubstr("`gpunode leave` again")));
  EXPECT_TRUE(world.exists(kKubeletConf));
  EXPECT_THAT(world.runner.lines, Not(Contains(HasSubstr("kubeadm reset"))));
}

TEST(LeaveClusterAction, WhatAResetSaysInPassingIsTold) {
  World world;
  ASSERT_TRUE(world.join());
  // kubeadm 1.20.2, which ends with 0 all the same.
  world.runner.reset_says =
      "W1129 17:02:11.123456    1234 cleanupnode.go:81] [reset] Failed to "
      "remove containers: output: crictl: context deadline exceeded\n, error: "
      "exit status 1\n";
  ClusterActions actions(world.tree.root(), world.runner);
  const auto left = actions.perform(LeaveCluster{"gpu-1"});
  ASSERT_FALSE(left);
  EXPECT_THAT(left.error().message(),
              AllOf(HasSubstr("[reset] Failed to remove containers"),
                    HasSubstr(kNoNodeAnyMore), HasSubstr("crictl stopp")));
  EXPECT_FALSE(world.exists(kKubeletConf));
}

TEST(LeaveClusterAction, WithoutKubeadmNoNodeIsTakenApart) {
  World world;
  ASSERT_TRUE(world.join());
  world.tree.remove("usr/bin/kubeadm");
  ClusterActions actions(world.tree.root(), world.runner);
  const auto left = actions.perform(LeaveCluster{"gpu-1"});
  ASSERT_FALSE(left);
  EXPECT_THAT(left.error().message(),
              AllOf(HasSubstr("/usr/bin/kubeadm is not there"),
                    HasSubstr("next: install kubeadm of"),
                    HasSubstr("the kubelet was stopped")));
  EXPECT_TRUE(world.exists(kKubeletConf));
}

std::string kubelet_conf(const std::string& server, const std::string& ca) {
  return "clusters:\n- name: k\n  cluster:\n    server: " + server +
         "\n    certificate-authority-data: " + text::encode_base64(ca) +
         "\ncontexts:\n- name: c\n  context: {cluster: k, user: u}\n"
         "current-context: c\nusers:\n- name: u\n  user: {}\n";
}

TEST(LeaveClusterAction, AsAnInverseItLeavesNoOtherCluster) {
  World world;
  const ClusterDouble other;
  const auto inverse = world.prepare();
  ASSERT_TRUE(inverse) << inverse.error().message();
  const auto& leave = std::get<LeaveCluster>(inverse->actions.at(0));
  ClusterActions actions(world.tree.root(), world.runner);
  const std::string conf = "etc/kubernetes/kubelet.conf";
  // Another CA under the same address, and what cannot be read.
  for (const std::string& text :
       {kubelet_conf("https://" + world.cluster.endpoint(), other.ca_pem()),
        kubelet_conf("https://" + other.endpoint(), ""), std::string("{")}) {
    world.tree.file(conf, text);
    const auto left = actions.perform(leave);
    ASSERT_FALSE(left) << text;
    EXPECT_EQ(left.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_THAT(left.error().message(),
                AllOf(HasSubstr("led to " + world.cluster.endpoint()),
                      HasSubstr("next: `gpunode leave --force`")));
    EXPECT_TRUE(world.exists(kKubeletConf));
  }
  // The same cluster by another of its names.
  world.tree.file(conf,
                  kubelet_conf("https://k8s:6443", world.cluster.ca_pem()));
  world.tree.file("etc/kubernetes/manifests/kube-apiserver.yaml", "x\n");
  const auto plane = actions.perform(leave);
  ASSERT_FALSE(plane);
  EXPECT_THAT(plane.error().message(), HasSubstr("is a control plane"));
  for (const std::string& line : world.runner.lines) {
    EXPECT_THAT(line, Not(HasSubstr("reset")));
  }
  world.tree.remove("etc/kubernetes/manifests/kube-apiserver.yaml");
  EXPECT_TRUE(actions.perform(leave));
  EXPECT_FALSE(world.exists(kKubeletConf));
}

TEST(Leaving, TheJournalSaysWhoMadeTheHostANode) {
  JournalLine join{.seq = 1, .event = JournalEvent::kBegin};
  join.action = JoinCluster{};
  join.inverse = {LeaveCluster{}};
  JournalLine leave{.seq = 3, .event = JournalEvent::kBegin};
  leave.action = LeaveCluster{};
  const JournalLine left{.seq = 4, .event = JournalEvent::kDone, .of = 3};
  const JournalLine undone{.seq = 5, .event = JournalEvent::kUndone, .of = 1};
  EXPECT_FALSE(is_joined_by_us({}));
  EXPECT_TRUE(is_joined_by_us({join}));
  EXPECT_TRUE(is_joined_by_us({join, leave}));
  EXPECT_FALSE(is_joined_by_us({join, leave, left}));
  EXPECT_FALSE(is_joined_by_us({join, undone}));
  JournalLine again = join;
  again.seq = 6;
  EXPECT_TRUE(is_joined_by_us({join, leave, left, again}));
  // One that failed was taken back, one on a node did nothing.
  const JournalLine failed{.seq = 7, .event = JournalEvent::kFailed, .of = 6};
  EXPECT_FALSE(is_joined_by_us({join, leave, left, again, failed}));
  again.inverse.clear();
  EXPECT_FALSE(is_joined_by_us({again}));
  EXPECT_TRUE(is_joined_by_us({join, again, failed}));
}

TEST(Leaving, AHostSaysWhatItIsOf) {
  const NodeWorld world;
  world.tree.file("proc/sys/kernel/hostname", "GPU-1\n");
  const Membership node = look_at_membership(world.tree.root());
  EXPECT_TRUE(node.is_node);
  EXPECT_EQ(node.node, "gpu-1");
  EXPECT_THAT(node.server, HasSubstr("http://127.0.0.1:"));
  EXPECT_FALSE(node.is_control_plane);
  world.tree.file("etc/kubernetes/admin.conf", "");
  EXPECT_TRUE(look_at_membership(world.tree.root()).is_control_plane);
  const host::HostTree bare;
  EXPECT_FALSE(look_at_membership(bare.root()).has_traces);
}

}  // namespace
}  // namespace gpunode::provision
