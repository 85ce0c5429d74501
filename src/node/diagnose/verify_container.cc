#include <string>
#include <string_view>

#include <fmt/format.h>

#include "node/diagnose/verify_levels.h"
#include "node/facts/host_text.h"

namespace gpunode::diagnose {
namespace {

constexpr const char* kId = "container.vectoradd";
constexpr int kLevel = 4;
constexpr std::string_view kPassed = "Test PASSED";

struct Sign {
  std::string_view text;
  std::string_view hint;
};

/// What gpunode-vectoradd, gpunode-runtime and containerd say, in the order in
/// which they would say it.
constexpr Sign kSigns[] = {
    {"no NVIDIA driver library",
     "the container got nothing of the driver: `gpunode cdi list` shows "
     "whether "
     "there is a spec, `gpunode runtime configure --dry-run` what containerd "
     "would be told"},
    {"CUDA_ERROR_NO_DEVICE",
     "the driver's library is there and no GPU is: `gpunode cdi list` names "
     "the "
     "devices, and /dev/nvidia* must be there"},
    {"unresolvable CDI devices",
     "the CDI spec has no such device: `gpunode cdi refresh`"},
    {"no runtime binary found",
     "gpunode-runtime finds neither runc nor crun: install one (`dnf install "
     "runc`, `apt-get install runc`)"},
    {"executable file not found",
     "gpunode-runtime, or runc behind it, is not where it was looked for"},
    {"failed to dial",
     "containerd does not run: `systemctl status containerd`"},
};

}  // namespace

VerifyChecks verify_container(const ContainerTrial& trial) {
  VerifyCheck check{.level = kLevel, .id = kId};
  if (!trial.skipped.empty() || !trial.end) {
    check.verdict = Verdict::kSkip;
    check.evidence = trial.skipped;
    return {check};
  }
  check.verdict = Verdict::kFail;
  check.hint = "`gpunode doctor` looks for what is usually the reason";
  if (!*trial.end) {
    check.evidence = trial.end->error().message();
    return {check};
  }
  const host::Completed& end = **trial.end;
  const std::string said = end.out + end.err;
  if (end.status == 0 && said.find(kPassed) != std::string::npos) {
    check.verdict = Verdict::kPass;
    check.evidence = "a container of containerd's got a GPU and added vectors";
    check.hint.clear();
    return {check};
  }
  check.evidence =
      fmt::format("the container ended with {}: {}", end.status,
                  facts::last_line(end.err.empty() ? end.out : end.err));
  for (const Sign& sign : kSigns) {
    if (said.find(sign.text) == std::string::npos) continue;
    check.hint = sign.hint;
    break;
  }
  return {check};
}

}  // namespace gpunode::diagnose
