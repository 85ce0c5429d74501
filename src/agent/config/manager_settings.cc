#include "agent/config/manager_settings.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "agent/config/chosen.h"
#include "agent/config/setting_words.h"
#include "base/text/go_text.h"

namespace gpunode::config {
namespace {

/// What must be given, in the order in which the peer looks.
constexpr std::array<std::pair<Option, std::string_view>, 4> kRequired = {{
    {Option::kNodeName, "give the node's name, as spec.nodeName has it"},
    {Option::kNodeLabel, "give the label's name"},
    {Option::kConfigFileSrcdir, "give the directory of the ConfigMap"},
    {Option::kConfigFileDst, "give the file that the device plugin reads"},
}};

Result<void> check_required(const Chosen& chosen) {
  for (const auto& [option, advice] : kRequired) {
    if (!chosen.get<std::string>(option).empty()) continue;
    return chosen.refuse(
        option,
        fmt::format("invalid <{}>: must not be empty string",
                    spec_of(option, Program::kConfigManager).names[0]),
        advice);
  }
  return {};
}

Result<std::optional<ChangeSignal>> read_signal(const Chosen& chosen) {
  if (!chosen.get<bool>(Option::kSendSignal)) {
    return std::optional<ChangeSignal>();
  }
  const auto& written = chosen.get<std::string>(Option::kSignal);
  TRY(const std::int64_t number, text::parse_go_int(written));
  // 0 looks whether there is a process and tells it nothing.
  if (number < 0 || number > SIGRTMAX) {
    return chosen.refuse(Option::kSignal,
                         fmt::format("invalid <signal>: {}", written),
                         fmt::format("give 1 to {}; 1 is SIGHUP", SIGRTMAX));
  }
  const auto& process = chosen.get<std::string>(Option::kProcessToSignal);
  if (process.empty()) {
    return chosen.refuse(Option::kProcessToSignal,
                         "invalid <process-to-signal>: must not be empty "
                         "string",
                         "give the first word of its command line, or "
                         "--send-signal=false");
  }
  return std::optional(ChangeSignal{static_cast<int>(number), process});
}

}  // namespace

Result<ManagerSettings> load_manager(const CommandLine& command_line) {
  const FileConfig no_file;
  const Chosen chosen(command_line, no_file, "");
  TRY_VOID(check_required(chosen));
  ManagerSettings settings;
  TRY(settings.signal, read_signal(chosen));
  const auto& level = chosen.get<std::string>(Option::kLogLevel);
  const log::Level* const found = look_up(kLevels, level);
  if (found == nullptr) {
    return chosen.refuse(Option::kLogLevel,
                         "invalid --log-level option: " + level);
  }
  settings.log_level = *found;
  settings.oneshot = chosen.get<bool>(Option::kOneshot);
  settings.kubeconfig = chosen.get<std::string>(Option::kKubeconfig);
  settings.node_name = chosen.get<std::string>(Option::kNodeName);
  settings.node_label = chosen.get<std::string>(Option::kNodeLabel);
  settings.source_directory =
      chosen.get<std::string>(Option::kConfigFileSrcdir);
  settings.destination = chosen.get<std::string>(Option::kConfigFileDst);
  settings.rules.default_config =
      chosen.get<std::string>(Option::kDefaultConfig);
  settings.rules.fallbacks =
      chosen.get<std::vector<std::string>>(Option::kFallbackStrategies);
  return settings;
}

}  // namespace gpunode::config
