// The configuration by the node's label: the real agent, an API server's double
// and a directory as the kubelet mounts a ConfigMap.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text/node.h"
#include "k8s/api/client.h"
#include "k8s/api/fixed_credentials.h"
#include "k8s/api/object_meta.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/integration/agent_process.h"

namespace gpunode::integration {
namespace {

namespace fs = std::filesystem;
using doubles::eventually;
using testing::HasSubstr;

constexpr const char* kPath = "/api/v1/nodes/gpu-1";
constexpr const char* kStatus = "gpunode.io/device-plugin.config-status";

std::string shared(const std::string& resource, int replicas) {
  return fmt::format(
      "version: v1\nsharing: {{timeSlicing: {{resources: [{{name: {}, "
      "replicas: {}}}]}}}}\n",
      resource, replicas);
}

class ConfigSelection : public AgentTest {
 protected:
  ConfigSelection() {
    std::ofstream(file("kubeconfig")) << fmt::format(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
        "clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{}'}}}}]\n"
        "users: [{{name: u, user: {{}}}}]\n",
        api_.port());
    fs::create_directory(file("map"));
    environment["CONFIG_FILE_SRCDIR"] = file("map");
    environment["NODE_NAME"] = "gpu-1";
    environment["KUBECONFIG"] = file("kubeconfig");
    environment["GPUNODE_CONFIG_STATE_FILE"] = file("state");
    mount({{"whole", "version: v1\n"}, {"four", shared(kGpu, 4)}});
  }

  /// As the kubelet does it: a directory of this version, "..data" moved onto
  /// it, links for new keys, and those of keys that are gone removed.
  void mount(const std::map<std::string, std::string>& keys) {
    const fs::path map = file("map");
    const fs::path version = fmt::format("..version_{}", ++versions_);
    fs::create_directory(map / version);
    for (const auto& [key, text] : keys) {
      std::ofstream(map / version / key) << text;
    }
    fs::create_symlink(version, map / "..data_tmp");
    fs::rename(map / "..data_tmp", map / "..data");
    for (const auto& [key, text] : keys) {
      if (!fs::is_symlink(map / key)) {
        fs::create_symlink(fs::path("..data") / key, map / key);
      }
    }
    for (const auto& entry : fs::directory_iterator(map)) {
      const std::string name = entry.path().filename();
      if (!name.starts_with("..") && keys.count(name) == 0) {
        fs::remove(entry.path());
      }
    }
    fs::remove_all(map / fmt::format("..version_{}", versions_ - 1));
  }
  /// Changes the label and leaves what else is on the Node.
  void label(const std::string& value) {
    const auto now = kube::read_object_meta(api_.object(kPath));
    std::string annotation;
    if (now && now->annotations.count(kStatus) > 0) {
      annotation = fmt::format(R"("{}":{})", kStatus,
                               text::json_string(now->annotations.at(kStatus)));
    }
    api_.put(kPath,
             R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"gpu-1",)"
             R"("uid":"u-1","annotations":{)" +
                 annotation +
                 R"(},"labels":{"nvidia.com/device-plugin.config":")" + value +
                 R"("}}})");
  }
  bool annotated(const std::string& text) const {
    return eventually([&] {
      const auto meta = kube::read_object_meta(api_.object(kPath));
      return meta && meta->annotations.count(kStatus) > 0 &&
             meta->annotations.at(kStatus) == text;
    });
  }
  /// That so many Events were made by now, or soon are.
  bool made_events(std::size_t count) const {
    return eventually([&] {
      std::size_t made = 0;
      for (const std::string& request : api_.requests()) {
        if (request.starts_with("POST /apis/events.k8s.io/")) ++made;
      }
      return made >= count;
    });
  }
  /// As kubectl does it: who owns what else is on the Node stays as it is.
  void relabel(const std::string& value) const {
    kube::FixedCredentials credentials(api_.port());
    kube::Client somebody(credentials, nullptr);
    const auto changed = somebody.merge_patch(
        kube::nodes(), {"", "gpu-1"},
        fmt::format(R"({{"metadata":{{"labels":{{)"
                    R"("nvidia.com/device-plugin.config":"{}"}}}}}})",
                    value));
    EXPECT_TRUE(changed) << changed.error().message();
  }
  /// Labels of so many replicas and word of this config, or soon.
  bool stands(const std::string& config, const std::string& replicas) const {
    return eventually([&] {
      const auto meta = kube::read_object_meta(api_.object(kPath));
      if (!meta || meta->labels.count("nvidia.com/gpu.replicas") == 0 ||
          meta->annotations.count(kStatus) == 0) {
        return false;
      }
      return meta->labels.at("nvidia.com/gpu.replicas") == replicas &&
             meta->annotations.at(kStatus).find("\"" + config + "\"") !=
                 std::string::npos;
    });
  }
  void start_with(const std::string& value) {
    label(value);
    start_kubelet();
    start_agent();
  }

  kube::ApiServerDouble api_;

 private:
  int versions_ = 0;
};

