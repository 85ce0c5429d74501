#include "agent/plugin/pod_holders.h"

#include <poll.h>

#include <fstream>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/kubelet/plugin_directory.h"
#include "tests/doubles/kubelet/pod_resources_double.h"

namespace gpunode::plugin {
namespace {

using doubles::PodResourcesDouble;
using doubles::PodResourcesForm;
using testing::AllOf;
using testing::HasSubstr;

class PodHolders : public testing::Test {
 protected:
  void start_kubelet() {
    auto made = PodResourcesDouble::start(
        directory_.file("kubelet.sock"), PodResourcesForm::kV1, [] {
          return std::vector<kubelet::Holding>{
              {"team-a", "train", "main", "nvidia.com/gpu", {"GPU-0::1"}}};
        });
    ASSERT_TRUE(made) << made.error().message();
    kubelet_ = *std::move(made);
  }
  void write_checkpoint(const std::string& text) const {
    std::ofstream(directory_.file("record")) << text;
  }
  HolderSources sources() const {
    return {directory_.file("kubelet.sock"), directory_.file("record"),
            std::chrono::milliseconds(100)};
  }

  doubles::PluginDirectory directory_;
  std::unique_ptr<PodResourcesDouble> kubelet_;
};

constexpr const char* kRecord =
    R"({"Data":{"PodDeviceEntries":[{"PodUID":"u-1","ContainerName":"main",)"
    R"("ResourceName":"nvidia.com/gpu","DeviceIDs":{"-1":["GPU-0::1"]}}]}})";

TEST_F(PodHolders, AreTheKubeletsByName) {
  start_kubelet();
  const Holders holders = find_holders(
      {directory_.file("kubelet.sock"), "", std::chrono::seconds(20)});
  EXPECT_EQ(holders.source, Holders::Source::kPodResources);
  EXPECT_EQ(holders.problem, "");
  ASSERT_EQ(holders.items.size(), 1U);
  EXPECT_EQ(holders.items[0].pod, "train");
}

TEST_F(PodHolders, ComeFromTheFileWhenTheKubeletIsAway) {
  write_checkpoint(kRecord);
  const Holders holders = find_holders(sources());
  EXPECT_EQ(holders.source, Holders::Source::kCheckpoint);
  EXPECT_THAT(holders.problem, HasSubstr("kubelet.sock"));
  ASSERT_EQ(holders.items.size(), 1U);
  EXPECT_EQ(holders.items[0].pod_uid, "u-1");
}

TEST_F(PodHolders, ComeFromTheFileWhenTheKubeletHangs) {
  start_kubelet();
  kubelet_->hang(true);
  write_checkpoint(kRecord);
  const Holders holders = find_holders(sources());
  EXPECT_EQ(holders.source, Holders::Source::kCheckpoint);
  EXPECT_THAT(holders.problem, HasSubstr("no answer in time"));
}

TEST_F(PodHolders, WithoutEitherSaysBoth) {
  write_checkpoint("{");
  HolderSources none = sources();
  none.pod_resources_socket.clear();
  const Holders holders = find_holders(none);
  EXPECT_EQ(holders.source, Holders::Source::kNone);
  EXPECT_THAT(holders.problem,
              AllOf(HasSubstr("--pod-resources-socket"), HasSubstr("record")));
}

TEST_F(PodHolders, AreAskedForOnceAtATime) {
  start_kubelet();
  HolderQuery query(
      {directory_.file("kubelet.sock"), "", std::chrono::seconds(20)});
  kubelet_->hang(true);
  query.start();
  EXPECT_TRUE(doubles::eventually([&] { return kubelet_->asked() == 1; }));
  query.start();
  EXPECT_TRUE(query.take().empty());
  kubelet_->hang(false);
  pollfd news{query.fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&news, 1, 20000), 1);
  EXPECT_EQ(query.take().size(), 1U);
  EXPECT_EQ(kubelet_->asked(), 1U);
  query.start();
  ASSERT_EQ(::poll(&news, 1, 20000), 1);
  EXPECT_EQ(query.take().size(), 1U);
}

}  // namespace
}  // namespace gpunode::plugin
