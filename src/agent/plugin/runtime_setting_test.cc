#include "agent/plugin/runtime_setting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::plugin {
namespace {

using config::DeviceListStrategy;
using testing::HasSubstr;

config::Settings in_shares(std::vector<DeviceListStrategy> strategies) {
  config::Settings settings;
  settings.shares.emplace();
  settings.shares->resources = {{"gpu", "gpu", config::AllDevices{}, 20}};
  settings.device_list_strategies = std::move(strategies);
  return settings;
}

TEST(DeliveryWarning, IsOfCdiByAnothersHook) {
  config::Settings settings = in_shares({DeviceListStrategy::kCdiCri});
  EXPECT_THAT(delivery_warning(settings),
              HasSubstr("the hook of CDI specs is /usr/bin/nvidia-ctk"));
  settings.device_list_strategies = {DeviceListStrategy::kCdiAnnotations};
  EXPECT_NE(delivery_warning(settings), "");
  settings.nvidia_cdi_hook_path = "/usr/bin/gpunode-runtime";
  EXPECT_EQ(delivery_warning(settings), "");
  settings.cdi_disable_hooks = {"chmod"};
  EXPECT_EQ(delivery_warning(settings), "");
  settings.cdi_disable_hooks = {"all"};
  EXPECT_THAT(delivery_warning(settings), HasSubstr("is disabled"));
}

TEST(DeliveryWarning, IsNotOfWhatARuntimeLooksAt) {
  EXPECT_EQ(delivery_warning(in_shares({DeviceListStrategy::kEnvvar})), "");
  EXPECT_EQ(delivery_warning(in_shares({DeviceListStrategy::kCdiCri,
                                        DeviceListStrategy::kVolumeMounts})),
            "");
}

TEST(DeliveryWarning, IsOfSharesAlone) {
  config::Settings settings = in_shares({DeviceListStrategy::kCdiCri});
  settings.shares.reset();
  EXPECT_EQ(delivery_warning(settings), "");
}

}  // namespace
}  // namespace gpunode::plugin
