// driver.repository, driver.packages and driver.hold, as plans from facts. What
// every distribution gets for every kind of machine: driver_plans_test.cc.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/distribution/distribution.h"
#include "node/provision/offline/bundle_manifest.h"
#include "node/provision/packages/epel_keys.h"
#include "node/provision/steps/driver/cuda_sources.h"
#include "node/provision/steps/driver/trial_machines.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

std::vector<std::unique_ptr<Step>> steps() {
  std::vector<std::unique_ptr<Step>> steps;
  steps.push_back(make_driver_obstacles());
  steps.push_back(make_driver_repository());
  steps.push_back(make_driver_packages());
  steps.push_back(make_driver_hold());
  return steps;
}

/// All that a plan would do, each Step's actions carried out before the next.
std::vector<StepPlan> carry_out_all(TrialHost& host) {
  std::vector<StepPlan> plans;
  for (const auto& step : steps()) {
    plans.push_back(host.plan(*step));
    host.carry_out(plans.back());
  }
  return plans;
}

/// NVIDIA's own keys are not among the fixtures: that one is fetched again is
/// all that a second plan may say.
void expect_done(const TrialHost& host, const std::string& what) {
  for (const auto& step : steps()) {
    const StepPlan plan = host.plan(*step);
    for (const Action& action : plan.actions) {
      EXPECT_TRUE(std::holds_alternative<FetchKey>(action))
          << what << ": " << step->id() << ": " << describe(action) << " ("
          << plan.why << ")";
    }
    EXPECT_NE(plan.state, StepState::kDrift) << what << ": " << plan.why;
  }
}

InstallSet set_of(const TrialHost& host) {
  const auto sets = actions_of<InstallSet>(host.plan(*make_driver_packages()));
  EXPECT_THAT(sets, SizeIs(1));
  return sets.empty() ? InstallSet{} : sets.front();
}

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

TEST(DriverRepository, IsAFileOfOursByAPinnedKey) {
  TrialHost host = host_of("rocky", "8.9", machine("T4"));
  const StepPlan plan = host.plan(*make_driver_repository());
  ASSERT_THAT(plan.actions, SizeIs(2)) << plan.why;
  const auto& key = std::get<FetchKey>(plan.actions[0]);
  EXPECT_EQ(key.url,
            "https://developer.download.nvidia.com/compute/cuda/repos/rhel8/"
            "x86_64/D42D0685.pub");
  EXPECT_EQ(key.path, "/etc/pki/rpm-gpg/RPM-GPG-KEY-gpunode-cuda");
  EXPECT_THAT(key.fingerprints,
              ElementsAre("610C7B14E068A878070DA4E99CD0A493D42D0685"));
  const auto& file = std::get<WriteFile>(plan.actions[1]);
  EXPECT_EQ(file.path, "/etc/yum.repos.d/gpunode-cuda.repo");
  EXPECT_THAT(file.content,
              HasSubstr("baseurl=https://developer.download.nvidia.com/compute/"
                        "cuda/repos/rhel8/x86_64\nenabled=1\ngpgcheck=1\n"));
  EXPECT_THAT(file.content, HasSubstr("gpgkey=file://" + key.path + "\n"));
}

TEST(DriverRepository, OfAptIsSignedByItsKeyAlone) {
  TrialHost host = host_of("debian", "12", machine("T4"));
  const StepPlan plan = host.plan(*make_driver_repository());
  ASSERT_THAT(plan.actions, SizeIs(2)) << plan.why;
  const auto& file = std::get<WriteFile>(plan.actions[1]);
  EXPECT_EQ(file.path, "/etc/apt/sources.list.d/gpunode-cuda.sources");
  EXPECT_THAT(file.content, HasSubstr("Signed-By: /etc/apt/keyrings/"
                                      "gpunode-cuda.asc\n"));
  EXPECT_THAT(file.content, HasSubstr("debian12/x86_64/\nSuites: /\n"));
}

TEST(DriverRepository, ComesFromAMirrorWhereThereIsOne) {
  TrialHost host = host_of("rocky", "8.9", machine("T4"));
  host.spec.mirrors["https://developer.download.nvidia.com"] =
      "http://mirror.lan/nvidia";
  const StepPlan plan = host.plan(*make_driver_repository());
  EXPECT_THAT(std::get<FetchKey>(plan.actions.at(0)).url,
              HasSubstr("http://mirror.lan/nvidia/compute/cuda/repos/rhel8/"));
  EXPECT_THAT(std::get<WriteFile>(plan.actions.at(1)).content,
              HasSubstr("baseurl=http://mirror.lan/nvidia/compute/"));
}

constexpr const char* kTheirs =
    "[cuda-rhel8-x86_64]\nname=cuda-rhel8-x86_64\n"
    "baseurl=https://developer.download.nvidia.com/compute/cuda/repos/rhel8/"
    "x86_64\nenabled=1\ngpgcheck=1\ngpgkey=https://developer.download.nvidia."
    "com/compute/cuda/repos/rhel8/x86_64/D42D0685.pub\n";

