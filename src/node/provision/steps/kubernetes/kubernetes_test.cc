#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/http/test_certificates.h"
#include "base/text/base64.h"
#include "node/provision/action_json.h"
#include "node/provision/cluster_info.h"
#include "node/provision/file_plan.h"
#include "node/provision/steps/kubernetes/join_config.h"
#include "node/provision/steps/kubernetes/node_identity.h"
#include "node/provision/steps/steps.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::vector<std::string> words_of(const StepPlan& plan) {
  std::vector<std::string> words;
  for (const Action& action : plan.actions) words.push_back(describe(action));
  return words;
}

/// A Rocky 8 that asks for Kubernetes 1.25.
struct KubernetesHost : TrialHost {
  KubernetesHost() {
    spec.kubernetes.is_wanted = true;
    spec.kubernetes.version = "1.25";
    spec.kubernetes.labels = {"nvidia.com/gpu.present=true",
                              "nvidia.com/gpu.product=A10G"};
    spec.kubernetes.taints = {"nvidia.com/gpu=present:NoSchedule"};
    facts.files["/proc/sys/kernel/hostname"].content = "GPU-1\n";
  }

  void debian() {
    facts.os.id = "debian";
    facts.os.id_like.clear();
    facts.os.version_id = "12";
  }
  void install(const std::string& version) {
    facts.packages["kubelet"] = {version};
    facts.packages["kubeadm"] = {version};
    facts.units["kubelet.service"] = {"loaded", "inactive", "enabled"};
  }
  void wants_join() {
    JoinSpec& join = spec.kubernetes.join;
    join.is_wanted = true;
    join.endpoint = "10.0.0.10:6443";
    join.token.file = "/etc/gpunode/join-token";
    join.ca_cert_hashes = {key_hashes(ca.pem()).front()};
  }
  /// kubeadm's kubelet.conf.
  void is_node_of(const http::TestAuthority& authority,
                  const std::string& server) {
    facts.files[kKubeletConf].content =
        "apiVersion: v1\nclusters:\n- cluster:\n    "
        "certificate-authority-data: " +
        text::encode_base64(authority.pem()) + "\n    server: " + server +
        "\n  name: default-cluster\ncontexts:\n- context:\n    cluster: "
        "default-cluster\n    user: default-auth\n  name: default-context\n"
        "current-context: default-context\nkind: Config\nusers:\n- name: "
        "default-auth\n  user:\n    client-certificate: "
        "/var/lib/kubelet/pki/kubelet-client-current.pem\n    client-key: "
        "/var/lib/kubelet/pki/kubelet-client-current.pem\n";
  }

  http::TestAuthority ca{"kubernetes"};
};

TEST(KubernetesPackages, ComeFromTheMinorVersionsRepositoryAndAreHeld) {
  KubernetesHost host;
  const StepPlan plan = host.plan(*make_kubernetes_packages());
  ASSERT_THAT(plan.actions, SizeIs(6));
  const auto& key = std::get<FetchKey>(plan.actions[0]);
  EXPECT_EQ(key.url,
            "https://pkgs.k8s.io/core:/stable:/v1.25/rpm/repodata/"
            "repomd.xml.key");
  EXPECT_THAT(key.fingerprints,
              ElementsAre("DE15B14486CD377B9E876E1A234654DA9A296436"));
  const auto& file = std::get<WriteFile>(plan.actions[1]);
  EXPECT_EQ(file.path, "/etc/yum.repos.d/gpunode-kubernetes.repo");
  EXPECT_THAT(file.content,
              HasSubstr("https://pkgs.k8s.io/core:/stable:/v1.25/rpm\n"));
  EXPECT_THAT(file.content, HasSubstr("gpgcheck=1"));
  const auto& set = std::get<InstallSet>(plan.actions[2]);
  EXPECT_THAT(set.packages, ElementsAre("kubelet", "kubeadm"));
  EXPECT_EQ(set.version, "1.25");
  EXPECT_EQ(set.from, "gpunode-kubernetes");
  EXPECT_EQ(describe(plan.actions[3]),
            "install python3-dnf-plugin-versionlock");
  EXPECT_THAT(std::get<HoldPackages>(plan.actions[4]).packages,
              ElementsAre("kubelet", "kubeadm"));
  EXPECT_EQ(std::get<SetUnit>(plan.actions[5]).unit, "kubelet.service");
}

