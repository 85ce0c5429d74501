// runtime.links, runtime.gpu and runtime.config.
#include <algorithm>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/packages/redaction.h"
#include "node/provision/steps/runtime/cdi_units.h"
#include "node/provision/steps/runtime/containerd_file.h"
#include "node/provision/steps/runtime/runtime.h"
#include "node/provision/steps/steps.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kUnit = "containerd.service";
constexpr const char* kNow = "/usr/bin/gpunode-runtime#sha256";
constexpr const char* kBeside = "/opt/gpunode/gpunode-runtime#sha256";

/// containerd is there and runs.
TrialHost node() {
  TrialHost host;
  host.spec.runtime.is_wanted = true;
  host.spec.runtime.source = EngineSource::kDocker;
  host.spec.program = "/opt/gpunode/gpunode";
  host.spec.runtime_program = "/opt/gpunode/gpunode-runtime";
  host.facts.files[kBeside].content = "aa";
  host.facts.packages["containerd.io"] = {"1.7.25-1"};
  host.facts.units[kUnit] = {"loaded", "active", "enabled"};
  host.facts.modules["nvidia"] = true;
  return host;
}

std::vector<std::string> words_of(const StepPlan& plan) {
  std::vector<std::string> words;
  for (const Action& action : plan.actions) words.push_back(describe(action));
  return words;
}

void expect_converges(TrialHost host, const Step& step) {
  const StepPlan plan = host.plan(step);
  EXPECT_EQ(plan.state, StepState::kChange) << plan.why;
  host.carry_out(plan);
  for (const Action& action : plan.actions) {
    if (const auto* install = std::get_if<InstallProgram>(&action)) {
      host.facts.files[install->path + "#sha256"].content = install->digest;
    } else if (std::holds_alternative<RunProgram>(action)) {
      host.facts.trees["/dev/char/195:255"].exists = true;
    } else if (const auto* unit = std::get_if<SetUnit>(&action);
               unit != nullptr && unit->unit == kRefreshUnit &&
               unit->active == Wish::kYes) {
      host.facts.files["/var/run/cdi/nvidia.yaml"].content = "cdi";
    }
  }
  const StepPlan again = host.plan(step);
  EXPECT_EQ(again.state, StepState::kOk) << again.why;
}

TEST(RuntimeGpu, InstallsTheProgramThatLiesBesideGpunode) {
  TrialHost host = node();
  const StepPlan plan = host.plan(*make_runtime_gpu());
  EXPECT_THAT(words_of(plan), ElementsAre("install /usr/bin/gpunode-runtime"));
  const auto& install = std::get<InstallProgram>(plan.actions[0]);
  EXPECT_EQ(install.from, host.spec.runtime_program);
  EXPECT_EQ(install.digest, "aa");
  expect_converges(host, *make_runtime_gpu());
  host.facts.files[kNow].content = "bb";
  EXPECT_THAT(host.plan(*make_runtime_gpu()).why, HasSubstr("is another than"));
  EXPECT_THAT(make_runtime_gpu()->wants(host.spec).files,
              AllOf(Contains(kNow), Contains(kBeside)));
}

TEST(RuntimeGpu, APackagesProgramIsLeftAlone) {
  TrialHost host = node();
  host.facts.packages["gpunode"] = {"1.0"};
  host.facts.files[kNow].content = "bb";
  EXPECT_EQ(host.plan(*make_runtime_gpu()).state, StepState::kOk);
  host.facts.files.erase(kNow);
  const StepPlan gone = host.plan(*make_runtime_gpu());
  EXPECT_EQ(gone.state, StepState::kBlocked);
  EXPECT_THAT(gone.fix, HasSubstr("reinstall gpunode"));
}

TEST(RuntimeGpu, WithoutAProgramAnywhereItIsTold) {
  TrialHost host = node();
  host.spec.runtime_program.clear();
  const StepPlan plan = host.plan(*make_runtime_gpu());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("unpack the whole release"));
  host.facts.files[kNow].content = "bb";
  EXPECT_EQ(host.plan(*make_runtime_gpu()).state, StepState::kOk);
  host.spec.runtime_program = "/usr/bin/gpunode-runtime";
  EXPECT_EQ(host.plan(*make_runtime_gpu()).state, StepState::kOk);
}

