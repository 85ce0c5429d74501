#include "node/provision/kubernetes_section.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/spec_file.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr const char* kHead =
    "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\n";
constexpr const char* kToken = "abcdef.0123456789abcdef";
constexpr const char* kHash =
    "sha256:"
    "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef";

SpecReading read(const std::string& yaml) {
  return read_spec({{"node.yaml", std::string(kHead) + yaml}});
}

/// A section with a good `join` but for `more`, which is of the flow style.
SpecReading read_join(const std::string& more) {
  return read("spec: {kubernetes: {version: \"1.25\", join: {" + more + "}}}");
}

TEST(KubernetesSection, IsReadWhole) {
  const SpecReading reading = read(std::string(R"(spec:
  kubernetes:
    version: "1.25.16"
    source: distribution
    join:
      endpoint: k8s.example:6443
      tokenFrom: {file: /etc/gpunode/join-token}
      caCertHashes: [")") + kHash + R"("]
      nodeIP: 10.0.0.7,fd00::7
      ignorePreflight: [NumCPU]
    labels: {nvidia.com/gpu.product: A10G, nvidia.com/gpu.present: "true"}
    taints: ["nvidia.com/gpu=present:NoSchedule", "own:NoExecute"]
)");
  EXPECT_THAT(reading.problems, IsEmpty());
  const KubernetesSpec& spec = reading.spec.kubernetes;
  EXPECT_TRUE(spec.is_wanted);
  EXPECT_EQ(spec.version, "1.25.16");
  EXPECT_EQ(spec.source, KubernetesSource::kDistribution);
  EXPECT_TRUE(spec.join.is_wanted);
  EXPECT_EQ(spec.join.endpoint, "k8s.example:6443");
  EXPECT_EQ(spec.join.token.file, "/etc/gpunode/join-token");
  EXPECT_THAT(spec.join.ca_cert_hashes,
              ElementsAre("sha256:0123456789abcdef0123456789abcdef0123456789abc"
                          "def0123456789abcdef"));
  EXPECT_EQ(spec.join.node_ip, "10.0.0.7,fd00::7");
  EXPECT_THAT(spec.join.ignored_checks, ElementsAre("NumCPU"));
  EXPECT_THAT(spec.labels, ElementsAre("nvidia.com/gpu.present=true",
                                       "nvidia.com/gpu.product=A10G"));
  EXPECT_THAT(spec.taints, ElementsAre("nvidia.com/gpu=present:NoSchedule",
                                       "own:NoExecute"));
  EXPECT_THAT(reading.spec.not_carried_out, IsEmpty());
}

TEST(KubernetesSection, WithoutItNothingIsWanted) {
  EXPECT_FALSE(read("spec: {host: {swap: keep}}").spec.kubernetes.is_wanted);
  const SpecReading packages = read("spec: {kubernetes: {version: v1.30}}");
  EXPECT_THAT(packages.problems, IsEmpty());
  EXPECT_EQ(packages.spec.kubernetes.version, "1.30");
  EXPECT_FALSE(packages.spec.kubernetes.join.is_wanted);
}

TEST(KubernetesSection, WhatCannotBeMeantIsToldWithItsPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"version: \"1\"", "no version of Kubernetes"},
      {"version: \"1.25.x\"", "no version of Kubernetes"},
      {"version: \"2.25\"", "no version of Kubernetes"},
      {"version: \"1.14\"", "from 1.15 on"},
      {"version: \"1.25\", source: google", "pkgs.k8s.io"},
      {"version: \"1.25\", labels: {\"a b\": c}", "it is no label"},
      {"version: \"1.25\", labels: {a: \"b,c=d\"}", "it is no label"},
      {"version: \"1.25\", labels: {node-role.kubernetes.io/gpu: \"\"}",
       "kubectl label node NAME node-role.kubernetes.io/gpu="},
      {"version: \"1.25\", labels: {node-restriction.kubernetes.io/a: b}",
       "a node may not give itself this label"},
      {"version: \"1.25\", labels: {x.k8s.io/a: b}", "may not give itself"},
      {"version: \"1.25\", taints: [\"gpu\"]", "\"gpu\" is no taint"},
      {"version: \"1.25\", taints: [\"gpu=a:Never\"]", "NoExecute"},
      {"version: \"1.25\", lables: {}", "labels"},
  };
  for (const auto& [yaml, words] : cases) {
    const SpecReading reading = read("spec: {kubernetes: {" + yaml + "}}");
    ASSERT_THAT(reading.problems, SizeIs(1)) << yaml;
    EXPECT_THAT(reading.problems[0],
                AllOf(HasSubstr("node.yaml:3:"), HasSubstr(words)))
        << yaml;
  }
}

TEST(KubernetesSection, LabelsThatKubeletsMaySetAreTaken) {
  const SpecReading reading = read(
      "spec: {kubernetes: {version: \"1.25\", labels: "
      "{topology.kubernetes.io/zone: a, node.kubernetes.io/x: b, "
      "sub.kubelet.kubernetes.io/y: c, notkubernetes.io/z: d}}}");
  EXPECT_THAT(reading.problems, IsEmpty());
  EXPECT_THAT(reading.spec.kubernetes.labels, SizeIs(4));
}

