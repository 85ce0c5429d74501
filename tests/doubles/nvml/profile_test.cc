#include "tests/doubles/nvml/profile.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/nvml/double_fixture.h"

namespace gpunode::fake_nvml {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string error_of(const std::string& text) {
  auto profile = parse_profile(text);
  return profile ? "" : profile.error().message();
}

TEST(Profile, EveryOneShippedIsReadAndHasGpusOfItsOwn) {
  unsigned files = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(FAKE_NVML_PROFILES)) {
    if (file.path().extension() != ".json") continue;
    ++files;
    const auto profile = load_profile(file.path().string());
    ASSERT_TRUE(profile) << profile.error().message();
    std::set<std::string> uuids;
    std::set<std::string> buses;
    std::set<unsigned> minors;
    for (const GpuSpec& gpu : profile->gpus) {
      uuids.insert(gpu.uuid);
      buses.insert(gpu.pci_bus_id);
      minors.insert(gpu.minor);
      for (const auto& mig : gpu.mig_devices) uuids.insert(mig.uuid);
      uuids.erase("");
    }
    EXPECT_EQ(buses.size(), profile->gpus.size()) << file.path();
    EXPECT_EQ(minors.size(), profile->gpus.size()) << file.path();
    EXPECT_GE(uuids.size(), profile->gpus.size()) << file.path();
  }
  EXPECT_GE(files, 12U);
}

TEST(Profile, MistakesAreNamedByPlaceAndKey) {
  EXPECT_THAT(error_of(R"({"cudaVersion": "12.3", "gpuz": []})"),
              HasSubstr("profile.gpuz: unknown key"));
  EXPECT_THAT(error_of(R"({"cudaVersion": "12.3", "gpus": [{"minor": "1"}]})"),
              HasSubstr("profile.gpus[0].minor: must be a whole number"));
  EXPECT_THAT(error_of(R"({"cudaVersion": "twelve"})"),
              HasSubstr("profile.cudaVersion"));
  EXPECT_THAT(error_of("{"), HasSubstr("offset 1"));
  EXPECT_THAT(error_of(R"({"cudaVersion": "12.3", "gpus": [{"uuid": "GPU-1",
                  "name": "x", "pciBusId": "0000:00:1e.0",
                  "nvlinks": [{"gpu": 7}]}]})"),
              HasSubstr("no such GPU"));
}

class Profiles : public DoubleTest {};

TEST_F(Profiles, A10gHasTheFactsOfOneOnAws) {
  ASSERT_EQ(start("a10g-x1"), NVML_SUCCESS);
  ASSERT_EQ(count(), 1U);
  EXPECT_EQ(name(gpu(0)), "NVIDIA A10G");
  nvmlPciInfo_t pci{};
  ASSERT_EQ(NVML(library(), nvmlDeviceGetPciInfo_v3)(gpu(0), &pci),
            NVML_SUCCESS);
  EXPECT_STREQ(pci.busId, "00000000:00:1E.0");
  EXPECT_STREQ(pci.busIdLegacy, "0000:00:1E.0");
  EXPECT_EQ(pci.pciDeviceId, 0x223710deU);
  char version[NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE];
  ASSERT_EQ(
      NVML(library(), nvmlSystemGetDriverVersion)(version, sizeof version),
      NVML_SUCCESS);
  EXPECT_STREQ(version, "545.23.08");
  unsigned current = 0;
  unsigned pending = 0;
  EXPECT_EQ(NVML(library(), nvmlDeviceGetMigMode)(gpu(0), &current, &pending),
            NVML_ERROR_NOT_SUPPORTED);
}

TEST_F(Profiles, MinorsOfA100sDifferFromTheirIndices) {
  ASSERT_EQ(start("a100-x8"), NVML_SUCCESS);
  std::vector<unsigned> minors;
  for (unsigned i = 0; i < count(); ++i) {
    unsigned minor = 0;
    ASSERT_EQ(NVML(library(), nvmlDeviceGetMinorNumber)(gpu(i), &minor),
              NVML_SUCCESS);
    minors.push_back(minor);
  }
  EXPECT_THAT(minors, ElementsAre(2, 3, 0, 1, 6, 7, 4, 5));
}

