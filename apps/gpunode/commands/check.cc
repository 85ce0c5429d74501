// gpunode check: what has changed on this node since it was made, and what will
// break. Changes nothing but the Node's condition and the metrics file.

#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "apps/gpunode/commands/check_condition.h"
#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/declared_node.h"
#include "apps/gpunode/commands/linux_host.h"
#include "apps/gpunode/commands/output_options.h"
#include "base/host/file.h"
#include "node/diagnose/node_check.h"
#include "node/diagnose/node_check_report.h"
#include "node/facts/certificates.h"
#include "node/facts/next_kernel.h"
#include "node/provision/spec_file.h"

namespace gpunode::cli {
namespace {

/// node_exporter does not run as root.
constexpr mode_t kMetricsMode = 0644;

constexpr const char* kFooter = R"(
Looks at the plan of the GPUNode file (what is no longer as it says), at the
kernel that is started next (whether it has an nvidia module), and at the
certificates of kubelet and control plane. Changes nothing; takes no lock. On a
machine that is in a cluster it writes the Node condition GpuNodeNeedsAttention
as its kubelet. gpunode-check.timer runs it (spec.check.interval).

Examples:
  gpunode check
  gpunode check --json --no-condition
  gpunode check --metrics-file /var/lib/node_exporter/gpunode.prom

Exit code 0: nothing to tell; 2: something is; 1: it could not be done; 8:
there is no Linux host at that root.)";

struct Options {
  NodeOptions node;
  ConditionOptions condition;
  std::string metrics_file;
  int certificate_days = 0;  ///< 0: what the file says.
  bool all = false;
  bool is_file_named = false;
};

diagnose::CheckReport examine(const Options& options, Session& session) {
  const host::HostRoot host(options.node.root);
  const auto now = std::chrono::system_clock::now();
  DeclaredNode node =
      look_at_declared_node(options.node, options.is_file_named, session);
  diagnose::CheckReport report;
  report.now = std::chrono::floor<std::chrono::seconds>(now);
  report.look = {std::move(node.plan), facts::look_at_kernel_modules(host),
                 facts::read_certificates(host)};
  const int days = options.certificate_days != 0
                       ? options.certificate_days
                       : node.spec.check.certificate_days;
  report.findings =
      diagnose::check_node(report.look, {report.now, std::chrono::days(days)});
  report.condition =
      write_condition(options.condition, host, session, report.findings, now);
  return report;
}

void run(const Options& options, Session& session) {
  const auto found = find_linux_host(host::HostRoot(options.node.root));
  if (!found) return session.fail(found.error(), ExitCode::kUnsupportedHost);
  const diagnose::CheckReport report = examine(options, session);
  if (!report.findings.empty()) session.outcome = ExitCode::kChangesPending;
  const Result<void> printed = print(
      options.node.as_json ? diagnose::check_json(report)
                           : diagnose::check_page(report, options.all)
                                 .render(terminal_of(options.node, session)));
  if (!printed) session.fail(printed.error());
  if (options.metrics_file.empty()) return;
  const Result<void> written = host::write_file_atomic(
      options.metrics_file, diagnose::check_metrics(report), kMetricsMode,
      host::Durability::kVolatile);
  if (!written) session.fail(written.error());
}

}  // namespace

void add_check(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "check", "Say what has changed on this node and what will break");
  const auto options = std::make_shared<Options>();
  options->node.spec_path = provision::kDefaultSpecPath;
  add_spec_file(*verb, options->node.spec_path,
                "What the host is to be (kind: GPUNode)");
  verb->add_option("--root", options->node.root,
                   "Look at the host mounted here")
      ->capture_default_str();
  verb->add_flag("--json", options->node.as_json,
                 "One JSON object with everything (docs/formats/check.md)");
  verb->add_flag("--all", options->all,
                 "Steps that the file does not ask for, too");
  add_no_color(*verb, options->node.no_color);
  verb->add_option("--metrics-file", options->metrics_file,
                   "Write the result here for node_exporter's textfile "
                   "collector as well");
  verb->add_option("--certificate-days", options->certificate_days,
                   "Tell of certificates that end sooner; without it what the "
                   "file says, or 30")
      ->check(CLI::Range(1, 3650));
  verb->add_flag("--no-condition", options->condition.is_off,
                 "Write no condition of the Node");
  verb->add_option("--kubeconfig", options->condition.kubeconfig,
                   "Whose Node it is; the kubelet's, as "
                   "/etc/kubernetes/kubelet.conf, unless told otherwise");
  verb->add_option("--node-name", options->condition.node_name,
                   "Name of the Node; whose the kubelet's certificate is "
                   "unless told otherwise");
  verb->add_option("--api-timeout", options->condition.timeout_seconds,
                   "Seconds that the API server has for an answer")
      ->capture_default_str()
      ->check(CLI::Range(1U, 120U));
  verb->footer(kFooter);
  verb->callback([options, verb, &session] {
    options->is_file_named = verb->count("--file") > 0;
    run(*options, session);
  });
}

}  // namespace gpunode::cli
