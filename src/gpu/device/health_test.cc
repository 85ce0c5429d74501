#include "gpu/device/health.h"

#include <initializer_list>

#include <gtest/gtest.h>

namespace gpunode::device {
namespace {

Gpu gpu(const char* id) {
  Gpu made;
  made.id = {id};
  return made;
}

MigDevice mig(unsigned gpu_instance, unsigned compute_instance) {
  MigDevice made;
  made.gpu_instance = gpu_instance;
  made.compute_instance = compute_instance;
  return made;
}

TEST(XidEvent, ConcernsItsOwnGpuOnly) {
  XidEvent event;
  event.gpu = DeviceId{"GPU-a"};
  EXPECT_TRUE(concerns(event, gpu("GPU-a")));
  EXPECT_FALSE(concerns(event, gpu("GPU-b")));
}

TEST(XidEvent, WithoutAGpuConcernsEveryDevice) {
  EXPECT_TRUE(concerns(XidEvent{}, gpu("GPU-a")));
  EXPECT_TRUE(concerns(XidEvent{}, gpu("GPU-b"), mig(1, 0)));
}

TEST(XidEvent, WithoutInstancesConcernsEveryMigDeviceOfItsGpu) {
  XidEvent event;
  event.gpu = DeviceId{"GPU-a"};
  event.gpu_instance = 3;  // Alone it places nothing.
  EXPECT_TRUE(concerns(event, gpu("GPU-a"), mig(1, 0)));
  EXPECT_FALSE(concerns(event, gpu("GPU-b"), mig(1, 0)));
}

TEST(XidEvent, WithInstancesConcernsThatMigDeviceAlone) {
  XidEvent event;
  event.gpu = DeviceId{"GPU-a"};
  event.gpu_instance = 3;
  event.compute_instance = 0;
  EXPECT_TRUE(concerns(event, gpu("GPU-a"), mig(3, 0)));
  EXPECT_FALSE(concerns(event, gpu("GPU-a"), mig(3, 1)));
  EXPECT_FALSE(concerns(event, gpu("GPU-a"), mig(4, 0)));
}

TEST(Xid, IsDescribedByItsMeaningWhereThereIsOne) {
  EXPECT_EQ(describe_xid(79), "XID 79: GPU has fallen off the bus");
  EXPECT_EQ(describe_xid(8), "XID 8: GPU stopped processing");
  EXPECT_EQ(describe_xid(154), "XID 154: GPU recovery action changed");
  EXPECT_EQ(describe_xid(9999), "XID 9999");
  EXPECT_EQ(describe_xid(0), "XID 0");
}

TEST(Xid, MeaningsAreFoundByTheirNumber) {
  // A table out of order would lose entries to the binary search.
  for (const std::uint64_t xid : std::initializer_list<std::uint64_t>{
           13, 31, 43, 45, 48, 63, 64, 68, 74, 92, 94, 95, 109, 119, 120, 140,
           143, 149}) {
    EXPECT_NE(xid_meaning(xid), "") << xid;
  }
}

}  // namespace
}  // namespace gpunode::device