TEST(RuntimeGpu, ByCdiTheSpecIsMade) {
  TrialHost host = node();
  host.spec.runtime.gpu_mode = GpuMode::kCdi;
  EXPECT_THAT(words_of(host.plan(*make_runtime_gpu())),
              ElementsAre("restart gpunode-cdi-refresh.service"));
  expect_converges(host, *make_runtime_gpu());
  // The driver is not there and nobody brings it: nothing could be in it.
  host.facts.modules.clear();
  EXPECT_EQ(host.plan(*make_runtime_gpu()).state, StepState::kOk);
}

TEST(RuntimeLinks, AreMadeBeforeSystemdReadsItsUnitsAnew) {
  const TrialHost host = node();
  const StepPlan plan = host.plan(*make_runtime_links());
  EXPECT_THAT(words_of(plan),
              ElementsAre("run /opt/gpunode/gpunode runtime device-links "
                          "--create-nodes",
                          "write /etc/systemd/system/"
                          "gpunode-cdi-refresh.service",
                          "write /etc/systemd/system/gpunode-cdi-refresh.path",
                          "write /etc/systemd/system/"
                          "gpunode-cdi-changed.service",
                          "write /etc/udev/rules.d/90-gpunode-cdi.rules",
                          "enable gpunode-cdi-refresh.service",
                          "enable, start gpunode-cdi-refresh.path"));
  expect_converges(host, *make_runtime_links());
}

TEST(RuntimeLinks, ADriverThatThisRunBringsIsCountedOn) {
  TrialHost host = node();
  host.facts.modules.clear();
  EXPECT_THAT(words_of(host.plan(*make_runtime_links())),
              Not(Contains(HasSubstr("device-links"))));
  host.spec.driver.is_wanted = true;
  host.facts.gpus.emplace_back().address = "0000:00:1e.0";
  EXPECT_THAT(words_of(host.plan(*make_runtime_links())),
              Contains(HasSubstr("device-links")));
}

TEST(RuntimeLinks, APackagesUnitsAreOnlyTurnedOn) {
  TrialHost host = node();
  host.facts.trees["/dev/char/195:255"].exists = true;
  host.facts.units[kRefreshUnit] = {"loaded", "inactive", "disabled"};
  host.facts.units[kRefreshPath] = {"loaded", "active", "enabled"};
  // It need not lie where a unit of ours could start it.
  host.spec.program.clear();
  EXPECT_THAT(words_of(host.plan(*make_runtime_links())),
              ElementsAre("enable gpunode-cdi-refresh.service"));
  expect_converges(host, *make_runtime_links());
}

TEST(RuntimeLinks, AProgramThatMayBeGoneAfterABootIsTold) {
  TrialHost host = node();
  host.spec.program.clear();
  const StepPlan plan = host.plan(*make_runtime_links());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("install it"));
}

TEST(RuntimeLinks, OfANodeWithPodsTheDrainIsTold) {
  TrialHost host = node();
  host.facts.units["kubelet.service"] = {"loaded", "active", "enabled"};
  EXPECT_THAT(host.plan(*make_runtime_links()).notes,
              Contains(HasSubstr("drain the node")));
}

TEST(RuntimeLinks, GoWhenTheyAreNoLongerAskedFor) {
  TrialHost host = node();
  host.carry_out(host.plan(*make_runtime_links()));
  host.spec.runtime.has_device_links = false;
  const StepPlan plan = host.plan(*make_runtime_links());
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_EQ(words_of(plan).front(), "disable, stop gpunode-cdi-refresh.path");
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_runtime_links()).state, StepState::kNotWanted);
  // CDI needs the units, without the links.
  host.facts.units.clear();
  host.spec.runtime.gpu_mode = GpuMode::kCdi;
  const StepPlan cdi = host.plan(*make_runtime_links());
  ASSERT_FALSE(cdi.actions.empty());
  EXPECT_THAT(std::get<WriteFile>(cdi.actions[0]).content,
              Not(HasSubstr("device-links")));
}

