// Bad days: the driver, the kubelet, the configuration, the disk.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/agent_process.h"

namespace gpunode::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class AgentFaults : public AgentTest {};

TEST_F(AgentFaults, AnXidMarksEveryShareOfItsGpu) {
  use_profile("t4-x4");
  write_config(kSeedConfig);
  start_kubelet();
  start_agent({"--health-quiet-period=never"});
  ASSERT_TRUE(lists(kGpu, 80, 80));
  driver().xid(FakeNvmlControl::Target::gpu(2), 79);
  EXPECT_TRUE(lists(kGpu, 80, 60));
  EXPECT_EQ(metric("gpunode_xid_events_total"), 1);
}

TEST_F(AgentFaults, AGpuThatFallsOffTheBusAloneComesBackByItself) {
  use_profile("t4-x4");
  write_config(kSeedConfig);
  start_kubelet();
  start_agent({"--health-quiet-period=0s"});
  ASSERT_TRUE(lists(kGpu, 80, 80));
  driver().lose(2);
  EXPECT_TRUE(lists(kGpu, 80, 60));
  driver().recover(2);
  EXPECT_TRUE(lists(kGpu, 80, 80));
  EXPECT_EQ(metric("gpunode_registrations_total"), 1);
}

TEST_F(AgentFaults, AnApplicationsXidHarmsNobody) {
  use_profile("t4-x4");
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 4, 4));
  driver().xid(FakeNvmlControl::Target::gpu(0), 13);
  ASSERT_TRUE(doubles::eventually(
      [this] { return metric("gpunode_xid_events_total") == 1; }));
  EXPECT_EQ(kubelet().allocatable(kGpu), 4U);
}

TEST_F(AgentFaults, ADriverThatComesLateIsWaitedFor) {
  driver().driver_down();
  write_config(kSeedConfig);
  start_kubelet();
  start_agent();
  // Known to the kubelet, with nothing in it: the node says zero.
  ASSERT_TRUE(lists(kGpu, 0, 0));
  EXPECT_THAT(page("/readyz"),
              AllOf(HasSubstr("503"), HasSubstr("DRIVER_NOT_LOADED")));
  driver().driver_up();
  EXPECT_TRUE(lists(kGpu, 20, 20));
}

TEST_F(AgentFaults, ADriverThatDiesTakesTheCapacityAndBringsItBack) {
  write_config(kSeedConfig);
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 20, 20));
  const pid_t before = agent().pid();
  driver().driver_down();
  EXPECT_TRUE(lists(kGpu, 0, 0));
  driver().driver_up();
  EXPECT_TRUE(lists(kGpu, 20, 20));
  EXPECT_EQ(::kill(before, 0), 0);
  EXPECT_EQ(metric("gpunode_registrations_total"), 1);
}

TEST_F(AgentFaults, AMissingLibraryIsSaidOnceWithItsRemedy) {
  start_kubelet();
  start_agent({"--nvml-library=" + file("nothing.so")});
  ASSERT_TRUE(lists(kGpu, 0, 0));
  EXPECT_TRUE(says("nvml init failed: ERROR_LIBRARY_NOT_FOUND"));
  EXPECT_TRUE(says("This machine shows no NVIDIA GPU"));
}

TEST_F(AgentFaults, ABadConfigurationNeverReplacesAGoodOne) {
  write_config(kSeedConfig);
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 20, 20));
  write_config("version: v1\nsharing:\n  timeSlicing: {}\n");
  agent().signal(SIGHUP);
  ASSERT_TRUE(doubles::eventually(
      [this] { return metric("gpunode_config_reload_failures_total") == 1; }));
  EXPECT_EQ(metric("gpunode_config_last_reload_successful"), 0);
  EXPECT_TRUE(kubelet().admit("pod", kGpu, 1).is_admitted);

  write_config(
      "sharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, "
      "replicas: 5}]}}\n");
  agent().signal(SIGHUP);
  EXPECT_TRUE(lists(kGpu, 5, 5));
  EXPECT_EQ(metric("gpunode_config_last_reload_successful"), 1);
  // The same stream: nothing was registered anew.
  EXPECT_EQ(metric("gpunode_registrations_total"), 1);
}

