#include "agent/plugin/health_watch.h"

#include <chrono>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::plugin {
namespace {

using device::DeviceId;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr TimePoint kStart{std::chrono::hours(1)};

DeviceId gpu(unsigned index) {
  return {"GPU-" + std::to_string(index)};
}

/// nvidia.com/gpu of two GPUs, watched; the quiet period is a minute.
class HealthWatchTest : public testing::Test {
 protected:
  HealthWatchTest() {
    std::vector<resource::Device> devices(2);
    for (unsigned i = 0; i < 2; ++i) {
      devices[i].id = gpu(i);
      devices[i].gpu_id = gpu(i);
      devices[i].gpu = device::Index{i};
    }
    std::vector<resource::Resource> all;
    all.emplace_back(*resource::ResourceName::parse("nvidia.com/gpu"),
                     std::move(devices));
    watch_.track(all);
    resources_.push_back(
        std::make_shared<const resource::Resource>(std::move(all[0])));
  }

  static config::Settings settings() {
    config::Settings settings;
    settings.health_quiet_period = minutes(1);
    return settings;
  }

  static device::XidEvent xid(std::uint64_t number) {
    device::XidEvent event;
    event.gpu = gpu(0);
    event.xid = number;
    return event;
  }

  bool is_healthy(unsigned index) const {
    return watch_.book().health(gpu(index)).is_healthy;
  }

  HealthWatch watch_{resource::HealthPolicy(), settings()};
  Resources resources_;
  device::Inventory known_;
};

TEST_F(HealthWatchTest, ACriticalXidIsNewsAndProbedUntilTheDeviceIsBack) {
  EXPECT_EQ(watch_.next(), std::nullopt);
  EXPECT_TRUE(watch_.on_xid(xid(79), kStart));
  EXPECT_FALSE(is_healthy(0));
  EXPECT_TRUE(is_healthy(1));
  EXPECT_THAT(watch_.due(kStart, true), IsEmpty());
  EXPECT_THAT(watch_.due(kStart + seconds(5), true), ElementsAre(gpu(0)));
  EXPECT_EQ(watch_.next(), kStart + seconds(10));
  // It answers, but has not been quiet for long enough; then it has.
  EXPECT_EQ(watch_.on_probe({gpu(0), {}}, resources_, kStart + seconds(5)),
            HealthWatch::Verdict::kSame);
  EXPECT_EQ(watch_.on_probe({gpu(0), {}}, resources_, kStart + minutes(1)),
            HealthWatch::Verdict::kChanged);
  EXPECT_TRUE(is_healthy(0));
  EXPECT_THAT(watch_.due(kStart + minutes(2), true), IsEmpty());
  EXPECT_EQ(watch_.next(), std::nullopt);
}

TEST_F(HealthWatchTest, AnApplicationsXidIsCountedOnly) {
  EXPECT_FALSE(watch_.on_xid(xid(13), kStart));
  EXPECT_TRUE(is_healthy(0));
  EXPECT_EQ(watch_.xids(), 1U);
  EXPECT_EQ(watch_.next(), std::nullopt);
}

TEST_F(HealthWatchTest, WithoutADriverNobodyIsProbedButTheTimeGoesOn) {
  watch_.on_xid(xid(79), kStart);
  EXPECT_THAT(watch_.due(kStart + seconds(5), false), IsEmpty());
  EXPECT_THAT(watch_.due(kStart + seconds(10), true), ElementsAre(gpu(0)));
}

TEST_F(HealthWatchTest, ALostGpuIsDoubtfulUntilTheDriverDescribesItAgain) {
  known_.lost.push_back({device::Index{1}, gpu(1), "it fell off the bus"});
  watch_.on_driver({}, known_, resources_, kStart);
  EXPECT_EQ(watch_.book().health(gpu(1)).reason, "it fell off the bus");
  const TimePoint later = kStart + minutes(2);
  EXPECT_EQ(watch_.on_probe({gpu(1), {}}, resources_, later),
            HealthWatch::Verdict::kDoubtful);
  EXPECT_FALSE(is_healthy(1));
  known_.lost.clear();
  watch_.on_driver({}, known_, resources_, later);
  EXPECT_EQ(watch_.on_probe({gpu(1), {}}, resources_, later),
            HealthWatch::Verdict::kChanged);
  EXPECT_TRUE(is_healthy(1));
}

TEST_F(HealthWatchTest, OnlyAFailureToWatchIsHeldAgainstAGpu) {
  DriverUp up;
  up.unwatched.push_back({gpu(0), "not supported", false});
  up.unwatched.push_back({gpu(1), "it is sick", true});
  watch_.on_driver(up, known_, resources_, kStart);
  EXPECT_TRUE(is_healthy(0));
  EXPECT_EQ(watch_.book().health(gpu(1)).reason, "it is sick");
}

}  // namespace
}  // namespace gpunode::plugin
