// spec.devicePlugin.config as gpunode-agent would take it.
#pragma once

#include <string>
#include <vector>

namespace gpunode::cli {

/// What the agent would refuse or warn of, in its words, with the line of
/// `gpunode device-plugin --as config`. Empty: it takes it. `config` is YAML.
std::vector<std::string> plugin_config_problems(const std::string& config);

}  // namespace gpunode::cli
