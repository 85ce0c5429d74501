#include "node/facts/probe_report.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::facts {
namespace {

using testing::HasSubstr;

constexpr const char* kSliced =
    R"({"driverVersion":"550.90.07","cudaDriverVersion":12040,"gpus":[{)"
    R"("migDevices":[{"index":1,"gpuInstance":7,"computeInstance":2,)"
    R"("uuid":"MIG-a","name":"NVIDIA A100-SXM4-40GB MIG 1g.5gb+me",)"
    R"("multiprocessors":14,"gpuInstanceSlices":1,"computeInstanceSlices":1,)"
    R"("copyEngines":1,"decoders":2,"encoders":3,"jpegEngines":4,)"
    R"("ofaEngines":5,"memoryMib":4864}],"index":3,"minor":2,"uuid":"GPU-a",)"
    R"("name":"NVIDIA A100-SXM4-40GB","pciBusId":"00000000:0F:00.0",)"
    R"("memoryBytes":42949672960,"computeCapability":[8,0],)"
    R"("migEnabled":true,"fabric":{"cluster":"c-1","clique":7},"new":[{}]}]})";

TEST(ProbeReport, IsAnInventory) {
  const auto inventory = parse_probe_report(kSliced);
  ASSERT_TRUE(inventory) << inventory.error().message();
  EXPECT_EQ(inventory->driver_version, "550.90.07");
  EXPECT_EQ(inventory->cuda_driver_version, 12040);
  ASSERT_EQ(inventory->gpus.size(), 1U);
  const device::Gpu& gpu = inventory->gpus[0];
  EXPECT_EQ(gpu.index.value, 3U);
  EXPECT_EQ(gpu.minor.value, 2U);
  EXPECT_EQ(gpu.id.value, "GPU-a");
  EXPECT_EQ(gpu.name, "NVIDIA A100-SXM4-40GB");
  EXPECT_EQ(gpu.pci_bus_id, "0000:0f:00.0");
  EXPECT_EQ(gpu.memory_bytes, 42949672960U);
  EXPECT_EQ(gpu.compute_major, 8);
  EXPECT_EQ(gpu.compute_minor, 0);
  EXPECT_TRUE(gpu.mig_capable);
  EXPECT_TRUE(gpu.mig_enabled);
  EXPECT_EQ(gpu.fabric, (device::FabricClique{"c-1", 7}));
  ASSERT_EQ(gpu.mig_devices.size(), 1U);
  const device::MigDevice& mig = gpu.mig_devices[0];
  EXPECT_EQ(mig.id.value, "MIG-a");
  EXPECT_EQ(mig.mig_index, 1U);
  EXPECT_EQ(mig.gpu_instance, 7U);
  EXPECT_EQ(mig.compute_instance, 2U);
  // The GPU's memory, which the name needs, came after its slices.
  EXPECT_EQ(mig.profile, "1g.5gb+me");
  EXPECT_EQ(mig.attributes,
            (device::MigAttributes{14, 1, 1, 1, 2, 3, 4, 5, 4864}));
}

TEST(ProbeReport, WhatItLacksIsEmpty) {
  constexpr const char* kSparse =
      R"({"gpus":[{"minor":1,"uuid":"GPU-b"},{"name":"T4","migEnabled":false},)"
      R"({"name":"A100","migEnabled":true,"migDevices":[],"hasMoreMig":true}]})";
  const auto inventory = parse_probe_report(kSparse);
  ASSERT_TRUE(inventory) << inventory.error().message();
  ASSERT_EQ(inventory->gpus.size(), 3U);
  EXPECT_EQ(inventory->gpus[0].name, "");
  EXPECT_FALSE(inventory->gpus[0].mig_capable);
  EXPECT_EQ(inventory->gpus[0].fabric, std::nullopt);
  EXPECT_TRUE(inventory->gpus[1].mig_capable);
  EXPECT_FALSE(inventory->gpus[1].mig_enabled);

  const auto described = parse_described_gpus(kSparse);
  ASSERT_TRUE(described);
  ASSERT_EQ(described->gpus.size(), 1U);
  EXPECT_EQ(described->gpus[0].name, "T4");
  ASSERT_EQ(described->lost.size(), 2U);
  EXPECT_EQ(described->lost[0].id, device::DeviceId{"GPU-b"});
  EXPECT_THAT(described->lost[1].reason, HasSubstr("MIG devices"));
}

TEST(ProbeReport, SaysWhereItIsWrong) {
  const auto refusal = [](const std::string& json) {
    const auto inventory = parse_probe_report(json);
    return inventory ? "accepted" : inventory.error().message();
  };
  EXPECT_THAT(refusal(""), HasSubstr("gpunode-probe's report"));
  EXPECT_THAT(refusal(R"({"gpus":[{"minor":-1}]})"), HasSubstr("1:19"));
  EXPECT_THAT(refusal(R"({"gpus":[{"minor":4294967296}]})"),
              HasSubstr("too large"));
  EXPECT_THAT(refusal(R"({"gpus":[{"migEnabled":1}]})"),
              HasSubstr("neither true nor false"));
  EXPECT_THAT(refusal(R"({"gpus":[{"fabric":7}]})"), HasSubstr("1:"));
  const std::string whole = kSliced;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_probe_report(whole.substr(0, size))) << size;
  }
}

}  // namespace
}  // namespace gpunode::facts
