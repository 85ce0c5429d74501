#include "agent/config/load.h"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

struct Input {
  std::vector<std::string> arguments;
  std::optional<std::string> file;
  Environment environment;
  bool has_nvml = true;
};

Result<Loaded> load(const Input& input) {
  TRY(const CommandLine line,
      parse_command_line(input.arguments, input.environment));
  std::optional<ConfigText> file;
  if (input.file) file = ConfigText{"config.yaml", *input.file};
  return load(line, file, [&input] { return input.has_nvml; });
}

Loaded loaded(const Input& input) {
  auto result = load(input);
  EXPECT_TRUE(result) << result.error().message();
  return result ? *std::move(result) : Loaded{};
}

std::string error_of(const Input& input) {
  const auto result = load(input);
  return result ? "accepted" : result.error().message();
}

std::vector<std::string> warnings_of(const Input& input) {
  std::vector<std::string> lines;
  for (const Warning& warning : loaded(input).warnings) {
    lines.push_back(describe(warning, "config.yaml"));
  }
  return lines;
}

std::string slicing(const std::string& item) {
  return "sharing:\n  timeSlicing:\n    resources:\n    - " + item + "\n";
}

// The configuration people copy, with 20 replicas of an A10G.
constexpr std::string_view kOneGpuTwentyPods =
    "version: v1\n"
    "sharing:\n"
    "  timeSlicing:\n"
    "    failRequestsGreaterThanOne: true\n"
    "    resources:\n"
    "    - name: nvidia.com/gpu\n"
    "      replicas: 20\n";

TEST(Load, ReadsTheConfigurationPeopleCopy) {
  const Loaded result = loaded({{}, std::string(kOneGpuTwentyPods), {}});
  EXPECT_THAT(result.warnings, IsEmpty());
  const Settings& settings = result.settings;
  EXPECT_EQ(settings.sharing_strategy(), SharingStrategy::kTimeSlicing);
  const Replication& replication = *settings.replication();
  EXPECT_TRUE(replication.fail_requests_greater_than_one);
  EXPECT_FALSE(replication.rename_by_default);
  ASSERT_EQ(replication.resources.size(), 1U);
  EXPECT_EQ(replication.resources[0].name, "nvidia.com/gpu");
  EXPECT_EQ(replication.resources[0].rename, "nvidia.com/gpu");
  EXPECT_EQ(replication.resources[0].replicas, 20U);
}

TEST(Load, WithoutAFileEverythingIsDefault) {
  for (const std::optional<std::string>& file :
       {std::optional<std::string>{}, std::optional<std::string>{""},
        std::optional<std::string>{"# nothing\n"},
        std::optional<std::string>{"{}"}}) {
    const Loaded result = loaded({{}, file, {}});
    EXPECT_THAT(result.warnings, IsEmpty());
    EXPECT_EQ(dump_json(result.settings), dump_json(Settings{}));
  }
}

TEST(Load, JsonIsYaml) {
  const Loaded result =
      loaded({{},
              R"({"version":"v1","sharing":{"mps":{"resources":[
           {"name":"gpu","replicas":4}]}}, "flags": {"mpsRoot": "/m"}})",
              {}});
  EXPECT_EQ(result.settings.sharing_strategy(), SharingStrategy::kMps);
  EXPECT_EQ(result.settings.mps->resources[0].name, "nvidia.com/gpu");
  EXPECT_THAT(result.warnings, IsEmpty());
}

TEST(Load, MpsRefusesMoreThanOneUnlessTheFileSaysOtherwise) {
  const std::string head = "flags: {mpsRoot: /m}\nsharing:\n  mps:\n";
  const std::string tail = "    resources: [{name: gpu, replicas: 2}]\n";
  EXPECT_TRUE(loaded({{}, head + tail, {}})
                  .settings.mps->fail_requests_greater_than_one);
  EXPECT_FALSE(
      loaded({{}, head + "    failRequestsGreaterThanOne: false\n" + tail, {}})
          .settings.mps->fail_requests_greater_than_one);
  EXPECT_FALSE(loaded({{}, slicing("{name: gpu, replicas: 2}"), {}})
                   .settings.time_slicing->fail_requests_greater_than_one);
}

TEST(Load, RenameByDefaultAppendsShared) {
  const Settings settings =
      loaded({{},
              "sharing: {timeSlicing: {renameByDefault: yes, resources: "
              "[{name: gpu, replicas: 2}]}}",
              {}})
          .settings;
  EXPECT_EQ(settings.time_slicing->resources[0].rename,
            "nvidia.com/gpu.shared");
}

TEST(Load, TheDevRootIsTheDriverRootUnlessGiven) {
  EXPECT_EQ(loaded({{"--driver-root=/d"}, {}, {}}).settings.dev_root, "/d");
  EXPECT_EQ(
      loaded({{"--driver-root=/d", "--dev-root=/e"}, {}, {}}).settings.dev_root,
      "/e");
  EXPECT_EQ(loaded({{}, "flags: {nvidiaDriverRoot: /f, nvidiaDevRoot: ''}", {}})
                .settings.dev_root,
            "/f");
}

