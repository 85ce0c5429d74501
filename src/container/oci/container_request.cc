#include "container/oci/container_request.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text/node.h"

namespace gpunode::oci {
namespace {

constexpr std::string_view kVisibleDevices = "NVIDIA_VISIBLE_DEVICES";
constexpr std::string_view kMountRoot = "/var/run/nvidia-container-devices";
constexpr std::string_view kRequirePrefix = "NVIDIA_REQUIRE_";
constexpr unsigned kMaxImexChannel = 1'048'575;

bool is_one_of(const std::vector<std::string>& values, std::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

void add_once(std::vector<std::string>& values, std::string value) {
  if (!is_one_of(values, value)) values.push_back(std::move(value));
}

/// strconv.ParseBool: what it does not know is not true.
bool is_true_in_go(std::string_view text) {
  constexpr std::array<std::string_view, 6> kTrue = {"1",    "t",    "T",
                                                     "true", "TRUE", "True"};
  return std::find(kTrue.begin(), kTrue.end(), text) != kTrue.end();
}

class RequestReader {
 public:
  RequestReader(const ContainerConfig& config, const ToolkitConfig& rules)
      : config_(config),
        rules_(rules),
        is_privileged_(config.is_privileged()),
        is_legacy_image_(config.find_env("CUDA_VERSION").has_value() &&
                         !config.find_env("NVIDIA_REQUIRE_CUDA")) {}

  Result<ContainerRequest> read() {
    read_annotations();
    read_mounts();
    read_environment();
    TRY_VOID(read_imex());
    TRY_VOID(read_mig());
    read_gates();
    read_capabilities();
    read_requirements();
    return std::move(request_);
  }

 private:
  bool may_use_environment() const {
    return is_privileged_ || rules_.accept_envvar_when_unprivileged;
  }

  void read_annotations() {
    std::vector<std::string> names;
    for (const auto& [key, value] : config_.annotations) {
      const bool is_ours = std::any_of(
          rules_.runtime.cdi_annotation_prefixes.begin(),
          rules_.runtime.cdi_annotation_prefixes.end(),
          [&, name = std::string_view(key)](const std::string& prefix) {
            return name.starts_with(prefix);
          });
      if (!is_ours) continue;
      for (std::string& name : split_list(value)) {
        names.push_back(std::move(name));
      }
    }
    request_.annotated = read_device_list(names);
  }

  /// Devices and channels named by mounts of /dev/null.
  void read_mounts() {
    if (!rules_.accept_volume_mounts) return;
    std::vector<std::string> names;
    for (const ContainerMount& mount : config_.mounts) {
      std::string_view name = mount.destination;
      if (mount.source != "/dev/null" || !name.starts_with(kMountRoot)) {
        continue;
      }
      name.remove_prefix(kMountRoot.size());
      if (!name.starts_with('/')) continue;
      while (name.starts_with('/')) name.remove_prefix(1);
      if (name.empty()) continue;
      if (name.starts_with("imex/")) {
        add_once(mounted_channels_, std::string(name.substr(5)));
      } else {
        add_once(names, mounted_device(name));
      }
    }
    request_.devices = read_device_list(names);
    has_mounts_ = !names.empty();
  }

  /// "cdi/vendor/class/device" and "cdi/vendor/class=device" are qualified
  /// names, anything else is a plain one.
  static std::string mounted_device(std::string_view name) {
    if (!name.starts_with("cdi/")) return std::string(name);
    const std::string_view qualified = name.substr(4);
    if (qualified.find('=') != std::string_view::npos) {
      return std::string(qualified);
    }
    const std::size_t slash = qualified.rfind('/');
    if (slash == std::string_view::npos) return std::string(name);
    return fmt::format("{}={}", qualified.substr(0, slash),
                       qualified.substr(slash + 1));
  }

  void read_environment() {
    if (has_mounts_) return;
    std::vector<std::string> sources;
    const std::vector<std::string> items = environment_devices(sources);
    const DeviceList list = read_device_list(items);
    if (!list.is_request()) return;
    if (may_use_environment()) {
      request_.devices = list;
      return;
    }
    request_.warnings.push_back(
        fmt::format("Ignoring devices requested by environment variable(s) in "
                    "unprivileged container: [{}]",
                    fmt::join(sources, " ")));
  }

  /// The swarm variables that are set stand in front of NVIDIA's own.
  std::vector<std::string> environment_devices(
      std::vector<std::string>& sources) const {
    std::vector<std::string> items;
    for (const std::string& name : split_list(rules_.swarm_resource)) {
      const auto value = config_.find_env(name);
      if (!value) continue;
      sources.push_back(name);
      for (std::string& item : split_list(*value)) {
        items.push_back(std::move(item));
      }
    }
    if (!sources.empty()) return items;
    sources.emplace_back(kVisibleDevices);
    if (const auto value = config_.find_env(kVisibleDevices)) {
      return split_list(*value);
    }
    if (is_legacy_image_) items.emplace_back("all");
    return items;
  }

  Result<void> read_imex() {
    if (rules_.features.ignore_imex_channel_requests) return {};
    std::vector<std::string> channels = mounted_channels_;
    const auto value = config_.find_env("NVIDIA_IMEX_CHANNELS");
    if (channels.empty() && value && may_use_environment()) {
      for (std::string& id : split_list(*value)) {
        // "all" would be every channel of the domain: nobody's to take.
        if (id != "all") add_once(channels, std::move(id));
      }
    }
    for (const std::string& id : channels) TRY_VOID(check_channel(id));
    request_.imex_channels = std::move(channels);
    return {};
  }

  static Result<void> check_channel(const std::string& id) {
    unsigned number = 0;
    const char* const end = id.data() + id.size();
    const auto [rest, error] = std::from_chars(id.data(), end, number);
    if (error == std::errc() && rest == end && number <= kMaxImexChannel) {
      return {};
    }
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("invalid IMEX channel {}: channels are 0 to {}",
                    text::json_string(id.substr(0, 100)), kMaxImexChannel));
  }

  Result<void> read_mig() {
    TRY(request_.wants_mig_config, read_mig_variable("MIG_CONFIG_DEVICES"));
    TRY(request_.wants_mig_monitor, read_mig_variable("MIG_MONITOR_DEVICES"));
    return {};
  }

  Result<bool> read_mig_variable(std::string_view name) const {
    const auto value = config_.find_env(fmt::format("NVIDIA_{}", name));
    if (!value || value->empty() || !request_.devices.is_request()) {
      return false;
    }
    if (!is_privileged_) {
      return Error(
          ErrorCode::kPermissionDenied,
          fmt::format("cannot set {} in non privileged container", name));
    }
    return *value == "all";
  }

  void read_gates() {
    constexpr std::array<std::pair<std::string_view, Gate>, 4> kGates = {{
        {"NVIDIA_GDS", Gate::kGds},
        {"NVIDIA_MOFED", Gate::kMofed},
        {"NVIDIA_GDRCOPY", Gate::kGdrcopy},
        {"NVIDIA_NVSWITCH", Gate::kNvswitch},
    }};
    for (const auto& [variable, gate] : kGates) {
      if (config_.find_env(variable) == "enabled") {
        request_.gates.push_back(gate);
      }
    }
  }

  std::vector<std::string> supported_capabilities() const {
    if (rules_.supported_capabilities != "all") {
      return split_list(rules_.supported_capabilities);
    }
    return split_list(ToolkitConfig().supported_capabilities);
  }

  void read_capabilities() {
    const std::vector<std::string> supported = supported_capabilities();
    const auto value = config_.find_env("NVIDIA_DRIVER_CAPABILITIES");
    std::vector<std::string> asked;
    if (value) asked = split_list(*value);
    request_.has_chosen_capabilities = !asked.empty();
    if (!value && is_legacy_image_) asked = {"all"};
    if (asked.empty()) asked = {"utility", "compute"};
    if (is_one_of(asked, "all")) {
      request_.capabilities = supported;
      return;
    }
    for (std::string& name : asked) {
      if (is_one_of(supported, name)) {
        add_once(request_.capabilities, std::move(name));
      } else if (request_.has_chosen_capabilities) {
        add_once(request_.unsupported_capabilities, std::move(name));
      }
    }
  }

  void read_requirements() {
    const auto disabled = config_.find_env("NVIDIA_DISABLE_REQUIRE");
    if (rules_.disable_require || (disabled && is_true_in_go(*disabled))) {
      return;
    }
    if (is_legacy_image_) add_legacy_requirement();
    std::vector<std::string_view> seen;
    for (const std::string& variable : config_.env) {
      const std::string_view name =
          std::string_view(variable).substr(0, variable.find('='));
      if (!name.starts_with(kRequirePrefix) ||
          name.starts_with("NVIDIA_REQUIRE_JETPACK") ||
          std::find(seen.begin(), seen.end(), name) != seen.end()) {
        continue;
      }
      seen.push_back(name);
      const auto value = config_.find_env(name);
      if (value && !value->empty()) request_.requirements.emplace_back(*value);
    }
  }

  /// "11.0.3" asks for CUDA 11.0.
  void add_legacy_requirement() {
    const std::string_view version =
        config_.find_env("CUDA_VERSION").value_or("");
    const std::size_t dot = version.find('.');
    if (dot == std::string_view::npos) return;
    const std::size_t end = std::min(
        version.find_first_not_of("0123456789", dot + 1), version.size());
    const bool is_version = dot > 0 && end > dot + 1 &&
                            version.find_first_not_of("0123456789") == dot;
    if (is_version) {
      request_.requirements.push_back(
          fmt::format("cuda>={}", version.substr(0, end)));
    }
  }

  const ContainerConfig& config_;
  const ToolkitConfig& rules_;
  bool is_privileged_;
  bool is_legacy_image_;
  bool has_mounts_ = false;
  std::vector<std::string> mounted_channels_;
  ContainerRequest request_;
};

}  // namespace

std::string_view name_of(Gate gate) {
  switch (gate) {
    case Gate::kGds:
      return "gds";
    case Gate::kMofed:
      return "mofed";
    case Gate::kGdrcopy:
      return "gdrcopy";
    case Gate::kNvswitch:
      return "nvswitch";
  }
  return "";
}

Result<ContainerRequest> read_request(const ContainerConfig& config,
                                      const ToolkitConfig& rules) {
  return RequestReader(config, rules).read();
}

}  // namespace gpunode::oci
