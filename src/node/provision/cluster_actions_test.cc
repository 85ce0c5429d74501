#include "node/provision/cluster_actions.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "base/text/base64.h"
#include "node/provision/action_json.h"
#include "node/provision/host_performer.h"
#include "node/provision/kubeadm_words.h"
#include "node/provision/leaving.h"
#include "node/provision/node_meta_change.h"
#include "node/provision/rollback.h"
#include "node/provision/steps/kubernetes/join_config.h"
#include "node/provision/steps/kubernetes/node_identity.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/doubles/cluster/cluster_double.h"

namespace gpunode::provision {
namespace {

using host::Command;
using host::Completed;
using kube::ClusterDouble;
using kube::ClusterManner;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kToken = "abcdef.0123456789abcdef";
constexpr const char* kSecret = "0123456789abcdef";
constexpr const char* kConfig = "run/gpunode/kubeadm-join.yaml";

/// kubeadm of a host of files: it leaves what the real one leaves.
class KubeadmDouble final : public host::CommandRunner {
 public:
  explicit KubeadmDouble(const host::HostTree& tree) : tree_(tree) {}

  Result<Completed> run(const Command& command) override {
    lines.push_back(host::command_line(command));
    const std::string& verb = command.argv.at(1);
    if (command.argv[0] == "/opt/token") return token;
    if (command.argv[0] == "/usr/bin/containerd") {
      return Completed{dump ? 0 : 1, dump.value_or(""), ""};
    }
    if (verb == "version") return Completed{0, "v1.25.16\n", ""};
    if (verb == "join") return join();
    if (command.argv[0] == "/usr/bin/journalctl") {
      return Completed{0, journal, ""};
    }
    if (verb == "start" && !starts_containerd) {
      return Completed{1, "", "Job for containerd.service failed\n"};
    }
    if (verb == "reset" && !reset_fails) {
      for (const char* path :
           {"etc/kubernetes/kubelet.conf", "etc/kubernetes/pki/ca.crt",
            "etc/kubernetes/bootstrap-kubelet.conf"}) {
        tree_.remove(path);
      }
    }
    const bool fails = reset_fails && verb == "reset";
    return Completed{fails ? 1 : 0, "",
                     fails ? "cannot reach the runtime"
                           : (verb == "reset" ? reset_says : "")};
  }

  std::vector<std::string> lines;
  std::string config;  ///< What it was given.
  mode_t mode = 0;
  std::string output;  ///< Of a join that fails; empty: it does not.
  std::optional<std::string> dump;  ///< Of containerd's configuration.
  bool leaves_half = true;
  bool reset_fails = false;
  std::string reset_says;  ///< Of one that ends well.
  std::string journal;     ///< Of the kubelet.
  bool starts_containerd = true;
  Completed token{0, std::string(kToken) + "\n", ""};

 private:
  Result<Completed> join() {
    const auto text = tree_.root().read_file(kConfig);
    config = text ? *text : "(none)";
    struct stat status {};
    if (::stat(tree_.path(kConfig).c_str(), &status) == 0) {
      mode = status.st_mode & 0777U;
    }
    if (leaves_half || output.empty()) {
      tree_.file("etc/kubernetes/pki/ca.crt", "ca\n");
      tree_.file("etc/kubernetes/bootstrap-kubelet.conf", config);
    }
    if (!output.empty()) return Completed{1, "[preflight] go\n", output};
    tree_.remove("etc/kubernetes/bootstrap-kubelet.conf");
    tree_.file("etc/kubernetes/kubelet.conf", "joined\n");
    return Completed{0, "This node has joined the cluster\n", ""};
  }

