// Writing, proving, taking back and undoing, with a containerd that only
// pretends to run; real_containerd_test.cc has real ones.
#include "container/engines/configurator.h"

#include <sys/stat.h>

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::engines {
namespace {

using host::HostTree;
using ::testing::HasSubstr;
using Verdict = Configured::Verdict;

constexpr const char* kConfig =
    "version = 2\n"
    "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
    "  snapshotter = \"overlayfs\"\n"
    "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n"
    "  runtime_type = \"io.containerd.runc.v2\" # runc\n";

constexpr const char* kDumpBefore =
    "version = 2\n"
    "root = \"/r\"\n"
    "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
    "  default_runtime_name = \"runc\"\n";

constexpr const char* kDefaults =
    "version = 3\n"
    "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\n"
    "  runtime_type = \"io.containerd.runc.v2\"\n"
    "  options.SystemdCgroup = false\n";

std::string dump_after(const std::string& root) {
  return "version = 2\nroot = \"" + root +
         "\"\n"
         "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
         "  default_runtime_name = \"nvidia\"\n"
         "  runtimes.nvidia.options.BinaryName = "
         "\"/usr/bin/gpunode-runtime\"\n";
}

class ConfiguratorTest : public ::testing::Test {
 protected:
  ConfiguratorTest() {
    task_.config_path = "/etc/containerd/config.toml";
    task_.drop_in_path = "/etc/containerd/conf.d/99-nvidia.toml";
    task_.engine_path = "/fake/containerd";
    request_.path = "/usr/bin/gpunode-runtime";
    request_.default_runtime = RuntimeRequest::DefaultRuntime::kSet;
    script("config default", host::Completed{0, kDefaults, ""});
  }

  void script(const std::string& arguments, Result<host::Completed> answer) {
    runner_.script("/fake/containerd " + arguments, std::move(answer));
  }
  void script_dump(const std::string& output) {
    script(
        "--config " + host_.path("etc/containerd/config.toml") + " config dump",
        host::Completed{0, output, ""});
  }
  void script_version(const std::string& version) {
    script("--version",
           host::Completed{0, "containerd module " + version + " abc\n", ""});
  }
  Configurator configurator() { return {host_.root(), runner_}; }
  Result<Configured> configure() {
    Configurator engine = configurator();
    TRY(auto plan, engine.plan(task_, request_));
    return engine.apply(task_, request_, std::move(plan));
  }
  std::string config() const {
    return *host_.root().read_file("etc/containerd/config.toml");
  }
  bool has_record() const {
    return host_.root().exists(
        "var/lib/gpunode/engines/containerd_etc_containerd_config.toml.json");
  }

  HostTree host_{{"etc/containerd/config.toml", kConfig}};
  host::FakeCommandRunner runner_;
  ConfigureTask task_;
  RuntimeRequest request_;
};

TEST_F(ConfiguratorTest, WritesAndProves) {
  script_version("1.7.24");
  script_dump(kDumpBefore);
  script_dump(kDumpBefore);
  script_dump(dump_after("/r"));
  const auto done = configure();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->verdict, Verdict::kAsMeant);
  EXPECT_THAT(config(), HasSubstr("# runc\n"));
  EXPECT_THAT(config(), HasSubstr("default_runtime_name = \"nvidia\""));
  EXPECT_TRUE(has_record());
}

TEST_F(ConfiguratorTest, TakesBackWhatTheEngineUnderstandsOtherwise) {
  script_version("1.7.24");
  script_dump(kDumpBefore);
  script_dump(kDumpBefore);
  script_dump(dump_after("/other"));
  ASSERT_EQ(::chmod(host_.path("etc/containerd/config.toml").c_str(), 0600), 0);
  const auto done = configure();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message(),
            "containerd would run with other changes too: root; every file is "
            "as it was before");
  EXPECT_EQ(config(), kConfig);
  EXPECT_EQ(host_.root().status("etc/containerd/config.toml")->mode, 0600U);
  EXPECT_FALSE(has_record());
}

TEST_F(ConfiguratorTest, TakesBackADropInToo) {
  script_version("v2.1.4");
  script_dump(kDumpBefore);
  script_dump(kDumpBefore);
  const auto done = configure();
  ASSERT_FALSE(done);
  EXPECT_EQ(config(), kConfig);
  EXPECT_FALSE(host_.root().exists("etc/containerd/conf.d/99-nvidia.toml"));
}

TEST_F(ConfiguratorTest, TakesBackWhenTheEngineRefusesTheFile) {
  script_version("1.6.20");
  script_dump(kDumpBefore);
  script_dump(kDumpBefore);
  script(
      "--config " + host_.path("etc/containerd/config.toml") + " config dump",
      host::Completed{1, "", "containerd: failed to load TOML"});
  const auto done = configure();
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message(), HasSubstr("failed to load TOML"));
  EXPECT_EQ(config(), kConfig);
}

