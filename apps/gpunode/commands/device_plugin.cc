// gpunode device-plugin: what a cluster is given of the GPUNode file.
#include <memory>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/node_run.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/session.h"
#include "node/provision/plugin_delivery.h"
#include "node/provision/spec_file.h"

namespace gpunode::cli {
namespace {

constexpr const char* kFooter = R"(
values    values of gpunode's chart: the configuration, the nodes that the
          file's labels are on, its taints, and RuntimeClass or CDI where
          spec.runtime hands GPUs out by them
manifest  the same without helm, for kubectl apply
config    the configuration alone, as gpunode-agent --config-file takes it
Nothing is asked of a cluster: what is printed is applied by who may. With
`as: service` the agent is a service of each host, and the cluster needs none of
this.

Examples:
  gpunode device-plugin --as values node.yaml |
    helm upgrade -i gpunode ./deploy/helm/gpunode -n gpunode --create-namespace -f -
  gpunode device-plugin --as manifest node.yaml | kubectl apply -f -

Exit code 0: it is on standard output; 1: the file is not valid, or asks for
what that form cannot do.)";

struct Options {
  NodeOptions node;
  std::string form;
  std::string image;
};

void run(const Options& options, Session& session) {
  const auto spec = load_spec(options.node);
  if (!spec) return session.fail(spec.error());
  if (!spec->device_plugin.is_wanted) {
    return session.fail(
        Error(ErrorCode::kInvalidArgument,
              options.node.spec_path +
                  " has no `spec.devicePlugin`; `devicePlugin: {}` is one that "
                  "offers every GPU whole"));
  }
  std::string made;
  if (options.form == "values") {
    made = provision::chart_values(*spec);
  } else if (options.form == "config") {
    made = spec->device_plugin.config;
  } else {
    auto manifest = provision::plugin_manifest(*spec, options.image);
    if (!manifest) return session.fail(manifest.error());
    made = *std::move(manifest);
  }
  if (auto printed = print(made); !printed) session.fail(printed.error());
}

}  // namespace

void add_device_plugin(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "device-plugin",
      "Print the device plugin of the GPUNode file as a cluster takes it");
  const auto options = std::make_shared<Options>();
  options->node.spec_path = provision::kDefaultSpecPath;
  add_spec_file(*verb, options->node.spec_path, "The GPUNode file");
  verb->add_option("--as", options->form, "values, manifest or config")
      ->required()
      ->check(CLI::IsMember({"values", "manifest", "config"}));
  verb->add_option("--image", options->image,
                   "The agent's image, of a manifest; else the one of "
                   "deploy/static");
  add_no_color(*verb);
  verb->footer(kFooter);
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
