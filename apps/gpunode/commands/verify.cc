// gpunode verify: whether the GPUs work, from the bus up to CUDA. Changes
// nothing.
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/gpu_names.h"
#include "apps/gpunode/commands/node_run.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/session.h"
#include "gpu/procfs/driver_library.h"
#include "node/diagnose/verify_levels.h"
#include "node/diagnose/verify_report.h"

namespace gpunode::cli {
namespace {

constexpr const char* kFooter = R"(
Levels, each with those before it:
  0  PCI: GPUs, links, memory regions; whether one has fallen off the bus
  1  module: loaded, bound, of this kernel and of its libraries; the log
  2  NVML: starts, counts, answers; memory, modes, persistence, NVLink fabric
  3  CUDA: adds two vectors on each GPU
Levels 2 and 3 wake the GPUs, and load the driver's libraries in a process of
their own, gpunode-probe: one that hangs is ended after --timeout. Nothing is
changed.

Examples:
  gpunode verify
  gpunode verify --level 1 --json

Exit code 0: nothing has failed; 7: something has; 1: it could not be asked;
8: there is no Linux host at that root.)";

struct Options {
  NodeOptions node;
  std::string driver_root = "/";
  std::string probe;
  int level = diagnose::kHighestLevel;
  int timeout_seconds = 60;
};

/// Runs gpunode-probe on the host's libraries.
class Probe {
 public:
  Probe(const Options& options, host::CommandRunner& runner)
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

  const Options& options_;
  host::HostRoot driver_root_;
  host::CommandRunner& runner_;
};

void append(diagnose::VerifyChecks more, diagnose::VerifyChecks& all) {
  std::move(more.begin(), more.end(), std::back_inserter(all));
}

void ask_driver(const Options& options, const diagnose::DoctorLook& look,
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

diagnose::VerifyChecks ask(const Options& options,
                           const diagnose::DoctorLook& look,
                           host::CommandRunner& runner) {
  diagnose::VerifyChecks checks = diagnose::verify_pci(look.host);
  const bool has_gpu = checks.front().verdict == diagnose::Verdict::kPass;
  if (options.level >= 1) append(diagnose::verify_module(look), checks);
  if (options.level < 2) return checks;
  const bool has_driver =
      !diagnose::running_driver_of(look.host).version.empty();
  if (has_gpu && has_driver) {
    ask_driver(options, look, runner, checks);
    return checks;
  }
  const char* reason = has_gpu ? "no module is loaded" : "there is no GPU";
  for (int level = 2; level <= options.level; ++level) {
    append(diagnose::skipped_level(level, reason), checks);
  }
  return checks;
}

void run(const Options& options, Session& session) {
  const host::HostRoot host(options.node.root);
  const auto look = diagnose::look_for_doctor(host, session.runner);
  if (!look) {
    return session.fail(
        Error(ErrorCode::kUnsupported,
              look.error().message() + ": no Linux host at " + host.prefix() +
                  "; name its root with --root"),
        ExitCode::kUnsupportedHost);
  }
  const diagnose::VerifyChecks checks = ask(options, *look, session.runner);
  if (diagnose::has_failed(checks)) {
    session.outcome = ExitCode::kVerificationFailed;
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
      "verify", "Say whether the GPUs work, from the bus up to CUDA");
  const auto options = std::make_shared<Options>();
  verb->add_option("--level", options->level, "The last level to ask")
      ->capture_default_str()
      ->check(CLI::Range(0, diagnose::kHighestLevel));
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
  verb->add_flag("--json", options->node.as_json,
                 "One JSON object (docs/formats/verify.md)");
  add_no_color(*verb, options->node.no_color);
  verb->footer(kFooter);
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
