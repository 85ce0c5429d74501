// All forms in which a program gives work to a Device that takes turns.
#pragma once

#include <string>
#include <vector>

#include "gpu/abi/cuda.h"

namespace gpunode::share {

struct WorkForm {
  std::string name;
  abi::CUresult (*ask)();
};

/// By a thread that has a current context and has called prepare_forms().
const std::vector<WorkForm>& work_forms();
/// Copies from and to the host by their description, and between Devices, if
/// there is a second one.
const std::vector<WorkForm>& copies_of_others();
/// False: the driver refuses what they need.
bool prepare_forms();

}  // namespace gpunode::share
