// Labels and taints of the node that a host is.
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "node/provision/cluster_world_test.h"
#include "node/provision/host_performer.h"
#include "node/provision/node_meta_change.h"
#include "node/provision/rollback.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

SetNodeMeta some_change() {
  SetNodeMeta action;
  action.node = "gpu-1";
  action.labels = {"a=2", "new=y"};
  action.removed_labels = {"old", "absent"};
  action.taints = {"t=w:NoSchedule", "fresh:NoExecute"};
  action.removed_taints = {"other:NoExecute"};
  return action;
}

TEST(NodeMeta, ChangesAndTheirInverse) {
  const SetNodeMeta action = some_change();
  EXPECT_EQ(*label_patch(kNode, action),
            R"({"metadata":{"labels":{"a":"2","new":"y","old":null}}})");
  EXPECT_EQ(
      *taint_patch(kNode, action),
      R"({"spec":{"taints":[{"key":"t","value":"w","effect":"NoSchedule"},)"
      R"({"key":"fresh","effect":"NoExecute"}]}})");
  const auto back = inverse_meta(kNode, action);
  ASSERT_TRUE(back);
  EXPECT_THAT(back->labels, ElementsAre("a=1", "old=x"));
  EXPECT_THAT(back->removed_labels, ElementsAre("new"));
  EXPECT_THAT(back->taints, ElementsAre("t=v:NoSchedule", "other:NoExecute"));
  EXPECT_THAT(back->removed_taints, ElementsAre("fresh:NoExecute"));
  EXPECT_EQ(*label_patch(kNode, SetNodeMeta{}), "");
  EXPECT_EQ(*taint_patch(kNode, SetNodeMeta{}), "");
  EXPECT_FALSE(label_patch("[]", action));
}

TEST(NodeMeta, IsSetAsTheKubeletAndBackAgain) {
  NodeWorld world;
  const SetNodeMeta action = some_change();
  const auto inverse = world.actions.prepare(action);
  ASSERT_TRUE(inverse) << inverse.error().message();
  const auto made = world.actions.perform(action);
  ASSERT_TRUE(made) << made.error().message();
  std::string node = world.api.object("/api/v1/nodes/gpu-1");
  EXPECT_EQ(*label_patch(node, action), "");
  EXPECT_EQ(*taint_patch(node, action), "");
  EXPECT_THAT(node, Not(HasSubstr("\"old\"")));
  const auto before = world.api.requests().size();
  ASSERT_TRUE(world.actions.perform(action));
  EXPECT_EQ(world.api.requests().size(), before + 1);  // A look alone.
  ASSERT_TRUE(
      world.actions.perform(std::get<SetNodeMeta>(inverse->actions.at(0))));
  node = world.api.object("/api/v1/nodes/gpu-1");
  EXPECT_THAT(node, AllOf(HasSubstr("\"old\""), Not(HasSubstr("\"new\"")),
                          HasSubstr("\"other\""), Not(HasSubstr("fresh"))));
}

TEST(NodeMeta, OfANodeThatIsGoneNothingIsToBeUndone) {
  NodeWorld world;
  const auto inverse = world.actions.prepare(some_change());
  ASSERT_TRUE(inverse);
  const auto& back = std::get<SetNodeMeta>(inverse->actions.at(0));
  world.api.remove("/api/v1/nodes/gpu-1");
  EXPECT_TRUE(world.actions.perform(back));
  // To be given anything it must be there.
  EXPECT_FALSE(world.actions.prepare(some_change()));
  // Credentials that are gone say nothing about the Node.
  std::string conf = *world.tree.root().read_file(kKubeletConf);
  conf.replace(conf.find("token: t"), 8, "tokenFile: /var/lib/gone");
  world.tree.file("etc/kubernetes/kubelet.conf", conf);
  const auto unknown = world.actions.perform(back);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), ErrorCode::kUnavailable);
}

TEST(NodeMeta, TheRollbackOfADeadClustersNodeSaysTheWayOut) {
  struct Silent final : RollbackObserver {
    void undoing(const Undoing& /*one*/) override {}
    void undone(const Undoing& /*one*/, const Result<void>& /*how*/) override {}
  } silent;
  NodeWorld world;
  // Nobody listens there.
  std::string conf = *world.tree.root().read_file(kKubeletConf);
  const std::size_t port = conf.find("127.0.0.1:") + 10;
  conf.replace(port, conf.find('"', port) - port, "1");
  world.tree.file("etc/kubernetes/kubelet.conf", conf);
  auto journal = Journal::open(world.tree.root(), "boot");
  ASSERT_TRUE(journal);
  ASSERT_TRUE(journal->start("run", "apply"));
  JournalLine begin{.event = JournalEvent::kBegin, .step = "kubernetes.node"};
  begin.action = some_change();
  begin.inverse = {some_change()};
  ASSERT_TRUE(journal->append(std::move(begin)));
  HostPerformer performer(world.tree.root(), world.runner, {});
  const auto undo = [&] {
    return roll_back(plan_rollback(journal->lines(), {}, {}), performer,
                     *journal, silent);
  };
  const auto undone = undo();
  ASSERT_FALSE(undone);
  EXPECT_THAT(undone.error().message(),
              HasSubstr("next: if that cluster is gone for good, `gpunode "
                        "leave` first"));
  // What `gpunode leave` takes away.
  world.tree.remove("etc/kubernetes/kubelet.conf");
  EXPECT_TRUE(undo());
}

TEST(NodeMeta, WhatNoKubeletMayIsToldWithTheCommandForWhoMay) {
  NodeWorld world;
  SetNodeMeta action;
  action.node = "gpu-1";
  action.taints = {"nvidia.com/gpu=present:NoSchedule"};
  world.api.refuse(403, "Forbidden", 1, "", "PATCH");
  const auto made = world.actions.perform(action);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(),
              HasSubstr("`kubectl taint node gpu-1 --overwrite "
                        "nvidia.com/gpu=present:NoSchedule`"));
  // Once somebody did, there is nothing left to do.
  world.api.put("/api/v1/nodes/gpu-1",
                R"({"metadata": {"name": "gpu-1"}, "spec": {"taints": [)"
                R"({"key": "nvidia.com/gpu", "value": "present",)"
                R"( "effect": "NoSchedule"}]}})");
  EXPECT_TRUE(world.actions.perform(action));
}

TEST(NodeMeta, AHostThatIsNoNodeHasNothingToBeGiven) {
  const host::HostTree tree;
  KubeadmDouble runner(tree);
  ClusterActions actions(tree.root(), runner);
  EXPECT_TRUE(actions.prepare(some_change())->actions.empty());
  EXPECT_TRUE(actions.perform(some_change()));
}

}  // namespace
}  // namespace gpunode::provision
