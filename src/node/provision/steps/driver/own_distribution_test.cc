// The driver's Steps on a distribution that this version does not know, and a
// drop-in of the GPUNode file does.
#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/steps.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {
namespace {

using testing::HasSubstr;

const std::string kDigits = "0123456789ABCDEF0123456789ABCDEFCDF6BA43";

distribution::Extension rocky11() {
  distribution::Extension row;
  row.id = "rocky";
  row.version = "11";
  row.like = "rocky 10";
  row.repository = "rhel11";
  row.fingerprint = kDigits;
  row.first_branch = 620;
  return row;
}

/// A Rocky 11 with a T4.
TrialHost host_of_rocky11() {
  TrialHost host;
  host.facts.os.version_id = "11.0";
  facts::PciGpu gpu;
  gpu.device_id = 0x1eb8;
  gpu.product = "Tesla T4";
  host.facts.gpus = {gpu};
  host.spec.driver.is_wanted = true;
  return host;
}

TEST(OwnDistribution, IsRefusedUntilTheFileSaysIt) {
  TrialHost host = host_of_rocky11();
  const StepPlan plan = host.plan(*make_driver_obstacles());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("newer than this version of gpunode"));
}

TEST(OwnDistribution, GetsItsPlan) {
  TrialHost host = host_of_rocky11();
  host.spec.distributions = {rocky11()};
  EXPECT_EQ(host.plan(*make_driver_obstacles()).state, StepState::kOk);
  const StepPlan repository = host.plan(*make_driver_repository());
  ASSERT_EQ(repository.state, StepState::kChange) << repository.why;
  const bool is_there =
      std::ranges::any_of(repository.actions, [](const Action& action) {
        const auto* file = std::get_if<WriteFile>(&action);
        return file != nullptr &&
               file->content.find("repos/rhel11/x86_64") != std::string::npos;
      });
  EXPECT_TRUE(is_there);
  host.carry_out(repository);
  const StepPlan packages = host.plan(*make_driver_packages());
  ASSERT_EQ(packages.state, StepState::kChange) << packages.why;
  const auto set = std::ranges::find_if(packages.actions, [](const auto& one) {
    return std::holds_alternative<InstallSet>(one);
  });
  ASSERT_NE(set, packages.actions.end());
  EXPECT_EQ(std::get<InstallSet>(*set).version, "620");
  EXPECT_THAT(std::get<InstallSet>(*set).packages,
              testing::Contains("kmod-nvidia-open-dkms"));
}

TEST(OwnDistribution, MayNotHaveAnotherManagerThanItsHost) {
  TrialHost host = host_of_rocky11();
  host.facts.os.id = "mine";
  distribution::Extension row = rocky11();
  row.id = "mine";
  row.like = "debian 12";
  host.spec.distributions = {row};
  const StepPlan plan = host.plan(*make_driver_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("says that mine 11 has apt"));
  EXPECT_THAT(plan.why, HasSubstr("os-release say dnf"));
}

}  // namespace
}  // namespace gpunode::provision
