#include "node/rollout/drain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::rollout {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

DrainPod pod(const std::string& name, const std::string& controller) {
  DrainPod pod{.key = {"default", name}, .uid = "u-" + name};
  pod.controller = {"apps/v1", controller, "owner", "u"};
  if (controller.empty()) pod.controller = {};
  pod.is_of_daemon_set = controller == "DaemonSet";
  return pod;
}

TEST(DrainPod, IsReadOutOfAPod) {
  const auto read = read_drain_pod(
      R"({"metadata":{"name":"web-1","namespace":"shop","uid":"u",
          "deletionTimestamp":"2026-11-29T12:00:00Z",
          "annotations":{"kubernetes.io/config.mirror":"x"},
          "ownerReferences":[{"kind":"Owner"},
            {"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web",
             "uid":"u-w","controller":true}]},
          "spec":{"volumes":[{"name":"a","configMap":{}},
            {"name":"b","emptyDir":{}}]},
          "status":{"phase":"Succeeded"}})");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->key.space, "shop");
  EXPECT_EQ(read->key.name, "web-1");
  EXPECT_EQ(read->controller.api, "apps/v1");
  EXPECT_EQ(read->controller.kind, "ReplicaSet");
  EXPECT_EQ(read->controller.name, "web");
  EXPECT_EQ(read->controller.uid, "u-w");
  EXPECT_FALSE(read->claims_daemon_set());
  EXPECT_TRUE(read->is_mirror);
  EXPECT_TRUE(read->is_leaving);
  EXPECT_TRUE(read->is_ended);
  EXPECT_TRUE(read->has_empty_dir);
  const auto plain =
      read_drain_pod(R"({"metadata":{"name":"a","namespace":"b"}})");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->controller.kind, "");
  EXPECT_FALSE(plain->is_mirror || plain->is_leaving || plain->is_ended ||
               plain->has_empty_dir);
  EXPECT_FALSE(read_drain_pod("{}"));
  EXPECT_FALSE(read_drain_pod(R"({"metadata":{"name":"a"}})"));
}

TEST(Drain, LeavesDaemonSetsAndStaticPods) {
  DrainPod mirror = pod("etcd", "Node");
  mirror.is_mirror = true;
  const DrainPlan plan = plan_drain(
      {pod("proxy", "DaemonSet"), mirror, pod("web", "ReplicaSet")}, {});
  EXPECT_EQ(plan.staying, 2U);
  ASSERT_THAT(plan.leaving, SizeIs(1));
  EXPECT_EQ(plan.leaving.front().key.name, "web");
  EXPECT_THAT(plan.refusals, IsEmpty());
}

TEST(Drain, RefusesWhatNobodyMakesAgain) {
  const std::vector<DrainPod> pods = {pod("one", ""), pod("web", "Job"),
                                      pod("two", "")};
  EXPECT_THAT(plan_drain(pods, {}).refusals,
              ElementsAre("cannot delete Pods that declare no controller (use "
                          "--force to override): default/one, default/two"));
  EXPECT_THAT(plan_drain(pods, {.force = true}).refusals, IsEmpty());
}

TEST(Drain, OfAForgedDaemonSetIsOfNobody) {
  DrainPod forged = pod("forged", "DaemonSet");
  forged.is_of_daemon_set = false;
  // Kubernetes' own group without a name has none: a controller as any other.
  DrainPod strange = pod("strange", "DaemonSet");
  strange.controller.api = "v1";
  strange.is_of_daemon_set = false;
  const DrainPlan plan = plan_drain({forged, strange}, {});
  EXPECT_EQ(plan.staying, 0U);
  EXPECT_THAT(plan.leaving, SizeIs(2));
  EXPECT_THAT(plan.refusals,
              ElementsAre("cannot delete Pods that say they are a DaemonSet's, "
                          "which is not there or is another one (use --force "
                          "to override): default/forged"));
  EXPECT_THAT(plan_drain({forged, strange}, {.force = true}).refusals,
              IsEmpty());
}

TEST(Drain, GoesByTheKindAndNotByTheGroup) {
  DrainPod other = pod("other", "DaemonSet");
  other.controller.api = "apps.example.io/v1alpha1";
  EXPECT_EQ(plan_drain({other}, {}).staying, 1U);
  other.is_of_daemon_set = false;
  EXPECT_THAT(plan_drain({other}, {}).refusals,
              ElementsAre(HasSubstr("use --force to override")));
}

TEST(Drain, WhatMayNotBeLookedUpIsRefusedWhateverIsForced) {
  DrainPod one = pod("one", "DaemonSet");
  one.is_of_daemon_set = false;
  one.lookup_trouble = "the right lacks";
  DrainPod two = one;
  two.key.name = "two";
  for (const bool force : {false, true}) {
    EXPECT_THAT(
        plan_drain({one, two}, {.force = force}).refusals,
        ElementsAre("cannot tell whether these are a DaemonSet's and stay: "
                    "default/one, default/two (the right lacks)"));
  }
}

TEST(Drain, RefusesDataThatGoesWithThePod) {
  DrainPod cache = pod("cache", "StatefulSet");
  cache.has_empty_dir = true;
  EXPECT_THAT(plan_drain({cache}, {.force = true}).refusals,
              ElementsAre("cannot delete Pods with local storage (use "
                          "--delete-emptydir-data to override): "
                          "default/cache"));
  EXPECT_THAT(plan_drain({cache}, {.delete_emptydir_data = true}).refusals,
              IsEmpty());
}

TEST(Drain, OfWhatHasEndedOrIsGoingLosesNothing) {
  DrainPod ended = pod("ended", "");
  ended.is_ended = true;
  ended.has_empty_dir = true;
  DrainPod going = pod("going", "");
  going.is_leaving = true;
  DrainPod daemon = pod("daemon", "DaemonSet");
  daemon.is_ended = true;
  const DrainPlan plan = plan_drain({ended, going, daemon}, {});
  EXPECT_THAT(plan.refusals, IsEmpty());
  EXPECT_THAT(plan.leaving, SizeIs(3));
}

}  // namespace
}  // namespace gpunode::rollout
