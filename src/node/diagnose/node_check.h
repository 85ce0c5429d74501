// The verdict over a node that was made: what has changed, what will break.
//
// Pure. Who looks at a host is node/facts and the verb; what of it somebody
// should know is decided here, and said in node_check_text.h and its siblings.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "k8s/api/node_condition.h"
#include "node/diagnose/finding.h"
#include "node/diagnose/step_look.h"
#include "node/facts/certificates.h"
#include "node/facts/next_kernel.h"

namespace gpunode::diagnose {

/// The condition's type. Like those of the node problem detector, and unlike
/// Ready, it is True when there is something to do.
inline constexpr const char* kConditionType = "GpuNodeNeedsAttention";

struct NodeLook {
  PlanLook plan;
  facts::KernelModules kernels;
  std::vector<facts::CertificateFacts> certificates;
};

struct CheckRules {
  std::chrono::sys_seconds now{};
  /// A certificate that ends sooner is told of. One that was made for less than
  /// four times as long is told of in the last tenth of its time: the kubelet
  /// renews its own after seven to nine tenths.
  std::chrono::days certificate_warning{30};
};

struct CheckFinding {
  enum class Gravity { kWarning, kBad };

  Gravity gravity = Gravity::kWarning;
  std::string reason;  ///< For programs: "Drift", "CertificateExpired".
  Finding finding;
};

/// Everything that somebody should know, the gravest first.
std::vector<CheckFinding> check_node(const NodeLook& look,
                                     const CheckRules& rules);

/// Of these the ones of the plan alone, for who shows the rest himself.
Findings check_plan(const PlanLook& plan);

/// Whole days until `certificate` ends, below 0 when it has.
std::int64_t days_left(const facts::CertificateFacts& certificate,
                       std::chrono::sys_seconds now);

/// The findings as one condition: True with the gravest's reason; False when
/// there are none.
kube::NodeCondition condition_of(const std::vector<CheckFinding>& findings);

/// The Node whose kubelet has a certificate of this name: "gpu-1" of
/// "system:node:gpu-1". Empty for any other.
std::string node_of_kubelet(const std::string& common_name);

}  // namespace gpunode::diagnose
