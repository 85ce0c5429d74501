// The manual page, from the option table.
#include <cctype>
#include <iterator>

#include <fmt/format.h>

#include "agent/config/help.h"
#include "agent/config/option_text.h"

namespace gpunode::config {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

// A line of troff text: no escapes, no requests, hyphens that stay hyphens.
std::string troff(std::string_view text) {
  std::string out;
  if (text.starts_with('.') || text.starts_with('\'')) out = "\\&";
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

void append_option(std::string& out, const OptionSpec& spec) {
  out += ".TP\n";
  for (const std::string_view name : spec.names) {
    if (name != spec.names.front()) out += ", ";
    fmt::format_to(std::back_inserter(out), R"(\fB\-\-{}\fR)", troff(name));
  }
  if (const std::string_view argument = argument_of(spec); !argument.empty()) {
    fmt::format_to(std::back_inserter(out), R"( \fI{}\fR)", argument);
  }
  fmt::format_to(std::back_inserter(out), "\n{}.\n", troff(spec.help));
  if (const std::string facts = facts_of(spec); !facts.empty()) {
    fmt::format_to(std::back_inserter(out), "{}\n", troff(facts));
  }
}

/// What the pages of the programs do not share, in troff.
struct ManText {
  std::string_view name;
  std::string_view description;
  std::string_view signals;
};

constexpr ManText kPluginText = {
    "offer the NVIDIA GPUs of a node to its kubelet",
    "A Kubernetes device plugin. It takes the options, environment "
    "variables\n"
    "and config files of NVIDIA's device plugin.",
    ".SH SIGNALS\n.TP\nSIGHUP\n"
    "Read the config file again. What changed is served anew, what did not "
    "stays\n"
    "as it is; a file that does not validate is reported and the last good one "
    "kept.\n"
    ".TP\nSIGTERM, SIGINT, SIGQUIT\n"
    "Tell the kubelet that no Device is left, close the sockets and end, "
    "within a\nsecond. Containers keep what they have.\n"};

constexpr ManText kDiscoveryText = {
    "label a node by its NVIDIA GPUs",
    "Writes the node's NodeFeature object, or the feature file of Node "
    "Feature\nDiscovery. It takes the options, "
    "environment variables and config files of NVIDIA's GPU feature discovery.",
    ".SH SIGNALS\n.TP\nSIGHUP\n"
    "Read the config file again and look at the node; a file that does not\n"
    "validate is reported and the last good one kept.\n"
    ".TP\nSIGTERM, SIGINT, SIGQUIT\n"
    "Remove the feature file and end. It stays with an infinite "
    "\\-\\-sleep\\-interval.\n"};

constexpr ManText kManagerText = {
    "link the configuration that a node's label chooses",
    "Makes a link to one of the files of a mounted ConfigMap, the one that the "
    "label\n"
    "of this node names, and signals the process that reads it. It takes the "
    "options\n"
    "and environment variables of NVIDIA's config\\-manager.",
    ".SH SIGNALS\n.TP\nSIGHUP\n"
    "Choose again: the files may have changed.\n"
    ".TP\nSIGTERM, SIGINT, SIGQUIT\n"
    "End. The link stays.\n"};

const ManText& text_of(Program program) {
  switch (program) {
    case Program::kFeatureDiscovery:
      return kDiscoveryText;
    case Program::kConfigManager:
      return kManagerText;
    case Program::kDevicePlugin:
      break;
  }
  return kPluginText;
}

}  // namespace

std::string man_page(std::string_view program, std::string_view version) {
  const std::string name = program_name(program);
  const Program which = program_called(name);
  const ManText& text = text_of(which);
  std::string out = fmt::format(
      ".TH {} 8 \"\" \"gpunode {}\" \"System Administration\"\n"
      ".SH NAME\n{} \\- {}\n"
      ".SH SYNOPSIS\n.B {}\n[\\fIoptions\\fR]\n"
      ".SH DESCRIPTION\n{} A flag beats its environment\n"
      "variable, which beats the config file, which beats the default.\n",
      upper(name), version, troff(name), text.name, troff(name),
      text.description);
  for (const OptionGroup group : kOptionGroups) {
    const auto options = options_of(option_table(which), group);
    if (options.empty()) continue;
    fmt::format_to(std::back_inserter(out), ".SH {} OPTIONS\n",
                   upper(heading_of(group)));
    for (const OptionSpec* spec : options) append_option(out, *spec);
  }
  out += ".SH OTHER OPTIONS\n";
  for (const BuiltinOption& option : kBuiltinOptions) {
    fmt::format_to(std::back_inserter(out), ".TP\n\\fB\\-\\-{}\\fR",
                   option.name);
    if (!option.argument.empty()) {
      fmt::format_to(std::back_inserter(out), R"( \fI{}\fR)", option.argument);
    }
    fmt::format_to(std::back_inserter(out), "\n{}.\n", troff(option.help));
  }
  out += text.signals;
  out +=
      ".SH EXIT STATUS\n.TP\n0\nAsked to stop, or did what was asked.\n"
      ".TP\n1\nAny error; the last line on standard error says which.\n";
  return out;
}

}  // namespace gpunode::config
