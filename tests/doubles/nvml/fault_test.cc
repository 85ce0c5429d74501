// What the control file does to a running library.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/doubles/nvml/double_fixture.h"

namespace gpunode::fake_nvml {
namespace {

constexpr std::chrono::seconds kGenerous{30};
constexpr unsigned kGenerousMs = 30000;
constexpr unsigned long long kXid = NVML_EVENT_TYPE_XID_CRITICAL_ERROR;

class Faults : public DoubleTest {
 protected:
  nvmlEventSet_t watch(const std::vector<unsigned>& gpus) {
    nvmlEventSet_t set = nullptr;
    EXPECT_EQ(NVML(library(), nvmlEventSetCreate)(&set), NVML_SUCCESS);
    for (const unsigned index : gpus) {
      EXPECT_EQ(
          NVML(library(), nvmlDeviceRegisterEvents)(gpu(index), kXid, set),
          NVML_SUCCESS);
    }
    return set;
  }

  static nvmlReturn_t wait(nvmlEventSet_t set, nvmlEventData_t& event,
                           unsigned timeout_ms = kGenerousMs) {
    return NVML(library(), nvmlEventSetWait_v2)(set, &event, timeout_ms);
  }

  static void free_set(nvmlEventSet_t set) {
    EXPECT_EQ(NVML(library(), nvmlEventSetFree)(set), NVML_SUCCESS);
  }
};

TEST_F(Faults, AnXidWakesAThreadThatWaits) {
  ASSERT_EQ(start("t4-x4"), NVML_SUCCESS);
  const nvmlEventSet_t set = watch({0, 1, 2, 3});
  nvmlEventData_t event{};
  nvmlReturn_t code = NVML_ERROR_UNKNOWN;
  std::thread waiter([&] { code = wait(set, event); });
  ASSERT_TRUE(control().wait_for_calls("nvmlEventSetWait_v2", 1, kGenerous));
  control().xid(FakeNvmlControl::Target::gpu(2), 79);
  waiter.join();
  EXPECT_EQ(code, NVML_SUCCESS);
  EXPECT_EQ(event.device, gpu(2));
  EXPECT_EQ(event.eventType, kXid);
  EXPECT_EQ(event.eventData, 79U);
  EXPECT_EQ(event.gpuInstanceId, NVML_EVENT_NO_INSTANCE);
  free_set(set);
}

TEST_F(Faults, EventsComeInTheOrderInWhichTheyWerePosted) {
  ASSERT_EQ(start("t4-x4"), NVML_SUCCESS);
  const nvmlEventSet_t set = watch({0, 1});
  for (unsigned i = 0; i < 100; ++i) {
    control().xid(FakeNvmlControl::Target::gpu(i % 2), i);
  }
  for (unsigned i = 0; i < 100; ++i) {
    nvmlEventData_t event{};
    ASSERT_EQ(wait(set, event), NVML_SUCCESS);
    EXPECT_EQ(event.eventData, i);
    EXPECT_EQ(event.device, gpu(i % 2));
  }
  nvmlEventData_t event{};
  EXPECT_EQ(wait(set, event, 0), NVML_ERROR_TIMEOUT);
  free_set(set);
}

TEST_F(Faults, OnlyRegisteredGpusAndTypesAreHeard) {
  ASSERT_EQ(start("t4-x4"), NVML_SUCCESS);
  const nvmlEventSet_t set = watch({1});
  control().xid(FakeNvmlControl::Target::gpu(0), 31);
  control().post({.target = FakeNvmlControl::Target::gpu(1),
                  .data = 0,
                  .type = NVML_EVENT_TYPE_DOUBLE_BIT_ECC_ERROR});
  nvmlEventData_t event{};
  EXPECT_EQ(wait(set, event, 0), NVML_ERROR_TIMEOUT);
  free_set(set);
}

TEST_F(Faults, WhatHappenedBeforeRegisteringIsNotHeard) {
  ASSERT_EQ(start("t4-x4"), NVML_SUCCESS);
  control().xid(FakeNvmlControl::Target::gpu(0), 31);
  const nvmlEventSet_t set = watch({0});
  control().xid(FakeNvmlControl::Target::gpu(0), 48);
  nvmlEventData_t event{};
  ASSERT_EQ(wait(set, event), NVML_SUCCESS);
  EXPECT_EQ(event.eventData, 48U);
  free_set(set);
}

TEST_F(Faults, AnXidOfAllReachesEachGpuAndOneOfNobodyHasNoDevice) {
  ASSERT_EQ(start("t4-x4"), NVML_SUCCESS);
  const nvmlEventSet_t set = watch({0, 1, 3});
  control().xid(FakeNvmlControl::Target::all(), 62);
  for (const unsigned index : {0U, 1U, 3U}) {
    nvmlEventData_t event{};
    ASSERT_EQ(wait(set, event), NVML_SUCCESS);
    EXPECT_EQ(event.device, gpu(index));
  }
  control().xid(FakeNvmlControl::Target::unknown(), 74);
  nvmlEventData_t event{};
  ASSERT_EQ(wait(set, event), NVML_SUCCESS);
  EXPECT_EQ(event.device, nullptr);
  char text[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
  EXPECT_EQ(NVML(library(), nvmlDeviceGetUUID)(event.device, text, sizeof text),
            NVML_ERROR_INVALID_ARGUMENT);
  free_set(set);
}

TEST_F(Faults, AMigEventNamesItsInstances) {
  ASSERT_EQ(start("a100-x8-mig-single"), NVML_SUCCESS);
  const nvmlEventSet_t set = watch({4});
  control().post({.target = FakeNvmlControl::Target::gpu(4),
                  .data = 43,
                  .gpu_instance = 9,
                  .compute_instance = 0});
  nvmlEventData_t event{};
  ASSERT_EQ(wait(set, event), NVML_SUCCESS);
  EXPECT_EQ(event.gpuInstanceId, 9U);
  EXPECT_EQ(event.computeInstanceId, 0U);
  free_set(set);
}

TEST_F(Faults, ALostGpuAnswersSoAndStaysCounted) {
  ASSERT_EQ(start("t4-x4"), NVML_SUCCESS);
  const nvmlDevice_t device = gpu(1);
  const nvmlEventSet_t set = watch({0});
  control().lose(1);
  EXPECT_EQ(count(), 4U);
  unsigned index = 0;
  nvmlDevice_t again = nullptr;
  EXPECT_EQ(NVML(library(), nvmlDeviceGetIndex)(device, &index),
            NVML_ERROR_GPU_IS_LOST);
  EXPECT_EQ(NVML(library(), nvmlDeviceGetHandleByIndex_v2)(1, &again),
            NVML_ERROR_GPU_IS_LOST);
  EXPECT_EQ(NVML(library(), nvmlDeviceRegisterEvents)(device, kXid, set),
            NVML_ERROR_GPU_IS_LOST);
  EXPECT_EQ(NVML(library(), nvmlDeviceGetIndex)(gpu(0), &index), NVML_SUCCESS);
  control().recover(1);
  EXPECT_EQ(NVML(library(), nvmlDeviceGetIndex)(device, &index), NVML_SUCCESS);
  free_set(set);
}

TEST_F(Faults, AWaitTellsOfALossOnceAndThenGoesOn) {
  ASSERT_EQ(start("t4-x4"), NVML_SUCCESS);
  const nvmlEventSet_t set = watch({0, 1});
  nvmlEventData_t event{};
  nvmlReturn_t code = NVML_ERROR_UNKNOWN;
  std::thread waiter([&] { code = wait(set, event); });
  ASSERT_TRUE(control().wait_for_calls("nvmlEventSetWait_v2", 1, kGenerous));
  control().lose(1);
  waiter.join();
  EXPECT_EQ(code, NVML_ERROR_GPU_IS_LOST);
  EXPECT_EQ(wait(set, event, 0), NVML_ERROR_TIMEOUT);
  control().xid(FakeNvmlControl::Target::gpu(0), 13);
  EXPECT_EQ(wait(set, event), NVML_SUCCESS);
  free_set(set);
}

TEST_F(Faults, AnErrorCodeHitsTheCallsThatItNames) {
  ASSERT_EQ(start("t4-x4"), NVML_SUCCESS);
  FakeNvmlControl::Fault fault;
  fault.function = "nvmlDeviceGetIndex";
  fault.code = NVML_ERROR_UNKNOWN;
  fault.gpu = 1;
  fault.after = 1;
  fault.times = 2;
  ASSERT_TRUE(control().add(fault));
  const auto ask = [&](unsigned which) {
    unsigned index = 0;
    return NVML(library(), nvmlDeviceGetIndex)(gpu(which), &index);
  };
  EXPECT_EQ(ask(0), NVML_SUCCESS);
  EXPECT_EQ(ask(1), NVML_SUCCESS);
  EXPECT_EQ(ask(1), NVML_ERROR_UNKNOWN);
  EXPECT_EQ(ask(1), NVML_ERROR_UNKNOWN);
  EXPECT_EQ(ask(1), NVML_SUCCESS);
  fault.function = "nvmlDeviceGetIndexx";
  EXPECT_FALSE(control().add(fault));
}

TEST_F(Faults, InitCanFailAndThenSucceed) {
  FakeNvmlControl::Fault fault;
  fault.function = "nvmlInit_v2";
  fault.code = NVML_ERROR_LIB_RM_VERSION_MISMATCH;
  fault.times = 1;
  ASSERT_TRUE(control().add(fault));
  EXPECT_EQ(start("t4-x4"), NVML_ERROR_LIB_RM_VERSION_MISMATCH);
  EXPECT_EQ(start("t4-x4"), NVML_SUCCESS);
}

TEST_F(Faults, ADriverThatGoesEndsWaitsAndSessionsForGood) {
  ASSERT_EQ(start("t4-x4"), NVML_SUCCESS);
  const nvmlEventSet_t set = watch({0});
  nvmlEventData_t event{};
  nvmlReturn_t code = NVML_SUCCESS;
  std::thread waiter([&] { code = wait(set, event); });
  ASSERT_TRUE(control().wait_for_calls("nvmlEventSetWait_v2", 1, kGenerous));
  control().driver_down();
  waiter.join();
  EXPECT_EQ(code, NVML_ERROR_UNINITIALIZED);
  unsigned found = 0;
  EXPECT_EQ(NVML(library(), nvmlDeviceGetCount_v2)(&found),
            NVML_ERROR_UNINITIALIZED);
  EXPECT_EQ(NVML(library(), nvmlInit_v2)(), NVML_ERROR_DRIVER_NOT_LOADED);
  control().driver_up();
  EXPECT_EQ(NVML(library(), nvmlDeviceGetCount_v2)(&found),
            NVML_ERROR_UNINITIALIZED);
  stop();
  ASSERT_EQ(init(), NVML_SUCCESS);
  EXPECT_EQ(count(), 4U);
}

TEST_F(Faults, AnotherProfileHoldsFromTheNextInit) {
  ASSERT_EQ(start("a100-x8"), NVML_SUCCESS);
  ASSERT_TRUE(control().set_profile(profile_path("a100-x8-mig-single")));
  EXPECT_TRUE(mig_devices(gpu(0)).empty());
  stop();
  ASSERT_EQ(init(), NVML_SUCCESS);
  EXPECT_EQ(mig_devices(gpu(0)).size(), 7U);
}

TEST_F(Faults, AbsentSymbolsAnswerFunctionNotFound) {
  std::ifstream source(profile_path("a10g-x1"));
  std::stringstream text;
  text << source.rdbuf();
  std::string profile = text.str();
  profile.insert(profile.find('{') + 1,
                 R"("absentSymbols": ["nvmlDeviceGetMemoryInfo_v2"],)");
  const std::string path = folder() + "/profile.json";
  std::ofstream(path) << profile;
  ASSERT_TRUE(control().set_profile(path));
  ASSERT_EQ(init(), NVML_SUCCESS);
  nvmlMemory_v2_t memory{};
  memory.version = NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2);
  EXPECT_EQ(NVML(library(), nvmlDeviceGetMemoryInfo_v2)(gpu(0), &memory),
            NVML_ERROR_FUNCTION_NOT_FOUND);
  EXPECT_EQ(name(gpu(0)), "NVIDIA A10G");
}

TEST_F(Faults, ABrokenProfileFailsInit) {
  const std::string path = folder() + "/profile.json";
  std::ofstream(path) << R"({"cudaVersion": "12.3", "gpus": [{}]})";
  ASSERT_TRUE(control().set_profile(path));
  EXPECT_EQ(NVML(library(), nvmlInit_v2)(), NVML_ERROR_UNKNOWN);
}

TEST_F(Faults, CallsAreCountedByName) {
  ASSERT_EQ(start("t4-x4"), NVML_SUCCESS);
  control().clear_counts();
  for (int i = 0; i < 3; ++i) count();
  EXPECT_EQ(control().count("nvmlDeviceGetCount_v2"), 3U);
  EXPECT_EQ(control().count("nvmlDeviceGetName"), 0U);
  control().reset();
  EXPECT_TRUE(control().counts().empty());
}

TEST_F(Faults, AnotherProcessSteersThisOne) {
  ASSERT_EQ(start("t4-x4"), NVML_SUCCESS);
  const nvmlEventSet_t set = watch({3});
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const std::string file = "--control=" + folder() + "/control";
    ::execl(FAKE_NVML_COMMAND, "fake-nvml", file.c_str(), "xid", "3", "95",
            "--gi", "2", "--ci", "1", nullptr);
    ::_exit(127);
  }
  nvmlEventData_t event{};
  EXPECT_EQ(wait(set, event), NVML_SUCCESS);
  EXPECT_EQ(event.eventData, 95U);
  EXPECT_EQ(event.gpuInstanceId, 2U);
  EXPECT_EQ(event.computeInstanceId, 1U);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  free_set(set);
}

TEST_F(Faults, ThreadsMayCallWhileFaultsComeAndGo) {
  ASSERT_EQ(start("h100-x8"), NVML_SUCCESS);
  std::atomic<bool> is_done{false};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const nvmlDevice_t device = gpu(i);
      char text[NVML_DEVICE_NAME_V2_BUFFER_SIZE];
      while (!is_done.load()) {
        const nvmlReturn_t code =
            NVML(library(), nvmlDeviceGetName)(device, text, sizeof text);
        EXPECT_TRUE(code == NVML_SUCCESS || code == NVML_ERROR_GPU_IS_LOST);
      }
    });
  }
  for (unsigned round = 0; round < 200; ++round) {
    control().lose(round % 8);
    control().recover(round % 8);
    ASSERT_EQ(NVML(library(), nvmlInit_v2)(), NVML_SUCCESS);
    ASSERT_EQ(NVML(library(), nvmlShutdown)(), NVML_SUCCESS);
  }
  is_done.store(true);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace gpunode::fake_nvml