TEST(KubernetesSection, AJoinThatCannotBeMeantIsTold) {
  const std::string good = "endpoint: \"10.0.0.1:6443\", tokenFrom: {env: T}, ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {good + "caCertHashes: [\"sha256:12\"]", "no digest of a CA's key"},
      {good + "caCertHashes: [\"md5:12\"]", "no digest of a CA's key"},
      {good + "unsafeSkipCAVerification: true, nodeIP: 10.0.0",
       "no address of this host"},
      {good + "unsafeSkipCAVerification: true, ignorePreflight: [\"a b\"]",
       "no check of kubeadm's"},
      {"endpoint: 10.0.0.1, tokenFrom: {env: T}, unsafeSkipCAVerification: "
       "true",
       "no address of an API server"},
      {"endpoint: \"https://10.0.0.1:6443\", tokenFrom: {env: T}, "
       "unsafeSkipCAVerification: true",
       "no address of an API server"},
      {"discoveryFile: d.conf", "absolute path"},
      {"endpoint: \"10.0.0.1:6443\", unsafeSkipCAVerification: true, "
       "tokenFrom: {file: t}",
       "absolute path"},
      {"endpoint: \"10.0.0.1:6443\", unsafeSkipCAVerification: true, "
       "tokenFrom: {exec: [vault, read]}",
       "no shell is asked"},
      {"endpoint: \"10.0.0.1:6443\", unsafeSkipCAVerification: true, "
       "tokenFrom: {env: T, file: /t}",
       "one of `file`, `env` and `exec`"},
      // Of the whole file.
      {good, "`caCertHashes` is missing"},
      {good + "caCertHashes: [\"" + kHash +
           "\"], unsafeSkipCAVerification: true",
       "contradict each other"},
      {"tokenFrom: {env: T}, unsafeSkipCAVerification: true",
       "`endpoint` is missing"},
      {"endpoint: \"10.0.0.1:6443\", unsafeSkipCAVerification: true",
       "`tokenFrom` is missing"},
      {"discoveryFile: /d.conf, endpoint: \"10.0.0.1:6443\"",
       "do not go with it"},
  };
  for (const auto& [yaml, words] : cases) {
    const SpecReading reading = read_join(yaml);
    ASSERT_THAT(reading.problems, SizeIs(1)) << yaml;
    EXPECT_THAT(reading.problems[0], HasSubstr(words)) << yaml;
  }
}

TEST(KubernetesSection, ATokenInTheFileIsRefusedAndNotQuoted) {
  for (const std::string& place :
       {std::string("token: ") + kToken,
        std::string("tokenFrom: {file: ") + kToken + "}",
        std::string("tokenFrom: {env: ") + kToken + "}",
        std::string("tokenFrom: {exec: [/bin/echo, ") + kToken + "]}",
        std::string("tokenFrom: {exec: [/bin/sh, -c, \"echo ") + kToken +
            "\"]}",
        std::string("tokenFrom: {exec: [/bin/x, \"--token=") + kToken + ";\"]}",
        std::string("tokenFrom: {exec: [/bin/x, -n") + kToken + "]}"}) {
    const SpecReading reading = read_join(
        "endpoint: \"10.0.0.1:6443\", unsafeSkipCAVerification: true, " +
        place);
    ASSERT_FALSE(reading.problems.empty()) << place;
    EXPECT_THAT(reading.problems[0],
                AllOf(HasSubstr("mode 0600"), Not(HasSubstr("0123456789"))));
  }
}

TEST(KubernetesSection, NamesWithDotsAreNoTokens) {
  const SpecReading reading = read_join(
      "endpoint: \"10.0.0.1:6443\", unsafeSkipCAVerification: true, "
      "tokenFrom: {exec: [/opt/vault/bin.2/read, "
      "\"--at=https://secrets.internalcompanynames.example:8200\", a.b]}");
  EXPECT_THAT(reading.problems, IsEmpty());
}

TEST(KubernetesSection, ADropInMayHaveThePartOfTheWhole) {
  const SpecReading reading = read_spec(
      {{"node.yaml", std::string(kHead) +
                         "spec: {kubernetes: {version: \"1.25\", labels: {a: "
                         "b}}}"},
       {"conf.d/join.yaml",
        "spec: {kubernetes: {labels: {c: d}, join: {endpoint: \"a:6443\", "
        "tokenFrom: {file: /t}, unsafeSkipCAVerification: true}}}"}});
  EXPECT_THAT(reading.problems, IsEmpty());
  EXPECT_TRUE(reading.spec.kubernetes.join.is_wanted);
  EXPECT_THAT(reading.spec.kubernetes.labels, ElementsAre("a=b", "c=d"));
}

TEST(KubernetesSection, MinorVersions) {
  EXPECT_EQ(kubernetes_minor("1.25"), 25);
  EXPECT_EQ(kubernetes_minor("1.25.16"), 25);
  EXPECT_EQ(kubernetes_minor("1."), -1);
  EXPECT_EQ(kubernetes_minor("1.25."), -1);
  EXPECT_EQ(kubernetes_minor("1.25.1.1"), -1);
  EXPECT_EQ(kubernetes_minor(""), -1);
}

}  // namespace
}  // namespace gpunode::provision