TEST_F(ConfigSelection, TheLabelChoosesAndItsChangeSwitches) {
  start_with("four");
  ASSERT_TRUE(lists(kGpu, 4, 4));
  EXPECT_TRUE(
      annotated(R"({"config":"four","chosenBy":"label","outcome":"applied"})"));
  EXPECT_TRUE(made_events(1));
  label("whole");
  EXPECT_TRUE(lists(kGpu, 1, 1));
  EXPECT_TRUE(annotated(
      R"({"config":"whole","chosenBy":"label","outcome":"applied"})"));
  EXPECT_EQ(metric("gpunode_config_info", "config=\"whole\""), 1);
  EXPECT_EQ(metric("gpunode_config_selections_applied_total"), 2);
  // By the stream that was open: nothing was registered anew.
  EXPECT_EQ(metric("gpunode_registrations_total"), 1);
  EXPECT_EQ(metric("gpunode_list_streams_open"), 1);
}

// Two that write on one Node under one name would take from it in turn what the
// other has put there.
TEST_F(ConfigSelection, LabelsAndWhatCameOfTheChoiceStandTogether) {
  environment["GPUNODE_LABELS"] = "node";
  start_with("four");
  EXPECT_TRUE(stands("four", "4"));
  for (const auto& [config, replicas] :
       {std::pair("whole", "1"), std::pair("four", "4"),
        std::pair("whole", "1")}) {
    relabel(config);
    EXPECT_TRUE(stands(config, replicas)) << api_.object(kPath);
  }
  EXPECT_EQ(metric("gpunode_labels_left_alone"), 0);
}

TEST_F(ConfigSelection, LabelsOfAnotherChoiceDoNotWaitForTheDriver) {
  environment["GPUNODE_LABELS"] = "node";
  start_with("four");
  EXPECT_TRUE(stands("four", "4"));
  FakeNvmlControl::Fault hang;
  hang.function = "nvmlDeviceGetCount_v2";
  hang.delay = std::chrono::hours(1);
  ASSERT_TRUE(driver().add(hang));
  relabel("whole");
  EXPECT_TRUE(stands("whole", "1")) << api_.object(kPath);
}

