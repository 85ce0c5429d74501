#include "agent/plugin/answer_context.h"

#include <chrono>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::plugin {
namespace {

using config::DeviceListStrategy;
using testing::HasSubstr;

class Context : public testing::Test {
 protected:
  Context() {
    settings_.host_root = host_.path();
    settings_.driver_root_ctr_path = "/nowhere";
  }

  AnswerContext gather(Platform platform, const device::Inventory* inventory) {
    Result<AnswerContext> context =
        gather_context(settings_, platform, inventory, look_);
    EXPECT_TRUE(context) << context.error().message();
    return context ? *std::move(context) : AnswerContext();
  }

  host::HostTree host_;
  config::Settings settings_;
  DriverLook look_;
};

TEST_F(Context, OfACdiStrategyWithoutSpecsSaysWhyWhereverThatIs) {
  settings_.device_list_strategies = {DeviceListStrategy::kCdiCri};
  device::Inventory node;
  node.gpus.resize(1);
  EXPECT_THAT(gather(Platform::kNvml, &node).cdi_problem, HasSubstr("libcuda"));
  EXPECT_THAT(gather(Platform::kWsl, &node).cdi_problem, HasSubstr("WSL"));
  EXPECT_THAT(gather(Platform::kTegra, &node).cdi_problem, HasSubstr("Tegra"));
}

TEST_F(Context, WithoutGpusThereIsNothingToSpecify) {
  settings_.device_list_strategies = {DeviceListStrategy::kCdiAnnotations};
  const device::Inventory none;
  EXPECT_EQ(gather(Platform::kNvml, &none).cdi_problem, "");
  EXPECT_EQ(gather(Platform::kNvml, nullptr).cdi_problem, "");
  EXPECT_FALSE(host_.root().exists("/var/run/cdi"));
}

TEST_F(Context, OfOtherStrategiesWritesNothing) {
  device::Inventory node;
  node.gpus.resize(1);
  const AnswerContext context = gather(Platform::kWsl, &node);
  EXPECT_EQ(context.cdi_problem, "");
  EXPECT_EQ(context.control_nodes, ControlNodes::kOmit);
  EXPECT_FALSE(host_.root().exists("/var/run/cdi"));
}

TEST_F(Context, IsLookedForAgainOnlyWhenTheHostHasChanged) {
  settings_.device_list_strategies = {DeviceListStrategy::kCdiCri};
  settings_.nvidia_cdi_hook_path = "/usr/bin/nvidia-cdi-hook";
  host_.file("usr/lib64/libcuda.so.550.1", "x");
  host_.file("proc/driver/nvidia/version", "NVRM version: x  550.1  y\n");
  host_.file("proc/devices", "Character devices:\n195 nvidia\n");
  host_.directory("proc/driver/nvidia/gpus/0000:01:00.0");
  host_.directory("dev");
  // Times are as coarse as the kernel's tick: what just changed is looked at
  // again.
  const auto age = [this](const char* name) {
    std::filesystem::last_write_time(
        host_.path(name),
        std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  };
  for (const char* name : {"usr/lib64", "dev"}) age(name);
  device::Inventory node;
  node.driver_version = "550.1";
  node.gpus.resize(1);
  node.gpus[0].id.value = "GPU-a";
  const auto gather_some = [&] {
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(gather(Platform::kNvml, &node).cdi_problem, "");
    }
    return look_.looks();
  };
  EXPECT_EQ(gather_some(), 1U);

  host_.file("usr/lib64/libnvidia-ml.so.550.1", "x");
  age("usr/lib64");
  EXPECT_EQ(gather_some(), 2U);
  node.gpus[0].id.value = "GPU-b";
  EXPECT_EQ(gather_some(), 3U);
  settings_.cdi_feature_flags = {"disable-ipc-discoverer"};
  EXPECT_EQ(gather_some(), 4U);

  // Files of ours that somebody removes come back without a look.
  const std::string spec = "var/run/cdi/k8s.device-plugin.nvidia.com-gpu.json";
  const auto written = host_.root().read_file(spec);
  ASSERT_TRUE(written);
  EXPECT_THAT(*written, HasSubstr("libnvidia-ml.so.550.1"));
  host_.remove(spec);
  EXPECT_EQ(gather_some(), 4U);
  EXPECT_TRUE(host_.root().exists(spec));
}

}  // namespace
}  // namespace gpunode::plugin