TEST(KubernetesPackages, OfDebianComeByAptWithAMirrorOfTheFile) {
  KubernetesHost host;
  host.debian();
  host.spec.kubernetes.version = "1.30.4";
  host.spec.mirrors["https://pkgs.k8s.io"] = "http://mirror.example/k8s";
  const StepPlan plan = host.plan(*make_kubernetes_packages());
  ASSERT_THAT(plan.actions, SizeIs(5));
  EXPECT_EQ(std::get<FetchKey>(plan.actions[0]).url,
            "http://mirror.example/k8s/core:/stable:/v1.30/deb/Release.key");
  EXPECT_THAT(std::get<WriteFile>(plan.actions[1]).content,
              HasSubstr("http://mirror.example/k8s/core:/stable:/v1.30/deb/"));
  EXPECT_EQ(std::get<InstallSet>(plan.actions[2]).version, "1.30.4");
  EXPECT_EQ(std::get<InstallSet>(plan.actions[2]).from,
            "mirror.example/k8s/core:/stable:/v1.30/deb");
}

TEST(KubernetesPackages, AreLeftWhereTheyAreAsWanted) {
  for (const bool is_debian : {true, false}) {
    KubernetesHost host;
    if (is_debian) host.debian();
    host.spec.kubernetes.source = KubernetesSource::kDistribution;
    host.carry_out(host.plan(*make_kubernetes_packages()));
    host.facts.units["kubelet.service"].unit_file_state = "enabled";
    const StepPlan again = host.plan(*make_kubernetes_packages());
    EXPECT_EQ(again.state, StepState::kOk) << again.why;
  }
}

TEST(KubernetesPackages, WhatBlocksThemIsToldWithWhatToDo) {
  KubernetesHost old;
  old.spec.kubernetes.version = "1.20";
  StepPlan plan = old.plan(*make_kubernetes_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("source: preinstalled"));

  KubernetesHost bundled;
  bundled.spec.bundle = "/srv/bundle";
  EXPECT_THAT(bundled.plan(*make_kubernetes_packages()).fix,
              HasSubstr("gpunode bundle"));

  KubernetesHost missing;
  missing.spec.kubernetes.source = KubernetesSource::kPreinstalled;
  missing.facts.units["kubelet.service"] = {"not-found", "inactive", ""};
  plan = missing.plan(*make_kubernetes_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  missing.facts.units["kubelet.service"] = {"loaded", "inactive", "disabled"};
  EXPECT_THAT(words_of(missing.plan(*make_kubernetes_packages())),
              ElementsAre("enable kubelet.service"));
}

TEST(KubernetesPackages, GooglesOldRepositoryIsToldOf) {
  struct Case {
    const char* path;
    const char* content;
    bool blocks;
  };
  for (const Case& one :
       {Case{"/etc/apt/sources.list.d/kubernetes.list",
             "deb https://apt.kubernetes.io/ kubernetes-xenial main\n", true},
        Case{"/etc/apt/sources.list.d/kubernetes.list",
             "# deb https://apt.kubernetes.io/ kubernetes-xenial main\n",
             false},
        Case{"/etc/apt/sources.list.d/google.list",
             "deb https://packages.cloud.google.com/apt cloud-sdk main\n",
             false},
        Case{"/etc/yum.repos.d/kubernetes.repo",
             "[kubernetes]\nname=k\nbaseurl=https://packages.cloud.google.com/"
             "yum/repos/kubernetes-el7-x86_64\nenabled=1\n",
             true},
        Case{"/etc/yum.repos.d/kubernetes.repo",
             "[kubernetes]\nbaseurl=https://packages.cloud.google.com/"
             "yum/repos/kubernetes-el7-x86_64\nenabled=0\n[x]\nenabled=1\n",
             false}}) {
    KubernetesHost host;
    host.facts.files[one.path].content = one.content;
    const StepPlan plan = host.plan(*make_kubernetes_packages());
    EXPECT_EQ(plan.state == StepState::kBlocked, one.blocks) << one.content;
    if (one.blocks) {
      EXPECT_EQ(
          plan.fix.rfind("remove it with `rm " + std::string(one.path), 0), 0U);
    }
  }
}

TEST(KubernetesPackages, ANodeIsNotUpgradedByItsPackageAlone) {
  KubernetesHost host;
  host.install("1.24.9-0");
  // Not a node yet: it is only a package.
  EXPECT_EQ(host.plan(*make_kubernetes_packages()).state, StepState::kChange);
  host.is_node_of(host.ca, "https://10.0.0.10:6443");
  StepPlan plan = host.plan(*make_kubernetes_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("kubeadm upgrade node"));
  // Within one minor version it is.
  host.install("1.25.3-0");
  host.spec.kubernetes.version = "1.25.16";
  plan = host.plan(*make_kubernetes_packages());
  EXPECT_EQ(plan.state, StepState::kChange);
}

TEST(KubernetesPackages, HeldByOthersTheyAreNotChanged) {
  KubernetesHost host;
  host.debian();
  host.install("1.24.9-0");
  host.facts.packages["kubelet"].is_held = true;
  const StepPlan plan = host.plan(*make_kubernetes_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("apt-mark unhold kubelet"));
  host.history.held["kubelet"] = "kubernetes.packages";
  const StepPlan ours = host.plan(*make_kubernetes_packages());
  EXPECT_EQ(ours.state, StepState::kChange);
  EXPECT_THAT(words_of(ours), testing::Contains(HasSubstr("kubelet")));
}

TEST(KubernetesPackages, WithoutTheSectionOurHoldIsLetGo) {
  KubernetesHost host;
  host.spec.kubernetes = {};
  EXPECT_EQ(host.plan(*make_kubernetes_packages()).state,
            StepState::kNotWanted);
  host.history.held["kubelet"] = "kubernetes.packages";
  const StepPlan plan = host.plan(*make_kubernetes_packages());
  ASSERT_THAT(plan.actions, SizeIs(1));
  EXPECT_FALSE(std::get<HoldPackages>(plan.actions[0]).held);
}

TEST(KubernetesPackages, PreinstalledOnesAreNotHeldByUs) {
  KubernetesHost host;
  host.install("1.25.16-0");
  host.spec.kubernetes.source = KubernetesSource::kPreinstalled;
  EXPECT_EQ(host.plan(*make_kubernetes_packages()).state, StepState::kOk);
  host.history.held["kubelet"] = "kubernetes.packages";
  host.history.held["nvidia-driver"] = "driver.packages";
  StepPlan plan = host.plan(*make_kubernetes_packages());
  EXPECT_EQ(plan.state, StepState::kChange);
  ASSERT_THAT(plan.actions, SizeIs(1));
  const auto& hold = std::get<HoldPackages>(plan.actions[0]);
  EXPECT_FALSE(hold.held);
  EXPECT_THAT(hold.packages, ElementsAre("kubelet"));
  // Together with what is to be done besides; not where a person must act.
  host.facts.units["kubelet.service"].unit_file_state = "disabled";
  EXPECT_THAT(host.plan(*make_kubernetes_packages()).actions, SizeIs(2));
  host.facts.units.clear();
  plan = host.plan(*make_kubernetes_packages());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.actions, IsEmpty());
}

