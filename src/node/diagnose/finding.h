// Finding: something on a node that a person should know of, and what to do.
#pragma once

#include <string>
#include <vector>

namespace gpunode::diagnose {

struct Finding {
  std::string check;  ///< Which check found it: "ungranted", "cdi".
  std::string what;   ///< One line, without a full stop.
  std::string next;   ///< What to do about it; one line.

  bool operator==(const Finding&) const = default;
};

using Findings = std::vector<Finding>;

}  // namespace gpunode::diagnose
