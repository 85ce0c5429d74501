// Which of the mounted configurations a node takes: its label, or what stands
// in for one. Pure.
//
// The order and the words are those of NVIDIA's config-manager
// (cmd/config-manager/main.go, updateConfigName); what would be right follows
// in parentheses.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::config {

/// The node label whose value names a configuration.
inline constexpr std::string_view kConfigLabel =
    "nvidia.com/device-plugin.config";

/// For a node without the label.
struct ChoiceRules {
  std::string default_config;  ///< A name that must be there; empty: none.
  /// "named", "single" and "empty", tried in this order without a default.
  std::vector<std::string> fallbacks;
};

/// What decided.
enum class ChosenBy { kLabel, kDefault, kNamed, kSingle, kEmpty };

/// "label", "default", "named", "single", "empty".
std::string_view word_of(ChosenBy by);

struct ConfigChoice {
  std::string name;  ///< Empty: the empty configuration.
  ChosenBy by = ChosenBy::kLabel;

  friend bool operator==(const ConfigChoice&, const ConfigChoice&) = default;
};

/// `label`: the label's value, whatever somebody wrote there; empty as if there
/// were none. `names`: the configurations that are there, sorted. A name is
/// only ever one of these, so that no label leads out of the directory.
/// kNotFound if there is no such configuration or nothing fits,
/// kInvalidArgument for a fallback that is none once it is its turn.
Result<ConfigChoice> choose_config(std::string_view label,
                                   std::span<const std::string> names,
                                   const ChoiceRules& rules);

}  // namespace gpunode::config