TEST(KubernetesJoin, IsPlannedWithoutTheTokenAndWithWhatTheNodeIsGiven) {
  KubernetesHost host;
  host.wants_join();
  const StepPlan plan = host.plan(*make_kubernetes_join());
  EXPECT_THAT(words_of(plan),
              ElementsAre("join the cluster 10.0.0.10:6443 as gpu-1",
                          "write /var/lib/gpunode/node-meta"));
  const auto& join = std::get<JoinCluster>(plan.actions[0]);
  EXPECT_EQ(join.token_file, "/etc/gpunode/join-token");
  EXPECT_EQ(join.version, "1.25");
  EXPECT_EQ(join.config, join_configuration(host.spec.kubernetes, "gpu-1"));
  EXPECT_THAT(join.config, HasSubstr("@TOKEN@"));
  EXPECT_THAT(std::get<WriteFile>(plan.actions[1]).content,
              HasSubstr("label nvidia.com/gpu.product=A10G\n"));
  host.carry_out(plan);
  host.is_node_of(host.ca, "https://10.0.0.10:6443");
  EXPECT_EQ(host.plan(*make_kubernetes_join()).state, StepState::kOk);
  EXPECT_EQ(host.plan(*make_kubernetes_node()).state, StepState::kOk);
}

TEST(KubernetesJoin, ANodeOfThisClusterIsOkUnderAnyOfItsNames) {
  KubernetesHost host;
  host.wants_join();
  host.is_node_of(host.ca, "https://k8s.example:6443");
  const StepPlan plan = host.plan(*make_kubernetes_join());
  EXPECT_EQ(plan.state, StepState::kOk);
  EXPECT_THAT(plan.notes, ElementsAre(HasSubstr("https://k8s.example:6443")));
}