TEST(Load, KeysMatchInAnyLetterCaseOutsideSharingItems) {
  const Input input = {{}, "Version: v1\nFLAGS: {MIGSTRATEGY: single}\n", {}};
  EXPECT_EQ(loaded(input).settings.mig_strategy, MigStrategy::kSingle);
  EXPECT_THAT(
      warnings_of(input),
      ElementsAre(
          "config.yaml:1:1: key 'Version' is read as 'version' (write "
          "'version')",
          "config.yaml:2:1: key 'FLAGS' is read as 'flags' (write 'flags')",
          "config.yaml:2:9: key 'MIGSTRATEGY' is read as 'migStrategy' (write "
          "'migStrategy')"));
}

TEST(Load, NullLeavesAFieldUnset) {
  const Settings settings =
      loaded({{},
              "flags: {failOnInitError: null, plugin: ~}\nsharing:\n"
              "  mps:\n",
              {}})
          .settings;
  EXPECT_TRUE(settings.fail_on_init_error);
  EXPECT_FALSE(settings.mps);
}

TEST(Load, RenameAndDevicesAreResetAsByThePeer) {
  const std::string file =
      slicing("{name: gpu, rename: fast, devices: [0, \"1:2\"], replicas: 3}");
  const Settings settings = loaded({{}, file, {}}).settings;
  const ReplicatedResource& resource = settings.time_slicing->resources[0];
  EXPECT_EQ(resource.rename, "nvidia.com/gpu");
  EXPECT_TRUE(std::holds_alternative<AllDevices>(resource.devices));
  EXPECT_THAT(
      warnings_of({{}, file, {}}),
      ElementsAre(
          "config.yaml:4:19: Setting the 'rename' field in "
          "sharing.timeSlicing.resources is not yet supported in the config. "
          "Ignoring... (remove it, or give --enable-custom-sharing)",
          "config.yaml:4:33: Customizing the 'devices' field in "
          "sharing.timeSlicing.resources is not yet supported in the config. "
          "Ignoring... (remove it, or give --enable-custom-sharing)"));
}

TEST(Load, CustomSharingHonoursRenameAndEveryFormOfDevices) {
  const auto devices_of = [](const std::string& devices) {
    const Settings settings =
        loaded({{"--enable-custom-sharing"},
                slicing("{name: gpu, rename: fast, replicas: 3, devices: " +
                        devices + "}"),
                {}})
            .settings;
    EXPECT_EQ(settings.time_slicing->resources[0].rename, "nvidia.com/fast");
    EXPECT_TRUE(settings.custom_sharing);
    return settings.time_slicing->resources[0].devices;
  };
  const std::string uuid = "b1028956-cfa2-0990-bf4a-5da9abb51763";
  EXPECT_TRUE(std::holds_alternative<AllDevices>(devices_of("all")));
  EXPECT_EQ(std::get<DeviceCount>(devices_of("2")).value, 2U);
  EXPECT_EQ(std::get<DeviceCount>(devices_of("2.0")).value, 2U);
  EXPECT_THAT(
      std::get<DeviceRefs>(devices_of("[0, '3', '0:1', GPU-" + uuid + ", MIG-" +
                                      uuid + ", MIG-GPU-" + uuid + "/3/0]"))
          .values,
      ElementsAre("0", "3", "0:1", "GPU-" + uuid, "MIG-" + uuid,
                  "MIG-GPU-" + uuid + "/3/0"));
}

TEST(Load, WarnsOfWhatThePeerAcceptsSilently) {
  const std::string file =
      "version: v1\n"
      "flags:\n"
      "  migStratgy: single\n"
      "  mpsRoot: /m\n"
      "resources:\n"
      "  gpus: [{pattern: '*', name: gpu}]\n"
      "sharing:\n"
      "  timeSlicing:\n"
      "    resources:\n"
      "    - {name: gpu, replicas: 3, replica: 4}\n"
      "    - {name: nvidia.com/gpu, replicas: 4.0}\n"
      "  mps:\n"
      "    resources: [{name: gpu, replicas: 2}]\n"
      "version: v1\n";
  EXPECT_THAT(
      warnings_of({{"stray"}, file, {}}),
      ElementsAre(
          "argument 'stray' is ignored (options are written --name=value)",
          "config.yaml:3:3: unknown key 'migStratgy' in flags is ignored (did "
          "you mean 'migStrategy'?)",
          "config.yaml:5:1: Customizing the 'resources' field is not yet "
          "supported in the config. Ignoring... (remove it)",
          "config.yaml:8:3: both sharing.timeSlicing and sharing.mps are set: "
          "mps is used (remove one of them)",
          "config.yaml:10:32: unknown key 'replica' in "
          "sharing.timeSlicing.resources is ignored (did you mean "
          "'replicas'?)",
          "config.yaml:11:7: nvidia.com/gpu is listed again under "
          "sharing.timeSlicing (first at line 10); the last entry is used "
          "(keep one of them)",
          "config.yaml:11:40: 'replicas' is not written as a whole number; it "
          "is read as 4 (write 4)",
          "config.yaml:14:1: key 'version' is written twice (first at line 1); "
          "the last value is used (keep one of them)"));
}

