// `gpunode status` beside a real agent: what a person on the node is told.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "tests/integration/agent_process.h"

namespace gpunode::integration {
namespace {

using testing::HasSubstr;

class Status : public AgentTest {
 protected:
  struct Answer {
    int code = 0;
    std::string text;
  };

  Answer ask(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {GPUNODE, "status", "--plugin-directory",
                                      plugins().path().string()};
    words.insert(words.end(), more.begin(), more.end());
    Process gpunode(words, {}, file("status.log"));
    const int code = gpunode.wait();
    return {code, gpunode.log()};
  }

  std::string socket_path() const {
    return plugins().file("gpunode/agent.sock");
  }
};

TEST_F(Status, TellsGpusResourcesAndConfiguration) {
  write_config(kSeedConfig);
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 20, 20));
  ASSERT_TRUE(registered(kGpu));
  const Answer answer = ask();
  EXPECT_EQ(answer.code, 0) << answer.text;
  EXPECT_THAT(answer.text, HasSubstr("  0  NVIDIA A10G, "));
  EXPECT_THAT(answer.text,
              HasSubstr("  nvidia.com/gpu  20 of 20 healthy, shared by "
                        "timeSlicing\n"));
  EXPECT_THAT(answer.text, HasSubstr("Configuration\n  file "));
  EXPECT_THAT(answer.text, HasSubstr("Nothing is wrong.\n"));
  EXPECT_THAT(ask({"--json"}).text, HasSubstr("{\"version\":1,"));
}

TEST_F(Status, IsForRootAlone) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(lists(kGpu, 1, 1));
  struct stat socket {};
  ASSERT_EQ(::stat(socket_path().c_str(), &socket), 0);
  EXPECT_EQ(socket.st_mode & 0777, 0600U);
}

TEST_F(Status, OutlivesARestartOfTheKubelet) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(registered(kGpu));
  ASSERT_TRUE(kubelet().restart());
  ASSERT_TRUE(lists(kGpu, 1, 1));
  ASSERT_TRUE(registered(kGpu, 2));
  EXPECT_EQ(ask().code, 0);
}

TEST_F(Status, ComesThroughClientsThatSayNothing) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(registered(kGpu));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_path();
  ASSERT_LT(path.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 60; ++i) {
    silent.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(
        ::connect(silent.back().get(),
                  reinterpret_cast<const sockaddr*>(&address), sizeof address),
        0);
  }
  EXPECT_EQ(ask().code, 0);
  EXPECT_TRUE(kubelet().admit("pod", kGpu, 1).is_admitted);
}

TEST_F(Status, WithoutAnAgentSaysWhatNext) {
  const Answer answer = ask();
  EXPECT_EQ(answer.code, 5);
  EXPECT_THAT(answer.text, HasSubstr("no agent answers on this node; start"));
}

}  // namespace
}  // namespace gpunode::integration
