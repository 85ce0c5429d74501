// ManagerSettings: what config-manager was told to do.
#pragma once

#include <optional>
#include <string>

#include "agent/config/command_line.h"
#include "agent/config/config_choice.h"
#include "base/core/log.h"
#include "base/core/result.h"

namespace gpunode::config {

/// Whom to tell of a change, and how.
struct ChangeSignal {
  int number = 0;
  std::string process;  ///< Its first word, to the letter.
};

struct ManagerSettings {
  bool oneshot = false;
  std::string kubeconfig;  ///< Empty: this Pod's service account.
  std::string node_name;
  std::string node_label;
  std::string source_directory;
  std::string destination;  ///< The link to make.
  ChoiceRules rules;
  std::optional<ChangeSignal> signal;
  log::Level log_level = log::Level::kInfo;
};

/// Validates as NVIDIA's config-manager does, with its words; where the value
/// was given and what would be right follow in parentheses.
Result<ManagerSettings> load_manager(const CommandLine& command_line);

}  // namespace gpunode::config