TEST_F(Profiles, NoneInitsWithoutGpus) {
  ASSERT_EQ(start("none"), NVML_SUCCESS);
  EXPECT_EQ(count(), 0U);
}

TEST_F(Profiles, NvLinksOfV100sEndAtEachOtherEvenly) {
  ASSERT_EQ(start("v100-x8"), NVML_SUCCESS);
  // links[a][b]: how many of a's links end at b.
  std::vector<std::vector<unsigned>> links(8, std::vector<unsigned>(8));
  for (unsigned a = 0; a < 8; ++a) {
    for (unsigned link = 0; link < 6; ++link) {
      nvmlPciInfo_t pci{};
      ASSERT_EQ(NVML(library(), nvmlDeviceGetNvLinkRemotePciInfo_v2)(
                    gpu(a), link, &pci),
                NVML_SUCCESS);
      nvmlDevice_t remote = nullptr;
      ASSERT_EQ(
          NVML(library(), nvmlDeviceGetHandleByPciBusId_v2)(pci.busId, &remote),
          NVML_SUCCESS);
      unsigned b = 0;
      NVML(library(), nvmlDeviceGetIndex)(remote, &b);
      ++links[a][b];
    }
  }
  for (unsigned a = 0; a < 8; ++a) {
    for (unsigned b = 0; b < 8; ++b) EXPECT_EQ(links[a][b], links[b][a]);
  }
  EXPECT_EQ(links[0][3], 2U);
  EXPECT_EQ(links[0][1], 1U);
  EXPECT_EQ(links[0][7], 0U);
}

TEST_F(Profiles, NvLinksOfH100sEndAtSwitchesAndTwoNodesSplitThem) {
  ASSERT_EQ(start("h100-x8"), NVML_SUCCESS);
  nvmlIntNvLinkDeviceType_t type = NVML_NVLINK_DEVICE_TYPE_GPU;
  ASSERT_EQ(
      NVML(library(), nvmlDeviceGetNvLinkRemoteDeviceType)(gpu(0), 17, &type),
      NVML_SUCCESS);
  EXPECT_EQ(type, NVML_NVLINK_DEVICE_TYPE_SWITCH);
  nvmlEnableState_t active = 0;
  EXPECT_EQ(NVML(library(), nvmlDeviceGetNvLinkState)(gpu(0), 18, &active),
            NVML_ERROR_INVALID_ARGUMENT);
  const auto ancestor = NVML(library(), nvmlDeviceGetTopologyCommonAncestor);
  nvmlGpuTopologyLevel_t level = 0;
  ASSERT_EQ(ancestor(gpu(0), gpu(3), &level), NVML_SUCCESS);
  EXPECT_EQ(level, NVML_TOPOLOGY_NODE);
  ASSERT_EQ(ancestor(gpu(3), gpu(4), &level), NVML_SUCCESS);
  EXPECT_EQ(level, NVML_TOPOLOGY_SYSTEM);
  nvmlGpuFabricInfo_v2_t fabric{};
  fabric.version = NVML_STRUCT_VERSION(nvmlGpuFabricInfo_v2_t, 2);
  ASSERT_EQ(NVML(library(), nvmlDeviceGetGpuFabricInfoV)(gpu(0), &fabric),
            NVML_SUCCESS);
  EXPECT_EQ(fabric.state, NVML_GPU_FABRIC_STATE_COMPLETED);
}