TEST(DriverRepository, SomebodyElsesIsUsedAndNotDoubled) {
  TrialHost host = host_of("rocky", "8.9", machine("T4"));
  host.facts.files["/etc/yum.repos.d/cuda-rhel8.repo"].content = kTheirs;
  const StepPlan plan = host.plan(*make_driver_repository());
  EXPECT_EQ(plan.state, StepState::kOk);
  EXPECT_THAT(plan.notes, Contains(HasSubstr("used as it is")));
  EXPECT_EQ(set_of(host).from, "cuda-rhel8-x86_64");
}

TEST(DriverRepository, WhatWouldMixOrIsUnsignedIsInTheWay) {
  const auto why = [](const char* version, const std::string& from,
                      const std::string& to) {
    TrialHost host = host_of("rocky", version, machine("T4"));
    std::string text = kTheirs;
    for (std::size_t at = text.find(from);
         !from.empty() && at != std::string::npos; at = text.find(from)) {
      text.replace(at, from.size(), to);
    }
    host.facts.files["/etc/yum.repos.d/cuda-rhel8.repo"].content = text;
    const StepPlan plan = host.plan(*make_driver_repository());
    EXPECT_EQ(plan.state, StepState::kBlocked) << plan.why;
    EXPECT_THAT(plan.fix, HasSubstr("rm /etc/yum.repos.d/cuda-rhel8.repo"));
    return plan.why;
  };
  EXPECT_THAT(why("9.4", "", ""), HasSubstr("is for rhel8/x86_64"));
  EXPECT_THAT(why("8.9", "D42D0685", "7fa2af80"),
              HasSubstr("withdrew in 2022"));
  for (const char* no : {"gpgcheck=0", "gpgcheck=no", "gpgcheck = False"}) {
    EXPECT_THAT(why("8.9", "gpgcheck=1", no), HasSubstr("nobody signed"));
  }
}

/// A Rocky 8 whose row has the key of `pinned`, and somebody's file with
/// `gpgkey`.
StepPlan with_key(const std::string& gpgkey,
                  const std::map<std::string, std::string>& files = {}) {
  TrialHost host = host_of("rocky", "8.9", machine("T4"));
  distribution::Extension row;
  row.id = "rocky";
  row.version = "8";
  row.fingerprint = packages::epel_key(9)->fingerprint;
  host.spec.distributions = {row};
  std::string text = kTheirs;
  text.replace(text.find("gpgkey="), std::string::npos, gpgkey + "\n");
  host.facts.files["/etc/yum.repos.d/cuda-rhel8.repo"].content = text;
  for (const auto& [path, content] : files) {
    host.facts.files[path].content = content;
  }
  return host.plan(*make_driver_repository());
}

TEST(DriverRepository, SomebodyElsesIsByNvidiasKeyOrInTheWay) {
  const std::string good(packages::epel_key(9)->armoured);
  const std::string bad(packages::epel_key(8)->armoured);
  const std::string bad_one(packages::epel_key(8)->fingerprint);
  const std::string path = "/etc/pki/rpm-gpg/K";
  const StepPlan right = with_key("gpgkey=file://" + path, {{path, good}});
  EXPECT_EQ(right.state, StepState::kOk) << right.why;
  EXPECT_THAT(right.notes, SizeIs(1));
  const StepPlan unseen = with_key("gpgkey=file:///opt/K");
  EXPECT_EQ(unseen.state, StepState::kOk);
  EXPECT_THAT(unseen.notes,
              Contains(HasSubstr("file:///opt/K holds NVIDIA's")));
  const auto trouble = [&](const std::string& gpgkey,
                           const std::string& content) {
    const StepPlan plan = with_key(gpgkey, {{path, content}});
    EXPECT_EQ(plan.state, StepState::kBlocked) << gpgkey;
    EXPECT_THAT(plan.fix, HasSubstr("rm /etc/yum.repos.d/cuda-rhel8.repo"));
    return plan.why;
  };
  EXPECT_THAT(trouble("gpgkey=file://" + path, bad), HasSubstr(bad_one));
  EXPECT_THAT(trouble("gpgkey=file://" + path, good + bad), HasSubstr(bad_one));
  EXPECT_THAT(trouble("gpgkey=file://" + path, "<html>"),
              HasSubstr("no key that can be read"));
  EXPECT_THAT(trouble("gpgkey=https://developer.download.nvidia.com/compute/"
                      "cuda/repos/rhel8/x86_64/D42D0685.pub\n   "
                      "http://mirror/K.pub",
                      ""),
              HasSubstr("whatever key is at http://mirror/K.pub"));
  EXPECT_THAT(
      trouble("gpgkey=https://developer.download.nvidia.com.evil/K.pub", ""),
      HasSubstr("whatever key is at"));
}

