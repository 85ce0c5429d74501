#include "agent/plugin/known_gpus.h"

#include <initializer_list>
#include <string>

#include <gtest/gtest.h>

namespace gpunode::plugin {
namespace {

device::Gpu gpu(unsigned index) {
  device::Gpu made;
  made.id.value = "GPU-" + std::to_string(index);
  made.index.value = index;
  return made;
}

device::Inventory inventory(std::initializer_list<unsigned> indices) {
  device::Inventory made;
  for (const unsigned index : indices) made.gpus.push_back(gpu(index));
  made.topology = device::Topology(made.gpus.size());
  for (std::size_t a = 0; a < made.gpus.size(); ++a) {
    for (std::size_t b = a + 1; b < made.gpus.size(); ++b) {
      made.topology.set(a, b, {device::PciLink::kSameCpu, 2});
    }
  }
  return made;
}

TEST(KeepLostGpus, AGpuThatFellOffTheBusStaysKnown) {
  device::Inventory now = inventory({0, 2});
  now.lost.push_back({{1}, std::nullopt, "ERROR_GPU_IS_LOST"});
  const device::Inventory kept = keep_lost_gpus(now, inventory({0, 1, 2}));
  ASSERT_EQ(kept.gpus.size(), 3U);
  EXPECT_EQ(kept.gpus[1].id.value, "GPU-1");
  ASSERT_TRUE(kept.lost[0].id.has_value());
  EXPECT_EQ(kept.lost[0].id->value, "GPU-1");
  EXPECT_EQ(kept.topology.size(), 3U);
  EXPECT_EQ(kept.topology.link(0, 1).nvlinks, 2U);
  EXPECT_EQ(kept.topology.link(0, 2).nvlinks, 2U);
}

TEST(KeepLostGpus, TheUuidDecidesWhenPositionsShifted) {
  device::Inventory now = inventory({0});
  now.lost.push_back({{1}, device::DeviceId{"GPU-2"}, "ERROR_GPU_IS_LOST"});
  const device::Inventory kept = keep_lost_gpus(now, inventory({0, 1, 2}));
  ASSERT_EQ(kept.gpus.size(), 2U);
  EXPECT_EQ(kept.gpus[1].id.value, "GPU-2");
  EXPECT_EQ(kept.gpus[1].index.value, 1U);
}

TEST(KeepLostGpus, AGpuThatWasTakenOutIsForgotten) {
  EXPECT_EQ(keep_lost_gpus(inventory({0}), inventory({0, 1})).gpus.size(), 1U);
}

TEST(KeepLostGpus, AnUnknownLostGpuCannotBeOffered) {
  device::Inventory now = inventory({0});
  now.lost.push_back({{1}, std::nullopt, "ERROR_GPU_IS_LOST"});
  const device::Inventory kept = keep_lost_gpus(now, {});
  EXPECT_EQ(kept.gpus.size(), 1U);
  EXPECT_FALSE(kept.lost[0].id.has_value());
}

}  // namespace
}  // namespace gpunode::plugin
