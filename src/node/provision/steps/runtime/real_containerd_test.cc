// The file that is made, read by real containerd: GPUNODE_CONTAINERD is its
// program; if it is not set, /usr/bin/containerd. GPUNODE_CONTAINERD_1_7 and
// GPUNODE_CONTAINERD_2 may name others, as of container/engines.
#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"
#include "base/text/toml_reader.h"
#include "base/text/tree.h"
#include "container/engines/containerd_config.h"
#include "node/provision/steps/runtime/containerd_file.h"

namespace gpunode::provision {
namespace {

/// One of the variables that name a program.
class RealContainerdFile : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): tests have one thread.
    const char* named = std::getenv(GetParam());
    if (named != nullptr) program_ = named;
    if (named == nullptr && std::string(GetParam()) == "GPUNODE_CONTAINERD") {
      program_ = "/usr/bin/containerd";
    }
    if (program_.empty() || !host::HostRoot().exists(program_)) {
      GTEST_SKIP() << "no containerd: set " << GetParam();
    }
  }

  /// What containerd would run with; empty if it does not take the file.
  std::optional<text::Node> dump_of(const std::string& config) {
    const host::HostTree tree{{"config.toml", config}};
    host::Command command;
    command.argv = {program_, "--config", tree.path("config.toml"), "config",
                    "dump"};
    const auto dump = runner_.output(command);
    EXPECT_TRUE(dump) << dump.error().message() << "\n" << config;
    if (!dump) return std::nullopt;
    auto node = text::parse_toml(*dump, "containerd config dump");
    EXPECT_TRUE(node);
    if (!node) return std::nullopt;
    return *std::move(node);
  }

  std::string program_;
  host::SystemCommandRunner runner_;
};

TEST_P(RealContainerdFile, IsTakenAndMeansWhatItSays) {
  for (const char* before :
       {"disabled_plugins = [\"cri\"]\n", "", "version = 2\n",
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd."
        "runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n"}) {
    const auto edit = edit_containerd(
        {before}, {.sandbox_image = "registry.k8s.io/pause:3.8"});
    ASSERT_TRUE(edit) << edit.error().message();
    const auto dump = dump_of(edit->config);
    if (!dump) continue;
    const auto schema = engines::containerd_schema(*dump);
    ASSERT_TRUE(schema);
    const text::KeyPath cri = engines::containerd_cri(*schema);
    const text::KeyPath containerd = text::child(cri, "containerd");
    EXPECT_EQ(
        text::string_at(*dump, text::child(containerd, "default_runtime_name")),
        "nvidia");
    for (const char* runtime : {"runc", "nvidia"}) {
      text::KeyPath path = containerd;
      path.insert(path.end(),
                  {"runtimes", runtime, "options", "SystemdCgroup"});
      const text::Node* cgroup = text::find_at(*dump, path);
      ASSERT_NE(cgroup, nullptr) << before;
      EXPECT_TRUE(cgroup->is_true());
    }
    const text::KeyPath sandbox =
        *schema >= 3 ? text::KeyPath{"plugins", "io.containerd.cri.v1.images",
                                     "pinned_images", "sandbox"}
                     : text::child(cri, "sandbox_image");
    EXPECT_EQ(text::string_at(*dump, sandbox), "registry.k8s.io/pause:3.8");
    const text::Node* disabled = text::find_at(*dump, {"disabled_plugins"});
    EXPECT_TRUE(disabled == nullptr || disabled->items.empty());
  }
}

TEST_P(RealContainerdFile, TakesEveryModeOfGpus) {
  for (const GpuMode mode :
       {GpuMode::kDefaultRuntime, GpuMode::kRuntimeClass, GpuMode::kCdi}) {
    const auto edit = edit_containerd({std::nullopt}, {.gpu_mode = mode});
    ASSERT_TRUE(edit) << edit.error().message();
    EXPECT_TRUE(dump_of(edit->config));
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, RealContainerdFile,
                         ::testing::Values("GPUNODE_CONTAINERD",
                                           "GPUNODE_CONTAINERD_1_7",
                                           "GPUNODE_CONTAINERD_2"),
                         [](const auto& variable) {
                           return std::string(variable.param);
                         });

}  // namespace
}  // namespace gpunode::provision
