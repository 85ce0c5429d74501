// What is refused, in the peer's words: the table of error lines that were
// observed from NVIDIA's plugin 0.20.0, and what follows from Go's decoder.
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/load.h"

namespace gpunode::config {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// The prefixes after "error starting plugins: ".
const std::string kFile =
    "unable to load config: unable to finalize config: unable to parse config "
    "file: ";
const std::string kYaml =
    kFile +
    "error parsing config file: unmarshal error: error converting YAML to "
    "JSON: ";
const std::string kJson =
    kFile +
    "error parsing config file: unmarshal error: error unmarshaling JSON: "
    "while decoding JSON: ";
const std::string kFlags = "unable to validate flags: ";
const std::string kSlicing = "sharing: {timeSlicing: {resources: [";

std::string slicing(const std::string& item) {
  return kSlicing + item + "]}}";
}
std::string devices(const std::string& value) {
  return slicing("{name: gpu, replicas: 2, devices: " + value + "}");
}

struct Row {
  std::string file;
  std::vector<std::string> arguments;
  std::string peer;  ///< What NVIDIA's plugin prints.
  std::string ours;  ///< What we add in parentheses begins so.
  Environment environment = {};
  bool has_nvml = true;
};

std::string error_of(const Row& row) {
  const auto line = parse_command_line(row.arguments, row.environment);
  if (!line) return line.error().message();
  const auto result = load(*line, ConfigText{"c.yaml", row.file},
                           [&row] { return row.has_nvml; });
  return result ? "accepted" : result.error().message();
}

void expect_refused(const Row& row) {
  const std::string message = error_of(row);
  EXPECT_THAT(message, StartsWith(row.peer + " (" + row.ours)) << row.file;
  EXPECT_EQ(message.back(), ')');
  EXPECT_THAT(message, Not(HasSubstr("\n")));
}

std::string unmarshal(const std::string& what, const std::string& field,
                      const std::string& type) {
  return kJson + "json: cannot unmarshal " + what + " into Go struct field " +
         field + " of type " + type;
}

const std::string kDnsRule =
    "[a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
    "characters, '-' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')]";

TEST(Refusal, OfFilesInThePeersWords) {
  const std::string none = kJson + "no resources specified";
  const std::vector<Row> rows = {
      {"version: v2",
       {},
       kFile + "error parsing config file: unknown version: v2",
       "c.yaml:1:10: write \"version: v1\""},
      {"version: 1",
       {},
       kFile + "error parsing config file: unknown version: 1",
       "c.yaml:1:10"},
      {"apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\nspec: {}\n",
       {},
       kFile + "error parsing config file: this is a GPUNode file, not a "
               "configuration of the agent",
       "c.yaml:2:1: `gpunode device-plugin --as config` prints"},
      {"config:\n  map: {default: 'version: v1'}\n",
       {},
       kFile +
           "error parsing config file: these are values of a helm chart, not "
           "a configuration",
       "c.yaml:1:1: a configuration is what one name of config.map has"},
      {"version: v1\nsharing:\n\ttimeSlicing:\n",
       {},
       kYaml + "yaml: line 3: found character that cannot start any token",
       "c.yaml:3:1: indent with spaces"},
      {"sharing:\n  timeSlicing: {}\n", {}, none, "c.yaml:2:3: list at least"},
      {"sharing:\n  timeSlicing:\n", {}, none, "c.yaml:2:3"},
      {"sharing: {timeSlicing: {resources: []}}", {}, none, "c.yaml:1:11"},
      {"sharing: {timeSlicing: {Resources: [{name: gpu, replicas: 2}]}}",
       {},
       none,
       "c.yaml:1:11"},
      {"sharing: {mps: {}}", {}, none, "c.yaml:1:11"},
      {slicing("{name: gpu, replicas: 99999999999999999999}"),
       {},
       unmarshal("number 100000000000000000000", "Sharing.sharing.timeSlicing",
                 "int"),
       "c.yaml:1:59: the number is too large"},
      {slicing("{replicas: 4}"),
       {},
       kJson + "no resource name specified",
       "c.yaml:1:37: add"},
      {slicing("{Name: gpu, replicas: 4}"),
       {},
       kJson + "no resource name specified",
       "c.yaml:1:37: add"},
      {slicing("{name: gpu}"),
       {},
       kJson + "no replicas specified",
       "c.yaml:1:37: add"},
      {"version: v1\nsharing:\n  timeSlicing:\n    resources:\n    - name: "
       "gpu\n"
       "      replicas: 1\n",
       {},
       kJson + "number of replicas must be >= 2",
       "c.yaml:6:17: replicas is 1; give 2 or more, or remove the entry)"},
      {slicing("{name: gpu, replicas: 0}"),
       {},
       kJson + "number of replicas must be >= 2",
       "c.yaml:1:59: replicas is 0"},
      {slicing("{name: gpu, replicas: -1}"),
       {},
       kJson + "number of replicas must be >= 2",
       "c.yaml:1:59: replicas is -1"},
      {slicing("{name: gpu, replicas: 1000000000}"),
       {},
       kJson + "number of replicas must be <= 58254",
       "c.yaml:1:59: replicas is 1000000000; the kubelet reads"},
      {slicing("{name: gpu, replicas: \"4\"}"),
       {},
       unmarshal("string", "Sharing.sharing.timeSlicing", "int"),
       "c.yaml:1:59: write a whole number, without quotes)"},
      {slicing("{name: gpu, replicas: 2.5}"),
       {},
       unmarshal("number 2.5", "Sharing.sharing.timeSlicing", "int"),
       "c.yaml:1:59"},
      {devices("some"),
       {},
       kJson + "devices set as 'some' but the only valid string input is 'all'",
       "c.yaml:1:71: give all, a count"},
      {devices("0"),
       {},
       kJson + "devices set as '0' but a count of devices must be > 0",
       "c.yaml:1:71"},
      {devices("2.5"),
       {},
       kJson + "unrecognized type for devices spec: 2.5",
       "c.yaml:1:71"},
      {devices("yes"),
       {},
       kJson + "unrecognized type for devices spec: true",
       "c.yaml:1:71"},
      {devices("[abc]"),
       {},
       kJson + "unsupported type for device in devices list: abc, string",
       "c.yaml:1:72"},
      {devices("[-1]"),
       {},
       kJson + "unsupported type for device in devices list: , string",
       "c.yaml:1:72"},
      {devices("[GPU-1]"),
       {},
       kJson + "unsupported type for device in devices list: GPU-1, string",
       "c.yaml:1:72"},
      {devices("{a: b}"),
       {},
       kJson + R"(unrecognized type for devices spec: {"a":"b"})",
       "c.yaml:1:71"},
      {slicing("{name: example.com/gpu, replicas: 2}"),
       {},
       kJson +
           "incorrect format for resource name 'nvidia.com/example.com/gpu': " +
           kDnsRule,
       "c.yaml:1:44: give a name like"},
      {slicing("{name: GPU, replicas: 2}"),
       {},
       kJson +
           "incorrect format for resource name 'nvidia.com/GPU': " + kDnsRule,
       "c.yaml:1:44"},
      {slicing("{name: g" + std::string(60, 'u') + ", replicas: 2}"),
       {},
       kJson +
           "fully-qualified resource name must be 63 characters or less: "
           "nvidia.com/g" +
           std::string(60, 'u'),
       "c.yaml:1:44"},
      {"resources: {gpus: [{name: gpu}]}",
       {},
       kJson + "resources must have a 'pattern' field set",
       "c.yaml:1:20"},
      {"resources: {gpus: [{pattern: '*'}]}",
       {},
       kJson + "resources must have a 'name' field set",
       "c.yaml:1:20"},
      {"flags: {plugin: {deviceListStrategy: 3}}",
       {},
       kJson + "invalid deviceListStrategy: 3",
       "c.yaml:1:38"},
      {"flags: {failOnInitError: \"true\"}",
       {},
       unmarshal("string", "Flags.flags.CommandLineFlags.failOnInitError",
                 "bool"),
       "c.yaml:1:26: write true or false, without quotes)"},
      {"flags: {migStrategy: 1}",
       {},
       unmarshal("number", "Flags.flags.CommandLineFlags.migStrategy",
                 "string"),
       "c.yaml:1:22"},
      {"flags: {plugin: {deviceIDStrategy: [uuid]}}",
       {},
       unmarshal("array",
                 "PluginCommandLineFlags.flags.CommandLineFlags.plugin."
                 "deviceIDStrategy",
                 "string"),
       "c.yaml:1:36"},
      {"flags: {gfd: {sleepInterval: abc}}",
       {},
       kJson + "time: invalid duration \"abc\"",
       "c.yaml:1:30"},
      {"flags: {gfd: {sleepInterval: \"60\"}}",
       {},
       kJson + "time: missing unit in duration \"60\"",
       "c.yaml:1:30"},
      {"flags: 3",
       {},
       unmarshal("number", "Config.flags", "v1.Flags"),
       "c.yaml:1:8"},
      {"imex: {channelIDs: ['0']}",
       {},
       unmarshal("string", "Imex.imex.channelIDs", "int"),
       "c.yaml:1:21"},
      {"- a",
       {},
       kJson + "json: cannot unmarshal array into Go value of type v1.Config",
       "c.yaml:1:1"},
      {"flags",
       {},
       kJson + "json: cannot unmarshal string into Go value of type v1.Config",
       "c.yaml:1:1"},
  };
  for (const Row& row : rows) expect_refused(row);
}

TEST(Refusal, TheFirstErrorIsTheOneFirstInTheOrderOfKeys) {
  // The peer's YAML becomes JSON with sorted keys before it is decoded.
  EXPECT_THAT(error_of({"version: v2\nsharing: {timeSlicing: {}, mps: {}}\n"
                        "flags: {migStrategy: 1, gdsEnabled: 2}\n",
                        {},
                        "",
                        ""}),
              HasSubstr("CommandLineFlags.gdsEnabled"));
}

TEST(Refusal, OfOptionsInThePeersWordsAndOrder) {
  const std::string mps =
      "sharing: {mps: {resources: [{name: gpu, replicas: 2}]}}";
  const std::string strategy =
      kFlags + "invalid --device-list-strategy option: invalid strategy: ";
  const std::vector<Row> rows = {
      {"",
       {"--device-list-strategy=foo"},
       strategy + "foo",
       "--device-list-strategy: give envvar, volume-mounts, cdi-annotations or "
       "cdi-cri)"},
      {"flags: {plugin: {deviceListStrategy: \"envvar,cdi-cri\"}}",
       {},
       strategy + "envvar,cdi-cri",
       "c.yaml:1:38: in a file, write several"},
      {"",
       {},
       strategy,
       "DEVICE_LIST_STRATEGY: give",
       {{"DEVICE_LIST_STRATEGY", ""}}},
      {"",
       {"--device-list-strategy=cdi-cri"},
       kFlags + "CDI --device-list-strategy options are only supported on "
                "NVML-based systems",
       "--device-list-strategy: libnvidia-ml.so.1 cannot be loaded",
       {},
       false},
      {"",
       {"--device-id-strategy=serial"},
       kFlags + "invalid --device-id-strategy option: serial",
       "--device-id-strategy: give uuid or index)"},
      {"",
       {"--shared-devices-allocation-policy=x"},
       kFlags + "invalid --shared-devices-allocation-policy option: x",
       "--shared-devices-allocation-policy: give distributed or packed)"},
      {mps,
       {},
       kFlags + "using MPS requires --mps-root to be specified",
       "--mps-root by default: give a directory"},
      {mps,
       {"--mig-strategy=mixed"},
       kFlags + "using --mig-strategy=mixed is not supported with MPS",
       "--mig-strategy: use none or single"},
      {"",
       {"--device-discovery-strategy=vfio"},
       kFlags + "invalid --device-discovery-strategy option vfio",
       "--device-discovery-strategy: give auto, nvml or tegra)"},
      {"",
       {"--mig-strategy=dual"},
       kFlags + "unknown MIG strategy: dual",
       "--mig-strategy: give none, single or mixed)"},
      {"",
       {},
       kFlags + "unknown MIG strategy: ",
       "MIG_STRATEGY: give",
       {{"MIG_STRATEGY", ""}}},
      {"",
       {"--imex-channel-ids=0,1"},
       kFlags +
           "invalid IMEX channel IDs: invalid IMEX config: channelIDs must be "
           "[] or [0]; found [0 1]",
       "--imex-channel-ids: give 0 or nothing)"},
      {"imex: {channelIDs: [2]}",
       {},
       kFlags +
           "invalid IMEX channel IDs: invalid IMEX config: channelIDs must be "
           "[] or [0]; found [2]",
       "c.yaml:1:20: give 0 or nothing)"},
      // Several at once: the peer's order.
      {mps,
       {"--imex-channel-ids=7", "--mig-strategy=dual",
        "--device-discovery-strategy=x"},
       kFlags + "using MPS requires --mps-root to be specified",
       "--mps-root"},
      {mps,
       {"--mig-strategy=dual", "--device-discovery-strategy=x",
        "--mps-root=/m"},
       kFlags + "invalid --device-discovery-strategy option x",
       "--device"},
      {"",
       {"--device-id-strategy=x", "--device-list-strategy=y"},
       strategy + "y",
       "--device-list-strategy"},
  };
  for (const Row& row : rows) expect_refused(row);
}

TEST(Refusal, NotOfWhatThePeerAccepts) {
  const std::vector<Row> rows = {
      {"", {}, "", ""},
      {"nosuch: 1", {}, "", ""},
      {"flags: {nosuch: 1, plugin: {nosuch: 2}, gfd: {nosuch: 3}}", {}, "", ""},
      {slicing("{name: gpu, replicas: 2}"), {}, "", ""},
      {devices("2.0"), {}, "", ""},
      {devices("[null]"), {}, "", ""},
      {"", {"stray"}, "", ""},
      {"", {"-mig-strategy", "single"}, "", ""},
      {"flags: {gfd: {sleepInterval: infinite}}", {}, "", ""},
      {"flags: {gfd: {sleepInterval: 60000000000}}", {}, "", ""},
      {"flags: {gfd: {sleepInterval: 1h2.5m}}", {}, "", ""},
      {"sharing: {mps: null}", {}, "", ""},
      {"imex: {channelIDs: [0], required: true}", {}, "", ""},
      {"", {"--imex-channel-ids=0"}, "", ""},
      {slicing("{name: gpu, replicas: 58254}"), {}, "", ""},
  };
  for (const Row& row : rows) EXPECT_EQ(error_of(row), "accepted") << row.file;
}

}  // namespace
}  // namespace gpunode::config
