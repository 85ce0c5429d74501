// driver.packages, as plans from facts. What every distribution gets for every
// kind of machine: driver_plans_test.cc.
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/distribution/distribution.h"
#include "node/provision/offline/bundle_manifest.h"
#include "node/provision/steps/driver/driver_package_steps.h"
#include "node/provision/steps/driver/trial_machines.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::UnorderedElementsAre;

TEST(DriverPackagesStep, OfTheSeedsMachineAreProprietaryAndOfOneVersion) {
  TrialHost host = host_of("rocky", "8.9", machine("A10G on a g5"));
  const StepPlan plan = host.plan(*make_driver_packages());
  ASSERT_EQ(plan.state, StepState::kChange) << plan.why;
  EXPECT_EQ(actions_of<SetModuleStream>(plan).at(0).stream, "580-dkms");
  const InstallSet set = set_of(host);
  EXPECT_THAT(set.packages,
              ElementsAre("nvidia-driver-cuda", "kmod-nvidia-latest-dkms",
                          "nvidia-persistenced"));
  EXPECT_EQ(set.version, "580");
  EXPECT_EQ(set.from, "gpunode-cuda");
  EXPECT_THAT(plan.notes, Contains(HasSubstr("NVreg_EnableGpuFirmware=0")));
}

TEST(DriverPackagesStep, AnExactVersionIsOfEverything) {
  TrialHost host =
      host_of("ubuntu", "22.04", machine("8 H100 with NVSwitches"));
  host.spec.driver.version = "580.65.06";
  const InstallSet set = set_of(host);
  EXPECT_EQ(set.version, "580.65.06");
  EXPECT_THAT(set.packages, Contains("nvidia-fabricmanager"));
  EXPECT_EQ(set.from,
            "developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/"
            "x86_64");
  const StepPlan plan = host.plan(*make_driver_packages());
  EXPECT_THAT(actions_of<WriteFile>(plan).at(0).content,
              HasSubstr("Pin: version 580.65.06*\nPin-Priority: 1001\n"));
}

TEST(DriverPackagesStep, HalfInstalledIsMadeWhole) {
  TrialHost host = host_of("rocky", "9.4", machine("T4"));
  carry_out_all(host);
  host.facts.packages["kmod-nvidia-open-dkms"].version = "3:580.95.05-1";
  const StepPlan plan = host.plan(*make_driver_packages());
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_THAT(plan.why, HasSubstr("half installed: versions 580.65.06 and "
                                  "580.95.05"));
  EXPECT_EQ(set_of(host).version, "580");
  // What is held is let go first.
  EXPECT_THAT(
      actions_of<HoldPackages>(plan).at(0).packages,
      UnorderedElementsAre("nvidia-driver-cuda", "kmod-nvidia-open-dkms",
                           "nvidia-persistenced"));
  EXPECT_FALSE(actions_of<HoldPackages>(plan).at(0).held);
}

TEST(DriverPackagesStep, WhatIsMissingComesInTheInstalledVersion) {
  TrialHost host = host_of("rocky", "9.4", machine("T4"));
  carry_out_all(host);
  host.facts.packages.erase("nvidia-persistenced");
  EXPECT_EQ(set_of(host).version, "580.65.06");
  EXPECT_THAT(host.plan(*make_driver_packages()).why,
              HasSubstr("missing: nvidia-persistenced"));
}

TEST(DriverPackagesStep, AnotherBranchGoesDownAndUp) {
  for (const int branch : {595, 570}) {
    TrialHost host = host_of("rocky", "9.4", machine("T4"));
    carry_out_all(host);
    host.spec.driver.branch = branch;
    const StepPlan plan = host.plan(*make_driver_packages());
    EXPECT_EQ(actions_of<SetModuleStream>(plan).at(0).stream,
              fmt::format("{}-open", branch));
    EXPECT_EQ(set_of(host).version, std::to_string(branch));
    EXPECT_THAT(plan.why, HasSubstr(fmt::format("{} is wanted", branch)));
    EXPECT_THAT(set_of(host).family, Contains("libnvidia-ml*"));
    carry_out_all(host);
    expect_done(host, std::to_string(branch));
  }
}

TEST(DriverPackagesStep, WhatWasHeldIsHeldAgainInTheSameStep) {
  // driver.hold finds nothing to do before the run, and so is not run.
  TrialHost host = host_of("rocky", "9.4", machine("T4"));
  carry_out_all(host);
  host.spec.driver.branch = 570;
  const StepPlan plan = host.plan(*make_driver_packages());
  const auto holds = actions_of<HoldPackages>(plan);
  ASSERT_THAT(holds, SizeIs(2));
  EXPECT_FALSE(holds[0].held);
  EXPECT_TRUE(holds[1].held);
  EXPECT_TRUE(std::holds_alternative<HoldPackages>(plan.actions.back()));
  host.spec.driver.hold = false;
  EXPECT_THAT(actions_of<HoldPackages>(host.plan(*make_driver_packages())),
              SizeIs(1));
}