TEST_F(ConfiguratorTest, TouchesNothingThatTheEngineRefusesAsItIs) {
  script_version("1.6.20");
  script(
      "--config " + host_.path("etc/containerd/config.toml") + " config dump",
      host::Completed{1, "", "duplicated tables"});
  const auto done = configure();
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message(), HasSubstr("repair it first"));
  EXPECT_THAT(done.error().message(), HasSubstr("duplicated tables"));
  EXPECT_EQ(config(), kConfig);
  EXPECT_FALSE(has_record());
}

// The daemon's dump has what imported files say, in its own version.
TEST_F(ConfiguratorTest, TheEntryIsMadeAfterWhatTheDaemonRunsWith) {
  host_.file("etc/containerd/config.toml",
             "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n");
  script_version("v2.1.4");
  script_dump(
      "version = 3\n"
      "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\n"
      "  runtime_type = \"io.containerd.runc.v2\"\n"
      "  options.SystemdCgroup = true\n");
  const auto plan = configurator().plan(task_, request_);
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_THAT(plan->files[0].after.value_or(""),
              HasSubstr("SystemdCgroup = true"));
  EXPECT_TRUE(plan->notes.empty());
}

TEST_F(ConfiguratorTest, IsNotProvenWithoutTheProgram) {
  task_.engine_path.clear();
  const auto done = configure();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->verdict, Verdict::kNotAsked);
  EXPECT_TRUE(runner_.commands().empty());
  EXPECT_THAT(config(), HasSubstr("gpunode-runtime"));
}

TEST_F(ConfiguratorTest, UndoGivesTheFilesBackByteForByte) {
  task_.engine_path.clear();
  task_.drop_in = ConfigureTask::DropIn::kAlways;
  ASSERT_TRUE(configure());
  request_.enable_cdi = true;
  ASSERT_TRUE(configure());  // Twice: the first text is what comes back.
  EXPECT_TRUE(host_.root().exists("etc/containerd/conf.d/99-nvidia.toml"));
  Configurator engine = configurator();
  auto plan = engine.plan_undo(task_);
  ASSERT_TRUE(plan) << plan.error().message();
  ASSERT_TRUE(engine.apply_undo(task_, *std::move(plan)));
  EXPECT_EQ(config(), kConfig);
  EXPECT_FALSE(host_.root().exists("etc/containerd/conf.d/99-nvidia.toml"));
  EXPECT_FALSE(has_record());
  const auto again = engine.plan_undo(task_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::kNotFound);
}

/// Runs `action` before an answer is given.
class ActingRunner final : public host::CommandRunner {
 public:
  Result<host::Completed> run(const host::Command& /*command*/) override {
    action();
    return host::Completed{1, "", "no such thing"};
  }
  std::function<void()> action = [] {};
};

TEST_F(ConfiguratorTest, UndoIsTakenBackIfTheEngineRefusesIt) {
  task_.engine_path.clear();
  ASSERT_TRUE(configure());
  const std::string ours = config();
  task_.engine_path = "/fake/containerd";
  ActingRunner refusing;
  Configurator engine(host_.root(), refusing);
  const auto undone = engine.apply_undo(task_, *engine.plan_undo(task_));
  ASSERT_FALSE(undone);
  EXPECT_THAT(undone.error().message(), HasSubstr("no such thing"));
  EXPECT_THAT(undone.error().message(),
              HasSubstr("every file is as it was before"));
  EXPECT_EQ(config(), ours);
  EXPECT_TRUE(has_record());
}

TEST_F(ConfiguratorTest, UndoSaysWhatItCouldNotTakeBack) {
  task_.engine_path.clear();
  ASSERT_TRUE(configure());
  task_.engine_path = "/fake/containerd";
  ActingRunner refusing;
  refusing.action = [this] {
    host_.remove("etc/containerd/config.toml");
    host_.link("etc/containerd/config.toml", "/nowhere");
  };
  Configurator engine(host_.root(), refusing);
  const auto undone = engine.apply_undo(task_, *engine.plan_undo(task_));
  ASSERT_FALSE(undone);
  EXPECT_THAT(undone.error().message(),
              HasSubstr("then taking the change back failed too: "));
  EXPECT_THAT(undone.error().message(), HasSubstr("is a link to /nowhere"));
  EXPECT_EQ(undone.error().message().find("as it was before"),
            std::string::npos);
  EXPECT_TRUE(has_record());
}

TEST_F(ConfiguratorTest, UndoIsAcceptedAtMostAndNotProven) {
  task_.engine_path.clear();
  ASSERT_TRUE(configure());
  task_.engine_path = "/fake/containerd";
  script_dump(kDumpBefore);
  Configurator engine = configurator();
  const auto undone = engine.apply_undo(task_, *engine.plan_undo(task_));
  ASSERT_TRUE(undone) << undone.error().message();
  EXPECT_EQ(undone->verdict, Verdict::kAccepted);
}

