// What is declared of a host and how it stands to it, for verbs that only look.
#pragma once

#include "apps/gpunode/commands/node_run.h"
#include "node/diagnose/step_look.h"
#include "node/provision/node_spec.h"

namespace gpunode::cli {

struct DeclaredNode {
  diagnose::PlanLook plan;
  provision::NodeSpec spec;  ///< As by default where there is none to read.
};

/// Looks at the host as `gpunode plan` does, but for what only a run needs
/// (host.preflight), changes nothing and takes no lock.
/// That there is no file, or that it or the host cannot be read, is part of the
/// answer; problems of the file are printed to standard error. A file that
/// `is_named` on the command line must be there.
DeclaredNode look_at_declared_node(const NodeOptions& options, bool is_named,
                                   Session& session);

}  // namespace gpunode::cli
