// config-manager as a process, on the double of the API server.
// GPUNODE_CONFIG_MANAGER=/usr/bin/config-manager runs NVIDIA's instead: the
// tests whose names begin with AsThePeer hold for both.
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/doubles/kubelet/plugin_directory.h"
#include "tests/integration/agent_process.h"

namespace gpunode::integration {
namespace {

namespace fs = std::filesystem;
using doubles::eventually;
using testing::HasSubstr;

constexpr const char* kNode = "/api/v1/nodes/gpu-1";
constexpr const char* kReader = "reader-of-the-config";

class ConfigManagerTest : public testing::Test {
 protected:
  ConfigManagerTest() {
    for (const char* key : {"a", "b"}) {
      tree_.file(std::string("maps/..1/") + key, "version: v1\n");
      tree_.link(std::string("maps/") + key, std::string("..data/") + key);
    }
    tree_.link("maps/..data", "..1");
    tree_.directory("config");
    tree_.link("config-manager", GPUNODE_AGENT);
    tree_.file("kubeconfig",
               "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
               "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
               "users: [{name: u, user: {}}]\n"
               "clusters: [{name: k, cluster: {server: \"http://127.0.0.1:" +
                   std::to_string(server_.port()) + "\"}}]\n");
    for (const char* name : {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
      if (const char* value = std::getenv(name)) environment[name] = value;
    }
    // NVIDIA's would ask the double for a kind of watch that it does not know.
    environment["KUBE_FEATURE_WatchListClient"] = "false";
    environment.insert({{"NODE_NAME", "gpu-1"},
                        {"KUBECONFIG", tree_.path("kubeconfig")},
                        {"CONFIG_FILE_SRCDIR", tree_.path("maps")},
                        {"CONFIG_FILE_DST", link()},
                        {"SEND_SIGNAL", "false"}});
  }
  ~ConfigManagerTest() override {
    if (HasFailure() && process_) ADD_FAILURE() << process_->log();
  }

  void label(const std::string& value) {
    server_.put(kNode,
                R"({"apiVersion":"v1","kind":"Node","metadata":{"name":)"
                R"("gpu-1","labels":{)" +
                    (value.empty() ? ""
                                   : R"("nvidia.com/device-plugin.config":")" +
                                         value + "\"") +
                    "}}}");
  }

  Process& start(const std::vector<std::string>& more = {}) {
    const char* other = std::getenv("GPUNODE_CONFIG_MANAGER");
    std::vector<std::string> argv = {
        other != nullptr ? other : tree_.path("config-manager")};
    argv.insert(argv.end(), more.begin(), more.end());
    fs::remove(tree_.path("log"));
    process_ = std::make_unique<Process>(argv, environment, tree_.path("log"));
    return *process_;
  }
  int run(const std::vector<std::string>& more = {}) {
    return start(more).wait();
  }

  std::string link() const { return tree_.path("config/config.yaml"); }
  std::string target() const {
    std::error_code none;
    return fs::read_symlink(link(), none);
  }
  std::string source(const std::string& key) const {
    return tree_.path("maps/" + key);
  }
  bool leads_to(const std::string& path) const {
    return eventually([&] { return target() == path; });
  }
  bool says(const std::string& words) const {
    return eventually(
        [&] { return process_->log().find(words) != std::string::npos; });
  }

