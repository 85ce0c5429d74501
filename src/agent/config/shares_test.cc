// `sharing.shares`, and `limits` of `sharing.timeSlicing`.
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/load.h"

namespace gpunode::config {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

Result<Loaded> load(const std::string& sharing) {
  TRY(const CommandLine line, parse_command_line({}, {}));
  return load(line, ConfigText{"config.yaml", "sharing:\n" + sharing},
              [] { return true; });
}

std::string error_of(const std::string& sharing) {
  const auto result = load(sharing);
  return result ? "accepted" : result.error().message();
}

TEST(Shares, AreReadWithAllThatTheyMaySay) {
  const auto read = load(
      "  shares:\n    failRequestsGreaterThanOne: true\n    resources:\n"
      "    - {name: gpu, rename: gpu.part, devices: [0, 2], replicas: 20}\n");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_THAT(read->warnings, IsEmpty());
  const Settings& settings = read->settings;
  EXPECT_EQ(settings.sharing_strategy(), SharingStrategy::kShares);
  EXPECT_TRUE(settings.limits_holders());
  ASSERT_NE(settings.replication(), nullptr);
  EXPECT_TRUE(settings.replication()->fail_requests_greater_than_one);
  const ReplicatedResource& entry = settings.replication()->resources.at(0);
  EXPECT_EQ(entry.name, "nvidia.com/gpu");
  EXPECT_EQ(entry.rename, "nvidia.com/gpu.part");
  EXPECT_EQ(entry.replicas, 20u);
  EXPECT_TRUE(std::holds_alternative<DeviceRefs>(entry.devices));
}

TEST(Shares, AnyNumberOfThemMayBeAskedForUnlessTheFileSaysOtherwise) {
  const auto read = load("  shares: {resources: [{name: gpu, replicas: 2}]}\n");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_FALSE(read->settings.shares->fail_requests_greater_than_one);
}

TEST(Shares, StandAlone) {
  const std::string shares =
      "  shares: {resources: [{name: gpu, replicas: 2}]}\n";
  for (const char* other : {"timeSlicing", "mps"}) {
    EXPECT_THAT(error_of(shares + "  " + other +
                         ": {resources: [{name: gpu, replicas: 2}]}\n"),
                AllOf(HasSubstr(std::string("sharing.shares is set beside "
                                            "sharing.") +
                                other),
                      HasSubstr("config.yaml:2:3"), HasSubstr("keep one")));
  }
}

TEST(Shares, OfMoreThanAHundredAreRefused) {
  EXPECT_THAT(error_of("  shares: {resources: [{name: gpu, replicas: 101}]}\n"),
              AllOf(HasSubstr("number of shares must be <= 100"),
                    HasSubstr("replicas is 101")));
}

TEST(Shares, AreDumpedAsTheyWereRead) {
  const auto read =
      load("  shares: {resources: [{name: gpu, replicas: 20}]}\n");
  ASSERT_TRUE(read);
  const std::string dumped = dump_json(read->settings, {});
  const std::string shares = dumped.substr(dumped.find("\"shares\""));
  EXPECT_THAT(shares, AllOf(HasSubstr("\"name\": \"nvidia.com/gpu\""),
                            HasSubstr("\"replicas\": 20")));
}

TEST(Shares, SayWhatBecomesOfProgramsThatCannotBeLimited) {
  const std::string rest = "resources: [{name: gpu, replicas: 4}]}\n";
  const auto policy_of = [](const Result<Loaded>& read) {
    EXPECT_TRUE(read) << (read ? "" : read.error().message());
    EXPECT_THAT(read->warnings, IsEmpty());
    return read->settings.replication()->on_unsupported;
  };
  const auto unlimited = load("  shares: {onUnsupported: unlimited, " + rest);
  EXPECT_EQ(policy_of(unlimited), OnUnsupported::kUnlimited);
  EXPECT_THAT(dump_json(unlimited->settings, {}),
              HasSubstr("\"onUnsupported\": \"unlimited\""));
  const auto silent = load("  shares: {" + rest);
  EXPECT_EQ(policy_of(silent), OnUnsupported::kRefuse);
  EXPECT_THAT(dump_json(silent->settings, {}),
              testing::Not(HasSubstr("onUnsupported")));
  EXPECT_EQ(policy_of(load("  shares: {onUnsupported: refuse, " + rest)),
            OnUnsupported::kRefuse);
  EXPECT_EQ(policy_of(load("  timeSlicing: {limits: memory, onUnsupported: "
                           "unlimited, " +
                           rest)),
            OnUnsupported::kUnlimited);
  for (const char* word : {"allow", "Refuse", "\"\""}) {
    EXPECT_THAT(error_of("  shares: {onUnsupported: " + std::string(word) +
                         ", " + rest),
                AllOf(HasSubstr("unknown onUnsupported"),
                      HasSubstr("write refuse or unlimited"),
                      HasSubstr("config.yaml:2:")))
        << word;
  }
  EXPECT_NE(error_of("  shares: {onUnsupported: [refuse], " + rest),
            "accepted");
}

TEST(Shares, SayHowTimeIsGiven) {
  const std::string rest = "resources: [{name: gpu, replicas: 4}]}\n";
  const auto policy_of = [&](const std::string& words) {
    const auto read = load("  shares: {" + words + rest);
    EXPECT_TRUE(read) << (read ? "" : read.error().message());
    EXPECT_THAT(read->warnings, IsEmpty());
    return read->settings.replication()->compute;
  };
  EXPECT_EQ(policy_of(""), ComputePolicy::kFair);
  EXPECT_EQ(policy_of("compute: fair, "), ComputePolicy::kFair);
  EXPECT_EQ(policy_of("compute: burst, "), ComputePolicy::kBurst);
  EXPECT_EQ(policy_of("compute: hard, "), ComputePolicy::kHard);
  EXPECT_EQ(policy_of("compute: none, "), ComputePolicy::kNone);
  const auto hard = load("  shares: {compute: hard, " + rest);
  EXPECT_THAT(dump_json(hard->settings, {}),
              HasSubstr("\"compute\": \"hard\""));
  EXPECT_THAT(dump_json(load("  shares: {" + rest)->settings, {}),
              testing::Not(HasSubstr("compute")));
  for (const char* word : {"Fair", "weighted", "\"\""}) {
    EXPECT_THAT(
        error_of("  shares: {compute: " + std::string(word) + ", " + rest),
        AllOf(HasSubstr("unknown compute"),
              HasSubstr("write fair, burst, hard or none"),
              HasSubstr("config.yaml:2:")))
        << word;
  }
  EXPECT_NE(error_of("  shares: {compute: 50, " + rest), "accepted");
}

TEST(Shares, SayWhoGoesFirst) {
  const std::string rest = "resources: [{name: gpu, replicas: 4}]}\n";
  const auto priority_of = [&](const std::string& words) {
    const auto read = load("  shares: {" + words + rest);
    EXPECT_TRUE(read) << (read ? "" : read.error().message());
    EXPECT_THAT(read->warnings, IsEmpty());
    return read->settings.replication()->priority;
  };
  EXPECT_EQ(priority_of(""), SharePriority::kNone);
  EXPECT_EQ(priority_of("priority: none, "), SharePriority::kNone);
  EXPECT_EQ(priority_of("priority: pod, "), SharePriority::kPod);
  EXPECT_EQ(priority_of("compute: hard, priority: pod, "), SharePriority::kPod);
  EXPECT_THAT(
      dump_json(load("  shares: {priority: pod, " + rest)->settings, {}),
      HasSubstr("\"priority\": \"pod\""));
  EXPECT_THAT(dump_json(load("  shares: {" + rest)->settings, {}),
              testing::Not(HasSubstr("priority")));
  for (const char* word : {"Pod", "high", "\"5\"", "\"\""}) {
    EXPECT_THAT(
        error_of("  shares: {priority: " + std::string(word) + ", " + rest),
        AllOf(HasSubstr("unknown priority"), HasSubstr("write none or pod"),
              HasSubstr("config.yaml:2:")))
        << word;
  }
  for (const char* word : {"5", "[pod]", "{pod: 1}", "true"}) {
    EXPECT_NE(
        error_of("  shares: {priority: " + std::string(word) + ", " + rest),
        "accepted")
        << word;
  }
  // Where nobody takes turns nobody goes first.
  const auto none = load("  shares: {priority: pod, compute: none, " + rest);
  ASSERT_TRUE(none) << none.error().message();
  ASSERT_EQ(none->warnings.size(), 1u);
  EXPECT_THAT(describe(none->warnings[0], "config.yaml"),
              HasSubstr("priority means nothing in sharing.shares"));
}

TEST(TimeSlicing, HasNoComputeAndNoPriority) {
  for (const char* word : {"compute: fair", "priority: pod"}) {
    const auto read = load("  timeSlicing: {" + std::string(word) +
                           ", resources: [{name: gpu, replicas: 4}]}\n");
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->warnings.size(), 1u) << word;
  }
}