  const host::HostTree& tree_;
};

/// A host that is ready to join, and a cluster that lets it.
struct World {
  explicit World(ClusterManner manner = {}) : cluster(std::move(manner)) {
    tree.file("usr/bin/kubeadm", "");
    tree.file("run/containerd/containerd.sock", "");
    tree.file("proc/swaps", "Filename Type Size Used Priority\n");
    tree.file("proc/1/net/tcp",
              "  sl  local_address rem_address   st\n"
              "   0: 00000000:0016 00000000:0000 0A\n"
              "   1: 0100007F:280A 0100007F:0016 01\n");
    put_token(kToken);
    KubernetesSpec spec;
    spec.version = "1.25";
    spec.join.endpoint = cluster.endpoint();
    spec.join.ca_cert_hashes = {cluster.ca_hash()};
    spec.join.token.file = "/etc/gpunode/token";
    action.endpoint = spec.join.endpoint;
    action.ca_cert_hashes = spec.join.ca_cert_hashes;
    action.token_file = spec.join.token.file;
    action.node = "gpu-1";
    action.version = "1.25";
    action.config = join_configuration(spec, "gpu-1");
  }

  void put_token(const std::string& text) const {
    tree.file("etc/gpunode/token", text + "\n");
    std::filesystem::permissions(tree.path("etc/gpunode/token"),
                                 std::filesystem::perms(0600));
  }

  Result<Inverse> prepare() {
    return ClusterActions(tree.root(), runner, surroundings).prepare(action);
  }
  Result<void> join() {
    return ClusterActions(tree.root(), runner, surroundings).perform(action);
  }
  bool exists(const std::string& path) const {
    return tree.root().exists(path);
  }

