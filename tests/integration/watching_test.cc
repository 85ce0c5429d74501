// The agent's program called gpunode, as it is in the agent's image.
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Watching : public testing::Test {
 protected:
  Watching() {
    tree_.file("host/etc/os-release", "ID=debian\n");
    tree_.file("host/proc/sys/kernel/hostname", "node-7\n");
    tree_.directory("host/usr/lib64");
    std::filesystem::copy_file(FAKE_NVML_LIBRARY,
                               tree_.path("host/usr/lib64/libnvidia-ml.so.1"));
    std::filesystem::copy_file(
        std::string(FAKE_NVML_PROFILES) + "/a10g-x1.json",
        tree_.path("host/usr/lib64/profile.json"));
    std::filesystem::create_symlink(GPUNODE_AGENT, tree_.path("gpunode"));
  }

  host::Completed run(const std::vector<std::string>& words) const {
    host::Command command;
    command.argv = {tree_.path("gpunode")};
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    auto done = host::SystemCommandRunner().run(command);
    EXPECT_TRUE(done) << done.error().message();
    return done ? *std::move(done) : host::Completed();
  }

  host::HostTree tree_;
};

TEST_F(Watching, ShowsGpusAndSharesAsGpunodeDoes) {
  const auto top = run({"top", "--once", "--root", tree_.path("host"),
                        "--probe", GPUNODE_PROBE});
  EXPECT_EQ(top.status, 0) << top.err;
  EXPECT_THAT(top.out, AllOf(HasSubstr("gpunode top  node-7"),
                             HasSubstr("NVIDIA A10G"), HasSubstr("agent: ")));
  const auto shares = run({"shares", "--json", "--root", tree_.path("host")});
  EXPECT_EQ(shares.status, 0) << shares.err;
  EXPECT_THAT(shares.out, HasSubstr("\"shares\": []"));
  EXPECT_THAT(run({"version"}).out, HasSubstr("gpunode "));
}

TEST_F(Watching, IsNotMeantForTheAgent) {
  host::Command command;
  command.argv = {GPUNODE_AGENT, "shares"};
  const auto done = host::SystemCommandRunner().run(command);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->status, 1);
  EXPECT_THAT(done->err, AllOf(HasSubstr("\"shares\" is no option"),
                               HasSubstr("'gpunode shares'")));
}

TEST_F(Watching, FindsTheDriverWhereTheAgentOfItsContainerDoes) {
  const std::string variable = "DRIVER_ROOT_CTR_PATH=" + tree_.path("host");
  host::Command command;
  command.argv = {tree_.path("gpunode"), "top", "--once", "--probe",
                  GPUNODE_PROBE};
  command.env.push_back(variable);
  const auto top = host::SystemCommandRunner().run(command);
  ASSERT_TRUE(top) << top.error().message();
  EXPECT_THAT(top->out, HasSubstr("NVIDIA A10G"));
}

TEST_F(Watching, LooksForItsProbeBesideItself) {
  // Where it is in truth, not where its link is.
  const auto top = run({"top", "--once", "--root", tree_.path("host")});
  const std::string agent = GPUNODE_AGENT;
  EXPECT_THAT(top.out,
              HasSubstr(agent.substr(0, agent.rfind('/')) + "/gpunode-probe"));
}

TEST_F(Watching, NamesTheHostForWhatItDoesNotHave) {
  for (const char* verb : {"apply", "status", "nonsense"}) {
    const auto done = run({verb});
    EXPECT_EQ(done.status, 64);
    EXPECT_THAT(done.err, AllOf(HasSubstr("no such command"),
                                HasSubstr("run others on the host")));
  }
  // But not where the command is here, and its words are wrong.
  const auto done = run({"shares", "--jsn"});
  EXPECT_EQ(done.status, 64);
  EXPECT_THAT(done.err, AllOf(HasSubstr("did you mean --json"),
                              Not(HasSubstr("on the host"))));
}

}  // namespace
}  // namespace gpunode::integration
