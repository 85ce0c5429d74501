// The states of a Step in words.
#pragma once

#include <string_view>

#include "node/provision/step.h"

namespace gpunode::provision {

/// "ok", "change", "drift", "blocked", "refused", "not-wanted": for programs.
constexpr std::string_view state_name(StepState state) {
  switch (state) {
    case StepState::kOk:
      return "ok";
    case StepState::kChange:
      return "change";
    case StepState::kDrift:
      return "drift";
    case StepState::kBlocked:
      return "blocked";
    case StepState::kRefused:
      return "refused";
    case StepState::kNotWanted:
      break;
  }
  return "not-wanted";
}

}  // namespace gpunode::provision
