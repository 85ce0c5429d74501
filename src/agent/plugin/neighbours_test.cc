#include "agent/plugin/neighbours.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/kubelet/listening_socket.h"
#include "tests/doubles/kubelet/plugin_directory.h"

namespace gpunode::plugin {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class NeighboursTest : public testing::Test {
 protected:
  doubles::PluginDirectory directory_;
  std::string path_ = directory_.file("nvidia-gpu.sock");
  Neighbours neighbours_{directory_.path()};
};

TEST_F(NeighboursTest, NobodyIsOnAPathWithoutAListener) {
  EXPECT_FALSE(neighbours_.on_socket(path_));
  std::ofstream(path_) << "a file";
  EXPECT_FALSE(neighbours_.on_socket(path_));
}

TEST_F(NeighboursTest, AListenerIsNamed) {
  const auto socket = kubelet::ListeningSocket::bind(path_);
  ASSERT_TRUE(socket);
  const auto found = neighbours_.on_socket(path_);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->pid, ::getpid());
  EXPECT_FALSE(found->program.empty());
  EXPECT_FALSE(found->is_gpunode);
}

TEST_F(NeighboursTest, AgentsOfOursKnowEachOtherUntilOneEnds) {
  const auto socket = kubelet::ListeningSocket::bind(path_);
  ASSERT_TRUE(socket);
  {
    Neighbours other(directory_.path());
    EXPECT_TRUE(neighbours_.on_socket(path_)->is_gpunode);
    EXPECT_TRUE(other.on_socket(path_)->is_gpunode);
    EXPECT_TRUE(neighbours_.on_socket(path_)->is_gpunode);  // Still marked.
  }
  EXPECT_FALSE(neighbours_.on_socket(path_)->is_gpunode);
}

TEST_F(NeighboursTest, ADirectoryMadeAnewIsMarkedAgain) {
  std::filesystem::remove_all(directory_.path());
  std::filesystem::create_directory(directory_.path());
  const auto socket = kubelet::ListeningSocket::bind(path_);
  ASSERT_TRUE(socket);
  EXPECT_FALSE(neighbours_.on_socket(path_)->is_gpunode);
  Neighbours other(directory_.path());
  EXPECT_TRUE(other.on_socket(path_)->is_gpunode);
}

TEST(RefusalBecauseOf, SaysWhoAndWhatNext) {
  EXPECT_THAT(refusal_because_of({12, "nvidia-device-p", false}, "/d/x.sock"),
              AllOf(HasSubstr("(nvidia-device-p, process 12)"),
                    HasSubstr("/d/x.sock"), HasSubstr("--take-over"),
                    HasSubstr("nvidia.com/gpu.deploy.device-plugin=false")));
  EXPECT_THAT(refusal_because_of({0, "", false}, "/d/x.sock"),
              HasSubstr("(in a container of its own)"));
  EXPECT_THAT(
      refusal_because_of({12, "gpunode-agent", true}, "/d/x.sock"),
      AllOf(HasSubstr("another gpunode-agent"), Not(HasSubstr("--take-over"))));
}

}  // namespace
}  // namespace gpunode::plugin
