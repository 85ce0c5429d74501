#include "gpu/procfs/mig_listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::procfs {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kListing =
    R"(GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-a)
  MIG 3g.20gb     Device  0: (UUID: MIG-first)
  MIG 1g.5gb+me   Device  1: (UUID: MIG-second)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-b)
GPU 2: NVIDIA A100-SXM4-40GB (UUID: GPU-c)
  MIG 1c.2g.10gb  Device  0: (UUID: MIG-third)
)";

constexpr std::string_view kTable =
    R"(+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 550.163.01             Driver Version: 550.163.01     CUDA Version: 12.4     |
|-----------------------------------------+------------------------+----------------------+
|   0  NVIDIA A100-SXM4-40GB          On  |   00000000:07:00.0 Off |                   On |
+-----------------------------------------+------------------------+----------------------+
| MIG devices:                                                                            |
+------------------+----------------------------------+-----------+-----------------------+
| GPU  GI  CI  MIG |                     Memory-Usage |        Vol|      Shared           |
|      ID  ID  Dev |                       BAR1-Usage | SM     Unc| CE ENC  DEC  OFA  JPG |
|==================+==================================+===========+=======================|
|  0    9   0   1  |              12MiB /  4864MiB    | 14      0 |  1   0    0    0    0 |
|                  |                 0MiB /  8191MiB  |           |                       |
+------------------+----------------------------------+-----------+-----------------------+
|  0    2   0   0  |              37MiB / 19968MiB    | 42      0 |  3   0    2    0    0 |
+------------------+----------------------------------+-----------+-----------------------+
|  2   13   1   0  |              12MiB /  9856MiB    | 14      0 |  1   0    0    0    0 |
+------------------+----------------------------------+-----------+-----------------------+
| Processes:                                                                              |
|  GPU   GI   CI        PID   Type   Process name                              GPU Memory |
|  0    2   0   1  | as if                                                                |
)";

device::Inventory three_gpus() {
  device::Inventory inventory;
  for (unsigned i = 0; i < 3; ++i) {
    device::Gpu& gpu = inventory.gpus.emplace_back();
    gpu.index.value = i;
    gpu.minor.value = 7 - i;
  }
  return inventory;
}

TEST(MigListing, JoinsUuidsAndInstances) {
  const auto found = parse_mig_listing(kListing, kTable, three_gpus());
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_EQ(found[0].gpu.value, 7U);
  EXPECT_EQ(found[0].gpu_instance, 9U);
  EXPECT_EQ(found[0].compute_instance, 0U);
  EXPECT_EQ(found[0].id.value, "MIG-second");
  EXPECT_EQ(found[0].mig_index, 1U);
  EXPECT_EQ(found[1].gpu_instance, 2U);
  EXPECT_EQ(found[1].id.value, "MIG-first");
  EXPECT_EQ(found[2].gpu.value, 5U);
  EXPECT_EQ(found[2].gpu_instance, 13U);
  EXPECT_EQ(found[2].compute_instance, 1U);
  EXPECT_EQ(found[2].id.value, "MIG-third");
}

TEST(MigListing, LeavesOutWhatOneOfThemDoesNotHave) {
  EXPECT_THAT(parse_mig_listing("", kTable, three_gpus()), IsEmpty());
  EXPECT_THAT(parse_mig_listing(kListing, "", three_gpus()), IsEmpty());
  EXPECT_THAT(parse_mig_listing(kListing, kTable, {}), IsEmpty());
  EXPECT_THAT(parse_mig_listing("  MIG 1g.5gb Device 0: (UUID: MIG-a)\n",
                                kTable, three_gpus()),
              IsEmpty());
  EXPECT_THAT(parse_mig_listing("GPU 0: x\n  MIG 1g.5gb Device x: (UUID: MIG-a)"
                                "\n  MIG 1g.5gb Device 1: (UUID: GPU-a)\n",
                                kTable, three_gpus()),
              IsEmpty());
}

}  // namespace
}  // namespace gpunode::procfs
