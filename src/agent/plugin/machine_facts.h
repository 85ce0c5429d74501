// What the labels tell of the machine, read from its files.
#pragma once

#include <string>
#include <vector>

#include "agent/labels/machine.h"
#include "base/host/host_root.h"

namespace gpunode::plugin {

struct MachineFacts {
  labels::Machine machine;           ///< Without the timestamp.
  std::vector<std::string> remarks;  ///< What could not be read, and why.
};

/// `machine_type_file` is a path of `host`; empty: there is none.
MachineFacts read_machine(const host::HostRoot& host,
                          const std::string& machine_type_file);

}  // namespace gpunode::plugin
