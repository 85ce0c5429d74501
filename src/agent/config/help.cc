#include "agent/config/help.h"

#include <iterator>

#include <fmt/format.h>

#include "agent/config/option_text.h"

namespace gpunode::config {
namespace {

constexpr std::size_t kWidth = 79;
constexpr std::string_view kIndent = "        ";

void append_wrapped(std::string& out, std::string_view text) {
  std::size_t column = kWidth + 1;  // Starts a line.
  bool first = true;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(space == std::string_view::npos ? text.size()
                                                       : space + 1);
    if (column + 1 + word.size() > kWidth) {
      if (!first) out += '\n';
      out += kIndent;
      column = kIndent.size();
    } else {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    first = false;
  }
  out += '\n';
}

void append_option(std::string& out, const OptionSpec& spec) {
  const std::string_view argument = argument_of(spec);
  out += "  ";
  for (const std::string_view name : spec.names) {
    if (name != spec.names.front()) out += ", ";
    fmt::format_to(std::back_inserter(out), "--{}", name);
  }
  if (!argument.empty())
    fmt::format_to(std::back_inserter(out), " {}", argument);
  out += '\n';
  append_wrapped(out, fmt::format("{}.", spec.help));
  const std::string facts = facts_of(spec);
  if (!facts.empty()) append_wrapped(out, facts);
}

void append_builtins(std::string& out) {
  out += "\nHelp:\n";
  for (const BuiltinOption& option : kBuiltinOptions) {
    fmt::format_to(std::back_inserter(out), "  --{}", option.name);
    if (!option.alias.empty()) {
      fmt::format_to(std::back_inserter(out), ", -{}", option.alias);
    }
    if (!option.argument.empty()) {
      fmt::format_to(std::back_inserter(out), " {}", option.argument);
    }
    out += '\n';
    append_wrapped(out, fmt::format("{}.", option.help));
  }
}

constexpr std::string_view kRules = R"(
How values are found:
  A flag beats its environment variable, which beats the config file, which
  beats the default; each option for itself. Switches are turned off with
  =false. Lists are separated by commas, or the flag is repeated. A variable
  that is set but empty counts as given. One dash does as well as two.
)";

constexpr std::string_view kExitCodes = R"(
Exit codes:
  0  asked to stop, or did what was asked (help, version, a single look)
  1  any error; the last line on standard error says which
)";

std::string_view summary_of(Program program) {
  if (program == Program::kFeatureDiscovery) {
    return "Labels this node by its NVIDIA GPUs, through Node Feature "
           "Discovery. Takes\n"
           "the options, variables and config files of NVIDIA's GPU feature "
           "discovery.\n";
  }
  if (program == Program::kConfigManager) {
    return "Links the configuration that the node's label chooses to where a "
           "device\n"
           "plugin reads it, and signals that. Takes the options and variables "
           "of\n"
           "NVIDIA's config-manager.\n";
  }
  return "Offers the NVIDIA GPUs of this node to its kubelet. Takes the "
         "options,\n"
         "variables and config files of NVIDIA's Kubernetes device plugin.\n";
}

std::string examples(Program program, const std::string& name) {
  if (program == Program::kFeatureDiscovery) {
    return fmt::format(
        "\nExamples:\n"
        "  See the labels of this machine, before it is in any cluster:\n"
        "      {0} --use-node-feature-api=false --oneshot --output-file=\n"
        "  Keep the feature file of Node Feature Discovery's worker:\n"
        "      {0} --use-node-feature-api=false\n"
        "  Keep the node's NodeFeature object, from outside the cluster:\n"
        "      {0} --kubeconfig=admin.conf --node-name=gpu-1\n",
        name);
  }
  if (program == Program::kConfigManager) {
    return fmt::format(
        "\nExamples:\n"
        "  Follow the label of a node, from outside the cluster:\n"
        "      {0} --kubeconfig=admin.conf --node-name=gpu-1 \\\n"
        "          --config-file-srcdir=configs "
        "--config-file-dst=config.yaml\n",
        name);
  }
  return fmt::format(
      "\nExamples:\n"
      "  Share every GPU among 20 Pods, from a file that holds\n"
      "    version: v1\n"
      "    sharing: {{timeSlicing: {{resources: [{{name: nvidia.com/gpu, "
      "replicas: 20}}]}}}}\n"
      "      {0} --config-file=/config/config.yaml\n"
      "  See what a configuration amounts to, without serving it:\n"
      "      {0} --config-file=config.yaml --strict --config-check\n"
      "  Let the container runtime inject devices by CDI:\n"
      "      {0} --device-list-strategy=cdi-cri\n",
      name);
}

}  // namespace

std::string help_text(std::string_view program) {
  const std::string name = program_name(program);
  const Program which = program_called(name);
  std::string out =
      fmt::format("Usage: {} [options]\n\n{}", name, summary_of(which));
  for (const OptionGroup group : kOptionGroups) {
    const auto options = options_of(option_table(which), group);
    if (options.empty()) continue;
    fmt::format_to(std::back_inserter(out), "\n{}:\n", heading_of(group));
    for (const OptionSpec* spec : options) append_option(out, *spec);
  }
  append_builtins(out);
  out += kRules;
  out += examples(which, name);
  out += kExitCodes;
  return out;
}

std::string usage_error_text(const Error& error, std::string_view program) {
  return fmt::format("Incorrect Usage: {}\n\n{}", error.message(),
                     help_text(program));
}

}  // namespace gpunode::config
