// The rows of NVIDIA's observed answers that are not the ids' business.
#include "agent/plugin/edits.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::plugin {
namespace {

using config::DeviceListStrategy;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr const char* kId = "01234567-89ab-8def-8123-456789abcdef";

resource::Device gpu(unsigned index) {
  resource::Device device;
  device.id.value = "U" + std::to_string(index);
  device.gpu_id = device.id;
  device.gpu.value = index;
  device.index_text = std::to_string(index);
  device.nodes = {"/dev/nvidia" + std::to_string(index)};
  return device;
}

class EditsTest : public testing::Test {
 protected:
  kubelet::ContainerAllocation express(
      const std::vector<std::string>& ids = {"U1", "U0"},
      resource::Sharing sharing = {}) {
    const resource::Resource resource(
        *resource::ResourceName::parse("nvidia.com/gpu"), {gpu(0), gpu(1)},
        sharing);
    const Result<resource::Allocation> allocation =
        resource::allocate(resource, ids, settings.device_id_strategy);
    EXPECT_TRUE(allocation.has_value());
    return plugin::express(resource, *allocation, settings, host_devices,
                           control_nodes, kId, {"/lib.so", "/preload"});
  }

  void use(std::vector<DeviceListStrategy> strategies) {
    settings.device_list_strategies = std::move(strategies);
  }

