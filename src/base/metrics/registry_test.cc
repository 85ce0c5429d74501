#include "base/metrics/registry.h"

#include <limits>
#include <thread>

#include <gtest/gtest.h>

namespace gpunode::metrics {
namespace {

TEST(Registry, ExposesFamiliesAndSeriesInAStableOrder) {
  Registry registry;
  registry.gauge("b_devices", "Devices.\nBy health.", {{"health", "sick"}})
      .set(1);
  registry.gauge("b_devices", "Devices.", {{"health", "good"}}).set(7.5);
  registry.counter("a_total", "Calls.").increment(3);
  EXPECT_EQ(registry.expose(),
            "# HELP a_total Calls.\n"
            "# TYPE a_total counter\n"
            "a_total 3\n"
            "# HELP b_devices Devices.\\nBy health.\n"
            "# TYPE b_devices gauge\n"
            "b_devices{health=\"good\"} 7.5\n"
            "b_devices{health=\"sick\"} 1\n");
}

TEST(Registry, ExposesHistogramsCumulatively) {
  Registry registry;
  const Histogram latency = registry.histogram(
      "allocate_seconds", "Time.", {0.005, 0.1}, {{"resource", "gpu"}});
  latency.observe(0.001);
  latency.observe(0.005);  // An upper end belongs to its bucket.
  latency.observe(0.01);
  latency.observe(3);
  EXPECT_EQ(registry.expose(),
            "# HELP allocate_seconds Time.\n"
            "# TYPE allocate_seconds histogram\n"
            "allocate_seconds_bucket{resource=\"gpu\",le=\"0.005\"} 2\n"
            "allocate_seconds_bucket{resource=\"gpu\",le=\"0.1\"} 3\n"
            "allocate_seconds_bucket{resource=\"gpu\",le=\"+Inf\"} 4\n"
            "allocate_seconds_sum{resource=\"gpu\"} 3.016\n"
            "allocate_seconds_count{resource=\"gpu\"} 4\n");
}

TEST(Registry, GivesOneCellToOneNameAndLabels) {
  Registry registry;
  registry.counter("a_total", "", {{"x", "1"}, {"y", "2"}}).increment();
  const Counter same =
      registry.counter("a_total", "", {{"y", "2"}, {"x", "1"}});
  const Counter other = registry.counter("a_total", "", {{"x", "2"}});
  EXPECT_EQ(same.value(), 1U);
  EXPECT_EQ(other.value(), 0U);
}

TEST(Registry, CountsExactlyBeyondWhatADoubleHolds) {
  Registry registry;
  registry.counter("a_total", "").increment((1ULL << 53U) + 1);
  EXPECT_NE(registry.expose().find("a_total 9007199254740993\n"),
            std::string::npos);
}

TEST(Registry, CountsWhatIsNotWhole) {
  Registry registry;
  registry.sum("seconds_total", "Time.").add(0.25);
  registry.sum("seconds_total", "Time.").add(1);
  EXPECT_EQ(registry.expose(),
            "# HELP seconds_total Time.\n"
            "# TYPE seconds_total counter\n"
            "seconds_total 1.25\n");
}

TEST(Registry, ForgetsWhatIsGone) {
  Registry registry;
  const Gauge gone = registry.gauge("devices", "", {{"resource", "old"}});
  registry.gauge("devices", "", {{"resource", "kept"}});
  registry.counter("calls_total", "", {{"resource", "old"}});
  registry.remove_labelled("resource", "old");
  gone.set(5);  // Late, and harmless.
  EXPECT_EQ(registry.expose(),
            "# HELP devices \n# TYPE devices gauge\n"
            "devices{resource=\"kept\"} 0\n");
  EXPECT_EQ(registry.gauge("devices", "", {{"resource", "old"}}).value(), 0);
}

TEST(Registry, LosesNothingWhenManyThreadsCount) {
  Registry registry;
  const Gauge gauge = registry.gauge("g", "");
  const Histogram histogram = registry.histogram("h", "", {1});
  const auto work = [&] {
    for (int i = 0; i < 10000; ++i) {
      registry.counter("c_total", "").increment();
      gauge.add(1);
      histogram.observe(i % 2 == 0 ? 0.5 : 1.5);
    }
  };
  std::thread one(work);
  std::thread two(work);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(registry.expose().empty());
  one.join();
  two.join();
  EXPECT_EQ(registry.counter("c_total", "").value(), 20000U);
  EXPECT_EQ(gauge.value(), 20000);
  EXPECT_EQ(histogram.in_bucket(0), 10000U);
  EXPECT_EQ(histogram.in_bucket(1), 10000U);
  EXPECT_EQ(histogram.sum(), 20000);
}

TEST(Histogram, PutsWhatIsNotANumberInTheLastBucket) {
  const Histogram histogram({1, 2});
  histogram.observe(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(histogram.in_bucket(0), 0U);
  EXPECT_EQ(histogram.in_bucket(2), 1U);
}

TEST(Counter, CountsForNobodyWithoutARegistry) {
  const Counter alone;
  const Counter other;
  alone.increment(2);
  EXPECT_EQ(alone.value(), 2U);
  EXPECT_EQ(other.value(), 0U);
}

TEST(RegistryDeathTest, AbortsOnNamesThatAreBugs) {
  Registry registry;
  registry.counter("a_total", "");
  EXPECT_DEATH(registry.counter("a-b", ""), "not a metric name: \"a-b\"");
  EXPECT_DEATH(registry.counter("a", "", {{"__x", ""}}), "not a label name");
  EXPECT_DEATH(registry.histogram("h", "", {}, {{"le", ""}}),
               "not a label name");
  EXPECT_DEATH(registry.gauge("a_total", ""), "two kinds");
  EXPECT_DEATH(Histogram({2, 1}), "ascend");
}

}  // namespace
}  // namespace gpunode::metrics
