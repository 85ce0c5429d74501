// The device plugin of a GPUNode file as a cluster takes it: values of the
// chart, or a manifest.
#pragma once

#include <string>

#include "base/core/result.h"
#include "node/provision/node_spec.h"

namespace gpunode::provision {

/// Values of deploy/helm/gpunode, as YAML: the configuration, that its Pods run
/// on nodes with the file's labels and bear its taints, and what spec.runtime
/// asks of a Pod that sees GPUs.
std::string chart_values(const NodeSpec& spec);

/// The manifests of deploy/static with the same, as YAML for `kubectl apply`.
/// `image` in the place of theirs; empty: theirs. kInvalidArgument where only
/// the chart can do what the file asks for.
Result<std::string> plugin_manifest(const NodeSpec& spec,
                                    const std::string& image);

}  // namespace gpunode::provision
