// driver.obstacles, modules, options, load, services and cuda.extras: what
// stands between installed packages and GPUs that containers can use.

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/file_plan.h"
#include "node/provision/steps/steps.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kRunning = "4.18.0-513.5.1.el8_9.x86_64";
constexpr const char* kNext = "4.18.0-553.el8_10.x86_64";
constexpr const char* kVersion = "580.65.06";

facts::KernelImage kernel(const std::string& release, bool has_devel = true) {
  facts::KernelImage image;
  image.release = release;
  image.has_devel = has_devel;
  return image;
}

facts::ModuleFile module_of(const std::string& release,
                            const std::string& version = kVersion,
                            const std::string& license = "NVIDIA") {
  return {"/lib/modules/" + release + "/extra/nvidia.ko.xz", version,
          release + " SMP mod_unload", license, ""};
}

facts::PciGpu gpu(std::uint16_t id, const std::string& driver = "") {
  facts::PciGpu gpu;
  gpu.address = "0000:00:1e.0";
  gpu.device_id = id;
  gpu.product = "NVIDIA GPU";
  gpu.driver = driver;
  return gpu;
}

/// The seed's machine, its packages just installed.
TrialHost g5() {
  TrialHost host;
  host.facts.machine.cloud = "aws";
  host.facts.machine.product = "g5.4xlarge";
  host.facts.gpus = {gpu(0x2237)};
  host.facts.kernels.images = {kernel(kRunning)};
  host.facts.kernels.next = kRunning;
  host.facts.driver.library = kVersion;
  host.spec.driver.is_wanted = true;
  host.spec.driver.branch = 580;
  return host;
}

/// The same with everything done.
TrialHost running() {
  TrialHost host = g5();
  host.facts.kernels.images[0].module = module_of(kRunning);
  host.facts.driver.loaded_version = kVersion;
  host.facts.driver.proc_gpus = 1;
  host.facts.driver.users = 2;
  host.facts.driver.params = {{"EnableGpuFirmware", "0"}};
  for (const char* name : {"nvidia", "nvidia_uvm", "nvidia_modeset"}) {
    host.facts.modules[name] = true;
  }
  return host;
}

std::vector<std::string> words_of(const StepPlan& plan) {
  std::vector<std::string> words;
  for (const Action& action : plan.actions) words.push_back(describe(action));
  return words;
}

void expect_converges(TrialHost host, const Step& step) {
  const StepPlan plan = host.plan(step);
  EXPECT_NE(plan.state, StepState::kOk) << step.id();
  host.carry_out(plan);
  const StepPlan again = host.plan(step);
  EXPECT_EQ(again.state, StepState::kOk) << step.id() << ": " << again.why;
  EXPECT_THAT(again.actions, IsEmpty()) << step.id();
}

std::vector<std::unique_ptr<Step>> all_steps() {
  std::vector<std::unique_ptr<Step>> steps;
  steps.push_back(make_driver_obstacles());
  steps.push_back(make_driver_modules());
  steps.push_back(make_driver_options());
  steps.push_back(make_driver_load());
  steps.push_back(make_driver_services());
  return steps;
}

TEST(Driver, WithoutItsSectionNothingIsPlannedAndNothingTakenAway) {
  TrialHost host = running();
  host.spec.driver = {};
  for (const auto& step : all_steps()) {
    EXPECT_EQ(host.plan(*step).state, StepState::kNotWanted) << step->id();
  }
  EXPECT_THAT(host.plan(*make_driver_obstacles()).notes,
              ElementsAre(HasSubstr("580.65.06 stays as it is")));
}

TEST(Driver, APreinstalledOneIsItsOwners) {
  TrialHost host = running();
  host.spec.driver.source = DriverSource::kPreinstalled;
  for (const auto& step : all_steps()) {
    EXPECT_EQ(host.plan(*step).state, StepState::kNotWanted) << step->id();
  }
}

