// GPU feature discovery's command line, environment and share of the file.
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/help.h"
#include "agent/config/load.h"

namespace gpunode::config {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

Result<LoadedDiscovery> read(std::vector<std::string> arguments,
                             const Environment& environment = {},
                             const std::string& file = "") {
  arguments.insert(arguments.begin(), "--use-node-feature-api=false");
  TRY(const CommandLine line,
      parse_command_line(arguments, environment, Program::kFeatureDiscovery));
  std::optional<ConfigText> text;
  if (!file.empty()) text = ConfigText{"config.yaml", file};
  return load_discovery(line, text);
}

std::string complaint(const std::vector<std::string>& arguments,
                      const Environment& environment = {},
                      const std::string& file = "") {
  const auto loaded = read(arguments, environment, file);
  return loaded ? "none" : loaded.error().message();
}

TEST(Discovery, HasThePeersDefaults) {
  const auto loaded = read({});
  ASSERT_TRUE(loaded) << loaded.error().message();
  const DiscoverySettings& settings = loaded->settings;
  EXPECT_FALSE(settings.oneshot);
  EXPECT_TRUE(settings.has_timestamp);
  EXPECT_EQ(settings.sleep_interval, nanoseconds(seconds(60)));
  EXPECT_EQ(settings.output_file,
            "/etc/kubernetes/node-feature-discovery/features.d/gfd");
  EXPECT_EQ(settings.machine_type_file, "/sys/class/dmi/id/product_name");
  EXPECT_TRUE(settings.node.fail_on_init_error);
}

TEST(Discovery, VariablesWithThePrefixComeFirst) {
  const auto loaded =
      read({}, {{"GFD_MIG_STRATEGY", "mixed"}, {"MIG_STRATEGY", "single"}});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->settings.node.mig_strategy, MigStrategy::kMixed);
  EXPECT_EQ(read({}, {{"MIG_STRATEGY", "single"}})->settings.node.mig_strategy,
            MigStrategy::kSingle);
}

TEST(Discovery, FlagBeatsVariableBeatsFileBeatsDefault) {
  const std::string file =
      "flags: {gfd: {oneshot: true, noTimestamp: true, sleepInterval: 2m, "
      "outputFile: /file, machineTypeFile: /type}, useNodeFeatureAPI: true}";
  const auto from_file = read({}, {}, file);
  ASSERT_TRUE(from_file) << from_file.error().message();
  EXPECT_TRUE(from_file->settings.oneshot);
  EXPECT_FALSE(from_file->settings.has_timestamp);
  EXPECT_EQ(from_file->settings.sleep_interval, nanoseconds(seconds(120)));
  EXPECT_EQ(from_file->settings.output_file, "/file");
  EXPECT_EQ(from_file->settings.machine_type_file, "/type");
  const Environment environment{{"GFD_OUTPUT_FILE", ""},
                                {"GFD_SLEEP_INTERVAL", "3s"}};
  const auto mixed = read({"-sleep-interval", "4s"}, environment, file);
  EXPECT_EQ(mixed->settings.output_file, "");
  EXPECT_EQ(mixed->settings.sleep_interval, nanoseconds(seconds(4)));
  EXPECT_EQ(read({"-o", "/x"}, environment, file)->settings.output_file, "/x");
}

TEST(Discovery, SharesTheFileWithThePlugin) {
  const auto loaded = read({}, {},
                           "flags: {plugin: {passDeviceSpecs: true}}\n"
                           "sharing: {timeSlicing: {resources: [{name: gpu, "
                           "replicas: 20}]}}");
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_THAT(loaded->warnings, SizeIs(0));
  EXPECT_EQ(loaded->settings.node.sharing_strategy(),
            SharingStrategy::kTimeSlicing);
}