TEST(KubernetesJoin, ATokenThatAKilledJoinLeftGoesAndIsKeptNowhere) {
  KubernetesHost host;
  host.wants_join();
  host.is_node_of(host.ca, "https://10.0.0.10:6443");
  EXPECT_TRUE(make_kubernetes_join()->wants(host.spec).trees.contains(
      "/run/gpunode/kubeadm-join.yaml"));
  host.facts.trees["/run/gpunode/kubeadm-join.yaml"].exists = true;
  const StepPlan plan = host.plan(*make_kubernetes_join());
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_THAT(plan.why, HasSubstr("left its token"));
  ASSERT_THAT(plan.actions, SizeIs(1));
  // An action that keeps no copy of it.
  EXPECT_THAT(
      std::get<RunProgram>(plan.actions[0]).argv,
      ElementsAre("/bin/rm", "-f", "--", "/run/gpunode/kubeadm-join.yaml"));
}

TEST(KubernetesJoin, ANodeOfAnotherClusterIsToldToLeaveIt) {
  KubernetesHost host;
  host.wants_join();
  const http::TestAuthority other("kubernetes");
  host.is_node_of(other, "https://10.0.0.10:6443");
  StepPlan plan = host.plan(*make_kubernetes_join());
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("gpunode leave"));
  EXPECT_EQ(host.plan(*make_kubernetes_node()).state, StepState::kNotWanted);
  // Without digests the server is what is known.
  host.spec.kubernetes.join.ca_cert_hashes.clear();
  host.spec.kubernetes.join.trusts_any_ca = true;
  EXPECT_EQ(host.plan(*make_kubernetes_join()).state, StepState::kOk);
  host.is_node_of(other, "https://10.9.9.9:6443");
  EXPECT_EQ(host.plan(*make_kubernetes_join()).state, StepState::kBlocked);
}

TEST(KubernetesJoin, OfADiscoveryFileTheCaCounts) {
  KubernetesHost host;
  host.wants_join();
  JoinSpec& join = host.spec.kubernetes.join;
  join.endpoint.clear();
  join.ca_cert_hashes.clear();
  join.discovery_file = "/etc/gpunode/cluster.conf";
  host.facts.files["/etc/gpunode/cluster.conf"].content =
      "clusters:\n- cluster: {server: \"https://a:1\", "
      "certificate-authority-data: " +
      text::encode_base64(host.ca.pem()) + "}\n";
  EXPECT_EQ(describe(host.plan(*make_kubernetes_join()).actions.at(0)),
            "join the cluster /etc/gpunode/cluster.conf as gpu-1");
  host.is_node_of(host.ca, "https://b:2");
  EXPECT_EQ(host.plan(*make_kubernetes_join()).state, StepState::kOk);
  host.is_node_of(http::TestAuthority("other"), "https://a:1");
  EXPECT_EQ(host.plan(*make_kubernetes_join()).state, StepState::kBlocked);
}

TEST(KubernetesJoin, HalfAJoinIsTakenBackFirst) {
  for (const bool has_ca : {true, false}) {
    KubernetesHost host;
    host.wants_join();
    if (has_ca) {
      host.facts.files[kClusterCa].content = host.ca.pem();
    } else {
      host.facts.trees[kBootstrapConf].exists = true;
    }
    const StepPlan plan = host.plan(*make_kubernetes_join());
    EXPECT_THAT(words_of(plan),
                ElementsAre("leave the cluster; gpu-1 is no node any more",
                            "join the cluster 10.0.0.10:6443 as gpu-1",
                            "write /var/lib/gpunode/node-meta"));
    EXPECT_THAT(plan.why, HasSubstr("did not come to its end"));
  }
}

TEST(KubernetesJoin, AfterLeavingTheNextNodeIsGivenAllAnew) {
  KubernetesHost host;
  host.wants_join();
  // What a leave took away is no drift.
  host.history.written[kNodeMetaPath] = "label old=x\n";
  StepPlan plan = host.plan(*make_kubernetes_join());
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_EQ(plan.why, "the host is no node yet");
  // Nor must be there what the plan saw: taking back half a join takes it.
  host.facts.files[kNodeMetaPath].content = "label old=x\n";
  host.facts.trees[kBootstrapConf].exists = true;
  plan = host.plan(*make_kubernetes_join());
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_EQ(std::get<WriteFile>(plan.actions.at(2)).before, "");
}

