// A node with an agent, as its kubelet sees it on a good day.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "container/cdi/registry.h"
#include "tests/integration/agent_process.h"

namespace gpunode::integration {
namespace {

using testing::HasSubstr;

class AgentPlugin : public AgentTest {};

TEST_F(AgentPlugin, OffersTheSeedsTwentySharesOfOneA10G) {
  write_config(kSeedConfig);
  start_kubelet();
  start_agent();
  const auto registration = kubelet().wait_for_registration(kGpu);
  ASSERT_TRUE(registration.has_value());
  EXPECT_EQ(registration->endpoint, "nvidia-gpu.sock");
  EXPECT_EQ(registration->version, "v1beta1");
  EXPECT_TRUE(registration->get_preferred_allocation_available);
  EXPECT_FALSE(registration->pre_start_required);
  const auto list = kubelet().wait_for_list(
      kGpu, [](const doubles::DeviceList& l) { return !l.devices.empty(); });
  ASSERT_TRUE(list.has_value());
  ASSERT_EQ(list->devices.size(), 20U);
  const std::string uuid =
      list->devices[0].id.substr(0, list->devices[0].id.find("::"));
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(list->devices[i].id, uuid + "::" + std::to_string(i));
  }
}

TEST_F(AgentPlugin, GivesAShareAndRefusesTwoInNvidiasWords) {
  write_config(kSeedConfig);
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 20, 20));
  const doubles::Admission one = kubelet().admit("pod", kGpu, 1);
  ASSERT_TRUE(one.is_admitted) << one.message;
  EXPECT_EQ(one.container.envs.at("NVIDIA_VISIBLE_DEVICES"),
            one.ids[0].substr(0, one.ids[0].find("::")));
  const doubles::Admission two = kubelet().admit("greedy", kGpu, 2);
  EXPECT_FALSE(two.is_admitted);
  EXPECT_THAT(two.message,
              HasSubstr("invalid allocation request for \"nvidia.com/gpu\": "
                        "invalid request: maximum request size for shared "
                        "resources is 1; found 2"));
}

TEST_F(AgentPlugin, TwentyPodsFitAndTheTwentyFirstDoesNot) {
  write_config(kSeedConfig);
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 20, 20));
  std::set<std::string> ids;
  for (int i = 0; i < 20; ++i) {
    const doubles::Admission pod =
        kubelet().admit("pod" + std::to_string(i), kGpu, 1);
    ASSERT_TRUE(pod.is_admitted) << pod.message;
    ids.insert(pod.ids[0]);
  }
  EXPECT_EQ(ids.size(), 20U);
  EXPECT_THAT(kubelet().admit("late", kGpu, 1).message,
              HasSubstr("Insufficient nvidia.com/gpu"));
  kubelet().release("pod7");
  EXPECT_TRUE(kubelet().admit("late", kGpu, 1).is_admitted);
}

TEST_F(AgentPlugin, UnknownAndRepeatedIdsAreAnsweredAsNvidiaDoes) {
  use_profile("t4-x4");
  start_kubelet();
  start_agent();
  const auto list = kubelet().wait_for_list(
      kGpu, [](const doubles::DeviceList& l) { return l.devices.size() == 4; });
  ASSERT_TRUE(list.has_value());
  const doubles::AllocateOutcome unknown = kubelet().allocate(kGpu, {"nope"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_EQ(unknown.message,
            "invalid allocation request for \"nvidia.com/gpu\": invalid "
            "request: unknown device: nope");
  const std::string id = list->devices[1].id;
  const doubles::AllocateOutcome twice = kubelet().allocate(kGpu, {id, id});
  ASSERT_TRUE(twice.ok());
  EXPECT_EQ(twice.containers[0].envs.at("NVIDIA_VISIBLE_DEVICES"), id);
}

TEST_F(AgentPlugin, AllocateAsksTheDriverNothing) {
  use_profile("t4-x4");
  start_kubelet();
  // Without events nothing polls but the heartbeat, which asks the version.
  environment["DP_DISABLE_HEALTHCHECKS"] = "all";
  start_agent();
  ASSERT_TRUE(lists(kGpu, 4, 4));
  const auto asked = [this] {
    std::uint64_t sum = 0;
    for (const auto& [name, count] : driver().counts()) {
      if (name != "nvmlSystemGetDriverVersion") sum += count;
    }
    return sum;
  };
  const std::uint64_t before = asked();
  for (int i = 0; i < 50; ++i) {
    const doubles::Admission pod = kubelet().admit("p", kGpu, 2);
    ASSERT_TRUE(pod.is_admitted) << pod.message;
    kubelet().release("p");
  }
  EXPECT_EQ(asked(), before);
}

TEST_F(AgentPlugin, MixedMigStrategyServesEachProfileAsItsOwnResource) {
  use_profile("a100-x8-mig-mixed");
  lay_host_tree("a100-x8-mig-mixed");
  start_kubelet();
  start_agent({"--mig-strategy=mixed"});
  EXPECT_TRUE(registered("nvidia.com/mig-1g.5gb"));
  EXPECT_TRUE(registered("nvidia.com/mig-3g.20gb"));
}

TEST_F(AgentPlugin, EveryCdiNameInAnAnswerHasItsSpec) {
  use_profile("a100-x8-mig-mixed");
  lay_host_tree("a100-x8-mig-mixed");
  start_kubelet();
  start_agent({"--mig-strategy=mixed", "--device-list-strategy=cdi-cri"});
  const char* kSlice = "nvidia.com/mig-1g.5gb";
  ASSERT_TRUE(kubelet()
                  .wait_for_list(kSlice,
                                 [](const doubles::DeviceList& list) {
                                   return !list.devices.empty();
                                 })
                  .has_value());
  const doubles::Admission pod = kubelet().admit("p", kSlice, 1);
  ASSERT_TRUE(pod.is_admitted) << pod.message;
  const std::vector<std::string>& names = pod.container.cdi_devices;
  ASSERT_EQ(names.size(), 1U);
  const std::array<std::string, 1> directories = {"/var/run/cdi"};
  const auto edits =
      cdi::Registry::load(host::HostRoot(file("host")), directories)
          .resolve(names);
  ASSERT_TRUE(edits.has_value()) << edits.error().message();
  // The GPU and the two capabilities of its slice, beside the control nodes.
  const auto has = [&](std::string_view start) {
    return std::any_of(edits->device_nodes.begin(), edits->device_nodes.end(),
                       [start](const cdi::DeviceNode& node) {
                         return node.path.starts_with(start);
                       });
  };
  EXPECT_TRUE(has("/dev/nvidia-caps/nvidia-cap"));
  EXPECT_TRUE(has("/dev/nvidiactl"));
}

TEST_F(AgentPlugin, WithoutTheDriversFilesACdiStrategyOffersNothingAndSaysWhy) {
  start_kubelet();
  start_agent({"--device-list-strategy=cdi-cri"});
  EXPECT_TRUE(lists(kGpu, 0, 0));
  EXPECT_THAT(agent().log(), HasSubstr("mount the driver's root"));
}

TEST_F(AgentPlugin, StaysSmallInThreads) {
  use_profile("h100-x8");
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 8, 8));
  // One more accepts while a registration waits for the kubelet's answer.
  EXPECT_TRUE(doubles::eventually([this] {
    const std::filesystem::directory_iterator tasks(
        "/proc/" + std::to_string(agent().pid()) + "/task");
    return std::distance(tasks, {}) <= 6 + GPUNODE_SANITIZER_THREADS;
  }));
}

