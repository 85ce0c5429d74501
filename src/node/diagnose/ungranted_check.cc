#include "node/diagnose/ungranted_check.h"

#include <algorithm>

#include <fmt/format.h>

namespace gpunode::diagnose {
namespace {

/// "team/train-0, container main (cuda:12)"; a container without a Pod is what
/// somebody started by hand.
std::string name_of(const oci::UngrantedContainer& one) {
  std::string name = one.pod.empty()
                         ? std::string("a container outside Kubernetes")
                         : fmt::format("{}/{}, container {}", one.pod_namespace,
                                       one.pod, one.container);
  if (!one.image.empty()) name += fmt::format(" ({})", one.image);
  return name;
}

}  // namespace

Findings check_ungranted(std::vector<oci::UngrantedContainer> report) {
  std::stable_sort(
      report.begin(), report.end(),
      [](const auto& a, const auto& b) { return a.times > b.times; });
  Findings findings;
  for (const oci::UngrantedContainer& one : report) {
    findings.push_back(
        {"ungranted",
         fmt::format("{} asked for GPUs ({}): {}; {} times, last at {}",
                     name_of(one), one.asked, one.why, one.times,
                     one.last_time),
         "let the Pod request nvidia.com/gpu, or set NVIDIA_VISIBLE_DEVICES to "
         "void in it; a monitor that needs every GPU belongs to "
         "exempt-namespaces in config.toml"});
  }
  return findings;
}

}  // namespace gpunode::diagnose
