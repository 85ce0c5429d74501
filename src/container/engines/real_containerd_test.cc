// The same with real daemons' programs: they read what we wrote and say what
// they would run with. GPUNODE_CONTAINERD is one such program; if it is not
// set, /usr/bin/containerd. GPUNODE_CONTAINERD_1_7 and GPUNODE_CONTAINERD_2
// may name others; tests/engines runs this with all three.
#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"
#include "base/text/toml_reader.h"
#include "base/text/tree.h"
#include "container/engines/configurator.h"
#include "container/engines/containerd_config.h"

namespace gpunode::engines {
namespace {

using host::HostTree;
using ::testing::HasSubstr;
using Verdict = Configured::Verdict;

constexpr const char* kKubeadmConfig =
    "# kept by the platform team\r\n"
    "version = 2\r\n"
    "root = \"/var/lib/containerd\"\r\n"
    "[plugins.\"io.containerd.grpc.v1.cri\"]\r\n"
    "  sandbox_image = \"registry.k8s.io/pause:3.9\" # mirrored\r\n"
    "  [plugins.\"io.containerd.grpc.v1.cri\".containerd]\r\n"
    "    default_runtime_name = \"runc\"\r\n"
    "    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\r\n"
    "      runtime_type = \"io.containerd.runc.v2\"\r\n"
    "      [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc."
    "options]\r\n"
    "        SystemdCgroup = true\r\n";

/// One of the variables that name a program.
class RealContainerd : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): tests have one thread.
    const char* named = std::getenv(GetParam());
    if (named != nullptr) program_ = named;
    if (named == nullptr && std::string(GetParam()) == "GPUNODE_CONTAINERD") {
      program_ = "/usr/bin/containerd";
    }
    if (program_.empty() || !host::HostRoot().exists(program_)) {
      GTEST_SKIP() << "no containerd: set " << GetParam()
                   << ", as tests/engines does";
    }
    host_.file("etc/containerd/config.toml", kKubeadmConfig);
    // The daemon is not confined to the tree: imports are true paths.
    task_.config_path = host_.path("etc/containerd/config.toml");
    task_.drop_in_path = host_.path("etc/containerd/conf.d/99-nvidia.toml");
    task_.engine_path = program_;
    task_.record_directory = host_.path("records");
    request_.path = "/usr/bin/gpunode-runtime";
    request_.default_runtime = RuntimeRequest::DefaultRuntime::kSet;
    host::Command command;
    command.argv = {program_, "--version"};
    const auto version = runner_.output(command);
    is_2_ = version && version->find("containerd/v2") != std::string::npos;
    is_1_6_ = version && version->find(" 1.6") != std::string::npos;
  }

  Result<Configured> configure() {
    Configurator engine(host::HostRoot(), runner_);
    TRY(auto plan, engine.plan(task_, request_));
    return engine.apply(task_, request_, std::move(plan));
  }

  std::string config() const {
    return *host_.root().read_file("etc/containerd/config.toml");
  }

  std::string program_;
  bool is_2_ = false;
  bool is_1_6_ = false;
  HostTree host_;
  host::SystemCommandRunner runner_;
  ConfigureTask task_;
  RuntimeRequest request_;
};

TEST_P(RealContainerd, UnderstandsTheChangeAndNothingElse) {
  const auto done = configure();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->verdict, Verdict::kAsMeant);
  EXPECT_THAT(config(), HasSubstr("# mirrored\r\n"));
  EXPECT_EQ(host_.root().exists("etc/containerd/conf.d/99-nvidia.toml"), is_2_);
  Configurator engine(host::HostRoot(), runner_);
  const auto second = engine.plan(task_, request_);
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->is_change());
}

TEST_P(RealContainerd, UnderstandsNvidiaCtksDropInToo) {
  request_.is_exact_copy = true;
  task_.drop_in = ConfigureTask::DropIn::kAlways;
  const auto done = configure();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_TRUE(host_.root().exists("etc/containerd/conf.d/99-nvidia.toml"));
}