  config::Settings settings;
  HostDevices host_devices;
  ControlNodes control_nodes = ControlNodes::kPass;
};

std::vector<std::string> paths(const kubelet::ContainerAllocation& answer) {
  std::vector<std::string> all;
  for (const kubelet::DeviceSpec& spec : answer.devices) {
    all.push_back(spec.container_path + "<-" + spec.host_path + " " +
                  spec.permissions);
  }
  return all;
}

TEST_F(EditsTest, EnvvarNamesTheDevicesInTheOrderOfTheRequest) {
  const kubelet::ContainerAllocation answer = express();
  EXPECT_THAT(answer.envs,
              ElementsAre(Pair("NVIDIA_VISIBLE_DEVICES", "U1,U0")));
  EXPECT_THAT(answer.mounts, IsEmpty());
  EXPECT_THAT(answer.devices, IsEmpty());
  EXPECT_THAT(answer.annotations, IsEmpty());
  EXPECT_THAT(answer.cdi_devices, IsEmpty());
}

TEST_F(EditsTest, IndexStrategyNamesIndices) {
  settings.device_id_strategy = config::DeviceIdStrategy::kIndex;
  EXPECT_THAT(express().envs,
              ElementsAre(Pair("NVIDIA_VISIBLE_DEVICES", "1,0")));
}

TEST_F(EditsTest, NoDevicesMeansNoneRatherThanTheImagesAll) {
  EXPECT_THAT(express({}).envs,
              ElementsAre(Pair("NVIDIA_VISIBLE_DEVICES", "")));
}

TEST_F(EditsTest, VolumeMountsWinOverEnvvarInEitherOrder) {
  for (const auto& strategies : {std::vector{DeviceListStrategy::kVolumeMounts},
                                 std::vector{DeviceListStrategy::kEnvvar,
                                             DeviceListStrategy::kVolumeMounts},
                                 std::vector{DeviceListStrategy::kVolumeMounts,
                                             DeviceListStrategy::kEnvvar}}) {
    use(strategies);
    const kubelet::ContainerAllocation answer = express();
    EXPECT_THAT(answer.envs,
                ElementsAre(Pair("NVIDIA_VISIBLE_DEVICES",
                                 "/var/run/nvidia-container-devices")));
    ASSERT_EQ(answer.mounts.size(), 2U);
    EXPECT_EQ(answer.mounts[0].container_path,
              "/var/run/nvidia-container-devices/U1");
    EXPECT_EQ(answer.mounts[0].host_path, "/dev/null");
    EXPECT_FALSE(answer.mounts[0].read_only);
  }
}

TEST_F(EditsTest, CdiAnnotationsCarryTheAllocationIdInTheirKey) {
  use({DeviceListStrategy::kCdiAnnotations});
  settings.cdi_annotation_prefix = "foo.bar/";
  const kubelet::ContainerAllocation answer = express();
  EXPECT_THAT(
      answer.annotations,
      ElementsAre(Pair(std::string("foo.bar/nvidia-device-plugin_") + kId,
                       "k8s.device-plugin.nvidia.com/gpu=U1,"
                       "k8s.device-plugin.nvidia.com/gpu=U0")));
  EXPECT_THAT(answer.envs, IsEmpty());
}

TEST_F(EditsTest, CdiAloneLeavesDeviceNodesToTheRuntime) {
  use({DeviceListStrategy::kCdiCri});
  settings.pass_device_specs = true;
  settings.gds_enabled = true;
  settings.mofed_enabled = true;
  const kubelet::ContainerAllocation answer = express();
  EXPECT_THAT(answer.cdi_devices,
              ElementsAre("k8s.device-plugin.nvidia.com/gpu=U1",
                          "k8s.device-plugin.nvidia.com/gpu=U0"));
  EXPECT_THAT(answer.envs,
              UnorderedElementsAre(Pair("NVIDIA_GDS", "enabled"),
                                   Pair("NVIDIA_MOFED", "enabled")));
  EXPECT_THAT(answer.devices, IsEmpty());
}

TEST_F(EditsTest, FurtherCdiDevicesFollowTheGpus) {
  use({DeviceListStrategy::kCdiCri});
  host_devices.imex_channels = {0};
  host_devices.further_cdi_devices = {"gdrcopy=all", "gds=all"};
  EXPECT_THAT(express().cdi_devices,
              ElementsAre("k8s.device-plugin.nvidia.com/gpu=U1",
                          "k8s.device-plugin.nvidia.com/gpu=U0",
                          "k8s.device-plugin.nvidia.com/imex-channel=0",
                          "k8s.device-plugin.nvidia.com/gdrcopy=all",
                          "k8s.device-plugin.nvidia.com/gds=all"));
}

TEST_F(EditsTest, CdiBesideEnvvarGivesBoth) {
  use({DeviceListStrategy::kCdiCri, DeviceListStrategy::kEnvvar});
  settings.gdrcopy_enabled = true;
  const kubelet::ContainerAllocation answer = express();
  EXPECT_EQ(answer.cdi_devices.size(), 2U);
  EXPECT_THAT(answer.envs,
              UnorderedElementsAre(Pair("NVIDIA_GDRCOPY", "enabled"),
                                   Pair("NVIDIA_VISIBLE_DEVICES", "U1,U0")));
}

TEST_F(EditsTest, DeviceSpecsComeFromTheDevRootControlNodesFirst) {
  settings.pass_device_specs = true;
  settings.dev_root = "/run/nvidia/driver";
  host_devices.control_nodes = {"/dev/nvidiactl"};
  EXPECT_THAT(paths(express()),
              ElementsAre("/dev/nvidiactl<-/run/nvidia/driver/dev/nvidiactl rw",
                          "/dev/nvidia1<-/run/nvidia/driver/dev/nvidia1 rw",
                          "/dev/nvidia0<-/run/nvidia/driver/dev/nvidia0 rw"));
  control_nodes = ControlNodes::kOmit;
  EXPECT_EQ(paths(express()).size(), 2U);
}

TEST_F(EditsTest, ImexChannelsFollowEachStrategy) {
  host_devices.imex_channels = {0};
  EXPECT_EQ(express().envs.at("NVIDIA_IMEX_CHANNELS"), "0");
  use({DeviceListStrategy::kVolumeMounts});
  EXPECT_EQ(express().mounts.back().container_path,
            "/var/run/nvidia-container-devices/imex/0");
  use({DeviceListStrategy::kCdiCri});
  EXPECT_EQ(express().cdi_devices.back(),
            "k8s.device-plugin.nvidia.com/imex-channel=0");
  use({DeviceListStrategy::kEnvvar});
  settings.pass_device_specs = true;
  EXPECT_EQ(paths(express()).back(),
            "/dev/nvidia-caps-imex-channels/channel0<-"
            "/dev/nvidia-caps-imex-channels/channel0 rw");
}

TEST_F(EditsTest, MpsGivesThePipeOfItsResourceAndSharedMemory) {
  settings.mps_root = "/run/nvidia/mps";
  const kubelet::ContainerAllocation answer =
      express({"U0"}, {config::SharingStrategy::kMps, true});
  EXPECT_EQ(answer.envs.at("CUDA_MPS_PIPE_DIRECTORY"),
            "/mps/nvidia.com/gpu/pipe");
  ASSERT_EQ(answer.mounts.size(), 2U);
  EXPECT_EQ(answer.mounts[0].host_path, "/run/nvidia/mps/nvidia.com/gpu/pipe");
  EXPECT_EQ(answer.mounts[1].container_path, "/dev/shm");
  EXPECT_EQ(answer.mounts[1].host_path, "/run/nvidia/mps/shm");
}

TEST_F(EditsTest, TheSameRequestGetsTheSameAnswer) {
  use({DeviceListStrategy::kCdiAnnotations, DeviceListStrategy::kEnvvar});
  EXPECT_EQ(express().annotations, express().annotations);
  EXPECT_EQ(express().envs, express().envs);
}

TEST_F(EditsTest, AShareComesByMountsWhateverTheStrategy) {
  resource::Device device = gpu(0);
  device.memory_bytes = std::uint64_t{4} << 30;
  device.replicas = 4;
  const resource::Resource resource(
      *resource::ResourceName::parse("nvidia.com/gpu"), {device},
      {config::SharingStrategy::kShares});
  for (const DeviceListStrategy strategy :
       {DeviceListStrategy::kEnvvar, DeviceListStrategy::kVolumeMounts,
        DeviceListStrategy::kCdiAnnotations, DeviceListStrategy::kCdiCri}) {
    use({strategy});
    const auto answer_of = [&](const std::vector<std::string>& ids) {
      const auto allocation =
          resource::allocate(resource, ids, settings.device_id_strategy);
      EXPECT_TRUE(allocation);
      return plugin::express(resource, *allocation, settings, host_devices,
                             control_nodes, kId, {"/lib.so", "/preload"});
    };
    std::vector<std::string> mounts;
    for (const kubelet::Mount& mount : answer_of({"U0::2"}).mounts) {
      if (mount.host_path == "/dev/null") continue;
      mounts.push_back(mount.container_path + "<-" + mount.host_path +
                       (mount.read_only ? " ro" : " rw"));
    }
    const std::string grant = "/run/gpunode/allocations/" + std::string(kId);
    EXPECT_THAT(mounts,
                UnorderedElementsAre(
                    "/run/gpunode/share/libgpunode-cuda.so<-/lib.so ro",
                    "/etc/ld.so.preload<-/preload ro",
                    "/run/gpunode/share/limits<-" + grant + "/limits ro",
                    "/run/gpunode/share/ledger<-" + grant + "/ledger rw"));
    // A whole GPU is nobody's to limit.
    for (const kubelet::Mount& mount :
         answer_of({"U0::0", "U0::1", "U0::2", "U0::3"}).mounts) {
      EXPECT_EQ(mount.host_path, "/dev/null");
    }
  }
}

}  // namespace
}  // namespace gpunode::plugin