TEST(CudaSources, WithoutGpgcheckOfTheirOwnAreAsDnfConfSays) {
  std::map<std::string, facts::FileFacts> files;
  files["/etc/yum.repos.d/a.repo"].content =
      "[a]\nbaseurl=https://x/compute/cuda/repos/rhel8/x86_64\n";
  EXPECT_TRUE(cuda_sources(files).at(0).is_checked);
  files["/etc/dnf/dnf.conf"].content = "[main]\ngpgcheck=1\n";
  EXPECT_TRUE(cuda_sources(files).at(0).is_checked);
  files["/etc/dnf/dnf.conf"].content = "[main]\nbest=True\n";
  EXPECT_FALSE(cuda_sources(files).at(0).is_checked);
  files["/etc/yum.repos.d/a.repo"].content->append("gpgcheck=1\n");
  EXPECT_TRUE(cuda_sources(files).at(0).is_checked);
}

TEST(CudaSources, OfAptNameTheirKeysInManyWays) {
  const std::string address = "https://x/compute/cuda/repos/debian12/x86_64/";
  const std::string good(packages::epel_key(9)->armoured);
  const std::string pinned(packages::epel_key(9)->fingerprint);
  std::string folded;
  for (std::size_t at = 0; at < good.size();) {
    const std::size_t end = good.find('\n', at);
    folded += end == at ? " .\n" : " " + good.substr(at, end + 1 - at);
    at = end + 1;
  }
  const auto trouble = [&](const std::string& signed_by) {
    std::map<std::string, facts::FileFacts> files;
    files["/etc/apt/keyrings/good.asc"].content = good;
    files["/etc/apt/keyrings/bad.asc"].content =
        std::string(packages::epel_key(8)->armoured);
    files["/etc/apt/sources.list.d/a.sources"].content =
        "Types: deb\nURIs: " + address + "\nSigned-By:" + signed_by +
        "\nSuites: /\n";
    const auto sources = cuda_sources(files);
    EXPECT_THAT(sources, SizeIs(1));
    if (sources.empty()) return std::string();
    return judge_keys(sources.front(), files, pinned, {}).trouble;
  };
  EXPECT_EQ(trouble(" /etc/apt/keyrings/good.asc"), "");
  EXPECT_EQ(trouble(" " + pinned + "!"), "");
  EXPECT_EQ(trouble("\n" + folded), "");
  EXPECT_THAT(trouble(" /etc/apt/keyrings/good.asc /etc/apt/keyrings/bad.asc"),
              HasSubstr("bad.asc, which holds the key"));
  EXPECT_THAT(trouble(" " + std::string(40, 'A')), HasSubstr("trusts the key"));
}

TEST(CudaSources, OfAptThatMayBeUnsignedAreTold) {
  const std::string address = "https://x/compute/cuda/repos/debian12/x86_64/";
  std::map<std::string, facts::FileFacts> files;
  files["/etc/apt/sources.list.d/a.sources"].content =
      "Types: deb\nURIs: " + address + "\nSigned-By: /k\nTrusted: yes\n";
  files["/etc/apt/sources.list.d/b.sources"].content =
      "Types: deb\nURIs: " + address + "\nSigned-By: /k\nEnabled: false\n";
  files["/etc/apt/sources.list.d/c.list"].content =
      "deb [signed-by=/k allow-insecure=yes] " + address + " /\n";
  const auto sources = cuda_sources(files);
  ASSERT_THAT(sources, SizeIs(2));
  EXPECT_FALSE(sources[0].is_checked);
  EXPECT_FALSE(sources[1].is_checked);
}

TEST(CudaSources, OfAptInBothForms) {
  std::map<std::string, facts::FileFacts> files;
  files["/etc/apt/sources.list.d/cuda.list"].content =
      "# deb https://x/compute/cuda/repos/ubuntu2004/x86_64/ /\n"
      "deb [signed-by=/usr/share/keyrings/cuda-archive-keyring.gpg] "
      "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/"
      "x86_64/ /\n"
      "deb http://x/compute/cuda/repos/ubuntu2204/sbsa/ /\n";
  files["/etc/apt/sources.list.d/cuda.sources"].content =
      "Types: deb\nURIs: https://x/compute/cuda/repos/debian12/x86_64/\n"
      "Suites: /\nSigned-By: /etc/k\n\n"
      "Types: deb\nURIs: https://x/compute/cuda/repos/debian11/x86_64/\n"
      "Enabled: no\n";
  EXPECT_THAT(cuda_sources(files),
              ElementsAre(CudaSource{"/etc/apt/sources.list.d/cuda.list",
                                     "",
                                     "ubuntu2204/x86_64",
                                     true,
                                     false,
                                     {"/usr/share/keyrings/"
                                      "cuda-archive-keyring.gpg"}},
                          CudaSource{"/etc/apt/sources.list.d/cuda.list", "",
                                     "ubuntu2204/sbsa", false, false},
                          CudaSource{"/etc/apt/sources.list.d/cuda.sources",
                                     "",
                                     "debian12/x86_64",
                                     true,
                                     false,
                                     {"/etc/k"}}));
}

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
