// gpunode verify: whether the GPUs work, from the bus up to a Pod.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/given_path.h"
#include "apps/gpunode/commands/gpu_names.h"
#include "apps/gpunode/commands/node_run.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/commands/own_programs.h"
#include "apps/gpunode/commands/verify_run.h"
#include "apps/gpunode/session.h"
#include "base/host/host_file.h"
#include "node/diagnose/trial_pod.h"
#include "node/diagnose/verify_report.h"
#include "node/diagnose/verify_stamps.h"
#include "node/provision/spec_file.h"

namespace gpunode::cli {
namespace {

constexpr const char* kFooter = R"(
Levels, each with those before it:
  0  PCI: GPUs, as many as the GPUNode file says, links, memory regions;
     whether one has fallen off the bus
  1  module: loaded, bound, of this kernel and of its libraries; the log
  2  NVML: starts, counts, answers; memory, modes, persistence, NVLink fabric
  3  CUDA: adds two vectors on each GPU
  4  container: the same in a container, by containerd and gpunode-runtime
  5  kubelet: the Node is Ready and offers GPUs; asked as the kubelet of here
  6  Pod: the same in a Pod, made as --kubeconfig may and taken away again
  7  diagnostics: `dcgmi diag`, where NVIDIA's DCGM is installed
Levels 2 and 3 wake the GPUs, and load the driver's libraries in a process of
their own, gpunode-probe: one that hangs is ended after --timeout. Up to level 3
nothing is changed; 4 and 6 start something and take it away again.

Examples:
  gpunode verify
  gpunode verify --level 1 --json
  gpunode verify --level 6 --kubeconfig ~/.kube/config
  gpunode verify --from 4 --level 4
  gpunode verify --print-pod | kubectl apply -f -

Exit code 0: nothing has failed; 7: something has; 1: it could not be asked;
8: there is no Linux host at that root.)";

struct Options : VerifyOptions {
  bool prints_pod = false;
  std::string stamps;  ///< Directory; empty: none are written.
};

/// NVIDIA's own, as the one of the device plugin's documentation.
constexpr const char* kImage =
    "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0";

/// What was not earned goes, so that nobody waits behind it in vain.
Result<void> write_stamps(const Options& options, const host::HostRoot& host,
                          const diagnose::VerifyChecks& checks) {
  const std::string directory = given_path(options.stamps, options.node.root);
  for (const diagnose::Stamp& stamp :
       diagnose::stamps_of(checks, options.driver_root)) {
    const std::string path = directory + "/" + stamp.name;
    if (stamp.is_earned) {
      TRY_VOID(host::replace_host_file(host, path, stamp.content, {}));
    } else {
      TRY_VOID(host::remove_host_file(host, path));
    }
  }
  return {};
}

void run(const Options& options, Session& session) {
  if (options.prints_pod) {
    diagnose::TrialPod pod = options.pod;
    if (pod.node.empty()) pod.node = options.cluster.node_name;
    const auto printed = print(diagnose::pod_yaml(pod));
    if (!printed) session.fail(printed.error());
    return;
  }
  const host::HostRoot host(options.node.root);
  const auto look = diagnose::look_for_doctor(host, session.runner);
  if (!look) {
    return session.fail(
        Error(ErrorCode::kUnsupported,
              look.error().message() + ": no Linux host at " + host.prefix() +
                  "; name its root with --root"),
        ExitCode::kUnsupportedHost);
  }
  if (options.first > options.level) {
    return session.fail(
        Error(ErrorCode::kInvalidArgument,
              fmt::format("--from {} is above --level {}; next: --level {}",
                          options.first, options.level, options.first)),
        ExitCode::kUsage);
  }
  VerifyOptions asked = options;
  asked.cluster.kubeconfig =
      given_path(options.cluster.kubeconfig, options.node.root);
  asked.expected = expected_gpus(options.node);
  const diagnose::VerifyChecks checks = ask_levels(asked, *look, session);
  if (diagnose::has_failed(checks)) {
    session.outcome = ExitCode::kVerificationFailed;
  }
  if (!options.stamps.empty()) {
    const auto written = write_stamps(options, host, checks);
    if (!written) session.fail(written.error());
  }
  const Result<void> printed =
      print(options.node.as_json ? diagnose::verify_json(checks, options.level)
                                 : diagnose::verify_page(checks).render(
                                       terminal_of(options.node, session)));
  if (!printed) session.fail(printed.error());
}

}  // namespace

