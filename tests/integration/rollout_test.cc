// `gpunode rollout` and `gpunode deliver --as daemonset` as whole programs,
// beside an API server; killed at its requests, and run again.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"
#include "k8s/api/client.h"
#include "k8s/api/fixed_credentials.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/integration/bare_host.h"

namespace gpunode::integration {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kSecret = "s3cr3t-t0ken";
constexpr const char* kLease =
    "/apis/coordination.k8s.io/v1/namespaces/gpunode-rollout/leases/rollout";
constexpr const char* kDaemonSet =
    "/apis/apps/v1/namespaces/gpunode-rollout/daemonsets/gpunode-bring";
const std::string kBringPods = "/api/v1/namespaces/gpunode-rollout/pods/";

/// A cluster whose controllers act on each request that the server gets.
class RolloutProgram : public testing::Test {
 protected:
  RolloutProgram() {
    tree_.file("node.yaml", kSmallSpec);
    tree_.file("kubeconfig",
               "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
               "clusters:\n- name: k\n  cluster: {server: 'http://127.0.0.1:" +
                   std::to_string(server_.port()) +
                   "'}\ncontexts:\n- name: c\n  context: {cluster: k, user: "
                   "u}\nusers:\n- name: u\n  user: {token: '" +
                   kSecret + "'}\n");
    node("gpu-1");
    node("gpu-2");
    node("cpu-1", "cpu");
    pod("web", R"([{"kind":"ReplicaSet","controller":true}])");
    controllers_ = std::thread([this] { act_on_requests(); });
  }

  ~RolloutProgram() override {
    is_over_ = true;
    kube::FixedCredentials credentials(server_.port());
    kube::Client client(credentials, nullptr);
    (void)client.get_path("/version");  // Wakes them.
    controllers_.join();
  }

  void node(const std::string& name, const std::string& pool = "gpu") {
    const json object = {
        {"kind", "Node"},
        {"metadata",
         {{"name", name}, {"uid", "u-" + name}, {"labels", {{"pool", pool}}}}},
        {"spec", json::object()},
        {"status",
         {{"conditions", {{{"type", "Ready"}, {"status", "True"}}}},
          {"allocatable", {{"nvidia.com/gpu", "2"}}}}}};
    server_.put("/api/v1/nodes/" + name, object.dump());
  }

