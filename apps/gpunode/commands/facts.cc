#include <algorithm>
#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "agent/config/command_line.h"
#include "agent/config/config_source.h"
#include "agent/config/load.h"
#include "agent/labels/machine_facts.h"
#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/facts_host.h"
#include "apps/gpunode/commands/gpu_names.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/session.h"
#include "base/text/json_splice.h"
#include "base/text/node.h"
#include "gpu/procfs/annotation.h"
#include "gpu/procfs/driver_library.h"
#include "gpu/procfs/gpu_list.h"
#include "node/facts/probe_report.h"

namespace gpunode::cli {
namespace {

constexpr const char* kNvml = "libnvidia-ml.so.1";

struct Options {
  HostFactsOptions host;
  std::string driver_root = "/";
  std::string probe;
  std::string mig_strategy;
  std::string config_file;
  std::string machine_type_file;
  bool wants_labels = false;
  bool has_timestamp = true;
};

// As gpu-feature-discovery reads the same words.
Result<config::DiscoverySettings> settings_of(const Options& options) {
  std::vector<std::string> words = {"--use-node-feature-api=false",
                                    "--host-root=" + options.host.root};
  if (!options.mig_strategy.empty()) {
    words.push_back("--mig-strategy=" + options.mig_strategy);
  }
  if (!options.machine_type_file.empty()) {
    words.push_back("--machine-type-file=" + options.machine_type_file);
  }
  TRY(const config::CommandLine line,
      config::parse_command_line(words, {},
                                 config::Program::kFeatureDiscovery));
  std::optional<config::ConfigText> file;
  if (!options.config_file.empty()) {
    TRY(file, config::read_config_file(options.config_file));
  }
  TRY(config::LoadedDiscovery loaded, config::load_discovery(line, file));
  for (const config::Warning& warning : loaded.warnings) {
    fmt::print(stderr, "gpunode: warning: {}\n",
               harmless(config::describe(warning, options.config_file)));
  }
  return std::move(loaded.settings);
}

Result<device::Inventory> read_inventory(const Options& options,
                                         const host::HostRoot& host,
                                         host::CommandRunner& runner) {
  const host::HostRoot driver_root(host.outside(options.driver_root));
  const std::string library =
      procfs::find_driver_library(driver_root, kNvml).path;
  TRY(const std::string json, ask_probe(options.probe, library, runner));
  return facts::parse_described_gpus(json);
}

// What the kernel has and the driver did not describe.
std::vector<std::string> missing_gpus(const device::Inventory& inventory,
                                      const host::HostRoot& host) {
  std::vector<std::string> remarks;
  const auto listed = procfs::list_gpus(host);
  if (!listed) return remarks;
  for (const device::Gpu& gpu : listed->gpus) {
    const bool is_described =
        std::ranges::any_of(inventory.gpus, [&](const device::Gpu& described) {
          return described.pci_bus_id == gpu.pci_bus_id;
        });
    const bool is_lost = std::ranges::any_of(
        inventory.lost,
        [&](const device::LostGpu& lost) { return lost.id == gpu.id; });
    if (is_described || is_lost) continue;
    remarks.push_back(
        fmt::format("the GPU at {} is not counted: the driver does not "
                    "describe it; its reason is in the kernel's log",
                    gpu.pci_bus_id));
  }
  return remarks;
}

std::string as_json(const labels::LabelSet& labels) {
  std::vector<std::pair<std::string_view, std::string>> members;
  for (const auto& [key, value] : labels) {
    members.emplace_back(key, text::json_string(value));
  }
  return text::json_object(members) + "\n";
}

Result<void> show_labels(const Options& options, host::CommandRunner& runner) {
  TRY(const config::DiscoverySettings settings, settings_of(options));
  const host::HostRoot host(options.host.root);
  TRY(device::Inventory inventory, read_inventory(options, host, runner));
  std::vector<std::string> remarks = missing_gpus(inventory, host);
  static_cast<void>(procfs::annotate(inventory, host));
  labels::NodeLabels made = labels::label_this_node(
      inventory, settings.node, settings.machine_type_file,
      options.has_timestamp ? std::optional(labels::unix_now()) : std::nullopt);
  std::ranges::move(made.remarks, std::back_inserter(remarks));
  for (const std::string& remark : remarks) {
    fmt::print(stderr, "gpunode: warning: {}\n", harmless(remark));
  }
  return print(options.host.as_json ? as_json(made.labels)
                                    : labels::to_feature_file(made.labels));
}

void run(const Options& options, Session& session) {
  const Result<void> shown = options.wants_labels
                                 ? show_labels(options, session.runner)
                                 : show_host(options.host, session.runner);
  if (shown) return;
  session.fail(shown.error(), shown.error().code() == ErrorCode::kUnsupported &&
                                      !options.wants_labels
                                  ? ExitCode::kUnsupportedHost
                                  : ExitCode::kError);
}

}  // namespace

void add_facts(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "facts", "Show what this node is, without changing anything");
  const auto options = std::make_shared<Options>();
  CLI::Option* labels = verb->add_flag(
      "--labels", options->wants_labels,
      "The labels that the agent would give the node, in place of the host");
  CLI::Option* root = verb->add_option("--root", options->host.root,
                                       "Look at the host mounted here")
                          ->capture_default_str();
  verb->add_flag("--json", options->host.as_json, "One JSON object");
  add_no_color(*verb);
  CLI::Option* from =
      verb->add_option("--from", options->host.from,
                       "Look at the host of this bundle, a file or a folder")
          ->excludes(root)
          ->excludes(labels);
  verb->add_option("--export", options->host.export_file,
                   "Write a bundle of the host to this file, secrets hashed")
      ->excludes(from)
      ->excludes(labels);
  verb->add_option("--config-file", options->config_file,
                   "The device plugin's configuration, which decides on "
                   "replicas and sharing")
      ->needs(labels);
  verb->add_option("--mig-strategy", options->mig_strategy,
                   "none, single or mixed")
      ->needs(labels);
  verb->add_option("--machine-type-file", options->machine_type_file,
                   "What names the machine; DMI's product name by default")
      ->needs(labels);
  verb->add_flag("!--no-timestamp", options->has_timestamp,
                 "Without nvidia.com/gfd.timestamp")
      ->needs(labels);
  verb->add_option("--driver-root", options->driver_root,
                   "Where on the host the driver is installed")
      ->capture_default_str()
      ->needs(labels);
  add_probe(*verb, options->probe)->needs(labels);
  verb->footer(
      "\nReads, and changes nothing. Needs neither driver nor network.\n"
      "With --labels: those of GPU feature discovery, a line key=value each.\n"
      "That needs the driver, and neither Kubernetes nor the agent; it wakes\n"
      "every GPU, which takes seconds on a node without persistence mode.\n"
      "\nExamples:\n"
      "  gpunode facts\n"
      "  gpunode facts --export host.tar, and elsewhere --from host.tar\n"
      "  gpunode facts --labels --mig-strategy mixed --config-file "
      "plugin.yaml\n"
      "\nExit code 0: it is told; 1: it could not be; 8: there is no Linux "
      "host at that root;\n64: the command line is wrong.");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
