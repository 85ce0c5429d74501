#include "agent/config/load.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/config/chosen.h"
#include "agent/config/file_config.h"
#include "agent/config/go_json.h"
#include "agent/config/validate.h"
#include "base/text/go_text.h"

namespace gpunode::config {
namespace {

constexpr std::string_view kHonour =
    "remove it, or give --enable-custom-sharing";

std::string default_name(const FileSharing& sharing, const FileShare& share) {
  return sharing.rename_by_default ? share.name + ".shared" : share.name;
}

// Renames and selections are parsed and then put aside, as the peer does.
void warn_of_customs(const FileSharing& sharing, std::string_view section,
                     std::vector<Warning>& warnings) {
  const auto renamed = [&](const FileShare& share) {
    // A rename to the own name counts unless it is the default one.
    return share.rename && (!sharing.rename_by_default ||
                            *share.rename != default_name(sharing, share));
  };
  const auto selected = [](const FileShare& share) {
    return !std::holds_alternative<AllDevices>(share.devices);
  };
  const auto& all = sharing.resources;
  if (const auto first = std::ranges::find_if(all, renamed);
      first != all.end()) {
    warnings.push_back({first->rename_mark,
                        fmt::format("Setting the 'rename' field in sharing.{}."
                                    "resources is not yet supported in the "
                                    "config. Ignoring...",
                                    section),
                        std::string(kHonour)});
  }
  if (const auto first = std::ranges::find_if(all, selected);
      first != all.end()) {
    warnings.push_back({first->devices_mark,
                        fmt::format("Customizing the 'devices' field in "
                                    "sharing.{}.resources is not yet supported "
                                    "in the config. Ignoring...",
                                    section),
                        std::string(kHonour)});
  }
}

Replication replication_of(const FileSharing& sharing, bool custom,
                           bool fail_by_default) {
  Replication replication;
  replication.rename_by_default = sharing.rename_by_default;
  replication.limits = sharing.limits;
  replication.on_unsupported = sharing.on_unsupported;
  replication.compute = sharing.compute;
  replication.priority = sharing.priority;
  replication.fail_requests_greater_than_one =
      sharing.fail_requests_greater_than_one.value_or(fail_by_default);
  replication.fail_requests_given =
      sharing.fail_requests_greater_than_one.has_value();
  for (const FileShare& share : sharing.resources) {
    ReplicatedResource resource;
    resource.name = share.name;
    resource.rename = default_name(sharing, share);
    resource.replicas = share.replicas;
    if (custom) {
      if (share.rename) resource.rename = *share.rename;
      resource.devices = share.devices;
    }
    replication.resources.push_back(std::move(resource));
  }
  return replication;
}

Result<void> apply_sharing(const FileConfig& file, std::string_view file_name,
                           bool custom, Settings& settings,
                           std::vector<Warning>& warnings) {
  settings.custom_sharing = custom;
  if (file.shares) {
    if (file.time_slicing || file.mps) {
      return at_place(fmt::format("sharing.shares is set beside sharing.{}",
                                  file.mps ? "mps" : "timeSlicing"),
                      file_name, file.shares->mark,
                      "keep one of them: GPUs of a node are shared in one way");
    }
    settings.shares = replication_of(*file.shares, true, false);
  }
  if (file.time_slicing) {
    settings.time_slicing = replication_of(*file.time_slicing, custom, false);
    if (!custom) warn_of_customs(*file.time_slicing, "timeSlicing", warnings);
  }
  if (file.mps) {
    // The peer's default since there is MPS.
    settings.mps = replication_of(*file.mps, custom, true);
    if (!custom) warn_of_customs(*file.mps, "mps", warnings);
  }
  if (file.time_slicing && file.mps) {
    warnings.push_back(
        {file.time_slicing->mark,
         "both sharing.timeSlicing and sharing.mps are set: mps is used",
         "remove one of them"});
  }
  if (file.resources_mark.line != 0) {
    warnings.push_back({file.resources_mark,
                        "Customizing the 'resources' field is not yet "
                        "supported in the config. Ignoring...",
                        "remove it"});
  }
  return {};
}

void sort_by_place(std::vector<Warning>& warnings) {
  std::ranges::stable_sort(warnings, [](const Warning& a, const Warning& b) {
    return std::pair(a.mark.line, a.mark.column) <
           std::pair(b.mark.line, b.mark.column);
  });
}

Error strict_error(const std::vector<Warning>& warnings,
                   std::string_view file_name) {
  std::string text =
      fmt::format("unable to load config: refused by --strict: {}",
                  describe(warnings.front(), file_name));
  if (warnings.size() > 1) {
    fmt::format_to(std::back_inserter(text), "; and {} more",
                   warnings.size() - 1);
  }
  return {ErrorCode::kInvalidArgument, text};
}

/// The file, decoded; what follows from it alone is in `loaded`.
Result<FileConfig> read_file(const CommandLine& command_line,
                             const std::optional<ConfigText>& file,
                             Loaded& loaded) {
  FileConfig from_file;
  if (file) {
    auto decoded = decode_file(*file, loaded.warnings);
    if (!decoded) {
      return Error{decoded.error().code(),
                   fmt::format("{}error parsing config file: {}", kLoadPrefix,
                               decoded.error().message())};
    }
    from_file = *std::move(decoded);
  }
  for (const std::string& word : command_line.ignored) {
    loaded.warnings.push_back({{},
                               fmt::format("argument '{}' is ignored", word),
                               "options are written --name=value"});
  }
  const auto applied = apply_sharing(
      from_file, file ? std::string_view(file->name) : std::string_view(),
      command_line.enabled(Option::kEnableCustomSharing), loaded.settings,
      loaded.warnings);
  if (!applied) {
    return Error{applied.error().code(),
                 fmt::format("{}error parsing config file: {}", kLoadPrefix,
                             applied.error().message())};
  }
  return from_file;
}

/// Applies the options of the program by `apply`, a Result<void>(Chosen).
template <class Apply>
Result<void> load_unbounded(const CommandLine& command_line,
                            const std::optional<ConfigText>& file,
                            Loaded& loaded, const Apply& apply) {
  TRY(const FileConfig from_file, read_file(command_line, file, loaded));
  const std::string file_name = file ? file->name : std::string();
  TRY_VOID(apply(Chosen(command_line, from_file, file_name)));
  sort_by_place(loaded.warnings);
  if (command_line.enabled(Option::kStrict) && !loaded.warnings.empty()) {
    return strict_error(loaded.warnings, file_name);
  }
  return {};
}

// A file of a thousand unknown keys is one mistake, not a thousand log lines.
void keep_few(std::vector<Warning>& warnings) {
  constexpr std::size_t kMost = 50;
  if (warnings.size() <= kMost) return;
  const std::size_t left_out = warnings.size() - kMost;
  warnings.resize(kMost);
  warnings.push_back(
      {{}, fmt::format("{} further warnings are left out", left_out), ""});
}

template <class Apply>
Result<void> load_with(const CommandLine& command_line,
                       const std::optional<ConfigText>& file, Loaded& loaded,
                       const Apply& apply) {
  const auto done = load_unbounded(command_line, file, loaded, apply);
  if (!done) {
    return Error{done.error().code(), text::one_line(done.error().message())};
  }
  keep_few(loaded.warnings);
  return {};
}

}  // namespace

Result<Loaded> load(const CommandLine& command_line,
                    const std::optional<ConfigText>& file,
                    const std::function<bool()>& has_nvml) {
  Loaded loaded;
  TRY_VOID(load_with(command_line, file, loaded, [&](const Chosen& chosen) {
    return apply_options(chosen, has_nvml, loaded.settings);
  }));
  return loaded;
}

Result<LoadedDiscovery> load_discovery(const CommandLine& command_line,
                                       const std::optional<ConfigText>& file) {
  Loaded loaded;
  DiscoverySettings settings;
  TRY_VOID(load_with(command_line, file, loaded, [&](const Chosen& chosen) {
    return apply_discovery_options(chosen, loaded.settings, settings);
  }));
  settings.node = std::move(loaded.settings);
  return LoadedDiscovery{std::move(settings), std::move(loaded.warnings)};
}

}  // namespace gpunode::config