TEST(Driver, FromPackagesToGpusAndThenNothingToChange) {
  TrialHost host = g5();
  for (const auto& step : all_steps()) host.carry_out(host.plan(*step));
  host.facts.driver.proc_gpus = 1;
  for (const auto& step : all_steps()) {
    const StepPlan again = host.plan(*step);
    EXPECT_EQ(again.state, StepState::kOk) << step->id() << ": " << again.why;
    EXPECT_THAT(again.actions, IsEmpty()) << step->id();
  }
}

TEST(Driver, WhatIsImpossibleIsBlockedOnceAndReferredTo) {
  TrialHost host = g5();
  host.facts.gpus = {gpu(0x13f2)};  // Tesla M60: no open modules.
  host.spec.driver.flavour = WantedFlavour::kOpen;
  const StepPlan obstacles = host.plan(*make_driver_obstacles());
  EXPECT_EQ(obstacles.state, StepState::kBlocked);
  EXPECT_THAT(obstacles.why, HasSubstr("no open modules"));
  const StepPlan load = host.plan(*make_driver_load());
  EXPECT_EQ(load.state, StepState::kNotWanted);
  EXPECT_THAT(load.why, HasSubstr("driver.obstacles"));
}

TEST(Driver, ADistributionThatItsOwnerAddedIsOneForEveryStep) {
  // RHEL 10's key is not known to the table: a drop-in gives it.
  TrialHost host = g5();
  host.facts.os.id = "rhel";
  host.facts.os.version_id = "10.0";
  host.facts.gpus = {gpu(0x1eb8)};
  EXPECT_EQ(host.plan(*make_driver_obstacles()).state, StepState::kBlocked);
  distribution::Extension extension;
  extension.id = "rhel";
  extension.version = "10";
  extension.fingerprint = "610C7B14E068A878070DA4E99CD0A493D42D0685";
  host.spec.distributions = {extension};
  EXPECT_EQ(host.plan(*make_driver_obstacles()).state, StepState::kOk);
  EXPECT_EQ(host.plan(*make_driver_modules()).state, StepState::kChange);
}

TEST(DriverObstacles, OtherWaysOfHavingADriverAreBlockedWithTheWayOut) {
  TrialHost runfile = g5();
  runfile.facts.driver.has_runfile = true;
  EXPECT_EQ(runfile.plan(*make_driver_obstacles()).state, StepState::kBlocked);
  EXPECT_THAT(runfile.plan(*make_driver_obstacles()).fix,
              HasSubstr("/usr/bin/nvidia-uninstall"));
  TrialHost container = g5();
  container.facts.driver.has_container = true;
  EXPECT_EQ(container.plan(*make_driver_obstacles()).state,
            StepState::kBlocked);
  EXPECT_THAT(container.plan(*make_driver_obstacles()).fix,
              HasSubstr("driver.enabled"));
}

TEST(DriverObstacles, GpusOfVirtualMachinesAreNotOurs) {
  TrialHost vgpu = g5();
  vgpu.facts.gpus[0].is_vgpu = true;
  EXPECT_THAT(vgpu.plan(*make_driver_obstacles()).why, HasSubstr("vGPU"));
  TrialHost vfio = g5();
  vfio.facts.gpus = {gpu(0x2237, "vfio-pci")};
  EXPECT_EQ(vfio.plan(*make_driver_obstacles()).state, StepState::kBlocked);
  vfio.facts.gpus.push_back(gpu(0x2237));
  const StepPlan mixed = vfio.plan(*make_driver_obstacles());
  EXPECT_EQ(mixed.state, StepState::kOk);
  EXPECT_THAT(mixed.notes, Contains(HasSubstr("kept for virtual machines")));
}

