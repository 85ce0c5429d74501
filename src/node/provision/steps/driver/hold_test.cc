// driver.hold, as plans from facts.
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/driver/driver_package_steps.h"
#include "node/provision/steps/driver/trial_machines.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(DriverHold, KeepsEachPackageInItsVersion) {
  TrialHost host = host_of("rocky", "9.4", machine("T4"));
  carry_out_all(host);
  EXPECT_EQ(host.plan(*make_driver_hold()).state, StepState::kOk);
  // A lock of another version holds nothing.
  host.facts.packages["nvidia-driver-cuda"].version = "3:580.95.05-1";
  const StepPlan plan = host.plan(*make_driver_hold());
  EXPECT_THAT(actions_of<HoldPackages>(plan).at(0).packages,
              ElementsAre("nvidia-driver-cuda"));
}

TEST(DriverHold, TellsUnattendedUpgradesToo) {
  TrialHost host = host_of("ubuntu", "22.04", machine("T4"));
  host.facts.packages["unattended-upgrades"] = {"2.8"};
  carry_out_all(host);
  EXPECT_THAT(*host.facts.files["/etc/apt/apt.conf.d/52gpunode-nvidia"].content,
              HasSubstr("\"libnvidia-\";"));
  expect_done(host, "unattended");
  host.spec.driver.hold = false;
  const StepPlan plan = host.plan(*make_driver_hold());
  EXPECT_THAT(actions_of<RemoveFile>(plan), SizeIs(1));
}

TEST(DriverHold, OfOursIsLiftedOnceTheFileNoLongerAsksForIt) {
  const auto lifted = [](const char* id, const char* version,
                         const auto& change) {
    TrialHost host = host_of(id, version, machine("T4"));
    host.facts.packages["unattended-upgrades"] = {"2.8"};
    carry_out_all(host);
    // kubelet is somebody else's.
    host.facts.packages["kubelet"] = {"1", true};
    change(host.spec.driver);
    const StepPlan plan = host.plan(*make_driver_hold());
    EXPECT_EQ(plan.state, StepState::kChange) << plan.why;
    host.carry_out(plan);
    const StepPlan again = host.plan(*make_driver_hold());
    EXPECT_EQ(again.state, StepState::kNotWanted) << again.why;
    EXPECT_THAT(again.actions, IsEmpty());
    const auto holds = actions_of<HoldPackages>(plan);
    return holds.size() == 1 && !holds[0].held ? holds[0].packages
                                               : std::vector<std::string>();
  };
  const auto is_all = testing::IsSupersetOf({"nvidia-persistenced"});
  const std::vector<std::pair<const char*, const char*>> systems = {
      {"rocky", "9.4"}, {"ubuntu", "22.04"}, {"sles", "15.6"}};
  for (const auto& [id, version] : systems) {
    SCOPED_TRACE(id);
    EXPECT_THAT(
        lifted(id, version, [](DriverSpec& spec) { spec.hold = false; }),
        is_all);
    EXPECT_THAT(lifted(id, version, [](DriverSpec& spec) { spec = {}; }),
                is_all);
    EXPECT_THAT(lifted(id, version,
                       [](DriverSpec& spec) {
                         spec.source = DriverSource::kPreinstalled;
                       }),
                is_all);
  }
}

TEST(DriverHold, OfOursOnWhatNoLongerBelongsToTheDriverIsLifted) {
  TrialHost host = host_of("ubuntu", "22.04", machine("T4"));
  carry_out_all(host);
  host.spec.driver.persistence = false;
  const StepPlan plan = host.plan(*make_driver_hold());
  EXPECT_THAT(plan.why, HasSubstr("no longer asks"));
  ASSERT_THAT(plan.actions, SizeIs(1));
  EXPECT_FALSE(std::get<HoldPackages>(plan.actions[0]).held);
  EXPECT_THAT(std::get<HoldPackages>(plan.actions[0]).packages,
              Contains(HasSubstr("persistenced")));
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_driver_hold()).state, StepState::kOk);
}

TEST(DriverHold, OfSomebodyElseIsNeverLifted) {
  TrialHost host = host_of("ubuntu", "22.04", machine("T4"));
  carry_out_all(host);
  host.history.held.clear();
  host.spec.driver.hold = false;
  EXPECT_EQ(host.plan(*make_driver_hold()).state, StepState::kNotWanted);
  // Nor for another version, but a person is told how.
  EXPECT_EQ(host.plan(*make_driver_packages()).state, StepState::kOk);
  host.spec.driver.branch = 570;
  const StepPlan plan = host.plan(*make_driver_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("somebody else than gpunode holds"));
  EXPECT_THAT(plan.fix, HasSubstr("apt-mark unhold "));
}

}  // namespace
}  // namespace gpunode::provision