  kube::ApiServerDouble server_;
  host::HostTree tree_;
  std::map<std::string, std::string> environment;
  std::unique_ptr<Process> process_;
};

TEST_F(ConfigManagerTest, AsThePeerItFollowsTheLabel) {
  label("a");
  environment["DEFAULT_CONFIG"] = "b";
  start();
  ASSERT_TRUE(leads_to(source("a")));
  label("b");
  ASSERT_TRUE(leads_to(source("b")));
  label("a");
  ASSERT_TRUE(leads_to(source("a")));
  label("");
  EXPECT_TRUE(leads_to(source("b")));
}

TEST_F(ConfigManagerTest, AsThePeerItEndsForALabelThatNamesNothing) {
  label("a");
  environment["DEFAULT_CONFIG"] = "b";
  start();
  ASSERT_TRUE(leads_to(source("a")));
  label("c");
  EXPECT_EQ(process_->wait(), 1);
  EXPECT_TRUE(says("specified config"));
  EXPECT_EQ(target(), source("a"));
}

TEST_F(ConfigManagerTest, AsThePeerItFallsBackInOrder) {
  label("");
  environment["FALLBACK_STRATEGIES"] = "named,single,empty";
  EXPECT_EQ(run({"--oneshot"}), 0);
  EXPECT_EQ(target(), "/dev/null");
  tree_.remove("maps/b");
  EXPECT_EQ(run({"--oneshot"}), 0);
  EXPECT_EQ(target(), source("a"));
  tree_.link("maps/default", "..data/b");
  EXPECT_EQ(run({"--oneshot"}), 0);
  EXPECT_EQ(target(), source("default"));
  environment["FALLBACK_STRATEGIES"] = "single";
  EXPECT_EQ(run({"--oneshot"}), 1);
  EXPECT_TRUE(
      says("no config was set, no default was provided, and all "
           "fallbacks failed"));
  environment["FALLBACK_STRATEGIES"] = "newest";
  EXPECT_EQ(run({"--oneshot"}), 1);
  EXPECT_TRUE(says("unknown fallback strategy: "));
}

TEST_F(ConfigManagerTest, AsThePeerItSignalsTheReaderOfAChange) {
  label("a");
  environment["DEFAULT_CONFIG"] = "a";  // The peer may miss the label at first.
  fs::create_symlink("/bin/sleep", tree_.path(kReader));
  Process reader({tree_.path(kReader), "600"}, {}, tree_.path("reader.log"));
  environment["SEND_SIGNAL"] = "true";
  environment["PROCESS_TO_SIGNAL"] = tree_.path(kReader);
  environment["SIGNAL"] = "10";
  start();
  EXPECT_EQ(reader.wait(), -10);
  EXPECT_TRUE(says("Successfully sent signal"));
}

TEST_F(ConfigManagerTest, AsThePeerItEndsWithoutAReader) {
  label("a");
  environment["DEFAULT_CONFIG"] = "a";  // The peer may miss the label at first.
  environment["SEND_SIGNAL"] = "true";
  environment["PROCESS_TO_SIGNAL"] = tree_.path("nobody");
  EXPECT_EQ(run(), 1);
  EXPECT_TRUE(says("error finding pid: no process found"));
  EXPECT_EQ(target(), source("a"));
}

TEST_F(ConfigManagerTest, OnceTakesTheLabelAndNotTheDefault) {
  label("a");
  environment["DEFAULT_CONFIG"] = "b";
  EXPECT_EQ(run({"--oneshot"}), 0);
  EXPECT_EQ(target(), source("a"));
  EXPECT_EQ(run({"--oneshot"}), 0);
  EXPECT_TRUE(says("Already configured. Skipping update..."));
}

TEST_F(ConfigManagerTest, DecidesNothingWhileTheLabelIsNotKnown) {
  label("a");
  environment["DEFAULT_CONFIG"] = "b";
  server_.refuse(403, "Forbidden", 1);
  start();
  EXPECT_TRUE(says("resources: [nodes]"));
  EXPECT_TRUE(says("no config is chosen until the label can be read"));
  EXPECT_EQ(target(), "");
  process_->signal(SIGTERM);
  EXPECT_EQ(process_->wait(), 0);
  EXPECT_EQ(target(), "");
}

TEST_F(ConfigManagerTest, HangupChoosesAgainAndTheEndLeavesTheLink) {
  label("a");
  start();
  ASSERT_TRUE(leads_to(source("a")));
  fs::remove(link());
  process_->signal(SIGHUP);
  EXPECT_TRUE(leads_to(source("a")));
  process_->signal(SIGINT);
  EXPECT_EQ(process_->wait(), 0);
  EXPECT_EQ(target(), source("a"));
}

TEST_F(ConfigManagerTest, SaysWhatIsMissing) {
  environment.erase("NODE_NAME");
  EXPECT_EQ(run(), 1);
  EXPECT_THAT(process_->log(),
              HasSubstr("invalid <node-name>: must not be empty string"));
  environment["NODE_NAME"] = "gpu-1";
  environment["KUBECONFIG"] = "";
  EXPECT_EQ(run(), 1);
  EXPECT_THAT(process_->log(), HasSubstr("error building kubernetes "
                                         "clientcmd config: "));
}

}  // namespace
}  // namespace gpunode::integration
