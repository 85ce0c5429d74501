#include "agent/plugin/answer_context.h"

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
        gather_context(settings_, platform, inventory);
    EXPECT_TRUE(context) << context.error().message();
    return context ? *std::move(context) : AnswerContext();
  }

  host::HostTree host_;
  config::Settings settings_;
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

}  // namespace
}  // namespace gpunode::plugin
