// Levels 5 and 6 of `gpunode verify` beside an API server, and what else it
// prints and writes.
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/command_runner.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/integration/bare_host.h"

namespace gpunode::integration {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kNodePath = "/api/v1/nodes/gpu-1";
constexpr const char* kPods = "/api/v1/namespaces/trials/pods";
constexpr const char* kSecret = "s3cr3t-t0ken";

class VerifyCluster : public testing::Test {
 protected:
  VerifyCluster() {
    bare_.tree.file(
        "kubeconfig",
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters:\n- name: k\n  cluster: {server: 'http://127.0.0.1:" +
            std::to_string(server_.port()) +
            "'}\ncontexts:\n- name: c\n  context: {cluster: k, user: "
            "u}\nusers:\n- name: u\n  user: {token: '" +
            kSecret + "'}\n");
    server_.put(
        kNodePath,
        R"({"kind":"Node","apiVersion":"v1","metadata":{"name":"gpu-1",)"
        R"("uid":"u1"},"spec":{},"status":{"conditions":[{"type":"Ready",)"
        R"("status":"True"}],"allocatable":{"nvidia.com/gpu":"4"}}})");
  }

  host::Completed run(const std::vector<std::string>& more) const {
    host::Command command;
    command.argv = {GPUNODE, "verify", "--root", bare_.tree.path()};
    command.argv.insert(command.argv.end(), more.begin(), more.end());
    auto done = host::SystemCommandRunner().run(command);
    EXPECT_TRUE(done) << done.error().message();
    return done ? *std::move(done) : host::Completed();
  }

  host::Completed run_pod(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {
        "--level", "6", "--kubeconfig", "/kubeconfig", "--namespace", "trials"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }

  /// The Pod that a run has made, as soon as it is there.
  std::string made_pod() const {
    for (std::size_t count = 1;; ++count) {
      server_.wait_for_requests(count);
      if (!server_.requests()[count - 1].starts_with("POST ")) continue;
      server_.wait_for_requests(count + 1);  // The first look at it.
      const std::string look = server_.requests()[count];
      return look.substr(look.find(' ') + 1);
    }
  }

  BareHost bare_;
  mutable kube::ApiServerDouble server_;
};

TEST_F(VerifyCluster, APodThatPassesIsTakenAwayAgain) {
  auto ended = std::async(std::launch::async, [&] { return run_pod(); });
  const std::string path = made_pod();
  EXPECT_THAT(path, StartsWith(std::string(kPods) + "/gpunode-verify-"));
  json pod = json::parse(server_.object(path), nullptr, false);
  EXPECT_THAT(server_.object(path), HasSubstr(R"("values":["gpu-1"])"));
  pod["status"] = {{"phase", "Succeeded"}};
  server_.put(path + "/log", R"({"log":"Test PASSED"})");
  server_.put(path, pod.dump());
  const host::Completed done = ended.get();
  EXPECT_THAT(done.out, AllOf(HasSubstr("pass  kubelet.allocatable"),
                              HasSubstr("pass  pod.vectoradd")))
      << done.err;
  EXPECT_EQ(server_.object(path), "");
  EXPECT_THAT(done.out + done.err, Not(HasSubstr(kSecret)));
}

TEST_F(VerifyCluster, APodThatDoesNotEndIsToldAndTakenAway) {
  auto ended = std::async(std::launch::async, [&] {
    return run_pod({"--pod-timeout", "1"});
  });
  const std::string path = made_pod();
  const host::Completed done = ended.get();
  EXPECT_EQ(done.status, 7);
  EXPECT_THAT(done.out, AllOf(HasSubstr("fail  pod.vectoradd"),
                              HasSubstr("not done in time")));
  EXPECT_EQ(server_.object(path), "");
}

TEST_F(VerifyCluster, WhoMayNotMakePodsIsToldSo) {
  server_.refuse(403, "Forbidden", 1, "", "POST");
  const host::Completed done = run_pod();
  EXPECT_EQ(done.status, 7);
  EXPECT_THAT(done.out, AllOf(HasSubstr("fail  pod.vectoradd"),
                              HasSubstr("--print-pod prints one")));
}

TEST_F(VerifyCluster, WithoutOnesOwnKubeconfigNoPodIsMade) {
  bare_.tree.file("etc/kubernetes/kubelet.conf", "");
  std::filesystem::copy_file(bare_.tree.path("kubeconfig"),
                             bare_.tree.path("etc/kubernetes/kubelet.conf"),
                             std::filesystem::copy_options::overwrite_existing);
  const host::Completed done = run({"--level", "6"});
  EXPECT_THAT(done.out, AllOf(HasSubstr("pass  kubelet.node"),
                              HasSubstr("skip  pod.vectoradd"),
                              HasSubstr("no --kubeconfig")));
  EXPECT_THAT(server_.requests(), Not(Contains(StartsWith("POST "))));
}

TEST_F(VerifyCluster, AHostInNoClusterIsToldSo) {
  const host::Completed done = run({"--level", "5"});
  EXPECT_EQ(done.status, 7);
  EXPECT_THAT(done.out, AllOf(HasSubstr("fail  kubelet.node"),
                              HasSubstr("this machine is in no cluster")));
}

TEST_F(VerifyCluster, WhoKnowsTheFirstLevelsAsksTheOthersAlone) {
  const host::Completed done =
      run({"--from", "5", "--level", "5", "--kubeconfig", "/kubeconfig"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(done.out, StartsWith("L5  kubelet\n"));
  EXPECT_EQ(run({"--from", "5"}).status, 64);
}

TEST_F(VerifyCluster, OfAnotherRootNothingIsStarted) {
  const host::Completed done = run({"--level", "7"});
  EXPECT_THAT(done.out, AllOf(HasSubstr("skip  container.vectoradd"),
                              HasSubstr("skip  diag.dcgm")));
}

TEST_F(VerifyCluster, StampsGoWithWhatFails) {
  bare_.tree.file("run/nvidia/validations/driver-ready", "old");
  bare_.tree.file("run/nvidia/validations/plugin-ready", "old");
  bare_.tree.file("run/nvidia/validations/toolkit-ready", "old");
  run({"--level", "5", "--stamps", "/run/nvidia/validations", "--kubeconfig",
       "/kubeconfig"});
  const auto has = [&](const char* name) {
    return std::filesystem::exists(
        bare_.tree.path(std::string("run/nvidia/validations/") + name));
  };
  EXPECT_FALSE(has("driver-ready"));  // There is no GPU.
  EXPECT_TRUE(has("toolkit-ready"));  // Level 4 was skipped.
  EXPECT_TRUE(has("plugin-ready"));
}

TEST_F(VerifyCluster, APodIsPrintedForOthersToApply) {
  const host::Completed done =
      run({"--print-pod", "--node-name", "w1", "--image", "own/vectoradd"});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(done.out,
              AllOf(StartsWith("apiVersion: v1\n"),
                    HasSubstr("image: own/vectoradd\n"), HasSubstr("- w1\n")));
}

}  // namespace
}  // namespace gpunode::integration
