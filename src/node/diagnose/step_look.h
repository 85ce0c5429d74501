// A Step of a node's plan, as those see it who only look.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpunode::diagnose {

/// How a Step stands to the file that asks for it.
enum class StepStand : std::uint8_t {
  kAsDeclared,
  kToDo,       ///< Not so, or not yet.
  kDrift,      ///< What gpunode made was changed since.
  kBlocked,    ///< A person must act first.
  kRefused,    ///< It would endanger data.
  kNotWanted,  ///< The file does not ask for it.
};

/// "as-declared", "to-do", …: for programs.
constexpr std::string_view stand_name(StepStand stand) {
  switch (stand) {
    case StepStand::kAsDeclared:
      return "as-declared";
    case StepStand::kToDo:
      return "to-do";
    case StepStand::kDrift:
      return "drift";
    case StepStand::kBlocked:
      return "blocked";
    case StepStand::kRefused:
      return "refused";
    case StepStand::kNotWanted:
      break;
  }
  return "not-wanted";
}

struct StepLook {
  std::string id;     ///< "prep.swap".
  std::string title;  ///< What is so when it is done: "swap is off".
  StepStand stand = StepStand::kAsDeclared;
  std::string why = {};  ///< Of any but kAsDeclared: one sentence.
  std::string fix = {};  ///< Of kBlocked and kRefused: what to do.
};

/// How the last run of `gpunode apply` or `rollback` ended.
struct LastRun {
  std::string name;     ///< Empty: there was none.
  std::string command;  ///< "apply", "rollback".
  std::string began;    ///< RFC 3339.
  std::string ended;    ///< RFC 3339; empty: it has not.
  std::string outcome;  ///< "done", "failed", …; empty: it has not ended.
};

/// What is known of a node's plan without doing anything about it.
struct PlanLook {
  std::string file;     ///< The GPUNode file.
  bool exists = false;  ///< Without it there is no plan, and all is empty.
  std::string problem;  ///< Why there is no plan all the same.
  std::vector<StepLook> steps;
  std::vector<std::string> gaps;  ///< What could not be observed.
  LastRun last_run;
  /// A run has not come to its end: it goes on after a reboot, is under way, or
  /// was killed.
  bool is_pending = false;
};

}  // namespace gpunode::diagnose