TEST(TimeSlicing, WithoutLimitsHasNothingThatIsUnsupported) {
  const auto read = load(
      "  timeSlicing: {onUnsupported: refuse, resources: [{name: gpu, "
      "replicas: 4}]}\n");
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->warnings.size(), 1u);
  EXPECT_THAT(describe(read->warnings[0], "config.yaml"),
              HasSubstr("means nothing in sharing.timeSlicing without limits"));
}

TEST(TimeSlicing, MayLimitItsHolders) {
  const std::string rest = "resources: [{name: gpu, replicas: 4}]}\n";
  const auto limited = load("  timeSlicing: {limits: memory, " + rest);
  ASSERT_TRUE(limited) << limited.error().message();
  EXPECT_TRUE(limited->settings.limits_holders());
  EXPECT_THAT(limited->warnings, IsEmpty());
  const auto plain = load("  timeSlicing: {" + rest);
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->settings.limits_holders());
  const auto both = load("  timeSlicing: {limits: memory+compute, " + rest);
  ASSERT_TRUE(both) << both.error().message();
  EXPECT_EQ(both->settings.replication()->limits,
            HolderLimits::kMemoryAndCompute);
  EXPECT_THAT(dump_json(both->settings, {}),
              HasSubstr("\"limits\": \"memory+compute\""));
  EXPECT_THAT(error_of("  timeSlicing: {limits: all, " + rest),
              AllOf(HasSubstr("unknown limits 'all'"),
                    HasSubstr("write none, memory or memory+compute")));
}

TEST(TimeSlicing, IsAloneInHavingLimits) {
  const std::vector<std::string> words = {"--mps-root=/run/nvidia/mps"};
  const auto line = parse_command_line(words, {});
  ASSERT_TRUE(line);
  const auto read =
      load(*line,
           ConfigText{"config.yaml",
                      "sharing: {mps: {limits: memory, resources: [{name: gpu, "
                      "replicas: 4}]}}"},
           [] { return true; });
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_FALSE(read->settings.limits_holders());
  ASSERT_EQ(read->warnings.size(), 1u);
  EXPECT_THAT(describe(read->warnings[0], "config.yaml"),
              HasSubstr("unknown key 'limits'"));
}

}  // namespace
}  // namespace gpunode::config