TEST(KubernetesJoin, WhatIsNoHostForItIsTold) {
  KubernetesHost plane;
  plane.wants_join();
  plane.facts.trees["/etc/kubernetes/admin.conf"].exists = true;
  EXPECT_EQ(plane.plan(*make_kubernetes_join()).state, StepState::kRefused);

  KubernetesHost k3s;
  k3s.wants_join();
  k3s.facts.trees["/var/lib/rancher/k3s/agent"].exists = true;
  EXPECT_THAT(k3s.plan(*make_kubernetes_join()).why, HasSubstr("made by k3s"));

  KubernetesHost name;
  name.wants_join();
  name.facts.files["/proc/sys/kernel/hostname"].content = "gpu_1\n";
  EXPECT_THAT(name.plan(*make_kubernetes_join()).fix,
              HasSubstr("hostnamectl set-hostname"));

  KubernetesHost broken;
  broken.wants_join();
  broken.facts.files[kKubeletConf].content = "{";
  EXPECT_EQ(broken.plan(*make_kubernetes_join()).state, StepState::kBlocked);
}

TEST(KubernetesNode, GivesAJoinedNodeWhatItWasNotGivenYet) {
  KubernetesHost host;
  EXPECT_EQ(host.plan(*make_kubernetes_node()).state, StepState::kNotWanted);
  host.is_node_of(host.ca, "https://10.0.0.10:6443");
  StepPlan plan = host.plan(*make_kubernetes_node());
  ASSERT_THAT(plan.actions, SizeIs(2));
  auto set = std::get<SetNodeMeta>(plan.actions[0]);
  EXPECT_EQ(set.node, "gpu-1");
  EXPECT_THAT(set.labels, SizeIs(2));
  EXPECT_THAT(set.taints, SizeIs(1));
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_kubernetes_node()).state, StepState::kOk);

  host.spec.kubernetes.labels = {"nvidia.com/gpu.present=true", "own=1"};
  host.spec.kubernetes.taints = {"nvidia.com/gpu=other:NoSchedule"};
  plan = host.plan(*make_kubernetes_node());
  set = std::get<SetNodeMeta>(plan.actions.at(0));
  EXPECT_THAT(set.labels, ElementsAre("own=1"));
  EXPECT_THAT(set.removed_labels, ElementsAre("nvidia.com/gpu.product"));
  EXPECT_THAT(set.taints, ElementsAre("nvidia.com/gpu=other:NoSchedule"));
  EXPECT_THAT(set.removed_taints, IsEmpty());
  host.carry_out(plan);
  host.spec.kubernetes.labels.clear();
  host.spec.kubernetes.taints.clear();
  plan = host.plan(*make_kubernetes_node());
  set = std::get<SetNodeMeta>(plan.actions.at(0));
  EXPECT_THAT(set.removed_labels, SizeIs(2));
  EXPECT_THAT(set.removed_taints, ElementsAre("nvidia.com/gpu:NoSchedule"));
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_kubernetes_node()).state, StepState::kNotWanted);
}

/// What a golden file of tests/fixtures/kubeadm has.
std::string golden(const std::string& name) {
  std::ifstream in(std::string(KUBEADM_FIXTURES) + "/" + name);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(JoinConfiguration, IsOfTheVersionThatKubeadmReads) {
  KubernetesSpec spec;
  spec.join.is_wanted = true;
  spec.join.endpoint = "10.0.0.10:6443";
  spec.join.token.variable = "TOKEN";
  spec.join.ca_cert_hashes = {"sha256:" + std::string(64, 'a')};
  spec.join.node_ip = "10.0.0.7";
  spec.join.ignored_checks = {"NumCPU"};
  spec.labels = {"nvidia.com/gpu.present=true", "nvidia.com/gpu.product=A10G"};
  spec.taints = {"nvidia.com/gpu=present:NoSchedule", "own:NoExecute"};
  struct Case {
    const char* version;
    const char* file;
  };
  for (const Case& one :
       {Case{"1.20.2", "v1beta2.yaml"}, Case{"1.21", "v1beta2.yaml"},
        Case{"1.22", "v1beta3.yaml"}, Case{"1.25.16", "v1beta3.yaml"},
        Case{"1.30", "v1beta3.yaml"}, Case{"1.31", "v1beta4.yaml"},
        Case{"1.35.1", "v1beta4.yaml"}}) {
    spec.version = one.version;
    EXPECT_EQ(join_configuration(spec, "gpu-1"), golden(one.file))
        << one.version;
  }
  spec.version = "1.25";
  spec.join = {};
  spec.join.discovery_file = "/etc/gpunode/a \"b\".conf";
  spec.join.token.variable = "TOKEN";
  spec.labels.clear();
  spec.taints.clear();
  EXPECT_EQ(join_configuration(spec, "gpu-1"), golden("discovery_file.yaml"));
}

}  // namespace
}  // namespace gpunode::provision