  void pod(const std::string& name, const std::string& owners) {
    server_.put("/api/v1/namespaces/default/pods/" + name,
                R"({"metadata":{"namespace":"default","name":")" + name +
                    R"(","uid":"u-)" + name + R"(","ownerReferences":)" +
                    owners + R"(},"spec":{"nodeName":"gpu-1"}})");
  }

  /// The SHA-256 of what the DaemonSet brings.
  void look_at_daemon_set() {
    const std::string object = server_.object(kDaemonSet);
    if (object.empty()) return;
    file_ = json::parse(object)["spec"]["template"]["metadata"]["annotations"]
                               ["gpunode.io/file"];
  }

  void act_on_requests() {
    for (std::size_t count = 1;; ++count) {
      server_.wait_for_requests(count);
      if (is_over_) return;
      {
        const std::lock_guard lock(on_request_mutex_);
        if (on_request_) on_request_(server_.requests()[count - 1]);
      }
      daemon_set();
      acted_ = count;
    }
  }

  /// A Pod of the bringer, well or as `bringer_fails_`, where the label is.
  void daemon_set() {
    look_at_daemon_set();
    for (const char* name : {"gpu-1", "gpu-2", "cpu-1"}) {
      const std::string path = kBringPods + "bring-" + name;
      const bool is_there = !server_.object(path).empty();
      const bool is_wanted = !label(name).empty();
      if (is_wanted == is_there) continue;
      if (!is_wanted) {
        server_.remove(path);
        continue;
      }
      json object = {
          {"metadata",
           {{"namespace", "gpunode-rollout"},
            {"name", "bring-" + std::string(name)},
            {"ownerReferences",
             json::array({{{"kind", "DaemonSet"}, {"controller", true}}})},
            {"annotations", {{"gpunode.io/file", file_}}},
            {"labels", {{"app.kubernetes.io/name", "gpunode-bring"}}}}},
          {"spec", {{"nodeName", name}}}};
      if (bringer_fails_) {
        object["status"]["containerStatuses"] = json::array(
            {{{"lastState",
               {{"terminated",
                 {{"exitCode", 7}, {"message", "failed: apt said no"}}}}}}});
      } else {
        object["status"]["conditions"] =
            json::array({{{"type", "Ready"}, {"status", "True"}}});
      }
      server_.put(path, object.dump());
    }
  }

  json metadata(const std::string& name) const {
    return json::parse(server_.object("/api/v1/nodes/" + name))["metadata"];
  }
  std::string label(const std::string& name) const {
    return metadata(name)
        .value("labels", json::object())
        .value("gpunode.io/bring", "");
  }
  bool is_done(const std::string& name) const {
    const json object = json::parse(server_.object("/api/v1/nodes/" + name));
    const json annotations =
        object["metadata"].value("annotations", json::object());
    return !object["spec"].value("unschedulable", false) &&
           annotations.contains("gpunode.io/rolled-out") &&
           !annotations.contains("gpunode.io/rollout") && label(name).empty();
  }

  std::vector<std::string> words(const std::vector<std::string>& more,
                                 const std::string& selector) const {
    std::vector<std::string> all = {GPUNODE,
                                    "rollout",
                                    tree_.path("node.yaml"),
                                    "--selector",
                                    selector,
                                    "--image",
                                    "registry.example/gpunode-host:1",
                                    "--kubeconfig",
                                    tree_.path("kubeconfig")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  host::Completed rollout(const std::vector<std::string>& more = {"--yes"},
                          const std::string& selector = "pool=gpu") const {
    host::Command command;
    command.argv = words(more, selector);
    command.timeout = std::chrono::seconds(60);
    auto done = host::SystemCommandRunner().run(command);
    EXPECT_TRUE(done) << done.error().message();
    return done ? *std::move(done) : host::Completed();
  }

  /// Runs it and sends `signal` at the first request that `is_it` knows. False:
  /// it ended before.
  bool rollout_hit(int signal,
                   const std::function<bool(const std::string&)>& is_it,
                   int* status) {
    std::vector<std::string> all = words({"--yes"}, "pool=gpu");
    std::vector<char*> argv;
    for (std::string& word : all) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::atomic<bool> was_hit = false;
    std::atomic<pid_t> pid = 0;
    on_each_request([&](const std::string& line) {
      if (was_hit || !is_it(line)) return;
      while (pid == 0) std::this_thread::yield();
      was_hit = true;
      if (pid > 0) ::kill(pid, signal);
    });
    const pid_t child = ::fork();
    if (child == 0) {
      const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
      ::dup2(nowhere, 1);
      ::dup2(nowhere, 2);
      ::execv(GPUNODE, argv.data());
      ::_exit(127);
    }
    pid = child;
    // Its pid stays its own until it is waited for.
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
    // On a busy machine requests are acted on after their program's end.
    const std::size_t asked = server_.requests().size();
    while (acted_ < asked) std::this_thread::yield();
    on_each_request(nullptr);
    ::waitpid(child, status, 0);
    return was_hit;
  }

  void on_each_request(std::function<void(const std::string&)> act) {
    const std::lock_guard lock(on_request_mutex_);
    on_request_ = std::move(act);
  }

  void write_lease(const std::string& holder, int second) {
    server_.put(kLease,
                fmt::format(R"({{"spec":{{"holderIdentity":"{}",)"
                            R"("leaseDurationSeconds":3600,)"
                            R"("renewTime":"2199-01-01T00:00:{:02}Z"}}}})",
                            holder, second));
  }

  /// Somebody who lives and renews it each time that it is looked at.
  void hold_lease(const std::string& holder) {
    write_lease(holder, 0);
    on_each_request([this, holder, count = 0](const std::string& line) mutable {
      if (line != std::string("GET ") + kLease) return;
      write_lease(holder, ++count % 60);
    });
  }

  /// Somebody who had it and does nothing any more.
  void leave_lease(const std::string& holder) {
    on_each_request(nullptr);
    write_lease(holder, 0);
  }

  static std::string first_line(const char* path) {
    std::string line;
    std::ifstream file(path);
    std::getline(file, line);
    return line;
  }

  /// Of a process that has ended, and was waited for.
  static pid_t dead_pid() {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    ::waitpid(child, nullptr, 0);
    return child;
  }

  host::HostTree tree_;
  mutable kube::ApiServerDouble server_;
  std::string file_;
  std::atomic<bool> is_over_ = false;
  std::atomic<bool> bringer_fails_ = false;
  std::mutex on_request_mutex_;
  std::function<void(const std::string&)> on_request_;  ///< By that mutex.
  std::atomic<std::size_t> acted_ = 0;
  std::thread controllers_;
};

TEST_F(RolloutProgram, GoesOverTheSelectedNodes) {
  const host::Completed done = rollout();
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("~ gpu-1  cordon, drain 1 Pods"),
                              HasSubstr("[1/2] gpu-1\n  cordoned\n"),
                              HasSubstr("evicted default/web"),
                              EndsWith("Done: 2 nodes\n")));
  EXPECT_TRUE(is_done("gpu-1"));
  EXPECT_TRUE(is_done("gpu-2"));
  EXPECT_FALSE(metadata("cpu-1").contains("annotations"));
  EXPECT_THAT(server_.object(kDaemonSet),
              HasSubstr("registry.example/gpunode-host:1"));
  EXPECT_THAT(server_.object(kLease), Not(HasSubstr("holderIdentity")));
  EXPECT_THAT(done.out + done.err, Not(HasSubstr(kSecret)));
  // Again, and by another file.
  const host::Completed again = rollout();
  EXPECT_EQ(again.status, 0);
  EXPECT_THAT(again.out, HasSubstr("0 to do, 0 under way, 0 blocked, 2 done"));
  EXPECT_EQ(rollout({"--status"}).status, 0);
  tree_.file("node.yaml", std::string(kSmallSpec) + "# other\n");
  EXPECT_EQ(rollout({"--status"}).status, 2);
}

