#include "node/diagnose/verify_check.h"

#include <algorithm>
#include <array>
#include <span>

#include "node/diagnose/verify_levels.h"

namespace gpunode::diagnose {

bool has_failed(const VerifyChecks& checks) {
  return std::ranges::any_of(checks, [](const VerifyCheck& check) {
    return check.verdict == Verdict::kFail;
  });
}

VerifyChecks skipped_level(int level, const std::string& reason) {
  static constexpr std::array<const char*, 6> kPci = {
      "pci.gpus",    "pci.count",  "pci.kinds",
      "pci.present", "pci.memory", "pci.link"};
  static constexpr std::array<const char*, 6> kModule = {
      "module.loaded",  "module.bound",  "module.file",
      "module.library", "module.params", "module.log"};
  static constexpr std::array<const char*, 8> kNvml = {
      "nvml.start",       "nvml.count", "nvml.answers", "nvml.version",
      "nvml.persistence", "nvml.modes", "nvml.memory",  "nvml.fabric"};
  static constexpr std::array<const char*, 1> kCuda = {"cuda.vectoradd"};
  static constexpr std::array<const char*, 1> kContainer = {
      "container.vectoradd"};
  static constexpr std::array<const char*, 2> kKubelet = {
      "kubelet.node", "kubelet.allocatable"};
  static constexpr std::array<const char*, 1> kPod = {"pod.vectoradd"};
  static constexpr std::array<const char*, 1> kDiagnostics = {"diag.dcgm"};
  const std::array<std::span<const char* const>, kHighestLevel + 1> levels = {
      kPci, kModule, kNvml, kCuda, kContainer, kKubelet, kPod, kDiagnostics};
  VerifyChecks checks;
  for (const char* id : levels.at(static_cast<std::size_t>(level))) {
    checks.push_back({level, id, Verdict::kSkip, reason});
  }
  return checks;
}

}  // namespace gpunode::diagnose
