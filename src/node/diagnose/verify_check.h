// One question of `gpunode verify` and its answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpunode::diagnose {

enum class Verdict : std::uint8_t {
  kPass,
  kWarn,  ///< GPUs work, and something is not as it should be.
  kFail,
  kSkip,  ///< The evidence says why it was not asked.
};

/// "pass", "warn", "fail", "skip".
constexpr std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kFail:
      return "fail";
    case Verdict::kSkip:
      break;
  }
  return "skip";
}

struct VerifyCheck {
  int level = 0;   ///< As docs/formats/verify.md numbers them.
  std::string id;  ///< "pci.link".
  Verdict verdict = Verdict::kPass;
  std::string evidence = {};  ///< What was seen; of kSkip the reason.
  std::string hint = {};      ///< Of kWarn and kFail: what to do.

  friend bool operator==(const VerifyCheck&, const VerifyCheck&) = default;
};

using VerifyChecks = std::vector<VerifyCheck>;

/// Whether one of them is kFail.
bool has_failed(const VerifyChecks& checks);

}  // namespace gpunode::diagnose