void add_verify(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "verify", "Say whether the GPUs work, from the bus up to a Pod");
  const auto options = std::make_shared<Options>();
  verb->add_option("--level", options->level, "The last level to ask")
      ->capture_default_str()
      ->check(CLI::Range(0, diagnose::kHighestLevel));
  verb->add_option("--from", options->first,
                   "The first level to ask, for who knows that the others pass")
      ->capture_default_str()
      ->check(CLI::Range(0, diagnose::kHighestLevel));
  options->node.spec_path = provision::kDefaultSpecPath;
  verb->add_option("-f,--file", options->node.spec_path,
                   "The GPUNode file, if there is one: how many GPUs there are "
                   "to be (spec.gpu.count)")
      ->capture_default_str();
  verb->add_option("--root", options->node.root, "Ask the host mounted here")
      ->capture_default_str();
  verb->add_option("--driver-root", options->driver_root,
                   "Where on the host the driver is installed")
      ->capture_default_str();
  add_probe(*verb, options->probe);
  verb->add_option("--timeout", options->timeout_seconds,
                   "Seconds that the driver has for an answer")
      ->capture_default_str()
      ->check(CLI::Range(1, 3600));
  add_own_program(*verb, "--runtime", options->runtime, "gpunode-runtime",
                  "Level 4: the runtime that the container is run by");
  add_own_program(*verb, "--vectoradd", options->vectoradd, "gpunode-vectoradd",
                  "Level 4: what runs in the container");
  verb->add_option("--kubeconfig", options->cluster.kubeconfig,
                   "Levels 5 and 6: who asks; default for 5: the kubelet");
  verb->add_option("--node-name", options->cluster.node_name,
                   "Levels 5 and 6: the Node's name; default: the kubelet's");
  options->pod.image = kImage;
  verb->add_option("--image", options->pod.image,
                   "Level 6: the Pod's image, whose log is to say Test PASSED")
      ->capture_default_str();
  verb->add_option("--namespace", options->pod.space,
                   "Level 6: where the Pod is made")
      ->capture_default_str();
  verb->add_option("--resource", options->pod.resource,
                   "Level 6: what the Pod asks for, once")
      ->capture_default_str();
  verb->add_option("--runtime-class", options->pod.runtime_class,
                   "Level 6: the Pod's RuntimeClass, where one is needed");
  verb->add_option("--pod-timeout", options->pod_timeout_seconds,
                   "Level 6: seconds that the Pod has, its image's pull too")
      ->capture_default_str()
      ->check(CLI::Range(1, 3600));
  verb->add_flag("--print-pod", options->prints_pod,
                 "Print that Pod as YAML, and do nothing else");
  verb->add_option("--diagnostics", options->diagnostics,
                   "Level 7: dcgmi's level; 2 takes minutes, 3 a quarter of an "
                   "hour, on idle GPUs")
      ->capture_default_str()
      ->check(CLI::Range(1, 4));
  verb->add_option("--stamps", options->stamps,
                   "Write driver-ready, toolkit-ready, cuda-ready and "
                   "plugin-ready there, as gpu-operator's validator does in "
                   "/run/nvidia/validations");
  verb->add_flag("--json", options->node.as_json,
                 "One JSON object (docs/formats/verify.md)");
  add_no_color(*verb, options->node.no_color);
  verb->footer(kFooter);
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