TEST(DriverPackagesStep, WhatIsOfAnotherBranchGoesInTheSameTransaction) {
  TrialHost host = host_of("ubuntu", "22.04", machine("T4"));
  for (const char* name :
       {"libnvidia-compute-550", "nvidia-dkms-550-open", "cuda-drivers-550",
        "nvidia-container-toolkit", "linux-image-5.15.0-550-generic"}) {
    host.facts.packages[name].version = "550.54.15-0ubuntu1";
  }
  const StepPlan plan = host.plan(*make_driver_packages());
  EXPECT_THAT(set_of(host).removed,
              UnorderedElementsAre("libnvidia-compute-550",
                                   "nvidia-dkms-550-open", "cuda-drivers-550"));
  EXPECT_THAT(plan.why, HasSubstr("is of another flavour or branch"));
  carry_out_all(host);
  EXPECT_EQ(host.plan(*make_driver_packages()).state, StepState::kOk);
}

TEST(DriverPackagesStep, NamesOfTheOldBranchAreLetGoOnUbuntu) {
  TrialHost host = host_of("ubuntu", "22.04", machine("T4"));
  carry_out_all(host);
  host.spec.driver.branch = 570;
  const StepPlan plan = host.plan(*make_driver_packages());
  EXPECT_THAT(
      actions_of<HoldPackages>(plan).at(0).packages,
      testing::IsSupersetOf({"libnvidia-compute-580", "nvidia-dkms-580-open"}));
}

// Enterprise Linux 10 has no modules: a stream left over from 9 means nothing.
TEST(DriverPackagesStep, EnterpriseLinuxTenHasNoStream) {
  for (const char* version : {"9.4", "10.0"}) {
    TrialHost host = host_of("rocky", version, machine("T4"));
    host.spec.driver.branch = 590;
    distribution::Extension key;  // Of 10, which this version does not know.
    key.id = "rocky";
    key.version = "10";
    key.fingerprint = std::string(40, 'A');
    host.spec.distributions = {key};
    const StepPlan plan = host.plan(*make_driver_packages());
    EXPECT_EQ(plan.state, StepState::kChange) << plan.why;
    EXPECT_THAT(actions_of<SetModuleStream>(plan),
                SizeIs(version[0] == '9' ? 1 : 0));
    EXPECT_EQ(set_of(host).version, "590");
  }
}

TEST(DriverPackagesStep, ABundleHasTheDriverThatItWasMadeWith) {
  TrialHost host = host_of("rocky", "9.4", machine("T4"));
  const std::vector<std::string> names = set_of(host).packages;
  host.spec.bundle = "/srv/bundle";
  StepPlan plan = host.plan(*make_driver_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("there is none"));
  offline::BundleManifest manifest;
  manifest.distribution = "rocky";
  manifest.version = "9.4";
  manifest.machine = "x86_64";
  manifest.steps = {{"driver.packages", {}}};
  for (const std::string& name : names) {
    manifest.steps[0].packages.push_back(name + "=3:580.95.05-1.el9");
  }
  const auto carry = [&] {
    host.facts.files["/srv/bundle/bundle.json"].content =
        offline::to_json(manifest);
  };
  carry();
  plan = host.plan(*make_driver_packages());
  ASSERT_EQ(plan.state, StepState::kChange) << plan.why;
  EXPECT_EQ(actions_of<InstallSet>(plan).at(0).from, "gpunode-bundle");
  EXPECT_EQ(host.plan(*make_driver_repository()).state, StepState::kNotWanted);
  // Another branch; or one of the set was left out.
  host.spec.driver.branch = 595;
  plan = host.plan(*make_driver_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, AllOf(HasSubstr("nvidia-driver-cuda"),
                              HasSubstr("in version 595")));
  host.spec.driver.branch = 580;
  manifest.steps[0].packages.pop_back();
  manifest.gaps = {{"driver.hold", "the mirror had no plugin"}};
  carry();
  plan = host.plan(*make_driver_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, AllOf(HasSubstr("made without " + names.back()),
                              HasSubstr("the mirror had no plugin")));
  EXPECT_THAT(plan.fix, HasSubstr("gpunode bundle DIR -f FILE --from"));
}

TEST(DriverPackagesStep, AnotherFlavourTakesTheOthersPlace) {
  TrialHost host = host_of("rocky", "8.9", machine("T4"));
  carry_out_all(host);
  host.spec.driver.flavour = WantedFlavour::kProprietary;
  EXPECT_THAT(set_of(host).removed, ElementsAre("kmod-nvidia-open-dkms"));
  carry_out_all(host);
  expect_done(host, "proprietary");
}