TEST_F(RolloutProgram, OnlyShowsWhenThatIsAsked) {
  for (const char* option : {"--dry-run", "--status"}) {
    const host::Completed done = rollout({option});
    EXPECT_EQ(done.status, 2) << done.err;
    EXPECT_THAT(done.out, HasSubstr("2 to do"));
  }
  // Nobody says yes.
  const host::Completed unasked = rollout({});
  EXPECT_EQ(unasked.status, 5);
  EXPECT_THAT(unasked.err, HasSubstr("add --yes"));
  EXPECT_THAT(server_.requests(), Not(Contains(Not(StartsWith("GET ")))));
}

TEST_F(RolloutProgram, StopsAtABadNodeAndGoesOnByTheSameCommand) {
  bringer_fails_ = true;
  const host::Completed bad = rollout();
  EXPECT_EQ(bad.status, 7);
  EXPECT_THAT(bad.out,
              AllOf(HasSubstr("It ends at gpu-1, which stays cordoned"),
                    HasSubstr("failed: apt said no"),
                    HasSubstr("kubectl -n gpunode-rollout logs bring-gpu-1")));
  EXPECT_FALSE(metadata("gpu-2").contains("annotations"));
  const host::Completed status = rollout({"--status", "--json"});
  EXPECT_EQ(status.status, 7);
  EXPECT_EQ(json::parse(status.out)["nodes"][0]["words"][0],
            "failed: apt said no");
  bringer_fails_ = false;
  EXPECT_EQ(rollout().status, 0);
  EXPECT_TRUE(is_done("gpu-1") && is_done("gpu-2"));
}