TEST_F(AgentPlugin, PagesTellReadinessAndNumbers) {
  write_config(kSeedConfig);
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 20, 20));
  EXPECT_THAT(page("/healthz"), HasSubstr("200 OK"));
  EXPECT_TRUE(doubles::eventually([this] {
    return page("/readyz").find("200 OK") != std::string::npos;
  })) << page("/readyz");
  kubelet().admit("pod", kGpu, 1);
  EXPECT_EQ(metric("gpunode_calls_total", "method=\"Allocate\""), 1);
  EXPECT_EQ(metric("gpunode_listed_devices"), 20);
  EXPECT_EQ(metric("gpunode_driver_up"), 1);
}

TEST_F(AgentPlugin, NumbersNameWhoAskedForWhatNobodyGranted) {
  const std::string log = file("host/run/gpunode/ungranted.ndjson");
  std::filesystem::create_directories(file("host/run/gpunode"));
  const std::string line =
      R"({"time":"2026-11-25T09:50:37Z","namespace":"team","pod":"web-0",)"
      R"("podUid":"u","container":"main","image":"cuda:12","asked":"all",)"
      R"("why":"no GPU was allocated to it"})"
      "\n";
  std::ofstream(log) << line << line;
  start_kubelet();
  start_agent();
  EXPECT_EQ(metric("gpunode_ungranted_containers"), 1);
  EXPECT_EQ(metric("gpunode_ungranted_starts", "image=\"cuda:12\""), 2);
  // The runtime cuts its log, and a reboot takes it.
  std::filesystem::remove(log);
  EXPECT_EQ(metric("gpunode_ungranted_containers"), 0);
  EXPECT_EQ(metric("gpunode_ungranted_starts"), std::nullopt);
}

TEST_F(AgentPlugin, TellsTheRuntimeWhetherAllocationsAreRequired) {
  const std::string mark = file("host/var/lib/gpunode/require-allocation");
  // In a container that lacks the host's directory nobody would see it.
  start_kubelet();
  start_agent({"--require-allocation"});
  EXPECT_EQ(agent().wait(), 1);
  EXPECT_THAT(agent().log(), HasSubstr("mount the host's /var/lib/gpunode"));

  std::filesystem::create_directories(file("host/var/lib/gpunode"));
  start_agent({"--require-allocation"});
  ASSERT_TRUE(lists(kGpu, 1, 1));
  EXPECT_TRUE(std::filesystem::exists(mark));
  EXPECT_TRUE(says("require-allocation is on"));
  // Containers are started while no agent is.
  agent().signal(SIGTERM);
  EXPECT_EQ(agent().wait(), 0);
  EXPECT_TRUE(std::filesystem::exists(mark));

  start_agent();
  ASSERT_TRUE(registered(kGpu, 2));
  EXPECT_FALSE(std::filesystem::exists(mark));
}

TEST_F(AgentPlugin, EndsAtOnceAndLeavesNoSocket) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 1, 1));
  agent().signal(SIGTERM);
  EXPECT_EQ(agent().wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(plugins().file("nvidia-gpu.sock")));
}

TEST_F(AgentPlugin, RunsOnKernelsThatLackNewCalls) {
  for (const char* kernel : {"4.18", "3.10"}) {
    launcher = {OLD_KERNEL, "--kernel", kernel};
    start_kubelet();
    start_agent();
    EXPECT_TRUE(lists(kGpu, 1, 1)) << kernel;
    EXPECT_TRUE(kubelet().admit("pod", kGpu, 1).is_admitted) << kernel;
  }
}

}  // namespace
}  // namespace gpunode::integration