TEST(DriverObstacles, ADriverInUseIsNotChangedUnderItsPrograms) {
  TrialHost host = running();
  host.facts.driver.loaded_version = "570.86.15";
  host.facts.driver.holders = {"nvidia-persiste (902)", "python3 (4711)"};
  host.spec.name = "g5-worker-1";
  const StepPlan plan = host.plan(*make_driver_obstacles());
  EXPECT_EQ(plan.state, StepState::kRefused);
  EXPECT_THAT(plan.why, HasSubstr("is 570.86.15 and not 580"));
  EXPECT_THAT(plan.why, HasSubstr("python3 (4711)"));
  EXPECT_THAT(plan.why, testing::Not(HasSubstr("persiste")));
  EXPECT_THAT(plan.fix, HasSubstr("kubectl drain g5-worker-1"));
  host.facts.driver.holders = {"nvidia-persiste (902)"};
  EXPECT_EQ(host.plan(*make_driver_obstacles()).state, StepState::kOk);
  EXPECT_THAT(host.plan(*make_driver_obstacles()).notes,
              Contains(HasSubstr("Pods with a GPU cannot run")));
}

TEST(DriverObstacles, AFittingDriverInUseIsNoObstacle) {
  TrialHost host = running();
  host.facts.driver.holders = {"python3 (4711)"};
  EXPECT_EQ(host.plan(*make_driver_obstacles()).state, StepState::kOk);
}

TEST(DriverModules, AreBuiltForEveryKernelThatHasDevel) {
  TrialHost host = g5();
  host.facts.kernels.images = {kernel(kRunning), kernel(kNext),
                               kernel("4.18.0-80.el8.x86_64", false)};
  host.facts.kernels.next = kNext;
  const StepPlan plan = host.plan(*make_driver_modules());
  EXPECT_THAT(words_of(plan),
              ElementsAre("build the kernel module nvidia for " +
                          std::string(kNext) + ", " + kRunning));
  EXPECT_THAT(plan.notes, ElementsAre(HasSubstr("4.18.0-80.el8.x86_64")));
  expect_converges(host, *make_driver_modules());
}

TEST(DriverModules, OfTheDistributionAreForItsKernelAlone) {
  TrialHost host = g5();
  host.facts.kernels.images = {kernel(kRunning), kernel(kNext)};
  host.facts.kernels.images[0].module = module_of(kRunning);
  EXPECT_EQ(host.plan(*make_driver_modules()).state, StepState::kChange);
  host.spec.driver.source = DriverSource::kDistribution;
  EXPECT_EQ(host.plan(*make_driver_modules()).state, StepState::kOk);
}

TEST(DriverModules, OneKernelThatAScriptletLeftOutIsNamed) {
  TrialHost host = running();
  host.facts.kernels.images.push_back(kernel(kNext));
  const StepPlan plan = host.plan(*make_driver_modules());
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_EQ(plan.why,
            "the kernel " + std::string(kNext) + " has no module nvidia");
  expect_converges(host, *make_driver_modules());
}

TEST(DriverModules, OfAnotherVersionFlavourOrKernelAreBuiltAnew) {
  struct Case {
    facts::ModuleFile module;
    const char* why;
  };
  for (const Case& one :
       {Case{module_of(kRunning, "570.86.15"), "570.86.15 and not 580"},
        Case{module_of(kRunning, "580.95.05"), "libraries are 580.65.06"},
        Case{module_of(kRunning, kVersion, "Dual MIT/GPL"), "open module"},
        Case{module_of(kNext), "of another kernel"}}) {
    TrialHost host = g5();
    host.facts.kernels.images[0].module = one.module;
    EXPECT_THAT(host.plan(*make_driver_modules()).why, HasSubstr(one.why));
    expect_converges(host, *make_driver_modules());
  }
}

TEST(DriverOptions, TheFailingGspOfAG5IsDoneWithout) {
  TrialHost host = g5();
  const StepPlan plan = host.plan(*make_driver_options());
  ASSERT_THAT(plan.actions, SizeIs(1));
  EXPECT_THAT(std::get<WriteFile>(plan.actions[0]).content,
              HasSubstr("\noptions nvidia NVreg_EnableGpuFirmware=0\n"));
  expect_converges(host, *make_driver_options());
}