  host::HostTree tree;
  ClusterDouble cluster;
  KubeadmDouble runner{tree};
  ClusterSurroundings surroundings;
  JoinCluster action;
};

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

TEST(LeaveClusterAction, TakesAwayWhatAResetLeaves) {
  World world;
  ASSERT_TRUE(world.join());
  world.tree.file("var/lib/kubelet/kubeadm-flags.env", "x\n");
  world.tree.file("var/lib/gpunode/node-meta", "label a=b\n");
  ClusterActions actions(world.tree.root(), world.runner);
  const LeaveCluster leave{"gpu-1"};
  ASSERT_TRUE(ClusterActions::prepare(leave));
  EXPECT_EQ(ClusterActions::prepare(leave)->undo, Undo::kNone);
  ASSERT_TRUE(actions.perform(leave));
  EXPECT_FALSE(world.exists(kKubeletConf));
  EXPECT_FALSE(world.exists("var/lib/kubelet/kubeadm-flags.env"));
  // A Node of another cluster was not given it.
  EXPECT_FALSE(world.exists(kNodeMetaPath));
  const auto lines = world.runner.lines.size();
  EXPECT_TRUE(actions.perform(leave));
  EXPECT_EQ(world.runner.lines.size(), lines);
}

TEST(LeaveClusterAction, AResetThatFailsIsTriedAgain) {
  World world;
  ASSERT_TRUE(world.join());
  world.runner.reset_fails = true;
  ClusterActions actions(world.tree.root(), world.runner);
  for (int time = 0; time < 2; ++time) {
    const auto left = actions.perform(LeaveCluster{"gpu-1"});
    ASSERT_FALSE(left);
    EXPECT_THAT(
        left.error().message(),
        AllOf(HasSubstr("cannot reach the runtime"),
              HasSubstr("`gpunode leave` again"),
              HasSubstr("the kubelet was stopped"), HasSubstr("crictl pods")));
    // Else the next one would find nothing to do while Pods run.
    EXPECT_TRUE(world.exists(kKubeletConf));
  }
  EXPECT_THAT(world.runner.lines,
              Contains("/usr/bin/systemctl stop -- kubelet.service"));
  world.runner.reset_fails = false;
  EXPECT_TRUE(actions.perform(LeaveCluster{"gpu-1"}));
  EXPECT_FALSE(world.exists(kKubeletConf));
}

TEST(LeaveClusterAction, WithoutContainerdNoPodEndsAndNothingIsReset) {
  World world;
  ASSERT_TRUE(world.join());
  world.runner.starts_containerd = false;
  ClusterActions actions(world.tree.root(), world.runner);
  const auto left = actions.perform(LeaveCluster{"gpu-1"});
  ASSERT_FALSE(left);
  EXPECT_THAT(left.error().message(),
              AllOf(HasSubstr("containerd.service failed"),
                    HasSubstr("`gpunode leave` again")));
  EXPECT_TRUE(world.exists(kKubeletConf));
  EXPECT_THAT(world.runner.lines, Not(Contains(HasSubstr("kubeadm reset"))));
}

TEST(LeaveClusterAction, WhatAResetSaysInPassingIsTold) {
  World world;
  ASSERT_TRUE(world.join());
  // kubeadm 1.20.2, which ends with 0 all the same.
  world.runner.reset_says =
      "W1129 17:02:11.123456    1234 cleanupnode.go:81] [reset] Failed to "
      "remove containers: output: crictl: context deadline exceeded\n, error: "
      "exit status 1\n";
  ClusterActions actions(world.tree.root(), world.runner);
  const auto left = actions.perform(LeaveCluster{"gpu-1"});
  ASSERT_FALSE(left);
  EXPECT_THAT(left.error().message(),
              AllOf(HasSubstr("[reset] Failed to remove containers"),
                    HasSubstr("no node any more"), HasSubstr("crictl stopp")));
  EXPECT_FALSE(world.exists(kKubeletConf));
}

TEST(LeaveClusterAction, WithoutKubeadmNoNodeIsTakenApart) {
  World world;
  ASSERT_TRUE(world.join());
  world.tree.remove("usr/bin/kubeadm");
  ClusterActions actions(world.tree.root(), world.runner);
  const auto left = actions.perform(LeaveCluster{"gpu-1"});
  ASSERT_FALSE(left);
  EXPECT_THAT(left.error().message(),
              AllOf(HasSubstr("/usr/bin/kubeadm is not there"),
                    HasSubstr("next: install kubeadm of"),
                    HasSubstr("the kubelet was stopped")));
  EXPECT_TRUE(world.exists(kKubeletConf));
}

std::string kubelet_conf(const std::string& server, const std::string& ca) {
  return "clusters:\n- name: k\n  cluster:\n    server: " + server +
         "\n    certificate-authority-data: " + text::encode_base64(ca) +
         "\ncontexts:\n- name: c\n  context: {cluster: k, user: u}\n"
         "current-context: c\nusers:\n- name: u\n  user: {}\n";
}

TEST(LeaveClusterAction, AsAnInverseItLeavesNoOtherCluster) {
  World world;
  const ClusterDouble other;
  const auto inverse = world.prepare();
  ASSERT_TRUE(inverse) << inverse.error().message();
  const auto& leave = std::get<LeaveCluster>(inverse->actions.at(0));
  ClusterActions actions(world.tree.root(), world.runner);
  const std::string conf = "etc/kubernetes/kubelet.conf";
  // Another CA under the same address, and what cannot be read.
  for (const std::string& text :
       {kubelet_conf("https://" + world.cluster.endpoint(), other.ca_pem()),
        kubelet_conf("https://" + other.endpoint(), ""), std::string("{")}) {
    world.tree.file(conf, text);
    const auto left = actions.perform(leave);
    ASSERT_FALSE(left) << text;
    EXPECT_EQ(left.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_THAT(left.error().message(),
                AllOf(HasSubstr("led to " + world.cluster.endpoint()),
                      HasSubstr("next: `gpunode leave --force`")));
    EXPECT_TRUE(world.exists(kKubeletConf));
  }
  // The same cluster by another of its names.
  world.tree.file(conf,
                  kubelet_conf("https://k8s:6443", world.cluster.ca_pem()));
  world.tree.file("etc/kubernetes/manifests/kube-apiserver.yaml", "x\n");
  const auto plane = actions.perform(leave);
  ASSERT_FALSE(plane);
  EXPECT_THAT(plane.error().message(), HasSubstr("is a control plane"));
  for (const std::string& line : world.runner.lines) {
    EXPECT_THAT(line, Not(HasSubstr("reset")));
  }
  world.tree.remove("etc/kubernetes/manifests/kube-apiserver.yaml");
  EXPECT_TRUE(actions.perform(leave));
  EXPECT_FALSE(world.exists(kKubeletConf));
}

TEST(ClusterActionsOfAHost, AreCarriedOutByItsPerformer) {
  World world;
  HostPerformer performer(world.tree.root(), world.runner, {});
  ASSERT_TRUE(performer.prepare(world.action, 1));
  ASSERT_TRUE(performer.perform(world.action));
  ASSERT_TRUE(performer.perform(LeaveCluster{"gpu-1"}));
  EXPECT_FALSE(world.exists(kKubeletConf));
}

constexpr const char* kNode = R"({"kind": "Node", "metadata": {
  "name": "gpu-1", "uid": "u", "labels": {"a": "1", "old": "x"}},
  "spec": {"taints": [{"key": "t", "value": "v", "effect": "NoSchedule"},
                      {"key": "other", "effect": "NoExecute"}]}})";

