#include "apps/gpunode/commands/gpu_names.h"

#include <array>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "gpu/procfs/gpu_list.h"

namespace gpunode::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kReport =
    R"({"gpus":[{"minor":0,"uuid":"GPU-a","migDevices":[)"
    R"({"index":3,"gpuInstance":7,"computeInstance":0,"uuid":"MIG-seven"},)"
    R"({"index":0,"gpuInstance":1,"computeInstance":0,"uuid":"MIG-one"}]},)"
    R"({"minor":1,"uuid":"GPU-b","migDevices":[],"later":[1,{"x":null}]}]})"
    "\n";

/// A host whose GPU 0 has two slices, and whose GPU 1 nobody has used yet.
class GpuNames : public testing::Test {
 protected:
  GpuNames() {
    host_.file("proc/driver/nvidia/version", "NVRM version: x  550.1  y\n");
    host_.file("proc/devices", "Character devices:\n241 nvidia-caps\n");
    for (const auto& [bus, uuid, minor] :
         {std::array{"0000:01:00.0", "GPU-a", "0"},
          std::array{"0000:02:00.0", "GPU-????????", "1"}}) {
      host_.file(std::string("proc/driver/nvidia/gpus/") + bus + "/information",
                 std::string("Model: \t NVIDIA A100\nGPU UUID: \t ") + uuid +
                     "\nDevice Minor: \t " + minor + "\n");
    }
    for (const char* instance : {"gi1", "gi7"}) {
      const std::string directory =
          std::string("proc/driver/nvidia/capabilities/gpu0/mig/") + instance;
      host_.file(directory + "/access", "DeviceFileMinor: 3\n");
      host_.file(directory + "/ci0/access", "DeviceFileMinor: 4\n");
    }
    host_.file("usr/lib64/libnvidia-ml.so.550.1", "x");
    const cdi::FindingsSource source = cdi::source_for(host_.root(), "");
    auto inventory = procfs::list_gpus(host_.root());
    EXPECT_TRUE(inventory);
    found_ = cdi::find_all(source, *std::move(inventory));
    driver_root_ = source.driver.root;
  }

  std::string command() const {
    return "/opt/gpunode-probe --library " +
           host_.path("usr/lib64/libnvidia-ml.so.550.1");
  }
  Result<void> name() {
    return name_gpus(found_, host_.root(), driver_root_, "/opt/gpunode-probe",
                     runner_);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const device::Gpu& gpu : found_.inventory.gpus) {
      names.push_back(gpu.id.value);
      for (const device::MigDevice& mig : gpu.mig_devices) {
        names.push_back(mig.id.value + "=" + std::to_string(mig.mig_index));
      }
    }
    return names;
  }

  const host::HostTree host_;
  cdi::Findings found_;
  host::HostRoot driver_root_;
  host::FakeCommandRunner runner_;
};

TEST_F(GpuNames, AreFilledInFromTheProbe) {
  ASSERT_TRUE(has_unnamed(found_.inventory));
  runner_.script(command(), host::Completed{0, kReport, ""});
  const auto named = name();
  ASSERT_TRUE(named) << named.error().message();
  EXPECT_THAT(names(),
              ElementsAre("GPU-a", "MIG-one=0", "MIG-seven=3", "GPU-b"));
  EXPECT_FALSE(has_unnamed(found_.inventory));
  EXPECT_EQ(runner_.commands().front().timeout, kProbeTimeout);
}

TEST_F(GpuNames, StayAsTheyAreIfTheProbeFails) {
  const auto before = names();
  runner_.script(command(),
                 host::Completed{1, "", "gpunode-probe: start NVML: no\n"});
  EXPECT_THAT(name().error().message(), HasSubstr("start NVML: no"));
  EXPECT_EQ(names(), before);
}

TEST_F(GpuNames, StayAsTheyAreIfTheProbeNeverEnds) {
  const auto before = names();
  runner_.script(command(), Error(ErrorCode::kUnavailable, "did not end"));
  EXPECT_FALSE(name());
  EXPECT_EQ(names(), before);
}

TEST_F(GpuNames, AreNotReadFromNonsense) {
  const auto before = names();
  for (const char* text :
       {"", "[]", R"({"gpus":)", R"({"gpus":{}})", R"({"gpus":[{"minor":-1}]})",
        R"({"gpus":[]} x)", R"({"gpus":[{"uuid":7}]})"}) {
    host::FakeCommandRunner runner;
    runner.script(command(), host::Completed{0, text, ""});
    const auto named = name_gpus(found_, host_.root(), driver_root_,
                                 "/opt/gpunode-probe", runner);
    ASSERT_FALSE(named) << text;
    EXPECT_THAT(named.error().message(), HasSubstr("gpunode-probe's report"));
    EXPECT_EQ(names(), before);
  }
}

TEST_F(GpuNames, NeedTheDriversLibrary) {
  found_.driver.files.clear();
  EXPECT_THAT(name().error().message(), HasSubstr("libnvidia-ml"));
  EXPECT_TRUE(runner_.commands().empty());
}

}  // namespace
}  // namespace gpunode::cli
