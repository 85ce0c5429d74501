// The plan of the project's first node, examples/g5-rocky8.yaml on the made-up
// g5.4xlarge: docs/seed.md beside tests/fixtures/g5-rocky8.plan.
// GPUNODE_UPDATE_GOLDEN=1 writes that file anew.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::integration {
namespace {

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The recorded host with the example's file. Its repositories are those of a
/// fresh Rocky 8.
class SeedPlan : public testing::Test {
 protected:
  SeedPlan() {
    namespace fs = std::filesystem;
    fs::copy(std::string(HOST_FIXTURES) + "/g5-rocky8", tree_.path(),
             fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    tree_.file("etc/gpunode/node.yaml",
               read(std::string(EXAMPLES) + "/g5-rocky8.yaml"));
    tree_.file("etc/yum.repos.d/Rocky-PowerTools.repo",
               "[powertools]\nname=Rocky Linux 8 - PowerTools\n"
               "mirrorlist=https://mirrors.rockylinux.org/mirrorlist"
               "?arch=$basearch&repo=PowerTools-$releasever\n"
               "gpgcheck=1\nenabled=0\n");
    tree_.file("usr/bin/dracut", "");
    // Recorded hosts have none, and a Node has one.
    tree_.file("proc/sys/kernel/hostname", "g5-worker-1\n");
  }

  /// What is told of these Steps, with their reasons. The disk's own are left
  /// out: a recorded disk cannot be looked into.
  std::string planned() const {
    host::Command command;
    command.argv = {GPUNODE,     "plan",       "--root", tree_.path(),
                    "--no-diff", "--no-color", "--all"};
    // How full the disk of this test is, and who holds its package manager's
    // lock, is nothing of the recorded host's.
    command.argv.insert(command.argv.end(), {"--ignore-preflight", "all"});
    for (const char* id :
         {"prep.modules",      "prep.sysctl",       "prep.swap",
          "prep.repositories", "prep.packages",     "kernel.nouveau",
          "kernel.target",     "kernel.secureboot", "kernel.build",
          "driver.obstacles",  "driver.repository", "driver.packages",
          "driver.hold",       "driver.modules",    "driver.options",
          "driver.load",       "driver.services",   "cuda.extras",
          "runtime.engine",    "runtime.config",    "kubernetes.packages",
          "kubernetes.join",   "kubernetes.node",   "plugin.service"}) {
      command.argv.insert(command.argv.end(), {"--only", id});
    }
    host::SystemCommandRunner runner;
    const auto done = runner.run(command);
    EXPECT_TRUE(done) << done.error().message();
    if (!done) return "";
    EXPECT_EQ(done->status, 2) << done->out << done->err;
    return done->out;
  }

  host::HostTree tree_;
};

TEST_F(SeedPlan, IsWhatTheSeedDidWithoutItsMistakes) {
  const std::string plan = planned();
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread.
  if (std::getenv("GPUNODE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(GOLDEN, std::ios::binary) << plan;
  }
  EXPECT_EQ(plan, read(GOLDEN));
}

}  // namespace
}  // namespace gpunode::integration
