// What holds of every libnvidia-ml.so.1, the driver's and the double alike.
//
// GPUNODE_NVML_LIBRARY names the library (default: what the dynamic linker
// finds). Exits with 77, a skip, where there is no driver to ask. Nothing here
// may depend on a profile: a claim that only the double can meet belongs into
// profile_test.cc or fault_test.cc.
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/doubles/nvml/loaded_library.h"

namespace gpunode::fake_nvml {
namespace {

constexpr int kSkipped = 77;

std::unique_ptr<LoadedLibrary> loaded;

const LoadedLibrary& library() {
  return *loaded;
}

class Contract : public testing::Test {
 protected:
  Contract() { EXPECT_EQ(NVML(library(), nvmlInit_v2)(), NVML_SUCCESS); }
  ~Contract() override {
    EXPECT_EQ(NVML(library(), nvmlShutdown)(), NVML_SUCCESS);
  }

  static std::vector<nvmlDevice_t> gpus() {
    unsigned count = 0;
    EXPECT_EQ(NVML(library(), nvmlDeviceGetCount_v2)(&count), NVML_SUCCESS);
    std::vector<nvmlDevice_t> found(count);
    for (unsigned i = 0; i < count; ++i) {
      EXPECT_EQ(NVML(library(), nvmlDeviceGetHandleByIndex_v2)(i, &found[i]),
                NVML_SUCCESS);
    }
    return found;
  }

  static std::string uuid(nvmlDevice_t device) {
    char text[NVML_DEVICE_UUID_V2_BUFFER_SIZE] = "";
    EXPECT_EQ(NVML(library(), nvmlDeviceGetUUID)(device, text, sizeof text),
              NVML_SUCCESS);
    return text;
  }

  static bool mig_enabled(nvmlDevice_t device) {
    unsigned current = 0;
    unsigned pending = 0;
    return NVML(library(), nvmlDeviceGetMigMode)(device, &current, &pending) ==
               NVML_SUCCESS &&
           current == NVML_DEVICE_MIG_ENABLE;
  }

