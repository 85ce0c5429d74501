#include "node/facts/gpu_health.h"

#include <gtest/gtest.h>

namespace gpunode::facts {
namespace {

TEST(GpuHealth, IsReadFromTheReport) {
  const auto health = parse_health_report(
      R"({"start":{"code":0,"text":"Success"},"driverVersion":"580.65.06",)"
      R"("nvmlVersion":"13.580.65.06","count":2,"later":[1],"gpus":[)"
      R"({"index":0,"uuid":"GPU-1","pciBusId":"00000000:00:1E.0",)"
      R"("persistence":true,"ecc":true,"eccPending":false,"mig":false,)"
      R"("migPending":true,"remappedRows":2,"remapPending":true,)"
      R"("remapFailed":false,"retiredPending":false,"fabricState":3,)"
      R"("fabricStatus":15},)"
      R"({"index":1,"problem":{"code":15,"text":"GPU is lost"}}]})");
  ASSERT_TRUE(health) << health.error().message();
  EXPECT_EQ(health->start.code, 0);
  EXPECT_EQ(health->nvml_version, "13.580.65.06");
  EXPECT_EQ(health->count, 2U);
  ASSERT_EQ(health->gpus.size(), 2U);
  const GpuHealth& gpu = health->gpus[0];
  EXPECT_EQ(gpu.bus_id, "0000:00:1e.0");
  EXPECT_EQ(gpu.persistence, true);
  EXPECT_EQ(gpu.ecc_pending, false);
  EXPECT_EQ(gpu.mig_pending, true);
  EXPECT_EQ(gpu.remapped_rows, 2U);
  EXPECT_EQ(gpu.remap_pending, true);
  EXPECT_EQ(gpu.fabric_state, 3U);
  EXPECT_EQ(gpu.fabric_status, 15);
  EXPECT_EQ(health->gpus[1].problem.code, 15);
  EXPECT_EQ(health->gpus[1].persistence, std::nullopt);
}

TEST(GpuHealth, TellsWhatNvmlShouldHaveTold) {
  const auto health = parse_health_report(
      R"({"start":{"code":0},"errors":[{"member":"nvmlVersion","code":999,)"
      R"("text":"Unknown Error"}],"count":1,"gpus":[{"index":0,"uuid":"GPU-1",)"
      R"("errors":[{"member":"ecc","code":15,"text":"GPU is lost"},)"
      R"({"member":"mig","code":15,"text":"GPU is lost"}]}]})");
  ASSERT_TRUE(health) << health.error().message();
  ASSERT_EQ(health->silences.size(), 1U);
  EXPECT_EQ(health->silences[0].member, "nvmlVersion");
  EXPECT_EQ(health->silences[0].problem.code, 999);
  ASSERT_EQ(health->gpus[0].silences.size(), 2U);
  EXPECT_EQ(health->gpus[0].silences[1].member, "mig");
  EXPECT_EQ(health->gpus[0].silences[1].problem.text, "GPU is lost");
}

TEST(GpuHealth, OfNvmlThatDoesNotStartHasTheReason) {
  const auto health = parse_health_report(
      R"({"start":{"code":18,"text":"Driver/library version mismatch"}})");
  ASSERT_TRUE(health);
  EXPECT_EQ(health->start.code, 18);
  EXPECT_EQ(health->start.text, "Driver/library version mismatch");
}

TEST(GpuHealth, IsNotReadFromAnythingElse) {
  for (const char* text :
       {"", "no devices", "[]", R"({"count":-1})", R"({"count":4294967296})",
        R"({"gpus":[{"persistence":1}]})", R"({"start":{"code":0}} x)"}) {
    const auto health = parse_health_report(text);
    ASSERT_FALSE(health) << text;
    EXPECT_EQ(health.error().code(), ErrorCode::kCorrupt) << text;
  }
}

}  // namespace
}  // namespace gpunode::facts