TEST(CdiUnits, StartTheProgramThatIsMeant) {
  for (const CdiUnit& unit : cdi_units("/opt/x/gpunode", true)) {
    EXPECT_EQ(unit.content.find('@' + std::string("GPUNODE")),
              std::string::npos)
        << unit.path;
  }
  const auto units = cdi_units("/opt/x/gpunode", true);
  EXPECT_THAT(units[0].content,
              AllOf(HasSubstr("ExecStart=/opt/x/gpunode cdi refresh"),
                    HasSubstr("+/opt/x/gpunode runtime device-links\n")));
  EXPECT_THAT(units[1].content, HasSubstr("PathChanged=/opt/x/gpunode\n"));
}

TEST(RuntimeConfig, OneChangeAndOneRestartForAllOfIt) {
  TrialHost host = node();
  host.spec.kubernetes.version = "1.25";
  host.facts.files[kContainerdConfig].content =
      "# Docker's\ndisabled_plugins = [\"cri\"]\n";
  const StepPlan plan = host.plan(*make_runtime_config());
  EXPECT_THAT(words_of(plan), ElementsAre("write /etc/containerd/config.toml",
                                          "restart containerd.service"));
  const auto& write = std::get<WriteFile>(plan.actions[0]);
  EXPECT_THAT(write.check, ElementsAre("/usr/bin/containerd", "--config", "@",
                                       "config", "dump"));
  EXPECT_THAT(write.content,
              AllOf(HasSubstr("# Docker's"), HasSubstr("SystemdCgroup = true"),
                    HasSubstr("registry.k8s.io/pause:3.8"),
                    HasSubstr("default_runtime_name = \"nvidia\"")));
  EXPECT_THAT(plan.why, AllOf(HasSubstr("CRI plugin"), HasSubstr("sandbox"),
                              HasSubstr("gpunode-runtime")));
  expect_converges(host, *make_runtime_config());
}

TEST(RuntimeConfig, IsPlannedBeforeContainerdIsThere) {
  TrialHost host = node();
  host.facts.packages.clear();
  host.facts.units.clear();
  EXPECT_THAT(words_of(host.plan(*make_runtime_config())),
              ElementsAre("write /etc/containerd/config.toml",
                          "restart containerd.service"));
  host.spec.runtime.source = EngineSource::kPreinstalled;
  EXPECT_EQ(host.plan(*make_runtime_config()).state, StepState::kNotWanted);
}

TEST(RuntimeConfig, AFileThatNobodyTookInIsTakenInByARestart) {
  TrialHost host = node();
  host.carry_out(host.plan(*make_runtime_config()));
  ASSERT_EQ(host.plan(*make_runtime_config()).state, StepState::kOk);
  host.history.unsettled[kContainerdConfig] = "runtime.config";
  EXPECT_THAT(words_of(host.plan(*make_runtime_config())),
              ElementsAre("restart containerd.service"));
  host.history.unsettled.clear();
  host.facts.units[kUnit].active_state = "failed";
  EXPECT_THAT(host.plan(*make_runtime_config()).why, HasSubstr("has failed"));
}

TEST(RuntimeConfig, StepsAsideNobody) {
  TrialHost host = node();
  const StepPlan cgroup = host.plan(*make_prep_cgroup());
  EXPECT_EQ(cgroup.state, StepState::kNotWanted);
  EXPECT_THAT(cgroup.why, HasSubstr("runtime.config"));
  host.spec.runtime.is_wanted = false;
  EXPECT_EQ(host.plan(*make_prep_cgroup()).state, StepState::kChange);
  EXPECT_EQ(host.plan(*make_runtime_config()).state, StepState::kNotWanted);
}

TEST(RuntimeConfig, AnImportThatCountsMoreIsTold) {
  TrialHost host = node();
  host.facts.files[kContainerdConfig].content =
      "version = 2\nimports = [\"conf.d/*.toml\"]\n";
  facts::FileFacts& other =
      host.facts.files["/etc/containerd/conf.d/99-nvidia.toml"];
  other.content =
      "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
      "default_runtime_name = \"x\"\n";
  const StepPlan plan = host.plan(*make_runtime_config());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("counts more"));
  EXPECT_THAT(plan.fix, HasSubstr("toolkit.enabled=false"));
  // One that says something else does no harm.
  other.content = "version = 2\n[debug]\nlevel = \"info\"\n";
  EXPECT_EQ(host.plan(*make_runtime_config()).state, StepState::kChange);
  // Nor one that nobody imports.
  other.content = "version = 2\n[plugins.cri]\nx = 1\n";
  host.facts.files[kContainerdConfig].content = "version = 2\n";
  EXPECT_EQ(host.plan(*make_runtime_config()).state, StepState::kChange);
  host.facts.packages["containerd.io"] = {"2.2.1-1"};
  EXPECT_EQ(host.plan(*make_runtime_config()).state, StepState::kBlocked);
}

