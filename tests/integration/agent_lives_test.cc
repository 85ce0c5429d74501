// What a container has had of a GPU's time outlives the agent that counted it.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/command_runner.h"
#include "share/turns/turn_lives.h"
#include "tests/integration/agent_process.h"

namespace gpunode::integration {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr const char* kShares =
    "version: v1\n"
    "sharing:\n"
    "  shares:\n"
    "    resources:\n"
    "    - name: nvidia.com/gpu\n"
    "      replicas: 20\n";
constexpr const char* kPod = "pod=\"pod\"";

class AgentLives : public AgentTest {
 protected:
  void SetUp() override {
    fs::create_directories(file("host/var/lib/gpunode"));
    write_config(kShares);
    start_kubelet();
    ASSERT_TRUE(kubelet().serve_pod_resources());
    use_profile("a10g-x1");
    start();
    ASSERT_TRUE(lists(kGpu, 20, 20));
    pod_ = kubelet().admit("pod", kGpu, 5);
    ASSERT_TRUE(pod_.is_admitted) << pod_.message;
    ASSERT_TRUE(shows("gpu_seconds_total", 0));
    const auto ids = files().list();
    ASSERT_TRUE(ids && ids->size() == 1);
    id_ = ids->front();
  }

  void start() {
    start_agent({std::string("--share-library=") + GPUNODE_CUDA_LIBRARY});
  }
  /// A program of the container that does some work; what it wrote.
  std::string work() const {
    const std::string share = file("share");
    fs::create_directories(share);
    for (const kubelet::Mount& mount : pod_.container.mounts) {
      const fs::path target(mount.container_path);
      if (target.parent_path() != "/run/gpunode/share") continue;
      const std::string link = share + "/" + target.filename().string();
      if (!fs::exists(link)) {
        fs::create_symlink(file("host") + mount.host_path, link);
      }
    }
    const std::string cuda = fs::path(FAKE_CUDA_LIBRARY).parent_path().string();
    host::Command command;
    command.argv = {GPUNODE_TURN_TAKER,
                    files().root() + "/" + id_,
                    "retain",
                    "launch",
                    "3",
                    "sync"};
    for (const std::string& one :
         {"LD_LIBRARY_PATH=" + cuda, "GPUNODE_FAKE_DEV=" + cuda + "/dev",
          "GPUNODE_FAKE_NVML=" + environment.at("GPUNODE_FAKE_NVML"),
          "LD_PRELOAD=" + share + "/libgpunode-cuda.so"}) {
      command.env.push_back(one);
    }
    const auto done = host::SystemCommandRunner().run(command);
    if (!done) return done.error().message();
    return std::to_string(done->status) + " " + done->out + done->err;
  }
  double turns() {
    return metric("gpunode_share_turns_total", kPod).value_or(0);
  }
  void end(int signal) {
    agent().signal(signal);
    agent().wait();
  }
  share::GrantFiles files() const {
    return share::GrantFiles(file("host") + share::GrantFiles::kRoot);
  }
  std::uint64_t grant() const {
    const auto look = files().look(id_);
    EXPECT_TRUE(look) << look.error().message();
    return look ? look->file : 0;
  }
  bool shows(const std::string& name, double value) {
    return doubles::eventually(
        [&] { return metric("gpunode_share_" + name, kPod) == value; });
  }

  doubles::Admission pod_;
  std::string id_;
};

TEST_F(AgentLives, HaveTheTurnsThatWereTaken) {
  const std::string told = work();
  EXPECT_TRUE(doubles::eventually([&] { return turns() > 0; })) << told;
  // One more may have been given to a program that had just ended.
  const double before = turns();
  // Killed first, right after it told: what was told has been kept by then.
  for (const int signal : {SIGKILL, SIGTERM}) {
    end(signal);
    start();
    EXPECT_TRUE(doubles::eventually([&] { return turns() >= before; }))
        << page("/metrics");
  }
  const double then = turns();
  work();
  EXPECT_TRUE(doubles::eventually([&] { return turns() > then; }));
}

TEST_F(AgentLives, GoOnWhereTheAgentBeforeEnded) {
  end(SIGTERM);
  const auto kept = share::read_turn_lives(files(), id_, grant());
  ASSERT_TRUE(kept) << kept.error().message();
  ASSERT_EQ(kept->size(), 1);
  // As if it had worked.
  const std::string device = kept->begin()->first;
  const share::TurnLife life{seconds(7),  seconds(3), 12,
                             seconds(40), seconds(6), 500};
  ASSERT_TRUE(share::keep_turn_lives(files(), id_, grant(), {{device, life}}));
  // Ended in order, and killed.
  for (const int signal : {SIGTERM, SIGKILL, SIGKILL}) {
    start();
    EXPECT_TRUE(shows("gpu_seconds_total", 7)) << page("/metrics");
    EXPECT_TRUE(shows("throttled_seconds_total", 3));
    EXPECT_TRUE(shows("turns_total", 12));
    EXPECT_TRUE(shows("gpu_mean_ratio", 0.15));
    EXPECT_TRUE(shows("gpu_peak_ratio", 0.5));
    EXPECT_TRUE(shows("observed_seconds", 40));
    end(signal);
    const auto now = share::read_turn_lives(files(), id_, grant());
    ASSERT_TRUE(now) << now.error().message();
    EXPECT_EQ(now->at(device), life);
  }
}

TEST_F(AgentLives, BeginAnewWhereTheFileIsDamaged) {
  end(SIGTERM);
  std::ofstream(files().root() + "/" + id_ + "/lives") << "gpunode-lives 2\n";
  start();
  EXPECT_TRUE(shows("gpu_seconds_total", 0)) << page("/metrics");
  EXPECT_TRUE(says("is not known, and counted from now on: read "));
  end(SIGTERM);
  EXPECT_TRUE(share::read_turn_lives(files(), id_, grant()));
}

}  // namespace
}  // namespace gpunode::integration
