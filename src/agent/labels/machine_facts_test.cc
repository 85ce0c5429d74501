#include "agent/labels/machine_facts.h"

#include <sys/stat.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::labels {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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
  ASSERT_EQ(::mkfifo(host.path("pipe").c_str(), 0600), 0);
  host.link("outside", "/../../../../etc/hostname");
  for (const char* name : {"/large", "/pipe", "/outside", "/"}) {
    const MachineFacts facts = read_machine(host.root(), name);
    EXPECT_EQ(facts.machine.type, std::nullopt) << name;
    EXPECT_EQ(facts.remarks.size(), 1U) << name;
  }
}

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
