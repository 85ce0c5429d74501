#include "container/oci/toolkit_config.h"

#include <algorithm>
#include <array>
#include <variant>

#include <fmt/format.h>

#include "base/text/nearest.h"
#include "base/text/node.h"
#include "base/text/toml_reader.h"

namespace gpunode::oci {
namespace {

/// One key: where it is in the file and what it sets.
struct Setting {
  std::string_view table;  ///< Dotted; empty: the document itself.
  std::string_view key;
  std::variant<bool*, std::optional<bool>*, std::string*,
               std::vector<std::string>*>
      target;
};

/// NVIDIA's programs ignore it.
constexpr std::string_view kOwnTable = "gpunode";

std::vector<Setting> settings_of(ToolkitConfig& c) {
  constexpr std::string_view kCli = "nvidia-container-cli";
  constexpr std::string_view kRuntime = "nvidia-container-runtime";
  constexpr std::string_view kCdi = "nvidia-container-runtime.modes.cdi";
  constexpr std::string_view kJit = "nvidia-container-runtime.modes.jit-cdi";
  constexpr std::string_view kCsv = "nvidia-container-runtime.modes.csv";
  constexpr std::string_view kLegacy = "nvidia-container-runtime.modes.legacy";
  constexpr std::string_view kHook = "nvidia-container-runtime-hook";
  constexpr std::string_view kFeatures = "features";
  FeatureConfig& f = c.features;
  return {
      {"", "disable-require", &c.disable_require},
      {"", "swarm-resource", &c.swarm_resource},
      {"", "accept-nvidia-visible-devices-envvar-when-unprivileged",
       &c.accept_envvar_when_unprivileged},
      {"", "accept-nvidia-visible-devices-as-volume-mounts",
       &c.accept_volume_mounts},
      {"", "supported-driver-capabilities", &c.supported_capabilities},
      {kCli, "root", &c.cli.root},
      {kCli, "path", &c.cli.path},
      {kCli, "environment", &c.cli.environment},
      {kCli, "debug", &c.cli.debug},
      {kCli, "ldcache", &c.cli.ldcache},
      {kCli, "load-kmods", &c.cli.load_kmods},
      {kCli, "no-pivot", &c.cli.no_pivot},
      {kCli, "no-cgroups", &c.cli.no_cgroups},
      {kCli, "user", &c.cli.user},
      {kCli, "ldconfig", &c.cli.ldconfig},
      {kRuntime, "debug", &c.runtime.debug},
      {kRuntime, "log-level", &c.runtime.log_level},
      {kRuntime, "runtimes", &c.runtime.runtimes},
      {kRuntime, "mode", &c.runtime.mode},
      {kCdi, "spec-dirs", &c.runtime.cdi_spec_dirs},
      {kCdi, "default-kind", &c.runtime.cdi_default_kind},
      {kCdi, "annotation-prefixes", &c.runtime.cdi_annotation_prefixes},
      {kJit, "nvcdi-feature-flags", &c.runtime.jit_feature_flags},
      {kJit, "nvcdi-disable-hooks", &c.runtime.jit_disable_hooks},
      {kCsv, "mount-spec-path", &c.runtime.csv_mount_spec_path},
      {kCsv, "compat-container-root", &c.runtime.csv_compat_container_root},
      {kLegacy, "cuda-compat-mode", &c.runtime.legacy_cuda_compat_mode},
      {kHook, "path", &c.hook_path},
      {kHook, "skip-mode-detection", &c.hook_skips_mode_detection},
      {"nvidia-ctk", "path", &c.ctk_path},
      {kFeatures, "allow-cuda-compat-libs-from-container",
       &f.allow_cuda_compat_libs_from_container},
      {kFeatures, "allow-ldconfig-from-container",
       &f.allow_ldconfig_from_container},
      {kFeatures, "allow-unknown-oci-spec-fields",
       &f.allow_unknown_oci_spec_fields},
      {kFeatures, "disable-cuda-compat-lib-hook",
       &f.disable_cuda_compat_lib_hook},
      {kFeatures, "disable-imex-channel-creation",
       &f.disable_imex_channel_creation},
      {kFeatures, "ignore-imex-channel-requests",
       &f.ignore_imex_channel_requests},
      {kFeatures, "no-additional-gids-for-device-nodes",
       &f.no_additional_gids_for_device_nodes},
      {kOwnTable, "require-allocation", &c.gpunode.require_allocation},
      {kOwnTable, "exempt-namespaces", &c.gpunode.exempt_namespaces},
      {kOwnTable, "kubelet-root", &c.gpunode.kubelet_root},
  };
}

using text::Mark;
using text::Node;

/// The value and its type as go-toml names them in "Can't convert".
std::string shown(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kString:
      return node.scalar.substr(0, 100) + "(string)";
    case Node::Kind::kInteger:
      return node.scalar + "(int64)";
    case Node::Kind::kFloat:
      return node.scalar + "(float64)";
    case Node::Kind::kBool:
      return node.scalar + "(bool)";
    case Node::Kind::kSequence:
      return "a list([]interface {})";
    case Node::Kind::kMapping:
      return "a table(*toml.Tree)";
    case Node::Kind::kNull:
      break;
  }
  return "nothing";
}

class ConfigDecoder {
 public:
  ConfigDecoder(ToolkitConfig& config, std::string_view file_name)
      : config_(config),
        file_name_(file_name),
        settings_(settings_of(config)) {}

