#include "k8s/kubelet/registration.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/kubelet/listening_socket.h"
#include "k8s/kubelet/server.h"
#include "tests/doubles/kubelet/kubelet_double.h"
#include "tests/doubles/kubelet/plugin_directory.h"
#include "tests/doubles/kubelet/recording_handler.h"

namespace gpunode::kubelet {
namespace {

using doubles::KubeletDouble;
using testing::EndsWith;
using testing::HasSubstr;

constexpr std::chrono::seconds kLong{20};
constexpr std::chrono::milliseconds kShort{50};

class RegistrationTest : public testing::Test {
 protected:
  void SetUp() override {
    auto kubelet = KubeletDouble::start(directory_.path());
    ASSERT_TRUE(kubelet) << kubelet.error().message();
    kubelet_ = *std::move(kubelet);
    auto server = DevicePluginServer::start();
    ASSERT_TRUE(server);
    server_ = *std::move(server);
    for (const char* name : {"gpu", "mig"}) {
      ASSERT_TRUE(server_->add(std::string("nvidia.com/") + name,
                               directory_.file(std::string(name) + ".sock"),
                               std::make_shared<doubles::RecordingHandler>(),
                               {{"U0", true, {}}}));
    }
  }

  doubles::PluginDirectory directory_;
  std::unique_ptr<KubeletDouble> kubelet_;
  std::unique_ptr<DevicePluginServer> server_;
};

TEST_F(RegistrationTest, SeveralResourcesRegisterOverOneConnection) {
  const auto results = register_plugins(
      kubelet_->socket(),
      {{"gpu.sock", "nvidia.com/gpu"}, {"mig.sock", "nvidia.com/mig"}}, kLong);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_TRUE(results[0]) << results[0].error().message();
  EXPECT_TRUE(results[1]) << results[1].error().message();
  EXPECT_TRUE(kubelet_->wait_for_registration("nvidia.com/gpu"));
  EXPECT_TRUE(kubelet_->wait_for_registration("nvidia.com/mig"));
}

TEST_F(RegistrationTest, OneRefusalDoesNotKeepTheOthersOut) {
  const auto results = register_plugins(
      kubelet_->socket(),
      {{"gpu.sock", "not-extended"}, {"mig.sock", "nvidia.com/mig"}}, kLong);
  ASSERT_FALSE(results[0]);
  EXPECT_EQ(results[0].error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(results[0].error().message(),
            "register not-extended with the kubelet: the ResourceName "
            "\"not-extended\" is invalid");
  EXPECT_TRUE(results[1]);
}

TEST_F(RegistrationTest, RefusalEndsWithTheKubeletsWords) {
  kubelet_->refuse_registrations("go away");
  const auto result = register_plugin(kubelet_->socket(),
                                      {"gpu.sock", "nvidia.com/gpu"}, kLong);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(result.error().message(), EndsWith(": go away"));
}

TEST_F(RegistrationTest, OlderKubeletSaysWhatItSupports) {
  kubelet_->speak_version("v1alpha");
  const auto result = register_plugin(kubelet_->socket(),
                                      {"gpu.sock", "nvidia.com/gpu"}, kLong);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(result.error().message(),
              HasSubstr("requested API version \"v1beta1\" is not supported"));
}

TEST_F(RegistrationTest, HungKubeletIsUnavailable) {
  kubelet_->hang_registrations(true);
  const auto result = register_plugin(kubelet_->socket(),
                                      {"gpu.sock", "nvidia.com/gpu"}, kShort);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(result.error().message(), HasSubstr("no answer in time"));
  kubelet_->hang_registrations(false);
}

TEST_F(RegistrationTest, KubeletThatDiesMeanwhileIsUnavailable) {
  kubelet_->hang_registrations(true);
  Result<void> result;
  std::thread caller([&] {
    result = register_plugin(kubelet_->socket(), {"gpu.sock", "nvidia.com/gpu"},
                             kLong);
  });
  EXPECT_TRUE(kubelet_->wait_for_attempts(1));
  kubelet_->refuse_registrations("stopping");
  kubelet_.reset();
  caller.join();
  ASSERT_FALSE(result);
}

TEST_F(RegistrationTest, AbsentKubeletIsUnavailable) {
  kubelet_.reset();
  const auto result = register_plugin(directory_.file("kubelet.sock"),
                                      {"gpu.sock", "nvidia.com/gpu"}, kLong);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(result.error().message(), HasSubstr("kubelet.sock"));
}

TEST_F(RegistrationTest, SocketThatNobodyAcceptsOnIsUnavailable) {
  const auto mute = ListeningSocket::bind(directory_.file("mute.sock"));
  ASSERT_TRUE(mute);
  const auto result =
      register_plugin(mute->path(), {"gpu.sock", "nvidia.com/gpu"}, kShort);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kUnavailable);
}

TEST_F(RegistrationTest, PluginThatCannotBeCalledIsRefused) {
  const auto result = register_plugin(kubelet_->socket(),
                                      {"nobody.sock", "nvidia.com/gpu"}, kLong);
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message(), HasSubstr("nobody.sock"));
}

}  // namespace
}  // namespace gpunode::kubelet
