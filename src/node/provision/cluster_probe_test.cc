#include "node/provision/cluster_probe.h"

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/cluster/cluster_double.h"

namespace gpunode::provision {
namespace {

using kube::ClusterDouble;
using kube::ClusterManner;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kInfo =
    "GET /api/v1/namespaces/kube-public/configmaps/cluster-info";

std::chrono::sys_seconds now() {
  return std::chrono::time_point_cast<std::chrono::seconds>(
      std::chrono::system_clock::now());
}

JoinQuestion question_of(const ClusterDouble& cluster) {
  JoinQuestion question;
  question.endpoint = cluster.endpoint();
  question.ca_cert_hashes = {cluster.ca_hash()};
  question.token = BootstrapToken{"abcdef", "0123456789abcdef"};
  question.node = "gpu-1";
  question.version = "1.25.16";
  return question;
}

TEST(ClusterProbe, AClusterThatCanBeJoinedSaysItsVersion) {
  ClusterManner manner;
  manner.cgroup_driver = "systemd";
  const ClusterDouble cluster(manner);
  const auto answer = ask_cluster(question_of(cluster), now());
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->version, "1.25.3");
  EXPECT_EQ(answer->cgroup_driver, "systemd");
  // The token is shown to nobody who is not proven.
  EXPECT_EQ(cluster.requests().front(), kInfo);
  EXPECT_THAT(cluster.requests(), Contains("GET /version known"));
}

struct Case {
  const char* name;
  std::function<void(ClusterManner&)> spoil;
  std::function<void(JoinQuestion&)> ask;
  std::vector<std::string> words;
};

TEST(ClusterProbe, EachFailureHasItsWordsAndTheNextCommand) {
  const std::vector<Case> cases = {
      {"expired token",
       [](auto& m) { m.has_signature = false; },
       {},
       {"abcdef", "has expired", "kubeadm token create --print-join-command"}},
      {"wrong token",
       [](auto& m) { m.signing_secret = "another"; },
       {},
       {"not signed by the token abcdef", "kubeadm token create"}},
      {"no authentication",
       [](auto& m) { m.takes_token = false; },
       {},
       {"does not take the token abcdef", "kubeadm token create"}},
      {"wrong CA",
       {},
       [](auto& q) { q.ca_cert_hashes = {"sha256:00"}; },
       {"caCertHashes", "sha256:", "--print-join-command"}},
      {"wrong name",
       [](auto& m) { m.certificate_names = "DNS:other.example"; },
       {},
       {"certificate of the API server", "openssl s_client"}},
      {"clock behind",
       [](auto& m) { m.clock_offset = 3600; },
       {},
       {"clock is 60 minutes behind", "timedatectl"}},
      {"clock ahead",
       [](auto& m) { m.clock_offset = -100'000; },
       {},
       {"clock is 27 hours ahead of", "expired"}},
      {"not kubeadm's",
       [](auto& m) { m.info_status = 404; },
       {},
       {"was not made by kubeadm", "discoveryFile"}},
      {"not for anybody",
       [](auto& m) { m.info_status = 403; },
       {},
       {"does not show cluster-info", "discoveryFile"}},
      {"not well",
       [](auto& m) { m.info_status = 500; },
       {},
       {"says 500", "readyz"}},
      {"kubelet too new",
       [](auto& m) { m.version = "v1.24.17"; },
       {},
       {"may not be newer", "version: \"1.24\""}},
      {"kubelet too old",
       [](auto& m) { m.version = "v1.28.0-eks-1"; },
       [](auto& q) { q.version = "1.24.1"; },
       {"at most 3 minor versions", "version: \"1.28\""}},
      {"name taken",
       [](auto& m) { m.ready_node = "gpu-1"; },
       {},
       {"Node gpu-1 already", "hostnamectl", "kubectl delete node gpu-1"}},
      {"nobody there",
       {},
       [](auto& q) { q.endpoint = "127.0.0.1:1"; },
       {"does not answer at 127.0.0.1:1", "curl -k"}},
      {"no such name",
       {},
       [](auto& q) { q.endpoint = "no-such-host.invalid:6443"; },
       {"no-such-host.invalid is not found", "getent hosts"}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    ClusterManner manner;
    if (one.spoil) one.spoil(manner);
    const ClusterDouble cluster(manner);
    JoinQuestion question = question_of(cluster);
    if (one.ask) one.ask(question);
    const auto answer = ask_cluster(question, now());
    ASSERT_FALSE(answer);
    for (const std::string& words : one.words) {
      EXPECT_THAT(answer.error().message(), HasSubstr(words));
    }
    EXPECT_THAT(answer.error().message(),
                AllOf(HasSubstr("next: "), Not(HasSubstr("0123456789"))));
    // The run would take this for a host that changed.
    EXPECT_NE(answer.error().code(), ErrorCode::kAlreadyExists);
  }
}

TEST(ClusterProbe, AnyCaWillDoWhereTheFileSaysSo) {
  const ClusterDouble cluster;
  JoinQuestion question = question_of(cluster);
  question.ca_cert_hashes.clear();
  question.trusts_any_ca = true;
  EXPECT_TRUE(ask_cluster(question, now()));
}

TEST(ClusterProbe, ADiscoveryFileStandsForEndpointAndCa) {
  const ClusterDouble cluster;
  JoinQuestion question = question_of(cluster);
  question.endpoint.clear();
  question.ca_cert_hashes.clear();
  question.discovered =
      ClusterInfo{"https://" + cluster.endpoint(), cluster.ca_pem(), ""};
  const auto answer = ask_cluster(question, now());
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_THAT(cluster.requests(), Not(Contains(std::string(kInfo))));
  // A CA of somebody else's.
  question.discovered->authority = ClusterDouble().ca_pem();
  EXPECT_FALSE(ask_cluster(question, now()));
}

TEST(ClusterProbe, ADiscoveryFileGivesTheTokenToNobodyUnproven) {
  const ClusterDouble cluster;
  JoinQuestion question = question_of(cluster);
  question.endpoint.clear();
  question.ca_cert_hashes.clear();
  const std::vector<std::pair<ClusterInfo, std::string>> cases = {
      {{"http://" + cluster.endpoint(), cluster.ca_pem(), ""}, "clear text"},
      {{"https://" + cluster.endpoint(), "", ""}, "has no CA"},
      {{"https://" + cluster.endpoint(), "no PEM\n", ""}, "has no CA"},
  };
  for (const auto& [info, words] : cases) {
    question.discovered = info;
    const auto answer = ask_cluster(question, now());
    ASSERT_FALSE(answer) << words;
    EXPECT_THAT(answer.error().message(),
                AllOf(HasSubstr(words), HasSubstr("discoveryFile"),
                      HasSubstr("next: "), Not(HasSubstr("0123456789"))));
  }
  EXPECT_TRUE(cluster.requests().empty());
}

TEST(ClusterProbe, VersionsThatGoTogether) {
  EXPECT_EQ(skew_words(25, 25), "");
  EXPECT_EQ(skew_words(23, 25), "");
  EXPECT_NE(skew_words(22, 25), "");
  EXPECT_EQ(skew_words(25, 28), "");
  EXPECT_NE(skew_words(24, 28), "");
  EXPECT_NE(skew_words(26, 25), "");
  EXPECT_EQ(skew_words(-1, 25), "");
}

}  // namespace
}  // namespace gpunode::provision
