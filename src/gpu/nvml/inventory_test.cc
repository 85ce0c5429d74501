// What Session::inventory() makes of each machine that the double can be.
#include <set>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpu/abi/nvml.h"
#include "gpu/nvml/driver_fixture_test.h"
#include "tests/doubles/nvml/profile.h"

namespace gpunode::nvml {
namespace {

using device::PciLink;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class EveryMachine : public DriverTest,
                     public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    use(GetParam());
    auto profile = fake_nvml::load_profile(profile_path(GetParam()));
    ASSERT_TRUE(profile) << profile.error().message();
    profile_ = *std::move(profile);
  }

  fake_nvml::Profile profile_;
};

TEST_P(EveryMachine, IsDescribedWhole) {
  const device::Inventory inventory = this->inventory(session());
  EXPECT_EQ(inventory.driver_version, profile_.driver_version);
  EXPECT_EQ(inventory.cuda_driver_version, profile_.cuda_version);
  EXPECT_THAT(inventory.lost, IsEmpty());
  ASSERT_THAT(inventory.gpus, SizeIs(profile_.gpus.size()));
  for (std::size_t i = 0; i < inventory.gpus.size(); ++i) {
    const device::Gpu& gpu = inventory.gpus[i];
    const fake_nvml::GpuSpec& spec = profile_.gpus[i];
    EXPECT_EQ(gpu.index.value, i);
    EXPECT_EQ(gpu.id.value, spec.uuid);
    EXPECT_EQ(gpu.minor.value, spec.minor);
    EXPECT_EQ(gpu.name, spec.name);
    EXPECT_EQ(gpu.pci_bus_id, spec.pci_bus_id);
    EXPECT_EQ(gpu.memory_bytes, spec.memory_bytes);
    EXPECT_EQ(gpu.compute_major, spec.compute_major);
    EXPECT_EQ(gpu.compute_minor, spec.compute_minor);
    EXPECT_EQ(gpu.mig_capable, spec.mig_capable);
    EXPECT_EQ(gpu.mig_enabled, spec.mig_enabled);
  }
}

TEST_P(EveryMachine, HasItsMigDevicesByTheirProfilesNames) {
  const device::Inventory inventory = this->inventory(session());
  ASSERT_THAT(inventory.gpus, SizeIs(profile_.gpus.size()));
  for (std::size_t i = 0; i < inventory.gpus.size(); ++i) {
    const auto& specs = profile_.gpus[i].mig_devices;
    const auto& devices = inventory.gpus[i].mig_devices;
    ASSERT_THAT(devices, SizeIs(specs.size()));
    for (std::size_t j = 0; j < devices.size(); ++j) {
      const auto* kind = profile_.mig_profile(specs[j].gpu_profile);
      ASSERT_NE(kind, nullptr);
      const std::string prefix =
          specs[j].compute_slices == kind->slices
              ? ""
              : fmt::format("{}c.", specs[j].compute_slices);
      EXPECT_EQ(devices[j].profile, prefix + specs[j].gpu_profile);
      EXPECT_EQ(devices[j].id.value, specs[j].uuid);
      EXPECT_EQ(devices[j].mig_index, j);
      EXPECT_EQ(devices[j].gpu_instance, specs[j].gpu_instance);
      EXPECT_EQ(devices[j].compute_instance, specs[j].compute_instance);
      EXPECT_EQ(devices[j].attributes.memory_mib, kind->memory_mib);
      EXPECT_EQ(devices[j].attributes.gpu_instance_slices, kind->slices);
      EXPECT_EQ(devices[j].attributes.ofa_engines, kind->ofa_engines);
    }
  }
}

TEST_P(EveryMachine, HasATopologyOfItsDirectNvLinks) {
  const device::Inventory inventory = this->inventory(session());
  ASSERT_EQ(inventory.topology.size(), profile_.gpus.size());
  for (unsigned a = 0; a < profile_.gpus.size(); ++a) {
    for (unsigned b = 0; b < profile_.gpus.size(); ++b) {
      if (a == b) continue;
      unsigned expected = 0;
      for (const auto& end : profile_.gpus[a].nvlinks) {
        if (end.gpu == b) ++expected;
      }
      EXPECT_EQ(inventory.topology.link(a, b).nvlinks, expected)
          << a << " to " << b;
      EXPECT_NE(inventory.topology.link(a, b).pci, PciLink::kUnknown);
    }
  }
}

