// What a container has had of a GPU's time outlives the agent that counted it.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
    const doubles::Admission pod = kubelet().admit("pod", kGpu, 5);
    ASSERT_TRUE(pod.is_admitted) << pod.message;
    ASSERT_TRUE(shows("gpu_seconds_total", 0));
    const auto ids = files().list();
    ASSERT_TRUE(ids && ids->size() == 1);
    id_ = ids->front();
  }

  void start() {
    start_agent({std::string("--share-library=") + GPUNODE_CUDA_LIBRARY});
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

  std::string id_;
};

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
