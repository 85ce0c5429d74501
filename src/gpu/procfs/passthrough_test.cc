#include "gpu/procfs/passthrough.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::procfs {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kGib = 1ULL << 30U;
constexpr const char* kNone =
    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
constexpr const char* k16MibOf32 =
    "0x0000000080000000 0x0000000080ffffff 0x0000000000040200\n";
constexpr const char* k16MibOf64 =
    "0x000000a000000000 0x000000a000ffffff 0x000000000014220c\n";
constexpr const char* k128GibOf64 =
    "0x0000018000000000 0x0000019fffffffff 0x000000000014220c\n";

TEST(AddressableMemory, IsTheSumOf64BitWindowsAsAPowerOfTwo) {
  struct Case {
    std::string resource;
    std::uint64_t bytes;
  };
  const std::string one = k128GibOf64;
  const std::vector<Case> cases = {
      {one, 128 * kGib},
      {k16MibOf64 + one, 256 * kGib},
      {std::string(k16MibOf64) + kNone + one + kNone, 256 * kGib},
      {std::string(k16MibOf32) + kNone + one, 128 * kGib},
      {k16MibOf32, 0},
      // A seventh line is the ROM, the later ones are of virtual functions.
      {std::string(k16MibOf64) + kNone + kNone + kNone + kNone + kNone + one,
       16 << 20},
      {"", 0},
      {"\n", 0},
      {"0x0 0x1fffff", 0},
      {"first last flags\n", 0},
      {"0x9 0x1 0x4\n" + one, 128 * kGib},
      {"0x0 0xffffffffffffffff 0x4\n", 0},
      {"0x0 0xfffffffffffffffe 0x4\n" + one, 0},
      {"0x1 0x8000000000000001 0x4\n", 0},
  };
  for (const Case& one_case : cases) {
    EXPECT_EQ(addressable_memory(one_case.resource), one_case.bytes)
        << one_case.resource;
  }
}

constexpr const char* kPciIds =
    "# a comment\n"
    "10dd  Not this one\n"
    "\t2330  Theirs\n"
    "10de  NVIDIA Corporation\n"
    "\t2237  GA102GL [A10G]  \n"
    "\t\t10de 2330  A subsystem\n"
    "\t2330  GH100 [Mine]\n"
    "10df  Emulex\n"
    "\tffff  Emulex's\n"
    "C 03  Display controller\n"
    "\t0300  VGA\n";

TEST(PciIds, AreSearchedByVendorAndDevice) {
  EXPECT_EQ(find_pci_name(kPciIds, 0x10de, 0x2237), "GA102GL [A10G]");
  EXPECT_EQ(find_pci_name(kPciIds, 0x10de, 0x2330), "GH100 [Mine]");
  EXPECT_EQ(find_pci_name(kPciIds, 0x10de, 0xffff), std::nullopt);
  EXPECT_EQ(find_pci_name(kPciIds, 0x10df, 0x0300), std::nullopt);
  EXPECT_EQ(find_pci_name("", 0x10de, 0x2237), std::nullopt);
  EXPECT_EQ(find_pci_name("10de N\n\t2237 \n", 0x10de, 0x2237), std::nullopt);
  EXPECT_EQ(find_pci_name("10de N\n\t2237 x", 0x10de, 0x2237), "x");
}

void add(const host::HostTree& host, const std::string& bus_id,
         const std::string& driver, const std::string& device = "0x2330",
         const std::string& pci_class = "0x030200") {
  const std::string at = "sys/bus/pci/devices/" + bus_id + "/";
  host.file(at + "vendor", "0x10de\n");
  host.file(at + "class", pci_class + "\n");
  host.file(at + "device", device + "\n");
  host.file(at + "resource", k128GibOf64);
  if (!driver.empty()) host.link(at + "driver", "../../drivers/" + driver);
}

TEST(PassthroughGpus, AreThoseOfVfioPci) {
  const host::HostTree host;
  add(host, "0000:3b:00.0", "vfio-pci");
  add(host, "0000:5e:00.0", "nvidia");
  add(host, "0000:86:00.0", "");
  add(host, "0000:af:00.0", "vfio-pci", "0x2237", "0x030000");
  add(host, "0000:af:00.4", "vfio-pci");
  host.link("sys/bus/pci/devices/0000:af:00.4/physfn", "../0000:af:00.0");
  add(host, "0000:c1:00.0", "vfio-pci", "0x22a3", "0x068000");  // NVSwitch.
  const device::Inventory found = list_passthrough_gpus(host.root());
  ASSERT_THAT(found.gpus, SizeIs(2));
  EXPECT_EQ(found.gpus[0].name, "GH100 [H100 SXM5 80GB]");
  EXPECT_EQ(found.gpus[0].pci_bus_id, "0000:3b:00.0");
  EXPECT_EQ(found.gpus[0].memory_bytes, 128 * kGib);
  EXPECT_EQ(found.gpus[0].pci_class, 0x030200U);
  EXPECT_TRUE(found.gpus[0].is_passed_through);
  EXPECT_EQ(found.gpus[1].name, "GA102GL [A10G]");
  EXPECT_EQ(found.gpus[1].index.value, 3U);
  ASSERT_THAT(found.lost, SizeIs(2));
  EXPECT_EQ(found.lost[0].index.value, 1U);
  EXPECT_THAT(found.lost[0].reason,
              HasSubstr("0000:5e:00.0 is bound to nvidia, not to vfio-pci"));
  EXPECT_THAT(found.lost[1].reason, HasSubstr("0000:86:00.0 has no driver"));
}

TEST(PassthroughGpus, AreNamedByTheHostsDatabaseFirst) {
  const host::HostTree host;
  add(host, "0000:3b:00.0", "vfio-pci");
  add(host, "0000:5e:00.0", "vfio-pci", "0x2236");
  add(host, "0000:86:00.0", "vfio-pci", "0xfff0");
  host.file("usr/share/misc/pci.ids", kPciIds);
  const device::Inventory found = list_passthrough_gpus(host.root());
  ASSERT_THAT(found.gpus, SizeIs(3));
  EXPECT_EQ(found.gpus[0].name, "GH100 [Mine]");
  EXPECT_EQ(found.gpus[1].name, "GA102GL [A10]");
  EXPECT_EQ(found.gpus[2].name, "UNKNOWN_DEVICE");
}

TEST(PassthroughGpus, AreNoneWithoutABus) {
  const host::HostTree host;
  EXPECT_THAT(list_passthrough_gpus(host.root()).gpus, IsEmpty());
}

}  // namespace
}  // namespace gpunode::procfs