TEST(Discovery, SleepsAsToldButNotLessThanASecond) {
  const auto interval = [](const std::string& file) {
    return read({}, {}, "flags: {gfd: {sleepInterval: " + file + "}}")
        ->settings.sleep_interval;
  };
  EXPECT_EQ(interval("infinite"), std::nullopt);
  EXPECT_EQ(interval("5000000000"), nanoseconds(seconds(5)));
  EXPECT_EQ(interval("7e9"), nanoseconds(seconds(7)));
  EXPECT_EQ(interval("0s"), nanoseconds(seconds(1)));
  EXPECT_EQ(interval("-5s"), nanoseconds(seconds(1)));
  EXPECT_EQ(interval("5"), nanoseconds(seconds(1)));
  EXPECT_EQ(read({"--sleep-interval=infinite"})->settings.sleep_interval,
            std::nullopt);
  // Empty is not given.
  EXPECT_EQ(read({}, {{"GFD_SLEEP_INTERVAL", ""}})->settings.sleep_interval,
            nanoseconds(seconds(60)));
}

TEST(Discovery, RefusesWithThePeersWords) {
  EXPECT_THAT(complaint({"--sleep-interval=60"}),
              StartsWith("invalid value \"60\" for flag -sleep-interval: time: "
                         "missing unit in duration \"60\""));
  EXPECT_THAT(complaint({}, {{"GFD_SLEEP_INTERVAL", "60"}}),
              StartsWith("could not parse \"60\" from environment variable "
                         "\"GFD_SLEEP_INTERVAL\" as value for flag "
                         "sleep-interval: time: missing unit in duration "
                         "\"60\""));
  EXPECT_THAT(complaint({"--device-discovery-strategy=foo"}),
              StartsWith("unable to load config: unable to validate flags: "
                         "invalid --device-discovery-strategy option foo"));
  EXPECT_THAT(complaint({"--mig-strategy=dual"}),
              StartsWith("error creating labeler: error creating resource "
                         "labeler: failed to construct MIG resource labeler: "
                         "unknown strategy: dual"));
  EXPECT_THAT(complaint({"--kubelet-socket=x"}),
              StartsWith("flag provided but not defined: -kubelet-socket"));
  EXPECT_THAT(complaint({}, {}, "version: v2"),
              StartsWith("unable to load config: unable to finalize config: "
                         "unable to parse config file: error parsing config "
                         "file: unknown version: v2"));
  EXPECT_THAT(complaint({"--kube-api-qps=many"}),
              StartsWith("invalid value \"many\" for flag -kube-api-qps: parse "
                         "error"));
}

TEST(Discovery, ANodeFeatureTakesNames) {
  EXPECT_FALSE(read({})->settings.uses_node_feature_api);
  const auto named = read({"--use-node-feature-api"}, {{"NODE_NAME", "n1"}});
  ASSERT_TRUE(named) << named.error().message();
  EXPECT_TRUE(named->settings.uses_node_feature_api);
  EXPECT_EQ(named->settings.node.node_name, "n1");
  EXPECT_EQ(named->settings.space, "default");
  EXPECT_EQ(named->settings.pod, "");
  const auto pod =
      read({"--use-node-feature-api", "--kubeconfig=/k"},
           {{"NODE_NAME", "n1"}, {"NAMESPACE", "ns1"}, {"POD_NAME", "p1"}});
  ASSERT_TRUE(pod) << pod.error().message();
  EXPECT_EQ(pod->settings.space, "ns1");
  EXPECT_EQ(pod->settings.pod, "p1");
  EXPECT_EQ(pod->settings.node.kubeconfig, "/k");
  EXPECT_THAT(complaint({"--use-node-feature-api"}),
              StartsWith("failed to create label outputer: required flag "
                         "node-name not set (--node-name by default: give "));
  EXPECT_THAT(
      complaint({"--use-node-feature-api", "--node-name=n1", "--namespace="}),
      StartsWith("failed to create label outputer: required flag "
                 "namespace not set"));
}

