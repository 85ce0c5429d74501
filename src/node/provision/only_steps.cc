#include "node/provision/only_steps.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text/nearest.h"

namespace gpunode::provision {

bool is_guard_of(std::string_view guard, std::string_view step) {
  if (guard == step) return false;
  // Another machine's file, or a host that cannot be a node.
  if (guard == "prep.host") return true;
  // Another driver's files, or programs that use the one that runs.
  return guard == "driver.obstacles" &&
         (step.starts_with("driver.") || step.starts_with("cuda."));
}

Result<void> keep_only(const std::vector<std::string>& only, Steps& steps) {
  if (only.empty()) return {};
  std::vector<std::string_view> known;
  for (const auto& step : steps) known.push_back(step->id());
  for (const std::string& name : only) {
    if (std::ranges::find(known, name) != known.end()) continue;
    const std::string_view nearest = text::nearest_name(name, known);
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format(
            "--only={}: no such Step{}; there are {}", name,
            nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest),
            fmt::join(known, ", ")));
  }
  std::erase_if(steps, [&](const auto& step) {
    return std::ranges::none_of(only, [&](const std::string& name) {
      return name == step->id() || is_guard_of(step->id(), name);
    });
  });
  return {};
}

bool names_disks_alone(const std::vector<std::string>& only) {
  return !only.empty() && std::ranges::all_of(only, [](std::string_view name) {
    return name.starts_with("storage.") && name.ends_with(".disk");
  });
}

}  // namespace gpunode::provision
