#include "apps/gpunode/top/readings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::top {
namespace {

using testing::HasSubstr;

TEST(Readings, AreOfEachGpuWhatItTells) {
  const auto readings = parse_readings(
      R"({"start":{"code":0,"text":"Success"},"driverVersion":"580.1","gpus":[
      {"index":0,"uuid":"GPU-1","name":"NVIDIA H200","memoryBytes":9,
       "usedBytes":4,"gpuPercent":37,"celsius":41,"milliwatts":5,
       "milliwattsLimit":7,"remapFailed":false,"mig":false,
       "processes":[{"pid":7,"bytes":3,"smPercent":30},{"pid":8},
                    {"pid":-1},{"pid":4294967296},9]},
      {"index":1,"uuid":"GPU-2","remapFailed":true},
      {"index":2,"uuid":"GPU-3","retiredPending":true,"gpuPercent":"x"},
      {"index":3,"problem":{"code":15,"text":"GPU is lost"}}, 5]})");
  ASSERT_TRUE(readings) << readings.error().message();
  EXPECT_EQ(readings->driver_version, "580.1");
  ASSERT_EQ(readings->gpus.size(), 4U);
  const GpuReading& first = readings->gpus[0];
  EXPECT_EQ(first.gpu.product, "NVIDIA H200");
  EXPECT_EQ(first.gpu.used_bytes, 4U);
  EXPECT_EQ(first.gpu.busy_percent, 37U);
  EXPECT_EQ(first.gpu.milliwatts_limit, 7U);
  EXPECT_EQ(first.gpu.trouble, "");
  EXPECT_TRUE(first.gpu.is_health_known);
  ASSERT_EQ(first.processes.size(), 2U);
  EXPECT_EQ(first.processes[0].sm_percent, 30U);
  EXPECT_FALSE(first.processes[1].bytes);
  EXPECT_EQ(readings->gpus[1].gpu.trouble, "memory repair failed");
  EXPECT_THAT(readings->gpus[2].gpu.trouble, HasSubstr("waits for a reset"));
  EXPECT_FALSE(readings->gpus[2].gpu.busy_percent);
  EXPECT_EQ(readings->gpus[3].gpu.trouble, "GPU is lost");
  const auto terse = parse_readings(
      R"({"start":{"code":0},"gpus":[{"index":0,"uuid":"GPU-1"}]})");
  ASSERT_TRUE(terse);
  EXPECT_FALSE(terse->gpus[0].gpu.is_health_known);
}

TEST(Readings, AreNoneOfWhatIsNoReport) {
  for (const char* text : {"", "[]", "{", "{}", "null", "\"start\""}) {
    const auto readings = parse_readings(text);
    ASSERT_FALSE(readings) << text;
    EXPECT_EQ(readings.error().code(), ErrorCode::kCorrupt);
  }
  const auto down =
      parse_readings(R"({"start":{"code":9,"text":"Driver Not Loaded"}})");
  ASSERT_FALSE(down);
  EXPECT_THAT(down.error().message(), HasSubstr("Driver Not Loaded"));
}

}  // namespace
}  // namespace gpunode::top
