// Every option of the device plugin (options.h). To add one: a line in Option,
// a row here at the same place, its use in load.cc.
#include "agent/config/options.h"

#include <algorithm>
#include <array>

#include "agent/config/option_row.h"

namespace gpunode::config {
namespace {

using enum OptionGroup;
using enum OptionType;

constexpr std::array<Row, kPluginOptionCount> kRows = {{
    {Option::kMigStrategy,
     {"mig-strategy"},
     {"MIG_STRATEGY"},
     kText,
     "none",
     "flags.migStrategy",
     {"none", "single", "mixed"},
     kDevices,
     "How MIG devices are offered: not at all, as nvidia.com/gpu, or one "
     "resource a profile"},
    {Option::kFailOnInitError,
     {"fail-on-init-error"},
     {"FAIL_ON_INIT_ERROR"},
     kBool,
     "true",
     "flags.failOnInitError",
     {},
     kService,
     "Accepted, without effect: a driver that cannot be initialised is waited "
     "for, with no devices offered; the peer exits if true"},
    {Option::kDriverRoot,
     {"driver-root", "nvidia-driver-root"},
     {"NVIDIA_DRIVER_ROOT"},
     kText,
     "/",
     "flags.nvidiaDriverRoot",
     {},
     kPaths,
     "Root of the driver installation on the host, / or /run/nvidia/driver"},
    {Option::kDevRoot,
     {"dev-root", "nvidia-dev-root"},
     {"NVIDIA_DEV_ROOT"},
     kText,
     "",
     "flags.nvidiaDevRoot",
     {},
     kPaths,
     "Prefix of the device nodes on the host; empty: the driver root"},
    {Option::kPassDeviceSpecs,
     {"pass-device-specs"},
     {"PASS_DEVICE_SPECS"},
     kBool,
     "false",
     "flags.plugin.passDeviceSpecs",
     {},
     kContainers,
     "Also hand the device nodes to the kubelet, for clusters with a static "
     "CPU manager"},
    {Option::kDeviceListStrategy,
     {"device-list-strategy"},
     {"DEVICE_LIST_STRATEGY"},
     kTextList,
     "envvar",
     "flags.plugin.deviceListStrategy",
     {"envvar", "volume-mounts", "cdi-annotations", "cdi-cri"},
     kContainers,
     "How a container learns its devices; several may be given"},
    {Option::kDeviceIdStrategy,
     {"device-id-strategy"},
     {"DEVICE_ID_STRATEGY"},
     kText,
     "uuid",
     "flags.plugin.deviceIDStrategy",
     {"uuid", "index"},
     kContainers,
     "What names a device to the container runtime"},
    {Option::kGdrcopyEnabled,
     {"gdrcopy-enabled"},
     {"GDRCOPY_ENABLED"},
     kBool,
     "false",
     "flags.gdrcopyEnabled",
     {},
     kContainers,
     "Start containers with NVIDIA_GDRCOPY=enabled"},
    {Option::kGdsEnabled,
     {"gds-enabled"},
     {"GDS_ENABLED"},
     kBool,
     "false",
     "flags.gdsEnabled",
     {},
     kContainers,
     "Start containers with NVIDIA_GDS=enabled"},
    {Option::kMofedEnabled,
     {"mofed-enabled"},
     {"MOFED_ENABLED"},
     kBool,
     "false",
     "flags.mofedEnabled",
     {},
     kContainers,
     "Start containers with NVIDIA_MOFED=enabled"},
    {Option::kKubeletSocket,
     {"kubelet-socket"},
     {"KUBELET_SOCKET"},
     kText,
     "/var/lib/kubelet/device-plugins/kubelet.sock",
     "",
     {},
     kService,
     "Registration socket of the kubelet; empty: do not register"},
    {Option::kConfigFile,
     {"config-file"},
     {"CONFIG_FILE"},
     kText,
     "",
     "",
     {},
     kConfiguration,
     "Configuration file, version v1, YAML or JSON"},
    {Option::kCdiAnnotationPrefix,
     {"cdi-annotation-prefix"},
     {"CDI_ANNOTATION_PREFIX"},
     kText,
     "cdi.k8s.io/",
     "flags.plugin.cdiAnnotationPrefix",
     {},
     kContainers,
     "Prefix of the annotation keys of cdi-annotations"},
    {Option::kNvidiaCdiHookPath,
     {"nvidia-cdi-hook-path", "nvidia-ctk-path"},
     {"NVIDIA_CDI_HOOK_PATH", "NVIDIA_CTK_PATH"},
     kText,
     "/usr/bin/nvidia-ctk",
     "flags.plugin.nvidiaCTKPath",
     {},
     kPaths,
     "Hook program that generated CDI specifications name"},
    {Option::kDriverRootCtrPath,
     {"driver-root-ctr-path", "container-driver-root"},
     {"DRIVER_ROOT_CTR_PATH", "CONTAINER_DRIVER_ROOT"},
     kText,
     "/driver-root",
     "flags.plugin.containerDriverRoot",
     {},
     kPaths,
     "Where the driver root is mounted in this container"},
    {Option::kMpsRoot,
     {"mps-root"},
     {"MPS_ROOT"},
     kText,
     "",
     "flags.mpsRoot",
     {},
     kPaths,
     "Directory of MPS files on the host; needed for sharing.mps"},
    {Option::kDeviceDiscoveryStrategy,
     {"device-discovery-strategy"},
     {"DEVICE_DISCOVERY_STRATEGY"},
     kText,
     "auto",
     "flags.deviceDiscoveryStrategy",
     {"auto", "nvml", "tegra"},
     kDevices,
     "How devices are found"},
    {Option::kImexChannelIds,
     {"imex-channel-ids"},
     {"IMEX_CHANNEL_IDS"},
     kIntList,
     "",
     "imex.channelIDs",
     {},
     kContainers,
     "IMEX channels given to every container: nothing, or 0"},
    {Option::kImexRequired,
     {"imex-required"},
     {"IMEX_REQUIRED"},
     kBool,
     "false",
     "imex.required",
     {},
     kContainers,
     "Fail when a requested IMEX channel does not exist"},
    {Option::kCdiFeatureFlags,
     {"cdi-feature-flags"},
     {"CDI_FEATURE_FLAGS"},
     kTextList,
     "",
     "",
     {},
     kContainers,
     "Features of generated CDI specifications"},
    {Option::kCdiDisableHooks,
     {"cdi-disable-hooks"},
     {"CDI_DISABLE_HOOKS"},
     kTextList,
     "",
     "",
     {},
     kContainers,
     "Hooks left out of generated CDI specifications; all: every one"},
    {Option::kSharedDevicesAllocationPolicy,
     {"shared-devices-allocation-policy"},
     {"SHARED_DEVICES_ALLOCATION_POLICY"},
     kText,
     "distributed",
     "flags.plugin.sharedDevicesAllocationPolicy",
     {"distributed", "packed"},
     kDevices,
     "Whether replicas are preferred from many GPUs or from few"},
    {Option::kStrict,
     {"strict"},
     {"GPUNODE_STRICT"},
     kBool,
     "false",
     "",
     {},
     kConfiguration,
     "Refuse a configuration that would only give warnings",
     true},
    {Option::kEnableCustomSharing,
     {"enable-custom-sharing"},
     {"GPUNODE_ENABLE_CUSTOM_SHARING"},
     kBool,
     "false",
     "",
     {},
     kConfiguration,
     "Honour 'rename' and 'devices' of sharing entries, which NVIDIA's plugin "
     "parses and ignores",
     true},
    {Option::kListenAddress,
     {"listen-address"},
     {"GPUNODE_LISTEN_ADDRESS"},
     kText,
     "",
     "",
     {},
     kService,
     "Address that serves /healthz, /readyz and /metrics, as 127.0.0.1:9400; "
     "empty: none",
     true},
    {Option::kLogLevel,
     {"log-level"},
     {"GPUNODE_LOG_LEVEL"},
     kText,
     "info",
     "",
     {"debug", "info", "warning", "error"},
     kService,
     "Least important event that is logged",
     true},
    {Option::kHealthQuietPeriod,
     {"health-quiet-period"},
     {"GPUNODE_HEALTH_QUIET_PERIOD"},
     kText,
     "1m",
     "",
     {},
     kDevices,
     "How long an unhealthy device must answer without a new XID until it is "
     "offered again, as 90s, 5m or 1h; never: not until a restart, as NVIDIA's",
     true},
    {Option::kNvmlLibrary,
     {"nvml-library"},
     {"GPUNODE_NVML_LIBRARY"},
     kText,
     "",
     "",
     {},
     kPaths,
     "File to load as libnvidia-ml.so.1; empty: look under the driver root, "
     "then by name",
     true},
    {Option::kHostRoot,
     {"host-root"},
     {"GPUNODE_HOST_ROOT"},
     kText,
     "/",
     "",
     {},
     kPaths,
     "Prefix under which /proc, /sys and /dev of the host are read",
     true},
    {Option::kRequireAllocation,
     {"require-allocation"},
     {"GPUNODE_REQUIRE_ALLOCATION"},
     kBool,
     "false",
     "",
     {},
     kContainers,
     "Have gpunode-runtime give containers of this node only what was granted "
     "to them, whatever their images ask for",
     true},
    {Option::kConfigCheck,
     {"config-check"},
     {},
     kBool,
     "false",
     "",
     {},
     kConfiguration,
     "Validate the configuration, print it as it takes effect, and exit",
     true},
}};

constexpr auto kTable = make_table(kRows);

constexpr bool in_order() {
  for (std::size_t i = 0; i < kPluginOptionCount; ++i) {
    if (kTable[i].option != static_cast<Option>(i)) return false;
  }
  return true;
}
static_assert(in_order(), "rows must stand in the order of Option");

}  // namespace

Program program_called(std::string_view name) {
  return name.substr(name.rfind('/') + 1) == "gpu-feature-discovery"
             ? Program::kFeatureDiscovery
             : Program::kDevicePlugin;
}

std::span<const OptionSpec> option_table(Program program) {
  if (program == Program::kFeatureDiscovery) return discovery_option_table();
  return kTable;
}

const OptionSpec& spec_of(Option option, Program program) {
  const auto table = option_table(program);
  return *std::ranges::find(table, option, &OptionSpec::option);
}

const OptionSpec* find_option(std::string_view name, Program program) {
  const auto has_name = [name](const OptionSpec& spec) {
    return std::ranges::find(spec.names, name) != spec.names.end();
  };
  const auto table = option_table(program);
  const auto found = std::ranges::find_if(table, has_name);
  return found == table.end() ? nullptr : &*found;
}

std::string_view heading_of(OptionGroup group) {
  switch (group) {
    case kConfiguration:
      return "Configuration";
    case kDevices:
      return "Devices";
    case kLabels:
      return "Labels";
    case kContainers:
      return "Containers";
    case kPaths:
      return "Paths";
    case kService:
      return "Service";
  }
  return "";
}

}  // namespace gpunode::config
