// For tests: a host and a cluster that it can join, and a host that is a node.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/host/host_tree.h"
#include "node/provision/cluster_actions.h"
#include "node/provision/steps/kubernetes/join_config.h"
#include "node/provision/steps/kubernetes/node_identity.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/doubles/cluster/cluster_double.h"

namespace gpunode::provision {

inline constexpr const char* kToken = "abcdef.0123456789abcdef";
inline constexpr const char* kSecret = "0123456789abcdef";
inline constexpr const char* kConfig = "run/gpunode/kubeadm-join.yaml";

/// kubeadm of a host of files: it leaves what the real one leaves.
class KubeadmDouble final : public host::CommandRunner {
 public:
  explicit KubeadmDouble(const host::HostTree& tree) : tree_(tree) {}

  Result<host::Completed> run(const host::Command& command) override {
    lines.push_back(host::command_line(command));
    const std::string& verb = command.argv.at(1);
    if (command.argv[0] == "/opt/token") return token;
    if (command.argv[0] == "/usr/bin/containerd") {
      return host::Completed{dump ? 0 : 1, dump.value_or(""), ""};
    }
    if (verb == "version") return host::Completed{0, "v1.25.16\n", ""};
    if (verb == "join") return join();
    if (command.argv[0] == "/usr/bin/journalctl") {
      return host::Completed{0, journal, ""};
    }
    if (verb == "start" && !starts_containerd) {
      return host::Completed{1, "", "Job for containerd.service failed\n"};
    }
    if (verb == "reset" && !reset_fails) {
      for (const char* path :
           {"etc/kubernetes/kubelet.conf", "etc/kubernetes/pki/ca.crt",
            "etc/kubernetes/bootstrap-kubelet.conf"}) {
        tree_.remove(path);
      }
    }
    const bool fails = reset_fails && verb == "reset";
    return host::Completed{fails ? 1 : 0, "",
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
  host::Completed token{0, std::string(kToken) + "\n", ""};

 private:
  Result<host::Completed> join() {
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
    if (!output.empty()) return host::Completed{1, "[preflight] go\n", output};
    tree_.remove("etc/kubernetes/bootstrap-kubelet.conf");
    tree_.file("etc/kubernetes/kubelet.conf", "joined\n");
    return host::Completed{0, "This node has joined the cluster\n", ""};
  }

  const host::HostTree& tree_;
};

/// A host that is ready to join, and a cluster that lets it.
struct ClusterWorld {
  explicit ClusterWorld(kube::ClusterManner manner = {})
      : cluster(std::move(manner)) {
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
  kube::ClusterDouble cluster;
  KubeadmDouble runner{tree};
  ClusterSurroundings surroundings;
  JoinCluster action;
};

inline constexpr const char* kNode = R"({"kind": "Node", "metadata": {
  "name": "gpu-1", "uid": "u", "labels": {"a": "1", "old": "x"}},
  "spec": {"taints": [{"key": "t", "value": "v", "effect": "NoSchedule"},
                      {"key": "other", "effect": "NoExecute"}]}})";

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

}  // namespace gpunode::provision