TEST(DriverPackagesStep, StrangersAreBlockedWithTheCommandThatRemovesThem) {
  TrialHost fusion = host_of("rocky", "9.4", machine("T4"));
  fusion.facts.packages["akmod-nvidia"] = {"3:580.95.05-1.el9"};
  fusion.facts.packages["xorg-x11-drv-nvidia-cuda"] = {"3:580.95.05-1.el9"};
  StepPlan plan = fusion.plan(*make_driver_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("RPM Fusion"));
  EXPECT_THAT(plan.fix,
              HasSubstr("dnf remove akmod-nvidia xorg-x11-drv-nvidia-cuda"));

  TrialHost archive = host_of("ubuntu", "22.04", machine("T4"));
  archive.facts.packages["nvidia-utils-535-server"] = {"535.247.01-0ubuntu1"};
  archive.facts.packages["linux-modules-nvidia-535-server-generic"] = {"5.15"};
  plan = archive.plan(*make_driver_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix,
              HasSubstr("apt-get purge linux-modules-nvidia-535-server-generic "
                        "nvidia-utils-535-server"));
  EXPECT_THAT(plan.fix, HasSubstr("source: distro"));
}

TEST(DriverPackagesStep, OfUbuntusArchiveAreForTheKernelThatBoots) {
  TrialHost host = host_of("ubuntu", "24.04", machine("T4"));
  host.spec.driver.source = DriverSource::kDistribution;
  host.facts.kernel.release = "6.8.0-1021-aws";
  host.facts.kernels.images.emplace_back().release = "6.8.0-1021-aws";
  host.facts.kernels.next = "6.8.0-1021-aws";
  EXPECT_EQ(host.plan(*make_driver_repository()).state, StepState::kNotWanted);
  const InstallSet set = set_of(host);
  EXPECT_THAT(set.packages,
              ElementsAre("nvidia-headless-no-dkms-580-server-open",
                          "nvidia-utils-580-server",
                          "nvidia-compute-utils-580-server"));
  EXPECT_THAT(set.others, ElementsAre("linux-modules-nvidia-580-server-open-"
                                      "6.8.0-1021-aws"));
  carry_out_all(host);
  expect_done(host, "distro");
  host.spec.driver.imex = Choice::kYes;
  EXPECT_THAT(host.plan(*make_driver_packages()).why,
              HasSubstr("no package of Ubuntu's for it is known"));
}

TEST(DriverPackagesStep, AProfileThatNobodyAskedForIsNoReasonToStop) {
  TrialHost host = host_of("rocky", "8.9", machine("K80"));
  const StepPlan plan = host.plan(*make_driver_packages());
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_THAT(plan.notes, Contains(HasSubstr("`profile: full`: branch 470")));
  EXPECT_THAT(set_of(host).packages,
              ElementsAre("nvidia-driver", "nvidia-driver-cuda",
                          "kmod-nvidia-latest-dkms", "nvidia-persistenced"));
  host.spec.driver.is_profile_given = true;
  const StepPlan asked = host.plan(*make_driver_packages());
  EXPECT_EQ(asked.state, StepState::kBlocked);
  EXPECT_THAT(asked.why, HasSubstr("say `profile: full`"));
}

/// `release` boots, and modules come built.
TrialHost ready_made(const char* release) {
  TrialHost host = host_of("rocky", "9.6", machine("T4"));
  host.spec.driver.source = DriverSource::kPrecompiled;
  host.facts.kernel.release = release;
  host.facts.kernels.images.emplace_back().release = release;
  host.facts.kernels.next = release;
  return host;
}

TEST(DriverPackagesStep, ReadyMadeModulesAreOfTheKernelThatBoots) {
  TrialHost host = ready_made("5.14.0-570.12.1.el9_6.x86_64");
  const StepPlan plan = host.plan(*make_driver_packages());
  EXPECT_EQ(actions_of<SetModuleStream>(plan).at(0).stream, "580");
  const InstallSet set = set_of(host);
  EXPECT_THAT(set.packages,
              ElementsAre("nvidia-driver-cuda", "kmod-nvidia-*-5.14.0-570.12.1",
                          "nvidia-persistenced"));
  EXPECT_THAT(plan.notes, Contains(HasSubstr("pinRunning")));
  carry_out_all(host);
  expect_done(host, "precompiled");
  // The name has the version: no update changes it.
  EXPECT_FALSE(
      host.history.held.contains("kmod-nvidia-580.65.06-5.14.0-570.12.1"));
  EXPECT_TRUE(host.history.held.contains("nvidia-driver-cuda"));
}

