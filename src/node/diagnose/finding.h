// Finding: something on a node that a person should know of, and what to do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpunode::diagnose {

enum class Severity : std::uint8_t {
  kNote,     ///< Nothing need be done.
  kWarning,  ///< Something will break, or is not as it should be.
  kBad,      ///< GPUs, or containers with them, do not work.
};

/// "note", "warning", "bad": for programs.
constexpr std::string_view severity_name(Severity severity) {
  switch (severity) {
    case Severity::kNote:
      return "note";
    case Severity::kWarning:
      return "warning";
    case Severity::kBad:
      break;
  }
  return "bad";
}

struct Finding {
  std::string check;  ///< Which check found it: "ungranted", "cdi".
  std::string what;   ///< One line, without a full stop.
  std::string next;   ///< What to do about it; one line.
  Severity severity = Severity::kWarning;
  std::string seen = {};  ///< The evidence: a line of a log or file, quoted.
  std::string why = {};   ///< Why it matters, or how it came; may be empty.

  bool operator==(const Finding&) const = default;
};

using Findings = std::vector<Finding>;

}  // namespace gpunode::diagnose