TEST_F(RolloutProgram, AnApiServerThatIsAwayWhileAPodIsTriedIsNoBadNode) {
  std::atomic<int> tried = 0;
  on_each_request([&](const std::string& line) {
    const std::string pods = "/api/v1/namespaces/default/pods/";
    const std::string begin = "GET " + pods + "gpunode-rollout-";
    if (!line.starts_with(begin) || line.ends_with("tailLines=50")) return;
    const std::string path = line.substr(4);
    json pod = json::parse(server_.object(path), nullptr, false);
    if (pod.is_discarded() || pod.contains("status")) return;
    ++tried;
    server_.reset_connections(3);
    pod["status"] = {{"phase", "Succeeded"}};
    server_.put(path + "/log", R"({"log":"Test PASSED"})");
    server_.put(path, pod.dump());
  });
  const host::Completed done =
      rollout({"--yes", "--trial-image", "registry.example/vectoradd:1"});
  on_each_request(nullptr);
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_EQ(tried, 2);
  EXPECT_THAT(done.out, AllOf(HasSubstr("  waits: "),
                              HasSubstr("a Pod has added vectors on a GPU"),
                              EndsWith("Done: 2 nodes\n")));
  EXPECT_TRUE(is_done("gpu-1") && is_done("gpu-2"));
}

TEST_F(RolloutProgram, APodThatIsTriedOnceMoreHasTheSameName) {
  std::set<std::string> paths;
  int tried = 0;
  on_each_request([&](const std::string& line) {
    const std::string begin =
        "GET /api/v1/namespaces/default/pods/gpunode-rollout-";
    if (!line.starts_with(begin) || line.ends_with("tailLines=50")) return;
    const std::string path = line.substr(4);
    json pod = json::parse(server_.object(path), nullptr, false);
    if (pod.is_discarded() || pod.contains("status")) return;
    paths.insert(path);
    // Away for longer than the first try has, which takes its Pod away then.
    if (++tried == 1) server_.reset_connections(8);
    const auto requests = server_.requests();
    const bool was_removed =
        std::ranges::any_of(requests, [](const std::string& one) {
          return one.starts_with(
              "DELETE /api/v1/namespaces/default/pods/gpunode-rollout-");
        });
    if (!was_removed) return;
    pod["status"] = {{"phase", "Succeeded"}};
    server_.put(path + "/log", R"({"log":"Test PASSED"})");
    server_.put(path, pod.dump());
  });
  const host::Completed done =
      rollout({"--yes", "--trial-image", "registry.example/vectoradd:1",
               "--trial-timeout=3"});
  on_each_request(nullptr);
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_EQ(paths.size(), 2U) << "one name a node";
  for (const std::string& path : paths) EXPECT_EQ(server_.object(path), "");
}

TEST_F(RolloutProgram, AnApiServerThatIsAwayBeforeTheFirstNodeIsWaitedFor) {
  on_each_request([this, is_over = false](const std::string& line) mutable {
    if (is_over ||
        !line.starts_with("GET /api/v1/namespaces/gpunode-rollout")) {
      return;
    }
    is_over = true;
    server_.reset_connections(3);
  });
  const host::Completed done = rollout();
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_TRUE(is_done("gpu-1") && is_done("gpu-2"));
}

TEST_F(RolloutProgram, KilledInEachPhaseIsGoneOnWith) {
  const std::vector<std::pair<std::string, int>> moments = {
      {"POST /apis/coordination", 1},   {"PATCH /apis/apps", 1},
      {"PATCH /api/v1/nodes/gpu-1", 1}, {"POST /api/v1/namespaces/default", 1},
      {"PATCH /api/v1/nodes/gpu-1", 2}, {"PATCH /api/v1/nodes/gpu-1", 3},
      {"PATCH /api/v1/nodes/gpu-1", 4}, {"PUT /apis/coordination", 1}};
  for (const auto& moment : moments) {
    const std::string& begin = moment.first;
    const int which = moment.second;
    node("gpu-1");
    node("gpu-2");
    pod("web", R"([{"kind":"ReplicaSet","controller":true}])");
    server_.remove(kLease);
    int passed = 0;
    int status = 0;
    const bool was_hit = rollout_hit(
        SIGKILL,
        [&](const std::string& line) {
          return line.starts_with(begin) && ++passed == which;
        },
        &status);
    EXPECT_TRUE(was_hit) << begin << which;
    // The dead one's lease is nobody's: it was of this machine.
    const host::Completed done = rollout();
    EXPECT_EQ(done.status, 0) << begin << which << done.out << done.err;
    EXPECT_TRUE(is_done("gpu-1") && is_done("gpu-2")) << begin << which;
  }
}

