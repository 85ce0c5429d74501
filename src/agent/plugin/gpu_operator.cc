#include "agent/plugin/gpu_operator.h"

namespace gpunode::plugin {

kube::LabelLoan operator_loan(const config::Settings& settings) {
  kube::LabelLoan loan;
  loan.labels = {kOperatorPluginLabel};
  if (settings.labelling.target != config::LabelTarget::kOff) {
    loan.labels.emplace_back(kOperatorDiscoveryLabel);
  }
  loan.value = "false";
  loan.annotation = kTakenOverAnnotation;
  loan.busy_prefix = "paused-for-";
  loan.maker = kube::ResourceType{"nvidia.com", "v1", "clusterpolicies", false};
  loan.is_giving_back = settings.give_back;
  return loan;
}

}  // namespace gpunode::plugin
