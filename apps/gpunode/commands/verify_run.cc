#include "apps/gpunode/commands/verify_run.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/gpunode/commands/stop_signals.h"
#include "apps/gpunode/commands/verify_container.h"
#include "apps/gpunode/commands/verify_pod.h"
#include "gpu/procfs/driver_library.h"

namespace gpunode::cli {
namespace {

constexpr const char* kDcgm = "/usr/bin/dcgmi";

/// Runs gpunode-probe on the host's libraries.
class Probe {
 public:
  Probe(const VerifyOptions& options, host::CommandRunner& runner)
      : options_(options),
        driver_root_(
            host::HostRoot(options.node.root).outside(options.driver_root)),
        runner_(runner) {}

  Result<std::string> health() const {
    TRY(const host::Command ask, command("--health", "libnvidia-ml.so.1"));
    return runner_.output(ask);
  }

  Result<host::Completed> add_vectors(const std::string& uuid) const {
    auto add = command("--vectoradd", "libcuda.so.1");
    if (!add) {
      return host::Completed{diagnose::kNoCudaLibrary, "",
                             add.error().message()};
    }
    // By UUID: CUDA has an order of its own.
    add->env.push_back("CUDA_VISIBLE_DEVICES=" + uuid);
    return runner_.run(*add);
  }

 private:
  /// Of another root only its own libraries are loaded: those of this machine
  /// would be asked about this machine.
  Result<host::Command> command(const char* task, const char* library) const {
    const procfs::DriverLibrary found =
        procfs::find_driver_library(driver_root_, library);
    if (driver_root_.prefix() != "/" && found.path == library) {
      return Error(ErrorCode::kNotFound,
                   fmt::format("there is no {} in {}", library,
                               fmt::join(found.looked_in, ", ")));
    }
    host::Command command;
    command.argv = {options_.probe, task, "--library", found.path};
    command.timeout = std::chrono::seconds(options_.timeout_seconds);
    return command;
  }

