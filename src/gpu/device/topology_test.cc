#include "gpu/device/topology.h"

#include <gtest/gtest.h>

namespace gpunode::device {
namespace {

TEST(Topology, IsSymmetric) {
  Topology topology(3);
  topology.set(0, 2, {PciLink::kSameBoard, 12});
  EXPECT_EQ(topology.link(0, 2).pci, PciLink::kSameBoard);
  EXPECT_EQ(topology.link(2, 0).pci, PciLink::kSameBoard);
  EXPECT_EQ(topology.link(2, 0).nvlinks, 12U);
  EXPECT_EQ(topology.link(0, 1).pci, PciLink::kUnknown);
}

TEST(Topology, IsUnknownOutsideTheMatrix) {
  Topology topology(2);
  topology.set(0, 1, {PciLink::kHostBridge, 0});
  EXPECT_EQ(topology.link(0, 2).pci, PciLink::kUnknown);
  EXPECT_EQ(topology.link(2, 0).pci, PciLink::kUnknown);
  EXPECT_EQ(Topology().size(), 0U);
}

TEST(Topology, OrdersLinksByNearness) {
  EXPECT_LT(PciLink::kCrossCpu, PciLink::kSameCpu);
  EXPECT_LT(PciLink::kSameCpu, PciLink::kHostBridge);
  EXPECT_LT(PciLink::kHostBridge, PciLink::kMultiSwitch);
  EXPECT_LT(PciLink::kMultiSwitch, PciLink::kSingleSwitch);
  EXPECT_LT(PciLink::kSingleSwitch, PciLink::kSameBoard);
}

}  // namespace
}  // namespace gpunode::device
