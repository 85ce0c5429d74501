// For tests: walks over two nodes of the API server's double.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "k8s/api/fixed_credentials.h"
#include "node/rollout/walk.h"
#include "tests/doubles/apiserver/api_server_double.h"

namespace gpunode::rollout {

inline const std::string kDigest(64, 'b');
inline const std::string kNodes = "/api/v1/nodes/";
/// Owners: the DaemonSet that is there.
inline const std::string kProxys =
    R"([{"apiVersion":"apps/v1","kind":"DaemonSet","name":"proxy",)"
    R"("uid":"u-proxy","controller":true}])";
inline const std::string kBringPods =
    "/api/v1/namespaces/gpunode-rollout/pods/";

inline const std::string kLease =
    "/apis/coordination.k8s.io/v1/namespaces/gpunode-rollout/leases/rollout";

inline kube::ClientOptions once() {
  kube::ClientOptions options;
  options.tries = 1;
  return options;
}

class Recorder final : public WalkObserver {
 public:
  void node_started(const std::string& node, std::size_t,
                    std::size_t) override {
    lines.push_back("start " + node);
  }
  void node_skipped(const std::string& node) override {
    lines.push_back("skip " + node);
  }
  void did(const std::string&, const std::string& what) override {
    lines.push_back(what);
  }
  void waits(const std::string&, const std::string& what) override {
    lines.push_back("waits " + what);
  }
  void node_done(const std::string& node) override {
    lines.push_back("done " + node);
  }
  std::vector<std::string> lines;
};

/// A cluster of two nodes. Its controllers and kubelets act in each pause of
/// the walk.
class Walking : public testing::Test {
 protected:
  Walking() {
    options_.manifest = {"kind: GPUNode\n", kDigest, "image"};
    node("gpu-1");
    node("gpu-2");
    pod("gpu-1", "web-1", R"([{"kind":"ReplicaSet","controller":true}])");
    server_.put("/apis/apps/v1/namespaces/default/daemonsets/proxy",
                R"({"metadata":{"name":"proxy","uid":"u-proxy"}})");
    pod("gpu-1", "proxy-1", kProxys);
  }

  void node(const std::string& name, bool is_cordoned = false) {
    nlohmann::json object = {
        {"kind", "Node"},
        {"metadata", {{"name", name}, {"uid", "u-" + name}}},
        {"spec", nlohmann::json::object()},
        {"status",
         {{"conditions", {{{"type", "Ready"}, {"status", "True"}}}},
          {"allocatable", {{"nvidia.com/gpu", "2"}}}}}};
    if (is_cordoned) object["spec"]["unschedulable"] = true;
    server_.put(kNodes + name, object.dump());
  }

  void pod(const std::string& node, const std::string& name,
           const std::string& owners = "[]") {
    server_.put("/api/v1/namespaces/default/pods/" + name,
                R"({"metadata":{"namespace":"default","name":")" + name +
                    R"(","uid":"u-)" + name + R"(","ownerReferences":)" +
                    owners + R"(},"spec":{"nodeName":")" + node + R"("}})");
  }

  nlohmann::json seen(const std::string& node) const {
    return nlohmann::json::parse(server_.object(kNodes + node));
  }
  bool is_cordoned(const std::string& node) const {
    return seen(node)["spec"].value("unschedulable", false);
  }
  std::string annotation(const std::string& node,
                         const std::string& key) const {
    const nlohmann::json object = seen(node);
    return object["metadata"]
        .value("annotations", nlohmann::json::object())
        .value(key, "");
  }
  std::string label(const std::string& node) const {
    const nlohmann::json object = seen(node);
    return object["metadata"]
        .value("labels", nlohmann::json::object())
        .value(kBringLabel, "");
  }

  /// The DaemonSet's controller and the kubelets: a Pod where the label is, as
  /// `bringer_status_` has it; none where it is not.
  void controllers() {
    for (const char* name : {"gpu-1", "gpu-2"}) {
      if (server_.object(kNodes + name).empty()) continue;
      const std::string path = kBringPods + "bring-" + name;
      const bool is_there = !server_.object(path).empty();
      const std::string& digest = options_.manifest.digest;
      const bool is_wanted = label(name) == digest.substr(0, 16);
      if (is_wanted && !is_there) {
        ++pods_made_;
        server_.put(
            path,
            R"({"metadata":{"namespace":"gpunode-rollout","name":"bring-)" +
                std::string(name) +
                R"(","uid":"x","ownerReferences":[{"kind":"DaemonSet",)"
                R"("controller":true}],"annotations":{"gpunode.io/file":")" +
                digest +
                R"("},"labels":{"app.kubernetes.io/name":)"
                R"("gpunode-bring"}},"spec":{"nodeName":")" +
                name + R"("},"status":)" + bringer_status_ + "}");
      } else if (!is_wanted && is_there) {
        server_.remove(path);
      }
    }
  }

  /// As the command: takes the lease, walks and gives it back. One that was
  /// killed gives nothing back, and the next one sits its lease out.
  WalkOutcome walk(const std::vector<std::string>& nodes = {"gpu-1", "gpu-2"}) {
    kube::FixedCredentials credentials(server_.port());
    kube::Client client(credentials, nullptr, once());
    kube::LeaseHolder lease(client, {kBringSpace, "rollout"},
                            {"walk " + std::to_string(++walks_), {}}, clock_,
                            [] { return kube::WallTime(); });
    const auto taken =
        lease.take([this](const kube::Lease&, std::chrono::seconds) {
          clock_.advance(std::chrono::seconds(10));
          return true;
        });
    if (!taken)
      return {WalkOutcome::End::kTrouble, "", taken.error().message(), "", 0};
    Walk walk(
        client, lease, clock_,
        [this](std::chrono::milliseconds time) {
          clock_.advance(time);
          controllers();
          if (on_pause_) on_pause_();
          return --pauses_ > 0;
        },
        recorder_, options_);
    WalkOutcome outcome = walk.run(nodes);
    lease.release();
    return outcome;
  }

  /// As long as the roll-out has it.
  nlohmann::json lease() const {
    const std::string text = server_.object(kLease);
    return text.empty() ? nlohmann::json::object()
                        : nlohmann::json::parse(text);
  }
  std::size_t count(const std::string& request) const {
    const auto all = server_.requests();
    return static_cast<std::size_t>(std::ranges::count(all, request));
  }

  void expect_all_done() {
    for (const char* name : {"gpu-1", "gpu-2"}) {
      EXPECT_FALSE(is_cordoned(name)) << name;
      EXPECT_EQ(annotation(name, kRolledOutAnnotation), kDigest) << name;
      EXPECT_EQ(annotation(name, kRolloutAnnotation), "") << name;
      EXPECT_EQ(label(name), "") << name;
    }
  }

  const std::string kReady =
      R"({"conditions":[{"type":"Ready","status":"True"}]})";
  const std::string kFailed =
      R"({"containerStatuses":[{"lastState":{"terminated":{"exitCode":7,)"
      R"("message":"failed: apt said no"}}}]})";

  kube::ApiServerDouble server_;
  FakeClock clock_;
  Recorder recorder_;
  WalkOptions options_;
  std::string bringer_status_ = kReady;
  std::function<void()> on_pause_;
  int pauses_ = 100000;
  int pods_made_ = 0;
  int walks_ = 0;
};

}  // namespace gpunode::rollout