  const VerifyOptions& options_;
  host::HostRoot driver_root_;
  host::CommandRunner& runner_;
};

void append(diagnose::VerifyChecks more, diagnose::VerifyChecks& all) {
  std::move(more.begin(), more.end(), std::back_inserter(all));
}

void ask_driver(const VerifyOptions& options, const diagnose::DoctorLook& look,
                host::CommandRunner& runner, diagnose::VerifyChecks& checks) {
  const Probe probe(options, runner);
  const Result<std::string> health = probe.health();
  diagnose::VerifyChecks nvml = diagnose::verify_nvml(look.host, health);
  const bool has_started = nvml.front().verdict == diagnose::Verdict::kPass;
  append(std::move(nvml), checks);
  if (options.level < 3) return;
  if (!has_started) {
    return append(diagnose::skipped_level(3, "NVML does not start"), checks);
  }
  append(diagnose::verify_cuda(diagnose::run_cuda(
             diagnose::cuda_targets(look.host, health),
             [&](const std::string& uuid) { return probe.add_vectors(uuid); })),
         checks);
}

/// Levels 0 to 3.
diagnose::VerifyChecks ask_host(const VerifyOptions& options,
                                const diagnose::DoctorLook& look,
                                host::CommandRunner& runner) {
  const int last = std::min(options.level, diagnose::kHostLevel);
  diagnose::VerifyChecks checks =
      diagnose::verify_pci(look.host, options.expected);
  const bool has_gpu = checks.front().verdict == diagnose::Verdict::kPass;
  if (last >= 1) append(diagnose::verify_module(look), checks);
  if (last < 2) return checks;
  const bool has_driver =
      !diagnose::running_driver_of(look.host).version.empty();
  if (has_gpu && has_driver) {
    ask_driver(options, look, runner, checks);
    return checks;
  }
  const char* reason = has_gpu ? "no module is loaded" : "there is no GPU";
  for (int level = 2; level <= last; ++level) {
    append(diagnose::skipped_level(level, reason), checks);
  }
  return checks;
}

/// Levels 5 and 6.
diagnose::VerifyChecks ask_cluster(const VerifyOptions& options,
                                   const host::HostRoot& host, std::size_t gpus,
                                   Session& session) {
  auto cluster = ClusterAccess::open(options.cluster, host, session);
  diagnose::VerifyChecks checks = diagnose::verify_kubelet(
      cluster
          ? (*cluster)->client().get(kube::nodes(), {"", (*cluster)->node()})
          : Result<std::string>(cluster.error()),
      gpus);
  if (options.level < 6) return checks;
  const bool offers = !diagnose::has_failed(checks);
  if (!offers || options.cluster.kubeconfig.empty()) {
    append(diagnose::skipped_level(
               6, offers ? "no --kubeconfig: the kubelet's own may not make "
                           "Pods; --print-pod prints one to apply yourself"
                         : "level 5 has failed"),
           checks);
    return checks;
  }
  diagnose::TrialPod pod = options.pod;
  // Other nodes may be verified at the same time.
  pod.name += fmt::format("-{:08x}", std::random_device{}());
  if (pod.node.empty()) pod.node = (*cluster)->node();
  const std::atomic<bool>& is_stopped = stop_on_signals();
  append(diagnose::verify_pod(
             run_pod((*cluster)->client(), pod,
                     {std::chrono::seconds(options.pod_timeout_seconds),
                      [&] { return is_stopped.load(); }})),
         checks);
  return checks;
}

diagnose::VerifyChecks ask_diagnostics(const VerifyOptions& options,
                                       const host::HostRoot& host,
                                       host::CommandRunner& runner) {
  if (host.prefix() != "/" || !host.exists(kDcgm)) {
    return diagnose::skipped_level(
        7, fmt::format("there is no {}, of the package datacenter-gpu-manager",
                       kDcgm));
  }
  host::Command command;
  command.argv = {kDcgm, "diag", "--run", std::to_string(options.diagnostics),
                  "--json"};
  command.timeout = std::chrono::minutes(60);
  return diagnose::verify_diagnostics(runner.run(command));
}

}  // namespace

diagnose::ExpectedGpus expected_gpus(const NodeOptions& node) {
  diagnose::ExpectedGpus expected;
  const host::HostRoot host(node.root);
  if (!host.exists(spec_path_of(node))) return expected;
  const auto reading = read_node_spec(node);
  if (!reading || !reading->problems.empty()) {
    expected.unknown = fmt::format(
        "{} cannot be used: `gpunode validate` says why", node.spec_path);
    return expected;
  }
  expected.count = reading->spec.gpu.count;
  expected.kinds = reading->spec.gpu.expect;
  return expected;
}

diagnose::VerifyChecks ask_levels(const VerifyOptions& options,
                                  const diagnose::DoctorLook& look,
                                  Session& session) {
  const host::HostRoot host(options.node.root);
  diagnose::VerifyChecks checks;
  if (options.first <= diagnose::kHostLevel) {
    checks = ask_host(options, look, session.runner);
    std::erase_if(checks, [&](const diagnose::VerifyCheck& check) {
      return check.level < options.first;
    });
  }
  if (options.level >= 4 && options.first <= 4) {
    const bool works = !diagnose::has_failed(checks);
    append(works ? diagnose::verify_container(try_container(
                       {options.vectoradd, options.runtime,
                        std::chrono::seconds(options.timeout_seconds)},
                       host, session.runner))
                 : diagnose::skipped_level(4, "a level before has failed"),
           checks);
  }
  if (options.level >= 5 && options.first <= 6) {
    append(ask_cluster(options, host, look.host.gpus.size(), session), checks);
  }
  if (options.level >= 7) {
    append(ask_diagnostics(options, host, session.runner), checks);
  }
  return checks;
}

}  // namespace gpunode::cli
