// A node in shares: what Pods that ask for K of N are held to, over agents,
// kubelets and reboots. Containers are programs on the CUDA double, beside the
// files that the kubelet would have mounted.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/doubles/nvml/driver_tree.h"
#include "tests/integration/agent_process.h"

namespace gpunode::integration {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kShares =
    "version: v1\n"
    "sharing:\n"
    "  shares:\n"
    "    resources:\n"
    "    - name: nvidia.com/gpu\n"
    "      replicas: 20\n";
constexpr std::uint64_t kBlock = 2 << 20;

class AgentShares : public AgentTest {
 protected:
  void SetUp() override {
    fs::create_directories(file("host/var/lib/gpunode"));
    write_config(kShares);
    start_kubelet();
    ASSERT_TRUE(kubelet().serve_pod_resources());
  }

  void start() {
    std::vector<std::string> arguments = {std::string("--share-library=") +
                                          GPUNODE_CUDA_LIBRARY};
    if (has_cluster_) {
      arguments.push_back("--kubeconfig=" + file("kubeconfig"));
    }
    start_agent(arguments);
  }
  void have_cluster() {
    has_cluster_ = true;
    std::ofstream(file("kubeconfig"))
        << R"({"current-context":"c","contexts":[{"name":"c","context":)"
           R"({"cluster":"k","user":"u"}}],"users":[{"name":"u","user":{}}],)"
           R"("clusters":[{"name":"k","cluster":{"server":"http://127.0.0.1:)"
        << server_.port() << "\"}}]}";
  }

  /// On a node with one A10G in 20 shares, whose agent is started here.
  doubles::Admission admit_on_new_node(const std::string& pod,
                                       std::size_t parts) {
    use_profile("a10g-x1");
    start();
    EXPECT_TRUE(lists(kGpu, 20, 20));
    return kubelet().admit(pod, kGpu, parts);
  }

  /// The directory /run/gpunode/share of the container.
  std::string container(const doubles::Admission& pod) {
    const std::string place =
        file("container-" + std::to_string(containers_++));
    fs::create_directories(place);
    for (const kubelet::Mount& mount : pod.container.mounts) {
      const fs::path target(mount.container_path);
      if (target.parent_path() != "/run/gpunode/share") continue;
      fs::create_symlink(file("host") + mount.host_path,
                         place / target.filename());
    }
    return place;
  }

  std::map<std::string, std::string> inside_environment(
      const std::string& container) const {
    const std::string cuda = fs::path(FAKE_CUDA_LIBRARY).parent_path().string();
    return {{"LD_LIBRARY_PATH", cuda},
            {"GPUNODE_FAKE_DEV", cuda + "/dev"},
            {"GPUNODE_FAKE_NVML", environment.at("GPUNODE_FAKE_NVML")},
            {"LD_PRELOAD", container + "/libgpunode-cuda.so"}};
  }

  /// What a program of the container wrote.
  std::string run(const std::string& container,
                  const std::vector<std::string>& deeds) const {
    host::Command command;
    command.argv = {GPUNODE_TAKER, "linked"};
    command.argv.insert(command.argv.end(), deeds.begin(), deeds.end());
    for (const auto& [name, value] : inside_environment(container)) {
      command.env.push_back(name + "=" + value);
    }
    const auto done = host::SystemCommandRunner().run(command);
    return done ? done->out + done->err : done.error().message();
  }
  static std::uint64_t number(const std::string& text,
                              const std::string& word) {
    const std::size_t at = ("\n" + text).find("\n" + word + " ");
    return at == std::string::npos
               ? 0
               : std::strtoull(text.c_str() + at + word.size() + 1, nullptr,
                               10);
  }
  std::vector<std::string> grants() const {
    std::vector<std::string> ids;
    const fs::path root = file("host/run/gpunode/allocations");
    if (!fs::exists(root)) return ids;
    for (const auto& entry : fs::directory_iterator(root)) {
      ids.push_back(entry.path().filename());
    }
    return ids;
  }