TEST_F(AgentFaults, AReloadWithoutAChangeDisturbsNothing) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 1, 1));
  agent().signal(SIGHUP);
  ASSERT_TRUE(doubles::eventually(
      [this] { return metric("gpunode_config_reloads_total") == 1; }));
  EXPECT_EQ(metric("gpunode_registrations_total"), 1);
  EXPECT_EQ(metric("gpunode_list_streams_open"), 1);
}

TEST_F(AgentFaults, RenamingSharesWithdrawsThePlainResource) {
  write_config(kSeedConfig);
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 20, 20));
  std::string renamed = kSeedConfig;
  renamed.replace(renamed.find("    failRequests"), 0,
                  "    renameByDefault: true\n");
  write_config(renamed);
  agent().signal(SIGHUP);
  EXPECT_TRUE(lists("nvidia.com/gpu.shared", 20, 20));
  EXPECT_TRUE(kubelet().wait_for_end(kGpu).has_value());
  EXPECT_FALSE(std::filesystem::exists(plugins().file("nvidia-gpu.sock")));
}

TEST_F(AgentFaults, AKubeletThatRestartsIsRegisteredWithAgain) {
  use_profile("a100-x8-mig-mixed");
  lay_host_tree("a100-x8-mig-mixed");
  start_kubelet();
  start_agent({"--mig-strategy=mixed"});
  ASSERT_TRUE(registered("nvidia.com/mig-1g.5gb"));
  ASSERT_TRUE(registered("nvidia.com/mig-3g.20gb"));
  ASSERT_TRUE(kubelet().restart());
  EXPECT_TRUE(registered("nvidia.com/mig-1g.5gb", 2));
  EXPECT_TRUE(registered("nvidia.com/mig-3g.20gb", 2));
}

TEST_F(AgentFaults, ARemovedSocketIsMadeAnewWithoutTouchingOthers) {
  use_profile("a100-x8-mig-mixed");
  lay_host_tree("a100-x8-mig-mixed");
  start_kubelet();
  start_agent({"--mig-strategy=mixed"});
  ASSERT_TRUE(registered("nvidia.com/mig-1g.5gb"));
  ASSERT_TRUE(registered("nvidia.com/mig-3g.20gb"));
  std::filesystem::remove(plugins().file("nvidia-mig-1g.5gb.sock"));
  EXPECT_TRUE(registered("nvidia.com/mig-1g.5gb", 2));
  EXPECT_EQ(metric("gpunode_registrations_total", "mig-3g.20gb"), 1);
}

TEST_F(AgentFaults, AResourceWhoseSocketIsTakenDoesNotTakeDownTheOthers) {
  use_profile("a100-x8-mig-mixed");
  lay_host_tree("a100-x8-mig-mixed");
  std::filesystem::create_directory(plugins().file("nvidia-mig-1g.5gb.sock"));
  start_kubelet();
  start_agent({"--mig-strategy=mixed"});
  EXPECT_TRUE(registered("nvidia.com/mig-3g.20gb"));
  EXPECT_THAT(page("/readyz"), HasSubstr("nvidia.com/mig-1g.5gb"));
  std::filesystem::remove(plugins().file("nvidia-mig-1g.5gb.sock"));
  EXPECT_TRUE(registered("nvidia.com/mig-1g.5gb"));
}

TEST_F(AgentFaults, AKubeletThatComesLateIsWaitedFor) {
  start_agent();
  ASSERT_TRUE(says("Starting to serve"));
  start_kubelet();
  EXPECT_TRUE(lists(kGpu, 1, 1));
}

TEST_F(AgentFaults, AKubeletThatRefusesIsAskedAgain) {
  start_kubelet();
  kubelet().refuse_registrations("not today");
  start_agent();
  ASSERT_TRUE(kubelet().wait_for_attempts(2));
  EXPECT_THAT(page("/readyz"), HasSubstr("not today"));
  kubelet().refuse_registrations("");
  EXPECT_TRUE(lists(kGpu, 1, 1));
}