// gtest takes no dashes in a name.
std::string test_name(const testing::TestParamInfo<const char*>& machine) {
  std::string name = machine.param;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Profiles, EveryMachine,
                         testing::Values("a10g-x1", "t4-x4", "v100-x8",
                                         "a100-x8", "a100-x8-mig-single",
                                         "a100-x8-mig-mixed",
                                         "a100-x8-mig-empty", "h100-x8",
                                         "h200-x1", "b200-x8", "none"),
                         test_name);

class Inventory : public DriverTest {};

TEST_F(Inventory, AGpuKnowsTheFabricItHasJoined) {
  use("b200-x8");
  const device::Inventory inventory = this->inventory(session());
  ASSERT_THAT(inventory.gpus, SizeIs(8));
  EXPECT_EQ(inventory.gpus[7].fabric,
            (device::FabricClique{"6e1f2a30-77c4-4b1d-9a52-0c8e5d3f9b17", 1}));
}

TEST_F(Inventory, AFabricWithoutUuidOrAnAnswerIsNone) {
  use("h100-x8");
  EXPECT_EQ(inventory(session()).gpus[0].fabric, std::nullopt);
  use("b200-x8");
  fail("nvmlDeviceGetGpuFabricInfo", NVML_ERROR_NOT_SUPPORTED, 0);
  const device::Inventory inventory = this->inventory(session());
  ASSERT_THAT(inventory.gpus, SizeIs(8));
  EXPECT_EQ(inventory.gpus[0].fabric, std::nullopt);
  EXPECT_TRUE(inventory.gpus[1].fabric);
}

TEST_F(Inventory, ALostGpuHidesNoOther) {
  control().lose(2);
  const device::Inventory inventory = this->inventory(session());
  EXPECT_THAT(inventory.gpus, SizeIs(7));
  ASSERT_THAT(inventory.lost, SizeIs(1));
  EXPECT_EQ(inventory.lost[0].index.value, 2U);
  EXPECT_THAT(inventory.lost[0].reason, EndsWith("ERROR_GPU_IS_LOST"));
  EXPECT_EQ(inventory.topology.size(), 7U);
  EXPECT_EQ(inventory.gpus[2].index.value, 3U);
  EXPECT_NE(inventory.topology.link(2, 3).pci, PciLink::kUnknown);
}

TEST_F(Inventory, AGpuThatFailsALaterQueryIsLostByName) {
  fail("nvmlDeviceGetMinorNumber", NVML_ERROR_UNKNOWN, 3);
  const device::Inventory inventory = this->inventory(session());
  EXPECT_THAT(inventory.gpus, SizeIs(7));
  ASSERT_THAT(inventory.lost, SizeIs(1));
  ASSERT_TRUE(inventory.lost[0].id);
  EXPECT_THAT(inventory.lost[0].id->value, HasSubstr("GPU-"));
  EXPECT_EQ(inventory.lost[0].reason,
            "nvmlDeviceGetMinorNumber: ERROR_UNKNOWN");
}

TEST_F(Inventory, EveryGpuLostIsStillAnInventory) {
  for (unsigned gpu = 0; gpu < 8; ++gpu) control().lose(gpu);
  const device::Inventory inventory = this->inventory(session());
  EXPECT_THAT(inventory.gpus, IsEmpty());
  EXPECT_THAT(inventory.lost, SizeIs(8));
}

TEST_F(Inventory, MemoryThatCannotBeReadIsUnknownNotFatal) {
  fail("nvmlDeviceGetMemoryInfo", NVML_ERROR_UNKNOWN, 0);
  const device::Inventory inventory = this->inventory(session());
  ASSERT_THAT(inventory.gpus, SizeIs(8));
  EXPECT_EQ(inventory.gpus[0].memory_bytes, 0U);
  EXPECT_NE(inventory.gpus[1].memory_bytes, 0U);
}

class DisplayName : public DriverTest,
                    public testing::WithParamInterface<const char*> {};

