#include "agent/labels/machine_facts.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::labels {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kFile = "/sys/class/dmi/id/product_name";

TEST(MachineFacts, HaveTheTypeAsItIsWritten) {
  const host::HostTree host{{kFile, "g5.4xlarge\n"}};
  const MachineFacts facts = read_machine(host.root(), kFile);
  EXPECT_EQ(facts.machine.type, "g5.4xlarge\n");
  EXPECT_THAT(facts.machine.vgpus, testing::Optional(IsEmpty()));
  EXPECT_THAT(facts.remarks, IsEmpty());
}

TEST(MachineFacts, WithoutAFileHaveNoType) {
  const host::HostTree host;
  EXPECT_EQ(read_machine(host.root(), "").machine.type, std::nullopt);
  EXPECT_THAT(read_machine(host.root(), "").remarks, IsEmpty());
  EXPECT_THAT(read_machine(host.root(), kFile).remarks,
              ElementsAre(HasSubstr("Error getting machine type from /sys")));
}

TEST(MachineFacts, TakeNoTypeFromWhatIsNoFileOfOne) {
  const host::HostTree host;
  host.file("large", std::string(5000, 'x'));
  host.file("endless", "");
  ASSERT_EQ(::truncate(host.path("endless").c_str(), 1LL << 40), 0);
  ASSERT_EQ(::mkfifo(host.path("pipe").c_str(), 0600), 0);
  host.link("outside", "/../../../../etc/hostname");
  host.link("one", "/two");
  host.link("two", "/one");
  for (const char* name :
       {"/large", "/endless", "/pipe", "/outside", "/one", "/"}) {
    const MachineFacts facts = read_machine(host.root(), name);
    EXPECT_EQ(facts.machine.type, std::nullopt) << name;
    EXPECT_EQ(facts.remarks.size(), 1U) << name;
  }
}

/// What a machine-type file says, and what nvidia.com/gpu.machine does.
struct HostileType {
  std::string text;
  std::string label;
};

class MachineTypeLabel : public testing::TestWithParam<HostileType> {};

TEST_P(MachineTypeLabel, IsAValidValueInALineOfItsOwn) {
  const host::HostTree host{{kFile, GetParam().text}};
  device::Inventory inventory;
  inventory.gpus.emplace_back();
  config::Settings settings;
  settings.host_root = host.path("");
  const LabelSet labels =
      label_this_node(inventory, settings, kFile, std::nullopt).labels;
  EXPECT_EQ(labels.at("nvidia.com/gpu.machine"), GetParam().label);
  EXPECT_TRUE(is_valid_value(GetParam().label));
  EXPECT_EQ(labels.count("nvidia.com/evil"), 0U);
  EXPECT_THAT(to_feature_file(labels), Not(HasSubstr("\nnvidia.com/evil")));
}

INSTANTIATE_TEST_SUITE_P(
    Hostile, MachineTypeLabel,
    testing::Values(HostileType{"PowerEdge\nnvidia.com/evil=1\n",
                                "PowerEdgenvidia.comevil1"},
                    HostileType{std::string("\0\x7f"
                                            "ELF\xff\x01..\0a",
                                            11),
                                "ELF..a"},
                    HostileType{"../../etc/passwd", "etcpasswd"},
                    HostileType{"\r\n\t \v", ""},
                    HostileType{"$(reboot) `id`", "reboot-id"},
                    HostileType{"\xc3\xbc-Server_", "Server"},
                    HostileType{std::string(4096, 'x'), std::string(63, 'x')}));

TEST(MachineFacts, LeaveVgpusOpenWhereConfigSpaceIsClosed) {
  const std::string at = "sys/bus/pci/devices/0000:00:04.0/";
  const host::HostTree host{{at + "vendor", "0x10de\n"},
                            {at + "config", std::string(64, '\0')}};
  const MachineFacts facts = read_machine(host.root(), "");
  EXPECT_FALSE(facts.machine.vgpus);
  EXPECT_THAT(facts.remarks,
              ElementsAre(HasSubstr("no nvidia.com/vgpu.present: read the PCI "
                                    "config space of 0000:00:04.0")));
}

}  // namespace
}  // namespace gpunode::labels