  Result<void> decode(const Node& table, const std::string& path) {
    for (const text::Entry& entry : table.entries) {
      TRY_VOID(decode_entry(entry, path));
    }
    return {};
  }

 private:
  Result<void> decode_entry(const text::Entry& entry, const std::string& path) {
    for (const Setting& setting : settings_) {
      if (setting.table == path && setting.key == entry.key) {
        return store(entry.value, setting, entry.mark);
      }
    }
    const std::string below = path.empty() ? entry.key : path + "." + entry.key;
    if (entry.value.is(Node::Kind::kMapping) && is_table_name(below)) {
      return decode(entry.value, below);
    }
    const std::string words = unknown_key(path, entry);
    // A protection that is misspelled is one that is off.
    if (path == kOwnTable || is_own_key(entry.key)) {
      return Error(ErrorCode::kCorrupt, "error loading config: " + words);
    }
    config_.warnings.push_back(words);
    return {};
  }

  /// A key of our table, however its words are joined and wherever it stands.
  bool is_own_key(std::string key) const {
    std::replace(key.begin(), key.end(), '_', '-');
    return std::any_of(
        settings_.begin(), settings_.end(),
        [&](const Setting& s) { return s.table == kOwnTable && s.key == key; });
  }

  bool is_table_name(std::string_view path) const {
    return std::any_of(settings_.begin(), settings_.end(),
                       [&](const Setting& s) {
                         return s.table == path ||
                                (s.table.starts_with(path) &&
                                 s.table.substr(path.size()).starts_with('.'));
                       });
  }

  Result<void> store(const Node& node, const Setting& setting,
                     Mark mark) const {
    if (bool* const* flag = std::get_if<bool*>(&setting.target)) {
      if (!node.is(Node::Kind::kBool)) return mismatch(node, "bool", mark);
      **flag = node.is_true();
      return {};
    }
    if (auto* const* flag =
            std::get_if<std::optional<bool>*>(&setting.target)) {
      if (!node.is(Node::Kind::kBool)) return mismatch(node, "bool", mark);
      **flag = node.is_true();
      return {};
    }
    if (std::string* const* word = std::get_if<std::string*>(&setting.target)) {
      if (!node.is(Node::Kind::kString)) return mismatch(node, "string", mark);
      **word = node.scalar;
      return {};
    }
    if (!node.is(Node::Kind::kSequence)) {
      return mismatch(node, "[]string", mark);
    }
    std::vector<std::string> values;
    for (const Node& item : node.items) {
      if (!item.is(Node::Kind::kString)) return mismatch(item, "string", mark);
      values.push_back(item.scalar);
    }
    *std::get<std::vector<std::string>*>(setting.target) = std::move(values);
    return {};
  }

  Error mismatch(const Node& node, std::string_view wanted, Mark mark) const {
    return {
        ErrorCode::kCorrupt,
        fmt::format("error loading config: failed to unmarshal config: ({}, "
                    "{}): Can't convert {} to {} ({})",
                    mark.line, mark.column, shown(node), wanted,
                    text::at(file_name_, mark))};
  }

  std::string unknown_key(const std::string& path,
                          const text::Entry& entry) const {
    std::vector<std::string_view> known;
    for (const Setting& setting : settings_) {
      if (setting.table == path) known.push_back(setting.key);
    }
    const std::string_view nearest = text::nearest_name(entry.key, known);
    return fmt::format(
        "{}: unknown key {}{}", text::at(file_name_, entry.mark),
        text::json_string(entry.key.substr(0, 100)),
        nearest.empty() ? "" : fmt::format(", did you mean {}?", nearest));
  }

  ToolkitConfig& config_;
  std::string_view file_name_;
  std::vector<Setting> settings_;
};

/// What decoding cannot see: values that are of the right type and wrong.
Result<void> validate(const ToolkitConfig& config) {
  if (!config.cli.ldconfig.starts_with('@') &&
      !config.features.allow_ldconfig_from_container) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("nvidia-container-cli.ldconfig value {} is not "
                    "host-relative (does not start with a '@'): invalid "
                    "config value",
                    text::json_string(config.cli.ldconfig.substr(0, 200))));
  }
  return {};
}

}  // namespace

Result<ToolkitConfig> parse_toolkit_config(std::string_view text,
                                           std::string_view file_name) {
  const auto parsed = text::parse_toml(text, file_name);
  if (!parsed) {
    return Error(parsed.error().code(),
                 "error loading config: failed to load config: " +
                     parsed.error().message());
  }
  ToolkitConfig config;
  TRY_VOID(ConfigDecoder(config, file_name).decode(*parsed, ""));
  if (const auto valid = validate(config); !valid) {
    return Error(valid.error().code(),
                 fmt::format("error loading config: {} ({})",
                             valid.error().message(), file_name));
  }
  return config;
}

}  // namespace gpunode::oci
