// What the verbs that make a node have in common: from the command line to a
// plan.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/gpunode/session.h"
#include "base/console/terminal.h"
#include "base/core/result.h"
#include "base/host/host_root.h"
#include "base/host/remembering_runner.h"
#include "node/facts/host_facts.h"
#include "node/provision/journal.h"
#include "node/provision/node_spec.h"
#include "node/provision/package_forecast.h"
#include "node/provision/plan.h"
#include "node/provision/spec_file.h"

namespace CLI {
class App;
}

namespace gpunode::cli {

struct NodeOptions {
  std::string root = "/";
  std::string spec_path;
  std::vector<std::string> confirmed_wipes;
  std::vector<std::string> only;  ///< Ids of Steps; empty: all.
  bool blank_only = false;        ///< No disk is erased, whatever is confirmed.
  std::vector<std::string> ignored_preflight;  ///< Ids of checks, or "all".
  bool is_run = false;  ///< What is planned is about to be done.
  /// Of a run: a cluster that it will join may be asked first. At a boot, the
  /// network may not be there yet.
  bool asks_cluster = false;
  /// For a run: how long a package manager that somebody else uses is waited
  /// for, before anything is begun.
  unsigned lock_wait_seconds = 300;
  bool as_json = false;
  bool no_color = false;
};

/// Adds --root, --json, --no-color and the file's name as an argument.
void add_node_options(CLI::App& verb, NodeOptions& options);

/// A host, looked at, and what would be done to it.
struct NodeView {
  /// What the host's programs were asked for it: the list of all packages is
  /// had once, whoever wants to know.
  std::unique_ptr<host::RememberingRunner> questions;
  provision::NodeSpec spec;
  provision::Steps steps;
  std::vector<provision::JournalLine> journal;
  provision::History history;
  facts::HostFacts facts;
  provision::Plan plan;
};

/// Where the file lies below the root: a relative path is one of the directory
/// that the person is in, which there is only on the running host.
std::string spec_path_of(const NodeOptions& options);

/// Reads file and drop-ins; their problems are part of the answer.
Result<provision::SpecReading> read_node_spec(const NodeOptions& options);

/// The same for who needs a file without problems: those it has are printed to
/// standard error, one a line, and the Error says how many.
Result<provision::NodeSpec> load_spec(const NodeOptions& options);

/// Looks at the host and plans. Changes nothing. An Error of what the command
/// line names, a Step or a check that there is not, leaves kUsage in `session`.
Result<NodeView> view_node(const NodeOptions& options, Session& session);

/// Of an Error of view_node(): kUsage if that is what it left.
ExitCode exit_code_of_failure(const Session& session);

/// What the package manager would make of its plan; nothing for another root
/// than the running host's, whose tools are not run. By the packages that the
/// view has seen.
provision::PackageForecasts forecasts_of(const NodeOptions& options,
                                         const NodeView& view);

/// The same Step, planned from facts of now. kUnavailable if something could
/// not be looked at that could be for `view`.
Result<provision::StepPlan> replan_step(const NodeOptions& options,
                                        const NodeView& view,
                                        const provision::History& history,
                                        Session& session,
                                        std::string_view step);

/// All Steps, planned from facts of now: whether what was done is all there
/// was to do.
Result<provision::Plan> replan_all(const NodeOptions& options,
                                   const NodeView& view,
                                   const provision::History& history,
                                   Session& session);

/// Work of this kind needs root; kPermissionDenied with what to type.
Result<void> require_root(const NodeOptions& options, const char* command);

/// How to write to standard output.
console::Terminal terminal_of(const NodeOptions& options,
                              const Session& session);

/// 3 if anything is refused, 5 if a person must act first, 2 if there is
/// something to do, 0 if not.
ExitCode exit_code_of(const provision::Plan& plan);

}  // namespace gpunode::cli
