// What NVIDIA's GPU Operator runs on a node, and how it is told not to.
//
// Source: NVIDIA/gpu-operator, controllers/state_manager.go. The operator gives
// each GPU node a label a component, "nvidia.com/gpu.deploy.NAME" = "true",
// which is the nodeSelector of that component's DaemonSet. It only ever adds a
// label that is missing and keeps any value that it finds; so do its helpers,
// which take the components off a node for a while by "paused-for-..." and
// write "true" afterwards, except where they found "false".
#pragma once

#include "agent/config/settings.h"
#include "k8s/api/label_loan.h"

namespace gpunode::plugin {

/// Its device plugin and, by the same label, its MPS control daemon.
inline constexpr const char* kOperatorPluginLabel =
    "nvidia.com/gpu.deploy.device-plugin";
inline constexpr const char* kOperatorDiscoveryLabel =
    "nvidia.com/gpu.deploy.gpu-feature-discovery";

/// Remembers on the Node what stood in these labels.
inline constexpr const char* kTakenOverAnnotation = "gpunode.io/taken-over";

/// The switches of the components that an agent with these settings replaces:
/// the device plugin and, if it puts labels somewhere, feature discovery. The
/// driver, the toolkit, DCGM and the rest stay the operator's.
kube::LabelLoan operator_loan(const config::Settings& settings);

}  // namespace gpunode::plugin
