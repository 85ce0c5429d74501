// plugin.service.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/steps.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kUnit = "gpunode-agent.service";
constexpr const char* kConfig = "/etc/gpunode/agent.yaml";
constexpr const char* kEnvironment = "/etc/gpunode/agent.env";

/// The package is there, and nobody has started what it has.
TrialHost node() {
  TrialHost host;
  host.spec.device_plugin.is_wanted = true;
  host.spec.device_plugin.place = PluginPlace::kService;
  host.spec.device_plugin.config = "version: v1\n";
  host.facts.units[kUnit] = {"loaded", "inactive", "disabled"};
  return host;
}

TEST(PluginService, ConfiguresAndStartsTheAgent) {
  TrialHost host = node();
  const StepPlan plan = host.plan(*make_plugin_service());
  EXPECT_EQ(plan.state, StepState::kChange);
  host.carry_out(plan);
  EXPECT_THAT(*host.facts.files[kConfig].content,
              testing::EndsWith("version: v1\n"));
  EXPECT_THAT(*host.facts.files[kEnvironment].content,
              HasSubstr("CONFIG_FILE=/etc/gpunode/agent.yaml\n"));
  EXPECT_EQ(host.facts.units[kUnit].active_state, "active");
  EXPECT_EQ(host.facts.units[kUnit].unit_file_state, "enabled");
  EXPECT_EQ(host.plan(*make_plugin_service()).state, StepState::kOk);
}

TEST(PluginService, StartsItAnewForAnotherConfiguration) {
  TrialHost host = node();
  host.carry_out(host.plan(*make_plugin_service()));
  host.spec.device_plugin.config = "version: v1\nflags: {}\n";
  const StepPlan plan = host.plan(*make_plugin_service());
  ASSERT_THAT(plan.actions, SizeIs(2));
  EXPECT_TRUE(std::get<SetUnit>(plan.actions[1]).restart);
  // Also if a run was cut off between the two.
  host.carry_out(plan);
  host.history.unsettled[kConfig] = "";
  const StepPlan again = host.plan(*make_plugin_service());
  ASSERT_THAT(again.actions, SizeIs(1));
  EXPECT_TRUE(std::get<SetUnit>(again.actions[0]).restart);
}

TEST(PluginService, WithoutTheAgentNothingIsWritten) {
  TrialHost host = node();
  host.facts.units.erase(kUnit);
  const StepPlan plan = host.plan(*make_plugin_service());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("install the package `gpunode`"));
  EXPECT_THAT(plan.actions, IsEmpty());
}

TEST(PluginService, AFileOfSomebodysIsDriftAndAMaskIsTakenAway) {
  TrialHost host = node();
  host.facts.files[kEnvironment].content = "GPUNODE_TAKE_OVER=true\n";
  EXPECT_EQ(host.plan(*make_plugin_service()).state, StepState::kDrift);
  host = node();
  host.facts.units[kUnit] = {"masked", "inactive", "masked"};
  const StepPlan plan = host.plan(*make_plugin_service());
  EXPECT_EQ(std::get<SetUnit>(plan.actions.back()).masked, Wish::kNo);
}

TEST(PluginService, CdiWithoutTheRuntimeIsToldToTheAgentUnlessTheFileSaysMore) {
  TrialHost host = node();
  host.spec.runtime.is_wanted = true;
  host.spec.runtime.gpu_mode = GpuMode::kCdi;
  host.carry_out(host.plan(*make_plugin_service()));
  EXPECT_THAT(*host.facts.files[kEnvironment].content,
              HasSubstr("DEVICE_LIST_STRATEGY=cdi-annotations\n"));
  host.spec.device_plugin.names_list_strategy = true;
  host.carry_out(host.plan(*make_plugin_service()));
  EXPECT_THAT(*host.facts.files[kEnvironment].content,
              testing::Not(HasSubstr("DEVICE_LIST_STRATEGY")));
}

TEST(PluginService, GoesWhenTheClusterRunsIt) {
  TrialHost host = node();
  // Somebody's own service is nothing of ours.
  host.spec.device_plugin.place = PluginPlace::kCluster;
  host.facts.units[kUnit] = {"loaded", "active", "enabled"};
  EXPECT_EQ(host.plan(*make_plugin_service()).state, StepState::kNotWanted);
  for (const char* config : {"version: v1\n", ""}) {
    host = node();
    host.spec.device_plugin.config = config;
    host.carry_out(host.plan(*make_plugin_service()));
    host.spec.device_plugin.place = PluginPlace::kCluster;
    const StepPlan plan = host.plan(*make_plugin_service());
    EXPECT_EQ(plan.state, StepState::kChange) << config;
    // While its files are there.
    const auto& stop = std::get<SetUnit>(plan.actions.at(0));
    EXPECT_EQ(stop.enabled, Wish::kNo);
    EXPECT_EQ(stop.active, Wish::kNo);
    host.carry_out(plan);
    EXPECT_FALSE(host.facts.files[kEnvironment].content);
    EXPECT_FALSE(host.facts.files[kConfig].content);
    EXPECT_EQ(host.plan(*make_plugin_service()).state, StepState::kNotWanted);
  }
}

}  // namespace
}  // namespace gpunode::provision