SetNodeMeta some_change() {
  SetNodeMeta action;
  action.node = "gpu-1";
  action.labels = {"a=2", "new=y"};
  action.removed_labels = {"old", "absent"};
  action.taints = {"t=w:NoSchedule", "fresh:NoExecute"};
  action.removed_taints = {"other:NoExecute"};
  return action;
}

TEST(NodeMeta, ChangesAndTheirInverse) {
  const SetNodeMeta action = some_change();
  EXPECT_EQ(*label_patch(kNode, action),
            R"({"metadata":{"labels":{"a":"2","new":"y","old":null}}})");
  EXPECT_EQ(
      *taint_patch(kNode, action),
      R"({"spec":{"taints":[{"key":"t","value":"w","effect":"NoSchedule"},)"
      R"({"key":"fresh","effect":"NoExecute"}]}})");
  const auto back = inverse_meta(kNode, action);
  ASSERT_TRUE(back);
  EXPECT_THAT(back->labels, ElementsAre("a=1", "old=x"));
  EXPECT_THAT(back->removed_labels, ElementsAre("new"));
  EXPECT_THAT(back->taints, ElementsAre("t=v:NoSchedule", "other:NoExecute"));
  EXPECT_THAT(back->removed_taints, ElementsAre("fresh:NoExecute"));
  EXPECT_EQ(*label_patch(kNode, SetNodeMeta{}), "");
  EXPECT_EQ(*taint_patch(kNode, SetNodeMeta{}), "");
  EXPECT_FALSE(label_patch("[]", action));
}

/// A node whose kubelet.conf leads to the API server's double.
struct NodeWorld {
  NodeWorld() {
    tree.file("etc/kubernetes/kubelet.conf",
              "current-context: c\ncontexts:\n- {name: c, context: {cluster: "
              "k, user: u}}\nclusters:\n- {name: k, cluster: {server: "
              "\"http://127.0.0.1:" +
                  std::to_string(api.port()) +
                  "\"}}\nusers:\n- {name: u, user: {token: t}}\n");
    api.put("/api/v1/nodes/gpu-1", kNode);
  }

  kube::ApiServerDouble api;
  host::HostTree tree;
  KubeadmDouble runner{tree};
  ClusterActions actions{tree.root(), runner};
};

TEST(NodeMeta, IsSetAsTheKubeletAndBackAgain) {
  NodeWorld world;
  const SetNodeMeta action = some_change();
  const auto inverse = world.actions.prepare(action);
  ASSERT_TRUE(inverse) << inverse.error().message();
  const auto made = world.actions.perform(action);
  ASSERT_TRUE(made) << made.error().message();
  std::string node = world.api.object("/api/v1/nodes/gpu-1");
  EXPECT_EQ(*label_patch(node, action), "");
  EXPECT_EQ(*taint_patch(node, action), "");
  EXPECT_THAT(node, Not(HasSubstr("\"old\"")));
  const auto before = world.api.requests().size();
  ASSERT_TRUE(world.actions.perform(action));
  EXPECT_EQ(world.api.requests().size(), before + 1);  // A look alone.
  ASSERT_TRUE(
      world.actions.perform(std::get<SetNodeMeta>(inverse->actions.at(0))));
  node = world.api.object("/api/v1/nodes/gpu-1");
  EXPECT_THAT(node, AllOf(HasSubstr("\"old\""), Not(HasSubstr("\"new\"")),
                          HasSubstr("\"other\""), Not(HasSubstr("fresh"))));
}

