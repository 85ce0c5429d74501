// `gpunode check` on whole hosts and beside an API server: what it finds, whom
// it tells, and that it changes nothing.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"
#include "base/http/scripted_server.h"
#include "base/http/test_certificates.h"
#include "base/text/base64.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/integration/bare_host.h"

namespace gpunode::integration {
namespace {

using host::HostTree;
using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr long kDay = 86400;
constexpr const char* kNodePath = "/api/v1/nodes/gpu-1";
std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Every file below `root` with its content.
std::map<std::string, std::string> files_of(const std::string& root) {
  std::map<std::string, std::string> files;
  for (const auto& one : std::filesystem::recursive_directory_iterator(root)) {
    files[one.path()] = one.is_regular_file() ? read_file(one.path()) : "";
  }
  return files;
}

class CheckTest : public testing::Test {
 protected:
  host::Completed check(const std::vector<std::string>& more = {}) {
    host::Command command;
    command.argv = {GPUNODE, "check", "--root", host_.path()};
    command.argv.insert(command.argv.end(), more.begin(), more.end());
    host::SystemCommandRunner runner;
    auto done = runner.run(command);
    EXPECT_TRUE(done) << done.error().message();
    return done ? *done : host::Completed{-1, "", ""};
  }

  json check_json(std::vector<std::string> more = {}) {
    more.emplace_back("--json");
    return json::parse(check(more).out);
  }

  /// A kubeconfig for the double, as whoever has `token`.
  std::string kubeconfig(std::uint16_t port, const std::string& token,
                         const std::string& name = "127.0.0.1") {
    host_.file("etc/kubernetes/double.kubeconfig",
               "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
               "clusters:\n- name: k\n  cluster: {server: 'http://" +
                   name + ":" + std::to_string(port) +
                   "'}\ncontexts:\n- name: c\n  context: {cluster: k, user: "
                   "u}\nusers:\n- name: u\n  user: {token: '" +
                   token + "'}\n");
    return "--kubeconfig=/etc/kubernetes/double.kubeconfig";
  }

  BareHost bare_;
  HostTree& host_ = bare_.tree;
};

std::vector<std::string> reasons_of(const json& report) {
  std::vector<std::string> reasons;
  for (const json& one : report["findings"]) reasons.push_back(one["reason"]);
  return reasons;
}

TEST_F(CheckTest, AHostThatIsFineHasNothingToTell) {
  const host::Completed done = check();
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(done.out,
              AllOf(HasSubstr("no such file"), HasSubstr("with nvidia loaded"),
                    HasSubstr("Nothing to tell.\n")));
  EXPECT_THAT(done.err, IsEmpty());
}

TEST_F(CheckTest, AnUpdatedKernelWithoutItsModuleIsTold) {
  bare_.kernel("4.18.0-553.el8.x86_64");
  EXPECT_EQ(check().status, 2);
  EXPECT_THAT(reasons_of(check_json()), Contains("KernelWithoutModule"));
  bare_.module("4.18.0-553.el8.x86_64");
  EXPECT_EQ(check().status, 0);
}

TEST_F(CheckTest, CertificatesAreTold) {
  const http::TestAuthority authority("kubernetes");
  const auto put = [&](long left) {
    const auto made = authority.issue("DNS:gpu-1", left - 365 * kDay, left);
    host_.file("var/lib/kubelet/pki/kubelet-client-current.pem",
               made.certificate_pem + made.key_pem);
  };
  put(40 * kDay);
  EXPECT_EQ(check().status, 0);
  EXPECT_EQ(check({"--certificate-days", "41"}).status, 2);
  put(10 * kDay);
  EXPECT_THAT(reasons_of(check_json()), Contains("CertificateExpiring"));
  put(-10);
  EXPECT_THAT(reasons_of(check_json()), Contains("CertificateExpired"));
  EXPECT_THAT(check().out, Not(HasSubstr("PRIVATE")));
}

TEST_F(CheckTest, WhatIsNotAsTheFileSaysIsTold) {
  host_.file("etc/gpunode/node.yaml", kSmallSpec);
  host_.file("proc/swaps",
             "Filename Type Size Used Priority\n/swapfile file 1024 0 -2\n");
  const host::Completed done = check();
  EXPECT_EQ(done.status, 2) << done.err;
  EXPECT_THAT(done.out, HasSubstr("~ prep.swap"));
  const json report = check_json();
  EXPECT_THAT(reasons_of(report), Contains("NotAsDeclared"));
  EXPECT_EQ(report["node"]["file"], "/etc/gpunode/node.yaml");
  // A run is under way: what it has yet to do is no news.
  host_.file("var/lib/gpunode/pending",
             R"({"run":"r","spec":"/etc/gpunode/node.yaml",)"
             R"("confirmed_wipes":[],"only":[],"overwrite_drift":false})");
  EXPECT_THAT(reasons_of(check_json()), testing::ElementsAre("RunPending"));
}

// What a run needs before it begins says nothing of the node: to the timer's
// unit, which may write nothing, "/" is read-only.
TEST_F(CheckTest, WhatOnlyARunNeedsIsNotTold) {
  host_.file("etc/gpunode/node.yaml", kSmallSpec);
  host_.file("proc/swaps",
             "Filename Type Size Used Priority\n/swapfile file 1024 0 -2\n");
  host_.file("proc/stat", "cpu 0\nbtime 1\n");
  host_.file("proc/uptime", "1.00 1.00\n");
  const host::Completed done = check();
  EXPECT_EQ(done.status, 2) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("~ prep.swap"),
                              Not(HasSubstr("host.preflight"))));
  EXPECT_THAT(check_json().dump(), Not(HasSubstr("host.preflight")));
}