  /// Below the host's root, as in life: who asks it finds names.
  void show_agents_socket() const {
    fs::create_directories(file("host/var/lib/kubelet/device-plugins"));
    fs::create_directory_symlink(
        plugins().file("gpunode"),
        file("host/var/lib/kubelet/device-plugins/gpunode"));
  }
  /// Exit code and words of `gpunode shares`.
  std::string shares(const std::vector<std::string>& words) const {
    host::Command command;
    command.argv = {GPUNODE, "shares", "--root", file("host")};
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    const auto done = host::SystemCommandRunner().run(command);
    return done ? std::to_string(done->status) + " " + done->out + done->err
                : done.error().message();
  }

  kube::ApiServerDouble server_;

 private:
  bool has_cluster_ = false;
  int containers_ = 0;
};

TEST_F(AgentShares, OneFiveAndFourteenOfTwentyAreThatMuchOfItsMemory) {
  use_profile("a10g-x1");
  start();
  ASSERT_TRUE(lists(kGpu, 20, 20));
  for (const std::uint64_t parts : {1U, 5U, 14U}) {
    const std::string name = "pod" + std::to_string(parts);
    const doubles::Admission pod = kubelet().admit(name, kGpu, parts);
    ASSERT_TRUE(pod.is_admitted) << pod.message;
    const std::string inside = container(pod);
    const std::string said =
        run(inside, {"info", "take", std::to_string(kBlock), "free"});
    // 23028 MiB as the driver says, in blocks of 2 MiB.
    const std::uint64_t blocks = 11514 * parts / 20;
    EXPECT_EQ(number(said, "total"), blocks * kBlock) << said;
    EXPECT_EQ(number(said, "blocks"), blocks) << said;
    EXPECT_EQ(number(said, "result"), 2u) << said;
    EXPECT_TRUE(doubles::eventually([&] {
      return metric("gpunode_share_limit_bytes", "pod=\"" + name + "\"") ==
             static_cast<double>(blocks * kBlock);
    })) << page("/metrics");
    EXPECT_EQ(metric("gpunode_share_peak_bytes", "pod=\"" + name + "\""),
              static_cast<double>(blocks * kBlock));
  }
  EXPECT_THAT(kubelet().admit("late", kGpu, 1).message,
              HasSubstr("Insufficient nvidia.com/gpu"));
}

TEST_F(AgentShares, AWholeGpuHasNoLibraryInItsWay) {
  const doubles::Admission pod = admit_on_new_node("whole", 20);
  ASSERT_TRUE(pod.is_admitted) << pod.message;
  EXPECT_TRUE(pod.container.mounts.empty());
  EXPECT_TRUE(grants().empty());
}

TEST_F(AgentShares, LimitsOutliveTheAgentAndItsConfiguration) {
  const doubles::Admission pod = admit_on_new_node("pod", 5);
  ASSERT_TRUE(pod.is_admitted) << pod.message;
  const std::string inside = container(pod);
  const std::string before = run(inside, {"info"});
  // Another number of shares holds for those that come.
  write_config(
      std::string(kShares).replace(std::string(kShares).find("20"), 2, "10"));
  start();
  ASSERT_TRUE(lists(kGpu, 10, 10));
  ASSERT_TRUE(doubles::eventually([&] {
    return metric("gpunode_share_limit_bytes", "pod=\"pod\"").has_value();
  }));
  EXPECT_EQ(run(inside, {"info"}), before);
}

// /run is empty after a reboot, and the kubelet replays its answer.
TEST_F(AgentShares, AreThereAgainAfterAReboot) {
  const doubles::Admission pod = admit_on_new_node("pod", 5);
  ASSERT_TRUE(pod.is_admitted) << pod.message;
  const std::string inside = container(pod);
  const std::string before = run(inside, {"info"});
  agent().signal(SIGKILL);
  agent().wait();
  fs::remove_all(file("host/run/gpunode"));
  start();
  ASSERT_TRUE(
      doubles::eventually([&] { return fs::exists(inside + "/limits"); }));
  EXPECT_EQ(run(inside, {"info"}), before);
}

TEST_F(AgentShares, ThatNoGpuHasAreRefusedInWordsAndTold) {
  use_profile("t4-x4");
  start();
  ASSERT_TRUE(lists(kGpu, 80, 80));
  for (const std::size_t parts : {20U, 20U, 17U, 17U}) {
    const std::string pod = "pod" + std::to_string(kubelet().available(kGpu));
    ASSERT_TRUE(kubelet().admit(pod, kGpu, parts).is_admitted);
  }
  const doubles::Admission five = kubelet().admit("five", kGpu, 5);
  EXPECT_FALSE(five.is_admitted);
  EXPECT_THAT(five.message, AllOf(HasSubstr("5 shares are of one GPU"),
                                  HasSubstr("no GPU of this node had 5 free")));
  EXPECT_TRUE(doubles::eventually([&] {
    return metric("gpunode_share_largest_free") == 3.0;
  })) << page("/metrics");
  // The scheduler counts what is free on the node: it must see that 5 are not.
  EXPECT_TRUE(lists(kGpu, 80, 77));
  EXPECT_TRUE(kubelet().admit("three", kGpu, 3).is_admitted);
  EXPECT_TRUE(lists(kGpu, 80, 80)) << "3 are left on the other GPU";
  kubelet().release("pod80");
  EXPECT_TRUE(lists(kGpu, 80, 80));
  EXPECT_TRUE(kubelet().admit("five", kGpu, 5).is_admitted);
}

// Code that was loaded, stacks that grew: what no call tells the library.
TEST_F(AgentShares, WhatTheDriverSaysBeyondTheAccountCountsToo) {
  const doubles::Admission pod = admit_on_new_node("pod", 5);
  ASSERT_TRUE(pod.is_admitted) << pod.message;
  const std::string inside = container(pod);
  const Process holder({GPUNODE_TAKER, "linked", "take", "4194304", "hold"},
                       inside_environment(inside), file("holder"));
  const auto used = [&] {
    return metric("gpunode_share_used_bytes", "kind=\"data\"").value_or(0) +
           metric("gpunode_share_used_bytes", "kind=\"context\"").value_or(0);
  };
  // A page may be of before all of it was charged.
  ASSERT_TRUE(doubles::eventually([&] {
    return holder.log().find("holding") != std::string::npos &&
           metric("gpunode_share_used_bytes", "kind=\"data\"").value_or(0) >=
               4194304;
  })) << holder.log();
  const double held = used();
  const auto driver_says = [&](double bytes) {
    std::ifstream read(environment.at("GPUNODE_FAKE_NVML"));
    std::string profile{std::istreambuf_iterator<char>(read), {}};
    const std::string place = "\"memoryBytes\"";
    profile.insert(profile.find(place),
                   "\"processes\": [{\"pid\": " + std::to_string(holder.pid()) +
                       ", \"usedBytes\": " +
                       std::to_string(static_cast<std::uint64_t>(bytes)) +
                       "}], ");
    std::ofstream(file("profile.json")) << profile;
    environment["GPUNODE_FAKE_NVML"] = file("profile.json");
  };
  constexpr double kBeyond = 100 << 20;
  driver_says(held + kBeyond);
  start();
  EXPECT_TRUE(doubles::eventually([&] {
    return metric("gpunode_share_unaccounted_bytes") == kBeyond;
  })) << page("/metrics");
  holder.signal(SIGKILL);
  EXPECT_TRUE(doubles::eventually([&] {
    return metric("gpunode_share_processes") == 0.0;
  })) << page("/metrics");
  EXPECT_TRUE(doubles::eventually(
      [&] { return metric("gpunode_share_unaccounted_bytes") == 0.0; }));
}

// Another container's, which pays for it.
TEST_F(AgentShares, WhatIsOpenedOfOthersIsToldAndNotCounted) {
  const doubles::Admission pod = admit_on_new_node("pod", 5);
  ASSERT_TRUE(pod.is_admitted) << pod.message;
  EXPECT_EQ(metric("gpunode_share_imported_bytes"), std::nullopt);
  const Process holder({GPUNODE_IMPORTER, "ipc", "104857600", "take", "hold"},
                       inside_environment(container(pod)), file("holder"));
  EXPECT_TRUE(doubles::eventually([&] {
    return metric("gpunode_share_imported_bytes") == 104857600.0;
  })) << holder.log()
      << page("/metrics");
  EXPECT_EQ(metric("gpunode_share_used_bytes", "kind=\"data\""), 2097152.0);
  EXPECT_EQ(metric("gpunode_share_used_bytes", "kind=\"imported\""),
            std::nullopt);
  host::Command command;
  command.argv = {GPUNODE, "shares", "--root", file("host")};
  auto told = host::SystemCommandRunner().run(command);
  ASSERT_TRUE(told);
  EXPECT_THAT(told->out, HasSubstr("and 100 MiB that others made"));
  command.argv.emplace_back("--json");
  told = host::SystemCommandRunner().run(command);
  ASSERT_TRUE(told);
  EXPECT_THAT(told->out, AllOf(HasSubstr("\"importedBytes\": 104857600"),
                               Not(HasSubstr("\"imported\""))));
}

// Live: the program that runs gets more without being started anew.
TEST_F(AgentShares, AreResizedWhileTheirContainerRuns) {
  const doubles::Admission pod = admit_on_new_node("team/pod", 1);
  ASSERT_TRUE(pod.is_admitted) << pod.message;
  const std::string inside = container(pod);
  show_agents_socket();
  EXPECT_THAT(shares({}), AllOf(HasSubstr("team/pod main"),
                                HasSubstr("0 MiB of 1150 MiB")));
  EXPECT_THAT(shares({"--json"}), HasSubstr("\"limitBytes\": 1205862400"));
  host::Command top;
  top.argv = {GPUNODE,      "top",     "--json",  "--root",
              file("host"), "--probe", "/nowhere"};
  const auto watched = host::SystemCommandRunner().run(top);
  ASSERT_TRUE(watched) << watched.error().message();
  EXPECT_THAT(watched->out, AllOf(HasSubstr("\"limitBytes\": 1205862400"),
                                  HasSubstr("\"pod\": \"pod\""),
                                  HasSubstr("\"replicasOfGpu\": 20"),
                                  HasSubstr("\"product\": \"NVIDIA A10G\"")));
  EXPECT_THAT(shares({"resize", "pod", "2GiB"}), HasSubstr("is now 2048 MiB"));
  EXPECT_EQ(number(run(inside, {"info"}), "total"), std::uint64_t{2} << 30);
  for (const char* size : {"2", "0GiB", "-1GiB", "2GB", "9999999999999GiB"}) {
    EXPECT_THAT(shares({"resize", "pod", size}), HasSubstr("is no size"));
  }
  EXPECT_THAT(shares({"resize", "nobody", "2GiB"}),
              HasSubstr("nothing on this node is called 'nobody'"));
}

// Parts of the GPU's time: told by the agent, changed while they are held.
TEST_F(AgentShares, HavePartsOfTheGpusTimeThatCanBeChanged) {
  show_agents_socket();
  write_config(std::string(kShares) + "    compute: hard\n");
  const doubles::Admission pod = admit_on_new_node("team/pod", 5);
  ASSERT_TRUE(pod.is_admitted) << pod.message;
  EXPECT_TRUE(doubles::eventually([&] {
    return shares({}).find("time: 25 %, hard; used 0.0 s, waited 0.0 s") !=
           std::string::npos;
  })) << shares({});
  EXPECT_THAT(shares({"--json"}), AllOf(HasSubstr("\"part\": 250"),
                                        HasSubstr("\"policy\": \"hard\""),
                                        HasSubstr("\"throttledSeconds\": 0")));
  host::Command top;
  top.argv = {GPUNODE,      "top",     "--json",  "--root",
              file("host"), "--probe", "/nowhere"};
  const auto watched = host::SystemCommandRunner().run(top);
  ASSERT_TRUE(watched) << watched.error().message();
  EXPECT_THAT(watched->out, AllOf(HasSubstr("\"part\": 250"),
                                  HasSubstr("\"gpuSeconds\": 0.0"),
                                  HasSubstr("\"persistent\": false")));
  EXPECT_THAT(shares({"resize", "pod", "--compute", "12.5"}),
              AllOf(HasSubstr("0 "), HasSubstr("now has 12.5 % of its time")));
  EXPECT_THAT(shares({"resize", "pod", "1GiB", "--compute", "10"}),
              AllOf(HasSubstr("is now 1024 MiB"), HasSubstr("now has 10 %")));
  EXPECT_THAT(shares({}),
              AllOf(HasSubstr(" of 1024 MiB"), HasSubstr("10 %, hard")));
  EXPECT_TRUE(doubles::eventually([&] {
    return metric("gpunode_share_compute_part", "pod=\"pod\"") == 0.1;
  })) << page("/metrics");
  EXPECT_THAT(shares({"resize", "pod", "--priority", "-5"}),
              AllOf(HasSubstr("0 "), HasSubstr("now has priority -5")));
  EXPECT_THAT(shares({}), HasSubstr("10 %, hard, priority -5 (set by hand)"));
  EXPECT_TRUE(doubles::eventually([&] {
    return metric("gpunode_share_priority", "pod=\"pod\"") == -5;
  })) << page("/metrics");
  for (const char* priority : {"high", "1.5", "2147483648"}) {
    EXPECT_THAT(shares({"resize", "pod", "2GiB", "--priority", priority}),
                AllOf(HasSubstr("64 "), HasSubstr("is no priority")));
  }
  EXPECT_THAT(shares({"resize", "pod", "--priority", "pod"}),
              HasSubstr("now has its Pod's priority"));
  EXPECT_THAT(shares({}), Not(HasSubstr("priority")));
  // What is wrong changes nothing of what is right.
  for (const char* part : {"0", "100.1", "-5", "1e1", "12.55"}) {
    EXPECT_THAT(shares({"resize", "pod", "2GiB", "--compute", part}),
                AllOf(HasSubstr("64 "), HasSubstr("is no part of a GPU's")));
  }
  EXPECT_THAT(shares({}), HasSubstr(" of 1024 MiB"));
  EXPECT_THAT(shares({"resize", "pod"}),
              AllOf(HasSubstr("64 "), HasSubstr("say a SIZE, --compute")));
  EXPECT_THAT(shares({"resize", "pod", "--compute", "9", "--device", "GPU-x"}),
              AllOf(HasSubstr("1 "), HasSubstr("has no share of GPU-x")));
  // Nobody is kept from promising more than there is, but it is said.
  const doubles::Admission other = kubelet().admit("other", kGpu, 15);
  ASSERT_TRUE(other.is_admitted) << other.message;
  EXPECT_THAT(shares({"resize", "pod", "--compute", "50"}),
              HasSubstr("come to 125 %"));
}

TEST_F(AgentShares, GoFirstByTheirPodsPriority) {
  show_agents_socket();
  have_cluster();
  server_.put("/api/v1/namespaces/team/pods/pod",
              R"({"kind":"Pod","metadata":{"name":"pod","namespace":"team"},)"
              R"("spec":{"priority":1000,"priorityClassName":"soon"}})");
  write_config(std::string(kShares) + "    priority: pod\n");
  const doubles::Admission pod = admit_on_new_node("team/pod", 5);
  ASSERT_TRUE(pod.is_admitted) << pod.message;
  const auto says = [&](const std::string& words) {
    return doubles::eventually(
        [&] { return shares({}).find(words) != std::string::npos; });
  };
  EXPECT_TRUE(says("time: 25 %, fair, priority 1000;")) << agent().log();
  EXPECT_TRUE(doubles::eventually([&] {
    return metric("gpunode_share_priority", "pod=\"pod\"") == 1000;
  })) << page("/metrics");
  EXPECT_THAT(shares({"--json"}),
              AllOf(HasSubstr("\"priority\": 1000"),
                    HasSubstr("\"prioritySource\": \"pod\"")));
  // Somebody at the node knows better, for as long as they say so.
  shares({"resize", "pod", "--priority", "-1"});
  EXPECT_TRUE(says("priority -1 (set by hand)"));
  shares({"resize", "pod", "--priority", "pod"});
  EXPECT_TRUE(says("priority 1000;"));
  // By other settings all are equal again.
  write_config(kShares);
  agent().signal(SIGHUP);
  EXPECT_TRUE(says("time: 25 %, fair;"));
  EXPECT_EQ(server_.requests().size(), 1U) << "it is asked for once";
}

TEST_F(AgentShares, AreEqualWhilePodsMayNotBeRead) {
  have_cluster();
  server_.refuse(403, "Forbidden", 1'000);
  write_config(std::string(kShares) + "    priority: pod\n");
  const doubles::Admission pod = admit_on_new_node("team/pod", 5);
  ASSERT_TRUE(pod.is_admitted) << pod.message;
  EXPECT_TRUE(doubles::eventually([&] {
    return agent().log().find("resources: [pods], verbs: [get]") !=
           std::string::npos;
  })) << agent().log();
  EXPECT_THAT(shares({}),
              AllOf(HasSubstr("time: 25 %, fair"), Not(HasSubstr("priority"))));
}

TEST_F(AgentShares, ThatTakeNoTurnsAreGivenNone) {
  write_config(std::string(kShares) + "    compute: none\n");
  const doubles::Admission pod = admit_on_new_node("team/pod", 5);
  ASSERT_TRUE(pod.is_admitted) << pod.message;
  ASSERT_EQ(grants().size(), 1U);
  host::Command command;
  for (const char* of_turns : {"--compute", "--priority"}) {
    command.argv = {GPUNODE,      "shares", "--root",
                    file("host"), "resize", grants().front(),
                    "2GiB",       of_turns, "50"};
    const auto done = host::SystemCommandRunner().run(command);
    ASSERT_TRUE(done);
    EXPECT_EQ(done->status, 1) << of_turns;
    EXPECT_THAT(done->err, AllOf(HasSubstr("takes no turns on"),
                                 HasSubstr("sharing.shares.compute")));
  }
  command.argv = {GPUNODE, "shares", "--root", file("host")};
  const auto listed = host::SystemCommandRunner().run(command);
  ASSERT_TRUE(listed);
  EXPECT_THAT(listed->out,
              AllOf(HasSubstr("of 5756 MiB"), Not(HasSubstr("time: "))));
}

TEST_F(AgentShares, AreNotOfferedWhereTheirLibraryIsNot) {
  use_profile("a10g-x1");
  start_agent({"--share-library=/nowhere/libgpunode-cuda.so"});
  ASSERT_TRUE(registered(kGpu));
  EXPECT_TRUE(lists(kGpu, 0, 0));
  EXPECT_THAT(page("/readyz"), HasSubstr("library of shares"));
}

TEST_F(AgentShares, RequireAnAllocation) {
  use_profile("a10g-x1");
  start();
  ASSERT_TRUE(lists(kGpu, 20, 20));
  EXPECT_TRUE(fs::exists(file("host/var/lib/gpunode/require-allocation")));
}

}  // namespace
}  // namespace gpunode::integration
