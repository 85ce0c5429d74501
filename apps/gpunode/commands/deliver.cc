// gpunode deliver: the GPUNode file in the form that other machines take it.
#include <memory>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/given_path.h"
#include "apps/gpunode/commands/node_run.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/session.h"
#include "base/digest/digest.h"
#include "base/host/host_root.h"
#include "node/provision/delivery.h"
#include "node/provision/spec_file.h"
#include "node/rollout/bring_manifest.h"

namespace gpunode::cli {
namespace {

constexpr const char* kFooter = R"(
cloud-init  user data for EC2, OpenStack and others: #cloud-config
ignition    Fedora CoreOS and its kin, version 3.3
ansible     a playbook for machines that are there, one after the other
daemonset   a manifest for nodes of a cluster: privileged Pods, on nodes that are
            labelled for it alone, bring gpunode and the file (`gpunode bring`);
            `gpunode rollout` goes over them one by one
Each puts the file at /etc/gpunode/node.yaml and applies it without asking; the
first two by gpunode-first.service at the first boot, where reboots go on by
themselves (spec.host.reboot.mode: auto). gpunode is taken from the image, or
from --program-url, proved by --program-sha256.

Examples:
  gpunode deliver --as cloud-init node.yaml > user-data
  gpunode deliver --as daemonset --image registry/gpunode-host:1 node.yaml
  gpunode deliver --as ansible --program-url https://files.example/gpunode \
    --program-sha256 $(cut -c1-64 gpunode.sha256) node.yaml

Exit code 0: it is on standard output; 1: the file is not valid, or what is to
be fetched could not be trusted; 64: the command line is wrong.)";

struct Options {
  NodeOptions node;
  std::string form;
  std::string image;
  provision::Delivery delivery;
};

void print_daemonset(const Options& options, Session& session) {
  if (!options.delivery.program_url.empty() ||
      !options.delivery.program_sha256.empty()) {
    return session.fail(
        Error(ErrorCode::kInvalidArgument,
              "a DaemonSet brings gpunode by its image and fetches nothing; "
              "next: without --program-url and --program-sha256"),
        ExitCode::kUsage);
  }
  if (options.image.empty()) {
    return session.fail(
        Error(ErrorCode::kInvalidArgument,
              "--image is missing: the image with gpunode that nodes can pull "
              "(docs/many-nodes.md says how it is made)"),
        ExitCode::kUsage);
  }
  const std::string made = rollout::bring_yaml(
      {options.delivery.spec, digest::sha256(options.delivery.spec),
       options.image});
  if (auto printed = print(made); !printed) session.fail(printed.error());
}

void run(Options& options, Session& session) {
  const auto spec = load_spec(options.node);
  if (!spec) return session.fail(spec.error());
  options.delivery.needs_runtime =
      spec->runtime.is_wanted &&
      spec->runtime.gpu_mode != provision::GpuMode::kCdi;
  auto text = host::HostRoot("/").read_file(given_path(options.node.spec_path));
  if (!text) return session.fail(text.error());
  options.delivery.spec = *std::move(text);
  if (options.form == "daemonset") return print_daemonset(options, session);
  if (!options.image.empty()) {
    return session.fail(Error(ErrorCode::kInvalidArgument,
                              "--image is of --as daemonset alone"),
                        ExitCode::kUsage);
  }
  if (auto good = provision::check_delivery(options.delivery); !good) {
    return session.fail(good.error());
  }
  std::string made;
  if (options.form == "cloud-init") {
    made = provision::cloud_config(options.delivery);
  } else if (options.form == "ignition") {
    made = provision::ignition_config(options.delivery);
  } else {
    made = provision::ansible_playbook(options.delivery);
  }
  if (auto printed = print(made); !printed) session.fail(printed.error());
}

}  // namespace

void add_deliver(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "deliver",
      "Print the GPUNode file as other machines' first boot takes it");
  const auto options = std::make_shared<Options>();
  options->node.spec_path = provision::kDefaultSpecPath;
  add_spec_file(*verb, options->node.spec_path, "The GPUNode file");
  verb->add_option("--as", options->form,
                   "cloud-init, ignition, ansible or daemonset")
      ->required()
      ->check(
          CLI::IsMember({"cloud-init", "ignition", "ansible", "daemonset"}));
  verb->add_option("--program-url", options->delivery.program_url,
                   "Where machines fetch gpunode from, by https");
  verb->add_option("--program-sha256", options->delivery.program_sha256,
                   "SHA-256 of what they must find there");
  verb->add_option("--image", options->image,
                   "daemonset: the image with gpunode, as nodes can pull it");
  add_no_color(*verb);
  verb->footer(kFooter);
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