TEST(NodeMeta, OfANodeThatIsGoneNothingIsToBeUndone) {
  NodeWorld world;
  const auto inverse = world.actions.prepare(some_change());
  ASSERT_TRUE(inverse);
  const auto& back = std::get<SetNodeMeta>(inverse->actions.at(0));
  world.api.remove("/api/v1/nodes/gpu-1");
  EXPECT_TRUE(world.actions.perform(back));
  // To be given anything it must be there.
  EXPECT_FALSE(world.actions.prepare(some_change()));
  // Credentials that are gone say nothing about the Node.
  std::string conf = *world.tree.root().read_file(kKubeletConf);
  conf.replace(conf.find("token: t"), 8, "tokenFile: /var/lib/gone");
  world.tree.file("etc/kubernetes/kubelet.conf", conf);
  const auto unknown = world.actions.perform(back);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), ErrorCode::kUnavailable);
}

TEST(NodeMeta, TheRollbackOfADeadClustersNodeSaysTheWayOut) {
  struct Silent final : RollbackObserver {
    void undoing(const Undoing& /*one*/) override {}
    void undone(const Undoing& /*one*/, const Result<void>& /*how*/) override {}
  } silent;
  NodeWorld world;
  // Nobody listens there.
  std::string conf = *world.tree.root().read_file(kKubeletConf);
  const std::size_t port = conf.find("127.0.0.1:") + 10;
  conf.replace(port, conf.find('"', port) - port, "1");
  world.tree.file("etc/kubernetes/kubelet.conf", conf);
  auto journal = Journal::open(world.tree.root(), "boot");
  ASSERT_TRUE(journal);
  ASSERT_TRUE(journal->start("run", "apply"));
  JournalLine begin{.event = JournalEvent::kBegin, .step = "kubernetes.node"};
  begin.action = some_change();
  begin.inverse = {some_change()};
  ASSERT_TRUE(journal->append(std::move(begin)));
  HostPerformer performer(world.tree.root(), world.runner, {});
  const auto undo = [&] {
    return roll_back(plan_rollback(journal->lines(), {}, {}), performer,
                     *journal, silent);
  };
  const auto undone = undo();
  ASSERT_FALSE(undone);
  EXPECT_THAT(undone.error().message(),
              HasSubstr("next: if that cluster is gone for good, `gpunode "
                        "leave` first"));
  // What `gpunode leave` takes away.
  world.tree.remove("etc/kubernetes/kubelet.conf");
  EXPECT_TRUE(undo());
}

TEST(NodeMeta, WhatNoKubeletMayIsToldWithTheCommandForWhoMay) {
  NodeWorld world;
  SetNodeMeta action;
  action.node = "gpu-1";
  action.taints = {"nvidia.com/gpu=present:NoSchedule"};
  world.api.refuse(403, "Forbidden", 1, "", "PATCH");
  const auto made = world.actions.perform(action);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(),
              HasSubstr("`kubectl taint node gpu-1 --overwrite "
                        "nvidia.com/gpu=present:NoSchedule`"));
  // Once somebody did, there is nothing left to do.
  world.api.put("/api/v1/nodes/gpu-1",
                R"({"metadata": {"name": "gpu-1"}, "spec": {"taints": [)"
                R"({"key": "nvidia.com/gpu", "value": "present",)"
                R"( "effect": "NoSchedule"}]}})");
  EXPECT_TRUE(world.actions.perform(action));
}

TEST(NodeMeta, AHostThatIsNoNodeHasNothingToBeGiven) {
  const host::HostTree tree;
  KubeadmDouble runner(tree);
  ClusterActions actions(tree.root(), runner);
  EXPECT_TRUE(actions.prepare(some_change())->actions.empty());
  EXPECT_TRUE(actions.perform(some_change()));
}

