// The demo, run as a person runs it, and the parts that it is made of.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "base/host/command_runner.h"
#include "demo/bundle.h"
#include "demo/programs.h"
#include "demo/story.h"

namespace gpunode::demo {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A demo that works in a directory of its own; its output is read as it comes.
class RunningDemo {
 public:
  RunningDemo() {
    std::string name = ::testing::TempDir() + "demo.XXXXXX";
    directory_ = ::mkdtemp(name.data());
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    output_.reset(ends[0]);
    const UniqueFd input(ends[1]);
    posix_spawn_file_actions_t actions{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
    std::string program = GPUNODE_DEMO;
    std::string directory = "TMPDIR=" + directory_.string();
    std::array<char*, 2> argv = {program.data(), nullptr};
    std::array<char*, 2> environment = {directory.data(), nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, program.c_str(), &actions, nullptr,
                            argv.data(), environment.data()),
              0);
    ::posix_spawn_file_actions_destroy(&actions);
  }
  RunningDemo(const RunningDemo&) = delete;
  RunningDemo& operator=(const RunningDemo&) = delete;
  ~RunningDemo() {
    if (pid_ > 0) end();
    std::filesystem::remove_all(directory_);
  }

  /// Reads until `text` came; false if the output ended first.
  bool read_until(const std::string& text) {
    std::array<char, 256> piece{};
    while (said_.find(text) == std::string::npos) {
      const ssize_t length = ::read(output_.get(), piece.data(), piece.size());
      if (length <= 0) return false;
      said_.append(piece.data(), static_cast<std::size_t>(length));
    }
    return true;
  }

  /// What it calls its directory, containers and cgroups; while it works.
  std::string name() const {
    const std::filesystem::directory_iterator first(directory_);
    return first == std::filesystem::directory_iterator()
               ? ""
               : first->path().filename().string();
  }

  void interrupt() const { ::kill(pid_, SIGINT); }

  /// Waits for its end; the exit code, or -1.
  int end() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  /// What is left of a run that called itself `name`.
  std::vector<std::string> leftovers(const std::string& name) const {
    std::vector<std::string> found;
    for (const std::filesystem::path& where :
         {directory_, std::filesystem::path("/sys/fs/cgroup"),
          std::filesystem::path("/sys/fs/cgroup/devices")}) {
      std::error_code ignored;
      for (const auto& entry :
           std::filesystem::directory_iterator(where, ignored)) {
        const std::string path = entry.path().string();
        if (path.find(name) != std::string::npos) found.push_back(path);
      }
    }
    return found;
  }

  const std::string& said() const { return said_; }

 private:
  std::filesystem::path directory_;
  UniqueFd output_;
  pid_t pid_ = -1;
  std::string said_;
};

constexpr int kCannotRunHere = 2;

TEST(Demo, ShowsEveryStageAndLeavesNothing) {
  RunningDemo demo;
  const bool has_begun = demo.read_until("5. gpunode-agent");
  const std::string name = demo.name();
  demo.read_until("never said");
  const int code = demo.end();
  const std::string& said = demo.said();
  if (code == kCannotRunHere) GTEST_SKIP() << said;
  EXPECT_TRUE(has_begun);
  EXPECT_EQ(code, 0) << said;
  EXPECT_THAT(said, HasSubstr("~ kubernetes.join"));
  EXPECT_THAT(said, HasSubstr("20 to change, "));
  EXPECT_THAT(said, HasSubstr("a second apply finds 0 to change"));
  EXPECT_THAT(said, HasSubstr("files and settings are as they were"));
  EXPECT_THAT(said, HasSubstr("NVIDIA A10G"));
  EXPECT_THAT(said, HasSubstr("the node offers nvidia.com/gpu: 20"));
  EXPECT_THAT(said,
              HasSubstr("the agent answered NVIDIA_VISIBLE_DEVICES=GPU-"));
  EXPECT_THAT(said, HasSubstr("/dev/nvidiactl (rw)"));
  EXPECT_THAT(said, HasSubstr("| Test PASSED"));
  EXPECT_THAT(said, HasSubstr("CUDA_ERROR_NO_DEVICE"));
  EXPECT_THAT(said,
              HasSubstr("maximum request size for shared resources is 1"));
  EXPECT_THAT(said, HasSubstr("19 more Pods are admitted"));
  EXPECT_THAT(said, HasSubstr("Insufficient nvidia.com/gpu"));
  EXPECT_THAT(said, HasSubstr("All of it was as claimed."));
  EXPECT_THAT(said, Not(HasSubstr("\x1b"))) << "no colours on a pipe";
  EXPECT_THAT(name, HasSubstr("gpunode-demo-"));
  EXPECT_THAT(demo.leftovers(name), ::testing::IsEmpty());
}

TEST(Demo, LeavesNothingWhenItIsInterrupted) {
  RunningDemo demo;
  if (!demo.read_until("7. The Pod runs")) GTEST_SKIP() << demo.said();
  const std::string name = demo.name();
  demo.interrupt();
  EXPECT_EQ(demo.end(), 1);
  EXPECT_THAT(name, HasSubstr("gpunode-demo-"));
  EXPECT_THAT(demo.leftovers(name), ::testing::IsEmpty());
}

TEST(Demo, DoesNotClaimWhatIsNotSo) {
  if (::geteuid() != 0 || built_programs().runc.empty()) {
    GTEST_SKIP() << "needs root and runc";
  }
  Programs programs = built_programs();
  programs.vectoradd = "/bin/true";  // Exit code 0, but no sum.
  const auto workplace = Workplace::make();
  ASSERT_TRUE(workplace) << workplace.error().message();
  Screen screen(false);
  tell(programs, *workplace, screen);
  EXPECT_FALSE(screen.all_true());
  workplace->remove();
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