TEST_F(CheckTest, AFileThatCannotBeReadIsToldAndTheRestIsChecked) {
  host_.file("etc/gpunode/node.yaml", "kind: GPUNode\nspek: {}\n");
  bare_.kernel("4.18.0-553.el8.x86_64");
  const host::Completed done = check();
  EXPECT_EQ(done.status, 2);
  EXPECT_THAT(done.err, HasSubstr("spek"));
  EXPECT_THAT(reasons_of(check_json()),
              testing::ElementsAre("KernelWithoutModule", "PlanUnknown"));
}

// The timer names it: that it is gone is no reason to be silent.
TEST_F(CheckTest, AFileThatIsNamedMustBeThere) {
  const json report = check_json({"/etc/gpunode/node.yaml"});
  EXPECT_THAT(reasons_of(report), testing::ElementsAre("PlanUnknown"));
  EXPECT_THAT(report["node"]["problem"], HasSubstr("/etc/gpunode/node.yaml"));
}

TEST_F(CheckTest, ChangesNothing) {
  host_.file("etc/gpunode/node.yaml", kSmallSpec);
  bare_.kernel("4.18.0-553.el8.x86_64");
  const auto before = files_of(host_.path());
  EXPECT_EQ(check().status, 2);
  EXPECT_EQ(files_of(host_.path()), before);
}

TEST_F(CheckTest, MetricsAreWrittenWholeAndForEverybody) {
  const HostTree out;
  const std::string path = out.path("gpunode.prom");
  out.file("gpunode.prom", "of before\n");
  EXPECT_EQ(check({"--metrics-file", path}).status, 0);
  EXPECT_THAT(read_file(path),
              AllOf(HasSubstr("\ngpunode_check_timestamp_seconds 1"),
                    Not(HasSubstr("of before"))));
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0644U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(out.path()), {}),
            1);
  const host::Completed failed =
      check({"--metrics-file", out.path("absent/gpunode.prom")});
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err, HasSubstr("absent"));
  EXPECT_THAT(failed.out, HasSubstr("Nothing to tell"));
}

class CheckConditionTest : public CheckTest {
 protected:
  CheckConditionTest() {
    api_.put(kNodePath,
             R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"gpu-1",)"
             R"("uid":"u-1"},"status":{"conditions":[{"type":"Ready",)"
             R"("status":"True"}]}})");
  }

  /// With the metrics that were written meanwhile.
  json check_node(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {kubeconfig(api_.port(), token_),
                                      "--metrics-file",
                                      out_.path("gpunode.prom")};
    words.insert(words.end(), more.begin(), more.end());
    return check_json(words);
  }

  json condition() {
    const json node = json::parse(api_.object(kNodePath));
    for (const json& one : node["status"]["conditions"]) {
      if (one["type"] == "GpuNodeNeedsAttention") return one;
    }
    return {};
  }

  std::string metrics() { return read_file(out_.path("gpunode.prom")); }

  void expect_told(const json& report, const char* words) {
    EXPECT_EQ(report["condition"]["end"], "failed");
    EXPECT_THAT(report["condition"]["words"], HasSubstr(words));
    EXPECT_THAT(metrics(), HasSubstr("gpunode_node_condition_written 0\n"));
    EXPECT_TRUE(condition().is_null());
  }

  kube::ApiServerDouble api_;
  HostTree out_;
  std::string token_ = "of-the-kubelet";
};

