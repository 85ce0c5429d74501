// The demo, run as a person runs it, and the parts that it is made of.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "demo/bundle.h"
#include "demo/story.h"

namespace gpunode::demo {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::set<std::string> leftovers() {
  std::set<std::string> found;
  std::error_code ignored;
  for (const char* where :
       {"/tmp", "/sys/fs/cgroup", "/sys/fs/cgroup/devices"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(where, ignored)) {
      if (entry.path().string().find("gpunode-demo") != std::string::npos) {
        found.insert(entry.path());
      }
    }
  }
  return found;
}

TEST(Demo, ShowsEveryStageAndLeavesNothing) {
  const std::set<std::string> before = leftovers();
  host::Command command;
  command.argv = {GPUNODE_DEMO};
  command.timeout = std::chrono::seconds(100);
  const auto completed = host::SystemCommandRunner().run(command);
  ASSERT_TRUE(completed) << completed.error().message();
  const std::string& out = completed->out;
  if (completed->status == 2) GTEST_SKIP() << out;
  EXPECT_EQ(completed->status, 0) << out << completed->err;
  EXPECT_THAT(out, HasSubstr("NVIDIA A10G"));
  EXPECT_THAT(out, HasSubstr("the node offers nvidia.com/gpu: 20"));
  EXPECT_THAT(out, HasSubstr("the agent answered NVIDIA_VISIBLE_DEVICES=GPU-"));
  EXPECT_THAT(out, HasSubstr("/dev/nvidiactl (rw)"));
  EXPECT_THAT(out, HasSubstr("| Test PASSED"));
  EXPECT_THAT(out, HasSubstr("CUDA_ERROR_NO_DEVICE"));
  EXPECT_THAT(out, HasSubstr("maximum request size for shared resources is 1"));
  EXPECT_THAT(out, HasSubstr("19 more Pods are admitted"));
  EXPECT_THAT(out, HasSubstr("Insufficient nvidia.com/gpu"));
  EXPECT_THAT(out, HasSubstr("All of it was as claimed."));
  EXPECT_THAT(out, Not(HasSubstr("\x1b"))) << "no colours on a pipe";
  std::set<std::string> after = leftovers();
  for (const std::string& old : before) after.erase(old);
  EXPECT_THAT(after, ::testing::IsEmpty());
}

TEST(Demo, RunsTheSeedsConfigurationByteForByte) {
  std::ifstream file(GPUNODE_SEED_CONFIG);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(kConfig, text);
}

TEST(Bundle, DeniesWhatIsNotPermitted) {
  Bundle bundle;
  bundle.name = "pod";
  bundle.devices = {{"/dev/nvidia0", 195, 0, "rw"},
                    {"/dev/nvidia1", 195, 1, ""}};
  const std::string config = config_json(bundle);
  EXPECT_THAT(config, HasSubstr(R"("path": "/dev/nvidia1")"));
  const std::size_t rules = config.find("\"resources\"");
  ASSERT_NE(rules, std::string::npos);
  EXPECT_THAT(config.substr(rules), HasSubstr(R"("allow": false)"));
  EXPECT_THAT(config.substr(rules), HasSubstr(R"("minor": 0)"));
  EXPECT_THAT(config.substr(rules), Not(HasSubstr(R"("minor": 1)")));
}

TEST(Bundle, RefusesDevicesThatAreNone) {
  const auto missing = device_nodes({{"/dev/x", "/no/such/device", "rw"}}, "/");
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_FALSE(device_nodes({{"/dev/x", "/etc/passwd", "rw"}}, "/"));
  EXPECT_TRUE(device_nodes({{"/dev/x", "/dev/null", "rw"}}, "/"));
}

}  // namespace
}  // namespace gpunode::demo