TEST_F(ConfiguratorTest, UndoKeepsWhatWasEditedSince) {
  task_.engine_path.clear();
  ASSERT_TRUE(configure());
  host_.file("etc/containerd/config.toml", "# hand\n" + config());
  Configurator engine = configurator();
  auto plan = engine.plan_undo(task_);
  ASSERT_TRUE(plan) << plan.error().message();
  ASSERT_TRUE(engine.apply_undo(task_, *std::move(plan)));
  EXPECT_EQ(config(), std::string("# hand\n") + kConfig);
}

TEST_F(ConfiguratorTest, UndoKeepsAnEditBetweenTwoRuns) {
  task_.engine_path.clear();
  ASSERT_TRUE(configure());
  host_.file("etc/containerd/config.toml", "# hand\n" + config());
  request_.enable_cdi = true;
  ASSERT_TRUE(configure());
  Configurator engine = configurator();
  auto plan = engine.plan_undo(task_);
  ASSERT_TRUE(plan) << plan.error().message();
  ASSERT_TRUE(engine.apply_undo(task_, *std::move(plan)));
  EXPECT_EQ(config(), std::string("# hand\n") + kConfig);
}

TEST_F(ConfiguratorTest, DockerIsAskedWhereItCanValidate) {
  task_ = {};
  task_.engine = Engine::kDocker;
  task_.config_path = "/etc/docker/daemon.json";
  task_.engine_path = "/fake/dockerd";
  runner_.script("/fake/dockerd --help",
                 {host::Completed{0, "-D, --debug", ""}});
  runner_.script("/fake/dockerd --help",
                 {host::Completed{0, "-D, --debug\n --validate", ""}});
  const std::string line = "/fake/dockerd --validate --config-file=" +
                           host_.path("etc/docker/daemon.json");
  runner_.script(line, host::Completed{0, "configuration OK", ""});
  // Whatever its words are, it did not accept the file.
  runner_.script(line, host::Completed{1, "", "unknown flag in x"});
  const auto old = configure();
  ASSERT_TRUE(old) << old.error().message();
  EXPECT_EQ(old->verdict, Verdict::kNotAsked);
  const auto done = configure();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->verdict, Verdict::kAccepted);
  const std::string first = *host_.root().read_file("etc/docker/daemon.json");
  request_.enable_cdi = true;
  const auto refused = configure();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("unknown flag in x"));
  EXPECT_EQ(*host_.root().read_file("etc/docker/daemon.json"), first);
}

TEST_F(ConfiguratorTest, RestartWaitsForTheLinksOfGpusInUse) {
  ASSERT_TRUE(configurator().check_restart(task_));
  host_.file("proc/10/cgroup", "0::/kubepods.slice/cri-containerd-1.scope\n");
  host_.file("proc/10/comm", "python3\n");
  host_.directory("proc/10/fd");
  host_.link("proc/10/fd/3", "/dev/nvidia0");
  EXPECT_TRUE(configurator().check_restart(task_));
  host_.directory("dev");
  if (::mknod(host_.path("dev/nvidia0").c_str(), S_IFCHR | 0600, 0xc300) != 0) {
    GTEST_SKIP() << "may not make device nodes here";
  }
  const auto refused = configurator().check_restart(task_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("a container uses a GPU now (process 10, python3)"));
  EXPECT_THAT(refused.error().message(),
              HasSubstr("run `gpunode runtime device-links` first"));
  host_.directory("dev/char");
  host_.link("dev/char/195:0", "../nvidia0");
  EXPECT_TRUE(configurator().check_restart(task_));
  task_.engine = Engine::kDocker;
  EXPECT_THAT(configurator().check_restart(task_).error().message(),
              HasSubstr("live-restore"));
}

TEST_F(ConfiguratorTest, RestartWaitsForGpusThatNobodyHasOpenToo) {
  task_.engine = Engine::kDocker;
  host_.file("proc/10/cgroup", "0::/system.slice/docker-1.scope\n");
  host_.file("proc/10/comm", "trainer\n");
  host_.file("proc/10/root/dev/nvidia0", "");
  host_.directory("proc/10/ns");
  host_.directory("proc/self/ns");
  host_.link("proc/10/ns/mnt", "mnt:[2]");
  host_.link("proc/self/ns/mnt", "mnt:[1]");
  const auto refused = configurator().check_restart(task_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("a container has a GPU, though not open now (process "
                        "10, trainer)"));
}

TEST_F(ConfiguratorTest, RestartIsSystemds) {
  runner_.script("/usr/bin/systemctl restart containerd", host::Completed{});
  EXPECT_TRUE(configurator().restart(task_));
}

}  // namespace
}  // namespace gpunode::engines
