// What spec.verify asks at the end of a run.
#pragma once

#include "apps/gpunode/commands/node_run.h"
#include "node/provision/node_spec.h"

namespace gpunode::cli {

/// Asks the levels of the file and prints the answers, as `gpunode verify`
/// does. Level 5 is asked again until it passes or its patience is over: the
/// device plugin may be a Pod that is only being fetched. What has failed sets
/// session.outcome. Nothing happens where the file asks for nothing.
void verify_made_node(const provision::VerifySpec& spec,
                      const NodeOptions& options, Session& session);

}  // namespace gpunode::cli
