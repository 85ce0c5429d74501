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

TEST_F(NeighboursTest, ALiveSocketBesideOursIsFound) {
  const auto is_ours = [](const std::string& name) {
    return name == "nvidia-gpu.sock";
  };
  const auto own = kubelet::ListeningSocket::bind(path_);
  ASSERT_TRUE(own);
  std::ofstream(directory_.file("nvidia-left-over.sock")) << "dead";
  const auto kubelet =
      kubelet::ListeningSocket::bind(directory_.file("kubelet.sock"));
  ASSERT_TRUE(kubelet);
  EXPECT_EQ(neighbours_.beside(is_ours), std::nullopt);
  const std::string path = directory_.file("nvidia-gpu.shared.sock");
  const auto other = kubelet::ListeningSocket::bind(path);
  ASSERT_TRUE(other);
  EXPECT_EQ(neighbours_.beside(is_ours), path);
  const Neighbours agent(directory_.path());  // It may be that one's.
  EXPECT_EQ(neighbours_.beside(is_ours), std::nullopt);
}

TEST_F(NeighboursTest, TheKubeletsRecordTellsIds) {
  EXPECT_TRUE(neighbours_.recorded("nvidia.com/gpu").held.empty());
  std::ofstream(directory_.file("kubelet_internal_checkpoint"))
      << R"({"Data":{"PodDeviceEntries":[{"PodUID":"p","ContainerName":"c",)"
         R"("ResourceName":"nvidia.com/gpu","DeviceIDs":{"-1":["GPU-1-0"]},)"
         R"("AllocResp":""}],"RegisteredDevices":{"nvidia.com/gpu":)"
         R"(["GPU-1-0","GPU-1-1"]}},"Checksum":1})";
  const auto recorded = neighbours_.recorded("nvidia.com/gpu");
  EXPECT_THAT(recorded.held, testing::ElementsAre("GPU-1-0"));
  EXPECT_THAT(recorded.registered, testing::ElementsAre("GPU-1-0", "GPU-1-1"));
  EXPECT_TRUE(neighbours_.recorded("x/y").registered.empty());
}

TEST(RefusalBecauseOf, SaysWhoseItIs) {
  const Neighbour neighbour{12, "nvidia-device-p", false};
  EXPECT_THAT(refusal_because_of(neighbour, "/d/x.sock", Rival::kHami,
                                 {"gpu-1", true, ""}),
              AllOf(HasSubstr("HAMi's device plugin (nvidia-device-p, process "
                              "12) serves the kubelet on /d/x.sock"),
                    HasSubstr("kubectl label node gpu-1 gpu-")));
  EXPECT_THAT(
      refusal_beside(neighbour, "/d/y.sock", Rival::kNvidiaPlugin, {}),
      AllOf(HasSubstr("NVIDIA's device plugin"), HasSubstr("given out twice")));
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