TEST(DriverOptions, WithoutAnyThereIsNoFileAndOursGoes) {
  TrialHost host = g5();
  host.facts.machine.product = "p4d.24xlarge";
  EXPECT_EQ(host.plan(*make_driver_options()).state, StepState::kOk);
  const char* path = "/etc/modprobe.d/gpunode-nvidia.conf";
  host.facts.files[path].content = "ours";
  host.history.written[path] = "ours";
  EXPECT_THAT(words_of(host.plan(*make_driver_options())),
              ElementsAre(HasSubstr("remove /etc/modprobe.d")));
  host.facts.files[path].content = "changed";
  EXPECT_EQ(host.plan(*make_driver_options()).state, StepState::kDrift);
}

TEST(DriverOptions, WhatCannotBeProvedIsSaid) {
  TrialHost host = running();
  host.spec.driver.flavour = WantedFlavour::kOpen;
  host.spec.driver.module_options = {{"NVreg_EnableGpuFirmware", "0"},
                                     {"NVreg_NoSuchThing", "1"}};
  EXPECT_THAT(host.plan(*make_driver_options()).notes,
              ElementsAre(HasSubstr("use the GSP all the same"),
                          HasSubstr("does not know NVreg_NoSuchThing")));
}

TEST(DriverLoad, LoadsWhatIsMissingNowAndAtBoot) {
  TrialHost host = g5();
  host.facts.kernels.images[0].module = module_of(kRunning);
  EXPECT_THAT(words_of(host.plan(*make_driver_load())),
              ElementsAre("write /etc/modules-load.d/gpunode-nvidia.conf",
                          "load the kernel module nvidia",
                          "load the kernel module nvidia_uvm",
                          "load the kernel module nvidia_modeset"));
  expect_converges(host, *make_driver_load());
}

TEST(DriverLoad, HalfLoadedIsCompleted) {
  TrialHost host = running();
  host.facts.modules.erase("nvidia_uvm");
  const StepPlan plan = host.plan(*make_driver_load());
  EXPECT_THAT(words_of(plan), Contains("load the kernel module nvidia_uvm"));
  expect_converges(host, *make_driver_load());
}

TEST(DriverLoad, NvlinkOfTheFifthGenerationNeedsIbUmad) {
  TrialHost host = running();
  host.facts.gpus = {gpu(0x2901)};
  host.facts.machine.product = "p6-b200.48xlarge";
  host.facts.machine.manages_nvlink = true;
  host.facts.driver.is_loaded_open = true;
  EXPECT_THAT(words_of(host.plan(*make_driver_load())),
              Contains("load the kernel module ib_umad"));
}

TEST(DriverLoad, AnotherVersionIsUnloadedInOrderBehindItsServices) {
  TrialHost host = running();
  host.facts.driver.loaded_version = "570.86.15";
  host.facts.driver.holders = {"nvidia-persiste (902)"};
  host.facts.modules["nvidia_drm"] = true;
  host.facts.units["nvidia-persistenced.service"] = {"loaded", "active",
                                                     "enabled"};
  EXPECT_THAT(words_of(host.plan(*make_driver_load())),
              ElementsAre("write /etc/modules-load.d/gpunode-nvidia.conf",
                          "stop nvidia-persistenced.service",
                          "unload the kernel module nvidia_uvm",
                          "unload the kernel module nvidia_drm",
                          "unload the kernel module nvidia_modeset",
                          "unload the kernel module nvidia",
                          "load the kernel module nvidia",
                          "load the kernel module nvidia_uvm",
                          "load the kernel module nvidia_modeset",
                          "start nvidia-persistenced.service"));
  host.facts.driver.holders.clear();
  expect_converges(host, *make_driver_load());
}