TEST_F(Profiles, MigDevicesAreNamedAndMeasuredByTheirKind) {
  ASSERT_EQ(start("a100-x8-mig-ci"), NVML_SUCCESS);
  const auto devices = mig_devices(gpu(3));
  ASSERT_EQ(devices.size(), 3U);
  EXPECT_EQ(name(devices[0]), "NVIDIA A100-SXM4-40GB MIG 1c.3g.20gb");
  EXPECT_EQ(name(devices[2]), "NVIDIA A100-SXM4-40GB MIG 4g.20gb");
  nvmlDeviceAttributes_t attributes{};
  ASSERT_EQ(
      NVML(library(), nvmlDeviceGetAttributes_v2)(devices[1], &attributes),
      NVML_SUCCESS);
  EXPECT_EQ(attributes.multiprocessorCount, 28U);
  EXPECT_EQ(attributes.gpuInstanceSliceCount, 3U);
  EXPECT_EQ(attributes.computeInstanceSliceCount, 2U);
  EXPECT_EQ(attributes.memorySizeMB, 19968U);
  nvmlMemory_t memory{};
  ASSERT_EQ(NVML(library(), nvmlDeviceGetMemoryInfo)(devices[1], &memory),
            NVML_SUCCESS);
  EXPECT_EQ(memory.total, 19968ULL << 20U);
}

TEST_F(Profiles, TwoComputeInstancesShareOneGpuInstance) {
  ASSERT_EQ(start("a100-x8-mig-ci"), NVML_SUCCESS);
  nvmlGpuInstance_t instance = nullptr;
  ASSERT_EQ(NVML(library(), nvmlDeviceGetGpuInstanceById)(gpu(3), 1, &instance),
            NVML_SUCCESS);
  nvmlGpuInstanceInfo_t info{};
  ASSERT_EQ(NVML(library(), nvmlGpuInstanceGetInfo)(instance, &info),
            NVML_SUCCESS);
  EXPECT_EQ(info.profileId, 9U);
  EXPECT_EQ(info.device, gpu(3));
  for (const unsigned id : {0U, 1U}) {
    nvmlComputeInstance_t compute = nullptr;
    ASSERT_EQ(NVML(library(), nvmlGpuInstanceGetComputeInstanceById)(
                  instance, id, &compute),
              NVML_SUCCESS);
    nvmlComputeInstanceInfo_t computed{};
    ASSERT_EQ(
        NVML(library(), nvmlComputeInstanceGetInfo_v2)(compute, &computed),
        NVML_SUCCESS);
    EXPECT_EQ(computed.id, id);
    EXPECT_EQ(computed.gpuInstance, instance);
    EXPECT_EQ(computed.placement.size, id + 1);
  }
}

TEST_F(Profiles, MigLayoutsDifferByProfile) {
  ASSERT_EQ(start("a100-x8-mig-single"), NVML_SUCCESS);
  for (unsigned i = 0; i < 8; ++i) EXPECT_EQ(mig_devices(gpu(i)).size(), 7U);
  stop();
  ASSERT_EQ(start("a100-x8-mig-empty"), NVML_SUCCESS);
  unsigned current = 0;
  unsigned pending = 0;
  ASSERT_EQ(NVML(library(), nvmlDeviceGetMigMode)(gpu(0), &current, &pending),
            NVML_SUCCESS);
  EXPECT_EQ(current, 1U);
  EXPECT_TRUE(mig_devices(gpu(0)).empty());
  EXPECT_EQ(mig_devices(gpu(1)).size(), 2U);
}

TEST_F(Profiles, AMigUuidFindsItsDevice) {
  ASSERT_EQ(start("a100-x8-mig-mixed"), NVML_SUCCESS);
  for (const nvmlDevice_t device : mig_devices(gpu(0))) {
    nvmlDevice_t found = nullptr;
    ASSERT_EQ(NVML(library(), nvmlDeviceGetHandleByUUID)(uuid(device).c_str(),
                                                         &found),
              NVML_SUCCESS);
    EXPECT_EQ(found, device);
  }
}

TEST_F(Profiles, TheOldLibraryLacksWhatLaterDriversAdded) {
  const LoadedLibrary old(FAKE_NVML_OLD_LIBRARY);
  ASSERT_TRUE(old.is_open());
  EXPECT_NE(NVML(old, nvmlInit_v2), nullptr);
  EXPECT_EQ(NVML(old, nvmlDeviceGetMemoryInfo_v2), nullptr);
  EXPECT_EQ(NVML(old, nvmlDeviceGetGpuFabricInfoV), nullptr);
  EXPECT_NE(NVML(library(), nvmlDeviceGetMemoryInfo_v2), nullptr);
}

}  // namespace
}  // namespace gpunode::fake_nvml