TEST_F(RolloutProgram, CtrlCLeavesWhatTheNextRunUnderstands) {
  server_.hold_evictions(1000, "needs 2");
  int status = 0;
  EXPECT_TRUE(rollout_hit(
      SIGINT,
      [](const std::string& line) { return line.ends_with("/eviction"); },
      &status));
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_THAT(server_.object(kLease), Not(HasSubstr("holderIdentity")));
  EXPECT_THAT(rollout({"--status"}).out,
              HasSubstr("> gpu-1  goes on: draining"));
  server_.hold_evictions(0, "");
  EXPECT_EQ(rollout().status, 0);
}

TEST_F(RolloutProgram, OneAtATimeInACluster) {
  hold_lease("ann pid 7 on desk x");
  const host::Completed done = rollout();
  EXPECT_EQ(done.status, 6);
  EXPECT_THAT(done.out,
              HasSubstr("waits: ann pid 7 on desk x has begun a roll-out"));
  EXPECT_THAT(done.err, HasSubstr("ann pid 7 on desk x is at work"));
  EXPECT_EQ(server_.object(kDaemonSet), "");
  EXPECT_FALSE(metadata("gpu-1").contains("annotations"));
}

TEST_F(RolloutProgram, GoesOnWithWhatTheOneBeforeItHasLeft) {
  write_lease("ann pid 7 on desk x", 0);
  on_each_request([this, is_over = false](const std::string& line) mutable {
    if (is_over || line != std::string("GET ") + kLease) return;
    is_over = true;
    // Ann's has begun gpu-2, and a node has come; then she gives up.
    json object = json::parse(server_.object("/api/v1/nodes/gpu-2"));
    object["metadata"]["annotations"]["gpunode.io/rollout"] =
        R"({"phase":"draining","digest":"another","wasCordoned":false,"gpus":2})";
    object["spec"]["unschedulable"] = true;
    server_.put("/api/v1/nodes/gpu-2", object.dump());
    node("gpu-3");
    server_.put(kLease, R"({"spec":{}})");
  });
  const host::Completed done = rollout();
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(done.out,
              AllOf(HasSubstr("another roll-out has begun at gpu-2"),
                    HasSubstr("gpu-3 is selected by now"),
                    HasSubstr("[1/2] gpu-2\n"), HasSubstr("[2/2] gpu-1\n")));
  EXPECT_TRUE(is_done("gpu-1") && is_done("gpu-2"));
  EXPECT_FALSE(metadata("gpu-3").contains("annotations"));
}

TEST_F(RolloutProgram, OnlyADeadProcessOfThisMachineIsKnownToBeDead) {
  const std::string host = first_line("/proc/sys/kernel/hostname");
  const std::string boot = first_line("/proc/sys/kernel/random/boot_id");
  const std::string space =
      std::filesystem::read_symlink("/proc/self/ns/pid").string();
  const std::string dead = "ann (1) pid " + std::to_string(dead_pid());
  const std::string here = host + " " + boot + " " + space;
  for (const std::string& holder :
       {"ann (1) pid " + std::to_string(::getpid()) + " on " + here,
        dead + " on " + host + " another-boot " + space,
        dead + " on " + host + " " + boot + " pid:[1]",
        dead + " on another " + boot + " " + space}) {
    hold_lease(holder);
    EXPECT_EQ(rollout().status, 6) << holder;
    EXPECT_FALSE(metadata("gpu-1").contains("annotations")) << holder;
  }
  leave_lease(dead + " on " + here);
  const host::Completed done = rollout();
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(done.out, Not(HasSubstr("has begun a roll-out")));
}

