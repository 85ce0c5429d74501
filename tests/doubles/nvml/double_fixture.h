// DoubleTest: the built double in this process, on one profile, steered.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/doubles/nvml/control.h"
#include "tests/doubles/nvml/loaded_library.h"

namespace gpunode::fake_nvml {

class DoubleTest : public testing::Test {
 protected:
  DoubleTest() {
    std::string pattern = testing::TempDir() + "fake_nvml.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    const std::string path = folder_ + "/control";
    ::setenv("GPUNODE_FAKE_NVML_CONTROL", path.c_str(), 1);
    auto control = FakeNvmlControl::open(path);
    EXPECT_TRUE(control) << (control ? "" : control.error().message());
    control_ = std::make_unique<FakeNvmlControl>(*std::move(control));
  }

  ~DoubleTest() override {
    while (is_up_ > 0) stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  static const LoadedLibrary& library() {
    static const LoadedLibrary loaded(FAKE_NVML_LIBRARY);
    return loaded;
  }

  static std::string profile_path(const std::string& name) {
    return std::string(FAKE_NVML_PROFILES) + "/" + name + ".json";
  }

  FakeNvmlControl& control() { return *control_; }
  const std::string& folder() const { return folder_; }

  /// Inits on that profile.
  nvmlReturn_t start(const std::string& profile) {
    ::setenv("GPUNODE_FAKE_NVML", profile_path(profile).c_str(), 1);
    return init();
  }

  nvmlReturn_t init() {
    const nvmlReturn_t code = NVML(library(), nvmlInit_v2)();
    if (code == NVML_SUCCESS) ++is_up_;
    return code;
  }

  void stop() {
    if (is_up_ > 0) --is_up_;
    NVML(library(), nvmlShutdown)();
  }

  static unsigned count() {
    unsigned found = 0;
    EXPECT_EQ(NVML(library(), nvmlDeviceGetCount_v2)(&found), NVML_SUCCESS);
    return found;
  }

  static nvmlDevice_t gpu(unsigned index) {
    nvmlDevice_t device = nullptr;
    EXPECT_EQ(NVML(library(), nvmlDeviceGetHandleByIndex_v2)(index, &device),
              NVML_SUCCESS);
    return device;
  }

  static std::string name(nvmlDevice_t device) {
    char text[NVML_DEVICE_NAME_V2_BUFFER_SIZE] = "";
    EXPECT_EQ(NVML(library(), nvmlDeviceGetName)(device, text, sizeof text),
              NVML_SUCCESS);
    return text;
  }

  static std::string uuid(nvmlDevice_t device) {
    char text[NVML_DEVICE_UUID_V2_BUFFER_SIZE] = "";
    EXPECT_EQ(NVML(library(), nvmlDeviceGetUUID)(device, text, sizeof text),
              NVML_SUCCESS);
    return text;
  }

  /// All MIG devices of a GPU, in order.
  static std::vector<nvmlDevice_t> mig_devices(nvmlDevice_t device) {
    std::vector<nvmlDevice_t> found;
    nvmlDevice_t mig = nullptr;
    while (NVML(library(), nvmlDeviceGetMigDeviceHandleByIndex)(
               device, static_cast<unsigned>(found.size()), &mig) ==
           NVML_SUCCESS) {
      found.push_back(mig);
    }
    return found;
  }

 private:
  std::string folder_;
  std::unique_ptr<FakeNvmlControl> control_;
  int is_up_ = 0;
};

}  // namespace gpunode::fake_nvml