TEST(RuntimeConfig, WhatContainerdCannotDoIsTold) {
  TrialHost host = node();
  host.facts.packages["containerd.io"] = {"1.6.32-1"};
  host.spec.runtime.gpu_mode = GpuMode::kCdi;
  const StepPlan cdi = host.plan(*make_runtime_config());
  EXPECT_EQ(cdi.state, StepState::kBlocked);
  EXPECT_THAT(cdi.why, HasSubstr("came with 1.7"));
  host.facts.packages["containerd.io"] = {"1.7.1-1"};
  EXPECT_EQ(host.plan(*make_runtime_config()).state, StepState::kChange);
  host.facts.files[kContainerdConfig].content = "version = = 2\n";
  const StepPlan broken = host.plan(*make_runtime_config());
  EXPECT_EQ(broken.state, StepState::kBlocked);
  EXPECT_THAT(broken.fix, HasSubstr("containerd config dump"));
}

TEST(RuntimeConfig, AKubeletWithAnotherManagerOfCgroupsIsTold) {
  TrialHost host = node();
  host.facts.files["/var/lib/kubelet/config.yaml"].content =
      "kind: KubeletConfiguration\ncgroupDriver: cgroupfs\n";
  const StepPlan plan = host.plan(*make_runtime_config());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, AllOf(HasSubstr("systemctl restart kubelet"),
                              HasSubstr("systemdCgroup: false")));
  host.spec.runtime.has_systemd_cgroup = false;
  EXPECT_EQ(host.plan(*make_runtime_config()).state, StepState::kChange);
  host.facts.files["/var/lib/kubelet/config.yaml"].content =
      "cgroupDriver: systemd\n";
  EXPECT_EQ(host.plan(*make_runtime_config()).state, StepState::kBlocked);
}

// Only what is read by root alone has the file's own text: the journal.
TEST(RuntimeConfig, ARegistrysPasswordIsShownNowhere) {
  TrialHost host = node();
  host.facts.files[kContainerdConfig].content =
      "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.configs."
      "\"r.example\".auth]\n  username = \"u\"\n  password = \"planted-one\"\n"
      "  auth='planted-two'\n  identitytoken = \"planted \\\"three\"\n";
  const StepPlan step = host.plan(*make_runtime_config());
  ASSERT_EQ(step.state, StepState::kChange);
  const auto& write = std::get<WriteFile>(step.actions[0]);
  ASSERT_THAT(write.content, HasSubstr("planted-one"));
  EXPECT_THAT(packages::redacted(write.content), Not(HasSubstr("planted")));
  EXPECT_THAT(packages::redacted(step.before.at(kContainerdConfig)),
              Not(HasSubstr("planted")));
  EXPECT_THAT(step.why + describe(step.actions[0]), Not(HasSubstr("planted")));
}

TEST(RuntimeConfig, ASandboxImageThatIsNotKnownIsANote) {
  TrialHost host = node();
  host.spec.kubernetes.version = "1.99";
  EXPECT_THAT(host.plan(*make_runtime_config()).notes,
              Contains(HasSubstr("kubeadm config images list")));
}

TEST(RuntimeSteps, ComeAfterTheDriverAndInTheirOrder) {
  std::vector<std::string> ids;
  for (const auto& step : steps_for({})) ids.emplace_back(step->id());
  const auto place = [&](const char* id) {
    return std::ranges::find(ids, id) - ids.begin();
  };
  EXPECT_LT(place("driver.services"), place("runtime.engine"));
  EXPECT_LT(place("runtime.engine"), place("runtime.links"));
  EXPECT_LT(place("runtime.links"), place("runtime.gpu"));
  EXPECT_LT(place("runtime.gpu"), place("runtime.config"));
  EXPECT_LT(place("runtime.config"), place("engine.check"));
}

}  // namespace
}  // namespace gpunode::provision