TEST_P(DisplayName, IsNoGpuForContainers) {
  use_edited("a10g-x1", "NVIDIA A10G", GetParam());
  const device::Inventory inventory = this->inventory(session());
  EXPECT_THAT(inventory.gpus, IsEmpty());
  EXPECT_THAT(inventory.lost, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(DgxStation, DisplayName,
                         testing::Values("DGX Display", "NVIDIA DGX Display"));

TEST_F(Inventory, OnlyTheExactDisplayNamesAreSkipped) {
  use_edited("a10g-x1", "NVIDIA A10G", "NVIDIA DGX Display 2");
  EXPECT_THAT(inventory(session()).gpus, SizeIs(1));
}

std::vector<std::string> profiles_of(const device::Gpu& gpu) {
  std::vector<std::string> profiles;
  for (const auto& mig : gpu.mig_devices) profiles.push_back(mig.profile);
  return profiles;
}

TEST_F(Inventory, WithoutPrivilegesTheDevicesNameTellsItsVariant) {
  use("a100-x8-mig-mixed");
  fail("nvmlDeviceGetGpuInstanceById", NVML_ERROR_NO_PERMISSION);
  const device::Inventory inventory = this->inventory(session());
  ASSERT_THAT(inventory.gpus, SizeIs(8));
  EXPECT_THAT(profiles_of(inventory.gpus[5]),
              ElementsAre("1g.5gb+me", "1g.10gb"));
}

TEST_F(Inventory, AMigDeviceThatCannotBeDescribedCostsItsGpuOnly) {
  use("a100-x8-mig-mixed");
  fail("nvmlDeviceGetAttributes_v2", NVML_ERROR_UNKNOWN, 1);
  const device::Inventory inventory = this->inventory(session());
  EXPECT_THAT(inventory.gpus, SizeIs(7));
  ASSERT_THAT(inventory.lost, SizeIs(1));
  EXPECT_EQ(inventory.lost[0].reason,
            "MIG device 0: nvmlDeviceGetAttributes: ERROR_UNKNOWN");
}

TEST_F(Inventory, AMigModeThatCannotBeReadIsNotTakenForNone) {
  fail("nvmlDeviceGetMigMode", NVML_ERROR_UNKNOWN, 4);
  const device::Inventory inventory = this->inventory(session());
  EXPECT_THAT(inventory.lost, SizeIs(1));
}

TEST_F(Inventory, UnreadableTopologyCostsNearnessNotGpus) {
  fail("nvmlDeviceGetTopologyCommonAncestor", NVML_ERROR_UNKNOWN);
  const device::Inventory inventory = this->inventory(session());
  EXPECT_THAT(inventory.gpus, SizeIs(8));
  EXPECT_EQ(inventory.topology.link(0, 1).pci, PciLink::kUnknown);
}

TEST_F(Inventory, NearnessFollowsTheBus) {
  use("v100-x8");
  const device::Topology topology = inventory(session()).topology;
  EXPECT_EQ(topology.link(0, 1).pci, PciLink::kSingleSwitch);
  EXPECT_EQ(topology.link(0, 2).pci, PciLink::kHostBridge);
  EXPECT_EQ(topology.link(0, 4).pci, PciLink::kCrossCpu);
}

// The peer re-reads links at each request; here nothing after the inventory
// may ask the driver, and the inventory itself asks each thing once.
TEST_F(Inventory, AsksEachThingOnce) {
  const Session session = this->session();
  control().clear_counts();
  inventory(session);
  for (const char* call :
       {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID",
        "nvmlDeviceGetName", "nvmlDeviceGetMinorNumber",
        "nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetMemoryInfo",
        "nvmlDeviceGetMigMode", "nvmlDeviceGetCudaComputeCapability"}) {
    EXPECT_EQ(control().count(call), 8U) << call;
  }
  EXPECT_EQ(control().count("nvmlDeviceGetTopologyCommonAncestor"), 8 * 7 / 2U);
  EXPECT_LE(control().count("nvmlDeviceGetNvLinkState"), 7 * 36U);
  EXPECT_LE(control().count("nvmlDeviceGetNvLinkRemotePciInfo_v2"), 7 * 18U);
  EXPECT_EQ(control().count("nvmlInit_v2"), 0U);
}

TEST_F(Inventory, AsksOfMigDevicesInProportion) {
  use("a100-x8-mig-single");
  const Session session = this->session();
  control().clear_counts();
  std::size_t mig_devices = 0;
  for (const auto& gpu : inventory(session).gpus) {
    mig_devices += gpu.mig_devices.size();
  }
  ASSERT_GT(mig_devices, 8U);
  EXPECT_EQ(control().count("nvmlDeviceGetAttributes_v2"), mig_devices);
  EXPECT_EQ(control().count("nvmlDeviceGetGpuInstanceById"), mig_devices);
  // The GPU's profiles are asked for once, not for each of its devices.
  EXPECT_LE(control().count("nvmlDeviceGetGpuInstanceProfileInfo"), 8 * 10U);
}

}  // namespace
}  // namespace gpunode::nvml