TEST_F(RolloutProgram, CtrlCEndsTheWatchOfAnothersLease) {
  hold_lease("ann pid 7 on desk x");
  int looks = 0;
  int status = 0;
  EXPECT_TRUE(rollout_hit(
      SIGINT,
      [&](const std::string& line) {
        return line == std::string("GET ") + kLease && ++looks == 1;
      },
      &status));
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_THAT(server_.object(kLease), HasSubstr("ann pid 7 on desk x"));
}

TEST_F(RolloutProgram, ANamespaceOfSomebodyElsesIsLeftAlone) {
  const auto space = [&](const json& labels) {
    server_.put(
        "/api/v1/namespaces/gpunode-rollout",
        json({{"metadata", {{"name", "gpunode-rollout"}, {"labels", labels}}}})
            .dump());
  };
  const char* const kOurs = "app.kubernetes.io/managed-by";
  const char* const kPrivileged = "pod-security.kubernetes.io/enforce";
  for (const json& labels :
       {json::object(), json{{kOurs, "helm"}, {kPrivileged, "privileged"}},
        json{{kOurs, "gpunode"}},
        json{{kOurs, "gpunode"}, {kPrivileged, "baseline"}}}) {
    space(labels);
    const host::Completed done = rollout();
    EXPECT_EQ(done.status, 1) << labels;
    EXPECT_THAT(done.err,
                AllOf(HasSubstr("is there and not gpunode's"),
                      HasSubstr("kubectl delete namespace gpunode-rollout")));
    EXPECT_THAT(server_.requests(), Not(Contains(Not(StartsWith("GET ")))))
        << labels;
  }
  space({{kOurs, "gpunode"}, {kPrivileged, "privileged"}});
  EXPECT_EQ(rollout().status, 0);
}

TEST_F(RolloutProgram, APodOfNobodysIsRefusedAndTheNodeLeftAsItWas) {
  pod("notebook", "[]");
  const host::Completed done = rollout();
  EXPECT_EQ(done.status, 3);
  EXPECT_THAT(done.out,
              HasSubstr("use --force to override): default/notebook"));
  EXPECT_FALSE(metadata("gpu-1").contains("annotations"));
  EXPECT_EQ(rollout({"--yes", "--force"}).status, 0);
}

TEST_F(RolloutProgram, BadInputIsToldWithTheNextStep) {
  const host::Completed nobody = rollout({"--yes"}, "pool=none");
  EXPECT_EQ(nobody.status, 1);
  EXPECT_THAT(nobody.err, HasSubstr("kubectl get nodes --show-labels"));
  tree_.file("node.yaml", "kind: GPUNode\n");
  EXPECT_EQ(rollout().status, 1);
  EXPECT_THAT(server_.requests(), Not(Contains(StartsWith("PATCH"))));
  server_.require_token("another");
  tree_.file("node.yaml", kSmallSpec);
  const host::Completed stranger = rollout();
  EXPECT_EQ(stranger.status, 1);
  EXPECT_THAT(stranger.err, HasSubstr("Unauthorized"));
  EXPECT_THAT(stranger.err, Not(HasSubstr(kSecret)));
}

TEST_F(RolloutProgram, TheDaemonSetIsPrintedForOthersToApply) {
  const auto deliver = [&](std::vector<std::string> more) {
    host::Command command;
    command.argv = {GPUNODE, "deliver", "--as", "daemonset",
                    tree_.path("node.yaml")};
    command.argv.insert(command.argv.end(), more.begin(), more.end());
    return *host::SystemCommandRunner().run(command);
  };
  const host::Completed done = deliver({"--image", "own/host:1"});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("kind: DaemonSet\n"),
                              HasSubstr("image: \"own/host:1\"\n"),
                              HasSubstr("    kind: GPUNode\n")));
  EXPECT_EQ(deliver({}).status, 64);
  EXPECT_EQ(deliver({"--image", "x", "--program-url", "https://x/y"}).status,
            64);
}

}  // namespace
}  // namespace gpunode::integration
