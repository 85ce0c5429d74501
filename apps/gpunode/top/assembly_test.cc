#include "apps/gpunode/top/assembly.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::top {
namespace {

using testing::ElementsAre;

/// GPU 0 in shares of 20, held by a Pod with an account; GPU 1 whole in
/// another's hands.
Gathered node() {
  Gathered all;
  GpuReading shared;
  shared.gpu.index = 0;
  shared.gpu.uuid = "GPU-a";
  shared.processes = {{100, 10, 30},
                      {101, 20, 5},
                      {102, 30, std::nullopt},
                      {103, 1, std::nullopt}};
  GpuReading whole;
  whole.gpu.index = 1;
  whole.gpu.uuid = "GPU-b";
  whole.processes = {{200, 70, 90}, {201, 5, std::nullopt}};
  all.readings.gpus = {shared, whole};
  diagnose::AgentStatus::Resource resource;
  resource.name = "nvidia.com/gpu";
  resource.devices.resize(1);
  resource.devices[0].uuid = "GPU-a";
  resource.devices[0].replicas = 20;
  all.status.resources = {resource};
  all.status.holders = {{"team-a",
                         "train-0",
                         "uid-a",
                         "main",
                         "nvidia.com/gpu",
                         {"GPU-a::3", "GPU-a::4"},
                         "grant-a"},
                        {"team-b",
                         "serve-0",
                         "uid-b",
                         "serve",
                         "nvidia.com/gpu",
                         {"GPU-b"},
                         "grant-b"}};
  GrantReading grant{"grant-a", {}, {100, 101}};
  share::DeviceHeld held{"GPU-a", 1000, 50, {}};
  held.use.total = 300;
  held.use.peak = 400;
  held.use.refusals = 2;
  grant.look.devices = {held};
  grant.look.slots.resize(2);
  all.grants = {grant};
  all.processes = {{100, {"python", "uid-a"}}, {101, {"python", "uid-a"}},
                   {102, {"static", "uid-a"}}, {103, {"Xorg", ""}},
                   {200, {"serve", "uid-b"}},  {201, {"other", "uid-z"}}};
  return all;
}

TEST(Assembly, GivesEachContainerItsNumbersAndProcesses) {
  const Snapshot snapshot = assemble(node());
  ASSERT_EQ(snapshot.holders.size(), 2U);
  const HolderRow& limited = snapshot.holders[0];
  EXPECT_EQ(limited.name(), "team-a/train-0");
  EXPECT_EQ(limited.gpu, "0");
  EXPECT_EQ(limited.replicas, 2U);
  EXPECT_EQ(limited.of, 20U);
  EXPECT_EQ(limited.used_bytes, 350U);
  EXPECT_EQ(limited.peak_bytes, 400U);
  EXPECT_EQ(limited.refusals, 2U);
  EXPECT_EQ(limited.processes, 2U);
  EXPECT_EQ(limited.sm_percent, 35U);
  const HolderRow& whole = snapshot.holders[1];
  EXPECT_FALSE(whole.is_limited);
  EXPECT_EQ(whole.gpu, "1");
  EXPECT_EQ(whole.used_bytes, 70U);
  EXPECT_THAT(whole.pids, ElementsAre(200));
  EXPECT_EQ(whole.sm_percent, 90U);
}

TEST(Assembly, TellsABypassFromWhatIsOfNoPod) {
  const Snapshot snapshot = assemble(node());
  ASSERT_EQ(snapshot.strangers.size(), 3U);
  EXPECT_EQ(snapshot.strangers[0].pid, 102U);
  EXPECT_TRUE(snapshot.strangers[0].is_bypass);
  EXPECT_EQ(snapshot.strangers[1].command, "Xorg");
  EXPECT_FALSE(snapshot.strangers[1].is_bypass);
  // Of a Pod, on a GPU that is not shared out: not granted, and no bypass.
  EXPECT_EQ(snapshot.strangers[2].pod_uid, "uid-z");
  EXPECT_FALSE(snapshot.strangers[2].is_bypass);
}

TEST(Assembly, WithoutAgentAndDriverHasTheAccounts) {
  Gathered all = node();
  all.status = {};
  all.readings = {};
  all.agent_problem = "no agent";
  const Snapshot snapshot = assemble(all);
  EXPECT_TRUE(snapshot.gpus.empty());
  ASSERT_EQ(snapshot.holders.size(), 1U);
  EXPECT_EQ(snapshot.holders[0].name(), "grant-a");
  EXPECT_EQ(snapshot.holders[0].gpu, "?");
  EXPECT_EQ(snapshot.holders[0].replicas, 0U);
  EXPECT_EQ(snapshot.holders[0].limit_bytes, 1000U);
}

TEST(Assembly, BelievesAContainerNoFurtherThanNumbersGo) {
  Gathered all = node();
  all.grants[0].look.devices[0].use.total = ~std::uint64_t{0};
  EXPECT_EQ(assemble(all).holders[0].used_bytes, ~std::uint64_t{0});
  all.grants[0].look = {};
  all.grants[0].look.problem = "damaged";
  EXPECT_EQ(assemble(all).holders[0].problem, "damaged");
}

TEST(Assembly, OneThatRunsUnlimitedHasTheProcessesOfItsPod) {
  Gathered all = node();
  all.grants[0].look.why_unlimited = "/bin/app is a static program";
  all.grants[0].look.devices[0].use = {};
  all.grants[0].look.devices[0].unaccounted = 0;
  all.grants[0].look.slots.clear();
  all.grants[0].pids.clear();
  const Snapshot snapshot = assemble(all);
  const HolderRow& row = snapshot.holders[0];
  EXPECT_EQ(row.why_unlimited, "/bin/app is a static program");
  EXPECT_EQ(row.used_bytes, 10U + 20U + 30U);
  EXPECT_THAT(row.pids, ElementsAre(100, 101, 102));
  for (const StrangerRow& one : snapshot.strangers) {
    EXPECT_FALSE(one.is_bypass) << one.pid;
  }
}

TEST(Assembly, AGpuWithoutAUuidIsNotLost) {
  Gathered all = node();
  // As the driver tells of one that fell off the bus: by its index alone.
  GpuReading& lost = all.readings.gpus[1];
  lost.gpu.uuid.clear();
  lost.gpu.trouble = "GPU is lost";
  lost.processes.clear();
  diagnose::AgentStatus::Gpu known;
  known.index = 1;
  known.uuid = "GPU-b";
  known.name = "NVIDIA H200";
  all.status.gpus = {known};
  // An account without a Device is not its holder's.
  all.grants.push_back({"grant-c", {}, {}});
  const Snapshot snapshot = assemble(all);
  ASSERT_EQ(snapshot.gpus.size(), 2U);
  EXPECT_EQ(snapshot.gpus[1].uuid, "GPU-b");
  EXPECT_EQ(snapshot.gpus[1].product, "NVIDIA H200");
  EXPECT_EQ(snapshot.gpus[1].trouble, "GPU is lost");
  ASSERT_EQ(snapshot.holders.size(), 3U);
  EXPECT_EQ(snapshot.holders[1].gpu, "?");
  EXPECT_EQ(snapshot.holders[2].gpu, "1") << "the whole GPU's holder";
  // Of nobody's uuid there still is a row.
  all.status.gpus.clear();
  EXPECT_EQ(assemble(all).gpus.size(), 2U);
  EXPECT_EQ(assemble(all).holders[1].gpu, "?");
}

TEST(Assembly, HealthIsKnownWhereDriverOrAgentTell) {
  Gathered all = node();
  all.agent_problem = "no agent";
  EXPECT_FALSE(assemble(all).gpus[0].is_health_known);
  all.agent_problem.clear();
  EXPECT_FALSE(assemble(all).gpus[0].is_health_known) << "not the agent's";
  diagnose::AgentStatus::Gpu known;
  known.uuid = "GPU-a";
  all.status.gpus = {known};
  EXPECT_TRUE(assemble(all).gpus[0].is_health_known);
  EXPECT_FALSE(assemble(all).gpus[1].is_health_known);
}

TEST(Assembly, AGpuThatTheDriverNoLongerCountsIsTold) {
  Gathered all = node();
  diagnose::AgentStatus::Gpu gone;
  gone.index = 2;
  gone.uuid = "GPU-c";
  all.status.gpus = {gone};
  all.status.unhealthy = {{"GPU-c", "gone", 5}};
  const Snapshot snapshot = assemble(all);
  ASSERT_EQ(snapshot.gpus.size(), 3U);
  EXPECT_EQ(snapshot.gpus[2].trouble, "gone");
}

TEST(Assembly, NamesMigDevicesAndSickGpus) {
  Gathered all = node();
  diagnose::AgentStatus::Gpu gpu;
  gpu.uuid = "GPU-a";
  gpu.mig = {{"MIG-1", 2, "1g", 0}};
  all.status.gpus = {gpu};
  all.status.unhealthy = {{"GPU-b", "XID 79", 5}};
  all.status.holders[1].ids = {"MIG-1"};
  const Snapshot snapshot = assemble(all);
  EXPECT_EQ(snapshot.holders[1].gpu, "0:2");
  EXPECT_EQ(snapshot.gpus[1].trouble, "XID 79");
}

TEST(Assembly, TakesThePartFromTheGrantAndItsUseFromTheAgent) {
  Gathered all = node();
  EXPECT_FALSE(assemble(all).holders[0].turns);
  all.grants[0].look.devices[0].time = {100, share::TurnPolicy::kBurst};
  const auto alone = assemble(all).holders[0].turns;
  ASSERT_TRUE(alone);
  EXPECT_EQ(alone->part, 100U);
  EXPECT_EQ(alone->policy, "burst");
  EXPECT_FALSE(alone->is_counted);
  diagnose::AgentStatus::Compute compute;
  compute.device = "GPU-other";
  compute.gpu_seconds = 99;
  all.status.holders[0].compute = {compute};
  EXPECT_FALSE(assemble(all).holders[0].turns->is_counted);
  compute.device = "GPU-a";
  compute.part = 999;  // As of before it was changed.
  compute.gpu_seconds = 1.5;
  compute.is_persistent = true;
  compute.observed_seconds = 60;
  compute.peak_part = 70;
  all.status.holders[0].compute.push_back(compute);
  const auto told = assemble(all).holders[0].turns;
  ASSERT_TRUE(told && told->is_counted);
  EXPECT_EQ(told->part, 100U);
  EXPECT_EQ(told->gpu_seconds, 1.5);
  EXPECT_TRUE(told->is_persistent);
  EXPECT_EQ(told->peak, 70U);
}

}  // namespace
}  // namespace gpunode::top