TEST(Discovery, TheNodeFeatureIsThePeersDefault) {
  const auto load_with = [](const Environment& environment,
                            const std::string& file) {
    const std::vector<std::string> arguments = {"--node-name=n1"};
    const auto line =
        parse_command_line(arguments, environment, Program::kFeatureDiscovery);
    return load_discovery(*line, ConfigText{"config.yaml", file})
        ->settings.uses_node_feature_api;
  };
  EXPECT_TRUE(load_with({}, "version: v1"));
  EXPECT_FALSE(load_with({}, "flags: {useNodeFeatureAPI: false}"));
  EXPECT_TRUE(load_with({{"USE_NODE_FEATURE_API", "true"}},
                        "flags: {useNodeFeatureAPI: false}"));
  EXPECT_FALSE(load_with(
      {{"GFD_USE_NODE_FEATURE_API", "false"}, {"USE_NODE_FEATURE_API", "true"}},
      ""));
}

TEST(Discovery, LooksForGpusOfVirtualMachinesOnRequest) {
  const std::string file =
      "version: v1\nflags: {deviceDiscoveryStrategy: vfio}";
  for (const auto& asked : {read({"--device-discovery-strategy=vfio"}),
                            read({}, {{"DEVICE_DISCOVERY_STRATEGY", "vfio"}}),
                            read({}, {}, file)}) {
    ASSERT_TRUE(asked) << asked.error().message();
    EXPECT_EQ(asked->settings.node.discovery_strategy,
              DiscoveryStrategy::kVfio);
  }
  EXPECT_EQ(read({})->settings.node.discovery_strategy,
            DiscoveryStrategy::kAuto);
}

TEST(Discovery, SaysWhatItCannotYet) {
  EXPECT_THAT(complaint({}, {{"DEVICE_DISCOVERY_STRATEGY", "tegra"}}),
              HasSubstr("DEVICE_DISCOVERY_STRATEGY: this version labels"));
}

// One file is for the device plugin and for this: what the plugin offers by it,
// the labels must tell.
TEST(Discovery, RenamesAsTheDevicePluginIfToldTo) {
  const std::string file =
      "version: v1\nsharing: {timeSlicing: {resources: [{name: "
      "nvidia.com/gpu, rename: nvidia.com/slice, devices: [0], replicas: 3}]}}";
  const auto plain = read({}, {}, file);
  ASSERT_TRUE(plain) << plain.error().message();
  EXPECT_THAT(plain->warnings, SizeIs(2));
  EXPECT_EQ(plain->settings.node.time_slicing->resources[0].rename,
            "nvidia.com/gpu");
  const Environment environment{{"GPUNODE_ENABLE_CUSTOM_SHARING", "true"}};
  for (const auto& custom : {read({"--enable-custom-sharing"}, {}, file),
                             read({}, environment, file)}) {
    ASSERT_TRUE(custom) << custom.error().message();
    EXPECT_THAT(custom->warnings, SizeIs(0));
    EXPECT_EQ(custom->settings.node.time_slicing->resources[0].rename,
              "nvidia.com/slice");
  }
}

TEST(Discovery, HasAHelpOfItsOwn) {
  const std::string help = help_text("/usr/bin/gpu-feature-discovery");
  EXPECT_THAT(help, StartsWith("Usage: gpu-feature-discovery [options]\n"));
  EXPECT_THAT(help, HasSubstr("--output-file, --output, --o VALUE"));
  EXPECT_THAT(help, HasSubstr("GFD_MIG_STRATEGY, MIG_STRATEGY"));
  EXPECT_THAT(help, Not(HasSubstr("--kubelet-socket")));
  EXPECT_THAT(help, Not(HasSubstr("\nContainers:")));
  EXPECT_THAT(man_page("gpu-feature-discovery", "1"),
              HasSubstr("label a node by its NVIDIA GPUs"));
  EXPECT_THAT(*completion_script("bash", "gpu-feature-discovery"),
              HasSubstr("--sleep-interval"));
}

}  // namespace
}  // namespace gpunode::config