  static std::vector<nvmlDevice_t> mig_devices(nvmlDevice_t device) {
    unsigned most = 0;
    EXPECT_EQ(NVML(library(), nvmlDeviceGetMaxMigDeviceCount)(device, &most),
              NVML_SUCCESS);
    std::vector<nvmlDevice_t> found;
    for (unsigned i = 0; i < most; ++i) {
      nvmlDevice_t mig = nullptr;
      if (NVML(library(), nvmlDeviceGetMigDeviceHandleByIndex)(
              device, i, &mig) == NVML_SUCCESS) {
        found.push_back(mig);
      }
    }
    return found;
  }
};

TEST_F(Contract, InitsAreCounted) {
  ASSERT_EQ(NVML(library(), nvmlInit_v2)(), NVML_SUCCESS);
  ASSERT_EQ(NVML(library(), nvmlShutdown)(), NVML_SUCCESS);
  unsigned count = 0;
  EXPECT_EQ(NVML(library(), nvmlDeviceGetCount_v2)(&count), NVML_SUCCESS);
}

TEST(ContractOutside, CallsAreRefusedWithoutInit) {
  unsigned count = 0;
  EXPECT_EQ(NVML(library(), nvmlDeviceGetCount_v2)(&count),
            NVML_ERROR_UNINITIALIZED);
  EXPECT_EQ(NVML(library(), nvmlShutdown)(), NVML_ERROR_UNINITIALIZED);
  nvmlEventSet_t set = nullptr;
  EXPECT_EQ(NVML(library(), nvmlEventSetCreate)(&set),
            NVML_ERROR_UNINITIALIZED);
}

TEST(ContractOutside, ErrorCodesHaveTexts) {
  const auto text = NVML(library(), nvmlErrorString);
  EXPECT_STREQ(text(NVML_SUCCESS), "Success");
  EXPECT_STREQ(text(NVML_ERROR_TIMEOUT), "Timeout");
  EXPECT_STREQ(text(NVML_ERROR_NOT_SUPPORTED), "Not Supported");
  EXPECT_STREQ(text(NVML_ERROR_DRIVER_NOT_LOADED), "Driver Not Loaded");
  EXPECT_NE(text(123456), nullptr);
}

TEST_F(Contract, VersionsAreDottedNumbers) {
  char version[NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE] = "";
  ASSERT_EQ(
      NVML(library(), nvmlSystemGetDriverVersion)(version, sizeof version),
      NVML_SUCCESS);
  EXPECT_EQ(std::strspn(version, "0123456789."), std::strlen(version));
  EXPECT_NE(std::strchr(version, '.'), nullptr);
  int cuda = 0;
  ASSERT_EQ(NVML(library(), nvmlSystemGetCudaDriverVersion)(&cuda),
            NVML_SUCCESS);
  EXPECT_GE(cuda, 10000);
  EXPECT_EQ(cuda % 10, 0);
  EXPECT_EQ(NVML(library(), nvmlSystemGetDriverVersion)(version, 1),
            NVML_ERROR_INSUFFICIENT_SIZE);
}

TEST_F(Contract, AnIndexPastTheCountIsInvalid) {
  nvmlDevice_t device = nullptr;
  const auto past = static_cast<unsigned>(gpus().size());
  EXPECT_EQ(NVML(library(), nvmlDeviceGetHandleByIndex_v2)(past, &device),
            NVML_ERROR_INVALID_ARGUMENT);
}

TEST_F(Contract, IndexUuidAndBusIdNameOneDevice) {
  std::set<std::string> uuids;
  unsigned expected = 0;
  for (const nvmlDevice_t device : gpus()) {
    unsigned index = ~0U;
    ASSERT_EQ(NVML(library(), nvmlDeviceGetIndex)(device, &index),
              NVML_SUCCESS);
    EXPECT_EQ(index, expected++);
    const std::string id = uuid(device);
    EXPECT_EQ(id.rfind("GPU-", 0), 0U) << id;
    EXPECT_EQ(id.size(), 40U) << id;
    EXPECT_TRUE(uuids.insert(id).second) << id;
    nvmlDevice_t found = nullptr;
    ASSERT_EQ(NVML(library(), nvmlDeviceGetHandleByUUID)(id.c_str(), &found),
              NVML_SUCCESS);
    EXPECT_EQ(uuid(found), id);
    nvmlPciInfo_t pci{};
    ASSERT_EQ(NVML(library(), nvmlDeviceGetPciInfo_v3)(device, &pci),
              NVML_SUCCESS);
    ASSERT_EQ(
        NVML(library(), nvmlDeviceGetHandleByPciBusId_v2)(pci.busId, &found),
        NVML_SUCCESS);
    EXPECT_EQ(uuid(found), id);
  }
}

TEST_F(Contract, UnknownNamesAreNotFound) {
  nvmlDevice_t found = nullptr;
  EXPECT_EQ(NVML(library(), nvmlDeviceGetHandleByUUID)(
                "GPU-00000000-0000-0000-0000-000000000000", &found),
            NVML_ERROR_NOT_FOUND);
  EXPECT_EQ(NVML(library(), nvmlDeviceGetHandleByPciBusId_v2)(
                "0000FFFF:FF:1F.0", &found),
            NVML_ERROR_NOT_FOUND);
}

TEST_F(Contract, PciIdsAreNvidias) {
  for (const nvmlDevice_t device : gpus()) {
    nvmlPciInfo_t pci{};
    ASSERT_EQ(NVML(library(), nvmlDeviceGetPciInfo_v3)(device, &pci),
              NVML_SUCCESS);
    EXPECT_EQ(pci.pciDeviceId & 0xffffU, 0x10deU);
    // 00000000:00:1E.0 in upper case, and the same with a domain of four.
    const std::string bus = pci.busId;
    EXPECT_EQ(bus.size(), 16U) << bus;
    for (const char c : bus) EXPECT_FALSE(std::islower(c)) << bus;
    EXPECT_EQ(bus.substr(4), pci.busIdLegacy);
  }
}

TEST_F(Contract, NamesNeedRoom) {
  for (const nvmlDevice_t device : gpus()) {
    char name[NVML_DEVICE_NAME_V2_BUFFER_SIZE] = "";
    ASSERT_EQ(NVML(library(), nvmlDeviceGetName)(device, name, sizeof name),
              NVML_SUCCESS);
    EXPECT_GT(std::strlen(name), 1U);
    EXPECT_EQ(NVML(library(), nvmlDeviceGetName)(device, name, 1),
              NVML_ERROR_INSUFFICIENT_SIZE);
    EXPECT_EQ(NVML(library(), nvmlDeviceGetUUID)(device, name, 8),
              NVML_ERROR_INSUFFICIENT_SIZE);
  }
}

TEST_F(Contract, NullIsAnInvalidArgument) {
  unsigned number = 0;
  EXPECT_EQ(NVML(library(), nvmlDeviceGetIndex)(nullptr, &number),
            NVML_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(NVML(library(), nvmlDeviceGetCount_v2)(nullptr),
            NVML_ERROR_INVALID_ARGUMENT);
  char text[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
  EXPECT_EQ(NVML(library(), nvmlDeviceGetUUID)(nullptr, text, sizeof text),
            NVML_ERROR_INVALID_ARGUMENT);
  for (const nvmlDevice_t device : gpus()) {
    EXPECT_EQ(NVML(library(), nvmlDeviceGetMinorNumber)(device, nullptr),
              NVML_ERROR_INVALID_ARGUMENT);
  }
}

TEST_F(Contract, MemoryAddsUpInBothForms) {
  for (const nvmlDevice_t device : gpus()) {
    nvmlMemory_t memory{};
    ASSERT_EQ(NVML(library(), nvmlDeviceGetMemoryInfo)(device, &memory),
              NVML_SUCCESS);
    EXPECT_GT(memory.total, 1ULL << 30U);
    EXPECT_LE(memory.free, memory.total);
    EXPECT_LE(memory.used, memory.total);
    const auto newer = NVML(library(), nvmlDeviceGetMemoryInfo_v2);
    if (newer == nullptr) continue;
    nvmlMemory_v2_t all{};
    all.version = NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2);
    ASSERT_EQ(newer(device, &all), NVML_SUCCESS);
    EXPECT_EQ(all.total, memory.total);
    EXPECT_EQ(all.total, all.reserved + all.used + all.free);
    all.version = 0;
    EXPECT_EQ(newer(device, &all), NVML_ERROR_FUNCTION_NOT_FOUND);
  }
}

TEST_F(Contract, KindsOfDevicesAreTold) {
  for (const nvmlDevice_t device : gpus()) {
    int major = 0;
    int minor = -1;
    ASSERT_EQ(NVML(library(), nvmlDeviceGetCudaComputeCapability)(
                  device, &major, &minor),
              NVML_SUCCESS);
    EXPECT_GE(major, 3);
    EXPECT_GE(minor, 0);
    unsigned number = ~0U;
    EXPECT_EQ(NVML(library(), nvmlDeviceGetMinorNumber)(device, &number),
              NVML_SUCCESS);
    EXPECT_LT(number, 255U);
    nvmlDeviceArchitecture_t architecture = 0;
    EXPECT_EQ(NVML(library(), nvmlDeviceGetArchitecture)(device, &architecture),
              NVML_SUCCESS);
    EXPECT_GE(architecture, unsigned{NVML_DEVICE_ARCH_KEPLER});
    unsigned is_mig = 1;
    EXPECT_EQ(NVML(library(), nvmlDeviceIsMigDeviceHandle)(device, &is_mig),
              NVML_SUCCESS);
    EXPECT_EQ(is_mig, 0U);
  }
}

TEST_F(Contract, AGpuWithoutMigHasNoMigDevices) {
  for (const nvmlDevice_t device : gpus()) {
    if (mig_enabled(device)) continue;
    nvmlDevice_t mig = nullptr;
    EXPECT_EQ(
        NVML(library(), nvmlDeviceGetMigDeviceHandleByIndex)(device, 0, &mig),
        NVML_ERROR_NOT_FOUND);
    nvmlGpuInstance_t instance = nullptr;
    EXPECT_EQ(
        NVML(library(), nvmlDeviceGetGpuInstanceById)(device, 1, &instance),
        NVML_ERROR_NOT_FOUND);
  }
}

TEST_F(Contract, AGpuIsNoMigDevice) {
  for (const nvmlDevice_t device : gpus()) {
    unsigned id = 0;
    EXPECT_EQ(NVML(library(), nvmlDeviceGetGpuInstanceId)(device, &id),
              NVML_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(NVML(library(), nvmlDeviceGetComputeInstanceId)(device, &id),
              NVML_ERROR_INVALID_ARGUMENT);
    nvmlDeviceAttributes_t attributes{};
    EXPECT_EQ(NVML(library(), nvmlDeviceGetAttributes_v2)(device, &attributes),
              NVML_ERROR_NOT_SUPPORTED);
    nvmlDevice_t parent = nullptr;
    EXPECT_EQ(NVML(library(), nvmlDeviceGetDeviceHandleFromMigDeviceHandle)(
                  device, &parent),
              NVML_ERROR_INVALID_ARGUMENT);
  }
}

TEST_F(Contract, AMigDeviceKnowsItsGpuAndItsInstances) {
  for (const nvmlDevice_t device : gpus()) {
    if (!mig_enabled(device)) continue;
    for (const nvmlDevice_t mig : mig_devices(device)) {
      EXPECT_EQ(uuid(mig).rfind("MIG-", 0), 0U);
      nvmlDevice_t parent = nullptr;
      ASSERT_EQ(NVML(library(), nvmlDeviceGetDeviceHandleFromMigDeviceHandle)(
                    mig, &parent),
                NVML_SUCCESS);
      EXPECT_EQ(uuid(parent), uuid(device));
      nvmlDeviceAttributes_t attributes{};
      ASSERT_EQ(NVML(library(), nvmlDeviceGetAttributes_v2)(mig, &attributes),
                NVML_SUCCESS);
      EXPECT_GE(attributes.gpuInstanceSliceCount,
                attributes.computeInstanceSliceCount);
      EXPECT_GE(attributes.computeInstanceSliceCount, 1U);
      unsigned gi = ~0U;
      ASSERT_EQ(NVML(library(), nvmlDeviceGetGpuInstanceId)(mig, &gi),
                NVML_SUCCESS);
      nvmlGpuInstance_t instance = nullptr;
      EXPECT_EQ(
          NVML(library(), nvmlDeviceGetGpuInstanceById)(device, gi, &instance),
          NVML_SUCCESS);
    }
  }
}

TEST_F(Contract, NearnessIsSymmetric) {
  const auto all = gpus();
  const auto ancestor = NVML(library(), nvmlDeviceGetTopologyCommonAncestor);
  for (std::size_t a = 0; a < all.size(); ++a) {
    nvmlGpuTopologyLevel_t self = -1;
    EXPECT_EQ(ancestor(all[a], all[a], &self), NVML_ERROR_NOT_SUPPORTED);
    for (std::size_t b = a + 1; b < all.size(); ++b) {
      nvmlGpuTopologyLevel_t there = -1;
      nvmlGpuTopologyLevel_t back = -2;
      ASSERT_EQ(ancestor(all[a], all[b], &there), NVML_SUCCESS);
      ASSERT_EQ(ancestor(all[b], all[a], &back), NVML_SUCCESS);
      EXPECT_EQ(there, back);
    }
  }
}

TEST_F(Contract, ALinkPastNvmlsMostIsRefused) {
  for (const nvmlDevice_t device : gpus()) {
    nvmlEnableState_t active = 0;
    EXPECT_NE(NVML(library(), nvmlDeviceGetNvLinkState)(device, 1000, &active),
              NVML_SUCCESS);
  }
}

TEST_F(Contract, AQuietSetTimesOut) {
  nvmlEventSet_t set = nullptr;
  ASSERT_EQ(NVML(library(), nvmlEventSetCreate)(&set), NVML_SUCCESS);
  for (const nvmlDevice_t device : gpus()) {
    unsigned long long types = 0;
    ASSERT_EQ(NVML(library(), nvmlDeviceGetSupportedEventTypes)(device, &types),
              NVML_SUCCESS);
    EXPECT_NE(types & NVML_EVENT_TYPE_XID_CRITICAL_ERROR, 0U);
    EXPECT_EQ(NVML(library(), nvmlDeviceRegisterEvents)(
                  device, NVML_EVENT_TYPE_XID_CRITICAL_ERROR, set),
              NVML_SUCCESS);
  }
  if (!gpus().empty()) {
    nvmlEventData_t event{};
    EXPECT_EQ(NVML(library(), nvmlEventSetWait_v2)(set, &event, 20),
              NVML_ERROR_TIMEOUT);
  }
  EXPECT_EQ(NVML(library(), nvmlEventSetFree)(set), NVML_SUCCESS);
}

TEST_F(Contract, FabricInfoChecksItsVersion) {
  const auto ask = NVML(library(), nvmlDeviceGetGpuFabricInfoV);
  if (ask == nullptr) GTEST_SKIP() << "an older driver";
  for (const nvmlDevice_t device : gpus()) {
    nvmlGpuFabricInfo_v2_t info{};
    info.version = NVML_STRUCT_VERSION(nvmlGpuFabricInfo_v2_t, 2);
    const nvmlReturn_t code = ask(device, &info);
    EXPECT_TRUE(code == NVML_SUCCESS || code == NVML_ERROR_NOT_SUPPORTED);
    if (code != NVML_SUCCESS) continue;
    EXPECT_LE(info.state, NVML_GPU_FABRIC_STATE_COMPLETED);
    info.version = 1;
    EXPECT_EQ(ask(device, &info), NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
  }
}

TEST_F(Contract, RunningProcessesFitTheRoomOrSayHowMany) {
  const auto ask = NVML(library(), nvmlDeviceGetComputeRunningProcesses_v3);
  if (ask == nullptr) GTEST_SKIP() << "an older driver";
  for (const nvmlDevice_t device : gpus()) {
    unsigned count = 0;
    const nvmlReturn_t code = ask(device, &count, nullptr);
    EXPECT_TRUE((code == NVML_SUCCESS && count == 0) ||
                code == NVML_ERROR_INSUFFICIENT_SIZE);
  }
}

/// 0, or why there is nothing to test.
int open_library() {
  const char* path = std::getenv("GPUNODE_NVML_LIBRARY");
  if (path == nullptr) path = "libnvidia-ml.so.1";
  loaded = std::make_unique<LoadedLibrary>(path);
  if (!loaded->is_open()) {
    std::printf("skipped: cannot load %s\n", path);
    return kSkipped;
  }
  const nvmlReturn_t code = NVML(library(), nvmlInit_v2)();
  if (code == NVML_ERROR_DRIVER_NOT_LOADED) {
    std::printf("skipped: no driver behind %s\n", path);
    return kSkipped;
  }
  if (code == NVML_SUCCESS) NVML(library(), nvmlShutdown)();
  return 0;
}

}  // namespace
}  // namespace gpunode::fake_nvml

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const int skipped = gpunode::fake_nvml::open_library();
  return skipped != 0 ? skipped : RUN_ALL_TESTS();
}