TEST(KubeadmWords, KnownFailuresSayWhatToDo) {
  for (const auto& [output, words] :
       std::vector<std::pair<std::string, std::string>>{
           {"could not find a JWS signature in the cluster-info ConfigMap",
            "kubeadm token create"},
           {"[ERROR Port-10250]: Port 10250 is in use", "ss -ltnp"},
           {"rpc error: code = Unimplemented desc = unknown service "
            "runtime.v1.RuntimeService",
            "disabled_plugins"},
           // As kubeadm 1.20.2 says them.
           {"error execution phase preflight: couldn't validate the identity "
            "of the API Server: cluster CA found in cluster-info ConfigMap is "
            "invalid: none of the public keys \"sha256:94f9\" are pinned",
            "caCertHashes"},
           {"couldn't validate the identity of the API Server: failed to "
            "verify JWS signature of received cluster info object, can't trust "
            "this API Server",
            "the token is wrong"},
           {"\t[ERROR FileContent--proc-sys-net-ipv4-ip_forward]: "
            "/proc/sys/net/ipv4/ip_forward contents are not set to 1",
            "prep.sysctl"},
           {"\t[ERROR FileAvailable--etc-kubernetes-pki-ca.crt]: "
            "/etc/kubernetes/pki/ca.crt already exists",
            "gpunode leave --force"},
           {"[kubelet-start] Waiting for the kubelet to perform the TLS "
            "Bootstrap...\n\nUnfortunately, an error has occurred:\n\ttimed "
            "out "
            "waiting for the condition\n\nThis error is likely caused by:\n"
            "\t- The kubelet is not running\n",
            "kubectl get csr"},
           {"[kubelet-start] Waiting for the kubelet to perform the TLS "
            "Bootstrap...\n[kubelet-check] Initial timeout of 40s passed.\n"
            "[kubelet-check] It seems like the kubelet isn't running or "
            "healthy.\n",
            "does not come up"},
           {"timed out waiting for the condition", "journalctl -xeu kubelet"},
           {"x509: certificate has expired or is not yet valid", "date -u"},
           {"something new", "something new"},
           {"", "journalctl"}}) {
    EXPECT_THAT(kubeadm_words(output), HasSubstr(words)) << output;
  }
}

TEST(Leaving, TheJournalSaysWhoMadeTheHostANode) {
  JournalLine join{.seq = 1, .event = JournalEvent::kBegin};
  join.action = JoinCluster{};
  join.inverse = {LeaveCluster{}};
  JournalLine leave{.seq = 3, .event = JournalEvent::kBegin};
  leave.action = LeaveCluster{};
  const JournalLine left{.seq = 4, .event = JournalEvent::kDone, .of = 3};
  const JournalLine undone{.seq = 5, .event = JournalEvent::kUndone, .of = 1};
  EXPECT_FALSE(is_joined_by_us({}));
  EXPECT_TRUE(is_joined_by_us({join}));
  EXPECT_TRUE(is_joined_by_us({join, leave}));
  EXPECT_FALSE(is_joined_by_us({join, leave, left}));
  EXPECT_FALSE(is_joined_by_us({join, undone}));
  JournalLine again = join;
  again.seq = 6;
  EXPECT_TRUE(is_joined_by_us({join, leave, left, again}));
  // One that failed was taken back, one on a node did nothing.
  const JournalLine failed{.seq = 7, .event = JournalEvent::kFailed, .of = 6};
  EXPECT_FALSE(is_joined_by_us({join, leave, left, again, failed}));
  again.inverse.clear();
  EXPECT_FALSE(is_joined_by_us({again}));
  EXPECT_TRUE(is_joined_by_us({join, again, failed}));
}

TEST(Leaving, AHostSaysWhatItIsOf) {
  const NodeWorld world;
  world.tree.file("proc/sys/kernel/hostname", "GPU-1\n");
  const Membership node = look_at_membership(world.tree.root());
  EXPECT_TRUE(node.is_node);
  EXPECT_EQ(node.node, "gpu-1");
  EXPECT_THAT(node.server, HasSubstr("http://127.0.0.1:"));
  EXPECT_FALSE(node.is_control_plane);
  world.tree.file("etc/kubernetes/admin.conf", "");
  EXPECT_TRUE(look_at_membership(world.tree.root()).is_control_plane);
  const host::HostTree bare;
  EXPECT_FALSE(look_at_membership(bare.root()).has_traces);
}

}  // namespace
}  // namespace gpunode::provision
