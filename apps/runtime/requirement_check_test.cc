#include "apps/runtime/requirement_check.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::runtime {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// Driver 550; GPU 0 is a T4, GPU 1 an H100, and GPU 2 is on no bus that is
/// known.
class Requirements : public testing::Test {
 protected:
  Requirements() {
    host_.file("proc/driver/nvidia/version", "NVRM version: x  550.1  y\n");
    add_gpu(0, "Tesla T4", "0x1eb8");
    add_gpu(1, "NVIDIA H100 80GB HBM3", "0x2330");
    add_gpu(2, "Something New", "");
  }

  void add_gpu(unsigned minor, const std::string& name,
               const std::string& device) const {
    const std::string n = std::to_string(minor);
    const std::string bus = "0000:0" + n + ":00.0";
    host_.file("proc/driver/nvidia/gpus/" + bus + "/information",
               "Model: \t " + name + "\nGPU UUID: \t GPU-" + n +
                   "\nDevice Minor: \t " + n + "\n");
    if (device.empty()) return;
    const std::string function = "sys/bus/pci/devices/" + bus + "/";
    host_.file(function + "vendor", "0x10de\n");
    host_.file(function + "device", device + "\n");
    host_.file(function + "class", "0x030200\n");
  }

  /// "met", or why not, for a container with these GPUs.
  std::string ask(const std::vector<unsigned>& gpus, const std::string& what) {
    std::vector<cdi::ContainerEdits> edits(2);
    edits[0].device_nodes.emplace_back().path = "/dev/nvidiactl";
    for (const unsigned minor : gpus) {
      edits[1].device_nodes.emplace_back().path =
          "/dev/nvidia" + std::to_string(minor);
    }
    Report report;
    host_.remove("log");
    report.add_destination({host_.path("log"), false});
    const std::vector<std::string> requirements = {what};
    const auto met =
        check_requirements(requirements, edits, host_.root(), report);
    report.flush();
    return met ? "met" : met.error().message();
  }
  std::string log() const {
    const auto text = host_.root().read_file("log");
    return text ? *text : "";
  }

  const host::HostTree host_;
};

TEST_F(Requirements, AreHeldAgainstTheGpusOfTheContainer) {
  EXPECT_EQ(ask({1}, "arch>=9.0"), "met");
  EXPECT_EQ(log(), "");
  EXPECT_EQ(ask({0}, "arch>=9.0"),
            "requirement error: unsatisfied condition: arch>=9.0, please "
            "update your driver to a newer version, or use an earlier cuda "
            "container (here: driver 550.1, CUDA 12.4, arch 7.5, brand nvidia "
            "or tesla)");
  EXPECT_THAT(ask({0, 1}, "arch>=9.0"), HasSubstr("arch 7.5"));
  EXPECT_EQ(ask({0, 1}, "arch>=7.5"), "met");
  EXPECT_THAT(ask({0}, "brand=geforce"), HasSubstr("brand nvidia or tesla"));
  EXPECT_THAT(ask({1, 0}, "cuda>=12.8 brand=tesla,driver>=470,driver<471"),
              HasSubstr("requirement error"));
}

TEST_F(Requirements, ThatNobodyCanTellRefuseNobodyAndAreReported) {
  const auto reports = [this](const std::string& what) {
    return testing::Matches(AllOf(HasSubstr("cannot tell whether this host"),
                                  HasSubstr("the container is started (here: "
                                            "driver 550.1"),
                                  HasSubstr(what)))(log());
  };
  EXPECT_EQ(ask({0}, "brand=tesla,driver>=550,driver<551"), "met");
  EXPECT_TRUE(reports("brand nvidia or tesla")) << log();
  EXPECT_EQ(ask({2}, "arch>=9.0"), "met");
  EXPECT_TRUE(reports("arch unknown, brand unknown")) << log();
  EXPECT_EQ(ask({}, "arch>=9.0"), "met");
  EXPECT_TRUE(reports("arch unknown")) << log();
  EXPECT_EQ(ask({0}, "colour=green"), "met");
}

TEST_F(Requirements, OfTheDriverNeedNoGpu) {
  EXPECT_EQ(ask({}, "cuda>=12.4"), "met");
  EXPECT_EQ(log(), "");
  EXPECT_THAT(ask({}, "cuda>=99"), HasSubstr("unsatisfied condition"));
}

TEST_F(Requirements, ThatAreNoneAreRefused) {
  EXPECT_THAT(ask({0}, "arch"), HasSubstr("invalid requirement"));
  EXPECT_THAT(ask({0}, "brand>tesla"), HasSubstr("brand has only = and !="));
}

}  // namespace
}  // namespace gpunode::runtime
