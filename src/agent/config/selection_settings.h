// How the configuration is chosen by the node's label, if it is.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "agent/config/command_line.h"
#include "agent/config/config_choice.h"
#include "base/core/result.h"

namespace gpunode::config {

struct SelectionSettings {
  std::string directory;  ///< Of the files to choose from.
  std::string node_name;
  std::string node_label;
  ChoiceRules rules;
  std::string kubeconfig;  ///< Empty: the Pod's service account.
  std::string state_file;  ///< Of the last value of the label; empty: none.
  /// How long an unknown label is waited for; none: as long as it takes.
  std::optional<std::chrono::nanoseconds> label_timeout;
};

/// Nothing without --config-file-srcdir. kInvalidArgument in config-manager's
/// words for what is missing, for a --config-file beside it and for a time that
/// is none.
Result<std::optional<SelectionSettings>> selection_settings(
    const CommandLine& command_line);

}  // namespace gpunode::config