TEST_F(ConfigSelection, WhatTheChangeIsNotAboutIsNotTouched) {
  const std::string small = "nvidia.com/mig-1g.5gb";
  const std::string large = "nvidia.com/mig-3g.20gb";
  use_profile("a100-x8-mig-mixed");
  lay_host_tree("a100-x8-mig-mixed");
  environment["MIG_STRATEGY"] = "mixed";
  mount({{"a", "version: v1\n"}, {"b", shared(small, 3)}});
  start_with("a");
  ASSERT_TRUE(registered(small));
  ASSERT_TRUE(registered(large));
  const auto some = [](const doubles::DeviceList& list) {
    return !list.devices.empty();
  };
  const auto before = kubelet().wait_for_list(large, some);
  const auto few = kubelet().wait_for_list(small, some);
  ASSERT_TRUE(before && few);
  label("b");
  ASSERT_TRUE(lists(small, 3 * few->devices.size(), 3 * few->devices.size()));
  const auto after = kubelet().wait_for_list(large, some);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->number, before->number);
  EXPECT_EQ(after->arrived_ns, before->arrived_ns);
  EXPECT_EQ(metric("gpunode_registrations_total", small), 1);
  EXPECT_EQ(metric("gpunode_registrations_total", large), 1);
  EXPECT_EQ(metric("gpunode_list_updates_total", large),
            static_cast<double>(before->number));
}

TEST_F(ConfigSelection, AnEditedMapIsAppliedWithoutALabelsChange) {
  start_with("four");
  ASSERT_TRUE(lists(kGpu, 4, 4));
  mount({{"whole", "version: v1\n"}, {"four", shared(kGpu, 5)}});
  EXPECT_TRUE(lists(kGpu, 5, 5));
  EXPECT_EQ(metric("gpunode_registrations_total"), 1);
}

TEST_F(ConfigSelection, ABrokenConfigurationLeavesTheOneInForce) {
  start_with("four");
  ASSERT_TRUE(lists(kGpu, 4, 4));
  mount({{"four", "version: v1\nsharing: {timeSlicing: {}}\n"}});
  ASSERT_TRUE(eventually([this] {
    return metric("gpunode_config_selections_refused_total") == 1;
  }));
  EXPECT_TRUE(says("config \"four\" (by the node's label) stays in force"));
  EXPECT_EQ(metric("gpunode_config_selection_successful"), 0);
  EXPECT_TRUE(eventually([this] {
    return api_.object(kPath).find("refused") != std::string::npos;
  }));
  EXPECT_TRUE(made_events(2));
  EXPECT_TRUE(kubelet().admit("pod", kGpu, 1).is_admitted);
  // What is taken back needs nothing applied, and is told.
  mount({{"four", shared(kGpu, 4)}});
  EXPECT_TRUE(
      annotated(R"({"config":"four","chosenBy":"label","outcome":"applied"})"));
  EXPECT_EQ(metric("gpunode_config_selection_successful"), 1);
}

TEST_F(ConfigSelection, ALabelWithoutAFileWaitsForIt) {
  start_with("four");
  ASSERT_TRUE(lists(kGpu, 4, 4));
  label("../state");
  ASSERT_TRUE(says("it must be a key of the ConfigMap, not a path"));
  label("new");
  ASSERT_TRUE(says("specified config \"new\" does not exist"));
  EXPECT_EQ(metric("gpunode_listed_devices"), 4);
  mount({{"four", shared(kGpu, 4)}, {"new", shared(kGpu, 6)}});
  EXPECT_TRUE(lists(kGpu, 6, 6));
}

TEST_F(ConfigSelection, OfTenThousandFilesTheOneIsChosen) {
  std::map<std::string, std::string> keys;
  for (int i = 0; i < 10'000; ++i) {
    keys.emplace(fmt::format("c{:04}", i), i == 4711 ? shared(kGpu, 7) : "{");
  }
  mount(keys);
  start_with("c4711");
  EXPECT_TRUE(lists(kGpu, 7, 7));
  label("c10000");
  EXPECT_TRUE(says("specified config \"c10000\" does not exist"));
  EXPECT_TRUE(says("others"));
  EXPECT_EQ(metric("gpunode_listed_devices"), 7);
}

TEST_F(ConfigSelection, NothingIsOfferedBeforeTheLabelIsKnown) {
  api_.be_silent(true);
  start_with("four");
  api_.wait_for_requests(1);
  ASSERT_TRUE(eventually([this] { return metric("gpunode_driver_up") == 1; }));
  EXPECT_EQ(kubelet().attempts(), 0U);
  EXPECT_THAT(page("/readyz"),
              HasSubstr("nothing is offered before the label "
                        "nvidia.com/device-plugin.config of node gpu-1"));
}

