// `gpunode device-plugin`: what a cluster is given of a GPUNode file, which the
// agent takes.
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::integration {
namespace {

using host::Completed;
using host::HostTree;
using testing::AllOf;
using testing::HasSubstr;

class DevicePlugin : public testing::Test {
 protected:
  void spec(const std::string& inner) {
    tree_.file("node.yaml",
               "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\nspec: " +
                   inner + "\n");
  }

  static Completed run(const std::vector<std::string>& argv) {
    host::Command command;
    command.argv = argv;
    host::SystemCommandRunner runner;
    const auto done = runner.run(command);
    EXPECT_TRUE(done);
    return done ? *done : Completed();
  }
  Completed print(const std::string& form) const {
    return run(
        {GPUNODE, "device-plugin", "--as", form, tree_.path() + "/node.yaml"});
  }

  HostTree tree_;
};

TEST_F(DevicePlugin, TheConfigurationIsOneThatTheAgentTakes) {
  spec(
      "{devicePlugin: {config: {version: v1, sharing: {timeSlicing: "
      "{failRequestsGreaterThanOne: true, resources: [{name: nvidia.com/gpu, "
      "replicas: 20}]}}}}}");
  const Completed done = print("config");
  ASSERT_EQ(done.status, 0) << done.err;
  tree_.file("agent.yaml", done.out);
  const Completed checked =
      run({GPUNODE_AGENT, "--config-check",
           "--config-file=" + tree_.path() + "/agent.yaml"});
  EXPECT_EQ(checked.status, 0) << checked.out << checked.err;
  EXPECT_THAT(done.out, HasSubstr("replicas: 20\n"));
}

TEST_F(DevicePlugin, ManifestAndValuesHaveIt) {
  spec("{devicePlugin: {config: {version: v1}}}");
  const Completed manifest = print("manifest");
  EXPECT_EQ(manifest.status, 0) << manifest.err;
  EXPECT_THAT(manifest.out,
              AllOf(HasSubstr("kind: DaemonSet"), HasSubstr("version: v1\n")));
  const Completed values = print("values");
  EXPECT_EQ(values.status, 0) << values.err;
  EXPECT_EQ(values.out,
            "config:\n  map:\n    default: |\n      version: v1\n  default: "
            "default\n");
}

TEST_F(DevicePlugin, SaysWhatToWriteWhereTheFileSaysNothing) {
  spec("{}");
  const Completed done = print("values");
  EXPECT_EQ(done.status, 1);
  EXPECT_EQ(done.out, "");
  EXPECT_THAT(done.err, HasSubstr("devicePlugin: {}"));
}

}  // namespace
}  // namespace gpunode::integration
