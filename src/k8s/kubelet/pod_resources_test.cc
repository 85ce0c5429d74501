#include "k8s/kubelet/pod_resources.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/kubelet/plugin_directory.h"
#include "tests/doubles/kubelet/pod_resources_double.h"

namespace gpunode::kubelet {
namespace {

using doubles::PodResourcesDouble;
using doubles::PodResourcesForm;
using testing::HasSubstr;

constexpr std::chrono::seconds kLong{20};
constexpr std::chrono::milliseconds kShort{50};

class PodResourcesTest : public testing::Test {
 protected:
  void serve(PodResourcesForm form) {
    auto made =
        PodResourcesDouble::start(socket(), form, [this] { return held_; });
    ASSERT_TRUE(made) << made.error().message();
    kubelet_ = *std::move(made);
  }
  std::string socket() const { return directory_.file("kubelet.sock"); }

  doubles::PluginDirectory directory_;
  std::vector<Holding> held_ = {
      {"team-a", "train-0", "main", "nvidia.com/gpu", {"U0::0", "U0::1"}}};
  std::unique_ptr<PodResourcesDouble> kubelet_;
};

TEST_F(PodResourcesTest, TellsWhoHoldsWhat) {
  serve(PodResourcesForm::kV1);
  const auto answer = list_holdings(socket(), kLong);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(*answer, held_);
  EXPECT_EQ(kubelet_->asked(), 1U);
}

TEST_F(PodResourcesTest, AsksAKubeletBefore120ByItsOwnVersion) {
  serve(PodResourcesForm::kV1Alpha1);
  const auto answer = list_holdings(socket(), kLong);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(*answer, held_);
}

TEST_F(PodResourcesTest, TakesTenThousandIdsOfFiveHundredPods) {
  held_.clear();
  for (int pod = 0; pod < 500; ++pod) {
    Holding one{"ns", fmt::format("p{:03}", pod), "main", "nvidia.com/gpu", {}};
    for (int i = 10; i < 30; ++i) {
      one.ids.push_back(fmt::format(
          "GPU-00000000-0000-0000-0000-000000000000::{}{}", pod, i));
    }
    held_.push_back(one);
  }
  serve(PodResourcesForm::kV1);
  const auto answer = list_holdings(socket(), kLong);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(*answer, held_);
}

TEST_F(PodResourcesTest, ServerOfSomethingElseIsUnsupported) {
  serve(PodResourcesForm::kNeither);
  const auto answer = list_holdings(socket(), kLong);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(answer.error().message(), HasSubstr("neither v1 nor v1alpha1"));
}

TEST_F(PodResourcesTest, HungKubeletIsUnavailable) {
  serve(PodResourcesForm::kV1);
  kubelet_->hang(true);
  const auto answer = list_holdings(socket(), kShort);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(answer.error().message(),
            "ask the kubelet who holds devices: no answer in time");
  kubelet_->hang(false);
}

TEST_F(PodResourcesTest, RefusalEndsWithTheKubeletsWords) {
  serve(PodResourcesForm::kV1);
  kubelet_->refuse("rejected by rate limit");
  const auto answer = list_holdings(socket(), kLong);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(answer.error().message(), HasSubstr(": rejected by rate limit"));
}

TEST_F(PodResourcesTest, AbsentKubeletIsUnavailable) {
  const auto answer = list_holdings(socket(), kLong);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(answer.error().message(), HasSubstr("kubelet.sock"));
}

}  // namespace
}  // namespace gpunode::kubelet