TEST(DriverPackagesStep, ReadyMadeModulesAndDkmsAreRivals) {
  TrialHost host = ready_made("5.14.0-570.12.1.el9_6.x86_64");
  host.facts.packages["kmod-nvidia-open-dkms"] = {"3:580.65.06-1"};
  host.facts.packages["kmod-nvidia-575.57.08-5.14.0-503.1.1"] = {
      "3:575.57.08-1"};
  // Of the branch, for a kernel that could boot.
  host.facts.packages["kmod-nvidia-580.65.06-5.14.0-503.1.1"] = {
      "3:580.65.06-1"};
  EXPECT_THAT(set_of(host).removed,
              UnorderedElementsAre("kmod-nvidia-open-dkms",
                                   "kmod-nvidia-575.57.08-5.14.0-503.1.1"));
  host.spec.driver.source = DriverSource::kNvidia;
  EXPECT_THAT(set_of(host).removed,
              UnorderedElementsAre("kmod-nvidia-575.57.08-5.14.0-503.1.1",
                                   "kmod-nvidia-580.65.06-5.14.0-503.1.1"));
}

TEST(DriverPackagesStep, TwoReadyMadeModulesOfOneKernelAreMadeOne) {
  TrialHost host = ready_made("5.14.0-570.12.1.el9_6.x86_64");
  carry_out_all(host);
  host.facts.packages["kmod-nvidia-580.95.05-5.14.0-570.12.1"] = {
      "3:580.95.05-1"};
  const StepPlan plan = host.plan(*make_driver_packages());
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_THAT(plan.why, HasSubstr("580.65.06 and 580.95.05"));
}

TEST(DriverPackagesStep, ReadyMadeModulesOfNvidiasAreNoStrangers) {
  TrialHost host = ready_made("5.14.0-570.12.1.el9_6.x86_64");
  host.facts.packages["kmod-nvidia-610.43.02-5.14.0-503.1.1"] = {
      "3:610.43.02-1"};
  EXPECT_NE(host.plan(*make_driver_packages()).state, StepState::kBlocked);
  host.facts.packages["kmod-nvidia-6.12.4-200.fc41.x86_64"] = {"3:580-1"};
  EXPECT_THAT(host.plan(*make_driver_packages()).why, HasSubstr("RPM Fusion"));
}

TEST(DriverPackagesStep, ReadyMadeModulesThatCannotBeAreRefusedInWords) {
  const auto why = [](const TrialHost& host) {
    return host.plan(*make_driver_obstacles()).why;
  };
  TrialHost blackwell = ready_made("5.14.0-570.12.1.el9_6.x86_64");
  blackwell.facts.gpus = machine("8 B200").gpus;
  EXPECT_THAT(why(blackwell), HasSubstr("has open modules alone"));
  TrialHost open = ready_made("5.14.0-570.12.1.el9_6.x86_64");
  open.spec.driver.flavour = WantedFlavour::kOpen;
  EXPECT_THAT(why(open), HasSubstr("say `flavour: auto`"));
  TrialHost late = ready_made("5.14.0-570.12.1.el9_6.x86_64");
  late.spec.driver.branch = 620;
  EXPECT_THAT(why(late), HasSubstr("no proprietary modules"));
  TrialHost rebuilt = ready_made("5.14.0-570.12.1.el9_6.0.1.x86_64");
  const StepPlan plan = rebuilt.plan(*make_driver_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("Red Hat's own kernels"));
  TrialHost unsettled = ready_made("5.14.0-570.12.1.el9_6.x86_64");
  unsettled.facts.kernels.next.clear();
  unsettled.facts.kernels.images.emplace_back().release = "other";
  EXPECT_THAT(unsettled.plan(*make_driver_packages()).why,
              HasSubstr("is not settled"));
}

TEST(DriverPackagesStep, WhatIsNotSupportedIsSaid) {
  TrialHost host = host_of("rocky", "8.9", machine("T4"));
  host.spec.driver.source = DriverSource::kDistribution;
  EXPECT_THAT(host.plan(*make_driver_packages()).why,
              HasSubstr("known for Ubuntu alone"));
  host.spec.driver.source = DriverSource::kPreinstalled;
  EXPECT_EQ(host.plan(*make_driver_packages()).state, StepState::kNotWanted);
  host.spec.driver.is_wanted = false;
  EXPECT_EQ(host.plan(*make_driver_packages()).state, StepState::kNotWanted);
  TrialHost none = host_of("rocky", "8.9", machine("T4"));
  none.facts.gpus.clear();
  EXPECT_EQ(none.plan(*make_driver_packages()).state, StepState::kNotWanted);
}

}  // namespace
}  // namespace gpunode::provision