TEST_F(AgentFaults, AHungKubeletDoesNotKeepTheAgentFromEnding) {
  start_kubelet();
  kubelet().hang_registrations(true);
  start_agent();
  ASSERT_TRUE(kubelet().wait_for_attempts(1));
  agent().signal(SIGTERM);
  EXPECT_EQ(agent().wait(), 0);
  kubelet().hang_registrations(false);
}

TEST_F(AgentFaults, AHungDriverDoesNotKeepTheAgentFromEnding) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 1, 1));
  FakeNvmlControl::Fault hang;
  hang.function = "nvmlDeviceGetName";
  hang.delay = std::chrono::minutes(1);
  ASSERT_TRUE(driver().add(hang));
  driver().clear_counts();
  agent().signal(SIGHUP);
  ASSERT_TRUE(driver().wait_for_calls("nvmlDeviceGetName", 1,
                                      doubles::KubeletDouble::kPatience));
  agent().signal(SIGTERM);
  EXPECT_EQ(agent().wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(plugins().file("nvidia-gpu.sock")));
}

TEST_F(AgentFaults, ASuccessorKeepsTheSocketItTook) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(registered(kGpu, 1));
  const Process successor(
      {GPUNODE_AGENT, "--kubelet-socket=" + plugins().file("kubelet.sock"),
       std::string("--nvml-library=") + FAKE_NVML_LIBRARY},
      environment, file("successor.log"));
  ASSERT_TRUE(registered(kGpu, 2));
  // The first one saw its socket go, and would have answered by now.
  EXPECT_EQ(page("/healthz").substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_FALSE(
      kubelet().wait_for_registration(kGpu, 3, std::chrono::milliseconds(300)));
}

TEST_F(AgentFaults, MpsWithoutADaemonOffersNothingAndSaysWhy) {
  write_config(
      "flags: {mpsRoot: /run/nvidia/mps}\n"
      "sharing: {mps: {resources: [{name: nvidia.com/gpu, replicas: 4}]}}\n");
  start_kubelet();
  start_agent();
  EXPECT_TRUE(lists(kGpu, 0, 0));
  EXPECT_TRUE(says("error waiting for MPS daemon"));
  EXPECT_FALSE(kubelet().admit("pod", kGpu, 1).is_admitted);
}

TEST_F(AgentFaults, MpsWithADaemonThatAnswersOffersItsShares) {
  const std::filesystem::path bin = file("driver/usr/bin");
  std::filesystem::create_directories(bin);
  const std::filesystem::path control = bin / "nvidia-cuda-mps-control";
  std::ofstream(control) << "#!/bin/sh\necho 100.0\n";
  std::filesystem::permissions(control, std::filesystem::perms::owner_all);
  write_config(
      "flags: {mpsRoot: /run/nvidia/mps}\n"
      "sharing: {mps: {resources: [{name: nvidia.com/gpu, replicas: 4}]}}\n");
  start_kubelet();
  start_agent({"--driver-root-ctr-path=" + file("driver")});
  EXPECT_TRUE(lists(kGpu, 4, 4));
}

TEST_F(AgentFaults, TextThatCouldNotBeWrittenIsAFailure) {
  for (const char* asked : {"--help", "--version", "--man"}) {
    Process agent({GPUNODE_AGENT, asked}, {}, "/dev/full");
    EXPECT_EQ(agent.wait(), 1) << asked;
  }
}

TEST_F(AgentFaults, WhatOnlyTheOperatorCanMendEndsTheAgentWithOneLine) {
  start_agent({"--kubelet-socket=/nonexist/kubelet.sock"});
  EXPECT_EQ(agent().wait(), 1);
  EXPECT_THAT(agent().log(),
              HasSubstr("error starting plugins: failed to create FS watcher "
                        "for /var/lib/kubelet/device-plugins/: no such file or "
                        "directory"));
  start_agent({"--mig-strategy=dual"});
  EXPECT_EQ(agent().wait(), 1);
  EXPECT_THAT(agent().log(), HasSubstr("unknown MIG strategy: dual"));
}

}  // namespace
}  // namespace gpunode::integration