TEST(DriverLoad, WhatRunsBesideTheDriverStopsForItAndStartsAgain) {
  TrialHost host = running();
  host.facts.driver.loaded_version = "570.86.15";
  host.facts.driver.holders = {"gpunode-agent (700)", "nv-hostengine (800)",
                               "nvidia-persiste (902)"};
  for (const char* unit : {"gpunode-agent.service", "nvidia-dcgm.service",
                           "nvidia-persistenced.service"}) {
    host.facts.units[unit] = {"loaded", "active", "enabled"};
  }
  const std::vector<std::string> words =
      words_of(host.plan(*make_driver_load()));
  ASSERT_THAT(words, SizeIs(13));
  EXPECT_THAT(
      std::vector(words.begin() + 1, words.begin() + 4),
      ElementsAre("stop gpunode-agent.service", "stop nvidia-dcgm.service",
                  "stop nvidia-persistenced.service"));
  EXPECT_THAT(
      std::vector(words.end() - 3, words.end()),
      ElementsAre("start nvidia-persistenced.service",
                  "start nvidia-dcgm.service", "start gpunode-agent.service"));
  // The same programs in Pods are none of systemd's to stop.
  host.facts.units["gpunode-agent.service"].active_state = "inactive";
  const StepPlan plan = host.plan(*make_driver_load());
  EXPECT_EQ(plan.state, StepState::kRefused);
  EXPECT_THAT(plan.why, HasSubstr("in use: gpunode-agent (700)"));
  EXPECT_THAT(plan.why, testing::Not(HasSubstr("hostengine")));
}

TEST(DriverLoad, ApiMismatchIsRecognisedAndMended) {
  TrialHost host = running();
  host.facts.driver.library = "580.95.05";
  host.facts.kernels.images[0].module = module_of(kRunning, "580.95.05");
  const StepPlan plan = host.plan(*make_driver_load());
  EXPECT_THAT(plan.why, HasSubstr("API mismatch"));
  expect_converges(host, *make_driver_load());
}

TEST(DriverLoad, AnOptionThatTheLoadedModuleLacksLoadsItAnew) {
  TrialHost host = running();
  host.facts.driver.params["EnableGpuFirmware"] = "18";
  EXPECT_THAT(host.plan(*make_driver_load()).why,
              HasSubstr("has NVreg_EnableGpuFirmware=18 and not 0"));
  host.facts.driver.params["EnableGpuFirmware"] = "0";
  host.spec.driver.module_options["NVreg_RegisterPCIDriver"] = "0x1";
  host.facts.driver.params["RegisterPCIDriver"] = "1";
  EXPECT_EQ(words_of(host.plan(*make_driver_load())).size(), 1U);
}

TEST(DriverLoad, UnderProgramsItIsRefused) {
  TrialHost host = running();
  host.facts.driver.loaded_version = "570.86.15";
  host.facts.driver.holders = {"python3 (4711)"};
  const StepPlan plan = host.plan(*make_driver_load());
  EXPECT_EQ(plan.state, StepState::kRefused);
  EXPECT_THAT(plan.actions, IsEmpty());
}

TEST(DriverLoad, WhatTheKernelItselfHoldsTakesAReboot) {
  TrialHost host = running();
  host.facts.driver.loaded_version = "570.86.15";
  host.facts.driver.users = 5;
  const StepPlan plan = host.plan(*make_driver_load());
  ASSERT_FALSE(plan.actions.empty());
  EXPECT_TRUE(std::holds_alternative<Reboot>(plan.actions.back()));
}

TEST(DriverLoad, GpusThatTheDriverDoesNotTakeAreTold) {
  TrialHost host = running();
  host.facts.driver.proc_gpus = 0;
  EXPECT_THAT(host.plan(*make_driver_load()).notes,
              ElementsAre(HasSubstr("0 of 1 GPUs")));
}

TEST(DriverServices, ThePersistenceDaemonRuns) {
  TrialHost host = running();
  EXPECT_THAT(words_of(host.plan(*make_driver_services())),
              ElementsAre("enable, start nvidia-persistenced.service"));
  expect_converges(host, *make_driver_services());
  host.spec.driver.persistence = false;
  EXPECT_EQ(host.plan(*make_driver_services()).state, StepState::kOk);
}

TEST(DriverServices, DebiansUnitIsToldToKeepPersistence) {
  TrialHost host = running();
  host.facts.os.id = "ubuntu";
  host.facts.os.id_like = {"debian"};
  host.facts.os.version_id = "22.04";
  EXPECT_THAT(
      words_of(host.plan(*make_driver_services())),
      ElementsAre(HasSubstr("nvidia-persistenced.service.d/gpunode.conf"),
                  "enable, restart nvidia-persistenced.service"));
  expect_converges(host, *make_driver_services());
}