TEST(Load, StrictMakesAnErrorOfAnyWarning) {
  const std::string file = "flgs: {}\nshring: {}\n";
  EXPECT_EQ(error_of({{"--strict"}, file, {}}),
            "unable to load config: refused by --strict: config.yaml:1:1: "
            "unknown key 'flgs' is ignored (did you mean 'flags'?); and 1 "
            "more");
  EXPECT_EQ(error_of({{}, file, {{"GPUNODE_STRICT", "1"}}}),
            error_of({{"--strict"}, file, {}}));
  EXPECT_EQ(error_of({{}, file, {}}), "accepted");
  EXPECT_EQ(error_of({{"--strict"}, std::string(kOneGpuTwentyPods), {}}),
            "accepted");
}

TEST(Load, AHostileFileCannotForgeLogLines) {
  EXPECT_THAT(
      error_of({{}, slicing("{name: \"a\\nE1124 \\e[2J\", replicas: 2}"), {}}),
      HasSubstr("'nvidia.com/a\\nE1124 \\x1b[2J'"));
  EXPECT_THAT(warnings_of({{}, "\"a\\nb\": 1", {}}),
              ElementsAre("config.yaml:1:1: unknown key 'a\\nb' is ignored"));
  EXPECT_LT(error_of({{},
                      slicing("{name: " + std::string(100'000, 'x') +
                              ", replicas: 2}"),
                      {}})
                .size(),
            2100U);
}

TEST(Load, TenThousandUnknownKeysAreNotAsManyLogLines) {
  std::string file;
  for (int i = 0; i < 10'000; ++i) file += "x" + std::to_string(i) + ": 1\n";
  const auto lines = warnings_of({{}, file, {}});
  EXPECT_EQ(lines.size(), 51U);
  EXPECT_EQ(lines.back(), "9950 further warnings are left out");
}

TEST(Load, AsksForNvmlOnlyWhenItMatters) {
  const auto count = [](const std::vector<std::string>& arguments) {
    int asked = 0;
    const auto line = parse_command_line(arguments, {});
    EXPECT_TRUE(line);
    const auto result = config::load(*line, {}, [&asked] {
      ++asked;
      return true;
    });
    EXPECT_TRUE(result);
    return asked;
  };
  EXPECT_EQ(count({}), 0);
  EXPECT_EQ(count({"--device-list-strategy=cdi-cri,cdi-annotations"}), 1);
}

TEST(Load, QuietPeriodsAreANumberAndAUnitOrNever) {
  const auto period = [](const char* text) {
    return loaded({{std::string("--health-quiet-period=") + text}, {}, {}})
        .settings.health_quiet_period;
  };
  EXPECT_EQ(period("90s"), std::chrono::seconds(90));
  EXPECT_EQ(period("5m"), std::chrono::minutes(5));
  EXPECT_EQ(period("never"), std::nullopt);
  EXPECT_EQ(loaded({{}, {}, {}}).settings.health_quiet_period,
            std::chrono::minutes(1));
}

TEST(Load, OurOwnOptionsReachTheSettings) {
  const Settings settings =
      loaded({{"--listen-address=127.0.0.1:9400", "--log-level=debug",
               "--kubelet-socket=", "--nvml-library=/lib/x.so",
               "--host-root=/host", "--cdi-feature-flags=a,b",
               "--cdi-disable-hooks=all", "--require-allocation",
               "--share-library=/lib/y.so"},
              {},
              {}})
          .settings;
  EXPECT_EQ(settings.listen_address, "127.0.0.1:9400");
  EXPECT_EQ(settings.log_level, log::Level::kDebug);
  EXPECT_EQ(settings.kubelet_socket, "");
  EXPECT_EQ(settings.nvml_library, "/lib/x.so");
  EXPECT_EQ(settings.share_library, "/lib/y.so");
  EXPECT_EQ(settings.host_root, "/host");
  EXPECT_TRUE(settings.require_allocation);
  EXPECT_FALSE(loaded({{}, {}, {}}).settings.require_allocation);
  EXPECT_THAT(settings.cdi_feature_flags, ElementsAre("a", "b"));
  EXPECT_THAT(settings.cdi_disable_hooks, ElementsAre("all"));
  EXPECT_THAT(error_of({{"--log-level=loud"}, {}, {}}),
              StartsWith("unable to validate flags: invalid --log-level "
                         "option: loud ("));
}

}  // namespace
}  // namespace gpunode::config