TEST_P(RealContainerd, StartsFromAMissingFile) {
  host_.remove("etc/containerd/config.toml");
  const auto done = configure();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->verdict, Verdict::kAsMeant);
}

TEST_P(RealContainerd, KeepsRuncWhereOnlyTheDaemonKnewIt) {
  host_.file("etc/containerd/config.toml",
             "version = 2\n\n[plugins]\n"
             "  [plugins.\"io.containerd.grpc.v1.cri\".cni]\n"
             "    bin_dir = \"/usr/lib/cni\"\n");
  const auto done = configure();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->verdict, Verdict::kAsMeant);
  EXPECT_TRUE(is_2_ ||
              config().find("containerd.runtimes.runc]") != std::string::npos);
}

TEST_P(RealContainerd, AnImportedFilesRuntimeIsTheTemplate) {
  host_.file(
      "etc/containerd/conf.d/10-runc.toml",
      "version = 2\n"
      "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n"
      "  runtime_type = \"io.containerd.runc.v2\"\n"
      "  options.SystemdCgroup = true\n");
  host_.file("etc/containerd/config.toml",
             "version = 2\nimports = [\"" +
                 host_.path("etc/containerd/conf.d/*.toml") + "\"]\n");
  Configurator engine(host::HostRoot(), runner_);
  const auto plan = engine.plan(task_, request_);
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_THAT(plan->files[0].after.value_or(""),
              HasSubstr("SystemdCgroup = true"));
}

TEST_P(RealContainerd, CdiIsTakenBackWhereItIsNotKnown) {
  request_.enable_cdi = true;
  const auto done = configure();
  EXPECT_EQ(done.has_value(), !is_1_6_);
  if (!is_1_6_) return;
  EXPECT_THAT(done.error().message(), HasSubstr("CDI came with 1.7"));
  EXPECT_EQ(config(), kKubeadmConfig);
}

TEST_P(RealContainerd, ALaterImportThatSaysOtherwiseIsFound) {
  if (is_2_) GTEST_SKIP() << "2.1 merges tables of several files";
  host_.file("etc/containerd/other/10.toml",
             "version = 2\n"
             "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
             "default_runtime_name = \"kata\"\n");
  const std::string text = "imports = [\"" +
                           host_.path("etc/containerd/other/*.toml") + "\"]\n" +
                           kKubeadmConfig;
  host_.file("etc/containerd/config.toml", text);
  const auto done = configure();
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message(), HasSubstr("later file of its imports"));
  EXPECT_EQ(config(), text);
}

TEST_P(RealContainerd, AFileThatItRefusesIsNotTouched) {
  const std::string text = "version = 2\noom_score = \"x\"\n";
  host_.file("etc/containerd/config.toml", text);
  const auto done = configure();
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message(), HasSubstr("repair it first"));
  EXPECT_EQ(config(), text);
}

TEST_P(RealContainerd, Version1WorksWhereItIsStillRead) {
  const std::string text =
      "oom_score = -999\n"
      "[plugins.cri.containerd]\n"
      "  default_runtime_name = \"runc\"\n"
      "  [plugins.cri.containerd.runtimes.runc]\n"
      "    runtime_type = \"io.containerd.runc.v2\"\n";
  host_.file("etc/containerd/config.toml", text);
  const auto done = configure();
  if (is_2_) {
    ASSERT_FALSE(done);
    EXPECT_EQ(config(), text);
    return;
  }
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_THAT(config(), HasSubstr("[plugins.cri.containerd.runtimes.nvidia]"));
}

INSTANTIATE_TEST_SUITE_P(Versions, RealContainerd,
                         ::testing::Values("GPUNODE_CONTAINERD",
                                           "GPUNODE_CONTAINERD_1_7",
                                           "GPUNODE_CONTAINERD_2"),
                         [](const auto& variable) {
                           return std::string(variable.param);
                         });

}  // namespace
}  // namespace gpunode::engines
