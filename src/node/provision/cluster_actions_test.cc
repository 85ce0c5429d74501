#include "node/provision/cluster_actions.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/cluster_world_test.h"
#include "node/provision/host_performer.h"

namespace gpunode::provision {
namespace {

using kube::ClusterManner;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using World = ClusterWorld;

TEST(JoinClusterAction, JoinsByKubeadmWithTheTokenInAFileOfRootsAlone) {
  World world;
  const auto inverse = world.prepare();
  ASSERT_TRUE(inverse) << inverse.error().message();
  ASSERT_EQ(inverse->actions.size(), 1U);
  const auto& leave = std::get<LeaveCluster>(inverse->actions[0]);
  EXPECT_EQ(leave.node, "gpu-1");
  EXPECT_EQ(leave.endpoint, world.cluster.endpoint());
  EXPECT_EQ(leave.ca, world.cluster.ca_hash());
  EXPECT_EQ(inverse->undo, Undo::kCompensating);
  // Nothing was changed by looking.
  EXPECT_THAT(world.runner.lines,
              ElementsAre("/usr/bin/kubeadm version -o short"));
  const auto joined = world.join();
  ASSERT_TRUE(joined) << joined.error().message();
  EXPECT_THAT(world.runner.config,
              HasSubstr("token: \"abcdef.0123456789abcdef\"\n"));
  EXPECT_EQ(world.runner.mode, 0600U);
  EXPECT_FALSE(world.exists(kConfig));
  EXPECT_TRUE(world.exists(kKubeletConf));
  // Done twice it changes nothing.
  const auto lines = world.runner.lines.size();
  EXPECT_TRUE(world.join());
  const auto again = world.prepare();
  ASSERT_TRUE(again);
  EXPECT_THAT(again->actions, IsEmpty());
  EXPECT_EQ(world.runner.lines.size(), lines);
}

TEST(JoinClusterAction, TheTokenMayBeInTheEnvironmentOrAProgramsWords) {
  World variable;
  variable.action.token_file.clear();
  variable.action.token_variable = "JOIN_TOKEN";
  variable.surroundings.environment =
      [](std::string_view name) -> std::optional<std::string> {
    if (name != "JOIN_TOKEN") return std::nullopt;
    return kToken;
  };
  EXPECT_TRUE(variable.prepare());
  EXPECT_TRUE(variable.join());
  EXPECT_THAT(variable.runner.config, HasSubstr(kToken));

  World program;
  program.action.token_file.clear();
  program.action.token_command = {"/opt/token", "--of", "gpu 1"};
  EXPECT_TRUE(program.prepare());
  EXPECT_TRUE(program.join());
  EXPECT_THAT(program.runner.config, HasSubstr(kToken));
  EXPECT_THAT(program.runner.lines, Contains("/opt/token --of 'gpu 1'"));
}

TEST(JoinClusterAction, ATokenInAFileOfSomebodyElsesIsNotTaken) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  constexpr uid_t kSomebody = 1000;
  World world;
  const std::string path = world.tree.path("etc/gpunode/token");
  ASSERT_EQ(::chown(path.c_str(), kSomebody, 0), 0);
  const auto prepared = world.prepare();
  ASSERT_FALSE(prepared);
  EXPECT_THAT(prepared.error().message(),
              AllOf(HasSubstr("/etc/gpunode/token belongs to the user 1000"),
                    HasSubstr("chown root:root"), Not(HasSubstr(kSecret))));
  // Nor behind a link of root's.
  world.tree.link("etc/gpunode/link", "/etc/gpunode/token");
  world.action.token_file = "/etc/gpunode/link";
  const auto linked = world.prepare();
  ASSERT_FALSE(linked);
  EXPECT_THAT(linked.error().message(), HasSubstr("the user 1000"));
  ASSERT_EQ(::chown(path.c_str(), 0, 0), 0);
  EXPECT_TRUE(world.prepare());
}

TEST(JoinClusterAction, ATokenFileThatIsNoFileHoldsNobodyUp) {
  World world;
  world.tree.remove("etc/gpunode/token");
  ASSERT_EQ(::mkfifo(world.tree.path("etc/gpunode/token").c_str(), 0600), 0);
  const auto prepared = world.prepare();
  ASSERT_FALSE(prepared);
  EXPECT_THAT(prepared.error().message(), HasSubstr("/etc/gpunode/token"));
}

struct Case {
  const char* name;
  std::function<void(World&)> spoil;
  std::vector<std::string> words;
};

TEST(JoinClusterAction, WhatIsWrongIsToldBeforeAnythingChanges) {
  const std::vector<Case> cases = {
      {"no kubeadm",
       [](World& w) { w.tree.remove("usr/bin/kubeadm"); },
       {"/usr/bin/kubeadm is not there", "install kubeadm"}},
      {"no containerd",
       [](World& w) { w.tree.remove("run/containerd/containerd.sock"); },
       {"containerd does not run", "systemctl enable --now containerd"}},
      {"swap",
       [](World& w) {
         w.tree.file("proc/swaps", "Filename Type\n/swapfile file 1024 0 -2\n");
       },
       {"swap is on", "swap: off"}},
      {"port",
       [](World& w) {
         w.tree.file("proc/1/net/tcp6",
                     "  sl  local_address rem_address   st\n   0: "
                     "00000000000000000000000000000000:280A "
                     "00000000000000000000000000000000:0000 0A\n");
       },
       {"port 10250", "ss -ltnp"}},
      {"open token file",
       [](World& w) {
         std::filesystem::permissions(w.tree.path("etc/gpunode/token"),
                                      std::filesystem::perms(0640));
       },
       {"/etc/gpunode/token is open to others than root (mode 0640)",
        "chmod 600"}},
      {"no token file",
       [](World& w) { w.tree.remove("etc/gpunode/token"); },
       {"the token to join with", "/etc/gpunode/token"}},
      {"no token in it",
       [](World& w) { w.put_token("0123456789abcdef"); },
       {"it is no bootstrap token", "kubeadm token create"}},
      {"no variable",
       [](World& w) {
         w.action.token_file.clear();
         w.action.token_variable = "GPUNODE_TEST_NONE";
       },
       {"variable GPUNODE_TEST_NONE is not set", "--preserve-env"}},
      {"program fails",
       [](World& w) {
         w.action.token_file.clear();
         w.action.token_command = {"/opt/token", "x"};
         w.runner.token = {3, kSecret, kSecret};
       },
       {"/opt/token ended with status 3", "by hand"}},
      {"wrong token",
       [](World& w) { w.put_token("abcdef.0123456789abcdeg"); },
       {"not signed by the token abcdef", "kubeadm token create"}},
      {"another token",
       [](World& w) { w.put_token("fedcba.0123456789abcdef"); },
       {"does not know the token fedcba", "kubeadm token create"}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    World world;
    one.spoil(world);
    const auto prepared = world.prepare();
    ASSERT_FALSE(prepared);
    for (const std::string& words : one.words) {
      EXPECT_THAT(prepared.error().message(), HasSubstr(words));
    }
    EXPECT_THAT(prepared.error().message(), Not(HasSubstr("123456789abc")));
    EXPECT_NE(prepared.error().code(), ErrorCode::kAlreadyExists);
    EXPECT_FALSE(world.exists(kConfig));
    EXPECT_FALSE(world.exists(kClusterCa));
    for (const std::string& line : world.runner.lines) {
      EXPECT_THAT(line, Not(HasSubstr("kubeadm join")));
    }
  }
}

TEST(JoinClusterAction, ChecksThatTheFilePassesOverArePassedOver) {
  World world;
  world.tree.file("proc/swaps", "Filename Type\n/swapfile file 1024 0 -2\n");
  world.action.config += "  ignorePreflightErrors:\n  - \"Swap\"\n";
  EXPECT_TRUE(world.prepare());
}

TEST(JoinClusterAction, CgroupDriversMustBeTheSame) {
  ClusterManner manner;
  manner.cgroup_driver = "systemd";
  World world(manner);
  world.tree.file("etc/containerd/config.toml", "version = 2\n");
  const auto prepared = world.prepare();
  ASSERT_FALSE(prepared);
  EXPECT_THAT(prepared.error().message(),
              AllOf(HasSubstr("SystemdCgroup = true"),
                    HasSubstr("systemctl restart containerd")));
  world.tree.file("etc/containerd/config.toml",
                  "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"."
                  "containerd.runtimes.runc.options]\nSystemdCgroup = true\n");
  EXPECT_TRUE(world.prepare());
}

TEST(JoinClusterAction, ContainerdsOwnDefaultIsAlsoACgroupDriver) {
  ClusterManner manner;
  manner.cgroup_driver = "systemd";
  World world(manner);
  const auto prepared = world.prepare();
  ASSERT_FALSE(prepared);
  EXPECT_THAT(prepared.error().message(),
              AllOf(HasSubstr("containerd here to cgroupfs"),
                    HasSubstr("containerd config default"),
                    HasSubstr("ignorePreflight: [CgroupDriver]")));
  world.action.config += "  ignorePreflightErrors:\n  - \"CgroupDriver\"\n";
  EXPECT_TRUE(world.prepare());
}

TEST(JoinClusterAction, WhatContainerdImportsCounts) {
  ClusterManner manner;
  manner.cgroup_driver = "systemd";
  World world(manner);
  world.tree.file(
      "etc/containerd/config.toml",
      "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n");
  world.runner.dump =
      "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes."
      "runc.options]\nSystemdCgroup = true\n";
  EXPECT_TRUE(world.prepare());
  world.runner.dump = "version = 2\n";
  EXPECT_FALSE(world.prepare());
  // What it reads is not known: no reason to stop.
  world.runner.dump.reset();
  EXPECT_TRUE(world.prepare());
}

TEST(JoinClusterAction, AJoinThatFailsIsTakenBack) {
  World world;
  world.runner.output =
      "error execution phase kubelet-start: write /var/lib/kubelet/config.yaml"
      ": no space left on device\n";
  const auto joined = world.join();
  ASSERT_FALSE(joined);
  EXPECT_THAT(joined.error().message(),
              AllOf(HasSubstr("a disk is full"), HasSubstr("df -h"),
                    HasSubstr("was taken back, the host is no node")));
  EXPECT_THAT(world.runner.lines,
              Contains("/usr/bin/kubeadm reset --force --cri-socket "
                       "unix:///run/containerd/containerd.sock"));
  EXPECT_FALSE(world.exists(kBootstrapConf));
  EXPECT_FALSE(world.exists(kClusterCa));
  EXPECT_FALSE(world.exists(kConfig));
}

TEST(JoinClusterAction, WhyTheKubeletEndedIsToldByItself) {
  World world;
  ASSERT_TRUE(world.prepare());
  world.runner.output =
      "error execution phase kubelet-start: timed out waiting for the "
      "condition\nTo see the stack trace of this error execute with --v=5 or "
      "higher\n";
  // kubelet 1.20.2; the first is of before kubeadm gave it a configuration.
  world.runner.journal =
      "F1129 18:14:20.117214    2699 server.go:198] failed to load Kubelet "
      "config file /var/lib/kubelet/config.yaml, error failed to read kubelet "
      "config file \"/var/lib/kubelet/config.yaml\", error: open "
      "/var/lib/kubelet/config.yaml: no such file or directory\n"
      "kubelet.service: Scheduled restart job, restart counter is at 9.\n"
      "F1129 18:16:40.705417    2922 server.go:257] unable to load client CA "
      "file /a/ca.crt: open /a/ca.crt: no such file or directory\n"
      "goroutine 1 [running]:\n";
  auto joined = world.join();
  ASSERT_FALSE(joined);
  EXPECT_THAT(joined.error().message(),
              AllOf(HasSubstr("the kubelet that it started ended: unable to "
                              "load client CA file /a/ca.crt"),
                    HasSubstr("journalctl"), HasSubstr("is no node")));
  EXPECT_THAT(world.runner.lines,
              Contains(AllOf(HasSubstr("journalctl --unit=kubelet.service"),
                             HasSubstr("--since=@"))));
  // Only the earlier ones: it runs, and that is not what it ended with.
  world.runner.journal.resize(world.runner.journal.find("kubelet.service:"));
  joined = world.join();
  ASSERT_FALSE(joined);
  EXPECT_THAT(joined.error().message(), Not(HasSubstr("config.yaml")));
}

TEST(KubeadmWords, APortThatIsTakenMeanwhileIsToldByTheKubelet) {
  // As 1.20 says it, and as 1.23 and later do.
  for (const char* log :
       {"I1129 18:16:41.000000    2922 server.go:148] Starting to listen on "
        "0.0.0.0:10250\n"
        "F1129 18:16:41.120000    2922 server.go:160] listen tcp "
        "0.0.0.0:10250: bind: address already in use\n",
        "E1129 18:16:41.120000    2922 server.go:179] \"Failed to listen and "
        "serve\" err=\"listen tcp 0.0.0.0:10250: bind: address already in "
        "use\"\n"}) {
    const std::string words = kubeadm_words(
        "error execution phase kubelet-start: timed out waiting for the "
        "condition\n",
        kubelet_words(log));
    EXPECT_THAT(words,
                AllOf(HasSubstr("the kubelet that it started ended"),
                      HasSubstr("address already in use"),
                      HasSubstr("another program has the kubelet's port"),
                      HasSubstr("ss -ltnp 'sport = :10250'")));
  }
}

TEST(KubeadmWords, AnApiServerThatGoesMeanwhileIsToldByTheKubelet) {
  constexpr const char* kInVain =
      "[kubelet-start] Waiting for the kubelet to perform the TLS "
      "Bootstrap...\nerror execution phase kubelet-start: timed out waiting "
      "for the condition\n";
  const KubeletWords ended = kubelet_words(
      "I1129 18:16:40.1    2922 bootstrap.go:254] Failed to connect to "
      "apiserver: Get \"https://10.0.0.1:6443/healthz?timeout=1s\": dial tcp "
      "10.0.0.1:6443: connect: connection refused\n"
      "F1129 18:17:40.2    2922 server.go:265] failed to run Kubelet: cannot "
      "create certificate signing request: Post \"https://10.0.0.1:6443/apis/"
      "certificates.k8s.io/v1/certificatesigningrequests\": dial tcp "
      "10.0.0.1:6443: connect: connection refused\n");
  EXPECT_THAT(kubeadm_words(kInVain, ended),
              AllOf(HasSubstr("started ended: failed to run Kubelet: cannot "
                              "create certificate signing request"),
                    HasSubstr("the API server does not answer; next: `curl")));
  // It still tries.
  KubeletWords tries = ended;
  tries.fault.clear();
  EXPECT_THAT(kubeadm_words(kInVain, tries),
              AllOf(HasSubstr("runs, is no node, and says: Failed to connect"),
                    HasSubstr("the API server does not answer; next: `curl")));
  // It got through, and says something else by now.
  EXPECT_EQ(kubelet_words("E1129 18:16:40.1    2922 kubelet_node_status.go:92] "
                          "\"Unable to register node with API server\"\n"
                          "I1129 18:16:47.1    2922 kubelet_node_status.go:73] "
                          "\"Successfully registered node\" node=\"gpu-1\"\n")
                .complaint,
            "");
  // It was not the kubelet that kubeadm waited for.
  EXPECT_THAT(kubeadm_words("a Node with name \"gpu-1\" and status \"Ready\" "
                            "already exists in the cluster",
                            tries),
              HasSubstr("another host has this name"));
  // A log without complaints leaves kubeadm's word.
  EXPECT_THAT(kubeadm_words(kInVain, kubelet_words("I1129 1] fine\n")),
              HasSubstr("kubectl get csr"));
}

TEST(JoinClusterAction, OneThatBeganNothingLeavesAllElseAlone) {
  World world;
  world.runner.leaves_half = false;
  world.runner.output = "[ERROR CRI]: container runtime is not running\n";
  const auto joined = world.join();
  ASSERT_FALSE(joined);
  EXPECT_THAT(joined.error().message(),
              HasSubstr("systemctl status containerd"));
  for (const std::string& line : world.runner.lines) {
    EXPECT_THAT(line, Not(HasSubstr("reset")));
  }
}

TEST(JoinClusterAction, WhatKubeadmPrintsIsToldWithoutTheToken) {
  World world;
  world.runner.output =
      std::string("I was given abcdef.0123456789abcdef and ") + kSecret + "\n";
  const auto joined = world.join();
  ASSERT_FALSE(joined);
  EXPECT_THAT(joined.error().message(),
              AllOf(HasSubstr("I was given [token] and [token]"),
                    Not(HasSubstr(kSecret))));
}

TEST(JoinClusterAction, NorIsAnyPartOfOneThatTheEndOfItsWordsBeginsWith) {
  for (std::size_t length = 480; length < 515; ++length) {
    World world;
    world.runner.leaves_half = false;
    // One line, cut wherever it is too long.
    world.runner.output =
        std::string("given ") + kToken + " " + std::string(length, 'x') + " y";
    const auto joined = world.join();
    ASSERT_FALSE(joined);
    for (const char* part : {"456789abcdef", "789abcdef", "abcdef"}) {
      EXPECT_THAT(joined.error().message(), Not(HasSubstr(part))) << length;
    }
  }
}

TEST(JoinClusterAction, WhatPrintsOrIsGivenATokenIsNotWatched) {
  World world;
  KubeadmDouble watched(world.tree);
  world.action.token_file.clear();
  world.action.token_command = {"/opt/token", "x"};
  ClusterSurroundings quiet;
  quiet.quiet_runner = &world.runner;
  ClusterActions actions(world.tree.root(), watched, quiet);
  ASSERT_TRUE(actions.prepare(world.action));
  ASSERT_TRUE(actions.perform(world.action));
  EXPECT_THAT(watched.lines, ElementsAre("/usr/bin/kubeadm version -o short"));
}

TEST(JoinClusterAction, AProgramThatPrintsATokenRunsOnceAJoin) {
  World world;
  world.action.token_file.clear();
  world.action.token_command = {"/opt/token", "x"};
  ClusterActions actions(world.tree.root(), world.runner);
  ASSERT_TRUE(actions.prepare(world.action));
  // What it would print now is none that anybody has looked at.
  world.runner.token = {3, "", ""};
  ASSERT_TRUE(actions.perform(world.action));
  EXPECT_THAT(world.runner.config, HasSubstr(kToken));
  EXPECT_EQ(std::ranges::count(world.runner.lines, "/opt/token x"), 1);
  // The next join asks anew.
  world.tree.remove("etc/kubernetes/kubelet.conf");
  EXPECT_FALSE(actions.prepare(world.action));
}

TEST(JoinClusterAction, ATokenThatAKilledRunLeftGoesFirst) {
  World world;
  ClusterActions actions(world.tree.root(), world.runner);
  const auto left = [&] { world.tree.file(kConfig, kToken); };
  left();
  world.tree.remove("usr/bin/kubeadm");
  EXPECT_FALSE(world.prepare());
  EXPECT_FALSE(world.exists(kConfig));
  left();
  EXPECT_TRUE(actions.perform(LeaveCluster{"gpu-1"}));
  EXPECT_FALSE(world.exists(kConfig));
  world.tree.file("etc/kubernetes/kubelet.conf", "joined\n");
  left();
  EXPECT_TRUE(world.prepare());
  EXPECT_FALSE(world.exists(kConfig));
  left();
  EXPECT_TRUE(world.join());
  EXPECT_FALSE(world.exists(kConfig));
}

TEST(ClusterActionsOfAHost, AreCarriedOutByItsPerformer) {
  World world;
  HostPerformer performer(world.tree.root(), world.runner, {});
  ASSERT_TRUE(performer.prepare(world.action, 1));
  ASSERT_TRUE(performer.perform(world.action));
  ASSERT_TRUE(performer.perform(LeaveCluster{"gpu-1"}));
  EXPECT_FALSE(world.exists(kKubeletConf));
}

}  // namespace
}  // namespace gpunode::provision
