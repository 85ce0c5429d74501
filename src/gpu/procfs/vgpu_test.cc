#include "gpu/procfs/vgpu.h"

#include <cstddef>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::procfs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A config space with a list of capabilities.
class ConfigSpace {
 public:
  ConfigSpace() {
    set(0x06, 0x10);
    set(0x34, 0x68);
  }
  void set(std::size_t at, unsigned value) {
    bytes_[at] = static_cast<char>(value);
  }
  void text(std::size_t at, const std::string& text) {
    bytes_.replace(at, text.size(), text);
  }
  /// A vendor-specific capability of `length` bytes, the last of the list.
  void vendor_specific(std::size_t at, unsigned length) {
    set(at, 0x09);
    set(at + 1, 0);
    set(at + 2, length);
  }
  void vgpu(std::size_t at, unsigned length = 27) {
    vendor_specific(at, length);
    text(at + 3, "VF");
  }
  /// A record of the host's driver.
  void driver(std::size_t at, const std::string& version = "460.16",
              const std::string& branch = "r460_00") {
    set(at, 0);
    set(at + 1, 22);
    text(at + 2, version);
    text(at + 12, branch);
  }
  const std::string& bytes() const { return bytes_; }
  Result<std::vector<device::Vgpu>> parse() const {
    return parse_vgpu("0000:00:04.0", bytes_);
  }

 private:
  std::string bytes_ = std::string(256, '\0');
};

std::string complaint(const ConfigSpace& space) {
  const auto parsed = space.parse();
  return parsed ? "none" : parsed.error().message();
}

ConfigSpace vgpu_space() {
  ConfigSpace space;
  space.set(0x68, 0x05);  // Message signalled interrupts first.
  space.set(0x69, 0xd0);
  space.vgpu(0xd0);
  space.driver(0xd5);
  return space;
}

TEST(Vgpu, TellsTheHostsDriver) {
  const auto parsed = vgpu_space().parse();
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_THAT(*parsed,
              ElementsAre(device::Vgpu{"0000:00:04.0", "460.16", "r460_00"}));
}

TEST(Vgpu, DriverRecordMayFollowOthers) {
  ConfigSpace space = vgpu_space();
  space.vgpu(0xd0, 33);
  space.set(0xd5, 4);
  space.set(0xd6, 6);
  space.driver(0xdb, "1234567890", "abcdefghij");  // No room for a NUL.
  const auto parsed = space.parse();
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_THAT(*parsed, ElementsAre(device::Vgpu{"0000:00:04.0", "1234567890",
                                                "abcdefghij"}));
}

TEST(Vgpu, PassthroughHasTheCapabilityWithoutTheSignature) {
  ConfigSpace space = vgpu_space();
  space.vendor_specific(0xd0, 20);
  space.text(0xd3, "P2");
  EXPECT_THAT(*space.parse(), IsEmpty());
}

TEST(Vgpu, SignatureIsFoundBehindAnotherVendorSpecificCapability) {
  ConfigSpace space = vgpu_space();
  space.vendor_specific(0x68, 8);
  space.set(0x69, 0xd0);
  EXPECT_EQ(space.parse()->size(), 1U);
}

TEST(Vgpu, NoCapabilitiesIsNoVgpu) {
  ConfigSpace space = vgpu_space();
  space.set(0x06, 0);
  EXPECT_THAT(*space.parse(), IsEmpty());
  EXPECT_THAT(*parse_vgpu("x", std::string(256, '\xff')), IsEmpty());
}

TEST(Vgpu, ListsThatLoopOrLeadIntoTheHeaderEnd) {
  ConfigSpace own_tail;
  own_tail.set(0x69, 0x68);
  EXPECT_THAT(*own_tail.parse(), IsEmpty());
  ConfigSpace pair;
  pair.set(0x69, 0x80);
  pair.set(0x81, 0x68);
  EXPECT_THAT(*pair.parse(), IsEmpty());
  ConfigSpace header;
  header.set(0x69, 0x04);
  EXPECT_THAT(*header.parse(), IsEmpty());
}

TEST(Vgpu, RecordsThatDoNotFitAreRefused) {
  const std::string refusal =
      "cannot find driver version record in vendor specific capability for "
      "device 0000:00:04.0";
  ConfigSpace cut = vgpu_space();
  cut.vgpu(0xd0, 26);
  EXPECT_EQ(complaint(cut), refusal);
  ConfigSpace standing = vgpu_space();
  standing.set(0xd5, 3);
  standing.set(0xd6, 0);  // A record of no length.
  EXPECT_EQ(complaint(standing), refusal);
  ConfigSpace last;  // Runs over the end of the config space.
  last.set(0x69, 0xf0);
  last.vgpu(0xf0, 0xff);
  EXPECT_EQ(complaint(last), refusal);
  ConfigSpace edge;
  edge.set(0x69, 0xff);
  edge.set(0xff, 0x09);
  EXPECT_THAT(*edge.parse(), IsEmpty());
}

TEST(Vgpu, EveryByteMayBeWrong) {
  // Nothing may hang or be read beyond the end, whatever one byte says.
  const ConfigSpace space = vgpu_space();
  for (std::size_t at = 0; at < 256; ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      ConfigSpace changed = space;
      changed.set(at, value);
      static_cast<void>(changed.parse());
    }
  }
}

TEST(Vgpus, AreFoundAmongNvidiasFunctions) {
  const std::string at = "sys/bus/pci/devices/";
  const host::HostTree host{
      {at + "0000:00:03.0/vendor", "0x8086\n"},
      {at + "0000:00:03.0/config", "short"},
      {at + "0000:00:04.0/vendor", "0x10de\n"},
      {at + "0000:00:04.0/config", vgpu_space().bytes()},
      {at + "0000:00:05.0/vendor", "0x10de\n"},
      {at + "0000:00:05.0/config", ConfigSpace().bytes()}};
  const auto listed = list_vgpus(host.root());
  ASSERT_TRUE(listed) << listed.error().message();
  EXPECT_THAT(*listed,
              ElementsAre(device::Vgpu{"0000:00:04.0", "460.16", "r460_00"}));
}

TEST(Vgpus, NeedTheWholeConfigSpace) {
  const std::string at = "sys/bus/pci/devices/0000:00:04.0/";
  const host::HostTree host{{at + "vendor", "0x10de\n"},
                            {at + "config", std::string(64, '\0')}};
  const auto listed = list_vgpus(host.root());
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(listed.error().message(), HasSubstr("64 of 256 bytes"));
}

TEST(Vgpus, NoneWithoutPci) {
  const host::HostTree host;
  EXPECT_THAT(*list_vgpus(host.root()), IsEmpty());
}

}  // namespace
}  // namespace gpunode::procfs
