// Files that say how far a node is, as those of gpu-operator's validator: its
// consumers wait for them (`driver-ready` and the like in
// /run/nvidia/validations).
#pragma once

#include <string>
#include <vector>

#include "node/diagnose/verify_check.h"

namespace gpunode::diagnose {

/// One file in the directory of stamps.
struct Stamp {
  std::string name;  ///< "driver-ready".
  bool is_earned = false;
  std::string content;  ///< Of driver-ready: what containers source.

  friend bool operator==(const Stamp&, const Stamp&) = default;
};

/// Which stamps `checks` earn: driver-ready by levels 0 to 2, cuda-ready by 3,
/// toolkit-ready by 4, plugin-ready by 5. Nothing is said of a level that was
/// not asked or was skipped: its stamp is not in the answer and stays as it is.
/// `driver_root`: of the host, "/".
///
/// Names and content: gpu-operator, cmd/nvidia-validator.
std::vector<Stamp> stamps_of(const VerifyChecks& checks,
                             const std::string& driver_root);

}  // namespace gpunode::diagnose
