// What the verbs that make a node have in common: from the command line to a
// plan.
#pragma once

#include <string>
#include <vector>

#include "apps/gpunode/session.h"
#include "base/console/terminal.h"
#include "base/core/result.h"
#include "base/host/host_root.h"
#include "node/facts/host_facts.h"
#include "node/provision/journal.h"
#include "node/provision/node_spec.h"
#include "node/provision/plan.h"

namespace CLI {
class App;
}

namespace gpunode::cli {

struct NodeOptions {
  std::string root = "/";
  std::string spec_path;
  std::vector<std::string> confirmed_wipes;
  std::vector<std::string> only;  ///< Ids of Steps; empty: all.
  bool blank_only = false;        ///< No licence of the file to erase counts.
  bool as_json = false;
  bool no_color = false;
};

/// Adds --root, --json, --no-color and the file's name as an argument.
void add_node_options(CLI::App& verb, NodeOptions& options);

/// A host, looked at, and what would be done to it.
struct NodeView {
  provision::NodeSpec spec;
  provision::Steps steps;
  std::vector<provision::JournalLine> journal;
  provision::History history;
  facts::HostFacts facts;
  provision::Plan plan;
};

/// Reads file and drop-ins. Problems of the file are printed to standard error,
/// one a line, and the Error says how many.
Result<provision::NodeSpec> load_spec(const NodeOptions& options);

/// Looks at the host and plans. Changes nothing.
Result<NodeView> view_node(const NodeOptions& options, Session& session);

/// The same Step, planned from facts of now.
Result<provision::StepPlan> replan_step(const NodeOptions& options,
                                        const NodeView& view,
                                        const provision::History& history,
                                        Session& session,
                                        std::string_view step);

/// How to write to standard output.
console::Terminal terminal_of(const NodeOptions& options,
                              const Session& session);

/// 3 if anything is refused, 5 if a person must act first, 2 if there is
/// something to do, 0 if not.
ExitCode exit_code_of(const provision::Plan& plan);

}  // namespace gpunode::cli
