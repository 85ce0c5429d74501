// Every option of config-manager (options.h), in the order in which NVIDIA's
// program declares them; then ours.
#include <array>

#include "agent/config/config_choice.h"
#include "agent/config/option_row.h"

namespace gpunode::config {
namespace {

using enum OptionGroup;
using enum OptionType;

constexpr std::array kRows = {
    Row{Option::kOneshot,
        {"oneshot"},
        {"ONESHOT"},
        kBool,
        "false",
        "",
        {},
        kService,
        "Choose and link once, when the node's label is known, and exit"},
    Row{Option::kKubeconfig,
        {"kubeconfig"},
        {"KUBECONFIG"},
        kText,
        "",
        "",
        {},
        kPaths,
        "How to reach the API server; empty: as this Pod's service account"},
    Row{Option::kNodeName,
        {"node-name"},
        {"NODE_NAME"},
        kText,
        "",
        "",
        {},
        kSelection,
        "The node whose label chooses; required"},
    Row{Option::kNodeLabel,
        {"node-label"},
        {"NODE_LABEL"},
        kText,
        kConfigLabel,
        "",
        {},
        kSelection,
        "The label whose value is the name of a config"},
    Row{Option::kConfigFileSrcdir,
        {"config-file-srcdir"},
        {"CONFIG_FILE_SRCDIR"},
        kText,
        "",
        "",
        {},
        kSelection,
        "Directory of the configs, a file each, as a mounted ConfigMap is; "
        "required"},
    Row{Option::kConfigFileDst,
        {"config-file-dst"},
        {"CONFIG_FILE_DST"},
        kText,
        "",
        "",
        {},
        kPaths,
        "The link to make to the chosen config; required"},
    Row{Option::kDefaultConfig,
        {"default-config"},
        {"DEFAULT_CONFIG"},
        kText,
        "",
        "",
        {},
        kSelection,
        "Config of a node without the label; empty: by --fallback-strategies"},
    Row{Option::kFallbackStrategies,
        {"fallback-strategies"},
        {"FALLBACK_STRATEGIES"},
        kTextList,
        "",
        "",
        {"named", "single", "empty"},
        kSelection,
        "What to try in turn without label and default: the config named "
        "'default', the only one there is, none"},
    Row{Option::kSendSignal,
        {"send-signal"},
        {"SEND_SIGNAL"},
        kBool,
        "true",
        "",
        {},
        kService,
        "Signal --process-to-signal after a change"},
    Row{Option::kSignal,
        {"signal"},
        {"SIGNAL"},
        kInteger,
        "1",
        "",
        {},
        kService,
        "The signal's number; 1 is SIGHUP"},
    Row{Option::kProcessToSignal,
        {"process-to-signal"},
        {"PROCESS_TO_SIGNAL"},
        kText,
        "nvidia-device-plugin",
        "",
        {},
        kService,
        "Which process: the first that was called by exactly this word"},
    Row{Option::kLogLevel,
        {"log-level"},
        {"GPUNODE_LOG_LEVEL"},
        kText,
        "info",
        "",
        {"debug", "info", "warning", "error"},
        kService,
        "Least important event that is logged",
        true},
};

constexpr auto kTable = make_table(kRows);

}  // namespace

std::span<const OptionSpec> manager_option_table() {
  return kTable;
}

}  // namespace gpunode::config