TEST(DriverServices, OneThatUdevStartsIsNotEnabled) {
  TrialHost host = running();
  host.facts.units["nvidia-persistenced.service"] = {"loaded", "active",
                                                     "static"};
  EXPECT_EQ(host.plan(*make_driver_services()).state, StepState::kOk);
}

TEST(DriverServices, NvswitchesNeedTheFabricManager) {
  TrialHost host = running();
  host.facts.machine.product = "p4d.24xlarge";
  host.facts.gpus = {gpu(0x20b0), gpu(0x1af1)};
  host.facts.gpus[1].is_switch = true;
  EXPECT_THAT(words_of(host.plan(*make_driver_services())),
              Contains("enable, start nvidia-fabricmanager.service"));
  expect_converges(host, *make_driver_services());
  host.spec.driver.fabric_manager = Choice::kNo;
  EXPECT_THAT(words_of(host.plan(*make_driver_services())), SizeIs(1));
}

TEST(DriverServices, AFailedOrMaskedOneIsStarted) {
  for (const facts::UnitFacts& unit :
       {facts::UnitFacts{"masked", "inactive", "masked"},
        facts::UnitFacts{"loaded", "failed", "enabled"},
        facts::UnitFacts{"loaded", "active", "disabled"}}) {
    TrialHost host = running();
    host.facts.units["nvidia-persistenced.service"] = unit;
    EXPECT_EQ(host.plan(*make_driver_services()).state, StepState::kChange);
    expect_converges(host, *make_driver_services());
  }
}

TEST(CudaExtras, AreOffByDefaultAndSayWhatTheyTake) {
  TrialHost host = running();
  EXPECT_EQ(host.plan(*make_cuda_extras()).state, StepState::kNotWanted);
  host.spec.cuda = {"13.0", true};
  const StepPlan plan = host.plan(*make_cuda_extras());
  EXPECT_THAT(words_of(plan),
              ElementsAre("install cuda-toolkit-13-0, nvidia-gds-13-0"));
  EXPECT_THAT(plan.notes, Contains(HasSubstr("GiB")));
  expect_converges(host, *make_cuda_extras());
  host.spec.driver = {};
  EXPECT_EQ(host.plan(*make_cuda_extras()).state, StepState::kBlocked);
}

TEST(CudaExtras, WithoutNvidiasRepositoryAreRefusedUnlessTheyAreThere) {
  for (const DriverSource source :
       {DriverSource::kDistribution, DriverSource::kPreinstalled}) {
    TrialHost host = running();
    host.spec.driver.source = source;
    host.spec.cuda.toolkit = "13.0";
    const StepPlan plan = host.plan(*make_cuda_extras());
    EXPECT_EQ(plan.state, StepState::kBlocked);
    EXPECT_THAT(plan.why, HasSubstr("installed from NVIDIA's repository"));
    EXPECT_THAT(plan.fix, HasSubstr("source: nvidia-cuda-repo"));
    host.facts.packages["cuda-toolkit-13-0"] = {"13.0.1-1"};
    EXPECT_EQ(host.plan(*make_cuda_extras()).state, StepState::kOk);
  }
}

TEST(CudaExtras, AToolkitThatTheBranchCannotRunIsRefused) {
  TrialHost host = running();
  host.spec.driver.branch = 550;
  host.spec.cuda.toolkit = "13.0";
  const StepPlan plan = host.plan(*make_cuda_extras());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("CUDA 13.0 needs branch 580"));
  EXPECT_THAT(plan.fix, HasSubstr("up to 12.x"));
  host.spec.cuda.toolkit = "12.9";
  EXPECT_EQ(host.plan(*make_cuda_extras()).state, StepState::kChange);
  host.spec.cuda.toolkit = "14.0";
  EXPECT_THAT(host.plan(*make_cuda_extras()).notes,
              Contains(HasSubstr("is not known")));
}

}  // namespace
}  // namespace gpunode::provision