TEST_F(CheckConditionTest, TheNodeHasIt) {
  api_.require_token(token_);
  const json report = check_node();
  EXPECT_EQ(report["condition"]["end"], "written") << report;
  EXPECT_EQ(report["condition"]["node"], "gpu-1");
  EXPECT_THAT(metrics(), HasSubstr("gpunode_node_condition_written 1\n"));
  const json fine = condition();
  EXPECT_EQ(fine["status"], "False");
  EXPECT_EQ(fine["reason"], "AsDeclared");
  EXPECT_EQ(fine["lastTransitionTime"], fine["lastHeartbeatTime"]);

  bare_.kernel("4.18.0-553.el8.x86_64");
  check_node();
  const json bad = condition();
  EXPECT_EQ(bad["status"], "True");
  EXPECT_EQ(bad["reason"], "KernelWithoutModule");
  EXPECT_THAT(bad["message"], HasSubstr("4.18.0-553"));
  EXPECT_THAT(api_.object(kNodePath), HasSubstr(R"("type":"Ready")"));
  // Nobody else's Node, and nothing but its status.
  EXPECT_THAT(
      api_.requests(),
      testing::ElementsAre(std::string("GET ") + kNodePath,
                           "PATCH " + (kNodePath + std::string("/status")),
                           std::string("GET ") + kNodePath,
                           "PATCH " + (kNodePath + std::string("/status"))));
}

// The program is static: libc's own look-up would load the host's libnss_*.
TEST_F(CheckConditionTest, TheServersNameIsLookedUp) {
  const json report =
      check_json({kubeconfig(api_.port(), token_, "localhost")});
  EXPECT_EQ(report["condition"]["end"], "written") << report;
  const json none = check_json({kubeconfig(api_.port(), token_, "no.invalid")});
  EXPECT_THAT(none["condition"]["words"], HasSubstr("look up no.invalid"));
}

TEST_F(CheckConditionTest, WhatIsStillSoKeepsItsTime) {
  api_.put(kNodePath,
           R"({"kind":"Node","metadata":{"name":"gpu-1"},"status":{)"
           R"("conditions":[{"type":"GpuNodeNeedsAttention","status":"False",)"
           R"("lastTransitionTime":"2026-01-02T03:04:05Z"}]}})");
  check_node();
  EXPECT_EQ(condition()["lastTransitionTime"], "2026-01-02T03:04:05Z");
  EXPECT_NE(condition()["lastHeartbeatTime"], "2026-01-02T03:04:05Z");
}

TEST_F(CheckConditionTest, WhoIsNotKnownIsToldSo) {
  api_.require_token("another");
  expect_told(check_node(), "says 401");
}

TEST_F(CheckConditionTest, WhoMayNotIsToldSo) {
  api_.refuse(403, "Forbidden", 9, "", "PATCH");
  const json report = check_node();
  expect_told(report, "says 403");
  EXPECT_THAT(report["condition"]["words"], HasSubstr("next: "));
}

TEST_F(CheckConditionTest, ANodeThatIsNotThereIsToldSo) {
  expect_told(check_node({"--node-name", "other"}), "nodes/other");
}

TEST_F(CheckConditionTest, ANameThatIsNoneReachesNobody) {
  expect_told(check_node({"--node-name", "a/../../pods"}), "");
  EXPECT_THAT(api_.requests(), IsEmpty());
}

TEST_F(CheckConditionTest, ABusyServerIsNotWaitedFor) {
  api_.refuse(503, "ServiceUnavailable", 9, "Retry-After: 3600\r\n");
  expect_told(check_node(), "says 503");
}

