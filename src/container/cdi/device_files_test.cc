#include "container/cdi/device_files.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::cdi {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Group = NodeFile::Group;

constexpr const char* kDevices =
    "Character devices:\n  1 mem\n195 nvidia\n195 nvidiactl\n"
    "238 nvidia-uvm\n241 nvidia-caps\n\nBlock devices:\n259 blkext\n";

device::Inventory one_gpu() {
  device::Inventory inventory;
  device::Gpu& gpu = inventory.gpus.emplace_back();
  gpu.minor.value = 3;
  gpu.pci_bus_id = "0000:3b:00.0";
  return inventory;
}

DeviceFiles find(const host::HostTree& host,
                 const device::Inventory& inventory = {}) {
  DeviceSearch search;
  search.dev_root = host.root();
  search.host = host.root();
  search.with_imex_channels = true;
  return find_device_files(search, inventory);
}

std::vector<std::string> paths_of(const DeviceFiles& files) {
  std::vector<std::string> paths;
  for (const NodeFile& node : files.nodes) paths.push_back(node.path);
  return paths;
}

// Nodes can only be made by root, and not in every container.
class DeviceNodes : public testing::Test {
 protected:
  void SetUp() override {
    if (!make("dev/probe", 1, 3, 0666)) {
      GTEST_SKIP() << "mknod is not permitted here";
    }
    host_.remove("dev/probe");
  }

  bool make(const std::string& name, unsigned major, unsigned minor,
            mode_t mode) const {
    host_.directory(name.substr(0, name.rfind('/')));
    const std::string path = host_.path(name);
    return ::mknod(path.c_str(), S_IFCHR | mode, makedev(major, minor)) == 0 &&
           ::chmod(path.c_str(), mode) == 0;
  }

  const host::HostTree host_;
};

TEST_F(DeviceNodes, AreToldApart) {
  make("dev/nvidia0", 195, 0, 0666);
  make("dev/nvidia10", 195, 10, 0660);
  make("dev/nvidiactl", 195, 255, 0666);
  make("dev/nvidia-uvm", 238, 0, 0666);
  make("dev/nvidia-fs0", 239, 0, 0600);
  make("dev/nvidia-nvswitchctl", 240, 255, 0666);
  make("dev/nvidia-nvlink", 242, 0, 0666);
  make("dev/nvidia-other", 243, 0, 0666);
  make("dev/gdrdrv", 244, 0, 0666);
  make("dev/null", 1, 3, 0666);
  make("dev/nvidia-caps/nvidia-cap1", 241, 1, 0400);
  make("dev/nvidia-caps-imex-channels/channel0", 245, 0, 0666);
  make("dev/nvidia-caps-imex-channels/other", 245, 1, 0666);
  make("dev/infiniband/uverbs0", 231, 192, 0666);
  make("dev/infiniband/issm0", 231, 64, 0666);
  ASSERT_EQ(::chown(host_.path("dev/nvidia10").c_str(), 0, 44), 0);
  host_.file("dev/nvidia5", "not a device");
  const DeviceFiles files = find(host_);
  EXPECT_THAT(paths_of(files),
              ElementsAre("/dev/gdrdrv", "/dev/infiniband/uverbs0",
                          "/dev/nvidia-caps-imex-channels/channel0",
                          "/dev/nvidia-caps/nvidia-cap1", "/dev/nvidia-fs0",
                          "/dev/nvidia-nvswitchctl", "/dev/nvidia-other",
                          "/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidia10",
                          "/dev/nvidiactl"));
  std::vector<Group> groups;
  for (const NodeFile& node : files.nodes) groups.push_back(node.group);
  EXPECT_THAT(groups,
              ElementsAre(Group::kGdrcopy, Group::kMofed, Group::kImex,
                          Group::kCapability, Group::kGds, Group::kNvswitch,
                          Group::kOther, Group::kControl, Group::kGpu,
                          Group::kGpu, Group::kControl));
  const NodeFile* node = files.find("/dev/nvidia10");
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(*node,
            (NodeFile{Group::kGpu, "/dev/nvidia10", 195, 10, 0660, 44, false}));
  EXPECT_EQ(files.find("/dev/nvidia1"), nullptr);
}

TEST_F(DeviceNodes, OfDrmAreThoseOfTheGpu) {
  make("dev/dri/card0", 226, 0, 0660);
  make("dev/dri/card1", 226, 1, 0660);
  make("dev/dri/renderD129", 226, 129, 0660);
  host_.directory("sys/bus/pci/devices/0000:3b:00.0/drm/card1");
  host_.directory("sys/bus/pci/devices/0000:3b:00.0/drm/renderD129");
  host_.link("dev/dri/by-path/pci-0000:3b:00.0-card", "../card1");
  host_.link("dev/dri/by-path/pci-0000:3b:00.0-render", "../renderD666");
  const DeviceFiles files = find(host_, one_gpu());
  EXPECT_THAT(paths_of(files),
              ElementsAre("/dev/dri/card1", "/dev/dri/renderD129"));
  ASSERT_THAT(files.drm, SizeIs(1));
  EXPECT_EQ(files.drm[0].pci_bus_id, "0000:3b:00.0");
  EXPECT_THAT(files.drm[0].by_path,
              ElementsAre(std::pair("pci-0000:3b:00.0-card", "../card1")));
}

TEST_F(DeviceNodes, AreAddedByConfiguration) {
  make("dev/foo", 10, 1, 0600);
  DeviceSearch search;
  search.dev_root = host_.root();
  search.host = host_.root();
  search.additional_devices = {"/dev/foo", "/dev/bar"};
  const DeviceFiles files = find_device_files(search, {});
  EXPECT_THAT(paths_of(files), ElementsAre("/dev/foo"));
  EXPECT_THAT(files.problems,
              ElementsAre("additional device /dev/bar is not there or no "
                          "character device"));
}

TEST(MissingNodes, AreToldFromTheKernelsDevices) {
  const host::HostTree host{{"proc/devices", kDevices}};
  host.directory("dev");
  device::Inventory inventory = one_gpu();
  device::MigDevice& mig = inventory.gpus[0].mig_devices.emplace_back();
  mig.gpu_instance_cap_path = "/dev/nvidia-caps/nvidia-cap21";
  const DeviceFiles files = find(host, inventory);
  EXPECT_THAT(
      files.nodes,
      ElementsAre(
          NodeFile{Group::kCapability, "/dev/nvidia-caps/nvidia-cap21", 241, 21,
                   0444, 0, true},
          NodeFile{Group::kControl, "/dev/nvidia-uvm", 238, 0, 0666, 0, true},
          NodeFile{Group::kControl, "/dev/nvidia-uvm-tools", 238, 1, 0666, 0,
                   true},
          NodeFile{Group::kGpu, "/dev/nvidia3", 195, 3, 0666, 0, true},
          NodeFile{Group::kControl, "/dev/nvidiactl", 195, 255, 0666, 0,
                   true}));
}

TEST(MissingNodes, AreToldFromOlderDriversToo) {
  const host::HostTree host{
      {"proc/devices", "Character devices:\n195 nvidia-frontend\n"}};
  EXPECT_THAT(paths_of(find(host, one_gpu())),
              ElementsAre("/dev/nvidia3", "/dev/nvidiactl"));
}

TEST(MissingNodes, OfAHostWithoutDriverAreNone) {
  const host::HostTree host{{"proc/devices", "Character devices:\n1 mem\n"}};
  EXPECT_THAT(find(host, one_gpu()).nodes, IsEmpty());
}

}  // namespace
}  // namespace gpunode::cdi
