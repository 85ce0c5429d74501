#include "gpu/procfs/pci_condition.h"

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::procfs {
namespace {

constexpr std::uint16_t kA10g = 0x2237;
constexpr std::string_view kFolder = "sys/bus/pci/devices/0000:00:1e.0/";
constexpr std::string_view kNoRegion =
    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
constexpr std::string_view kRegisters =
    "0x00000000c0000000 0x00000000c0ffffff 0x0000000000040200\n";
constexpr std::string_view kWindow =
    "0x0000000800000000 0x0000000fffffffff 0x000000000014220c\n";
// What is kept of a region that no address was found for.
constexpr std::string_view kUnset =
    "0x0000000000000000 0x00000007ffffffff 0x000000002014220c\n";

std::string six(std::initializer_list<std::string_view> lines) {
  std::string text;
  for (const std::string_view line : lines) text += line;
  for (std::size_t i = lines.size(); i < 6; ++i) text += kNoRegion;
  return text;
}

PciGpu a10g() {
  PciGpu gpu;
  gpu.bus_id = "0000:00:1e.0";
  gpu.device = kA10g;
  gpu.pci_class = 0x030200;
  return gpu;
}

std::string at(std::string_view name) {
  return std::string(kFolder) + std::string(name);
}

TEST(PciMemory, IsAssignedWhereRegistersAndAWindowHaveAddresses) {
  EXPECT_EQ(pci_memory_of(six({kRegisters, kWindow}), kA10g),
            PciMemory::kAssigned);
  // Hopper's are of 64 bits: every second line is none.
  EXPECT_EQ(pci_memory_of(six({kWindow, kNoRegion, kWindow}), 0x2330),
            PciMemory::kAssigned);
}

TEST(PciMemory, IsLackingWhereARegionIsUnsetOrWiped) {
  EXPECT_EQ(pci_memory_of(six({kRegisters, kUnset}), kA10g),
            PciMemory::kLacking);
  EXPECT_EQ(pci_memory_of(six({kRegisters}), kA10g), PciMemory::kLacking);
  EXPECT_EQ(pci_memory_of(six({}), kA10g), PciMemory::kLacking);
}

TEST(PciMemory, IsUnknownWhereTheKernelDoesNotSayOrNoWindowIsNeeded) {
  EXPECT_EQ(pci_memory_of("", kA10g), PciMemory::kUnknown);
  EXPECT_EQ(pci_memory_of("0x1 0x2\n", kA10g), PciMemory::kUnknown);
  EXPECT_EQ(pci_memory_of("rubbish rubbish rubbish\n", kA10g),
            PciMemory::kUnknown);
  EXPECT_EQ(pci_memory_of(six({kRegisters}), 0x2e12), PciMemory::kUnknown);
}

TEST(LinkSpeed, IsReadInMegatransfers) {
  EXPECT_EQ(link_speed_of("2.5 GT/s PCIe\n"), 2500U);
  EXPECT_EQ(link_speed_of("16.0 GT/s PCIe\n"), 16000U);
  EXPECT_EQ(link_speed_of("5 GT/s\n"), 5000U);
  for (const char* const text :
       {"Unknown\n", "Unknown speed\n", "", "x GT/s", "-1 GT/s", "16.25 GT/s",
        "99999999999 GT/s", "2.5", "GT/s"}) {
    EXPECT_EQ(link_speed_of(text), 0U) << text;
  }
}

TEST(PciCondition, OfAHostThatSaysNothingIsUnknown) {
  const host::HostTree host;
  EXPECT_EQ(read_pci_condition(host.root(), a10g(), ""), PciCondition());
}

TEST(PciCondition, HasTheLinkAsItIsAndAsItCouldBe) {
  const host::HostTree host;
  host.file(at("current_link_width"), "8\n");
  host.file(at("current_link_speed"), "2.5 GT/s PCIe\n");
  host.file(at("max_link_width"), "16\n");
  host.file(at("max_link_speed"), "16.0 GT/s PCIe\n");
  const PciCondition found = read_pci_condition(host.root(), a10g(), "");
  EXPECT_EQ(found.link, (PciLink{8, 2500}));
  EXPECT_EQ(found.link_most, (PciLink{16, 16000}));
}

TEST(PciCondition, OfADeadLinkIsUnknown) {
  const host::HostTree host;
  host.file(at("current_link_width"), "63\n");
  host.file(at("current_link_speed"), "Unknown\n");
  EXPECT_EQ(read_pci_condition(host.root(), a10g(), "").link, PciLink());
}

TEST(PciCondition, IsLostWhereTheConfigSpaceIsAllOnes) {
  const host::HostTree host;
  const auto is_lost = [&](const std::string& config) {
    return read_pci_condition(host.root(), a10g(), config).is_lost;
  };
  EXPECT_TRUE(is_lost(std::string(256, '\xff')));
  EXPECT_FALSE(is_lost(std::string("\xde\x10\x37\x22", 4)));
  EXPECT_FALSE(is_lost(std::string("\xff\xff", 2)));
  EXPECT_FALSE(is_lost(""));
}

TEST(PciCondition, TellsVirtualFunctionsFromTheWhole) {
  const host::HostTree host;
  host.file(at("sriov_numvfs"), "4\n");
  host.file(at("resource"), six({kRegisters}));
  PciCondition found = read_pci_condition(host.root(), a10g(), "");
  EXPECT_EQ(found.virtual_functions, 4U);
  EXPECT_EQ(found.memory, PciMemory::kLacking);
  host.link(at("physfn"), "../0000:00:1d.0");
  found = read_pci_condition(host.root(), a10g(), "");
  EXPECT_EQ(found.physical_function, "0000:00:1d.0");
  EXPECT_EQ(found.virtual_functions, 0U);
  EXPECT_EQ(found.memory, PciMemory::kUnknown);
}

TEST(PciCondition, OfAnNvSwitchHasOneRegionAndThatIsEnough) {
  const host::HostTree host;
  host.file(at("resource"), six({kRegisters}));
  PciGpu gpu = a10g();
  gpu.pci_class = 0x068000;
  EXPECT_EQ(read_pci_condition(host.root(), gpu, "").memory,
            PciMemory::kUnknown);
}

}  // namespace
}  // namespace gpunode::procfs