TEST_F(CheckConditionTest, AServerThatSaysNothingIsNotWaitedFor) {
  api_.be_silent(true);
  expect_told(check_node({"--api-timeout", "1"}), "answer");
}

TEST_F(CheckConditionTest, AServerThatIsAwayIsToldSo) {
  api_.be_away(true);
  expect_told(check_node(), "127.0.0.1");
}

TEST_F(CheckConditionTest, OfAnotherRootNobodyIsToldUnasked) {
  kubeconfig(api_.port(), token_);
  std::filesystem::rename(host_.path("etc/kubernetes/double.kubeconfig"),
                          host_.path("etc/kubernetes/kubelet.conf"));
  EXPECT_EQ(check_json()["condition"]["end"], "not-asked");
  EXPECT_THAT(api_.requests(), IsEmpty());
}

TEST_F(CheckConditionTest, OfAnotherRootNoProgramIsRun) {
  const std::string ran = out_.path("ran");
  host_.file("etc/kubernetes/exec.kubeconfig",
             "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
             "clusters:\n- name: k\n  cluster: {server: 'http://127.0.0.1:1'}\n"
             "contexts:\n- name: c\n  context: {cluster: k, user: u}\n"
             "users:\n- name: u\n  user:\n    exec:\n      apiVersion: "
             "client.authentication.k8s.io/v1\n      command: /usr/bin/touch\n"
             "      args: ['" +
                 ran + "']\n");
  const json report =
      check_json({"--kubeconfig", "/etc/kubernetes/exec.kubeconfig"});
  EXPECT_EQ(report["condition"]["end"], "failed");
  EXPECT_FALSE(std::filesystem::exists(ran));
}

TEST_F(CheckTest, AKubeconfigThatIsNamedMustBeThere) {
  const json report = check_json({"--kubeconfig", "/etc/kubernetes/none"});
  EXPECT_EQ(report["condition"]["end"], "failed");
  EXPECT_EQ(check({"--no-condition"}).status, 0);
}

// As kubeadm leaves a node: the kubelet's certificate, over TLS, says whose
// Node it is.
TEST_F(CheckTest, TheKubeletsCertificateNamesTheNode) {
  const http::TestAuthority authority("kubernetes");
  const auto server = authority.issue("IP:127.0.0.1");
  const auto kubelet =
      authority.issue("DNS:x", -kDay, 300 * kDay, "system:node:gpu-7");
  const http::ServerTls tls{server.certificate_pem, server.key_pem,
                            authority.pem()};
  std::vector<std::string> heads;
  {
    const http::ScriptedServer api(
        [&](http::Peer& peer, int) {
          for (std::string request = peer.receive(); !request.empty();
               request = peer.receive()) {
            heads.push_back(request);
            const std::string body =
                R"({"kind":"Node","metadata":{"name":"gpu-7"}})";
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: " +
                      std::to_string(body.size()) + "\r\n\r\n" + body);
          }
        },
        &tls);
    host_.file("var/lib/kubelet/pki/kubelet-client-current.pem",
               kubelet.certificate_pem + kubelet.key_pem);
    host_.file(
        "etc/kubernetes/kubelet.conf",
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: "
        "k\n  cluster:\n    server: https://127.0.0.1:" +
            std::to_string(api.port()) + "\n    certificate-authority-data: " +
            text::encode_base64(authority.pem()) +
            "\ncontexts:\n- name: c\n  context: {cluster: k, user: u}\nusers:\n"
            "- name: u\n  user:\n    client-certificate: "
            "/var/lib/kubelet/pki/kubelet-client-current.pem\n    client-key: "
            "/var/lib/kubelet/pki/kubelet-client-current.pem\n");
    const json report =
        check_json({"--kubeconfig", "/etc/kubernetes/kubelet.conf"});
    EXPECT_EQ(report["condition"]["end"], "written") << report;
    EXPECT_EQ(report["condition"]["node"], "gpu-7");
  }
  ASSERT_EQ(heads.size(), 2U);
  EXPECT_THAT(heads[0], HasSubstr("GET /api/v1/nodes/gpu-7 "));
  EXPECT_THAT(heads[1],
              AllOf(HasSubstr("PATCH /api/v1/nodes/gpu-7/status "),
                    HasSubstr("application/strategic-merge-patch+json")));
}

}  // namespace
}  // namespace gpunode::integration
