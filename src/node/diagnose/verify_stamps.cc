#include "node/diagnose/verify_stamps.h"

#include <algorithm>

#include <fmt/format.h>

namespace gpunode::diagnose {
namespace {

/// The worst verdict of the checks of a level; kSkip if none was made.
Verdict verdict_of_level(const VerifyChecks& checks, int level) {
  Verdict worst = Verdict::kSkip;
  for (const VerifyCheck& check : checks) {
    if (check.level != level || check.verdict == Verdict::kSkip) continue;
    if (check.verdict == Verdict::kFail) return Verdict::kFail;
    worst = Verdict::kPass;
  }
  return worst;
}

/// Where a container of the operator's sees the host's root.
std::string in_container(const std::string& driver_root) {
  return driver_root == "/" ? "/host" : driver_root;
}

std::string driver_words(const std::string& driver_root) {
  return fmt::format(
      "IS_HOST_DRIVER={}\nNVIDIA_DRIVER_ROOT={}\nDRIVER_ROOT_CTR_PATH={}\n"
      "NVIDIA_DEV_ROOT=/\nDEV_ROOT_CTR_PATH=/host\n",
      driver_root == "/", driver_root, in_container(driver_root));
}

}  // namespace

std::vector<Stamp> stamps_of(const VerifyChecks& checks,
                             const std::string& driver_root) {
  std::vector<Stamp> stamps;
  const auto add = [&](const char* name, std::initializer_list<int> levels,
                       std::string content = {}) {
    bool is_earned = true;
    for (const int level : levels) {
      const Verdict verdict = verdict_of_level(checks, level);
      if (verdict == Verdict::kFail) {
        stamps.push_back({name, false, {}});
        return;
      }
      is_earned = is_earned && verdict == Verdict::kPass;
    }
    if (is_earned) stamps.push_back({name, true, std::move(content)});
  };
  add("driver-ready", {0, 1, 2}, driver_words(driver_root));
  add("cuda-ready", {3});
  add("toolkit-ready", {4});
  add("plugin-ready", {5});
  return stamps;
}

}  // namespace gpunode::diagnose