TEST_F(ConfigSelection, WithoutAServerForLongItIsANodeWithoutTheLabel) {
  environment["GPUNODE_CONFIG_LABEL_TIMEOUT"] = "0s";
  environment["DEFAULT_CONFIG"] = "four";
  api_.be_silent(true);
  start_with("whole");
  ASSERT_TRUE(lists(kGpu, 4, 4));
  EXPECT_TRUE(says("going on as for a node without it until it is"));
  EXPECT_EQ(metric("gpunode_config_label_known"), 0);
  EXPECT_EQ(metric("gpunode_config_info", "chosen_by=\"default\""), 1);
  api_.be_silent(false);
  EXPECT_TRUE(lists(kGpu, 1, 1));
  EXPECT_EQ(metric("gpunode_config_label_known"), 1);
  EXPECT_EQ(metric("gpunode_registrations_total"), 1);
}

TEST_F(ConfigSelection, ARefusalIsAsGoodAsSilence) {
  environment["GPUNODE_CONFIG_LABEL_TIMEOUT"] = "0s";
  environment["DEFAULT_CONFIG"] = "four";
  api_.refuse(403, "Forbidden", 1'000'000);
  start_with("whole");
  ASSERT_TRUE(lists(kGpu, 4, 4));
  EXPECT_TRUE(says("lacks the ClusterRole rule"));
  api_.refuse(0, "", 0);
  EXPECT_TRUE(lists(kGpu, 1, 1));
}

TEST_F(ConfigSelection, WithoutTheServerItStartsAsItWas) {
  std::ofstream(file("state")) << "nvidia.com/device-plugin.config=four\n";
  api_.be_silent(true);
  start_with("whole");
  EXPECT_TRUE(lists(kGpu, 4, 4));
  EXPECT_TRUE(says("going by the label's value of a run before"));
}

TEST_F(ConfigSelection, ARefusalIsInWordsAndThenItCatchesUp) {
  start_with("four");
  ASSERT_TRUE(lists(kGpu, 4, 4));
  api_.wait_for_watches(1);
  ASSERT_TRUE(made_events(1));
  api_.refuse(403, "Forbidden", 2);
  api_.end_watches(kube::ApiServerDouble::End::kGone);
  ASSERT_TRUE(
      says("lacks the ClusterRole rule {apiGroups: [\"\"], "
           "resources: [nodes], verbs: [list, watch]}"));
  EXPECT_EQ(metric("gpunode_listed_devices"), 4);
  label("whole");
  EXPECT_TRUE(lists(kGpu, 1, 1));
}

TEST_F(ConfigSelection, ASignalTriesAgainWithoutDisturbing) {
  start_with("four");
  ASSERT_TRUE(lists(kGpu, 4, 4));
  const auto updates = metric("gpunode_list_updates_total");
  agent().signal(SIGHUP);
  ASSERT_TRUE(eventually([this] {
    return metric("gpunode_config_selections_applied_total") == 2;
  }));
  EXPECT_EQ(metric("gpunode_list_updates_total"), updates);
  EXPECT_EQ(metric("gpunode_registrations_total"), 1);
}

TEST_F(ConfigSelection, WithoutANameOrAServerItSaysWhatToDo) {
  environment.erase("NODE_NAME");
  start_agent();
  EXPECT_EQ(agent().wait(), 1);
  EXPECT_THAT(agent().log(),
              HasSubstr("invalid <node-name>: must not be empty string"));
  environment["NODE_NAME"] = "gpu-1";
  environment.erase("KUBECONFIG");
  start_agent();
  EXPECT_EQ(agent().wait(), 1);
  EXPECT_THAT(agent().log(), HasSubstr("elsewhere give --kubeconfig"));
}

}  // namespace
}  // namespace gpunode::integration
